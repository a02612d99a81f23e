//! Composer's lock file: `composer.lock`.
//!
//! Format: JSON as Composer's `Locker` writes it: `packages` and `packages-dev`. A version that is a
//! branch (`dev-main`) is kept with its commit, as for installed packages; packages of folders are
//! left out.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, json, plain_parts, scope};
use crate::loose::{Fields, List, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;

/// The cataloguer of Composer's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "composer-lock",
        version: 1,
        ecosystem: "composer",
        reads: Reads::Declared,
        coverage: "PHP packages of composer.lock, with development dependencies.",
    },
    patterns: &[Pattern::Name("composer.lock")],
    accepts: any_path,
    is_name: plain_parts,
    bytes_max: AS_RECORD,
    parse,
};

#[derive(Default)]
struct Document<'a> {
    production: List<Object<Entry<'a>>>,
    development: List<Object<Entry<'a>>>,
}

#[derive(Default)]
struct Entry<'a> {
    name: Text<'a>,
    version: Text<'a>,
    source: Object<Origin<'a>>,
    archive: Object<Origin<'a>>,
}

#[derive(Default)]
struct Origin<'a> {
    kind: Text<'a>,
    reference: Text<'a>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "packages" => self.production = map.next_value()?,
            "packages-dev" => self.development = map.next_value()?,
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
            "source" => self.source = map.next_value()?,
            "dist" => self.archive = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Origin<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = map.next_value()?,
            "reference" => self.reference = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let Object(Some(document)) = json::<Object<Document<'_>>>(text)? else {
        return Err("it is no JSON object".into());
    };
    if !document.production.is_list && !document.development.is_list {
        return Err("it has no list of packages".into());
    }
    for (list, development) in [(&document.production, false), (&document.development, true)] {
        for entry in &list.items {
            match &entry.0 {
                Some(entry) => note(entry, development, lock),
                None => lock.unusable(""),
            }
        }
    }
    Ok(())
}

fn note(entry: &Entry<'_>, development: bool, lock: &mut Lock) {
    let (name, version) = (entry.name.get().unwrap_or_default(), entry.version.get().unwrap_or_default());
    let of_folder = |origin: &Object<Origin<'_>>| {
        origin.0.as_ref().is_some_and(|origin| origin.kind.get() == Some("path"))
    };
    if of_folder(&entry.archive) {
        return lock.elsewhere(name);
    }
    let Some(package) = lock.package(name, version, scope(development)) else { return };
    if version.starts_with("dev-") || version.ends_with("-dev") {
        let commit = entry.source.0.as_ref().and_then(|source| source.reference.get());
        package.fact("commit", commit.unwrap_or_default());
    }
}
