//! What the package databases of distributions have in common: records, copies in several layers,
//! ownership of files, and notes about databases that are missing or out of sight.
//!
//! The formats are in `cataloguer/{dpkg,apk,rpm}`.

use crate::assemble::{Builder, View};
use crate::cataloguer::{Fact, Facts, File};
use crate::paths::PathList;
use seaworthy_types::{About, Grade, Location, Note, Origin, Package, SourcePackage, distribution};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The database is there and could not be read, wholly or in part.
pub const UNREADABLE: &str = "package-database-unreadable";
/// Records of one fact: a fact that exceeds the limit is lost, and no more than that.
const RECORDS_PER_FACT: usize = 256;
/// Names listed in one note.
const NAMES_MAX: usize = 60;

/// One installed package as its database has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name.
    pub name: String,
    /// Version in the form of the ecosystem.
    pub version: String,
    /// Architecture, or empty.
    pub architecture: String,
    /// Source package name, or empty when it is the package's.
    pub source_name: String,
    /// Source package version, or empty when it is the package's.
    pub source_version: String,
    /// Licence expression, or empty.
    pub licence: String,
    /// Facts of the package: `maintainer`, `vendor`, …
    pub facts: Vec<(String, String)>,
    /// What it owns, when the database itself says so.
    pub files: PathList,
}

/// A fact of a database unit.
#[derive(Debug, Serialize, Deserialize)]
pub enum DatabaseFact {
    /// Packages; several facts may belong to one file.
    Records(Vec<Record>),
    /// What one package owns, from a file of its own.
    Files {
        /// Package name.
        package: String,
        /// What it owns.
        paths: PathList,
    },
    /// A log beside the database holds this many pages for it.
    Log(u64),
    /// A remark that counts only while these records do.
    Remark(Grade, String, String),
}

/// Pushes the records of one file; an empty database gives one empty fact.
pub fn push_records(facts: &mut Facts<'_>, records: Vec<Record>) {
    if records.is_empty() {
        facts.push(&DatabaseFact::Records(records));
        return;
    }
    let mut rest = records;
    while !rest.is_empty() {
        let tail = rest.split_off(rest.len().min(RECORDS_PER_FACT));
        facts.push(&DatabaseFact::Records(rest));
        rest = tail;
    }
}

/// Whether another record may be taken; notes the loss when not.
pub fn has_room(records: &[Record], file: &File<'_>, facts: &mut Facts<'_>) -> bool {
    let packages_max = file.limits.packages_max;
    let room = (records.len() as u64) < packages_max;
    if !room {
        facts.gap(
            "too-many-packages",
            format!("packages after the first {packages_max} were left out: raise --max-memory"),
        );
    }
    room
}

/// All visible packages of a unit, with the layer in which each first appears.
pub fn records(view: &View<'_>) -> Vec<(Record, Location, u32)> {
    let mut found = Vec::new();
    for facts in view.all().chunk_by(|a, b| a.path == b.path) {
        records_of_file(facts, &mut found, &mut |_, _| {});
    }
    found
}

/// The same of facts in which those of one path follow each other, and the remarks that count.
pub fn records_of(facts: &[Fact<'_>], about: &About, notes: &mut Vec<Note>) -> Vec<(Record, Location, u32)> {
    let mut found = Vec::new();
    let mut remark = |fact: &Fact<'_>, remark: DatabaseFact| {
        if let DatabaseFact::Remark(grade, code, detail) = remark {
            notes.push(Note { grade, code, unit: about.name.into(), subject: fact.path.into(), detail });
        }
    };
    for facts in facts.chunk_by(|a, b| a.path == b.path) {
        records_of_file(facts, &mut found, &mut remark);
    }
    found
}

/// `facts` are those of one path.
fn records_of_file(
    facts: &[Fact<'_>],
    found: &mut Vec<(Record, Location, u32)>,
    remark: &mut dyn FnMut(&Fact<'_>, DatabaseFact),
) {
    let Some(visible) = facts.iter().find(|fact| fact.visible).map(|fact| fact.layer) else { return };
    let mut copies: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.layer <= visible) {
        match fact.get::<DatabaseFact>() {
            Some(DatabaseFact::Records(records)) => copies.entry(fact.layer).or_default().extend(records),
            Some(other) if fact.visible => remark(fact, other),
            _ => {}
        }
    }
    let Some(top) = copies.remove(&visible) else { return };
    let path = facts.first().map_or("", |fact| fact.path);
    // A package stays in the layer where it first appears as long as every later copy holds it.
    let mut since: HashMap<(&str, &str, &str), u32> = HashMap::new();
    for (layer, records) in &copies {
        since = records.iter().map(|r| (key(r), since.get(&key(r)).copied().unwrap_or(*layer))).collect();
    }
    for record in &top {
        let first = since.get(&key(record)).copied().unwrap_or(visible);
        let location = Location { path: path.to_owned(), layer: Some(visible) };
        found.push((record.clone(), location, first));
    }
}

fn key(record: &Record) -> (&str, &str, &str) {
    (&record.name, &record.version, &record.architecture)
}

/// Turns a record into a package.
pub fn package(about: &About, record: &Record, location: Location, layer: u32) -> Package {
    let mut package =
        Package::new(about.ecosystem, record.name.as_str(), record.version.as_str(), about.name);
    package.architecture = Some(record.architecture.clone()).filter(|a| !a.is_empty());
    let or_own = |value: &str, own: &str| if value.is_empty() { own.to_owned() } else { value.to_owned() };
    let source = SourcePackage {
        name: or_own(&record.source_name, &record.name),
        version: or_own(&record.source_version, &record.version),
    };
    package.source = Some(source).filter(|s| s.name != record.name || s.version != record.version);
    package.licences.extend(Some(record.licence.clone()).filter(|l| !l.is_empty()));
    package.facts.extend(record.facts.iter().cloned());
    package.locations.push(location);
    package.layer = Some(layer);
    package
}

/// Registers owned files; folders are followed through links once each.
#[derive(Default)]
pub struct Ownership {
    /// Folders as recorded and as they are, with a slash at the end.
    folders: HashMap<String, String>,
}

impl Ownership {
    /// The package behind `owner` owns these paths.
    pub fn claim(&mut self, view: &View<'_>, builder: &mut Builder, owner: u32, paths: &PathList) {
        // Files of one folder follow each other: the real path is made in place.
        let (mut before, mut real, mut folder_bytes) = (None::<String>, String::new(), 0);
        let sound = paths.for_each(|path| {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            if before.as_deref() != Some(folder) {
                real.clear();
                real.push_str(self.real(view, folder));
                folder_bytes = real.len();
                let before = before.get_or_insert_default();
                before.clear();
                before.push_str(folder);
            }
            real.truncate(folder_bytes);
            real.push_str(name);
            builder.owns(owner, &real);
        });
        if sound.is_none() {
            builder.note(Note::gap(
                "layer-facts-damaged",
                "assemble",
                "",
                "a stored list of paths is damaged",
            ));
        }
    }

    fn real(&mut self, view: &View<'_>, folder: &str) -> &str {
        if !self.folders.contains_key(folder) {
            // The folder itself may be a link too, so all of it is followed.
            let real = view.canonical(&format!("{folder}/x"));
            let real = real.strip_suffix('x').unwrap_or(&real).to_owned();
            self.folders.insert(folder.to_owned(), real);
        }
        self.folders.get(folder).map_or("", String::as_str)
    }
}

/// The packages that evidence says are not the distribution's own, for one note.
#[derive(Default)]
pub struct Strangers(Vec<String>);

impl Strangers {
    /// Marks the package; `why` is the evidence.
    pub fn add(&mut self, package: &mut Package, why: &str) {
        package.origin = Origin::ThirdParty;
        self.0.push(format!("{} ({why})", package.name));
    }
    /// Notes them.
    pub fn note(mut self, about: &About, builder: &mut Builder) {
        if self.0.is_empty() {
            return;
        }
        self.0.sort();
        self.0.dedup();
        let count = self.0.len();
        let mut names = self.0[..count.min(NAMES_MAX)].join(", ");
        if count > NAMES_MAX {
            names.push_str(&format!(" and {} more", count - NAMES_MAX));
        }
        let detail = format!(
            "packages of other makers, of which the distribution's data does not speak: {count}: {names}"
        );
        builder.note(Note::info("third-party-packages", about.name, "", detail));
    }
}

/// Notes what a target without visible packages of this kind, or with a database out of sight, hides.
///
/// `folders` are where the manager keeps its records, `files` the databases that the unit reads.
/// `remains` says that other records show that packages are installed.
pub fn note_absence(
    view: &View<'_>,
    builder: &mut Builder,
    about: &About,
    folders: &[&str],
    files: &[&str],
    remains: bool,
) {
    for file in files {
        let Some(real) = view.resolve(file) else { continue };
        let known = files.contains(&real.as_str()) || view.visible().any(|fact| fact.path == real);
        if !known && view.kind(&real) != Some(seaworthy_image::EntryKind::Folder) {
            let detail = format!("the database lies behind a link at {real}, which is not read");
            builder.note(Note::gap(UNREADABLE, about.name, *file, detail));
        }
    }
    for folder in folders {
        let Some(real) = view.resolve(folder).filter(|real| !folders.contains(&real.as_str())) else {
            continue;
        };
        let inside = |path: &str| path.strip_prefix(real.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if !view.visible().any(|fact| inside(fact.path)) {
            let detail = format!("the folder is a link to {real}, which is not read");
            builder.note(Note::gap(UNREADABLE, about.name, *folder, detail));
        }
    }
    let any = |p: &Package| p.ecosystem == about.ecosystem;
    if builder.packages().iter().any(any) {
        return;
    }
    let record = view.os().and_then(distribution::of);
    let folder = folders.iter().find(|folder| view.resolve(folder).is_some());
    if record.is_some_and(|record| record.ecosystem == about.ecosystem) || remains {
        let subject = folder.or(folders.first()).copied().unwrap_or_default();
        let detail = "the system keeps its packages in such a database, but no installed package was found; \
                      what is installed cannot be told";
        builder.note(Note::gap("package-database-missing", about.name, subject, detail));
    } else if let Some(folder) = folder {
        let detail = "the package manager's folder holds no installed package";
        builder.note(Note::info("package-database-empty", about.name, *folder, detail));
    }
}

/// Text for people: no control characters, clipped.
pub fn clean(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(512).collect()
}

#[cfg(test)]
mod tests {
    use crate::assemble::build;
    use crate::read::{Matcher, units_for};
    use crate::{LayerFacts, LayerReader, Target};
    use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
    use seaworthy_types::Limits;

    /// A layer of files (content) and links (`-> target`).
    fn layer(entries: &[(&str, &str)]) -> LayerFacts {
        let matcher = Matcher::new(units_for(Target::Image));
        let limits = Limits::default();
        let mut reader = LayerReader::new(&matcher, &limits);
        for (index, (path, text)) in entries.iter().enumerate() {
            let link = text.strip_prefix("-> ").unwrap_or_default();
            let kind = if link.is_empty() { EntryKind::File } else { EntryKind::Symlink };
            let size = text.len() as u64;
            let entry = Entry { path, kind, mode: 0, uid: 0, gid: 0, size, link };
            if reader.entry(&entry, text.as_bytes()) == Want::Content {
                reader.content(index as u32, Content::Whole(text.as_bytes()));
            }
        }
        reader.finish(Vec::new())
    }

    #[test]
    fn ownership_follows_merged_usr_and_leaves_out_strangers() {
        let facts = layer(&[
            ("etc/os-release", "ID=debian\nVERSION_ID=12\n"),
            ("lib", "-> usr/lib"),
            (
                "var/lib/dpkg/status",
                "Package: a\nStatus: install ok installed\nVersion: 1\n\n\
                 Package: nodejs\nStatus: install ok installed\nVersion: 2-1nodesource1\n\n\
                 Package: gone\nStatus: deinstall ok config-files\nVersion: 2\n",
            ),
            ("var/lib/dpkg/info/a:amd64.list", "/.\n/lib\n/lib/x\n/lib/x/PKG-INFO\n"),
            ("var/lib/dpkg/info/nodejs.list", "/usr/lib/node_modules/npm/package.json\n"),
            ("var/lib/dpkg/info/gone.list", "/etc/gone\n"),
        ]);
        let builder = build(&[&facts], Target::Image, &seaworthy_types::Limits::default());
        assert_eq!(builder.owner_of("usr/lib/x/PKG-INFO"), Some("a"));
        assert_eq!(builder.owner_of("usr/lib/x/PKG-INFO!/inner"), Some("a"));
        for path in ["usr/lib/x", "usr/lib/node_modules/npm/package.json", "etc/gone"] {
            assert_eq!(builder.owner_of(path), None, "{path}");
        }
    }

    #[test]
    fn apk_owns_files_and_no_folders() {
        let facts = layer(&[
            ("lib", "-> usr/lib"),
            ("usr/lib/apk/db/installed", "P:a\nV:1\nF:\nR:top\nF:lib/y\nR:file\nF:lib/empty\n"),
        ]);
        let builder = build(&[&facts], Target::Image, &seaworthy_types::Limits::default());
        assert_eq!(builder.owner_of("top"), Some("a"));
        assert_eq!(builder.owner_of("usr/lib/y/file"), Some("a"));
        assert_eq!(builder.owner_of("usr/lib/empty"), None);
    }
}
