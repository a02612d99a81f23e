//! Cargo's lock file: `Cargo.lock`.
//!
//! Format: TOML as Cargo's `encode.rs` writes it, versions 1 to 4. A crate without source is one of
//! the workspace or a folder, one with a `git` source has the version of its manifest: both are kept
//! and marked, as binaries with an embedded list have them. Nothing says what is for development.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, TOML_BYTES_MAX, any_path, plain, scope, toml_tables};
use crate::loose::{Fields, List, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;

/// The cataloguer of Cargo's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "cargo-lock",
        version: 1,
        ecosystem: "cargo",
        reads: Reads::Declared,
        coverage: "Rust crates of Cargo.lock, versions 1 to 4; what is for development only is not told apart.",
    },
    patterns: &[Pattern::Name("Cargo.lock")],
    accepts: any_path,
    is_name: plain,
    bytes_max: TOML_BYTES_MAX,
    parse,
};

#[derive(Default)]
struct Document<'a> {
    packages: List<Object<Entry<'a>>>,
    root: Object<Entry<'a>>,
}

#[derive(Default)]
struct Entry<'a> {
    name: Text<'a>,
    version: Text<'a>,
    source: Text<'a>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "package" => self.packages = map.next_value()?,
            "root" => self.root = map.next_value()?,
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
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    toml_tables(text, &["package", "root"], |Object(document): Object<Document<'_>>| {
        let document = document.unwrap_or_default();
        for entry in document.packages.items.iter().chain(std::iter::once(&document.root)) {
            if let Some(entry) = &entry.0 {
                note(entry, lock);
            }
        }
    })
}

fn note(entry: &Entry<'_>, lock: &mut Lock) {
    let (name, version) = (entry.name.get().unwrap_or_default(), entry.version.get().unwrap_or_default());
    let source = entry.source.get().unwrap_or_default();
    let Some(package) = lock.package(name, version, scope(false)) else { return };
    match source.split_once('+') {
        None => package.fact("source", "local"),
        Some(("git", _)) => package.fact("source", "git"),
        // Either form of the index of crates.io.
        Some((_, index)) if index.contains("crates.io") => {}
        Some((_, index)) => package.fact("registry", index),
    }
}
