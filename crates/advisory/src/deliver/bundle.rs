//! The bundle: a publication in one file, for machines without a network.
//!
//! A tar archive (POSIX ustar): `index.seaworthy`, `contents.json`, `files/<sha256>` for each shard. An
//! opened bundle is a [`Store`] like any other. `contents.json` says which file holds which records:
//! an installed database makes its full files anew, and their compressed bytes need not be those that
//! the index names. The table is not signed and need not be: what counts is the content digest over the
//! records, which the signed index names and every fetch verifies.
//!
//! What it does not do: hold deltas.

use super::body::QUICK_LEVEL;
use super::fault::{DeliverError, Fault, damaged};
use super::full;
use super::installed::Installed;
use super::payload::{FORMAT, FileRef, MAIN, Payload, PublishedShard};
use super::publish::unfit;
use super::record::content_of;
use super::signed::{INDEX_BYTES_MAX, peek, seal};
use super::store::{INDEX_NAME, Store, file_name, is_sha256, sha256_of_name};
use crate::database::container::sha256_of;
use crate::database::index::{FILE_KIND_EPSS, FILE_KIND_VULNERABILITIES};
use crate::database::{Index, IndexShard};
use seaworthy_types::{Note, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

const UNIT: &str = "data-delivery";
/// Name of the table of contents.
pub const CONTENTS_NAME: &str = "contents.json";
const CONTENTS_BYTES_MAX: u64 = 8 << 20;
const BLOCK: u64 = 512;
const ENTRIES_MAX: usize = 16_384;
/// How long an index is fresh that an export makes.
const LIFETIME_SECONDS: i64 = 30 * 86_400;

/// Which shards a bundle takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleChoice<'a> {
    /// All that are installed.
    All,
    /// These, and what every scan needs.
    Named(&'a [String]),
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// Bytes of the file.
    pub bytes: u64,
    /// Shards in it, sorted.
    pub shards: Vec<String>,
    /// Whether its index is signed.
    pub signed: bool,
    /// Why it is not, when a signed one was expected.
    pub notes: Vec<Note>,
}

/// The table of contents. Unknown keys are stepped over.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    seaworthy_bundle: u32,
    contents: Vec<Held>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    content: String,
    #[serde(flatten)]
    file: FileRef,
}

/// Writes a bundle of an installed database. One that was fetched keeps its signed index as it was
/// received; one that was built here, in part or as a whole, gets an unsigned index, which import takes
/// only when it is told to. The file appears under its name when it is whole.
pub fn export(
    database: &Path,
    choice: BundleChoice<'_>,
    target: &Path,
    now: Timestamp,
) -> Result<Bundled, DeliverError> {
    let installed = Index::read(database)?.map(|(index, _)| index);
    let index = installed.ok_or_else(|| DeliverError::Unfit {
        what: database.display().to_string(),
        why: "there are no data in it".to_owned(),
    })?;
    let chosen = chosen(&index, choice)?;
    let mut notes = Vec::new();
    let received = received(database, &index, &chosen, &mut notes);
    let unfinished = target.with_extension(format!("unfinished-{}", std::process::id()));
    let made = write(database, &index, &chosen, received, &unfinished, now);
    let done = made.and_then(|bundled| {
        std::fs::rename(&unfinished, target)
            .map_err(|error| unfit(&target.display().to_string(), &error.into()))?;
        Ok(bundled)
    });
    if done.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    done.map(|bundled| Bundled { notes, ..bundled })
}

/// The shards with files that were asked for.
fn chosen<'a>(index: &'a Index, choice: BundleChoice<'_>) -> Result<Vec<&'a IndexShard>, DeliverError> {
    let with_files = index.shards.iter().filter(|shard| !shard.file.is_empty());
    let BundleChoice::Named(names) = choice else { return Ok(with_files.collect()) };
    let is_there = |name: &&String| index.shards.iter().any(|shard| shard.shard == **name);
    if let Some(name) = names.iter().find(|name| !is_there(name)) {
        return Err(DeliverError::Unfit { what: name.clone(), why: "it is not installed".to_owned() });
    }
    let is_general = |kind: &str| matches!(kind, FILE_KIND_VULNERABILITIES | FILE_KIND_EPSS);
    Ok(with_files.filter(|shard| is_general(&shard.kind) || names.contains(&shard.shard)).collect())
}

/// The signed index as it was received, when it speaks of all the chosen shards as they are.
fn received(
    database: &Path,
    index: &Index,
    chosen: &[&IndexShard],
    notes: &mut Vec<Note>,
) -> Option<(Vec<u8>, Payload)> {
    let publication = index.publication.as_ref().filter(|publication| publication.file_is_sound())?;
    let read = || -> Result<(Vec<u8>, Payload), Fault> {
        let mut bytes = Vec::new();
        let input = File::open(database.join(&publication.file))?;
        input.take(INDEX_BYTES_MAX).read_to_end(&mut bytes)?;
        let payload = peek(&bytes)?;
        Ok((bytes, payload))
    };
    let (bytes, payload) = match read() {
        Ok(found) => found,
        Err(fault) => {
            let detail =
                format!("the index as it was received cannot be used, the bundle is not signed: {fault}");
            notes.push(Note::info("bundle-unsigned", UNIT, &publication.file, detail));
            return None;
        }
    };
    let is_published = |shard: &&&IndexShard| {
        let published = payload.shard(&shard.shard);
        published.is_some_and(|published| !shard.content.is_empty() && published.content == shard.content)
    };
    let others: Vec<&str> =
        chosen.iter().filter(|shard| !is_published(shard)).map(|shard| shard.shard.as_str()).collect();
    if !others.is_empty() {
        let detail =
            format!("not the publication's but made here: {}; the bundle is not signed", others.join(", "));
        notes.push(Note::info("bundle-unsigned", UNIT, "", detail));
        return None;
    }
    Some((bytes, payload))
}

/// Writes the archive.
fn write(
    database: &Path,
    index: &Index,
    chosen: &[&IndexShard],
    received: Option<(Vec<u8>, Payload)>,
    target: &Path,
    now: Timestamp,
) -> Result<Bundled, DeliverError> {
    let failed = |error: io::Error| unfit(&target.display().to_string(), &Fault::Io(error));
    let work = target.with_extension(format!("work-{}", std::process::id()));
    let mut made = Vec::new();
    let mut output = Tar::new(BufWriter::new(File::create(target).map_err(failed)?));
    let mut each = || -> Result<(), DeliverError> {
        for facts in chosen {
            let entry = shard(database, facts, &work).map_err(|fault| unfit(&facts.shard, &fault))?;
            let Some(file) = &entry.full else { continue };
            let mut input = File::open(&work).map_err(failed)?;
            output.add(&file_name(&file.sha256), file.bytes, &mut input).map_err(failed)?;
            made.push(entry);
        }
        Ok(())
    };
    let all = each();
    let _ = std::fs::remove_file(&work);
    all?;
    let held =
        |entry: &PublishedShard| Some(Held { content: entry.content.clone(), file: entry.full.clone()? });
    let contents = Contents { seaworthy_bundle: FORMAT, contents: made.iter().filter_map(held).collect() };
    let names = made.iter().map(|entry| entry.shard.clone()).collect();
    let signed =
        received.as_ref().is_some_and(|_| index.publication.as_ref().is_some_and(|p| !p.signers.is_empty()));
    let file = match received {
        Some((bytes, _)) => bytes,
        None => unsigned(index, made, now)?,
    };
    let json = serde_json::to_vec(&contents).map_err(|error| failed(io::Error::other(error)))?;
    output.add(CONTENTS_NAME, json.len() as u64, &mut json.as_slice()).map_err(failed)?;
    output.add(INDEX_NAME, file.len() as u64, &mut file.as_slice()).map_err(failed)?;
    let bytes = output.finish().map_err(failed)?;
    Ok(Bundled { bytes, shards: names, signed, notes: Vec::new() })
}

/// An index for data that were made here.
fn unsigned(index: &Index, made: Vec<PublishedShard>, now: Timestamp) -> Result<Vec<u8>, DeliverError> {
    let status = index.shards.iter().filter(|shard| shard.file.is_empty()).map(PublishedShard::of);
    let mut shards: Vec<PublishedShard> = made.into_iter().chain(status).collect();
    shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    let payload = Payload {
        seaworthy_index: FORMAT,
        publication: MAIN.to_owned(),
        sequence: now.0.max(0).unsigned_abs(),
        made: index.built,
        expires: Timestamp(now.0.saturating_add(LIFETIME_SECONDS)),
        shards,
        history: None,
    };
    seal(&payload, &[]).map_err(|fault| unfit(INDEX_NAME, &fault))
}

/// Makes the full file of a shard.
fn shard(database: &Path, facts: &IndexShard, work: &Path) -> Result<PublishedShard, Fault> {
    let name = (facts.shard.as_str(), facts.kind.as_str());
    let content = content_of(name.0, name.1, &mut Installed::open(database, facts)?)?;
    if !facts.content.is_empty() && facts.content != content.digest {
        return Err(damaged("its records are not those that were fetched; run `seaworthy db verify`"));
    }
    let output = BufWriter::new(File::create(work)?);
    full::write_at(QUICK_LEVEL, output, name, &mut Installed::open(database, facts)?)?.flush()?;
    let file = FileRef { sha256: sha256_of(work)?, bytes: std::fs::metadata(work)?.len() };
    Ok(PublishedShard {
        content: content.digest,
        canonical_bytes: content.bytes,
        canonical_records: content.records,
        full: Some(file),
        ..PublishedShard::of(facts)
    })
}

/// Writes a tar archive of regular files.
struct Tar<W: Write> {
    output: W,
    written: u64,
}

impl<W: Write> Tar<W> {
    fn new(output: W) -> Self {
        Self { output, written: 0 }
    }
    fn add(&mut self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        self.output.write_all(&tar_head(name, bytes)?)?;
        let copied = io::copy(&mut content.take(bytes), &mut self.output)?;
        if copied != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let fill = bytes.next_multiple_of(BLOCK) - bytes;
        self.output.write_all([0; BLOCK as usize].get(..fill as usize).unwrap_or_default())?;
        self.written += BLOCK + bytes + fill;
        Ok(())
    }
    fn finish(mut self) -> io::Result<u64> {
        self.output.write_all(&[0; BLOCK as usize * 2])?;
        self.output.flush()?;
        Ok(self.written + BLOCK * 2)
    }
}

/// One header of POSIX ustar: no owner, no time.
fn tar_head(name: &str, bytes: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(BLOCK as usize);
    head.extend_from_slice(name.as_bytes());
    if head.len() > 100 || bytes >= 1 << 33 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    head.resize(100, 0);
    head.extend_from_slice(b"0000644\x000000000\x000000000\0");
    head.extend_from_slice(format!("{bytes:011o}\0{:011o}\0", 0).as_bytes());
    head.extend_from_slice(b"        0");
    head.resize(257, 0);
    head.extend_from_slice(b"ustar\x0000");
    head.resize(BLOCK as usize, 0);
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    let digits = format!("{sum:06o}\0 ");
    head.splice(148..156, digits.bytes());
    Ok(head)
}

/// An opened bundle.
#[derive(Debug)]
pub struct Bundle {
    name: String,
    file: File,
    /// Offset and length by name.
    entries: BTreeMap<String, (u64, u64)>,
    /// Files by content digest.
    contents: BTreeMap<String, FileRef>,
    shards: Vec<String>,
}

impl Bundle {
    /// Opens a file; only its table of contents is read.
    pub fn open(path: &Path) -> Result<Self, DeliverError> {
        let name = path.display().to_string();
        Self::read(path, &name).map_err(|fault| DeliverError::Nowhere {
            file: CONTENTS_NAME.to_owned(),
            tried: vec![(name.clone(), fault)],
        })
    }
    fn read(path: &Path, name: &str) -> Result<Self, Fault> {
        let file = File::open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(damaged("it is no regular file"));
        }
        let entries = entries(&file, facts.len())?;
        let mut bundle =
            Self { name: name.to_owned(), file, entries, contents: BTreeMap::new(), shards: Vec::new() };
        let bytes =
            super::store::read_small(&bundle, CONTENTS_NAME, CONTENTS_BYTES_MAX)?.ok_or(Fault::Missing)?;
        let contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|error| damaged(format!("its table of contents ({error})")))?;
        if contents.seaworthy_bundle != FORMAT {
            return Err(Fault::Newer { found: contents.seaworthy_bundle, known: FORMAT });
        }
        for held in contents.contents {
            if !is_sha256(&held.content) || !is_sha256(&held.file.sha256) {
                return Err(damaged("its table of contents names impossible files"));
            }
            bundle.contents.insert(held.content, held.file);
        }
        let file = super::store::read_small(&bundle, INDEX_NAME, INDEX_BYTES_MAX)?.ok_or(Fault::Missing)?;
        let payload = peek(&file)?;
        let held = payload.shards.into_iter().filter(|shard| bundle.contents.contains_key(&shard.content));
        bundle.shards = held.map(|shard| shard.shard).collect();
        Ok(bundle)
    }
    /// The shards whose records it holds, sorted: what a fetch from it can bring. The signature is the
    /// fetch's to check.
    pub fn shards(&self) -> Vec<String> {
        self.shards.clone()
    }
}

impl Store for Bundle {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        if name != INDEX_NAME && name != CONTENTS_NAME && sha256_of_name(name).is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of published data"));
        }
        let Some((at, length)) = self.entries.get(name).copied() else { return Ok(None) };
        if length > bytes_max {
            let why = format!("it has {length} bytes, more than the {bytes_max} that were expected");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Some(Box::new(Part { file: &self.file, at, left: length })))
    }
    fn remade(&self, content: &str) -> Option<(String, u64)> {
        let file = self.contents.get(content)?;
        Some((file_name(&file.sha256), file.bytes))
    }
}

/// A stretch of the file.
struct Part<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(buffer.get_mut(..room).unwrap_or_default(), self.at)?;
        if count == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Walks the headers of the archive.
fn entries(file: &File, length: u64) -> Result<BTreeMap<String, (u64, u64)>, Fault> {
    let mut entries = BTreeMap::new();
    let mut at = 0_u64;
    let mut head = [0; BLOCK as usize];
    loop {
        let room = length.checked_sub(at).filter(|room| *room >= BLOCK);
        if room.is_none() {
            return Err(damaged("the bundle is cut short"));
        }
        file.read_exact_at(&mut head, at)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(entries);
        }
        let (name, size) = entry(&head).ok_or_else(|| damaged("it is no bundle of seaworthy data"))?;
        let start = at.saturating_add(BLOCK);
        let end = start.checked_add(size.next_multiple_of(BLOCK)).filter(|end| *end <= length);
        at = end.ok_or_else(|| damaged("the bundle is cut short"))?;
        if entries.insert(name, (start, size)).is_some() || entries.len() > ENTRIES_MAX {
            return Err(damaged("the bundle holds a file twice, or too many"));
        }
    }
}

/// Name and size of a regular file's header.
fn entry(head: &[u8; BLOCK as usize]) -> Option<(String, u64)> {
    let octal = |range: std::ops::Range<usize>| {
        let text = std::str::from_utf8(head.get(range)?).ok()?;
        u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
    };
    let sum = head.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u64::from(b' '),
        _ => u64::from(*byte),
    });
    let kind = head.get(156)?;
    if octal(148..156)? != sum.sum::<u64>() || !matches!(kind, b'0' | 0) {
        return None;
    }
    let name = head.get(..100)?.split(|byte| *byte == 0).next()?;
    // No archive of ours is larger than the bound of sizes in this notation.
    let size = octal(124..136).filter(|size| *size < 1 << 33)?;
    Some((String::from_utf8(name.to_vec()).ok()?, size))
}
