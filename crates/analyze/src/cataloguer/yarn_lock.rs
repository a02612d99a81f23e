//! Yarn's lock files: `yarn.lock`.
//!
//! Formats: that of Yarn 1 is its own (`lockfile/stringify.js` of Yarn: patterns at the margin, then
//! indented lines of key and value, texts quoted as in JSON); that of Yarn 2 and later is YAML
//! with an entry `__metadata`. Neither says what is for development. An alias gets the real name
//! (`alias@npm:real@1`). Workspaces, links, patches of folders and packages from git are left out.

use super::node_package::is_name;
use super::npm_lock::is_elsewhere;
use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, YAML_BYTES_MAX, any_path, scope, yaml};
use crate::loose::{Entries, Fields, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::MapAccess;
use std::borrow::Cow;

/// The cataloguer of Yarn's lock files.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "yarn-lock",
        version: 1,
        ecosystem: "npm",
        reads: Reads::Declared,
        coverage: "npm packages of yarn.lock (Yarn 1 and later); not those from git or folders; what is for development only is not told apart.",
    },
    patterns: &[Pattern::Name("yarn.lock")],
    accepts: any_path,
    is_name,
    bytes_max: YAML_BYTES_MAX,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let berry = text.lines().any(|line| line.starts_with("__metadata:"));
    if berry { parse_berry(text, lock) } else { parse_classic(text, lock) }
}

#[derive(Default)]
struct Entry<'a> {
    version: Text<'a>,
    resolution: Text<'a>,
    link_type: Text<'a>,
}

impl<'de> Fields<'de> for Entry<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "version" => self.version = map.next_value()?,
            "resolution" => self.resolution = map.next_value()?,
            "linkType" => self.link_type = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse_berry(text: &str, lock: &mut Lock) -> Result<(), String> {
    for document in yaml::<Entries<'_, Object<Entry<'_>>>>(text)? {
        for (patterns, entry) in &document.0 {
            let Some(entry) = entry.0.as_ref().filter(|_| patterns != "__metadata") else { continue };
            note_berry(patterns, entry, lock);
        }
    }
    Ok(())
}

fn note_berry(patterns: &str, entry: &Entry<'_>, lock: &mut Lock) {
    let resolution = entry.resolution.get().unwrap_or(patterns);
    let Some((name, reference)) = split_pattern(resolution) else { return lock.unusable(resolution) };
    let version = entry.version.get().unwrap_or_default();
    // A patched package is the package it was made of: `patch:name@npm%3A1.0.0#…`.
    let patched = reference.strip_prefix("patch:");
    let of_registry = match patched {
        Some(inner) => split_pattern(inner)
            .is_some_and(|(_, inner)| inner.starts_with("npm%3A") || inner.starts_with("npm:")),
        None => reference.starts_with("npm:"),
    };
    if reference.starts_with("workspace:")
        || (reference.starts_with("link:") && entry.link_type.get().is_some())
    {
        return;
    }
    if !of_registry {
        return lock.elsewhere(name);
    }
    let Some(package) = lock.package(name, version, scope(false)) else { return };
    if patched.is_some() {
        package.fact("patched", "true");
    }
    if let Some((alias, _)) = split_pattern(patterns).filter(|(alias, _)| *alias != name) {
        package.fact("alias", alias);
    }
}

/// `name@reference`, `@scope/name@reference`.
fn split_pattern(pattern: &str) -> Option<(&str, &str)> {
    let from = usize::from(pattern.starts_with('@'));
    let at = pattern.get(from..)?.find('@')?.checked_add(from)?;
    Some((pattern.get(..at)?, pattern.get(at.checked_add(1)?..)?))
}

/// An entry of Yarn 1 while its lines come.
#[derive(Default)]
struct Block<'a> {
    pattern: Cow<'a, str>,
    version: Cow<'a, str>,
    resolved: Cow<'a, str>,
}

fn parse_classic(text: &str, lock: &mut Lock) -> Result<(), String> {
    let mut block: Option<Block<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        let body = line.trim_start_matches(' ');
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        match line.len().saturating_sub(body.len()) {
            0 => {
                let Some(patterns) = body.strip_suffix(':') else {
                    return Err(format!(
                        "line {} is neither an entry nor a comment",
                        index.saturating_add(1)
                    ));
                };
                note_classic(block.take(), lock);
                block = Some(Block { pattern: first_pattern(patterns), ..Block::default() });
            }
            2 => {
                let (Some(block), Some((key, value))) = (block.as_mut(), body.split_once(' ')) else {
                    continue;
                };
                match key {
                    "version" | "\"version\"" => block.version = unquoted(value),
                    "resolved" | "\"resolved\"" => block.resolved = unquoted(value),
                    _ => {}
                }
            }
            // Dependencies of the entry.
            _ => {}
        }
    }
    note_classic(block, lock);
    Ok(())
}

/// The first of `a@^1.0.0, "b c@1 || 2"`.
fn first_pattern(patterns: &str) -> Cow<'_, str> {
    match patterns.strip_prefix('"') {
        Some(rest) => {
            let end = rest.find('"').map_or(patterns.len(), |end| end.saturating_add(2));
            unquoted(patterns.get(..end).unwrap_or(patterns))
        }
        None => Cow::Borrowed(patterns.split(',').next().unwrap_or_default().trim()),
    }
}

fn unquoted(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) if !inner.contains('\\') => Cow::Borrowed(inner),
        Some(_) => serde_json::from_str(text).map_or(Cow::Borrowed(text), Cow::Owned),
        None => Cow::Borrowed(text),
    }
}

fn note_classic(block: Option<Block<'_>>, lock: &mut Lock) {
    let Some(block) = block else { return };
    let (name, reference) = split_pattern(&block.pattern).unwrap_or((&block.pattern, ""));
    // What is installed is what the address names, also when a pattern says otherwise (an alias).
    let alias = reference.strip_prefix("npm:").and_then(split_pattern).map(|(real, _)| real.to_owned());
    let real = name_in(&block.resolved).or(alias);
    let elsewhere = match block.resolved.is_empty() {
        // Only folders have no address, and mirrors kept beside the project have a file's name.
        true => reference.contains([':', '/']) && real.is_none(),
        false => is_elsewhere(&block.resolved),
    };
    if elsewhere {
        return lock.elsewhere(name);
    }
    if let Some(package) = lock.package(real.as_deref().unwrap_or(name), &block.version, scope(false))
        && real.is_some_and(|real| real != name)
    {
        package.fact("alias", name);
    }
}

/// The package in the address of a registry: `https://host/path/@scope/name/-/name-1.0.0.tgz`.
fn name_in(resolved: &str) -> Option<String> {
    let (path, _) = resolved.split_once("/-/")?;
    let path = path.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
    let (before, name) = path.rsplit_once('/')?;
    let scope = before.rsplit('/').next().filter(|scope| scope.starts_with('@'));
    let odd = name.is_empty() || name.contains(':');
    (!odd).then(|| scope.map_or(name.to_owned(), |scope| format!("{scope}/{name}")))
}
