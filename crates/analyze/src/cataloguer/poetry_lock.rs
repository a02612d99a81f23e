//! Poetry's lock file: `poetry.lock`.
//!
//! Format: TOML as Poetry's `Locker` writes it. Poetry before 1.5 names a `category`, Poetry 2 the
//! `groups`; in between nothing says what is for development. By Poetry's documentation all groups
//! but `main` are for development. Packages from git, folders, files and addresses are left out;
//! a `legacy` source is another index.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, TOML_BYTES_MAX, any_path, plain, scope, toml_tables};
use crate::loose::{Object, Text};
use crate::python_lock::{Document, Entry, TABLES};
use seaworthy_types::{About, Reads};

/// The cataloguer of Poetry's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "poetry-lock",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages of poetry.lock from an index; development dependencies where Poetry marks them (before 1.5, since 2).",
    },
    patterns: &[Pattern::Name("poetry.lock")],
    accepts: any_path,
    is_name: plain,
    bytes_max: TOML_BYTES_MAX,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    toml_tables(text, &TABLES, |Object(document): Object<Document<'_>>| {
        for entry in document.unwrap_or_default().entries() {
            match entry.source("type") {
                None | Some("legacy") => {
                    lock.package(entry.name(), entry.version(), scope(is_development(entry)));
                }
                Some(_) => lock.elsewhere(entry.name()),
            }
        }
    })
}

fn is_development(entry: &Entry<'_>) -> bool {
    match &entry.groups {
        Some(groups) if !groups.items.is_empty() => {
            !groups.items.iter().filter_map(Text::get).any(|group| group == "main")
        }
        _ => entry.category.get() == Some("dev"),
    }
}
