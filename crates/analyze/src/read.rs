//! Runs the units over one layer: pure, without a database and without other layers.

use crate::cataloguer::{self, Cataloguer, Facts, File, Pattern, Target};
use crate::table::{Table, TableBuilder};
use seaworthy_image::{Content, Entry, EntryKind, Pair, Visitor, Want};
use seaworthy_types::{Limits, Note, Reads};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The facts of one layer, as cached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// Names of the units that ran; facts point into it.
    pub units: Vec<String>,
    /// All paths.
    pub table: Table,
    /// What the units found, in the order of the walk.
    pub facts: Vec<StoredFact>,
    /// What was lost.
    pub notes: Vec<Note>,
}

/// One fact of one unit about one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFact {
    /// Index into `LayerFacts::units`.
    pub unit: u16,
    /// Path of the entry.
    pub path: String,
    /// Postcard bytes of the unit's own value.
    #[serde(with = "crate::bytes")]
    pub bytes: Vec<u8>,
}

/// The units that run for a kind of target, in registry order.
pub fn units_for(target: Target) -> Vec<&'static dyn Cataloguer> {
    let fits = |reads| match target {
        Target::Image => reads != Reads::Declared,
        Target::Source => true,
    };
    cataloguer::ALL.iter().copied().filter(|unit| fits(unit.about().reads)).collect()
}

/// All patterns of a set of units, compiled once and shared by all layers.
pub struct Matcher {
    units: Vec<&'static dyn Cataloguer>,
    by_path: HashMap<&'static str, Vec<u16>>,
    by_name: HashMap<&'static str, Vec<(u16, &'static str)>>,
    by_extension: HashMap<&'static str, Vec<u16>>,
    by_folder: HashMap<&'static str, Vec<(u16, &'static str)>>,
    endings: Vec<(u16, &'static str)>,
    magics: Vec<(u16, &'static [u8])>,
    /// Unit, file, companion.
    companions: Vec<(u16, &'static str, &'static str)>,
}

impl Matcher {
    /// Compiles the patterns of these units.
    pub fn new(units: Vec<&'static dyn Cataloguer>) -> Self {
        let mut matcher = Self {
            units: Vec::new(),
            by_path: HashMap::new(),
            by_name: HashMap::new(),
            by_extension: HashMap::new(),
            by_folder: HashMap::new(),
            endings: Vec::new(),
            magics: Vec::new(),
            companions: Vec::new(),
        };
        for (index, unit) in units.iter().enumerate() {
            let pairs = unit.companions().iter();
            matcher.companions.extend(pairs.map(|(file, companion)| (index as u16, *file, *companion)));
            for pattern in unit.patterns() {
                matcher.add(index as u16, *pattern);
            }
        }
        matcher.units = units;
        matcher
    }

    fn add(&mut self, unit: u16, pattern: Pattern) {
        match pattern {
            Pattern::Path(path) => self.by_path.entry(path).or_default().push(unit),
            Pattern::Name(name) => self.by_name.entry(name).or_default().push((unit, "")),
            Pattern::Extension(extension) => self.by_extension.entry(extension).or_default().push(unit),
            Pattern::InFolder(folder, ending) => {
                self.by_folder.entry(folder).or_default().push((unit, ending))
            }
            Pattern::Ending(ending) => match ending.rsplit_once('/') {
                Some((_, name)) => self.by_name.entry(name).or_default().push((unit, ending)),
                None => self.endings.push((unit, ending)),
            },
            Pattern::Magic(magic) => self.magics.push((unit, magic)),
        }
    }

    /// Indices of the units that want this file, ascending, into `chosen`.
    fn choose(&self, path: &str, head: &[u8], chosen: &mut Vec<u16>) {
        chosen.clear();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(units) = self.by_path.get(path) {
            chosen.extend(units);
        }
        if let Some(units) = self.by_name.get(name) {
            let fits = |ending: &str| match path.strip_suffix(ending) {
                Some(before) => {
                    before.is_empty() || before.ends_with('/') || ending.starts_with(['.', '-', '/'])
                }
                None => false,
            };
            chosen.extend(
                units.iter().filter(|(_, ending)| ending.is_empty() || fits(ending)).map(|(unit, _)| unit),
            );
        }
        if let Some(at) = name.rfind('.') {
            let extension = &name[at..];
            if extension.bytes().any(|b| b.is_ascii_uppercase()) {
                chosen.extend(
                    self.by_extension.get(extension.to_ascii_lowercase().as_str()).into_iter().flatten(),
                );
            } else {
                chosen.extend(self.by_extension.get(extension).into_iter().flatten());
            }
        }
        if let Some(units) = self.by_folder.get(folder) {
            chosen.extend(units.iter().filter(|(_, ending)| name.ends_with(ending)).map(|(unit, _)| unit));
        }
        chosen.extend(self.endings.iter().filter(|(_, ending)| name.ends_with(ending)).map(|(unit, _)| unit));
        chosen.extend(self.magics.iter().filter(|(_, magic)| head.starts_with(magic)).map(|(unit, _)| unit));
        if chosen.len() > 1 {
            chosen.sort_unstable();
            chosen.dedup();
        }
        chosen.retain(|unit| self.units[usize::from(*unit)].accepts(path, head));
    }
}

/// Names and versions of units, for cache keys.
pub fn fingerprint(units: &[&'static dyn Cataloguer]) -> String {
    let mut text = format!("table {}\n", crate::table::TABLE_VERSION);
    for unit in units {
        text.push_str(&format!("{} {}\n", unit.about().name, unit.about().version));
    }
    text
}

/// Collects the facts of one layer while it is walked.
pub struct LayerReader<'m> {
    matcher: &'m Matcher,
    limits: &'m Limits,
    table: TableBuilder,
    pending: HashMap<u32, Pending>,
    chosen: Vec<u16>,
    facts: Vec<(u32, StoredFact)>,
    /// The last entry of each wanted path: within a layer a later entry replaces an earlier one.
    latest: HashMap<String, u32>,
    /// Hard links to files whose content was wanted.
    links: Vec<Link>,
    /// Wanted files that have, or are, a companion.
    partners: HashMap<&'static str, Partner>,
    notes: Vec<Note>,
    bytes_left: u64,
}

/// The last entry of a file that has, or is, a companion.
struct Partner {
    index: u32,
    mode: u32,
    is_empty: bool,
}

/// A hard link: its head is not known, so patterns of content cannot choose it.
struct Link {
    index: u32,
    path: String,
    target: u32,
    /// Units that want it for its path.
    units: Vec<u16>,
}

struct Pending {
    path: String,
    mode: u32,
    units: Vec<u16>,
}

impl<'m> LayerReader<'m> {
    /// A reader with nothing seen.
    pub fn new(matcher: &'m Matcher, limits: &'m Limits) -> Self {
        Self {
            matcher,
            limits,
            table: TableBuilder::default(),
            pending: HashMap::new(),
            chosen: Vec::new(),
            facts: Vec::new(),
            latest: HashMap::new(),
            links: Vec::new(),
            partners: HashMap::new(),
            notes: Vec::new(),
            bytes_left: limits.facts_bytes_max,
        }
    }

    /// The facts, with `notes` of the walk added.
    pub fn finish(mut self, notes: Vec<Note>) -> LayerFacts {
        self.notes.extend(notes);
        self.follow_links();
        let latest = self.latest;
        LayerFacts {
            units: self.matcher.units.iter().map(|unit| unit.about().name.to_owned()).collect(),
            table: self.table.finish(),
            facts: self
                .facts
                .into_iter()
                .filter(|(index, fact)| latest.get(&fact.path) == Some(index))
                .map(|(_, fact)| fact)
                .collect(),
            notes: self.notes,
        }
    }

    /// What was found by content (a program's magic) is also there under the names of hard links.
    fn follow_links(&mut self) {
        let mut by_entry: HashMap<u32, Vec<usize>> = HashMap::new();
        for link in std::mem::take(&mut self.links) {
            if by_entry.is_empty() {
                for (at, (index, _)) in self.facts.iter().enumerate() {
                    by_entry.entry(*index).or_default().push(at);
                }
            }
            let Some(found) = by_entry.get(&link.target).cloned() else { continue };
            for at in found {
                let Some((_, fact)) = self.facts.get(at) else { continue };
                let unit = usize::from(fact.unit);
                let by_content = |unit: &&dyn Cataloguer| {
                    unit.patterns().iter().any(|pattern| matches!(pattern, Pattern::Magic(_)))
                };
                if link.units.contains(&fact.unit) || !self.matcher.units.get(unit).is_some_and(by_content) {
                    continue;
                }
                let Some(left) = self.bytes_left.checked_sub(fact.bytes.len() as u64) else {
                    let detail = "the facts of this layer exceed the limit and were dropped";
                    self.notes.push(Note::gap("facts-too-large", "layer", &link.path, detail));
                    return;
                };
                self.bytes_left = left;
                let copy = StoredFact { path: link.path.clone(), ..fact.clone() };
                by_entry.entry(link.index).or_default().push(self.facts.len());
                self.facts.push((link.index, copy));
            }
        }
    }

    fn run(&mut self, unit: u16, index: u32, pending: &Pending, content: Content<'_>) {
        let file = File { path: &pending.path, content, mode: pending.mode, limits: self.limits };
        self.collect(unit, index, &pending.path, |cataloguer, facts| cataloguer.read(&file, facts));
    }

    /// Keeps what a unit says of the entry with this index and path.
    fn collect(
        &mut self,
        unit: u16,
        index: u32,
        path: &str,
        read: impl FnOnce(&'static dyn Cataloguer, &mut Facts<'_>),
    ) {
        let cataloguer = self.matcher.units[usize::from(unit)];
        let mut facts = Facts::new(cataloguer.about(), path, self.limits);
        facts.bytes_left = self.bytes_left;
        read(cataloguer, &mut facts);
        self.bytes_left = facts.bytes_left;
        let (found, notes) = facts.finish();
        self.notes.extend(notes);
        self.facts.extend(
            found.into_iter().map(|bytes| (index, StoredFact { unit, path: path.to_owned(), bytes })),
        );
    }

    fn remember_partner(&mut self, index: u32, entry: &Entry<'_>) {
        let paths = self.matcher.companions.iter().flat_map(|(_, file, companion)| [*file, *companion]);
        for path in paths.filter(|path| *path == entry.path) {
            // The size of a hard link is not known here.
            let is_empty = entry.kind == EntryKind::File && entry.size == 0;
            self.partners.insert(path, Partner { index, mode: entry.mode, is_empty });
        }
    }

    /// The file of this path, unless a later entry took its place.
    fn partner(&self, path: &str) -> Option<&Partner> {
        self.partners.get(path).filter(|partner| self.latest.get(path) == Some(&partner.index))
    }
}

impl Visitor for LayerReader<'_> {
    fn entry(&mut self, entry: &Entry<'_>, head: &[u8]) -> Want {
        let index = self.table.push(entry);
        // A whiteout speaks of lower layers only (OCI image layer specification, "Whiteouts"): what this
        // layer itself holds under the name stays, whichever comes first.
        if matches!(entry.kind, EntryKind::Whiteout | EntryKind::OpaqueFolder) {
            return Want::Skip;
        }
        if let Some(latest) = self.latest.get_mut(entry.path) {
            *latest = index;
        }
        if !matches!(entry.kind, EntryKind::File | EntryKind::Hardlink) {
            return Want::Skip;
        }
        self.matcher.choose(entry.path, head, &mut self.chosen);
        if entry.kind == EntryKind::Hardlink
            && let Some(&target) = self.latest.get(entry.link)
        {
            let (path, units) = (entry.path.to_owned(), self.chosen.clone());
            self.latest.insert(path.clone(), index);
            self.links.push(Link { index, path, target, units });
        }
        if self.chosen.is_empty() {
            return Want::Skip;
        }
        let pending = Pending { path: entry.path.to_owned(), mode: entry.mode, units: self.chosen.clone() };
        self.latest.insert(pending.path.clone(), index);
        self.pending.insert(index, pending);
        self.remember_partner(index, entry);
        Want::Content
    }

    fn content(&mut self, index: u32, content: Content<'_>) {
        let Some(pending) = self.pending.remove(&index) else { return };
        for unit in pending.units.clone() {
            self.run(unit, index, &pending, content);
        }
    }

    fn pairs(&mut self) -> Vec<Pair> {
        let matcher = self.matcher;
        let are_there = |file: &str, companion: &str| {
            self.partner(file).is_some()
                && self.partner(companion).is_some_and(|companion| !companion.is_empty)
        };
        let wanted = matcher.companions.iter().filter(|(_, file, companion)| are_there(file, companion));
        let mut pairs: Vec<Pair> = wanted
            .map(|(_, file, companion)| Pair { file: (*file).into(), companion: (*companion).into() })
            .collect();
        pairs.sort();
        pairs.dedup();
        pairs
    }

    fn pair(&mut self, pair: &Pair, content: Content<'_>, companion: Content<'_>) {
        let matcher = self.matcher;
        let (Some(mode), Some(index)) = (
            self.partner(&pair.file).map(|partner| partner.mode),
            self.partner(&pair.companion).map(|partner| partner.index),
        ) else {
            return;
        };
        if companion.is_empty() {
            return;
        }
        let file = File { path: &pair.file, content, mode, limits: self.limits };
        for (unit, path, beside) in &matcher.companions {
            if *path == pair.file && *beside == pair.companion {
                self.collect(*unit, index, &pair.companion, |cataloguer, facts| {
                    cataloguer.read_together(&file, companion, facts);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_under_the_names_of_hard_links() {
        let program: &[u8] = include_bytes!("../cases/go-binary/normal-inline/input/usr/bin/tool");
        let matcher = Matcher::new(units_for(Target::Image));
        let limits = Limits::default();
        let mut lower = LayerReader::new(&matcher, &limits);
        let size = program.len() as u64;
        let entry = |path, kind, link| Entry { path, kind, mode: 0o755, uid: 0, gid: 0, size, link };
        assert_eq!(lower.entry(&entry("bin/first", EntryKind::File, ""), program), Want::Content);
        lower.entry(&entry("bin/second", EntryKind::Hardlink, "bin/first"), b"");
        lower.entry(&entry("bin/third", EntryKind::Hardlink, "bin/second"), b"");
        lower.content(0, Content::Whole(program));
        let mut upper = LayerReader::new(&matcher, &limits);
        upper.entry(&entry("bin/first", EntryKind::Whiteout, ""), b"");
        let layers = [lower.finish(Vec::new()), upper.finish(Vec::new())];
        let inventory = crate::assemble(&[&layers[0], &layers[1]], Target::Image).value;
        let stdlib = inventory.packages.iter().find(|p| p.name == "stdlib").expect("standard library");
        let places: Vec<&str> = stdlib.locations.iter().map(|l| l.path.as_str()).collect();
        assert_eq!(places, ["bin/second", "bin/third"]);
    }

    #[test]
    fn the_last_entry_of_a_path_counts() {
        let matcher = Matcher::new(units_for(Target::Image));
        let limits = Limits::default();
        let mut reader = LayerReader::new(&matcher, &limits);
        for version in ["1", "2"] {
            let text = format!("Package: a\nStatus: install ok installed\nVersion: {version}\n");
            let size = text.len() as u64;
            let path = "var/lib/dpkg/status";
            let entry = Entry { path, kind: EntryKind::File, mode: 0, uid: 0, gid: 0, size, link: "" };
            assert_eq!(reader.entry(&entry, text.as_bytes()), Want::Content);
            let index = version.parse::<u32>().expect("number") - 1;
            reader.content(index, Content::Whole(text.as_bytes()));
        }
        let facts = reader.finish(Vec::new());
        let inventory = crate::assemble(&[&facts], Target::Image).value;
        let versions: Vec<&str> = inventory.packages.iter().map(|p| p.version.as_str()).collect();
        assert_eq!(versions, ["2"]);
    }

    #[test]
    fn endings_respect_path_parts() {
        let matcher = |pattern| {
            let mut matcher = Matcher::new(Vec::new());
            matcher.add(0, pattern);
            matcher
        };
        let wants = |pattern: Pattern, path: &str| {
            let m = matcher(pattern);
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let by_name = m.by_name.get(name).into_iter().flatten().any(|(_, e)| {
                e.is_empty()
                    || path
                        .strip_suffix(e)
                        .is_some_and(|b| b.is_empty() || b.ends_with('/') || e.starts_with(['.', '-', '/']))
            });
            by_name || m.by_folder.contains_key(folder) || m.by_path.contains_key(path)
        };
        assert!(wants(Pattern::Ending(".dist-info/METADATA"), "usr/lib/x-1.dist-info/METADATA"));
        assert!(!wants(Pattern::Ending("dist-info/METADATA"), "usr/lib/x-1.dist-info/METADATA"));
        assert!(wants(Pattern::Ending("a/b"), "a/b"));
        assert!(!wants(Pattern::Ending("a/b"), "xa/b"));
    }
}
