//! uv's lock file: `uv.lock`.
//!
//! Format: TOML as uv writes it (`crates/uv-resolver/src/lock`), stable by its versioning rule only.
//! What nothing but `dev-dependencies` of the project and its workspace leads to is for
//! development. Packages from git, folders and addresses are left out, the project itself too.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, TOML_BYTES_MAX, any_path, plain, scope, toml_tables};
use crate::loose::{List, Object};
use crate::python_lock::{Dependency, Document, Entry, TABLES};
use seaworthy_types::{About, Reads};
use std::collections::HashMap;

/// The cataloguer of uv's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "uv-lock",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages of uv.lock from an index, with development dependencies.",
    },
    patterns: &[Pattern::Name("uv.lock")],
    accepts: any_path,
    is_name: plain,
    bytes_max: TOML_BYTES_MAX,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let mut document = Document::default();
    toml_tables(text, &TABLES, |Object(part): Object<Document<'_>>| {
        document.packages.items.extend(part.unwrap_or_default().packages.items);
    })?;
    let production = production(&document);
    for (entry, production) in document.entries().zip(production) {
        if is_project(entry) {
            continue;
        }
        match entry.source("registry").is_some() || entry.source.0.is_empty() {
            true => {
                lock.package(entry.name(), entry.version(), scope(!production));
            }
            false => lock.elsewhere(entry.name()),
        }
    }
    Ok(())
}

/// The project and the members of its workspace.
fn is_project(entry: &Entry<'_>) -> bool {
    ["virtual", "editable"].iter().any(|kind| entry.source(kind).is_some())
}

/// For each entry whether something other than development dependencies leads to it.
fn production(document: &Document<'_>) -> Vec<bool> {
    let entries: Vec<&Entry<'_>> = document.entries().collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_version: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        by_name.entry(entry.name()).or_default().push(index);
        by_version.entry((entry.name(), entry.version())).or_default().push(index);
    }
    let mut seen = vec![false; entries.len()];
    let mut todo: Vec<usize> =
        entries.iter().enumerate().filter(|(_, entry)| is_project(entry)).map(|(index, _)| index).collect();
    if todo.is_empty() {
        // Scripts have no project: all is what they need.
        return vec![true; entries.len()];
    }
    while let Some(index) = todo.pop() {
        let (Some(entry), Some(seen)) = (entries.get(index), seen.get_mut(index)) else { continue };
        if std::mem::replace(seen, true) {
            continue;
        }
        // Extras count whether or not someone asks for them: better too much for production.
        let lists = std::iter::once(&entry.dependencies).chain(entry.optional.0.iter().map(|(_, list)| list));
        for dependency in lists.flat_map(dependencies) {
            // What was found once need not be found again.
            let name = dependency.name.get().unwrap_or_default();
            let found = match dependency.version.get() {
                Some(version) => by_version.remove(&(name, version)),
                None => by_name.remove(name),
            };
            todo.extend(found.unwrap_or_default());
        }
    }
    seen
}

fn dependencies<'a, 'b>(list: &'b List<Object<Dependency<'a>>>) -> impl Iterator<Item = &'b Dependency<'a>> {
    list.items.iter().filter_map(|dependency| dependency.0.as_ref())
}
