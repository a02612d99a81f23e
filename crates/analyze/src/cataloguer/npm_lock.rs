//! npm's lock files: `package-lock.json` and `npm-shrinkwrap.json`.
//!
//! Format: *package-lock.json* of the npm documentation, `lockfileVersion` 1 (tree `dependencies`),
//! 2 (both) and 3 (flat `packages`, which wins when it is there). Links, workspaces and the project
//! itself are left out; so are packages from git, folders and archives of code hosts. A package
//! that is there for development and for an optional dependency counts for production.

use super::node_package::is_name;
use super::{Cataloguer, Pattern};
use crate::declared::{JSON_BYTES_MAX, Lock, LockFile, any_path, json, scope};
use crate::loose::{Fields, Flag, Object, Objects, Text};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;

/// The cataloguer of npm's lock files.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "npm-lock",
        version: 1,
        ecosystem: "npm",
        reads: Reads::Declared,
        coverage: "npm packages of package-lock.json and npm-shrinkwrap.json, versions 1 to 3, with development dependencies; not those from git or folders.",
    },
    patterns: &[Pattern::Name("package-lock.json"), Pattern::Name("npm-shrinkwrap.json")],
    accepts: any_path,
    is_name,
    bytes_max: JSON_BYTES_MAX,
    parse,
};

#[derive(Default)]
struct Document<'a> {
    packages: Option<Objects<'a, Entry<'a>>>,
    dependencies: Objects<'a, Entry<'a>>,
}

#[derive(Default)]
struct Entry<'a> {
    name: Text<'a>,
    version: Text<'a>,
    resolved: Text<'a>,
    development: Flag,
    optional: Flag,
    link: Flag,
    bundled: Flag,
    dependencies: Objects<'a, Entry<'a>>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "packages" => self.packages = Some(map.next_value()?),
            "dependencies" if self.packages.is_none() => self.dependencies = map.next_value()?,
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
            "resolved" => self.resolved = map.next_value()?,
            "dev" => self.development = map.next_value()?,
            "optional" => self.optional = map.next_value()?,
            "link" => self.link = map.next_value()?,
            "bundled" | "inBundle" => self.bundled = map.next_value()?,
            // In `packages` these are texts, which cost nothing here.
            "dependencies" => self.dependencies = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let Object(Some(document)) = json::<Object<Document<'_>>>(text)? else {
        return Err("it is no JSON object".into());
    };
    match &document.packages {
        Some(packages) => {
            for (path, entry) in &packages.0 {
                note_path(path, entry, lock);
            }
        }
        None => note_tree(&document.dependencies, lock),
    }
    Ok(())
}

/// An entry of `packages`: `node_modules/a/node_modules/@s/b`, a workspace's folder, or the root.
fn note_path(path: &str, entry: &Entry<'_>, lock: &mut Lock) {
    let Some((_, folder)) = path.rsplit_once("node_modules/") else { return };
    if entry.link.0 {
        return;
    }
    let name = entry.name.get().unwrap_or(folder);
    let alias = if name == folder { "" } else { folder };
    note(name, alias, entry.version.get().unwrap_or_default(), entry, lock);
}

/// The tree of version 1; the JSON parser has bounded its depth.
fn note_tree(root: &Objects<'_, Entry<'_>>, lock: &mut Lock) {
    let mut todo = vec![root];
    while let Some(entries) = todo.pop() {
        for (folder, entry) in &entries.0 {
            let version = entry.version.get().unwrap_or_default();
            match version.strip_prefix("npm:").and_then(|real| real.rsplit_once('@')) {
                Some((name, version)) => note(name, folder, version, entry, lock),
                None => note(folder, "", version, entry, lock),
            }
            todo.push(&entry.dependencies);
        }
    }
}

fn note(name: &str, alias: &str, version: &str, entry: &Entry<'_>, lock: &mut Lock) {
    let resolved = entry.resolved.get().unwrap_or_default();
    if is_elsewhere(resolved) || version.contains(['/', ':']) {
        return lock.elsewhere(name);
    }
    if version.is_empty() && resolved.is_empty() && entry.optional.0 {
        // npm writes an empty entry for an optional package that this machine cannot have.
        return lock.passed_over("optional-not-resolved", "optional packages were not resolved", name);
    }
    let Some(package) = lock.package(name, version, scope(entry.development.0)) else { return };
    package.fact("alias", alias);
    if entry.bundled.0 {
        package.fact("role", "bundled");
    }
    if entry.optional.0 {
        package.fact("optional", "true");
    }
}

/// Whether an address is that of a repository of code or of a folder, not of a registry.
pub(crate) fn is_elsewhere(resolved: &str) -> bool {
    const SCHEMES: [&str; 10] =
        ["git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "gist:", "ssh:", "file:", "link:"];
    const HOSTS: [&str; 6] = [
        "://codeload.github.com/",
        "://github.com/",
        "://gitlab.com/",
        "://bitbucket.org/",
        ".git#",
        "/repository/archive.",
    ];
    SCHEMES.iter().any(|scheme| resolved.starts_with(scheme))
        || HOSTS.iter().any(|host| resolved.contains(host))
}
