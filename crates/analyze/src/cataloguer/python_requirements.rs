//! Requirements of pip: `requirements.txt`, `requirements-dev.txt`, `requirements/*.txt`, ….
//!
//! Format: *Requirements File Format* of pip's documentation over PEP 508. A requirement with `==`
//! or `===` is a package; others are counted in a note, since any version may be installed. Markers
//! are not evaluated: what is pinned for any machine counts. Files that `-r` and `-c` name are read
//! when their own names say that they are requirements; a note names the others. Repositories,
//! folders and addresses are left out.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, plain, scope};
use crate::python_lock::is_development_word;
use seaworthy_types::{About, Reads, Scope};

/// The cataloguer of pip's requirements.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "python-requirements",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages that requirements files pin to one version; the others are counted only.",
    },
    patterns: &[Pattern::Extension(".txt")],
    accepts: is_requirements,
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

/// `requirements.txt`, `dev-requirements.txt`, `requirements_test.txt`, `requirements/base.txt`.
fn is_requirements(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = name.to_ascii_lowercase();
    let folder = folder.rsplit('/').next().unwrap_or_default();
    name.ends_with(".txt")
        && (name.starts_with("requirements")
            || name.ends_with("requirements.txt")
            || folder == "requirements")
}

fn parse(text: &str, path: &str, lock: &mut Lock) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let words = name.trim_end_matches(".txt").split(|c: char| !c.is_ascii_alphanumeric());
    let scope = scope(words.into_iter().any(is_development_word));
    let mut joined = String::new();
    for line in text.lines() {
        // Comment lines do not end a continued line.
        if line.trim_start().starts_with('#') && !joined.is_empty() {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(start) => {
                joined.push_str(start);
                joined.push(' ');
            }
            None if joined.is_empty() => note(line, scope, lock),
            None => {
                joined.push_str(line);
                note(&joined, scope, lock);
                joined.clear();
            }
        }
    }
    note(&joined, scope, lock);
    Ok(())
}

fn note(line: &str, scope: Scope, lock: &mut Lock) {
    let line = without_comment(line).trim();
    if line.is_empty() {
        return;
    }
    if line.starts_with('-') {
        return note_option(line, lock);
    }
    let requirement = without_options(line);
    let requirement = requirement.split(';').next().unwrap_or_default().trim();
    let Some((name, rest)) = split_name(requirement) else {
        match is_location(requirement) {
            true => lock.elsewhere(requirement),
            false => lock.unusable(line),
        }
        return;
    };
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest).trim_start(),
        None => rest,
    };
    if rest.starts_with('@') {
        return lock.elsewhere(name);
    }
    if is_location(requirement) {
        return lock.elsewhere(requirement);
    }
    let specifiers = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest);
    if !specifiers.is_empty() && !specifiers.starts_with(['=', '<', '>', '!', '~']) {
        return lock.unusable(line);
    }
    match pinned(specifiers) {
        Some(version) => {
            lock.package(name, version, scope);
        }
        None => lock.passed_over(
            "unpinned-requirements",
            "requirements are not pinned to one version and are left out",
            name,
        ),
    }
}

/// A `#` begins a comment at the start or after white space.
fn without_comment(line: &str) -> &str {
    let starts =
        |at: usize| line.get(..at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| starts(*at));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// Options of one requirement (`--hash=…`) follow it after white space.
fn without_options(line: &str) -> &str {
    let starts = |at: usize| line.get(..at).is_some_and(|before| before.ends_with([' ', '\t']));
    let option = line.match_indices('-').map(|(at, _)| at).find(|at| starts(*at));
    option.and_then(|at| line.get(..at)).unwrap_or(line).trim_end()
}

fn note_option(line: &str, lock: &mut Lock) {
    let end = line.find([' ', '=', '\t']).unwrap_or(line.len());
    let (option, value) = (line.get(..end).unwrap_or(line), line.get(end..).unwrap_or_default());
    // `-rother.txt` is allowed too.
    let (option, value) = match line.get(..2).filter(|_| !line.starts_with("--")) {
        Some(short) => (short, line.get(2..).unwrap_or_default()),
        None => (option, value),
    };
    let value = value.trim_start_matches(['=', ' ', '\t']).trim();
    match option {
        "-e" | "--editable" => lock.elsewhere(value),
        "-r" | "--requirement" | "--requirements" | "-c" | "--constraint" if !is_requirements(value) => {
            lock.passed_over("other-files", "further files are named whose names we do not read", value);
        }
        _ => {}
    }
}

fn is_location(text: &str) -> bool {
    text.contains("://")
        || text.starts_with(['.', '/', '~'])
        || [".whl", ".zip", ".tar.gz", ".tar.bz2"].iter().any(|ending| text.ends_with(ending))
}

/// The name at the start, and what follows it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let end = text.find(|c| !inside(c)).unwrap_or(text.len());
    let (name, rest) = (text.get(..end)?, text.get(end..)?);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()).then_some((name, rest.trim_start()))
}

/// The version that one of the specifiers demands.
fn pinned(specifiers: &str) -> Option<&str> {
    specifiers.split(',').find_map(|specifier| {
        let version = specifier.trim().strip_prefix("==")?;
        let version = version.strip_prefix('=').unwrap_or(version).trim();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".!+-_".contains(&b);
        (!version.is_empty() && version.bytes().all(plain)).then_some(version)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins() {
        for (text, version) in [
            ("==1.0", Some("1.0")),
            ("=== 1.0", Some("1.0")),
            ("!=2, ==1!1.0+local", Some("1!1.0+local")),
            ("==1.*", None),
            ("==${X}", None),
            ("==", None),
            (">=1.0", None),
            ("", None),
        ] {
            assert_eq!(pinned(text), version, "{text}");
        }
    }

    #[test]
    fn names_of_files() {
        for path in
            ["requirements.txt", "a/Requirements-Dev.txt", "dev-requirements.txt", "requirements/base.txt"]
        {
            assert!(is_requirements(path), "{path}");
        }
        for path in ["requirements.in", "LICENSE.txt", "requirements", "requirements/x/notes.txt"] {
            assert!(!is_requirements(path), "{path}");
        }
    }
}
