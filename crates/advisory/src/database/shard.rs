//! One shard's file as a read-only look-up: names to items, items in compressed blocks.
//!
//! Layout: `database/mod.rs`. Nothing is parsed when a file is opened; every offset and length is
//! checked at each use, a table's checksum at its first, and a block's before it is decompressed.

use super::container::{Container, Kind, OpenError, Tag, slice, u32_at, u64_at};
use super::stored::{Malformed, decode_advisory, decode_enrichment, decode_package};
use crate::{LookupError, Record};
use seaworthy_types::{Affected, Enrichment};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};
use zstd::zstd_safe::{DCtx, DDict};

/// Largest block, decompressed: a false length cannot take more memory than this.
pub const BLOCK_BYTES_MAX: usize = 64 << 20;
/// Bytes of one entry of `BLOX`.
pub const BLOCK_ENTRY: usize = 20;
/// Bytes of one entry of `ITEM` and `ADVI`.
pub const PLACE_ENTRY: usize = 12;

/// Blocks that each thread keeps decompressed: packages of one system share many bulletins.
const CACHE_SLOTS: usize = 128;
/// Larger blocks are not kept.
const CACHED_BYTES_MAX: usize = 8 << 10;

thread_local! {
    static DECOMPRESSOR: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
    static CACHE: RefCell<Vec<Option<Block>>> = const { RefCell::new(Vec::new()) };
}

/// Tells opened shards apart in the caches.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// An opened shard.
pub struct Shard {
    name: String,
    container: Container,
    dictionary: Option<DDict<'static>>,
    keys: usize,
    number: u64,
}

/// A decompressed block of an opened shard.
#[derive(Clone)]
struct Block {
    shard: u64,
    number: u32,
    bytes: Rc<Vec<u8>>,
}

impl Shard {
    /// Opens a shard's file.
    pub fn open(path: &Path, length: u64, kind: Kind, name: &str) -> Result<Self, LookupError> {
        let container = Container::open(path, length, kind).map_err(|error| lookup_error(name, error))?;
        Self::new(container, name)
    }
    /// A shard out of an opened file.
    pub fn new(container: Container, name: &str) -> Result<Self, LookupError> {
        let section = |tag| container.section(tag).map_err(|damage| damaged(name, &damage.to_string()));
        let dictionary = Some(section(*b"DICT")?).filter(|bytes| !bytes.is_empty());
        let dictionary = dictionary.map(DDict::create);
        let keys = u32_at(section(*b"KEYS")?, 0).unwrap_or(0) as usize;
        let number = NEXT_NUMBER.fetch_add(1, AtomicOrdering::Relaxed);
        Ok(Self { name: name.to_owned(), container, dictionary, keys, number })
    }
    /// Number of names.
    pub fn name_count(&self) -> usize {
        self.keys
    }
    /// The name at a place of the sorted list.
    pub fn name(&self, index: usize) -> Result<&str, LookupError> {
        self.key(index).and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(|| self.damaged("its names"))
    }
    /// Records on a package whose word on it is wanted.
    pub fn records(
        &self,
        package: &str,
        wanted: &mut dyn FnMut(&Affected) -> bool,
    ) -> Result<Vec<Record>, LookupError> {
        let Some(index) = self.find(package)? else { return Ok(Vec::new()) };
        let mut block = None;
        let item = self.item(*b"ITEM", index, &mut block)?;
        let mut entries = Vec::new();
        let mut keep = |number: u32, affected: &Affected| {
            if wanted(affected) {
                entries.push((number, affected.clone()));
            }
        };
        decode_package(item, &self.name, package, &mut keep).map_err(|error| self.malformed(error))?;
        let mut records: Vec<Record> = Vec::with_capacity(entries.len());
        for (number, affected) in entries {
            // Several ranges of one advisory on one package stand next to each other.
            let item = self.item(*b"ADVI", number as usize, &mut block)?;
            let (vulnerabilities, advisory) = decode_advisory(item).map_err(|error| self.malformed(error))?;
            records.push(Record { advisory, affected, vulnerabilities });
        }
        Ok(records)
    }
    /// What is known of a vulnerability.
    pub fn enrichment(&self, id: &str) -> Result<Enrichment, LookupError> {
        let Some(index) = self.find(id)? else { return Ok(Enrichment::default()) };
        let mut block = None;
        let item = self.item(*b"ITEM", index, &mut block)?;
        decode_enrichment(item).map_err(|error| self.malformed(error))
    }
    /// Names whose last part is `last`.
    pub fn names_ending(&self, last: &str) -> Result<Vec<String>, LookupError> {
        let tails = self.section(*b"TAIL")?;
        if tails.is_empty() {
            // No name of this shard has parts.
            return Ok(self.find(last)?.map(|_| last.to_owned()).into_iter().collect());
        }
        let key_at = |at: usize| {
            let key = u32_at(tails, at.checked_mul(4)?)? as usize;
            self.key(key).and_then(|key| std::str::from_utf8(key).ok())
        };
        let failed = || self.damaged("its index of last parts");
        let (mut low, mut high) = (0, tails.len() / 4);
        while low < high {
            let middle = low + (high - low) / 2;
            match last_part(key_at(middle).ok_or_else(failed)?).cmp(last) {
                Ordering::Less => low = middle + 1,
                _ => high = middle,
            }
        }
        let mut names = Vec::new();
        for at in low..tails.len() / 4 {
            let name = key_at(at).ok_or_else(failed)?;
            if last_part(name) != last {
                break;
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }
    /// Number of advisories.
    pub fn advisory_count(&self) -> Result<usize, LookupError> {
        Ok(self.section(*b"ADVI")?.len() / PLACE_ENTRY)
    }
    /// The stored item of the name at a place of the sorted list.
    pub fn stored_item(&self, index: usize) -> Result<Vec<u8>, LookupError> {
        self.item(*b"ITEM", index, &mut None).map(<[u8]>::to_vec)
    }
    /// The stored advisory with a number.
    pub fn stored_advisory(&self, number: usize) -> Result<Vec<u8>, LookupError> {
        self.item(*b"ADVI", number, &mut None).map(<[u8]>::to_vec)
    }
    /// Records of kinds that this program does not know, in canonical form.
    pub fn more(&self) -> Result<&[u8], LookupError> {
        self.section(*b"MORE")
    }
    /// Reads everything; the first thing that is wrong is the error.
    pub fn verify(&self, kind: Kind) -> Result<(), LookupError> {
        self.container.check().map_err(|damage| self.damaged(&damage.to_string()))?;
        let mut last: Option<&str> = None;
        for index in 0..self.keys {
            let name = self.name(index)?;
            if last.is_some_and(|last| last >= name) {
                return Err(self.damaged("the order of its names"));
            }
            last = Some(name);
            match kind {
                Kind::Packages => drop(self.records(name, &mut |_| true)?),
                _ => drop(self.enrichment(name)?),
            }
        }
        Ok(())
    }

    fn key(&self, index: usize) -> Option<&[u8]> {
        let section = self.container.section(*b"KEYS").ok()?;
        if index >= self.keys {
            return None;
        }
        let offsets = index.checked_mul(4)?.checked_add(4)?;
        let start = u32_at(section, offsets)? as usize;
        let end = u32_at(section, offsets.checked_add(4)?)? as usize;
        let names = self.keys.checked_mul(4)?.checked_add(8)?;
        slice(section, names.checked_add(start)?, end.checked_sub(start)?)
    }
    fn find(&self, name: &str) -> Result<Option<usize>, LookupError> {
        let (mut low, mut high) = (0, self.keys);
        while low < high {
            let middle = low + (high - low) / 2;
            let key = self.key(middle).ok_or_else(|| self.damaged("its names"))?;
            match key.cmp(name.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }
    fn item<'b>(
        &self,
        table: [u8; 4],
        index: usize,
        block: &'b mut Option<Block>,
    ) -> Result<&'b [u8], LookupError> {
        let places = self.section(table)?;
        let place = index.checked_mul(PLACE_ENTRY).and_then(|at| slice(places, at, PLACE_ENTRY));
        let place = place.and_then(|p| Some((u32_at(p, 0)?, u32_at(p, 4)?, u32_at(p, 8)?)));
        let (number, start, length) = place.ok_or_else(|| self.damaged("its index of items"))?;
        let same = block.take().filter(|block| block.number == number);
        let found = match same {
            Some(found) => found,
            None => self.block(number)?,
        };
        let bytes = &block.insert(found).bytes;
        slice(bytes, start as usize, length as usize).ok_or_else(|| self.damaged("its index of items"))
    }
    /// A block, out of the thread's cache when it is there.
    fn block(&self, number: u32) -> Result<Block, LookupError> {
        let slot = (self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).wrapping_add(u64::from(number));
        let slot = slot as usize % CACHE_SLOTS;
        let is_it = |block: &&Block| block.shard == self.number && block.number == number;
        let cached = |slots: &Vec<Option<Block>>| slots.get(slot)?.as_ref().filter(is_it).cloned();
        if let Some(block) = CACHE.with_borrow(cached) {
            return Ok(block);
        }
        let mut bytes = Vec::new();
        self.decompress(number, &mut bytes)?;
        let block = Block { shard: self.number, number, bytes: Rc::new(bytes) };
        if block.bytes.len() <= CACHED_BYTES_MAX {
            CACHE.with_borrow_mut(|slots| {
                slots.resize(CACHE_SLOTS, None);
                if let Some(place) = slots.get_mut(slot) {
                    *place = Some(block.clone());
                }
            });
        }
        Ok(block)
    }
    fn decompress(&self, number: u32, output: &mut Vec<u8>) -> Result<(), LookupError> {
        let failed = || self.damaged(&format!("block {number}"));
        let table = self.section(*b"BLOX")?;
        let entry = (number as usize).checked_mul(BLOCK_ENTRY).and_then(|at| slice(table, at, BLOCK_ENTRY));
        let entry = entry.and_then(|e| Some((u64_at(e, 0)?, u32_at(e, 8)?, u32_at(e, 12)?, u32_at(e, 16)?)));
        let (offset, packed, raw, crc) = entry.ok_or_else(failed)?;
        let offset = usize::try_from(offset).map_err(|_| failed())?;
        let bytes = slice(self.section(*b"DATA")?, offset, packed as usize).ok_or_else(failed)?;
        if crc32fast::hash(bytes) != crc || raw as usize > BLOCK_BYTES_MAX {
            return Err(failed());
        }
        output.clear();
        output.reserve_exact(raw as usize);
        let done = DECOMPRESSOR.with_borrow_mut(|context| match &self.dictionary {
            Some(dictionary) => context.decompress_using_ddict(output, bytes, dictionary),
            None => context.decompress(output, bytes),
        });
        if done != Ok(raw as usize) || output.len() != raw as usize {
            return Err(failed());
        }
        Ok(())
    }
    fn section(&self, tag: Tag) -> Result<&[u8], LookupError> {
        self.container.section(tag).map_err(|damage| self.damaged(&damage.to_string()))
    }
    fn malformed(&self, _: Malformed) -> LookupError {
        self.damaged("a record that cannot be decoded")
    }
    fn damaged(&self, what: &str) -> LookupError {
        damaged(&self.name, what)
    }
}

/// An error of damaged data.
pub fn damaged(shard: &str, what: &str) -> LookupError {
    LookupError::Damaged { shard: shard.to_owned(), what: what.to_owned() }
}

/// The part of a name after its last `:` or `/`.
pub fn last_part(name: &str) -> &str {
    name.rsplit([':', '/']).next().unwrap_or(name)
}

/// An error of opening in the words of look-up.
pub fn lookup_error(shard: &str, error: OpenError) -> LookupError {
    let shard = shard.to_owned();
    match error {
        OpenError::Io(error) => LookupError::Unreadable { shard, source_text: error.to_string() },
        OpenError::Damaged(what) => LookupError::Damaged { shard, what },
    }
}
