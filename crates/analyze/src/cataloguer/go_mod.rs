//! Go modules: `go.mod`.
//!
//! Format: *Go Modules Reference*, "go.mod files". Required modules with `replace` and `exclude` of
//! the same file put to work; a module replaced by a folder is left out. A `toolchain` line with an
//! exact version gives the standard library. Before Go 1.17 the file does not list what direct
//! requirements need in turn. Does not read `go.sum`, which also names what was only looked at.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, any_path, plain_parts, scope};
use seaworthy_types::{About, Reads};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The cataloguer of Go modules in source.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "go-mod",
        version: 1,
        ecosystem: "go",
        reads: Reads::Declared,
        coverage: "Modules that go.mod requires, with replacements; the standard library when a toolchain line says which.",
    },
    patterns: &[Pattern::Name("go.mod")],
    accepts: any_path,
    is_name: plain_parts,
    bytes_max: 4 << 20,
    parse,
};

struct Module<'a> {
    path: Cow<'a, str>,
    version: Cow<'a, str>,
}

struct Replace<'a> {
    old: Module<'a>,
    new: Module<'a>,
}

#[derive(Default)]
struct File<'a> {
    required: Vec<(Module<'a>, bool)>,
    replaced: Vec<Replace<'a>>,
    excluded: Vec<Module<'a>>,
    toolchain: Option<&'a str>,
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let mut file = File::default();
    let mut block: Option<&str> = None;
    let mut odd = None;
    for (index, line) in text.lines().enumerate() {
        let (body, comment) = line.split_once("//").unwrap_or((line, ""));
        let body = body.trim();
        if body.is_empty() {
            continue;
        }
        let understood = match block {
            Some(_) if body == ")" => {
                block = None;
                true
            }
            Some(word) => file.directive(word, body, comment),
            None => {
                let (word, rest) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
                let word = word.strip_suffix('(').unwrap_or(word);
                if body.ends_with('(') {
                    block = Some(word);
                    true
                } else {
                    file.directive(word, rest.trim(), comment)
                }
            }
        };
        if !understood {
            odd.get_or_insert(index.saturating_add(1));
        }
    }
    file.note(lock);
    match (odd, block) {
        (Some(line), _) => Err(format!("line {line} is no directive of go.mod")),
        (None, Some(word)) => Err(format!("it ends within the block of {word}")),
        (None, None) => Ok(()),
    }
}

impl<'a> File<'a> {
    /// Takes one directive; false when it makes no sense.
    fn directive(&mut self, word: &str, rest: &'a str, comment: &str) -> bool {
        match word {
            "require" => {
                let Some(module) = module(rest).filter(|module| is_version(&module.version)) else {
                    return false;
                };
                self.required.push((module, comment.trim_start().starts_with("indirect")));
            }
            "exclude" => {
                let Some(module) = module(rest) else { return false };
                self.excluded.push(module);
            }
            "replace" => {
                let Some((old, new)) = rest.split_once("=>") else { return false };
                let (Some(old), Some(new)) = (module(old), module(new)) else { return false };
                self.replaced.push(Replace { old, new });
            }
            "toolchain" => self.toolchain = Some(rest),
            "module" | "go" | "retract" | "tool" | "godebug" | "ignore" => {}
            _ => return false,
        }
        true
    }

    fn note(&self, lock: &mut Lock) {
        let key = |module: &Module<'a>| (module.path.clone(), module.version.clone());
        let excluded: HashSet<_> = self.excluded.iter().map(key).collect();
        let mut replaced = HashMap::new();
        for replace in &self.replaced {
            replaced.entry(key(&replace.old)).or_insert(&replace.new);
        }
        for (required, indirect) in &self.required {
            if excluded.contains(&key(required)) {
                lock.passed_over("excluded", "required modules are excluded again", &required.path);
                continue;
            }
            // A replacement of one version goes before one of all versions.
            let all = || replaced.get(&(required.path.clone(), Cow::Borrowed("")));
            let replace = replaced.get(&key(required)).or_else(all).copied();
            let module = replace.unwrap_or(required);
            if replace.is_some() && module.version.is_empty() {
                lock.elsewhere(&required.path);
                continue;
            }
            let Some(package) = lock.package(&module.path, bare(&module.version), scope(false)) else {
                continue;
            };
            if replace.is_some() {
                package.fact("replaces", &format!("{}@{}", required.path, required.version));
            }
            if *indirect {
                package.fact("indirect", "true");
            }
        }
        // `go1.23.6-custom` is built from 1.23.6; `default` names none.
        let toolchain = self.toolchain.and_then(|toolchain| toolchain.strip_prefix("go"));
        if let Some(version) = toolchain.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
            lock.package("stdlib", version.split('-').next().unwrap_or_default(), scope(false));
        }
    }
}

/// Go's versions are `v1.2.3` with more; a branch has not been settled yet.
fn is_version(version: &str) -> bool {
    version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn bare(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// `path`, `path version`, either quoted.
fn module(text: &str) -> Option<Module<'_>> {
    let mut words = text.split_whitespace().map(unquoted);
    let module = Module { path: words.next()?, version: words.next().unwrap_or_default() };
    words.next().is_none().then_some(module)
}

fn unquoted(word: &str) -> Cow<'_, str> {
    let raw = word.strip_prefix('`').and_then(|word| word.strip_suffix('`'));
    match raw {
        Some(raw) => Cow::Borrowed(raw),
        None if word.starts_with('"') => serde_json::from_str(word).map_or(Cow::Borrowed(word), Cow::Owned),
        None => Cow::Borrowed(word),
    }
}
