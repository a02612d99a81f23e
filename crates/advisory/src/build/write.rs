//! A sealed spill to a shard's file: sorted, each advisory once, blocks compressed in parallel.

use super::alias::Resolved;
use super::spill::{AffectedEntry, Sealed};
use crate::database::container::{Guard, Kind, Writer};
use crate::database::shard::{BLOCK_BYTES_MAX, BLOCK_ENTRY, last_part};
use crate::database::stored;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{self, Write};
use zstd::bulk::Compressor;
use zstd::dict::EncoderDictionary;
use zstd::zstd_safe::{CParameter, ParamSwitch};

/// Bytes of a block before compression; one item may be larger. Statements on packages stand in
/// smaller blocks than texts: each look-up decompresses one of them.
const BLOCK_BYTES: [usize; 2] = [1 << 10, 4 << 10];
/// What fills blocks of its own: index into [`BLOCK_BYTES`].
pub(crate) const STATEMENTS: usize = 0;
pub(crate) const TEXTS: usize = 1;
/// Blocks compressed at a time.
const BATCH: usize = 256;
/// zstd level: databases are built once and read often.
const LEVEL: i32 = 9;
const DICTIONARY_BYTES: usize = 32 << 10;
const UNNUMBERED: u32 = u32::MAX;

/// What became of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Length of the file.
    pub bytes: u64,
    /// Distinct advisories, or vulnerabilities.
    pub records: u64,
    /// Names.
    pub packages: u64,
    /// Items too large to be kept, by name.
    pub lost: Vec<String>,
}

/// Writes a shard of packages.
pub fn packages<W: Write>(output: W, sealed: &Sealed, resolved: &Resolved) -> io::Result<Written> {
    let spill = &sealed.spill;
    let order = kept(sealed, resolved)?;
    let mut blocks = Blocks::new(output, Kind::Packages, dictionary(sealed)?)?;
    let mut numbers = Numbers::new(sealed, resolved);
    let (mut names, mut items, mut advisories) = (Vec::new(), Vec::new(), Vec::new());
    let mut lost = Vec::new();
    for entries in order.chunk_by(|one, other| one.package == other.package) {
        let Some(first) = entries.first() else { continue };
        let name = spill.names.text(first.package);
        let (mut list, mut fresh) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let number = match numbers.known(entry.record) {
                Some(number) => number,
                None => numbers.number(sealed, resolved, entry.record, &mut fresh)?,
            };
            list.push((number, sealed.read(entry.place)?));
        }
        // One advisory may say the same twice, once for each file it stands in.
        list.dedup();
        let item = stored::encode_package(&list);
        match blocks.push(STATEMENTS, item)? {
            Some(place) => {
                names.push(name);
                items.push(place);
            }
            None => lost.push(name.to_owned()),
        }
        for bytes in fresh {
            // A text that is too large leaves an empty place: reading it fails loudly.
            advisories.push(blocks.push(TEXTS, bytes)?.unwrap_or([0; 3]));
        }
    }
    let written = Written {
        records: advisories.len() as u64,
        packages: names.len() as u64,
        lost,
        ..Written::default()
    };
    blocks.finish(&names, &items, &advisories, &[], written)
}

/// Writes the shard of enrichments from (id, item) pairs sorted by id.
pub fn enrichments<W: Write>(output: W, entries: &[(String, Vec<u8>)]) -> io::Result<Written> {
    let sample = entries.iter().step_by((entries.len() / 512).max(1)).map(|entry| entry.1.as_slice());
    let mut blocks = Blocks::new(output, Kind::Vulnerabilities, trained(sample))?;
    let (mut names, mut items, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (id, item) in entries {
        match blocks.push(STATEMENTS, item.clone())? {
            Some(place) => {
                names.push(id.as_str());
                items.push(place);
            }
            None => lost.push(id.clone()),
        }
    }
    let count = names.len() as u64;
    let written = Written { records: count, packages: count, lost, ..Written::default() };
    blocks.finish(&names, &items, &[], &[], written)
}

/// The entries that stay, sorted by package name and id: of the words of one id of one source on one
/// package the newest stand; words equally new all stand.
fn kept(sealed: &Sealed, resolved: &Resolved) -> io::Result<Vec<AffectedEntry>> {
    let spill = &sealed.spill;
    let mut rank: Vec<u32> = (0..spill.names.len() as u32).collect();
    rank.sort_unstable_by_key(|number| spill.names.text(*number));
    let mut place = vec![0; rank.len()];
    for (position, number) in rank.iter().enumerate() {
        if let Some(place) = place.get_mut(*number as usize) {
            *place = position;
        }
    }
    let mut entries = spill.affected.clone();
    let key = |entry: &AffectedEntry| {
        let record = spill.records.get(entry.record as usize);
        let name = place.get(entry.package as usize).copied().unwrap_or(0);
        let (id, source, modified) =
            record.map_or(("", 0, 0), |r| (resolved.id_text(r.ids), r.source, r.modified));
        (name, id, source, std::cmp::Reverse(modified), entry.record)
    };
    entries.par_sort_by(|one, other| key(one).cmp(&key(other)));
    let mut kept: Vec<AffectedEntry> = Vec::with_capacity(entries.len());
    let same = |one: &AffectedEntry, other: &AffectedEntry| {
        let (one, other) = (key(one), key(other));
        (one.0, one.1, one.2) == (other.0, other.1, other.2)
    };
    for group in entries.chunk_by(same) {
        let newest = group.first().map(|entry| key(entry).3);
        kept.extend(group.iter().filter(|entry| Some(key(entry).3) == newest));
    }
    Ok(kept)
}

/// Numbers of advisories in a file; equal texts of one id and source share one.
struct Numbers {
    of_record: Vec<u32>,
    by_content: HashMap<[u8; 32], u32>,
    next: u32,
}

impl Numbers {
    fn new(sealed: &Sealed, _resolved: &Resolved) -> Self {
        let of_record = vec![UNNUMBERED; sealed.spill.records.len()];
        Self { of_record, by_content: HashMap::new(), next: 0 }
    }
    fn known(&self, record: u32) -> Option<u32> {
        self.of_record.get(record as usize).copied().filter(|number| *number != UNNUMBERED)
    }
    /// Gives a number; the bytes go into `fresh` when they are new.
    fn number(
        &mut self,
        sealed: &Sealed,
        resolved: &Resolved,
        record: u32,
        fresh: &mut Vec<Vec<u8>>,
    ) -> io::Result<u32> {
        let Some(entry) = sealed.spill.records.get(record as usize) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut bytes = stored::encode_vulnerabilities(&resolved.vulnerabilities(entry.ids));
        bytes.extend(sealed.read(entry.place)?);
        let content: [u8; 32] = Sha256::digest(&bytes).into();
        let next = self.next;
        let number = *self.by_content.entry(content).or_insert(next);
        if number == next {
            fresh.push(bytes);
            self.next += 1;
        }
        if let Some(place) = self.of_record.get_mut(record as usize) {
            *place = number;
        }
        Ok(number)
    }
}

/// A dictionary out of advisories and package entries spread over the shard.
fn dictionary(sealed: &Sealed) -> io::Result<Vec<u8>> {
    let spill = &sealed.spill;
    let mut sample = Vec::new();
    let records = spill.records.iter().step_by((spill.records.len() / 256).max(1)).map(|e| e.place);
    let affected = spill.affected.iter().step_by((spill.affected.len() / 256).max(1)).map(|e| e.place);
    for (record, affected) in records.zip(affected) {
        sample.push(sealed.read(record)?);
        sample.push(sealed.read(affected)?);
    }
    Ok(trained(sample.iter().map(Vec::as_slice)))
}

/// Pieces of the sample one after the other: zstd takes any content as a dictionary.
pub(crate) fn trained<'a>(sample: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut dictionary = Vec::new();
    let mut seen = 0_usize;
    for piece in sample {
        seen += piece.len();
        dictionary.extend(piece.iter().take(512));
    }
    // A dictionary for less than some ten blocks costs more than it saves.
    dictionary.truncate(if seen < DICTIONARY_BYTES * 2 { 0 } else { DICTIONARY_BYTES });
    dictionary
}

/// Block, offset, length.
pub(crate) type Place = [u32; 3];

/// Makes frames that are quick to read: without Huffman codes, whose tables take longer to build than
/// blocks as small as ours take to copy. The file grows by a twentieth.
fn compressor<'a>(prepared: &'a EncoderDictionary<'static>) -> io::Result<Compressor<'a>> {
    let mut compressor = Compressor::with_prepared_dictionary(prepared)?;
    compressor.set_parameter(CParameter::LiteralCompressionMode(ParamSwitch::Disable))?;
    Ok(compressor)
}

/// Items to compressed blocks in a file.
pub(crate) struct Blocks<W: Write> {
    writer: Writer<W>,
    dictionary: Vec<u8>,
    prepared: EncoderDictionary<'static>,
    /// The block that grows, for each kind of content, with its number.
    growing: [(u32, Vec<u8>); 2],
    waiting: Vec<(u32, Vec<u8>)>,
    started: u32,
    offset: u64,
    table: Vec<[u8; BLOCK_ENTRY]>,
}

impl<W: Write> Blocks<W> {
    /// Starts a file.
    pub(crate) fn new(output: W, kind: Kind, dictionary: Vec<u8>) -> io::Result<Self> {
        let mut writer = Writer::new(output, kind)?;
        writer.begin(*b"DATA", Guard::Blocks)?;
        let prepared = EncoderDictionary::copy(&dictionary, LEVEL);
        let (growing, waiting, table) = (Default::default(), Vec::new(), Vec::new());
        Ok(Self { writer, dictionary, prepared, growing, waiting, started: 0, offset: 0, table })
    }
    /// Keeps an item; `None` when it is larger than any block may be.
    pub(crate) fn push(&mut self, content: usize, item: Vec<u8>) -> io::Result<Option<Place>> {
        let (Some(block), Some(bytes_max)) = (self.growing.get(content), BLOCK_BYTES.get(content)) else {
            return Ok(None);
        };
        if item.len() > BLOCK_BYTES_MAX {
            return Ok(None);
        }
        if !block.1.is_empty() && block.1.len() + item.len() > *bytes_max {
            self.end_block(content)?;
        }
        let Some((number, block)) = self.growing.get_mut(content) else { return Ok(None) };
        if block.is_empty() {
            *number = self.started;
            self.started += 1;
        }
        let place = [*number, block.len() as u32, item.len() as u32];
        block.extend_from_slice(&item);
        Ok(Some(place))
    }
    fn end_block(&mut self, content: usize) -> io::Result<()> {
        let Some((number, block)) = self.growing.get_mut(content) else { return Ok(()) };
        if !block.is_empty() {
            self.waiting.push((*number, std::mem::take(block)));
        }
        let bytes: usize = self.waiting.iter().map(|waiting| waiting.1.len()).sum();
        if self.waiting.len() >= BATCH || bytes >= BLOCK_BYTES_MAX / 4 { self.compress() } else { Ok(()) }
    }
    fn compress(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let prepared = &self.prepared;
        let packed: Vec<Vec<u8>> = waiting
            .par_iter()
            .map_init(
                || compressor(prepared),
                |compressor, (_, block)| match compressor {
                    Ok(compressor) => compressor.compress(block),
                    Err(error) => Err(io::Error::other(error.to_string())),
                },
            )
            .collect::<io::Result<_>>()?;
        self.table.resize(self.started as usize, [0; BLOCK_ENTRY]);
        for ((number, raw), bytes) in waiting.iter().zip(&packed) {
            let mut entry = self.offset.to_le_bytes().to_vec();
            entry.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            entry.extend_from_slice(&(raw.len() as u32).to_le_bytes());
            entry.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
            if let (Some(place), Ok(entry)) = (self.table.get_mut(*number as usize), entry.try_into()) {
                *place = entry;
            }
            self.writer.write(bytes)?;
            self.offset += bytes.len() as u64;
        }
        Ok(())
    }
    /// Ends the file; `more` are records that this program does not know.
    pub(crate) fn finish(
        mut self,
        names: &[&str],
        items: &[Place],
        advisories: &[Place],
        more: &[u8],
        written: Written,
    ) -> io::Result<Written> {
        self.end_block(STATEMENTS)?;
        self.end_block(TEXTS)?;
        self.compress()?;
        let Self { mut writer, dictionary, table, .. } = self;
        let tails = tails(names);
        for (tag, bytes) in [
            (*b"BLOX", table.concat()),
            (*b"DICT", dictionary),
            (*b"ITEM", items.iter().flatten().flat_map(|number| number.to_le_bytes()).collect()),
            (*b"ADVI", advisories.iter().flatten().flat_map(|number| number.to_le_bytes()).collect()),
            (*b"KEYS", keys(names)?),
            (*b"TAIL", tails),
        ] {
            writer.begin(tag, Guard::Whole)?;
            writer.write(&bytes)?;
        }
        if !more.is_empty() {
            writer.begin(*b"MORE", Guard::Whole)?;
            writer.write(more)?;
        }
        let (_, sha256, bytes) = writer.finish()?;
        Ok(Written { sha256, bytes, ..written })
    }
}

/// Count, offsets, names.
fn keys(names: &[&str]) -> io::Result<Vec<u8>> {
    let mut bytes = (names.len() as u32).to_le_bytes().to_vec();
    let mut end = 0_u32;
    bytes.extend(end.to_le_bytes());
    for name in names {
        end = u32::try_from(name.len())
            .ok()
            .and_then(|length| end.checked_add(length))
            .ok_or_else(|| io::Error::other("the names of one shard take more than 4 GiB"))?;
        bytes.extend(end.to_le_bytes());
    }
    names.iter().for_each(|name| bytes.extend_from_slice(name.as_bytes()));
    Ok(bytes)
}

/// Numbers of names by last part; nothing when no name has parts.
fn tails(names: &[&str]) -> Vec<u8> {
    if names.iter().all(|name| last_part(name) == *name) {
        return Vec::new();
    }
    let mut numbers: Vec<(&str, u32)> =
        names.iter().zip(0..).map(|(name, number)| (last_part(name), number)).collect();
    numbers.sort_unstable();
    numbers.into_iter().flat_map(|(_, number)| number.to_le_bytes()).collect()
}
