//! Numbers in bytes, and the bytes of one volume: bounded reads with a page cache for what is small and
//! a budget for all of them together. Knows no format.

use crate::reread::budget_spent;
use crate::source::read_full;
use crate::{Error, Source};
use seaworthy_types::Limits;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of one cached page: an inode table is read in pieces of this size.
const PAGE_BYTES: usize = 16 << 10;
/// Pages kept for each volume.
const PAGES: usize = 256;

/// An error that says what is wrong with the bytes.
pub(crate) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// An error that says what this program cannot read.
pub(crate) fn unsupported(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what.into())
}

/// Numbers at places of a record; what lies outside is an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// `count` bytes at `at`.
    pub fn bytes(self, at: usize, count: usize) -> io::Result<&'a [u8]> {
        let end = at.checked_add(count).ok_or_else(cut)?;
        self.0.get(at..end).ok_or_else(cut)
    }
    fn array<const N: usize>(self, at: usize) -> io::Result<[u8; N]> {
        self.0.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or_else(cut)
    }
    /// A byte.
    pub fn byte(self, at: usize) -> io::Result<u8> {
        self.0.get(at).copied().ok_or_else(cut)
    }
    /// A little-endian number of two bytes.
    pub fn le16(self, at: usize) -> io::Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }
    /// A little-endian number of four bytes.
    pub fn le32(self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }
    /// A little-endian number of eight bytes.
    pub fn le64(self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
    /// A big-endian number of two bytes.
    pub fn be16(self, at: usize) -> io::Result<u16> {
        self.array(at).map(u16::from_be_bytes)
    }
    /// A big-endian number of four bytes.
    pub fn be32(self, at: usize) -> io::Result<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
    /// A big-endian number of eight bytes.
    pub fn be64(self, at: usize) -> io::Result<u64> {
        self.array(at).map(u64::from_be_bytes)
    }
    /// Text up to the first zero byte.
    pub fn text(self, at: usize, count: usize) -> io::Result<String> {
        let bytes = self.bytes(at, count)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned())
    }
    /// Sixteen bytes as a UUID is written.
    pub fn uuid(self, at: usize) -> io::Result<String> {
        let hex: String = self.bytes(at, 16)?.iter().map(|byte| format!("{byte:02x}")).collect();
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
    }
}

fn cut() -> io::Error {
    damaged("a record ends before it should")
}

/// What all reads of one disk may cost together, so that small disks that describe much cost little.
#[derive(Debug)]
pub(crate) struct Work {
    left: AtomicU64,
    most: u64,
}

impl Work {
    /// One pass over what the disk may hold, given the bytes it is stored in, and what any layer may cost
    /// besides.
    pub fn new(virtual_bytes: u64, stored_bytes: u64, limits: &Limits) -> Self {
        let fair = virtual_bytes
            .min(stored_bytes.saturating_mul(limits.inflate_ratio_max))
            .min(limits.layer_bytes_max);
        let most = fair.saturating_add(limits.inflate_excess_bytes_max);
        Self { left: AtomicU64::new(most), most }
    }
    /// For reads that others pay for.
    pub fn endless() -> Self {
        Self { left: AtomicU64::new(u64::MAX), most: u64::MAX }
    }
    /// Takes `bytes` from what is left.
    pub fn spend(&self, bytes: u64) -> io::Result<()> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            if left == 0 { None } else { Some(left.saturating_sub(bytes)) }
        });
        spent.map(|_| ()).map_err(|_| budget_spent("the disk describes more bytes than it may"))
    }
    /// An error when nothing is left.
    pub fn check(&self) -> Result<(), Error> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(Error::limit("the disk", "inflate_excess_bytes_max", self.most)),
            _ => Ok(()),
        }
    }
}

/// The bytes of one volume of a disk.
pub(crate) struct Volume {
    source: Arc<dyn Source>,
    start: u64,
    len: u64,
    work: Arc<Work>,
    pages: Mutex<Vec<Page>>,
}

#[derive(Default)]
struct Page {
    /// Number of the page plus one; 0 for none.
    tag: u64,
    bytes: Vec<u8>,
}

impl Volume {
    /// The `len` bytes from `start`.
    pub fn new(source: Arc<dyn Source>, start: u64, len: u64, work: Arc<Work>) -> Self {
        let len = len.min(source.len().saturating_sub(start));
        Self { source, start, len, work, pages: Mutex::default() }
    }
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// The same bytes, seen through another source of the same length.
    pub fn through(self, change: impl FnOnce(Arc<dyn Source>) -> Arc<dyn Source>) -> Self {
        let part = Part { source: self.source, start: self.start, len: self.len };
        Self::new(change(Arc::new(part)), 0, self.len, self.work)
    }
    /// Pays for bytes that come from nowhere, as those of a hole.
    pub fn pay(&self, bytes: usize) -> io::Result<()> {
        self.work.spend(bytes as u64)
    }
    /// Fills `buffer` from `offset` or fails.
    pub fn exact(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.work.spend(buffer.len() as u64)?;
        match self.within(offset, buffer)? {
            count if count == buffer.len() => Ok(()),
            _ => Err(damaged("it points beyond the end of the disk")),
        }
    }
    /// The same for what is small and near what was read before.
    pub fn small(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            let count = self.page(at, rest)?;
            if count == 0 {
                return Err(damaged("it points beyond the end of the disk"));
            }
            done += count;
        }
        self.work.spend(buffer.len() as u64 / 4)
    }
    /// `count` bytes from `offset`, small.
    pub fn take(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.small(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn within(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let part = buffer.get_mut(..length).unwrap_or_default();
        read_full(&*self.source, self.start.saturating_add(offset), part)
    }

    fn page(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let number = at / PAGE_BYTES as u64;
        let slot = usize::try_from(number % PAGES as u64).unwrap_or(0);
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.is_empty() {
            pages.resize_with(PAGES, Page::default);
        }
        let Some(page) = pages.get_mut(slot) else { return Ok(0) };
        if page.tag != number + 1 {
            page.tag = 0;
            page.bytes.resize(PAGE_BYTES, 0);
            self.work.spend(PAGE_BYTES as u64)?;
            let count = self.within(number * PAGE_BYTES as u64, &mut page.bytes)?;
            page.bytes.truncate(count);
            page.tag = number + 1;
        }
        let inside = usize::try_from(at % PAGE_BYTES as u64).unwrap_or(0);
        let rest = page.bytes.get(inside..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// A part of a source.
struct Part {
    source: Arc<dyn Source>,
    start: u64,
    len: u64,
}

impl Source for Part {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.source.read_at(self.start.saturating_add(offset), part)
    }
    fn len(&self) -> u64 {
        self.len
    }
}

const CASTAGNOLI: [[u32; 256]; 4] = castagnoli();

const fn castagnoli() -> [[u32; 256]; 4] {
    let mut tables = [[0u32; 256]; 4];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    index = 0;
    while index < 256 {
        let mut table = 1;
        while table < 4 {
            let before = tables[table - 1][index];
            tables[table][index] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            table += 1;
        }
        index += 1;
    }
    tables
}

/// CRC-32C (Castagnoli) carried on from `seed`, without inversion at either end, as ext4 and XFS take it.
pub(crate) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    let table = |which: usize, byte: u32| CASTAGNOLI[which][(byte & 0xff) as usize];
    let (words, rest) = bytes.as_chunks::<4>();
    let mut crc = seed;
    for word in words {
        let value = crc ^ u32::from_le_bytes(*word);
        crc = table(3, value) ^ table(2, value >> 8) ^ table(1, value >> 16) ^ table(0, value >> 24);
    }
    for byte in rest {
        crc = (crc >> 8) ^ table(0, crc ^ u32::from(*byte));
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    #[test]
    fn castagnoli_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn reads_end_where_the_volume_ends() {
        let bytes: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
        let limits = Limits::default();
        let work = Arc::new(Work::new(100_000, 100_000, &limits));
        let volume = Volume::new(Arc::new(MemorySource(bytes.clone())), 10, 90_000, work);
        let mut buffer = [0; 20_000];
        for offset in [0u64, 1, 16_380, 70_000] {
            volume.small(offset, &mut buffer).expect("inside");
            assert_eq!(buffer[..], bytes[offset as usize + 10..][..20_000]);
            volume.exact(offset, &mut buffer).expect("inside");
            assert_eq!(buffer[..], bytes[offset as usize + 10..][..20_000]);
        }
        for offset in [70_001, 90_000, u64::MAX] {
            assert!(volume.small(offset, &mut buffer).is_err());
            assert!(volume.exact(offset, &mut buffer).is_err());
        }
    }

    #[test]
    fn work_ends() {
        let limits = Limits { inflate_excess_bytes_max: 10, ..Limits::default() };
        let work = Work::new(u64::MAX, 1, &limits);
        assert!(work.check().is_ok());
        for _ in 0..21 {
            work.spend(10).expect("left");
        }
        assert!(crate::is_budget(&work.spend(10).expect_err("spent")));
        assert!(work.check().is_err());
    }
}
