//! From a publication to installed data: the index, then only what is not installed yet, as deltas where
//! they are smaller. All or nothing, like every installation.

use super::delta::Applied;
use super::fault::{DeliverError, Fault, damaged};
use super::full::Full;
use super::installed::Installed;
use super::key::Trusted;
use super::payload::{FileRef, Payload, PublishedShard};
use super::rebuild::rebuild;
use super::record::Records;
use super::signed::{INDEX_BYTES_MAX, SignedIndex, Unsigned};
use super::spool::{Promised, Spool};
use super::store::{INDEX_NAME, Store, file_name, read_small, sha256_of_name};
use super::trust::{Expired, Seen, TRUST_FILE, judge};
use crate::database::container::{hex, sha256_of};
use crate::database::index::{
    FILE_KIND_EPSS, FILE_KIND_PACKAGES, FILE_KIND_VULNERABILITIES, FORMAT, Publication,
};
use crate::database::{Database, Index, IndexShard};
use crate::install::Installation;
use seaworthy_types::{DataStatus, Note, Outcome, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

const UNIT: &str = "data-delivery";
/// No file of a publication is larger.
pub const FILE_BYTES_MAX: u64 = 2 << 30;

/// Which shards are added. What is installed is brought up to date in any case, and so is what every scan
/// needs (scores, ratings, the catalogue of exploited vulnerabilities).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// All that the publication has.
    All,
    /// None: only what is installed.
    Installed,
    /// These; one that the publication does not have is an error.
    Named(&'a [String]),
    /// These as far as the publication has them: what an inventory needs.
    Needed(&'a [String]),
}

/// What is fetched, from where and on whose word.
pub struct Fetch<'a> {
    /// Where to look, in this order: the next is asked for what one cannot give.
    pub stores: &'a [&'a dyn Store],
    /// The database's folder.
    pub database: &'a Path,
    /// Which shards.
    pub choice: Choice<'a>,
    /// Whose signature is believed.
    pub trusted: &'a Trusted,
    /// Whether an index without signatures is taken.
    pub unsigned: Unsigned,
    /// Whether an expired index is taken.
    pub expired: Expired,
    /// The present.
    pub now: Timestamp,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress<'a> {
    /// Shards done.
    pub done: usize,
    /// Shards that are not up to date.
    pub total: usize,
    /// The shard at work.
    pub shard: &'a str,
    /// Bytes fetched so far, of all shards.
    pub bytes: u64,
    /// Bytes to fetch, as far as is known.
    pub bytes_total: u64,
}

/// How a shard came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was installed already.
    Unchanged,
    /// Only what is known of it changed.
    Facts,
    /// By a delta.
    Delta,
    /// As a whole.
    Full,
}

/// What was fetched of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedShard {
    /// Its name.
    pub shard: String,
    /// How it came.
    pub how: How,
    /// Files fetched.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// What a fetch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The place that gave the index.
    pub store: String,
    /// Its number.
    pub sequence: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it is fresh.
    pub expires: Timestamp,
    /// Ids of the trusted keys that signed it.
    pub signers: Vec<String>,
    /// Each installed shard, sorted by name.
    pub shards: Vec<FetchedShard>,
    /// Files fetched, the index among them.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The database now.
    pub status: DataStatus,
}

impl Fetch<'_> {
    /// Fetches and installs.
    pub fn run(&self, progress: &mut dyn FnMut(FetchProgress<'_>)) -> Result<Outcome<Fetched>, DeliverError> {
        self.run_in(Installation::begin(self.database)?, progress)
    }
    /// The same with an installation that was begun before, in the same folder.
    pub fn run_in(
        &self,
        installation: Installation,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<Outcome<Fetched>, DeliverError> {
        let mut notes = Vec::new();
        let seen = Seen::read(self.database)?;
        let received = self.index(&seen, &mut notes)?;
        remember(&installation, seen, &received.index)?;
        let old = match Index::read(self.database) {
            Ok(old) => old.map(|(index, _)| index),
            Err(error) => {
                let detail = format!("nothing of the installed data is kept: {error}");
                notes.push(Note::info("database-index", UNIT, "", detail));
                None
            }
        };
        let payload = &received.index.payload;
        let plan = Plan::new(payload, old.as_ref(), self.choice, self.database, &mut notes)?;
        let mut run = Run {
            fetch: self,
            building: installation.building(),
            files: 1,
            bytes: received.file.len() as u64,
            notes,
        };
        let (shards, mut fetched) = run.shards(&plan, progress)?;
        let (files, bytes, mut notes) = (run.files, run.bytes, run.notes);
        let index = index_of(payload, &received, shards, old, &mut notes, &mut fetched);
        write_received(&installation, &index, &received.file)?;
        installation.commit(&index)?;
        notes.sort();
        let value = Fetched {
            store: received.store,
            sequence: payload.sequence,
            made: payload.made,
            expires: payload.expires,
            signers: received.index.signers.clone(),
            shards: fetched,
            files,
            bytes,
            status: Database::open(self.database)?.value.status(),
        };
        Ok(Outcome { value, notes })
    }

    /// The first index that is there, whole, signed and fresh.
    fn index(&self, seen: &Seen, notes: &mut Vec<Note>) -> Result<Received, DeliverError> {
        if self.stores.is_empty() {
            return Err(DeliverError::NoStores);
        }
        let mut tried: Vec<(String, Fault)> = Vec::new();
        for store in self.stores {
            match self.index_of_store(*store, seen) {
                Ok((index, file)) => {
                    notes.extend(tried.iter().map(|(store, fault)| passed_over(INDEX_NAME, store, fault)));
                    return Ok(Received { index, file, store: store.name() });
                }
                Err(fault) => tried.push((store.name(), fault)),
            }
        }
        Err(DeliverError::Nowhere { file: INDEX_NAME.to_owned(), tried })
    }
    fn index_of_store(&self, store: &dyn Store, seen: &Seen) -> Result<(SignedIndex, Vec<u8>), Fault> {
        let file = read_small(store, INDEX_NAME, INDEX_BYTES_MAX)?.ok_or(Fault::Missing)?;
        let index = SignedIndex::open(&file, self.trusted, self.unsigned)?;
        judge(&index, seen, self.now, self.expired)?;
        Ok((index, file))
    }
}

/// An index that may be installed.
struct Received {
    index: SignedIndex,
    file: Vec<u8>,
    store: String,
}

fn passed_over(file: &str, store: &str, fault: &Fault) -> Note {
    let detail = format!("`{file}` was taken from another place: {fault}");
    Note::info("data-mirror-failed", UNIT, store, detail)
}

/// Writes down what was seen, before anything is fetched on its word.
fn remember(installation: &Installation, seen: Seen, index: &SignedIndex) -> Result<(), DeliverError> {
    let with = seen.clone().with(index);
    if with != seen {
        let mut bytes = serde_json::to_vec_pretty(&with)
            .map_err(|error| DeliverError::Unfit { what: TRUST_FILE.to_owned(), why: error.to_string() })?;
        bytes.push(b'\n');
        installation.remember(TRUST_FILE, &bytes)?;
    }
    Ok(())
}

/// The index of the folder after the fetch.
fn index_of(
    payload: &Payload,
    received: &Received,
    mut shards: Vec<IndexShard>,
    old: Option<Index>,
    notes: &mut Vec<Note>,
    fetched: &mut Vec<FetchedShard>,
) -> Index {
    for shard in old.into_iter().flat_map(|index| index.shards) {
        let is_known = payload.shard(&shard.shard).is_some();
        if !is_known && !shard.file.is_empty() {
            let detail = "the publication does not have it: it stays as it is and grows old";
            notes.push(Note::info("data-not-published", UNIT, &shard.shard, detail));
            fetched.push(FetchedShard {
                shard: shard.shard.clone(),
                how: How::Unchanged,
                files: 0,
                bytes: 0,
            });
            shards.push(shard);
        }
    }
    shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    fetched.sort_by(|one, other| one.shard.cmp(&other.shard));
    let is_there = |name: &str| shards.binary_search_by(|shard| shard.shard.as_str().cmp(name)).is_ok();
    let names = payload.shards.iter().map(|shard| shard.shard.as_str());
    let missing = names.filter(|name| !is_there(name)).map(str::to_owned).collect();
    let publication = Publication {
        publication: payload.publication.clone(),
        sequence: payload.sequence,
        made: payload.made,
        expires: payload.expires,
        signers: received.index.signers.clone(),
        file: format!("published-{}.swi", received.index.digest.get(..16).unwrap_or_default()),
        missing,
    };
    Index { format: FORMAT, built: payload.made, shards, publication: Some(publication) }
}

fn write_received(installation: &Installation, index: &Index, file: &[u8]) -> Result<(), DeliverError> {
    let Some(publication) = &index.publication else { return Ok(()) };
    let path = installation.building().join(&publication.file);
    let write = || {
        let mut output = File::create(&path)?;
        output.write_all(file)?;
        output.sync_all()
    };
    let failed = |source| crate::Error::Io { what: "writing", path: path.clone(), source };
    Ok(write().map_err(failed)?)
}

/// What is to be done for each shard.
struct Plan<'a> {
    steps: Vec<Planned<'a>>,
}

struct Planned<'a> {
    published: &'a PublishedShard,
    /// What is installed, with its file.
    installed: Option<&'a IndexShard>,
    /// Whether the fetch fails without it.
    is_wanted: bool,
}

impl Planned<'_> {
    /// Whether its records are there already.
    fn is_done(&self) -> bool {
        let content = &self.published.content;
        content.is_empty() || self.installed.is_some_and(|installed| installed.content == *content)
    }
    /// The delta that leads there, when it is smaller than the whole.
    fn delta(&self) -> Option<(&str, &FileRef)> {
        let base = self.installed.map(|installed| installed.content.as_str())?;
        let delta = self.published.deltas.iter().find(|delta| !base.is_empty() && delta.from == base)?;
        let is_smaller = self.published.full.as_ref().is_none_or(|full| delta.file.bytes < full.bytes);
        is_smaller.then_some((base, &delta.file))
    }
    fn bytes(&self) -> u64 {
        let file = self.delta().map(|delta| delta.1).or(self.published.full.as_ref());
        if self.is_done() { 0 } else { file.map_or(0, |file| file.bytes) }
    }
}

impl<'a> Plan<'a> {
    fn new(
        payload: &'a Payload,
        old: Option<&'a Index>,
        choice: Choice<'_>,
        folder: &Path,
        notes: &mut Vec<Note>,
    ) -> Result<Self, DeliverError> {
        if let Choice::Named(names) = choice
            && let Some(shard) = names.iter().find(|name| payload.shard(name).is_none())
        {
            return Err(DeliverError::NoSuchShard { shard: shard.clone() });
        }
        let installed: BTreeMap<&str, &IndexShard> = old
            .into_iter()
            .flat_map(|index| &index.shards)
            .map(|shard| (shard.shard.as_str(), shard))
            .collect();
        let is_empty = installed.values().all(|shard| shard.kind != FILE_KIND_PACKAGES);
        let all = matches!(choice, Choice::All) || (is_empty && choice == Choice::Installed);
        let mut steps = Vec::new();
        for published in &payload.shards {
            let name = &published.shard;
            let old = installed.get(name.as_str()).copied();
            let is_named = match choice {
                Choice::Named(names) | Choice::Needed(names) => names.contains(name),
                _ => all,
            };
            let is_general = matches!(published.kind.as_str(), FILE_KIND_VULNERABILITIES | FILE_KIND_EPSS);
            if is_named || is_general || old.is_some() || published.content.is_empty() {
                let is_sound = |old: &&IndexShard| old.file.is_empty() || is_whole(folder, old);
                if let Some(old) = old.filter(|old| !is_sound(old)) {
                    let detail = "its installed file was damaged or not there: it is fetched anew";
                    notes.push(Note::info("data-repaired", UNIT, &old.shard, detail));
                }
                let installed = old.filter(|old| old.kind == published.kind).filter(is_sound);
                steps.push(Planned { published, installed, is_wanted: is_named });
            }
        }
        Ok(Self { steps })
    }
}

/// Whether a shard's file is the one that was installed: length, then every byte.
fn is_whole(folder: &Path, shard: &IndexShard) -> bool {
    let path = folder.join(&shard.file);
    let length = || std::fs::metadata(&path).map(|facts| facts.len());
    shard.file_is_sound()
        && length().is_ok_and(|length| length == shard.bytes)
        && sha256_of(&path).is_ok_and(|sha256| sha256 == shard.sha256)
}

/// A fetch at work.
struct Run<'a> {
    fetch: &'a Fetch<'a>,
    building: &'a Path,
    files: u32,
    bytes: u64,
    notes: Vec<Note>,
}

impl Run<'_> {
    fn shards(
        &mut self,
        plan: &Plan<'_>,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<(Vec<IndexShard>, Vec<FetchedShard>), DeliverError> {
        let total = plan.steps.iter().filter(|step| !step.is_done()).count();
        let bytes_total = self.bytes + plan.steps.iter().map(Planned::bytes).sum::<u64>();
        let (mut done, mut shards, mut fetched) = (0, Vec::new(), Vec::new());
        for step in &plan.steps {
            let shard = step.published.shard.as_str();
            if step.is_done() {
                let (entry, how) = unchanged(step);
                shards.push(entry);
                fetched.push(FetchedShard { shard: shard.to_owned(), how, files: 0, bytes: 0 });
                continue;
            }
            progress(FetchProgress { done, total, shard, bytes: self.bytes, bytes_total });
            let before = (self.files, self.bytes);
            if let Some((entry, how)) = self.shard(step)? {
                let (files, bytes) = (self.files - before.0, self.bytes - before.1);
                shards.push(entry);
                fetched.push(FetchedShard { shard: shard.to_owned(), how, files, bytes });
            }
            done += 1;
        }
        progress(FetchProgress { done, total, shard: "", bytes: self.bytes, bytes_total });
        Ok((shards, fetched))
    }
    /// Fetches one shard. `None` when it cannot be had and the fetch goes on without it.
    fn shard(&mut self, step: &Planned<'_>) -> Result<Option<(IndexShard, How)>, DeliverError> {
        if let (Some((from, file)), Some(base)) = (step.delta(), step.installed) {
            let folder = self.fetch.database;
            let apply = |path: &Path, run: &Self| -> Result<IndexShard, Fault> {
                let mut base = Installed::open(folder, base)?;
                let digests = (from, step.published.content.as_str());
                let mut records = Applied::open(open(path)?, name(step.published), digests, &mut base)?;
                run.build(step.published, &mut records)
            };
            match self.of_stores(file, None, &apply) {
                Ok(entry) => return Ok(Some((entry, How::Delta))),
                Err(tried) => {
                    let why: Vec<String> =
                        tried.iter().map(|(store, fault)| format!("{store}: {fault}")).collect();
                    let detail = format!("no delta could be used, the whole is fetched: {}", why.join("; "));
                    self.notes.push(Note::info("data-delta-failed", UNIT, &step.published.shard, detail));
                }
            }
        }
        let Some(file) = &step.published.full else { return Ok(None) };
        let take = |path: &Path, run: &Self| -> Result<IndexShard, Fault> {
            let mut records = Full::open(open(path)?, name(step.published))?;
            run.build(step.published, &mut records)
        };
        match self.of_stores(file, Some(&step.published.content), &take) {
            Ok(entry) => Ok(Some((entry, How::Full))),
            Err(tried)
                if !step.is_wanted && tried.iter().all(|(_, fault)| matches!(fault, Fault::Missing)) =>
            {
                Ok(self.without(step))
            }
            Err(tried) => Err(DeliverError::Nowhere { file: file_name(&file.sha256), tried }),
        }
    }
    /// Goes on without a file that nobody has.
    fn without(&mut self, step: &Planned<'_>) -> Option<(IndexShard, How)> {
        let detail = match step.installed {
            Some(_) => "its new data were not there: it stays as it is",
            None => "its data were not there: it is not installed",
        };
        self.notes.push(Note::gap("data-not-updated", UNIT, &step.published.shard, detail));
        step.installed.map(|installed| (installed.clone(), How::Unchanged))
    }
    /// Gets a file from the first store that has it and does something with it; a store whose file does
    /// not do is passed over.
    fn of_stores(
        &mut self,
        file: &FileRef,
        content: Option<&str>,
        make: &dyn Fn(&Path, &Self) -> Result<IndexShard, Fault>,
    ) -> Result<IndexShard, Vec<(String, Fault)>> {
        let mut tried: Vec<(String, Fault)> = Vec::new();
        for store in self.fetch.stores {
            let made = self.download(*store, file, content).and_then(|path| {
                let made = make(&path, self);
                let _ = std::fs::remove_file(&path);
                made
            });
            match made {
                Ok(entry) => {
                    let name = file_name(&file.sha256);
                    self.notes.extend(tried.iter().map(|(store, fault)| passed_over(&name, store, fault)));
                    return Ok(entry);
                }
                Err(fault) => tried.push((store.name(), fault)),
            }
        }
        Err(tried)
    }
    /// Brings a file into the building folder; it has the digest in its name.
    fn download(
        &mut self,
        store: &dyn Store,
        file: &FileRef,
        content: Option<&str>,
    ) -> Result<PathBuf, Fault> {
        let remade = content.and_then(|content| store.remade(content));
        let (name, length) = remade.unwrap_or_else(|| (file_name(&file.sha256), file.bytes));
        let sha256 = sha256_of_name(&name).ok_or_else(|| damaged("a file has an impossible name"))?;
        if length > FILE_BYTES_MAX {
            return Err(Fault::TooLarge { what: "the file", bytes_max: FILE_BYTES_MAX });
        }
        let input = store.open(&name, length)?.ok_or(Fault::Missing)?;
        let path = self.building.join(format!("fetched-{sha256}"));
        let (copied, digest) = copy(&mut input.take(length.saturating_add(1)), &path)?;
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(copied);
        if copied != length || digest != sha256 {
            let _ = std::fs::remove_file(&path);
            let why = if copied < length { "it is cut short" } else { "its digest is not the published one" };
            return Err(damaged(why));
        }
        Ok(path)
    }
    /// Checks records and writes the shard's file.
    fn build(&self, published: &PublishedShard, records: &mut dyn Records) -> Result<IndexShard, Fault> {
        let promised = Promised {
            shard: &published.shard,
            kind: &published.kind,
            content: &published.content,
            bytes: published.canonical_bytes,
        };
        let spool = Spool::fill(records, promised, &self.building.join("records"))?;
        rebuild(&spool, self.building, published.facts())
    }
}

fn name(published: &PublishedShard) -> (&str, &str) {
    (&published.shard, &published.kind)
}

fn open(path: &Path) -> Result<BufReader<File>, Fault> {
    Ok(BufReader::with_capacity(1 << 17, File::open(path)?))
}

/// The entry of a shard whose records are there.
fn unchanged(step: &Planned<'_>) -> (IndexShard, How) {
    let facts = step.published.facts();
    let Some(installed) = step.installed else { return (facts, How::Facts) };
    let entry = IndexShard {
        file: installed.file.clone(),
        sha256: installed.sha256.clone(),
        bytes: installed.bytes,
        ..facts
    };
    let how = if entry == *installed { How::Unchanged } else { How::Facts };
    (entry, how)
}

/// Copies into a new file: length and SHA-256.
pub(super) fn copy(input: &mut dyn Read, path: &Path) -> Result<(u64, String), Fault> {
    let _ = std::fs::remove_file(path);
    let mut output = File::create_new(path)?;
    let (mut hash, mut copied) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hash.update(bytes);
        output.write_all(bytes)?;
        copied += count as u64;
    }
    Ok((copied, hex(&hash.finalize())))
}
