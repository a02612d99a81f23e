//! pnpm's lock file: `pnpm-lock.yaml`.
//!
//! Format: *pnpm-lock.yaml* of pnpm's specification repository. Keys of `packages` are
//! `/name/version_peers` up to version 5, `/name@version(peers)` in 6 and `name@version` in 9; a
//! host before the name is another registry. Up to 6 an entry says itself whether it is for
//! development; in 9 it is what only `devDependencies` of the importers lead to. Packages from git,
//! folders and addresses are left out.

use super::node_package::is_name;
use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, YAML_BYTES_MAX, any_path, scope, yaml};
use crate::loose::{Entries, Fields, Flag, Object, Text, TextOrObject};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The cataloguer of pnpm's lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "pnpm-lock",
        version: 1,
        ecosystem: "npm",
        reads: Reads::Declared,
        coverage: "npm packages of pnpm-lock.yaml, versions 5 to 9, with development dependencies; not those from git, folders or addresses.",
    },
    patterns: &[Pattern::Name("pnpm-lock.yaml")],
    accepts: any_path,
    is_name,
    bytes_max: YAML_BYTES_MAX,
    parse,
};

#[derive(Default)]
struct Document<'a> {
    importers: Entries<'a, Object<Needs<'a>>>,
    packages: Entries<'a, Object<Entry<'a>>>,
    snapshots: Option<Entries<'a, Object<Needs<'a>>>>,
}

#[derive(Default)]
struct Entry<'a> {
    name: Text<'a>,
    version: Text<'a>,
    development: Flag,
    resolution: Object<Resolution<'a>>,
}

#[derive(Default)]
struct Resolution<'a> {
    kind: Text<'a>,
}

/// What an importer or a snapshot needs: names with what stands for the version.
#[derive(Default)]
struct Needs<'a> {
    production: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

#[derive(Default)]
struct Reference<'a> {
    version: Text<'a>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "importers" => self.importers = map.next_value()?,
            "packages" => self.packages = map.next_value()?,
            "snapshots" => self.snapshots = Some(map.next_value()?),
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
            "dev" => self.development = map.next_value()?,
            "resolution" => self.resolution = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Resolution<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "type" => self.kind = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Reference<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "version" => self.version = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Needs<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if !matches!(name, "dependencies" | "optionalDependencies") {
            return Ok(false);
        }
        let entries: Entries<'de, TextOrObject<'de, Reference<'de>>> = map.next_value()?;
        for (name, reference) in entries.0 {
            let version = match reference {
                TextOrObject::Text(version) => Some(version),
                TextOrObject::Object(reference) => reference.version.0,
                TextOrObject::Other => None,
            };
            self.production.extend(version.map(|version| (name, version)));
        }
        Ok(true)
    }
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    for document in yaml::<Object<Document<'_>>>(text)? {
        let Object(Some(document)) = document else { return Err("it is no YAML mapping".into()) };
        let production =
            document.snapshots.as_ref().map(|snapshots| reachable(&document.importers, snapshots));
        for (key, entry) in &document.packages.0 {
            let development = match &production {
                Some(production) => !production.contains(without_peers(key)),
                None => entry.0.as_ref().is_some_and(|entry| entry.development.0),
            };
            note(key, entry.0.as_ref(), development, lock);
        }
    }
    Ok(())
}

fn note(key: &str, entry: Option<&Entry<'_>>, development: bool, lock: &mut Lock) {
    let kind = entry.and_then(|entry| entry.resolution.0.as_ref()?.kind.get());
    let parsed = split_key(key);
    let named = entry.and_then(|entry| Some((entry.name.get()?, entry.version.get()?)));
    if matches!(kind, Some("git" | "directory")) || key.starts_with("file:") {
        return lock.elsewhere(named.map_or(key, |(name, _)| name));
    }
    match (parsed, named) {
        (Some((name, version)), _) if !version.contains([':', '/']) => {
            lock.package(name, version, scope(development));
        }
        (Some((name, _)), _) | (None, Some((name, _))) => lock.elsewhere(name),
        (None, None) => lock.unusable(key),
    }
}

fn without_peers(key: &str) -> &str {
    key.find('(').and_then(|at| key.get(..at)).unwrap_or(key)
}

/// Name and version of a key; the version may be an address in version 9.
fn split_key(key: &str) -> Option<(&str, &str)> {
    let key = without_peers(key);
    let bare = key.strip_prefix('/').unwrap_or(key);
    let from = usize::from(bare.starts_with('@'));
    if let Some(at) = bare.get(from..)?.find('@').map(|at| at.saturating_add(from)) {
        let (name, version) = (bare.get(..at)?, bare.get(at.checked_add(1)?..)?);
        if name.matches('/').count() == from && !name.is_empty() {
            return Some((name, version));
        }
    }
    // Version 5: the last part is the version; a host may stand before the name.
    let (path, version) = bare.rsplit_once('/')?;
    let version = version.split('_').next()?;
    if !version.starts_with(|c: char| c.is_ascii_digit()) || !version.contains('.') {
        return None;
    }
    let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
    let scope_at = before.rfind('/').map_or(0, |at| at.saturating_add(1));
    let scoped = before.get(scope_at..)?.starts_with('@');
    let name = if scoped { path.get(scope_at..)? } else { last };
    // More than a host before the name is an address.
    let host = path.get(..path.len().saturating_sub(name.len()))?;
    (!host.trim_end_matches('/').contains('/')).then_some((name, version))
}

/// Keys of `packages` that something other than development dependencies leads to (version 9).
fn reachable<'a>(
    importers: &'a Entries<'a, Object<Needs<'a>>>,
    snapshots: &'a Entries<'a, Object<Needs<'a>>>,
) -> HashSet<&'a str> {
    let by_key: HashMap<&str, &Object<Needs<'_>>> =
        snapshots.0.iter().map(|(key, needs)| (key.as_ref(), needs)).collect();
    let find = |name: &str, version: &str| -> Option<&'a str> {
        let key = format!("{name}@{version}");
        // An alias has the real name before its version.
        let (known, _) = by_key.get_key_value(key.as_str()).or_else(|| by_key.get_key_value(version))?;
        Some(*known)
    };
    let mut todo: Vec<&str> = Vec::new();
    let needs = |needs: &'a Object<Needs<'a>>| needs.0.iter().flat_map(|needs| &needs.production);
    for (_, importer) in &importers.0 {
        todo.extend(needs(importer).filter_map(|(name, version)| find(name, version)));
    }
    if importers.0.is_empty() {
        todo.extend(by_key.keys());
    }
    let mut seen: HashSet<&str> = HashSet::new();
    while let Some(key) = todo.pop() {
        if seen.insert(key)
            && let Some((_, snapshot)) = by_key.get_key_value(key)
        {
            todo.extend(needs(snapshot).filter_map(|(name, version)| find(name, version)));
        }
    }
    seen.into_iter().map(without_peers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (key, expected) in [
            ("/foo/1.0.0", Some(("foo", "1.0.0"))),
            ("/@foo/bar/1.0.0", Some(("@foo/bar", "1.0.0"))),
            ("pkg.example.org/@foo/bar/1.1.0", Some(("@foo/bar", "1.1.0"))),
            ("pkg.example.org/string_decoder/1.1.0", Some(("string_decoder", "1.1.0"))),
            ("/foo/1.4.0_@types+babel__core@7.1.14", Some(("foo", "1.4.0"))),
            ("/@s/foo/1.3.0_bar@2.0.0", Some(("@s/foo", "1.3.0"))),
            ("/foo@1.0.0(react@18.2.0)(a@1)", Some(("foo", "1.0.0"))),
            ("@s/foo@1.0.0", Some(("@s/foo", "1.0.0"))),
            ("foo@https://x.example/a.tgz", Some(("foo", "https://x.example/a.tgz"))),
            ("github.com/kevva/is-positive/97edff6f525f192a3f83cea1944765f769ae2678", None),
            ("github.com/kevva/is-positive", None),
            ("invalidpath", None),
            ("", None),
            ("@", None),
            ("/", None),
        ] {
            assert_eq!(split_key(key), expected, "{key}");
        }
    }
}
