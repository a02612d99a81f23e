//! From a folder of feeds to an installed database: offline import and live update are this one path.
//!
//! One feed that cannot be read never blocks the others: it becomes a gap, and the shards it speaks of
//! become partial. What it does not do: fetch.

pub mod files;
mod judge;
pub mod manifest;

pub use judge::{Arrival, FAILED};

use crate::Error;
use crate::build::Builder;
use crate::database::index::{FILE_KIND_STATUS, FORMAT};
use crate::database::{Index, IndexShard};
use crate::feed::{Feed, Sink};
use crate::install::Installation;
use files::{MirrorFile, Opener};
use judge::{Judge, ReadFile};
use manifest::{MANIFEST_FILE, Manifest};
use seaworthy_types::{DataStatus, Note, Outcome, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to import, and where to.
pub struct Import<'a> {
    /// Folders, archives or single files with feeds as upstream lays them out.
    pub sources: &'a [PathBuf],
    /// The database's folder.
    pub database: &'a Path,
    /// Feeds to look for.
    pub feeds: &'a [&'static dyn Feed],
    /// The present.
    pub now: Timestamp,
    /// Manifest for sources that have none beside them.
    pub manifest: Option<&'a Path>,
    /// What becomes of installed shards that these sources do not speak of.
    pub others: Others,
    /// How the files came here when they were downloaded, by path: then no others are read, and those that
    /// could not be had are remembered in the index. `None` for feeds that somebody laid there.
    pub arrivals: Option<&'a BTreeMap<String, Arrival>>,
}

/// What becomes of installed shards that an import does not speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They stay as they are; their age shows.
    Keep,
    /// They go.
    Remove,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Files done.
    pub done: usize,
    /// Files to read.
    pub total: usize,
    /// The file that is read now; empty while shards are built.
    pub path: &'a str,
    /// Records taken so far.
    pub records: u64,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Files that a feed read.
    pub files: usize,
    /// Records they held.
    pub records: u64,
    /// Bytes of the database's files.
    pub bytes: u64,
    /// The database now.
    pub status: DataStatus,
}

struct Claimed {
    file: MirrorFile,
    feed: &'static dyn Feed,
    part: String,
}

impl Import<'_> {
    /// Reads all feeds, builds all shards and puts them into place.
    pub fn run(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Outcome<Imported>, Error> {
        self.run_in(Installation::begin(self.database)?, progress)
    }
    /// The same with an installation that was begun before, in the same folder: who downloads first takes
    /// the lock first.
    pub fn run_in(
        &self,
        installation: Installation,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Outcome<Imported>, Error> {
        let mut notes = Vec::new();
        let manifest = self.manifest()?;
        let claimed = self.claimed(&manifest, &mut notes)?;
        if claimed.is_empty() {
            return Err(Error::NothingToImport);
        }
        let mut builder = Builder::new(installation.building(), self.now);
        let mut read = read_all(&claimed, installation.building(), &mut builder, progress);
        self.arrived(&mut read);
        let records = builder.records();
        progress(Progress { done: claimed.len(), total: claimed.len(), path: "", records });
        let failed = |source| Error::Io { what: "building in", path: self.database.to_owned(), source };
        let mut built = builder.finish().map_err(failed)?;
        if built.shards.is_empty() {
            return Err(Error::NothingToImport);
        }
        let judge = Judge { files: &read, manifest: &manifest };
        judge.judge(&mut built.shards, &built.files);
        judge.attach(built.losses, &mut built.shards, &built.files);
        judge.remember_copies(&mut built.shards, &built.files);
        notes.extend(built.notes);
        notes.extend(read.iter().filter_map(ReadFile::note));
        let mut index = Index { format: FORMAT, built: self.now, shards: built.shards, publication: None };
        if self.others == Others::Keep {
            keep_others(self.database, &mut index, &judge, &mut notes);
        }
        judge.remember_absent(&mut index.shards);
        installation.commit(&index)?;
        notes.sort();
        let value = Imported {
            files: read.iter().filter(|file| file.error.is_none()).count(),
            records,
            bytes: index.shards.iter().map(|shard| shard.bytes).sum(),
            status: crate::Database::open(self.database)?.value.status(),
        };
        Ok(Outcome { value, notes })
    }

    /// Says of each file how it came here, and adds those that did not come.
    fn arrived(&self, read: &mut Vec<ReadFile>) {
        for (path, arrival) in self.arrivals.into_iter().flatten() {
            if let Some(file) = read.iter_mut().find(|file| file.path == *path) {
                file.arrival = Some(arrival.clone());
            } else if let (Some(failure), Some((feed, part))) = (&arrival.failure, self.claim(path)) {
                let about = feed.about();
                read.push(ReadFile {
                    feed: about.name,
                    ecosystem: about.ecosystem,
                    part,
                    path: path.clone(),
                    error: Some(failure.clone()),
                    arrival: Some(arrival.clone()),
                });
            }
        }
    }

    /// The manifest that was named, or the one beside the feeds, or an empty one.
    fn manifest(&self) -> Result<Manifest, Error> {
        let beside = self.sources.iter().map(|source| source.join(MANIFEST_FILE)).find(|path| path.is_file());
        match self.manifest.map(Path::to_owned).or(beside) {
            Some(path) => Manifest::read(&path),
            None => Ok(Manifest::default()),
        }
    }
    fn claimed(&self, manifest: &Manifest, notes: &mut Vec<Note>) -> Result<Vec<Claimed>, Error> {
        let mut claimed = Vec::new();
        let mut strangers = Vec::new();
        for source in self.sources {
            let listed = files::list(source, |path| self.claim(path).is_some());
            let listed =
                listed.map_err(|error| Error::Io { what: "listing", path: source.clone(), source: error })?;
            for file in listed.into_iter().filter(|file| !manifest.ignores(&file.path)) {
                if self.arrivals.is_some_and(|known| known.get(&file.path).is_none_or(|one| !one.is_here)) {
                    continue;
                }
                match self.claim(&file.path) {
                    Some((feed, part)) => claimed.push(Claimed { file, feed, part }),
                    None if file.path == MANIFEST_FILE => {}
                    None => strangers.push(file.path),
                }
            }
        }
        if !strangers.is_empty() {
            let names: Vec<&str> = strangers.iter().take(8).map(String::as_str).collect();
            let more = if strangers.len() > names.len() { ", …" } else { "" };
            let detail = format!(
                "{} files belong to no feed and were left out: {}{more}",
                strangers.len(),
                names.join(", ")
            );
            notes.push(Note::info("feed-unknown", "import", "", detail));
        }
        Ok(claimed)
    }
    /// The feed a path belongs to; a feed may name it with or without the suffix of compression.
    fn claim(&self, path: &str) -> Option<(&'static dyn Feed, String)> {
        let bare = files::COMPRESSED_SUFFIXES.iter().find_map(|suffix| path.strip_suffix(suffix));
        let find = |path: &str| self.feeds.iter().find_map(|feed| Some((*feed, feed.claims(path)?)));
        find(path).or_else(|| find(bare?))
    }
}

/// Lets each feed read its files, one after the other in the order of their paths.
fn read_all(
    claimed: &[Claimed],
    folder: &Path,
    builder: &mut Builder,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Vec<ReadFile> {
    let opener = Opener { folder };
    let mut read = Vec::with_capacity(claimed.len());
    for (number, Claimed { file, feed, part }) in claimed.iter().enumerate() {
        let records = builder.records();
        progress(Progress { done: number, total: claimed.len(), path: &file.path, records });
        builder.begin_file(number as u32);
        let result = match opener.open(file) {
            Ok(mut input) => feed.read(part, &mut *input, builder).map_err(|error| chain(&error)),
            Err(error) => Err(error.to_string()),
        };
        let mut error = result.err();
        if error.is_none() && builder.records() == records {
            let detail = "the file holds no records";
            builder.note(Note::info("feed-empty", feed.about().name, &file.path, detail));
        }
        if builder.has_failed() {
            error = None;
        }
        let about = feed.about();
        read.push(ReadFile {
            feed: about.name,
            ecosystem: about.ecosystem,
            part: part.clone(),
            path: file.path.clone(),
            error,
            arrival: None,
        });
        if builder.has_failed() {
            break;
        }
    }
    read
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Adds installed shards that were not built anew.
fn keep_others(folder: &Path, index: &mut Index, judge: &Judge<'_>, notes: &mut Vec<Note>) {
    let old = match Index::read(folder) {
        Ok(old) => old,
        Err(error) => {
            let detail = format!("nothing of the old data is kept: {error}");
            notes.push(Note::info("database-index", "import", "", detail));
            return;
        }
    };
    let Some((old, _)) = old else { return };
    let publication = old.publication;
    for mut shard in old.shards {
        let has = |name: &str| index.shards.iter().any(|new| new.shard == name);
        // A status speaks of what is in the shard of vulnerabilities.
        let rebuilt =
            has(&shard.shard) || (shard.kind == FILE_KIND_STATUS && has(crate::build::SHARD_VULNERABILITIES));
        if !rebuilt && keepable(folder, &shard) {
            judge.stay(&mut shard);
            index.shards.push(shard);
        }
    }
    index.shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    // What was fetched keeps its origin; a shard that was built here now is no longer missing.
    index.publication = publication.map(|mut publication| {
        publication.missing.retain(|name| !index.shards.iter().any(|shard| shard.shard == *name));
        publication
    });
}

fn keepable(folder: &Path, shard: &IndexShard) -> bool {
    let whole =
        |file: &str| std::fs::metadata(folder.join(file)).is_ok_and(|facts| facts.len() == shard.bytes);
    shard.file.is_empty() || (shard.file_is_sound() && whole(&shard.file))
}
