//! Installed Ruby gems: `specifications/NAME-VERSION[-PLATFORM].gemspec`.
//!
//! Format: what `Gem::Specification#to_ruby` of RubyGems writes when it installs a gem; default
//! gems lie in `specifications/default`. Such a file is Ruby, but generated: one assignment of a
//! literal in each line. Only that is read, nothing is run. Of gems that Bundler took from a
//! repository (`bundler/gems/`) the hand-written specification is read in the same way; when its
//! version is no literal, it stays unknown, with a gap. Does not read specifications of source
//! trees.

use super::{Cataloguer, Facts, File, Pattern};
use crate::assemble::{Builder, View};
use crate::loose::{self, clip, is_word};
use seaworthy_types::{About, Package, Reads};
use serde::{Deserialize, Serialize};

/// The cataloguer of installed Ruby gems.
pub const CATALOGUER: &dyn Cataloguer = &RubyGemspec;

const NAME_BYTES_MAX: usize = 214;
const VERSION_BYTES_MAX: usize = 128;
const LICENCE_CHARS_MAX: usize = 120;
const LICENCES_MAX: usize = 16;

struct RubyGemspec;

#[derive(Serialize, Deserialize)]
struct Raw {
    name: String,
    version: String,
    platform: String,
    licences: Vec<String>,
    by_path: bool,
}

impl Cataloguer for RubyGemspec {
    fn about(&self) -> &'static About {
        &About {
            name: "ruby-gemspec",
            version: 1,
            ecosystem: "gem",
            reads: Reads::Installed,
            coverage: "Ruby gems installed by RubyGems or Bundler, default gems included; of gems that Bundler took from a repository often only the name.",
        }
    }
    fn patterns(&self) -> &'static [Pattern] {
        &[Pattern::Extension(".gemspec")]
    }
    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        is_generated(path) || is_from_repository(path)
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let Some(bytes) = file.record(facts) else { return };
        let text = loose::text(&bytes, facts);
        note_gem(scan(&text), file.path, facts);
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let Some(raw) = fact.get::<Raw>() else { continue };
            let mut package = Package::new("gem", raw.name, raw.version, "ruby-gemspec");
            package.licences = raw.licences;
            if !matches!(raw.platform.as_str(), "" | "ruby") {
                package.facts.insert("platform".into(), raw.platform);
            }
            if fact.path.rsplit('/').nth(1) == Some("default") {
                package.facts.insert("role".into(), "default-gem".into());
            }
            if is_from_repository(fact.path) {
                package.facts.insert("role".into(), "from-repository".into());
            }
            if raw.by_path {
                package.evidence = "file name".into();
            }
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

fn is_generated(path: &str) -> bool {
    let mut parts = path.rsplit('/').skip(1);
    match parts.next() {
        Some("specifications") => true,
        Some("default") => parts.next() == Some("specifications"),
        _ => false,
    }
}

/// `bundler/gems/REPOSITORY-COMMIT/NAME.gemspec` or `…/NAME/NAME.gemspec`.
fn is_from_repository(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().and_then(|file| file.rsplit_once('.')).map_or("", |(stem, _)| stem);
    let mut above = parts.next();
    if above == Some(name) {
        above = parts.next().or(above);
    }
    above.is_some() && parts.next() == Some("gems") && parts.next() == Some("bundler")
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Gem {
    name: Option<String>,
    version: Option<String>,
    platform: Option<String>,
    licences: Vec<String>,
    /// Name or version are those of the stub line.
    by_stub: bool,
}

fn note_gem(mut gem: Gem, path: &str, facts: &mut Facts<'_>) {
    let from_repository = is_from_repository(path);
    if from_repository && gem.version.as_deref().is_none_or(|text| !is_version(text)) {
        let stem =
            path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).map(|(stem, _)| stem.to_owned());
        let name = gem.name.take().filter(|text| is_name(text)).or(stem).filter(|text| is_name(text));
        let shown = name.as_deref().unwrap_or("a gem");
        facts.gap(
            "version-unknown",
            format!("`{shown}` comes from a repository, and its version is computed"),
        );
        if let Some(name) = name {
            let licences = gem.licences;
            facts.push(&Raw {
                name,
                version: String::new(),
                platform: String::new(),
                licences,
                by_path: false,
            });
        }
        return;
    }
    let (path_name, path_version, path_platform) = of_path(path);
    let name = gem.name.filter(|text| is_name(text));
    let version = gem.version.filter(|text| is_version(text));
    let by_path = name.is_none() || version.is_none();
    let name = name.or_else(|| path_name.map(str::to_owned)).filter(|text| is_name(text));
    let version = version.or_else(|| path_version.map(str::to_owned)).filter(|text| is_version(text));
    let (Some(name), Some(version)) = (name, version) else {
        return facts
            .gap("record-unreadable", "neither its lines nor its file name have a usable name and version");
    };
    if gem.by_stub {
        facts.info(
            "named-by-stub",
            "it has no name or version in a plain line; its `# stub:` line says which",
        );
    } else if by_path {
        facts.info("named-by-path", "it has no name or version in a plain line; its file name says which");
    }
    let platform = gem.platform.unwrap_or_else(|| path_platform.to_owned());
    facts.push(&Raw { name, version, platform: clip(&platform, 80), licences: gem.licences, by_path });
}

/// Names of gems: letters, digits, `.`, `-`, `_`.
fn is_name(text: &str) -> bool {
    is_word(text, NAME_BYTES_MAX) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// `Gem::Version`: digits and letters between dots, a hyphen before a pre-release.
fn is_version(text: &str) -> bool {
    is_word(text, VERSION_BYTES_MAX)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_digit())
}

/// The first assignment of a literal to each field, in the block of `Gem::Specification.new`.
fn scan(text: &str) -> Gem {
    let mut gem = Gem::default();
    let mut stub = Gem::default();
    let mut variable = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("# stub: ").filter(|_| stub.name.is_none()) {
            // `# stub: NAME VERSION PLATFORM REQUIRE-PATHS`: RubyGems itself goes by this line.
            let mut words = words.split(' ').map(str::to_owned);
            (stub.name, stub.version, stub.platform) = (words.next(), words.next(), words.next());
            continue;
        }
        if let Some(opened) = block_variable(line) {
            variable = variable.or(Some(opened));
            continue;
        }
        let Some(assignment) = variable.and_then(|name| line.strip_prefix(name)) else { continue };
        if let Some((field, value)) = assignment.strip_prefix('.').and_then(|rest| rest.split_once('=')) {
            assign(field.trim(), value.trim(), &mut gem);
        }
    }
    gem.by_stub = stub.version.is_some() && (gem.name.is_none() || gem.version.is_none());
    gem.name = gem.name.or(stub.name);
    gem.version = gem.version.or(stub.version);
    gem.platform = gem.platform.or(stub.platform);
    gem
}

/// `Gem::Specification.new do |s|` → `s`.
fn block_variable(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Gem::Specification.new do |")?;
    let name = rest.split('|').next()?.trim();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (plain && !name.is_empty()).then_some(name)
}

fn assign(field: &str, value: &str, gem: &mut Gem) {
    match field {
        "name" => keep(&mut gem.name, value),
        "version" => keep(&mut gem.version, value),
        "platform" => keep(&mut gem.platform, value),
        "license" | "licenses" if gem.licences.is_empty() => gem.licences = literals(value),
        _ => {}
    }
}

fn keep(slot: &mut Option<String>, value: &str) {
    if slot.is_none() {
        let value = value.strip_prefix("Gem::Version.new(").unwrap_or(value);
        *slot = literal(value).map(|(text, _)| text).filter(|text| !text.is_empty());
    }
}

/// `"a".freeze` or `["a".freeze, 'b']`.
fn literals(value: &str) -> Vec<String> {
    let mut rest = value.strip_prefix('[').unwrap_or(value);
    let mut found = Vec::new();
    while found.len() < LICENCES_MAX {
        let Some((text, after)) = literal(rest) else { break };
        let text = clip(text.trim(), LICENCE_CHARS_MAX);
        if !text.is_empty() {
            found.push(text);
        }
        let after = after.trim_start().strip_prefix(".freeze").unwrap_or(after).trim_start();
        let Some(next) = after.strip_prefix(',') else { break };
        rest = next.trim_start();
    }
    found
}

/// A Ruby string literal at the start of `text`, without interpolation, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (close, escapes, body) = match text.as_bytes().first()? {
        b'"' => ('"', true, text.get(1..)?),
        b'\'' => ('\'', false, text.get(1..)?),
        _ => ('>', false, text.strip_prefix("%q<")?),
    };
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == close => return Some((value, body.get(at + c.len_utf8()..)?)),
            '#' if escapes && body.get(at..)?.starts_with("#{") => return None,
            // Generated names, versions and licences have no other escapes than these.
            '\\' => match chars.next()?.1 {
                next @ ('\\' | '"' | '\'') => value.push(next),
                next => value.extend(['\\', next]),
            },
            _ => value.push(c),
        }
    }
    None
}

/// `NAME-VERSION[-PLATFORM].gemspec`: the version is the first part that starts with a digit and
/// has a dot, else the first that starts with a digit.
fn of_path(path: &str) -> (Option<&str>, Option<&str>, &str) {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.len().checked_sub(".gemspec".len()).and_then(|end| file.get(..end)).unwrap_or_default();
    let starts = || {
        stem.match_indices('-').filter_map(|(at, _)| {
            let version = stem.get(at + 1..)?.split('-').next()?;
            version.starts_with(|c: char| c.is_ascii_digit()).then_some((at, version))
        })
    };
    let Some((at, version)) = starts().find(|(_, version)| version.contains('.')).or_else(|| starts().next())
    else {
        return (None, None, "");
    };
    let platform = stem.get(at + 1 + version.len() + 1..).unwrap_or_default();
    (stem.get(..at).filter(|name| !name.is_empty()), Some(version), platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names() {
        for (path, name, version, platform) in [
            ("s/rake-13.0.3.gemspec", Some("rake"), Some("13.0.3"), ""),
            ("s/nokogiri-1.13.0-x86_64-linux.gemspec", Some("nokogiri"), Some("1.13.0"), "x86_64-linux"),
            ("s/a-1.0-universal-darwin-20.gemspec", Some("a"), Some("1.0"), "universal-darwin-20"),
            ("s/net-http-2-1.0.gemspec", Some("net-http-2"), Some("1.0"), ""),
            ("s/a-2.gemspec", Some("a"), Some("2"), ""),
            ("s/a.gemspec", None, None, ""),
            (".gemspec", None, None, ""),
            ("-1.gemspec", None, Some("1"), ""),
        ] {
            assert_eq!(of_path(path), (name, version, platform), "{path}");
        }
    }

    #[test]
    fn strings_of_ruby() {
        for (text, value) in [
            (r#""a".freeze"#, Some("a")),
            ("'a' # comment", Some("a")),
            ("%q<a>", Some("a")),
            (r#""a\"b\\""#, Some("a\"b\\")),
            (r##""#{evil}""##, None),
            ("Foo::VERSION", None),
            (r#""open"#, None),
            ("\"\\", None),
            ("", None),
        ] {
            assert_eq!(literal(text).map(|(value, _)| value).as_deref(), value, "{text}");
        }
        assert_eq!(literals(r#"["MIT".freeze, 'Ruby', x]"#), ["MIT", "Ruby"]);
        assert_eq!(literals("ENV['X']"), [""; 0]);
    }
}
