//! Lays layers over one another and lets each unit turn its facts into packages.
//!
//! Whiteouts and opaque folders follow the OCI image specification, `layer.md`, section
//! "Whiteouts"; an entry that is no folder hides everything that lower layers have below it.

use crate::cataloguer::{self, Cataloguer, Fact, Target};
use crate::read::LayerFacts;
use crate::table::{kind_code, kind_of};
use seaworthy_image::EntryKind;
use seaworthy_types::{Inventory, Location, Note, OsRelease, Outcome, Package, Unidentified, ecosystem};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::sync::OnceLock;

/// Symbolic links followed for one path before we give up (as Linux does).
const LINKS_MAX: usize = 40;

/// The squashed file system: which path is visible, from which layer.
#[derive(Default)]
pub struct Squash {
    entries: HashMap<u64, Slot, BuildHasherDefault<IdHasher>>,
    links: HashMap<u64, String, BuildHasherDefault<IdHasher>>,
}

#[derive(Clone, Copy)]
struct Slot {
    layer: u32,
    kind: u8,
}

/// Paths are keyed by a 64-bit SipHash; this passes it through.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

fn path_key(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path.as_bytes());
    hasher.finish()
}

fn fact_key(fact: &Fact<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_usize(fact.path.len());
    hasher.write(fact.path.as_bytes());
    hasher.write(fact.bytes);
    hasher.finish()
}

/// What upper layers hide from lower ones.
#[derive(Default)]
struct Hidden {
    /// These paths and all below them.
    trees: HashSet<u64, BuildHasherDefault<IdHasher>>,
    /// Everything below these paths.
    insides: HashSet<u64, BuildHasherDefault<IdHasher>>,
}

impl Hidden {
    fn hides(&self, path: &str) -> bool {
        if self.trees.is_empty() && self.insides.is_empty() {
            return false;
        }
        if self.trees.contains(&path_key(path)) {
            return true;
        }
        let mut end = path.len();
        while let Some(at) = path[..end].rfind('/') {
            let key = path_key(&path[..at]);
            if self.trees.contains(&key) || self.insides.contains(&key) {
                return true;
            }
            end = at;
        }
        self.insides.contains(&path_key(""))
    }
}

impl Squash {
    /// Lays the layers over one another, lowest first.
    pub fn new(layers: &[&LayerFacts]) -> Outcome<Self> {
        let mut squash = Self::default();
        let mut notes = Vec::new();
        let mut hidden = Hidden::default();
        for (index, layer) in layers.iter().enumerate().rev() {
            let mut fresh = Hidden::default();
            let sound = layer.table.for_each(|_, entry| {
                let key = path_key(entry.path);
                match entry.kind {
                    EntryKind::Whiteout => {
                        fresh.trees.insert(key);
                        return;
                    }
                    EntryKind::OpaqueFolder => {
                        fresh.insides.insert(key);
                        return;
                    }
                    _ => {}
                }
                if hidden.hides(entry.path) {
                    return;
                }
                let slot = Slot { layer: index as u32, kind: kind_code(entry.kind) };
                match squash.entries.get(&key) {
                    // The last entry of a path within one layer wins, as in tar.
                    Some(seen) if seen.layer != slot.layer => return,
                    _ => squash.entries.insert(key, slot),
                };
                squash.links.remove(&key);
                if entry.kind == EntryKind::Symlink {
                    squash.links.insert(key, entry.link.to_owned());
                }
                if entry.kind != EntryKind::Folder {
                    fresh.insides.insert(key);
                }
            });
            if sound.is_none() {
                notes.push(Note::gap(
                    "layer-facts-damaged",
                    "assemble",
                    format!("layer {index}"),
                    "the stored path table is damaged",
                ));
            }
            // Files hide nothing in practice but folders that lower layers had there: keep only those
            // that matter to bound memory when nothing lies below.
            if index > 0 {
                hidden.trees.extend(fresh.trees);
                hidden.insides.extend(fresh.insides);
            }
        }
        Outcome { value: squash, notes }
    }

    fn slot(&self, path: &str) -> Option<Slot> {
        self.entries.get(&path_key(path)).copied()
    }

    /// Number of visible entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is visible.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The path with all symbolic links followed inside the target, also in its last part;
    /// `None` when it leaves the root, loops or does not exist.
    pub fn resolve(&self, path: &str) -> Option<String> {
        self.follow(path, true).filter(|resolved| resolved.is_empty() || self.slot(resolved).is_some())
    }

    /// The path with links in its folders followed, the last part kept as it is.
    pub fn canonical(&self, path: &str) -> String {
        self.follow(path, false).unwrap_or_else(|| path.trim_matches('/').to_owned())
    }

    fn follow(&self, path: &str, last_too: bool) -> Option<String> {
        let mut todo: Vec<String> = split_reversed(path);
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let parent = done.len();
            if !done.is_empty() {
                done.push('/');
            }
            done.push_str(&part);
            if todo.is_empty() && !last_too {
                break;
            }
            if let Some(target) = self.links.get(&path_key(&done)) {
                links += 1;
                if links > LINKS_MAX || todo.len() > 4_096 {
                    return None;
                }
                done.truncate(if target.starts_with('/') { 0 } else { parent });
                todo.extend(split_reversed(target));
            }
        }
        Some(done)
    }
}

fn split_reversed(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}

/// What a unit sees while it assembles.
pub struct View<'a> {
    squash: &'a Squash,
    facts: Vec<Fact<'a>>,
    os: Option<&'a OsRelease>,
    target: Target,
    /// Layer in which a fact first appears, by path and bytes; filled when first asked.
    first: OnceLock<HashMap<u64, u32, BuildHasherDefault<IdHasher>>>,
}

impl<'a> View<'a> {
    /// All facts of this unit, sorted by path, then layer; also of files that upper layers hide.
    pub fn all(&self) -> &[Fact<'a>] {
        &self.facts
    }
    /// The facts of visible files, sorted by path.
    pub fn visible(&self) -> impl Iterator<Item = &Fact<'a>> {
        self.facts.iter().filter(|fact| fact.visible)
    }
    /// Whether a path is visible.
    pub fn exists(&self, path: &str) -> bool {
        self.squash.slot(path).is_some()
    }
    /// Kind of a visible path.
    pub fn kind(&self, path: &str) -> Option<EntryKind> {
        self.squash.slot(path).and_then(|slot| kind_of(slot.kind))
    }
    /// Layer of the visible copy.
    pub fn layer(&self, path: &str) -> Option<u32> {
        self.squash.slot(path).map(|slot| slot.layer)
    }
    /// Follows links inside the target.
    pub fn resolve(&self, path: &str) -> Option<String> {
        self.squash.resolve(path)
    }
    /// Follows links in the folders of a path (`lib/x` → `usr/lib/x`).
    pub fn canonical(&self, path: &str) -> String {
        self.squash.canonical(path)
    }
    /// The operating system; for units other than `os-release`.
    pub fn os(&self) -> Option<&'a OsRelease> {
        self.os
    }
    /// Kind of target.
    pub fn target(&self) -> Target {
        self.target
    }
    /// The layer in which this very fact first appears at this path: a copy made again by a later
    /// layer (`chown -R`) does not move a package there.
    pub fn first_layer(&self, fact: &Fact<'_>) -> u32 {
        let start = self.facts.partition_point(|other| other.path < fact.path);
        if self.facts.get(start).is_none_or(|lowest| lowest.layer == fact.layer) {
            return fact.layer;
        }
        // A table, not a search: one hostile file may hold hundreds of thousands of facts.
        let first = self.first.get_or_init(|| {
            let mut first = HashMap::default();
            for other in &self.facts {
                let layer = first.entry(fact_key(other)).or_insert(other.layer);
                *layer = other.layer.min(*layer);
            }
            first
        });
        first.get(&fact_key(fact)).map_or(fact.layer, |layer| fact.layer.min(*layer))
    }
    /// Location and first layer of a package that is known by one file.
    pub fn place(&self, fact: &Fact<'_>, package: &mut Package) {
        package.locations.push(Location { path: fact.path.to_owned(), layer: Some(fact.layer) });
        package.layer = Some(self.first_layer(fact));
    }
}

/// Receives what units assemble.
#[derive(Default)]
pub struct Builder {
    inventory: Inventory,
    owned: HashMap<u64, u32, BuildHasherDefault<IdHasher>>,
    owners: Vec<String>,
    notes: Vec<Note>,
}

impl Builder {
    /// Adds a package.
    pub fn package(&mut self, package: Package) {
        self.inventory.packages.push(package);
    }
    /// Sets the operating system; the first one wins.
    pub fn os(&mut self, os: OsRelease) {
        self.inventory.os.get_or_insert(os);
    }
    /// Registers a distribution package as owner of files; gives a handle for [`Builder::owns`].
    pub fn owner(&mut self, name: &str) -> u32 {
        self.owners.push(name.to_owned());
        (self.owners.len() - 1) as u32
    }
    /// The package behind `owner` owns this canonical path (no leading slash, links in folders
    /// followed: see [`View::canonical`]).
    pub fn owns(&mut self, owner: u32, path: &str) {
        self.owned.insert(path_key(path), owner);
    }
    /// The distribution package that owns a path; what lies in an archive belongs to its archive.
    pub fn owner_of(&self, path: &str) -> Option<&str> {
        let file = path.split("!/").next().unwrap_or(path);
        let owner = self.owned.get(&path_key(file))?;
        self.owners.get(*owner as usize).map(String::as_str)
    }
    /// Adds evidence that only data can name.
    pub fn unidentified(&mut self, evidence: Unidentified) {
        self.inventory.unidentified.push(evidence);
    }
    /// Adds a note.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
    /// Packages so far: those of distributions are there before language units run.
    pub fn packages(&self) -> &[Package] {
        &self.inventory.packages
    }

    /// A language package all of whose files belong to distribution packages is theirs.
    fn settle_owners(&mut self) {
        let mut packages = std::mem::take(&mut self.inventory.packages);
        for package in &mut packages {
            let of_distribution = ecosystem::by_id(&package.ecosystem).is_some_and(|e| e.of_distribution);
            if of_distribution || package.owner.is_some() || package.locations.is_empty() {
                continue;
            }
            let owners: Option<Vec<&str>> =
                package.locations.iter().map(|l| self.owner_of(&l.path)).collect();
            package.owner = owners.and_then(|names| names.first().map(|name| (*name).to_owned()));
        }
        self.inventory.packages = packages;
        let mut unidentified = std::mem::take(&mut self.inventory.unidentified);
        for evidence in &mut unidentified {
            evidence.owner = self.owner_of(&evidence.path).map(str::to_owned);
        }
        self.inventory.unidentified = unidentified;
    }
}

/// Turns the facts of all layers, lowest first, into the inventory of the squashed target.
pub fn assemble(layers: &[&LayerFacts], target: Target) -> Outcome<Inventory> {
    let Builder { mut inventory, mut notes, .. } = build(layers, target);
    inventory.normalise();
    notes.sort();
    notes.dedup();
    Outcome { value: inventory, notes }
}

/// Lets every unit assemble.
pub(crate) fn build(layers: &[&LayerFacts], target: Target) -> Builder {
    let mut builder = Builder::default();
    let squash = Squash::new(layers).take(&mut builder.notes);
    let facts = facts_by_unit(layers, &squash, &mut builder.notes);
    for unit in in_order(target) {
        let view = View {
            squash: &squash,
            facts: facts.get(unit.about().name).cloned().unwrap_or_default(),
            os: None,
            target,
            first: OnceLock::new(),
        };
        let os = builder.inventory.os.clone();
        unit.assemble(&View { os: os.as_ref(), ..view }, &mut builder);
    }
    builder.settle_owners();
    builder
}

/// The units in the order in which they assemble: those without an ecosystem, those of
/// distributions, the others; within each by name.
fn in_order(target: Target) -> Vec<&'static dyn Cataloguer> {
    let rank = |unit: &&'static dyn Cataloguer| {
        let about = unit.about();
        let place = match ecosystem::by_id(about.ecosystem) {
            _ if about.ecosystem.is_empty() => 0,
            Some(record) if record.of_distribution => 1,
            _ => 2,
        };
        (place, about.name)
    };
    let mut units = crate::read::units_for(target);
    debug_assert!(units.len() <= cataloguer::ALL.len());
    units.sort_by_key(rank);
    units
}

fn facts_by_unit<'a>(
    layers: &[&'a LayerFacts],
    squash: &Squash,
    notes: &mut Vec<Note>,
) -> BTreeMap<&'a str, Vec<Fact<'a>>> {
    let mut by_unit: BTreeMap<&str, Vec<Fact<'_>>> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        let index = index as u32;
        for stored in &layer.facts {
            let Some(unit) = layer.units.get(usize::from(stored.unit)) else { continue };
            let visible = squash.slot(&stored.path).is_some_and(|slot| slot.layer == index);
            let fact = Fact { path: &stored.path, layer: index, visible, bytes: &stored.bytes };
            by_unit.entry(unit).or_default().push(fact);
        }
        notes.extend(notes_that_matter(layer, squash, index));
    }
    for facts in by_unit.values_mut() {
        facts.sort_by(|a, b| a.path.cmp(b.path).then(a.layer.cmp(&b.layer)));
    }
    by_unit
}

/// A note about a file that an upper layer removed or replaced says nothing of the target; one about
/// anything else (a folder, the layer as a whole) stays.
fn notes_that_matter(layer: &LayerFacts, squash: &Squash, index: u32) -> Vec<Note> {
    let subject = |note: &Note| path_key(note.subject.split("!/").next().unwrap_or(&note.subject));
    let subjects: HashSet<u64, BuildHasherDefault<IdHasher>> = layer.notes.iter().map(subject).collect();
    let mut gone: HashSet<u64, BuildHasherDefault<IdHasher>> = HashSet::default();
    if !subjects.is_empty() {
        // A damaged table is noted where the layers are laid over one another.
        let _ = layer.table.for_each(|_, entry| {
            let key = path_key(entry.path);
            let is_file = matches!(entry.kind, EntryKind::File | EntryKind::Hardlink);
            let visible = || squash.entries.get(&key).is_some_and(|slot| slot.layer == index);
            if is_file && subjects.contains(&key) && !visible() {
                gone.insert(key);
            }
        });
    }
    layer.notes.iter().filter(|note| !gone.contains(&subject(note))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Matcher, units_for};
    use crate::table::TableBuilder;
    use seaworthy_image::Entry;

    fn layer(entries: &[(&str, EntryKind, &str)], notes: &[&str]) -> LayerFacts {
        let mut table = TableBuilder::default();
        for (path, kind, link) in entries {
            table.push(&Entry { path, kind: *kind, mode: 0, uid: 0, gid: 0, size: 0, link });
        }
        let notes = notes.iter().map(|subject| Note::gap("lost", "unit", *subject, "")).collect();
        let matcher = Matcher::new(units_for(Target::Image));
        let limits = seaworthy_types::Limits::default();
        LayerFacts {
            table: table.finish(),
            notes,
            ..crate::LayerReader::new(&matcher, &limits).finish(Vec::new())
        }
    }

    #[test]
    fn notes_about_what_is_gone_go_and_all_others_stay() {
        let file = EntryKind::File;
        let folder = EntryKind::Folder;
        let lower = layer(
            &[
                ("", folder, ""),
                ("d", folder, ""),
                ("removed", file, ""),
                ("d/replaced", file, ""),
                ("kept", file, ""),
            ],
            &["", "d", "removed", "removed!/inner", "d/replaced", "kept", "layer 0"],
        );
        let upper = layer(
            &[
                ("", folder, ""),
                ("d", folder, ""),
                ("removed", EntryKind::Whiteout, ""),
                ("d/replaced", file, ""),
            ],
            &[],
        );
        let notes = assemble(&[&lower, &upper], Target::Image).notes;
        let subjects: Vec<&str> = notes.iter().map(|note| note.subject.as_str()).collect();
        assert_eq!(subjects, ["", "d", "kept", "layer 0"]);
    }
}
