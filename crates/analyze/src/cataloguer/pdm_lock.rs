//! PDM's lock file: `pdm.lock`.
//!
//! Format: TOML as PDM writes it. `groups` holds both optional and development groups; a package is
//! for development when all its groups have the usual names of such (`dev`, `test`, `docs`, …).
//! Packages from git, folders and addresses are left out.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, TOML_BYTES_MAX, any_path, plain, scope, toml_tables};
use crate::loose::{Object, Text};
use crate::python_lock::{Document, Entry, TABLES, is_development_word};
use seaworthy_types::{About, Reads};

/// The cataloguer of PDM's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "pdm-lock",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages of pdm.lock from an index; development dependencies by the usual names of groups.",
    },
    patterns: &[Pattern::Name("pdm.lock")],
    accepts: any_path,
    is_name: plain,
    bytes_max: TOML_BYTES_MAX,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    toml_tables(text, &TABLES, |Object(document): Object<Document<'_>>| {
        for entry in document.unwrap_or_default().entries() {
            match entry.origins.is_empty() {
                true => {
                    lock.package(entry.name(), entry.version(), scope(is_development(entry)));
                }
                false => lock.elsewhere(entry.name()),
            }
        }
    })
}

fn is_development(entry: &Entry<'_>) -> bool {
    let Some(groups) = &entry.groups else { return false };
    let mut groups = groups.items.iter().filter_map(Text::get).peekable();
    groups.peek().is_some() && groups.all(is_development_word)
}
