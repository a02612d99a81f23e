//! Pipenv's lock file: `Pipfile.lock`.
//!
//! Format: JSON as Pipenv writes it: `default`, `develop` and categories of the user's own map a
//! name to an entry with `version: "==1.0"`. Packages from git, folders and addresses are left out.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, json, plain, scope};
use crate::loose::{Entries, Fields, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::{IgnoredAny, MapAccess};

/// The cataloguer of Pipenv's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "pipfile-lock",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages of Pipfile.lock from an index, with development dependencies.",
    },
    patterns: &[Pattern::Name("Pipfile.lock")],
    accepts: any_path,
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

#[derive(Default)]
struct Entry<'a> {
    version: Text<'a>,
    elsewhere: bool,
}

impl<'de> Fields<'de> for Entry<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "version" => self.version = map.next_value()?,
            "git" | "hg" | "svn" | "bzr" | "path" | "file" | "url" => {
                map.next_value::<IgnoredAny>()?;
                self.elsewhere = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    if text.trim().is_empty() {
        return Ok(());
    }
    let categories = json::<Entries<'_, Entries<'_, Object<Entry<'_>>>>>(text)?;
    for (category, entries) in categories.0.iter().filter(|(category, _)| category != "_meta") {
        for (name, entry) in &entries.0 {
            let Some(entry) = &entry.0 else {
                lock.unusable(name);
                continue;
            };
            let version = entry.version.get().unwrap_or_default();
            if entry.elsewhere {
                lock.elsewhere(name);
            } else if version.is_empty() || version == "*" {
                lock.passed_over("unlocked-version", "packages have no version and are left out", name);
            } else {
                lock.package(name, version.trim_start_matches('='), scope(category == "develop"));
            }
        }
    }
    Ok(())
}
