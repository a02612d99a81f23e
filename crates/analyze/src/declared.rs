//! What the units of lock files and manifests share: packages that a source folder declares.
//!
//! A unit is one [`LockFile`]: which files, and a parser that fills a [`Lock`]. The lock joins what
//! one file names several times, counts what is in no registry or has no fixed version, and says
//! so in notes. Does not know any format.

use crate::assemble::{Builder, View};
use crate::cataloguer::{Cataloguer, Facts, File, Pattern};
use crate::loose::{self, clip, is_word};
use crate::toml_parts;
use seaworthy_types::{About, Package, Scope};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

const NAME_BYTES_MAX: usize = 256;
const VERSION_BYTES_MAX: usize = 256;
const FACT_CHARS_MAX: usize = 256;
/// Different packages of one file; more are dropped with a gap.
const PACKAGES_MAX: usize = 150_000;
const EXAMPLES_MAX: usize = 5;
const EXAMPLE_CHARS_MAX: usize = 80;
const REASON_CHARS_MAX: usize = 240;

/// A unit that reads packages out of one kind of lock file or manifest.
pub(crate) struct LockFile {
    /// Facts about the unit.
    pub about: &'static About,
    /// Which files.
    pub patterns: &'static [Pattern],
    /// A second look at the path.
    pub accepts: fn(&str) -> bool,
    /// Which names the ecosystem allows, as far as that keeps nonsense out.
    pub is_name: fn(&str) -> bool,
    /// Larger files are not parsed: for formats whose parser builds a tree first.
    pub bytes_max: u64,
    /// Fills the lock from the text of a file at a path, or says why it cannot.
    pub parse: fn(&str, &str, &mut Lock) -> Result<(), String>,
}

/// For [`LockFile::bytes_max`]: the limit on records decides.
pub(crate) const AS_RECORD: u64 = u64::MAX;
/// For [`LockFile::bytes_max`] of JSON whose real files are the largest of all (npm): up to twice the
/// limit on records, because its values are few for its size.
pub(crate) const JSON_BYTES_MAX: u64 = 48 << 20;
/// For [`LockFile::bytes_max`] of TOML: three times the largest real files.
pub(crate) const TOML_BYTES_MAX: u64 = 16 << 20;
/// For [`LockFile::bytes_max`] of YAML, whose parser is slow.
pub(crate) const YAML_BYTES_MAX: u64 = 14 << 20;
/// Scalars, lists and mappings of one YAML text: the largest real lock files have 700,000.
const YAML_NODES_MAX: usize = 900_000;
/// One table of TOML: its parser needs sixty times the text's memory and more.
const TOML_TABLE_BYTES_MAX: usize = 256 << 10;

/// For [`LockFile::accepts`]: every path that the patterns choose.
pub(crate) fn any_path(_path: &str) -> bool {
    true
}

/// For [`LockFile::is_name`]: letters, digits, `.`, `_` and `-`.
pub(crate) fn plain(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// For [`LockFile::is_name`]: parts as in [`plain`], with what parts them.
pub(crate) fn plain_parts(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '~' | '+' | '!'))
}

impl Cataloguer for LockFile {
    fn about(&self) -> &'static About {
        self.about
    }
    fn patterns(&self) -> &'static [Pattern] {
        self.patterns
    }
    fn accepts(&self, path: &str, _head: &[u8]) -> bool {
        (self.accepts)(path)
    }
    fn read(&self, file: &File<'_>, facts: &mut Facts<'_>) {
        let bytes_max = match self.bytes_max {
            AS_RECORD => file.limits.record_bytes_max,
            bytes_max => bytes_max.min(file.limits.record_bytes_max.saturating_mul(2)),
        };
        let _turn = loose::turn(file.content.len());
        let Some(bytes) = file.record_within(bytes_max, facts) else { return };
        let text = decode(&bytes, facts);
        let mut lock = Lock::new(self.is_name);
        let result = (self.parse)(&text, file.path, &mut lock);
        lock.finish(facts);
        if let Err(why) = result {
            let why = shown(&why, REASON_CHARS_MAX);
            facts.gap("record-unreadable", format!("not all packages that it declares are known: {why}"));
        }
    }
    fn assemble(&self, view: &View<'_>, builder: &mut Builder) {
        for fact in view.visible() {
            let Some(declared) = fact.get::<Declared>() else { continue };
            let mut package =
                Package::new(self.about.ecosystem, declared.name, declared.version, self.about.name);
            package.scope = declared.scope;
            package.facts.extend(declared.facts);
            view.place(fact, &mut package);
            builder.package(package);
        }
    }
}

/// Text in UTF-8, or in UTF-16 with a byte order mark (what PowerShell redirects into files).
fn decode<'a>(bytes: &'a [u8], facts: &mut Facts<'_>) -> Cow<'a, str> {
    let units = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let decoded = char::decode_utf16(pairs.iter().map(|pair| read(*pair)));
        Cow::Owned(decoded.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        _ => loose::text(bytes, facts),
    }
}

/// One declared package, as stored.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declared {
    name: String,
    version: String,
    scope: Scope,
    facts: Vec<(String, String)>,
}

impl Declared {
    /// Adds a fact about it; the first value of a name stays.
    pub fn fact(&mut self, name: &str, value: &str) {
        if !value.is_empty() && !self.facts.iter().any(|(known, _)| known == name) {
            self.facts.push((name.to_owned(), shown(value, FACT_CHARS_MAX)));
        }
    }
}

/// Production unless `development`.
pub(crate) fn scope(development: bool) -> Scope {
    if development { Scope::Development } else { Scope::Production }
}

/// How often something was passed over, with the first names.
#[derive(Default)]
struct Tally {
    count: u64,
    examples: Vec<String>,
}

impl Tally {
    fn add(&mut self, what: &str) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < EXAMPLES_MAX && !what.is_empty() {
            let what = shown(what, EXAMPLE_CHARS_MAX);
            if !self.examples.contains(&what) {
                self.examples.push(what);
            }
        }
    }
    fn names(&self) -> String {
        let more = if self.count > self.examples.len() as u64 { ", …" } else { "" };
        match self.examples.is_empty() {
            true => String::new(),
            false => format!(": {}{more}", self.examples.join(", ")),
        }
    }
}

/// A text for people: cut, without characters that could mislead, without user names, passwords
/// and queries of addresses.
fn shown(text: &str, chars_max: usize) -> String {
    // More than this is cut anyway.
    let text: String = text.chars().take(chars_max.saturating_mul(4)).collect();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(['/', ' ', ',', '"', '\'']).unwrap_or(after.len());
        let authority = after.get(..end).unwrap_or_default();
        out.push_str(authority.rsplit('@').next().unwrap_or_default());
        let path = after.get(end..).unwrap_or_default();
        let end = path.find([' ', ',', '"', '\'']).unwrap_or(path.len());
        let address = path.get(..end).unwrap_or_default();
        out.push_str(address.split('?').next().unwrap_or_default());
        rest = path.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    let odd = |c: char| c != ' ' && !is_word(c.encode_utf8(&mut [0; 4]), 4);
    clip(&out.chars().map(|c| if odd(c) { '?' } else { c }).collect::<String>(), chars_max)
}

/// What one file declares.
pub(crate) struct Lock {
    is_name: fn(&str) -> bool,
    packages: Vec<Declared>,
    by_name: HashMap<(String, String), usize>,
    too_many: u64,
    unusable: Tally,
    elsewhere: Tally,
    passed_over: BTreeMap<&'static str, (&'static str, Tally)>,
}

impl Lock {
    fn new(is_name: fn(&str) -> bool) -> Self {
        Self {
            is_name,
            packages: Vec::new(),
            by_name: HashMap::new(),
            too_many: 0,
            unusable: Tally::default(),
            elsewhere: Tally::default(),
            passed_over: BTreeMap::new(),
        }
    }
    /// Takes a package of a registry; one that is named several times is for production when it is
    /// so once. `None` when name or version cannot be one (noted) or there are too many.
    pub fn package(&mut self, name: &str, version: &str, scope: Scope) -> Option<&mut Declared> {
        let (name, version) = (name.trim(), version.trim());
        if !is_word(name, NAME_BYTES_MAX) || !is_word(version, VERSION_BYTES_MAX) || !(self.is_name)(name) {
            self.unusable(if name.is_empty() { version } else { name });
            return None;
        }
        let key = (name.to_owned(), version.to_owned());
        if let Some(index) = self.by_name.get(&key) {
            let known = self.packages.get_mut(*index)?;
            if scope == Scope::Production {
                known.scope = scope;
            }
            return Some(known);
        }
        if self.packages.len() >= PACKAGES_MAX {
            self.too_many = self.too_many.saturating_add(1);
            return None;
        }
        self.by_name.insert(key, self.packages.len());
        let declared =
            Declared { name: name.to_owned(), version: version.to_owned(), scope, facts: Vec::new() };
        self.packages.push(declared);
        self.packages.last_mut()
    }
    /// An entry that names no usable package: a gap.
    pub fn unusable(&mut self, what: &str) {
        self.unusable.add(what);
    }
    /// A package that comes from a repository of code, a folder or an address: in no registry.
    pub fn elsewhere(&mut self, name: &str) {
        self.elsewhere.add(name);
    }
    /// Something that is passed over for a reason of this format: `code` and a sentence's end that
    /// follows "N " (`"requirements have no fixed version and are left out"`).
    pub fn passed_over(&mut self, code: &'static str, sentence: &'static str, what: &str) {
        self.passed_over.entry(code).or_insert_with(|| (sentence, Tally::default())).1.add(what);
    }

    fn finish(self, facts: &mut Facts<'_>) {
        for package in &self.packages {
            facts.push(package);
        }
        if self.too_many > 0 {
            let detail =
                format!("it declares more than {PACKAGES_MAX} packages; {} were dropped", self.too_many);
            facts.gap("too-many-packages", detail);
        }
        if self.unusable.count > 0 {
            let Tally { count, .. } = self.unusable;
            facts.gap(
                "package-without-name",
                format!("{count} of its entries have no usable name or version{}", self.unusable.names()),
            );
        }
        if self.elsewhere.count > 0 {
            let Tally { count, .. } = self.elsewhere;
            facts.info(
                "not-of-a-registry",
                format!(
                    "{count} of its packages come from a repository, folder or address and are left out{}",
                    self.elsewhere.names()
                ),
            );
        }
        for (code, (sentence, tally)) in &self.passed_over {
            facts.info(code, format!("{} {sentence}{}", tally.count, tally.names()));
        }
    }
}

/// Reads TOML of version 1.0 table by table (its parser bounds nesting): `each` gets a document for every
/// top-level table or element of an array of tables, with all that is below it. Of the others than
/// `wanted` large ones are passed over.
pub(crate) fn toml_tables<'a, T: Deserialize<'a>>(
    text: &'a str,
    wanted: &[&str],
    mut each: impl FnMut(T),
) -> Result<(), String> {
    for (root, part) in toml_parts::parts(text) {
        if part.len() <= TOML_TABLE_BYTES_MAX {
            each(toml::from_str(part).map_err(|error| error.message().to_owned())?);
        } else if root.is_empty() || wanted.contains(&root) {
            return Err(format!("a table of {} bytes is too large", part.len()));
        }
    }
    Ok(())
}

/// Reads JSON (RFC 8259).
pub(crate) fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Reads all documents of a YAML text. Lock files have no aliases, so these are all but forbidden. Of
/// equal keys the last counts, which the reader of values sees to: the parser would remember them all.
pub(crate) fn yaml<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Vec<T>, String> {
    let budget = serde_saphyr::budget! {
        max_events: text.len().saturating_mul(2).saturating_add(64),
        max_nodes: text.len().saturating_add(64).min(YAML_NODES_MAX),
        max_total_scalar_bytes: text.len().saturating_add(64),
        max_aliases: 16,
        max_anchors: 16,
        max_recorded_anchor_events: 1_000,
        max_recorded_anchor_bytes: 65_536,
        max_depth: 32,
        max_documents: 16,
        max_merge_keys: 16,
        simple_key_max_lookahead: 65_536,
    };
    let aliases = serde_saphyr::alias_limits! {
        max_total_replayed_events: 10_000,
        max_replay_stack_depth: 4,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        alias_limits: aliases,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_and_no_trick_is_shown() {
        for (text, expected) in [
            ("git+https://user:token@example.org/o/r.git", "git+https://example.org/o/r.git"),
            ("https://token@example.org", "https://example.org"),
            ("a https://x@h/p?key=1 b ssh://git:pw@h/q", "a https://h/p b ssh://h/q"),
            ("https://h:443/a@b", "https://h:443/a@b"),
            ("plain\u{202e} text\u{7}", "plain? text?"),
            ("://", "://"),
        ] {
            assert_eq!(shown(text, 80), expected);
        }
        assert_eq!(shown(&"a".repeat(500), 80).len(), 80);
    }

    #[test]
    fn production_wins_and_what_is_odd_is_counted() {
        let mut lock = Lock::new(plain);
        assert!(lock.package("a", "1.0", Scope::Development).is_some());
        assert!(lock.package("a", "1.0", Scope::Production).is_some());
        assert!(lock.package("a", "1.0", Scope::Development).is_some());
        assert!(lock.package("a b", "1.0", Scope::Production).is_none());
        assert!(lock.package("a", "", Scope::Production).is_none());
        assert!(lock.package("a/b", "1", Scope::Production).is_none());
        assert_eq!(lock.packages.len(), 1);
        assert_eq!(lock.packages[0].scope, Scope::Production);
        assert_eq!(lock.unusable.count, 3);
    }
}
