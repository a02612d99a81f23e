//! Which of an engine's images or containers a name means: a name with or without its registry and tag, a
//! digest, or the beginning of an id.

use super::Engine;
use super::error::Error;
use seaworthy_types::ImageRef;
use std::collections::BTreeMap;

/// Names offered when none fits.
const OFFERED_MAX: usize = 8;

/// Something that has an id and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Hexadecimal digits, or what the engine calls it.
    pub id: String,
    /// Names; may be empty.
    pub names: Vec<String>,
}

impl Listed {
    /// The best name for people.
    pub fn label(&self) -> String {
        let is_pinned = |name: &&String| name.contains('@');
        let name = self.names.iter().find(|name| !is_pinned(name)).or(self.names.first());
        name.cloned().unwrap_or_else(|| short(&self.id))
    }
}

/// What each is called so that it is found again: its best name, or its id where that means several.
pub(crate) fn labels(all: &[Listed]) -> Vec<String> {
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for one in all {
        *times.entry(one.label()).or_default() += 1;
    }
    let label = |one: &Listed| {
        let label = one.label();
        if times.get(&label).is_some_and(|times| *times > 1) { one.id.clone() } else { label }
    };
    let mut found: Vec<String> = all.iter().map(label).collect();
    found.sort();
    found.dedup();
    found
}

/// The first digits of an id.
pub(crate) fn short(id: &str) -> String {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    match id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => id.chars().take(12).collect(),
        false => id.to_owned(),
    }
}

/// The image that a name means.
pub(crate) fn image<'l>(engine: Engine, listed: &'l [Listed], typed: &str) -> Result<&'l Listed, Error> {
    let is_named = |name: &String| is_name(name, typed);
    let mut found: Vec<&Listed> = listed.iter().filter(|one| one.names.iter().any(is_named)).collect();
    if found.is_empty() {
        found = listed.iter().filter(|one| one.names.iter().any(|name| is_end(name, typed))).collect();
    }
    pick(engine.name().to_owned(), "image", listed, found, typed)
}

/// Whether two names are one, when what is left out is filled in as Docker does.
pub(crate) fn is_name(name: &str, typed: &str) -> bool {
    let whole = |name: &str| ImageRef::parse(name).map(|name| name.to_string()).ok();
    name == typed || whole(typed).is_some_and(|typed| whole(name) == Some(typed))
}

/// Whether a short name is the last parts of a whole one: `lab/go` of `localhost/lab/go:latest`.
fn is_end(name: &str, typed: &str) -> bool {
    let last = typed.rsplit('/').next().unwrap_or(typed);
    let typed = match last.contains([':', '@']) {
        true => typed.to_owned(),
        false => format!("{typed}:latest"),
    };
    name.strip_suffix(&typed).is_some_and(|before| before.ends_with('/'))
}

/// The container that a name means.
pub(crate) fn container<'l>(engine: String, listed: &'l [Listed], typed: &str) -> Result<&'l Listed, Error> {
    let found = listed.iter().filter(|one| one.names.iter().any(|name| name == typed)).collect();
    pick(engine, "container", listed, found, typed)
}

/// The named one, or the one whose id begins so.
fn pick<'l>(
    engine: String,
    what: &'static str,
    listed: &'l [Listed],
    mut found: Vec<&'l Listed>,
    typed: &str,
) -> Result<&'l Listed, Error> {
    if found.is_empty() {
        let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
        let begins = |one: &&Listed| {
            digits.len() >= 3 && one.id.strip_prefix("sha256:").unwrap_or(&one.id).starts_with(digits)
        };
        found = listed.iter().filter(begins).collect();
        if let Some(exact) = found.iter().find(|one| one.id == typed) {
            found = vec![exact];
        }
    }
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let offered = nearest(listed, typed);
            Err(Error::NoSuch { engine, what, name: typed.to_owned(), offered, total: listed.len() })
        }
        several => {
            let label = |one: &&Listed| format!("{} ({})", one.label(), short(&one.id));
            let mut offered: Vec<String> = several.iter().map(label).collect();
            offered.truncate(OFFERED_MAX);
            Err(Error::Ambiguous { engine, what, name: typed.to_owned(), offered })
        }
    }
}

/// Names that look like one, the nearest first.
fn nearest(listed: &[Listed], typed: &str) -> Vec<String> {
    let mut all: Vec<(usize, String)> = listed
        .iter()
        .map(|one| {
            let label = one.label();
            let apart = if label.contains(typed) { 0 } else { distance(&label, typed) };
            (apart, label)
        })
        .collect();
    all.sort();
    all.dedup();
    all.into_iter().take(OFFERED_MAX).map(|(_, label)| label).collect()
}

/// Changes that make one text the other (Levenshtein), of the first hundred letters.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().take(100).enumerate() {
        let mut corner = at;
        let mut left = at + 1;
        for (cell, second) in row.iter_mut().skip(1).zip(&other) {
            let change = corner + usize::from(letter != *second);
            corner = *cell;
            left = change.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<Listed> {
        let one = |id: &str, names: &[&str]| Listed {
            id: format!("{id:0<64}"),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        vec![
            one("abc1", &["lab/go:latest", "lab/go:1"]),
            one("abc2", &["busybox:latest"]),
            one("def3", &["localhost/team/app:2"]),
            one("0123", &[]),
        ]
    }

    #[test]
    fn names_and_ids() {
        let all = listed();
        for (typed, id) in [
            ("lab/go", "abc1"),
            ("lab/go:1", "abc1"),
            ("docker.io/lab/go:latest", "abc1"),
            ("busybox", "abc2"),
            ("docker.io/library/busybox", "abc2"),
            ("app:2", "def3"),
            ("team/app:2", "def3"),
            ("abc1", "abc1"),
            ("sha256:def", "def3"),
            ("0123", "0123"),
        ] {
            let found = image(Engine::Docker, &all, typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
            assert!(found.id.starts_with(id), "{typed} {}", found.id);
        }
        for (typed, says) in [
            ("abc", "means several images: lab/go:latest (abc100000000), busybox:latest (abc200000000)"),
            ("lab/goo", "there is: lab/go:latest"),
            ("ab", "no image"),
            ("p:2", "no image"),
            ("app", "no image"),
            ("../x", "no image"),
            ("", "no image"),
        ] {
            let error = image(Engine::Docker, &all, typed).expect_err(typed).to_string();
            assert!(error.contains(says), "{typed}: {error}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!((distance("", "ab"), distance("ab", "")), (2, 2));
    }
}
