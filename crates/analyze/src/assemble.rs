//! Lays layers over one another and lets each unit turn its facts into packages.
//!
//! Whiteouts and opaque folders follow the OCI image specification, `layer.md`, section
//! "Whiteouts"; an entry that is no folder hides everything that lower layers have below it.

use crate::cataloguer::{self, Cataloguer, Fact, Target};
use crate::read::LayerFacts;
use crate::table::{kind_code, kind_of};
use seaworthy_image::EntryKind;
use seaworthy_types::{
    Inventory, Limits, Location, Note, OsRelease, Outcome, Package, Unidentified, ecosystem,
};
use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};
use std::sync::OnceLock;

/// Symbolic links followed for one path before we give up (as Linux does).
const LINKS_MAX: usize = 40;

/// What is visible, by the key of its path.
type Entries = HashMap<u64, Slot, BuildHasherDefault<IdHasher>>;

/// The squashed file system: which path is visible, from which layer.
#[derive(Default)]
pub struct Squash {
    entries: Entries,
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

/// What whiteouts of upper layers hide from lower ones; what other entries hide is read off the
/// entries themselves.
#[derive(Default)]
struct Hidden {
    /// These paths and all below them.
    trees: HashSet<u64, BuildHasherDefault<IdHasher>>,
    /// Everything below these paths.
    insides: HashSet<u64, BuildHasherDefault<IdHasher>>,
}

/// The folders above the entry before, and whether upper layers hide what lies in them: entries of
/// one folder mostly follow each other, so most need no look-up of their own.
struct Trail<'h> {
    hidden: &'h Hidden,
    layer: u32,
    folder: String,
    /// Where each folder's path ends in `folder`, and whether its inside is hidden.
    marks: Vec<(usize, bool)>,
    /// Whether the root's inside is hidden.
    root: bool,
}

impl<'h> Trail<'h> {
    fn new(hidden: &'h Hidden, layer: u32) -> Self {
        let root = !hidden.insides.is_empty() && hidden.insides.contains(&path_key(""));
        Self { hidden, layer, folder: String::new(), marks: Vec::new(), root }
    }

    /// Whether upper layers hide the entry with this path and key.
    fn hides(&mut self, path: &str, key: u64, entries: &Entries) -> bool {
        if !self.hidden.trees.is_empty() && self.hidden.trees.contains(&key) {
            return true;
        }
        let name = path.strip_prefix(&self.folder).and_then(|rest| rest.strip_prefix('/'));
        if name.is_some_and(|name| memchr::memchr(b'/', name.as_bytes()).is_none()) {
            return self.last();
        }
        let end = memchr::memrchr(b'/', path.as_bytes()).unwrap_or(0);
        self.hides_inside(&path[..end], entries)
    }

    fn hides_inside(&mut self, folder: &str, entries: &Entries) -> bool {
        let is_above = |above: &[u8]| {
            folder
                .as_bytes()
                .strip_prefix(above)
                .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
        };
        while let Some((end, _)) = self.marks.last() {
            if self.folder.as_bytes().get(..*end).is_some_and(is_above) {
                break;
            }
            self.marks.pop();
        }
        self.folder.clear();
        self.folder.push_str(folder);
        let mut hides = self.last();
        let known = self.marks.last().map_or(0, |(end, _)| end + 1);
        let slashes = folder.bytes().enumerate().skip(known).filter(|(_, byte)| *byte == b'/');
        let whole = (known <= folder.len() && !folder.is_empty()).then_some(folder.len());
        for end in slashes.map(|(at, _)| at).chain(whole) {
            hides = hides || self.hides_inside_of(path_key(&folder[..end]), entries);
            self.marks.push((end, hides));
        }
        hides
    }

    fn last(&self) -> bool {
        self.marks.last().map_or(self.root, |(_, hides)| *hides)
    }

    fn hides_inside_of(&self, key: u64, entries: &Entries) -> bool {
        // What is no folder in an upper layer hides what lower layers have below it.
        let replaced =
            |slot: &Slot| slot.layer != self.layer && kind_of(slot.kind) != Some(EntryKind::Folder);
        self.hidden.trees.contains(&key)
            || self.hidden.insides.contains(&key)
            || entries.get(&key).is_some_and(replaced)
    }
}

impl Squash {
    /// Lays the layers over one another, lowest first.
    pub fn new(layers: &[&LayerFacts]) -> Outcome<Self> {
        let mut squash = Self::default();
        let mut notes = Vec::new();
        let mut hidden = Hidden::default();
        squash.entries.reserve(layers.iter().map(|layer| layer.table.len_bounded()).sum());
        for (index, layer) in layers.iter().enumerate().rev() {
            let (fresh, sound) = squash.lay(index as u32, layer, &hidden);
            if sound.is_none() {
                notes.push(Note::gap(
                    "layer-facts-damaged",
                    "assemble",
                    format!("layer {index}"),
                    "the stored path table is damaged",
                ));
            }
            hidden.trees.extend(fresh.trees);
            hidden.insides.extend(fresh.insides);
        }
        Outcome { value: squash, notes }
    }

    /// Lays one layer below those that are there; gives what its whiteouts hide, and `None` when its
    /// table is damaged.
    fn lay(&mut self, layer: u32, facts: &LayerFacts, hidden: &Hidden) -> (Hidden, Option<()>) {
        let mut fresh = Hidden::default();
        let mut trail = Trail::new(hidden, layer);
        let topmost = self.entries.is_empty() && hidden.trees.is_empty() && hidden.insides.is_empty();
        let sound = facts.table.for_each(|_, entry| {
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
            if !topmost && trail.hides(entry.path, key, &self.entries) {
                return;
            }
            let slot = Slot { layer, kind: kind_code(entry.kind) };
            match self.entries.entry(key) {
                hash_map::Entry::Vacant(place) => {
                    place.insert(slot);
                }
                // The last entry of a path within one layer wins, as in tar.
                hash_map::Entry::Occupied(mut place) => {
                    if place.get().layer != layer {
                        return;
                    }
                    place.insert(slot);
                    self.links.remove(&key);
                }
            }
            if entry.kind == EntryKind::Symlink {
                self.links.insert(key, entry.link.to_owned());
            }
        });
        (fresh, sound)
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
    packages_max: u64,
    /// Packages and evidence beyond `packages_max`.
    too_many: u64,
    inventory: Inventory,
    owned: HashMap<u64, u32, BuildHasherDefault<IdHasher>>,
    owners: Vec<String>,
    notes: Vec<Note>,
}

impl Builder {
    /// Adds a package, if there is room; what is dropped becomes a gap.
    pub fn package(&mut self, package: Package) {
        if self.has_room() {
            self.inventory.packages.push(package);
        }
    }
    fn has_room(&mut self) -> bool {
        let count = self.inventory.packages.len().saturating_add(self.inventory.unidentified.len());
        let room = (count as u64) < self.packages_max;
        self.too_many = self.too_many.saturating_add(u64::from(!room));
        room
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
        if self.has_room() {
            self.inventory.unidentified.push(evidence);
        }
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

/// [`assemble_within`] the usual limits.
pub fn assemble(layers: &[&LayerFacts], target: Target) -> Outcome<Inventory> {
    assemble_within(layers, target, &Limits::default())
}

/// Turns the facts of all layers, lowest first, into the inventory of the squashed target.
pub fn assemble_within(layers: &[&LayerFacts], target: Target, limits: &Limits) -> Outcome<Inventory> {
    let Builder { mut inventory, mut notes, too_many, packages_max, .. } = build(layers, target, limits);
    if too_many > 0 {
        let detail = format!(
            "there are more than {packages_max} packages (packages_max); {too_many} were left out: raise --max-memory"
        );
        notes.push(Note::gap("too-many-packages", "assemble", "", detail));
    }
    inventory.normalise();
    notes.sort();
    notes.dedup();
    Outcome { value: inventory, notes }
}

/// Lets every unit assemble.
pub(crate) fn build(layers: &[&LayerFacts], target: Target, limits: &Limits) -> Builder {
    let mut builder = Builder { packages_max: limits.packages_max, ..Builder::default() };
    let squash = Squash::new(layers).take(&mut builder.notes);
    let mut facts = facts_by_unit(layers, &squash, &mut builder.notes);
    for unit in in_order(target) {
        let view = View {
            squash: &squash,
            facts: facts.remove(unit.about().name).unwrap_or_default(),
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

    /// What upper layers hide, found without remembering anything from entry to entry.
    fn visible_by_definition(layers: &[&[(&str, EntryKind, &str)]]) -> BTreeMap<String, usize> {
        let mut visible: BTreeMap<String, usize> = BTreeMap::new();
        for (index, entries) in layers.iter().enumerate() {
            let below = |path: &str, folder: &str| {
                folder.is_empty() && !path.is_empty()
                    || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            };
            for (path, kind, _) in *entries {
                visible.retain(|other, layer| {
                    let lower = *layer < index;
                    match kind {
                        EntryKind::Whiteout => !lower || (other != path && !below(other, path)),
                        EntryKind::Folder => true,
                        _ => !lower || !below(other, path),
                    }
                });
            }
            for (path, kind, _) in *entries {
                if !matches!(kind, EntryKind::Whiteout | EntryKind::OpaqueFolder) {
                    visible.insert((*path).to_owned(), index);
                }
            }
        }
        visible
    }

    #[test]
    fn upper_layers_hide_what_the_specification_says() {
        use EntryKind::{File, Folder, OpaqueFolder, Whiteout};
        let lowest: &[(&str, EntryKind, &str)] = &[
            ("a", Folder, ""),
            ("a/b", Folder, ""),
            ("a/b/c", File, ""),
            ("a/b-c", File, ""),
            ("a/b/d/e/f", File, ""),
            ("a/b/d/g", File, ""),
            ("a/x", File, ""),
            ("ab/c", File, ""),
            ("z", File, ""),
        ];
        let uppers: [&[(&str, EntryKind, &str)]; 9] = [
            &[],
            &[("a/b", Whiteout, "")],
            &[("a/b", Whiteout, ""), ("a/b/c", File, "")],
            &[("a/b", OpaqueFolder, ""), ("a/b/n", File, "")],
            &[("a/b", File, "")],
            &[("a/b/d", File, ""), ("ab", File, "")],
            &[("", OpaqueFolder, ""), ("a/x", File, "")],
            &[("a", Whiteout, ""), ("a/b", Folder, ""), ("z", Folder, ""), ("z/y", File, "")],
            &[("a", Folder, ""), ("a/b/d/e", Whiteout, ""), ("a/b/d/e/h", File, "")],
        ];
        for middle in &uppers {
            for top in &uppers {
                let layers = [lowest, middle, top];
                let built: Vec<LayerFacts> = layers.iter().map(|entries| layer(entries, &[])).collect();
                let squash = Squash::new(&built.iter().collect::<Vec<_>>()).value;
                let expected = visible_by_definition(&layers);
                assert_eq!(squash.len(), expected.len(), "{middle:?} {top:?}");
                for (path, index) in expected {
                    assert_eq!(squash.slot(&path).map(|slot| slot.layer as usize), Some(index), "{path}");
                }
            }
        }
    }

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
