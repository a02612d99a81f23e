//! From an installed database to a publication: full files, deltas from earlier publications, and at last
//! the signed index. Same database, same earlier publication, same time: same bytes.

use super::fault::{DeliverError, Fault, damaged};
use super::fetch::{FILE_BYTES_MAX, copy};
use super::full::Full;
use super::history::{History, Past};
use super::installed::Installed;
use super::key::{PrivateKey, PublicKey, Trusted};
use super::payload::{DeltaRef, FORMAT, FileRef, Payload, PublishedShard};
use super::record::{Content, content_of};
use super::signed::{INDEX_BYTES_MAX, SignedIndex, Unsigned, seal};
use super::store::{Depot, INDEX_NAME, Store, file_name, read_small};
use super::{delta, full};
use crate::database::container::hex;
use crate::database::{Index, IndexShard};
use seaworthy_types::{Note, Outcome, Timestamp};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

const UNIT: &str = "data-delivery";
const DAY_SECONDS: i64 = 86_400;

/// How many earlier publications deltas start from, when nobody says otherwise.
pub const EARLIER_DAYS: u32 = 7;
/// How long an index is fresh, when nobody says otherwise.
pub const LIFETIME_SECONDS: i64 = 7 * 86_400;

/// What is published, and where.
pub struct Publish<'a> {
    /// The database's folder.
    pub database: &'a Path,
    /// The publication before this one; the depot itself as a rule. `None` starts anew.
    pub earlier: Option<&'a dyn Store>,
    /// Takes the files.
    pub depot: &'a dyn Depot,
    /// Keys that sign; two while one takes the place of the other. None makes an unsigned publication.
    pub keys: &'a [&'a PrivateKey],
    /// Keys that the earlier publication may be signed with, besides those that sign.
    pub trusted: &'a Trusted,
    /// Which of its key's publications it is ([`super::MAIN`]).
    pub publication: &'a str,
    /// The present.
    pub now: Timestamp,
    /// How long the index is fresh.
    pub lifetime_seconds: i64,
    /// How many days back deltas start.
    pub earlier_days: u32,
    /// A folder for temporary files.
    pub work: &'a Path,
}

/// A shard that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFiles {
    /// Its name.
    pub shard: String,
    /// Its content digest.
    pub content: String,
    /// The file with all its records.
    pub full: FileRef,
    /// Whether the records are those of the publication before.
    pub unchanged: bool,
    /// Deltas by the content they start from, with their bytes.
    pub deltas: Vec<(String, u64)>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub sequence: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Each shard with records, sorted by name.
    pub shards: Vec<PublishedFiles>,
    /// Files that were put.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Files in the depot that no publication refers to any more, sorted; empty when it cannot list.
    pub unreferenced: Vec<String>,
}

impl Publish<'_> {
    /// Makes and puts everything; `progress` hears the shard at work.
    pub fn run(&self, progress: &mut dyn FnMut(&str)) -> Result<Outcome<Published>, DeliverError> {
        let index = Index::read(self.database)?.map(|(index, _)| index);
        let index = index.filter(|index| !index.shards.is_empty()).ok_or_else(|| DeliverError::Unfit {
            what: self.database.display().to_string(),
            why: "there are no data in it".to_owned(),
        })?;
        let mut notes = Vec::new();
        let earlier = self.earlier()?;
        let past = self.past(earlier.as_ref(), &mut notes);
        let mut run = Run { publish: self, earlier, past, files: 0, bytes: 0, notes };
        let mut entries = Vec::with_capacity(index.shards.len());
        let mut shards = Vec::new();
        for facts in &index.shards {
            progress(&facts.shard);
            let mut entry = PublishedShard::of(facts);
            if !facts.file.is_empty() {
                let files = run.shard(facts, &mut entry)?;
                shards.push(files);
            }
            entries.push(entry);
        }
        let history = run.history()?;
        let payload = self.payload(run.earlier.as_ref(), entries, history);
        let file = seal(&payload, self.keys).map_err(|fault| unfit(INDEX_NAME, &fault))?;
        if file.len() as u64 > INDEX_BYTES_MAX {
            return Err(DeliverError::Unfit {
                what: INDEX_NAME.to_owned(),
                why: format!("it has more than {INDEX_BYTES_MAX} bytes"),
            });
        }
        self.depot.replace_index(&file).map_err(|source| self.not_put(INDEX_NAME, source))?;
        let unreferenced = run.unreferenced(&payload);
        let value = Published {
            sequence: payload.sequence,
            index_bytes: file.len() as u64,
            shards,
            files: run.files,
            bytes: run.bytes,
            unreferenced,
        };
        Ok(Outcome { value, notes: run.notes })
    }
    fn payload(
        &self,
        earlier: Option<&Payload>,
        shards: Vec<PublishedShard>,
        history: Option<FileRef>,
    ) -> Payload {
        // Seconds: a publisher that lost its earlier publication still goes forward.
        let next = earlier.map_or(0, |earlier| earlier.sequence.saturating_add(1));
        Payload {
            seaworthy_index: FORMAT,
            publication: self.publication.to_owned(),
            sequence: next.max(self.now.0.max(0).unsigned_abs()),
            made: self.now,
            expires: Timestamp(self.now.0.saturating_add(self.lifetime_seconds)),
            shards,
            history,
        }
    }
    /// What the publication before this one said.
    fn earlier(&self) -> Result<Option<Payload>, DeliverError> {
        let Some(store) = self.earlier else { return Ok(None) };
        let file = read_small(store, INDEX_NAME, INDEX_BYTES_MAX).map_err(DeliverError::Earlier)?;
        let Some(file) = file else { return Ok(None) };
        let mine = self.keys.iter().map(|key| key.public());
        let keys: Vec<PublicKey> = mine.chain(self.trusted.keys().iter().copied()).collect();
        let trusted = if keys.is_empty() { Trusted::default() } else { Trusted::new(&keys)? };
        let unsigned = if self.keys.is_empty() { Unsigned::Allow } else { Unsigned::Refuse };
        let index = SignedIndex::open(&file, &trusted, unsigned).map_err(DeliverError::Earlier)?;
        let payload = index.payload;
        if payload.publication != self.publication {
            let why = format!("it is `{}`, not `{}`", payload.publication, self.publication);
            return Err(DeliverError::Earlier(damaged(why)));
        }
        if payload.made > self.now {
            let why =
                format!("it was made at {}, and it is {} now: a clock is wrong", payload.made, self.now);
            return Err(DeliverError::Earlier(damaged(why)));
        }
        Ok(Some(payload))
    }
    /// Earlier publications that deltas start from, the newest last.
    fn past(&self, earlier: Option<&Payload>, notes: &mut Vec<Note>) -> History {
        let (Some(store), Some(payload)) = (self.earlier, earlier) else { return History::default() };
        let mut history = History::default();
        if let Some(file) = &payload.history {
            match History::read(store, file) {
                Ok(found) => history = found,
                Err(fault) => {
                    let detail = format!("deltas start from the last publication only: {fault}");
                    notes.push(Note::info("publish-history", UNIT, "", detail));
                }
            }
        }
        history.push(payload);
        let span = i64::from(self.earlier_days).saturating_mul(DAY_SECONDS);
        history.keep_from(Timestamp(self.now.0.saturating_sub(span)));
        history
    }
    fn not_put(&self, file: &str, source: io::Error) -> DeliverError {
        DeliverError::Put { depot: self.depot.name(), file: file.to_owned(), source }
    }
}

pub(super) fn unfit(what: &str, fault: &Fault) -> DeliverError {
    DeliverError::Unfit { what: what.to_owned(), why: fault.to_string() }
}

/// A publication at work.
struct Run<'a> {
    publish: &'a Publish<'a>,
    earlier: Option<Payload>,
    past: History,
    files: u32,
    bytes: u64,
    notes: Vec<Note>,
}

impl Run<'_> {
    /// Makes the files of a shard and enters them.
    fn shard(
        &mut self,
        facts: &IndexShard,
        entry: &mut PublishedShard,
    ) -> Result<PublishedFiles, DeliverError> {
        let failed = |fault: Fault| unfit(&facts.shard, &fault);
        let content = self.content(facts).map_err(failed)?;
        entry.content.clone_from(&content.digest);
        (entry.canonical_bytes, entry.canonical_records) = (content.bytes, content.records);
        let before = self.earlier.as_ref().and_then(|earlier| earlier.shard(&facts.shard)).cloned();
        let before = before.filter(|before| before.kind == facts.kind && before.content == content.digest);
        let unchanged = before.is_some();
        let full = match before.as_ref().and_then(|before| before.full.clone()) {
            Some(file) if self.has(&file)? => file,
            _ => {
                let path = self.work("full");
                self.make(&path, facts, &mut |output| {
                    let mut records = Installed::open(self.publish.database, facts)?;
                    full::write(output, (&facts.shard, &facts.kind), &mut records)
                })
                .map_err(failed)?;
                self.put(&path)?
            }
        };
        entry.full = Some(full.clone());
        for past in self.past.of(&facts.shard, &facts.kind, &content.digest) {
            let made = before.as_ref().and_then(|b| b.deltas.iter().find(|delta| delta.from == past.content));
            let file = match made.cloned() {
                Some(delta) if self.has(&delta.file)? => Some(delta.file),
                _ => self.delta(facts, &past, &content.digest, full.bytes)?,
            };
            entry.deltas.extend(file.map(|file| DeltaRef { from: past.content, file }));
        }
        let deltas = entry.deltas.iter().map(|delta| (delta.from.clone(), delta.file.bytes)).collect();
        Ok(PublishedFiles { shard: facts.shard.clone(), content: content.digest, full, unchanged, deltas })
    }
    fn content(&self, facts: &IndexShard) -> Result<Content, Fault> {
        let mut records = Installed::open(self.publish.database, facts)?;
        content_of(&facts.shard, &facts.kind, &mut records)
    }
    /// Makes a delta from an earlier publication's records; `None` when it is not worth it, or when those
    /// cannot be had.
    fn delta(
        &mut self,
        facts: &IndexShard,
        past: &Past,
        to: &str,
        full_bytes: u64,
    ) -> Result<Option<FileRef>, DeliverError> {
        let base = self.work("base");
        if let Err(fault) = self.base(facts, past, &base) {
            let detail = format!("there is no delta from {}: {fault}", past.content);
            self.notes.push(Note::info("publish-delta", UNIT, &facts.shard, detail));
            return Ok(None);
        }
        let path = self.work("delta");
        let name = (facts.shard.as_str(), facts.kind.as_str());
        let made = self.make(&path, facts, &mut |output| {
            let mut old = Full::open(BufReader::new(File::open(&base)?), name)?;
            let mut new = Installed::open(self.publish.database, facts)?;
            delta::write(output, name, (&past.content, to), &mut old, &mut new)
        });
        let _ = std::fs::remove_file(&base);
        if let Err(fault) = made {
            let detail = format!("there is no delta from {}: {fault}", past.content);
            self.notes.push(Note::info("publish-delta", UNIT, &facts.shard, detail));
            return Ok(None);
        }
        let length = std::fs::metadata(&path).map(|facts| facts.len());
        if length.is_ok_and(|length| length >= full_bytes) {
            let _ = std::fs::remove_file(&path);
            return Ok(None);
        }
        self.put(&path).map(Some)
    }
    /// Brings an earlier full file and checks that it holds what it should.
    fn base(&self, facts: &IndexShard, past: &Past, path: &Path) -> Result<(), Fault> {
        let store = self.publish.earlier.ok_or(Fault::Missing)?;
        let input = store.open(&file_name(&past.full.sha256), past.full.bytes.min(FILE_BYTES_MAX))?;
        let input = input.ok_or(Fault::Missing)?;
        let (_, digest) = copy(&mut io::Read::take(input, past.full.bytes.saturating_add(1)), path)?;
        if digest != past.full.sha256 {
            return Err(damaged("its digest is not the published one"));
        }
        let mut records = Full::open(BufReader::new(File::open(path)?), (&facts.shard, &facts.kind))?;
        let content = content_of(&facts.shard, &facts.kind, &mut records)?;
        if content.digest == past.content { Ok(()) } else { Err(damaged("it holds other records")) }
    }
    fn work(&self, what: &str) -> PathBuf {
        self.publish.work.join(format!("publish-{what}-{}", std::process::id()))
    }
    fn make(
        &self,
        path: &Path,
        facts: &IndexShard,
        write: &mut dyn FnMut(BufWriter<File>) -> Result<BufWriter<File>, Fault>,
    ) -> Result<(), Fault> {
        let _ = (std::fs::remove_file(path), facts);
        let mut output = write(BufWriter::with_capacity(1 << 17, File::create_new(path)?))?;
        Ok(output.flush()?)
    }
    fn has(&self, file: &FileRef) -> Result<bool, DeliverError> {
        let name = file_name(&file.sha256);
        self.publish.depot.has(&name, file.bytes).map_err(|source| self.publish.not_put(&name, source))
    }
    /// Puts a finished file under the name of its content and removes it here.
    fn put(&mut self, path: &Path) -> Result<FileRef, DeliverError> {
        let failed = |source: io::Error| unfit(&path.display().to_string(), &Fault::Io(source));
        let sha256 = crate::database::container::sha256_of(path).map_err(failed)?;
        let mut input = File::open(path).map_err(failed)?;
        let bytes = input.metadata().map_err(failed)?.len();
        let name = file_name(&sha256);
        let put = self.publish.depot.put(&name, bytes, &mut input);
        put.map_err(|source| self.publish.not_put(&name, source))?;
        let _ = std::fs::remove_file(path);
        self.files = self.files.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(FileRef { sha256, bytes })
    }
    /// Puts what the next publisher needs to know.
    fn history(&mut self) -> Result<Option<FileRef>, DeliverError> {
        if self.past.is_empty() {
            return Ok(None);
        }
        let bytes = self.past.to_bytes().map_err(|fault| unfit("the history", &fault))?;
        let file = FileRef { sha256: hex(&Sha256::digest(&bytes)), bytes: bytes.len() as u64 };
        let name = file_name(&file.sha256);
        let put = self.publish.depot.put(&name, file.bytes, &mut bytes.as_slice());
        put.map_err(|source| self.publish.not_put(&name, source))?;
        Ok(Some(file))
    }
    /// Files that neither this publication, nor the one before, nor the history refers to.
    fn unreferenced(&mut self, payload: &Payload) -> Vec<String> {
        let listed = match self.publish.depot.list() {
            Ok(listed) => listed.unwrap_or_default(),
            Err(error) => {
                let detail = format!("files that are no longer needed cannot be listed: {error}");
                self.notes.push(Note::info("publish-list", UNIT, self.publish.depot.name(), detail));
                Vec::new()
            }
        };
        let mut used: BTreeSet<String> = self.past.files().map(|file| file_name(&file.sha256)).collect();
        for payload in [Some(payload), self.earlier.as_ref()].into_iter().flatten() {
            used.extend(payload.files().map(|file| file_name(&file.sha256)));
        }
        listed.into_iter().filter(|name| !used.contains(name)).collect()
    }
}
