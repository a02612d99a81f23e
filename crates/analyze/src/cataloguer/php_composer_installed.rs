//! PHP packages that Composer installed: `vendor/composer/installed.json`.
//!
//! Format: what Composer's `FilesystemRepository` writes: an array of packages in version 1, an
//! object with `packages` and `dev-package-names` in version 2. Does not read the application's
//! own record (`composer.json`) nor `installed.php`.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::loose::{self, Fields, List, Object, OneOrMany, Text, clip, is_word};
use seaworthy_types::{About, Package, Reads, Scope};
use serde::de::{Deserialize, MapAccess};
use serde::{Deserialize as DeserializeFact, Serialize};
use std::collections::BTreeSet;

/// The cataloguer of installed PHP packages.
pub const CATALOGUER: &dyn Cataloguer = &PhpComposerInstalled;

const NAME_BYTES_MAX: usize = 256;
const VERSION_BYTES_MAX: usize = 256;
const LICENCE_CHARS_MAX: usize = 120;
const LICENCES_MAX: usize = 16;

struct PhpComposerInstalled;

#[derive(Serialize, DeserializeFact)]
struct Raw {
    name: String,
    version: String,
    licences: Vec<String>,
    development: bool,
    /// Commit of a package that is installed from a branch.
    commit: String,
}

impl Cataloguer for PhpComposerInstalled {
    fn about(&self) -> &'static About {
        &About {
            name: "php-composer-installed",
            version: 1,
            ecosystem: "composer",
            reads: Reads::Installed,
            coverage: "PHP packages that Composer 1 or 2 recorded in vendor/composer/installed.json.",
        }
    }
    fn patterns(&self) -> &'static [Pattern] {
        &[Pattern::Ending("composer/installed.json")]
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let Some(bytes) = file.record(facts) else { return };
        let _turn = loose::turn(bytes.len() as u64);
        let text = loose::text(&bytes, facts);
        // The first character says which version it is.
        let record = match text.trim_start().starts_with('[') {
            true => parse::<List<Object<Entry<'_>>>>(&text)
                .map(|packages| Record { packages, ..Record::default() }),
            false => parse::<Object<Record<'_>>>(&text)
                .and_then(|record| record.0.ok_or_else(|| "it is neither an array nor an object".into())),
        };
        match record {
            Ok(record) if record.packages.is_list => note_packages(record, facts),
            Ok(_) => facts.gap("record-unreadable", "it has no list of packages"),
            Err(why) => {
                facts.gap("record-unreadable", format!("the packages of this folder are not known: {why}"))
            }
        }
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let Some(raw) = fact.get::<Raw>() else { continue };
            let mut package = Package::new("composer", raw.name, raw.version, "php-composer-installed");
            package.licences = raw.licences;
            if raw.development {
                package.scope = Scope::Development;
            }
            if !raw.commit.is_empty() {
                package.facts.insert("commit".into(), raw.commit);
            }
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Default)]
struct Record<'a> {
    packages: List<Object<Entry<'a>>>,
    development: List<Text<'a>>,
}

#[derive(Default)]
struct Entry<'a> {
    name: Text<'a>,
    version: Text<'a>,
    licences: OneOrMany<Text<'a>>,
    source: Object<Source<'a>>,
}

#[derive(Default)]
struct Source<'a> {
    reference: Text<'a>,
}

impl<'de> Fields<'de> for Record<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "packages" => self.packages = map.next_value()?,
            "dev-package-names" => self.development = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Entry<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "version" => self.version = map.next_value()?,
            "license" => self.licences = map.next_value()?,
            "source" => self.source = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Source<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "reference" => self.reference = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn note_packages(record: Record<'_>, facts: &mut Facts<'_>) {
    let development: BTreeSet<&str> = record.development.items.iter().filter_map(Text::get).collect();
    let mut unusable = 0_u64;
    for entry in &record.packages.items {
        match entry.0.as_ref().and_then(|entry| raw(entry, &development)) {
            Some(raw) => facts.push(&raw),
            None => unusable = unusable.saturating_add(1),
        }
    }
    if unusable > 0 {
        facts.gap(
            "package-without-name",
            format!("{unusable} of its packages have no usable name or version"),
        );
    }
}

fn raw(entry: &Entry<'_>, development: &BTreeSet<&str>) -> Option<Raw> {
    let name = entry.name.get().filter(|text| is_word(text, NAME_BYTES_MAX))?;
    let version = entry.version.get().filter(|text| is_word(text, VERSION_BYTES_MAX))?;
    let licences = entry.licences.0.iter().filter_map(Text::get).take(LICENCES_MAX);
    let of_branch = version.starts_with("dev-") || version.ends_with("-dev");
    let commit = entry.source.0.as_ref().and_then(|source| source.reference.get()).filter(|_| of_branch);
    Some(Raw {
        name: name.to_owned(),
        version: version.to_owned(),
        licences: licences.map(|text| clip(text, LICENCE_CHARS_MAX)).collect(),
        development: development.contains(name),
        commit: commit.map(|text| clip(text, 80)).unwrap_or_default(),
    })
}
