//! The operating system: os-release(5), and the files that came before it.
//!
//! Formats: the manual page os-release(5) of systemd; `/etc/alpine-release`, `/etc/debian_version`,
//! `/etc/lsb-release`, `/etc/SuSE-release` and the one-line `/etc/*-release` files of the Red Hat
//! family by what those distributions ship. Does not guess a distribution from its packages.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use seaworthy_types::{About, Note, OsRelease, Reads};
use serde::{Deserialize, Serialize};

/// The unit.
pub const CATALOGUER: &dyn Cataloguer = &OsReleaseFiles;

struct OsReleaseFiles;

const ABOUT: About = About {
    name: "os-release",
    version: 1,
    ecosystem: "",
    reads: Reads::Installed,
    coverage: "Reads etc/os-release, usr/lib/os-release (links followed inside the target) and the older \
               etc/*-release, etc/lsb-release and etc/debian_version files.",
};

/// Longest file of this kind that is read.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Longest value that is kept.
const VALUE_CHARS_MAX: usize = 512;

/// The older files, most telling first: Ubuntu also has `debian_version`, Oracle `redhat-release`.
const OLDER: [&str; 13] = [
    "etc/oracle-release",
    "etc/rocky-release",
    "etc/almalinux-release",
    "etc/centos-release",
    "etc/fedora-release",
    "etc/mariner-release",
    "etc/openEuler-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/alpine-release",
    "etc/SuSE-release",
    "etc/lsb-release",
    "etc/debian_version",
];

/// What one file says.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    os: OsRelease,
}

impl Cataloguer for OsReleaseFiles {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn patterns(&self) -> &'static [Pattern] {
        // `etc/os-release` may be a link to a file of any folder (NixOS, Fedora variants).
        const PATTERNS: &[Pattern] = &[
            Pattern::Name("os-release"),
            Pattern::InFolder("usr/lib/os-release.d", ""),
            Pattern::InFolder("usr/lib/os.release.d", ""),
            Pattern::InFolder("etc", "-release"),
            Pattern::Path("etc/debian_version"),
        ];
        PATTERNS
    }

    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        folder != "etc" || path == "etc/os-release" || OLDER.contains(&path)
    }

    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        if file.content.len() > FILE_BYTES_MAX {
            facts.gap("operating-system-unreadable", "the file is too large to describe a release; not read");
            return;
        }
        let Some(bytes) = file.record(facts) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}');
        let os = if OLDER.contains(&file.path) { older(file.path, text) } else { os_release(text) };
        match os {
            Some(os) => facts.push(&Found { os }),
            None if OLDER.contains(&file.path) => {}
            None => facts.info("operating-system-without-id", "the file has no usable ID"),
        }
    }

    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        let found = |path: &str| {
            let path = view.resolve(path)?;
            view.visible().find(|fact| fact.path == path)?.get::<Found>()
        };
        let older = || OLDER.iter().find_map(|path| found(path)).map(|found| found.os);
        let new = ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| found(path));
        match new {
            Some(Found { os }) => builder.os(completed(os, older)),
            None => match older() {
                Some(os) => builder.os(os),
                None if view.exists("etc/os-release") || view.exists("usr/lib/os-release") => {
                    builder.note(Note::gap(
                        "operating-system-unreadable",
                        ABOUT.name,
                        "etc/os-release",
                        "there is an os-release file, but it names no system or its link leads nowhere; \
                         packages of the system cannot be judged",
                    ));
                }
                None => {}
            },
        }
    }
}

/// Fills in a missing release from the older files when they speak of the same system.
fn completed(mut os: OsRelease, older: impl FnOnce() -> Option<OsRelease>) -> OsRelease {
    if !os.version_id.is_empty() || !os.codename.is_empty() {
        return os;
    }
    if let Some(older) = older().filter(|older| older.id == os.id) {
        os.version_id = older.version_id;
        os.codename = older.codename;
    }
    os
}

/// Parses os-release(5); `None` without an `ID`.
fn os_release(text: &str) -> Option<OsRelease> {
    let mut os = OsRelease::default();
    for (key, value) in assignments(text) {
        match key {
            "ID" => os.id = identifier(&value),
            "VERSION_ID" => os.version_id = value,
            "VERSION_CODENAME" => os.codename = value.to_lowercase(),
            "PRETTY_NAME" => os.pretty_name = value,
            "ID_LIKE" => os.id_like = value.split_whitespace().map(identifier).collect(),
            "CPE_NAME" => os.cpe_name = value,
            "VARIANT_ID" => os.variant_id = value,
            _ => {}
        }
    }
    if os.id == "debian" && os.version_id.is_empty() && os.codename.is_empty() {
        // Testing and unstable before they had a VERSION_CODENAME: "Debian GNU/Linux stretch/sid".
        os.codename = codename(os.pretty_name.rsplit(' ').next().unwrap_or_default());
    }
    Some(os).filter(|os| !os.id.is_empty())
}

/// `trixie/sid` → `trixie`: testing and unstable share the text; testing's data covers both.
fn codename(text: &str) -> String {
    text.split('/').next().unwrap_or_default().trim().to_lowercase()
}

/// The letters an identifier may have. Case is kept: openEuler and others write capitals.
fn identifier(value: &str) -> String {
    value.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect()
}

/// Shell-like assignments, one a line; later ones win.
fn assignments(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        let (key, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        Some((key.trim(), unquoted(value.trim())))
    })
}

/// Undoes shell quoting as os-release(5) allows it: `"…"` with backslash escapes, `'…'` without.
fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut letters = value.chars();
    let mut count = 0;
    while let Some(letter) = letters.next() {
        let literal = match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                continue;
            }
            (end, Some(start)) if end == start => {
                quote = None;
                continue;
            }
            ('\\', Some('"')) => match letters.next() {
                Some(escaped) if "\"\\$`".contains(escaped) => escaped,
                Some(other) => {
                    out.push('\\');
                    other
                }
                None => break,
            },
            ('\\', None) => match letters.next() {
                Some(escaped) => escaped,
                None => break,
            },
            (other, _) => other,
        };
        if count < VALUE_CHARS_MAX && !literal.is_control() {
            out.push(literal);
            count += 1;
        }
    }
    out.trim().to_owned()
}

/// What an older file says.
fn older(path: &str, text: &str) -> Option<OsRelease> {
    let first: String = text.lines().find(|line| !line.trim().is_empty())?.trim().to_owned();
    let first: String = first.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect();
    match path {
        "etc/alpine-release" => {
            let version_id = first.starts_with(|c: char| c.is_ascii_digit()).then_some(first)?;
            Some(system("alpine", version_id, String::new()))
        }
        "etc/debian_version" => Some(debian_version(&first)),
        "etc/lsb-release" => lsb_release(text),
        "etc/SuSE-release" => suse_release(&first, text),
        _ => release_line(&first),
    }
}

fn system(id: &str, version_id: String, pretty_name: String) -> OsRelease {
    OsRelease { id: id.into(), version_id, pretty_name, ..OsRelease::default() }
}

fn debian_version(line: &str) -> OsRelease {
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        return system("debian", line.to_owned(), String::new());
    }
    OsRelease { codename: codename(line), ..system("debian", String::new(), String::new()) }
}

fn lsb_release(text: &str) -> Option<OsRelease> {
    let mut os = OsRelease::default();
    for (key, value) in assignments(text) {
        match key {
            "DISTRIB_ID" => os.id = identifier(&value.to_lowercase()),
            "DISTRIB_RELEASE" => os.version_id = value,
            "DISTRIB_CODENAME" => os.codename = value.to_lowercase(),
            "DISTRIB_DESCRIPTION" => os.pretty_name = value,
            _ => {}
        }
    }
    Some(os).filter(|os| !os.id.is_empty())
}

fn suse_release(first: &str, text: &str) -> Option<OsRelease> {
    let field = |name: &str| {
        assignments(text).find(|(key, _)| *key == name).map(|(_, value)| value).filter(|v| !v.is_empty())
    };
    let mut version = field("VERSION")?;
    if let Some(patch) = field("PATCHLEVEL").filter(|level| level != "0") {
        version = format!("{version}.{patch}");
    }
    let id = if first.to_lowercase().starts_with("opensuse") { "opensuse" } else { "sles" };
    Some(system(id, version, first.to_owned()))
}

/// `CentOS Linux release 7.6.1810 (Core)`.
fn release_line(line: &str) -> Option<OsRelease> {
    // Start of the line in lower case, and the ID that os-release(5) has for it.
    const NAMES: [(&str, &str); 17] = [
        ("red hat", "rhel"),
        ("centos", "centos"),
        ("fedora", "fedora"),
        ("rocky", "rocky"),
        ("almalinux", "almalinux"),
        ("oracle linux", "ol"),
        ("enterprise linux", "ol"),
        ("amazon linux", "amzn"),
        ("scientific linux", "scientific"),
        ("cloudlinux", "cloudlinux"),
        ("virtuozzo", "virtuozzo"),
        ("cbl-mariner", "mariner"),
        ("common base linux mariner", "mariner"),
        ("azure linux", "azurelinux"),
        ("openeuler", "openEuler"),
        ("anolis os", "anolis"),
        ("mageia", "mageia"),
    ];
    let lower = line.to_lowercase();
    let (_, id) = NAMES.iter().find(|(start, _)| lower.starts_with(start))?;
    let after = lower.find(" release ").map_or_else(
        || lower.find(|c: char| c.is_ascii_digit()).map(|at| &lower[at..]),
        |at| lower.get(at + " release ".len()..),
    )?;
    let version: String = after.trim().chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    Some(system(id, version.trim_end_matches('.').to_owned(), line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_quoting() {
        for (value, plain) in [
            ("debian", "debian"),
            ("\"12\"", "12"),
            ("'a \"b\"'", "a \"b\""),
            (r#""a \"b\" \$c \x""#, r#"a "b" $c \x"#),
            (r"a\ b", "a b"),
            ("\"un", "un"),
            ("\"a\"'b'c", "abc"),
            ("\"a\\", "a"),
            ("\"\u{1b}[31m\"", "[31m"),
        ] {
            assert_eq!(unquoted(value), plain, "{value}");
        }
    }

    #[test]
    fn release_lines() {
        for (line, id, version) in [
            ("CentOS Linux release 7.6.1810 (Core)", "centos", "7.6.1810"),
            ("Red Hat Enterprise Linux Server release 6.2 (Santiago)", "rhel", "6.2"),
            ("Amazon Linux AMI release 2018.03", "amzn", "2018.03"),
            ("Rocky Linux release 8.4 (Green Obsidian)", "rocky", "8.4"),
            ("CBL-Mariner 2.0.20240101", "mariner", "2.0.20240101"),
        ] {
            let os = release_line(line).expect(line);
            assert_eq!((os.id.as_str(), os.version_id.as_str()), (id, version));
        }
        assert!(release_line("Something else release 1").is_none());
    }
}
