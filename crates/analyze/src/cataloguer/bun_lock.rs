//! Bun's lock files: `bun.lock` and the binary `bun.lockb`.
//!
//! Format: *Lockfile* of Bun's documentation: JSON that allows a comma before a closing bracket.
//! `packages` maps a path of names to an array that starts with `name@version`. What only
//! `devDependencies` of the workspaces lead to is for development. Workspaces, folders and git are
//! left out. The binary form of Bun before 1.2 is not read: a gap says so.

use super::node_package::is_name;
use super::npm_lock::is_elsewhere;
use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, json, scope};
use crate::loose::{Entries, Fields, Object, Text};
use seaworthy_types::{About, Reads};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// The cataloguer of Bun's lock files.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "bun-lock",
        version: 1,
        ecosystem: "npm",
        reads: Reads::Declared,
        coverage: "npm packages of bun.lock with development dependencies; the binary bun.lockb is noted as a gap.",
    },
    patterns: &[Pattern::Name("bun.lock"), Pattern::Name("bun.lockb")],
    accepts: any_path,
    is_name,
    bytes_max: AS_RECORD,
    parse,
};

/// Longer keys are looked up at the top only.
const KEY_BYTES_MAX: usize = 4_096;

#[derive(Default)]
struct Document<'a> {
    workspaces: Option<Entries<'a, Object<Needs<'a>>>>,
    packages: Entries<'a, Tuple<'a>>,
}

/// What a workspace or package needs, by name.
#[derive(Default)]
struct Needs<'a> {
    production: Vec<Cow<'a, str>>,
    development: Vec<Cow<'a, str>>,
}

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "workspaces" => self.workspaces = Some(map.next_value()?),
            "packages" => self.packages = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Needs<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let list = match name {
            "dependencies" | "optionalDependencies" | "peerDependencies" => &mut self.production,
            "devDependencies" => &mut self.development,
            _ => return Ok(false),
        };
        let entries: Entries<'de, IgnoredAny> = map.next_value()?;
        list.extend(entries.0.into_iter().map(|(name, _)| name));
        Ok(true)
    }
}

/// `["name@version", "", { … }, "sha512-…"]`: the first text and the first object count.
#[derive(Default)]
struct Tuple<'a> {
    id: Text<'a>,
    needs: Needs<'a>,
}

impl<'de> Deserialize<'de> for Tuple<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Tuple<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that starts with name@version")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tuple<'de>, A::Error> {
                let mut tuple = Tuple { id: list.next_element()?.unwrap_or_default(), ..Tuple::default() };
                while let Some(element) = list.next_element::<Object<Needs<'de>>>()? {
                    tuple.needs = element.0.unwrap_or(tuple.needs);
                }
                Ok(tuple)
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

fn parse(text: &str, path: &str, lock: &mut Lock) -> Result<(), String> {
    if path.ends_with(".lockb") {
        return Err(
            "the binary form is not read; `bun install --save-text-lockfile` writes the text form".into()
        );
    }
    let text = without_trailing_commas(text);
    let Object(Some(document)) = json::<Object<Document<'_>>>(&text)? else {
        return Err("it is no JSON object".into());
    };
    if document.workspaces.is_none() && document.packages.0.is_empty() {
        return Err("it has neither workspaces nor packages".into());
    }
    let production = reachable(&document);
    for (key, tuple) in &document.packages.0 {
        let Some(id) = tuple.id.get() else {
            lock.unusable(key);
            continue;
        };
        let from = usize::from(id.starts_with('@'));
        let at = id.get(from..).and_then(|rest| rest.find('@')).map(|at| at.saturating_add(from));
        let Some((name, version)) = at.and_then(|at| Some((id.get(..at)?, id.get(at.checked_add(1)?..)?)))
        else {
            lock.unusable(key);
            continue;
        };
        if version.starts_with("workspace:") || version == "root:" || version.starts_with("link:") {
            continue;
        }
        if version.contains([':', '/']) || is_elsewhere(version) {
            lock.elsewhere(name);
            continue;
        }
        let development = !production.contains(key.as_ref());
        let folder = if key.ends_with(name) { "" } else { key.as_ref() };
        if let Some(package) = lock.package(name, version, scope(development)) {
            package.fact("alias", folder);
        }
    }
    Ok(())
}

/// Keys of `packages` that something other than development dependencies leads to.
fn reachable<'a>(document: &'a Document<'a>) -> HashSet<&'a str> {
    let by_key: HashMap<&str, &Tuple<'_>> =
        document.packages.0.iter().map(|(key, tuple)| (key.as_ref(), tuple)).collect();
    let mut todo: Vec<&str> = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let workspaces =
        || document.workspaces.iter().flat_map(|w| &w.0).filter_map(|(_, needs)| needs.0.as_ref());
    for name in workspaces().flat_map(|needs| &needs.production) {
        todo.extend(resolve("", name, &by_key));
    }
    if workspaces().next().is_none() {
        todo.extend(by_key.keys());
    }
    while let Some(key) = todo.pop() {
        if !seen.insert(key) {
            continue;
        }
        let Some(tuple) = by_key.get(key) else { continue };
        for name in &tuple.needs.production {
            todo.extend(resolve(key, name, &by_key));
        }
    }
    seen
}

/// Looks a name up as Node does: below the package that needs it, then outwards.
fn resolve<'a>(from: &str, name: &str, by_key: &HashMap<&'a str, &Tuple<'_>>) -> Option<&'a str> {
    let mut base = if from.len() > KEY_BYTES_MAX { "" } else { from };
    // Keys are as deep as packages lie in one another; more is not npm's doing.
    for _ in 0..64 {
        let key = if base.is_empty() { name.to_owned() } else { format!("{base}/{name}") };
        if let Some((found, _)) = by_key.get_key_value(key.as_str()) {
            return Some(found);
        }
        if base.is_empty() {
            return None;
        }
        base = base.rfind('/').and_then(|at| base.get(..at)).unwrap_or("");
    }
    None
}

/// The text without commas that only white space parts from a closing bracket.
fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_text = false;
    let mut escaped = false;
    let mut comma: Option<usize> = None;
    for c in text.chars() {
        if in_text {
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else {
            match c {
                '"' => in_text = true,
                '}' | ']' => {
                    if let Some(at) = comma {
                        out.replace_range(at..at.saturating_add(1), " ");
                    }
                }
                _ => {}
            }
            if c == ',' {
                comma = Some(out.len());
            } else if !c.is_ascii_whitespace() {
                comma = None;
            }
        }
        out.push(c);
    }
    out
}
