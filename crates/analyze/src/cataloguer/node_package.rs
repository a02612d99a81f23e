//! Installed npm packages: `package.json`.
//!
//! Format: `package.json` of the npm documentation. A package counts when its own record lies in a
//! `node_modules` folder (`node_modules/NAME/`, `node_modules/@SCOPE/NAME/`), also when it is a copy
//! bundled deeper inside another package, or outside of all such folders: then it is the
//! application itself. The record's own name wins over the folder's (npm aliases). Lock files,
//! the hidden one of `node_modules` included, are not trusted for what is installed. Does not look
//! into bundled JavaScript files, nor into the zipped packages of yarn's Plug'n'Play: where that is
//! in use in an image, a gap says so.

use super::{Cataloguer, Facts, File, Pattern, Target};
use crate::assemble::{Builder, View};
use crate::loose::{self, Entries, Fields, Flag, Object, OneOrMany, Text, TextOrObject, clip, is_word};
use seaworthy_types::{About, Note, Package, Reads};
use serde::de::{IgnoredAny, MapAccess};
use serde::{Deserialize, Serialize};

/// The cataloguer of installed npm packages.
pub const CATALOGUER: &dyn Cataloguer = &NodePackage;

const NAME_BYTES_MAX: usize = 214;
const VERSION_BYTES_MAX: usize = 256;
const LICENCE_CHARS_MAX: usize = 120;
const LICENCES_MAX: usize = 8;
/// Versions that tools write into a repository and replace when they publish: such a package was
/// installed from its repository, and its version is not known.
const PLACEHOLDERS: [&str; 4] =
    ["0.0.0-development", "0.0.0-semantically-released", "0.0.0-semantic-release", "0.0.0-placeholder"];
/// Folders of a package that hold records of no package: test data, documentation, templates.
const NOT_PACKAGES: [&str; 19] = [
    "test",
    "tests",
    "__tests__",
    "testdata",
    "test-data",
    "fixture",
    "fixtures",
    "__fixtures__",
    "spec",
    "specs",
    "example",
    "examples",
    "demo",
    "demos",
    "doc",
    "docs",
    "benchmark",
    "benchmarks",
    "templates",
];

struct NodePackage;

/// Where a record lies, and so what it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    /// Directly in `node_modules`, in a folder with this name.
    Installed(&'a str),
    /// Deeper inside an installed package.
    Bundled,
    /// In no `node_modules` folder.
    Application,
}

#[derive(Serialize, Deserialize)]
enum Raw {
    Package(Record),
    PlugAndPlay,
}

#[derive(Serialize, Deserialize)]
struct Record {
    name: String,
    version: String,
    /// A placeholder stood where the version belongs.
    placeholder: String,
    licences: Vec<String>,
    private: bool,
    by_path: bool,
}

impl Cataloguer for NodePackage {
    fn about(&self) -> &'static About {
        &About {
            name: "node-package",
            version: 1,
            ecosystem: "npm",
            reads: Reads::Installed,
            coverage: "npm packages in node_modules folders by their own package.json (bundled copies included, test data and examples not), and applications with name and version.",
        }
    }
    fn patterns(&self) -> &'static [Pattern] {
        &[Pattern::Name("package.json"), Pattern::Name(".pnp.cjs"), Pattern::Name(".pnp.js")]
    }
    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        place_of(path).is_some()
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        if !file.path.ends_with(".json") {
            facts.push(&Raw::PlugAndPlay);
        } else if let Some(place) = place_of(file.path) {
            read(place, file, facts);
        }
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let record = match fact.get::<Raw>() {
                Some(Raw::Package(record)) => record,
                // In a source folder the lock file says what it would load.
                Some(Raw::PlugAndPlay) if view.target() == Target::Image => {
                    builder.note(Note::gap(
                        "plug-and-play",
                        "node-package",
                        fact.path,
                        "yarn's Plug'n'Play is in use: packages in its zipped cache are not read",
                    ));
                    continue;
                }
                Some(Raw::PlugAndPlay) | None => continue,
            };
            let mut package = package(record, place_of(fact.path));
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

fn package(record: Record, place: Option<Place<'_>>) -> Package {
    let mut package = Package::new("npm", record.name, record.version, "node-package");
    package.licences = record.licences;
    let fact = match place {
        Some(Place::Application) => Some(("role", "application".to_owned())),
        Some(Place::Bundled) => Some(("role", "bundled".to_owned())),
        Some(Place::Installed(folder)) if folder != package.name => {
            Some(("alias", clip(folder, NAME_BYTES_MAX)))
        }
        _ => None,
    };
    package.facts.extend(fact.map(|(name, value)| (name.to_owned(), value)));
    if record.private {
        package.facts.insert("private".into(), "true".into());
    }
    if !record.placeholder.is_empty() {
        package.facts.insert("declared_version".into(), record.placeholder);
    }
    if record.by_path {
        package.evidence = "folder name".into();
    }
    package
}

/// `None` when the record is test data of an installed package.
fn place_of(path: &str) -> Option<Place<'_>> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = match folder.rfind("node_modules/") {
        Some(at) if at == 0 || folder[..at].ends_with('/') => &folder[at + "node_modules/".len()..],
        _ => return Some(Place::Application),
    };
    let name_parts = if below.starts_with('@') { 2 } else { 1 };
    let inside = below.splitn(name_parts + 1, '/').nth(name_parts);
    match inside {
        None => Some(Place::Installed(below)),
        Some(inside) => {
            let odd = inside.split('/').any(|part| NOT_PACKAGES.contains(&part));
            (!odd).then_some(Place::Bundled)
        }
    }
}

#[derive(Default)]
struct Manifest<'a> {
    name: Text<'a>,
    version: Text<'a>,
    licences: OneOrMany<TextOrObject<'a, Licence<'a>>>,
    private: Flag,
    engines: Entries<'a, IgnoredAny>,
    unity: bool,
}

#[derive(Default)]
struct Licence<'a> {
    kind: Text<'a>,
}

impl<'de> Fields<'de> for Manifest<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "version" => self.version = map.next_value()?,
            "license" | "licenses" => {
                let found: OneOrMany<_> = map.next_value()?;
                self.licences.0.extend(found.0);
                self.licences.0.truncate(LICENCES_MAX);
            }
            "private" => self.private = map.next_value()?,
            "engines" => self.engines = map.next_value()?,
            "unity" => {
                self.unity = true;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Licence<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" | "name" => self.kind = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl Manifest<'_> {
    /// Other package managers use the same file name: extensions of Visual Studio Code and
    /// packages of Unity are in no npm registry.
    fn of_another_manager(&self) -> bool {
        self.unity || self.engines.0.iter().any(|(name, _)| name == "vscode")
    }

    fn licence_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for licence in &self.licences.0 {
            let name = match licence {
                TextOrObject::Text(text) => text.trim(),
                TextOrObject::Object(Licence { kind }) => kind.get().unwrap_or_default(),
                TextOrObject::Other => "",
            };
            let name = clip(name, LICENCE_CHARS_MAX);
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn read(place: Place<'_>, file: &File<'_>, facts: &mut Facts<'_>) {
    let Some(bytes) = file.record(facts) else { return };
    let _turn = loose::turn(bytes.len() as u64);
    let text = loose::text(&bytes, facts);
    match serde_json::from_str::<Object<Manifest<'_>>>(&text) {
        Ok(Object(Some(manifest))) => note_package(place, &manifest, facts),
        Ok(Object(None)) => unreadable(place, "it is no JSON object", facts),
        Err(error) => unreadable(place, &error.to_string(), facts),
    }
}

/// A broken record where a package is installed hides that package; elsewhere it is as likely to
/// be test data as anything else.
fn unreadable(place: Place<'_>, why: &str, facts: &mut Facts<'_>) {
    match place {
        Place::Installed(_) => {
            facts.gap("record-unreadable", format!("the package in this folder is not known: {why}"))
        }
        Place::Bundled | Place::Application => facts.info("record-unreadable", why),
    }
}

fn note_package(place: Place<'_>, manifest: &Manifest<'_>, facts: &mut Facts<'_>) {
    let own = manifest.name.get().filter(|name| is_name(name));
    let folder = match place {
        Place::Installed(folder) => Some(folder).filter(|name| is_name(name)),
        _ => None,
    };
    // npm itself reads versions such as `v1.2.3` and `=1.2.3`.
    let version = manifest.version.get().map(|text| text.trim_start_matches(['=', 'v', ' ']));
    let version = version.filter(|text| is_word(text, VERSION_BYTES_MAX));
    let installed = matches!(place, Place::Installed(_));
    let (Some(name), Some(version)) = (own.or(folder), version) else {
        // Without both it can be in no registry; most such files only set the module type.
        match (manifest.name.get(), manifest.version.get()) {
            (_, Some(_)) if installed && version.is_none() => {
                facts.gap("version-unknown", "its version is none that npm allows");
            }
            _ if installed => {
                facts.info("no-package-record", "it has no name or no version: it came from no registry");
            }
            (Some(_), Some(_)) => {
                facts.info("no-package-record", "its name or version is none that npm allows");
            }
            _ => {}
        }
        return;
    };
    if !installed && manifest.of_another_manager() {
        return facts.info("not-npm", "a record of another package manager with the same file name");
    }
    let placeholder = place != Place::Application && PLACEHOLDERS.contains(&version);
    if placeholder {
        facts.gap(
            "version-unknown",
            format!("`{name}` was installed from its repository and has `{version}` for a version"),
        );
    }
    let by_path = own.is_none();
    if by_path {
        facts.info("named-by-path", "it has no usable name; its folder says which");
    }
    facts.push(&Raw::Package(Record {
        name: name.to_owned(),
        version: if placeholder { String::new() } else { version.to_owned() },
        placeholder: if placeholder { version.to_owned() } else { String::new() },
        licences: manifest.licence_names(),
        private: manifest.private.0,
        by_path,
    }));
}

/// `name` or `@scope/name` in the characters that npm ever allowed.
pub(crate) fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        is_word(part, NAME_BYTES_MAX)
            && part.bytes().all(|b| b.is_ascii_graphic() && !b"/\\@%?#".contains(&b))
            && part != "."
            && part != ".."
    };
    match text.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (path, place) in [
            ("package.json", Some(Place::Application)),
            ("app/my_node_modules/x/package.json", Some(Place::Application)),
            ("node_modules/a/package.json", Some(Place::Installed("a"))),
            ("srv/node_modules/@s/a/package.json", Some(Place::Installed("@s/a"))),
            ("a/node_modules/.pnpm/ms@2/node_modules/ms/package.json", Some(Place::Installed("ms"))),
            ("node_modules/next/dist/compiled/ws/package.json", Some(Place::Bundled)),
            ("node_modules/@s/a/esm/package.json", Some(Place::Bundled)),
            ("node_modules/resolve/test/x/package.json", None),
            ("node_modules/package.json", Some(Place::Application)),
            ("node_modules/@s/package.json", Some(Place::Installed("@s"))),
        ] {
            assert_eq!(place_of(path), place, "{path}");
        }
    }

    #[test]
    fn names() {
        for good in ["a", "@s/a", "JSONStream", "lodash.merge", "a~b", "!x"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a/b", "@s", "@s/", "@s/a/", "../x", "..", "a b", "ä", "@/a", "a@1"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
