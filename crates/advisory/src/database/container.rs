//! The file all shards share: named sections, each found through a table at the file's end.
//!
//! Layout (all numbers little-endian; specified in `database/mod.rs`): 16 bytes of head (magic,
//! format version, kind), sections, a table of 24 bytes for each section (tag, CRC32, offset,
//! length), 24 bytes of foot (offset of the table, count, CRC32 of the table, magic). The table
//! stands at the end so that a file is written and hashed in one stream.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

const MAGIC: &[u8; 8] = b"SEAWDB\r\n";
const END: &[u8; 8] = b"SEAWEND\n";
/// Version of the file format; raised only for changes that older programs would misread.
pub const VERSION: u32 = 1;
const SECTIONS_MAX: usize = 64;
/// A file above this size is never mapped.
const FILE_BYTES_MAX: u64 = 64 << 30;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Records by package.
    Packages = 1,
    /// Enrichments by vulnerability.
    Vulnerabilities = 2,
    /// EPSS by CVE.
    Epss = 3,
    /// Records of a kind of shard that this program does not know, kept for others.
    Other = 4,
}

/// Name of a section.
pub type Tag = [u8; 4];

/// How a section is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// One checksum, checked when the section is first used.
    Whole,
    /// The section's blocks have checksums of their own.
    Blocks,
}

#[derive(Debug)]
enum Bytes {
    Map(memmap2::Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// An opened file.
#[derive(Debug)]
pub struct Container {
    bytes: Bytes,
    sections: BTreeMap<Tag, Section>,
}

/// Where a section lies, and whether its bytes are those that were written.
#[derive(Debug)]
struct Section {
    range: Range<usize>,
    /// Zero stands for sections whose blocks are checked one by one.
    crc: u32,
    sound: OnceLock<bool>,
}

/// A section that fails its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionDamaged(pub Tag);

impl fmt::Display for SectionDamaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its section {}", self.0.escape_ascii())
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// The system says no.
    Io(io::Error),
    /// The file is not what was installed.
    Damaged(String),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn damaged<T>(what: &str) -> Result<T, OpenError> {
    Err(OpenError::Damaged(what.to_owned()))
}

/// Maps an installed file.
#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: a map is unsound when the file changes below it. Files that come here were opened from
    // the database folder only (`open`), are regular and without any write permission; they were
    // made under another name, made read-only, verified by SHA-256 and then renamed into place
    // (`install`), and are never written again: an update brings new names, removal leaves the
    // mapped inode whole. The bytes are only ever read as `u8` through bounds-checked slices and
    // each use is guarded by a checksum, so that a change by a privileged hand gives an error.
    unsafe { memmap2::Mmap::map(file) }
}

impl Container {
    /// Opens a file of the database folder; `length` is what the index says.
    pub fn open(path: &Path, length: u64, kind: Kind) -> Result<Self, OpenError> {
        if std::fs::symlink_metadata(path)?.file_type().is_symlink() {
            return damaged("the file is a link");
        }
        let mut file = File::open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() || facts.len() != length || length > FILE_BYTES_MAX {
            return damaged("the file's size is not the installed one");
        }
        let bytes = if facts.permissions().mode() & 0o222 == 0 {
            Bytes::Map(map(&file)?)
        } else {
            // File systems without permissions: a file that others could change is read instead.
            let mut bytes = Vec::new();
            (&mut file).take(length).read_to_end(&mut bytes)?;
            Bytes::Owned(bytes)
        };
        Self::parse(bytes, kind)
    }

    /// A file that lies in memory: for tests and fuzzing.
    pub fn from_bytes(bytes: Vec<u8>, kind: Kind) -> Result<Self, OpenError> {
        Self::parse(Bytes::Owned(bytes), kind)
    }

    fn parse(bytes: Bytes, kind: Kind) -> Result<Self, OpenError> {
        let all = bytes.get();
        let Some(foot) = all.len().checked_sub(24).and_then(|at| all.get(at..)) else {
            return damaged("the file is cut short");
        };
        if all.get(..8) != Some(MAGIC) || foot.get(16..) != Some(END) {
            return damaged("the file is not a data file");
        }
        if u32_at(all, 8) != Some(VERSION) {
            return damaged("the file was made by another version of the program");
        }
        if u32_at(all, 12) != Some(kind as u32) {
            return damaged("the file holds other data than the index says");
        }
        let (table, count, crc) = (u64_at(foot, 0), u32_at(foot, 8), u32_at(foot, 12));
        let count = count.unwrap_or(u32::MAX) as usize;
        let start = table.and_then(|at| usize::try_from(at).ok());
        let table = start.filter(|_| count <= SECTIONS_MAX).and_then(|at| slice(all, at, count * 24));
        let Some(table) = table else { return damaged("the table of sections lies outside the file") };
        if Some(crc32fast::hash(table)) != crc {
            return damaged("the table of sections fails its checksum");
        }
        let mut sections = BTreeMap::new();
        for entry in table.chunks_exact(24) {
            let (tag, section) = section(all, entry)?;
            sections.insert(tag, section);
        }
        Ok(Self { bytes, sections })
    }

    /// The bytes of a section; empty when the file has none of that name. The first use checks them.
    pub fn section(&self, tag: Tag) -> Result<&[u8], SectionDamaged> {
        let Some(section) = self.sections.get(&tag) else { return Ok(&[]) };
        let bytes = self.bytes.get().get(section.range.clone()).ok_or(SectionDamaged(tag))?;
        let check = || section.crc == 0 || section.crc == checksum(bytes);
        section.sound.get_or_init(check).then_some(bytes).ok_or(SectionDamaged(tag))
    }
    /// Checks every section that has a checksum of its own.
    pub fn check(&self) -> Result<(), SectionDamaged> {
        self.sections.keys().try_for_each(|tag| self.section(*tag).map(drop))
    }
}

/// Reads one entry of the table.
fn section(all: &[u8], entry: &[u8]) -> Result<(Tag, Section), OpenError> {
    let tag: Option<Tag> = entry.get(..4).and_then(|tag| tag.try_into().ok());
    let place = (u32_at(entry, 4), u64_at(entry, 8), u64_at(entry, 16));
    let (Some(tag), (Some(crc), Some(offset), Some(length))) = (tag, place) else {
        return damaged("the table of sections is cut short");
    };
    let bounds = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
    let range = bounds.and_then(|(at, length)| Some(at..at.checked_add(length)?));
    let Some(range) = range.filter(|range| range.end <= all.len()) else {
        return damaged("a section lies outside the file");
    };
    Ok((tag, Section { range, crc, sound: OnceLock::new() }))
}

/// CRC32 of a whole section; never zero, which means "checked by blocks".
fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes).max(1)
}

/// `length` bytes from `at`, if they are there.
pub fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// The number at a byte offset.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    slice(bytes, at, 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The number at a byte offset.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    slice(bytes, at, 8)?.try_into().ok().map(u64::from_le_bytes)
}

/// Writes a file in one stream and hashes it on the way.
pub struct Writer<W: Write> {
    output: W,
    hash: Sha256,
    at: u64,
    table: Vec<u8>,
    open: Option<(Tag, Guard, u64, crc32fast::Hasher)>,
}

impl<W: Write> Writer<W> {
    /// Starts a file.
    pub fn new(output: W, kind: Kind) -> io::Result<Self> {
        let mut writer = Self { output, hash: Sha256::new(), at: 0, table: Vec::new(), open: None };
        writer.put(MAGIC)?;
        writer.put(&VERSION.to_le_bytes())?;
        writer.put(&(kind as u32).to_le_bytes())?;
        Ok(writer)
    }
    /// Starts a section; the one before it ends.
    pub fn begin(&mut self, tag: Tag, guard: Guard) -> io::Result<()> {
        self.end();
        let gap = [0; 8];
        let fill = (8 - self.at % 8) % 8;
        self.put(gap.get(..fill as usize).unwrap_or_default())?;
        self.open = Some((tag, guard, self.at, crc32fast::Hasher::new()));
        Ok(())
    }
    /// Adds bytes to the section.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some((_, Guard::Whole, _, crc)) = &mut self.open {
            crc.update(bytes);
        }
        self.put(bytes)
    }
    /// Ends the file: its SHA-256 in hex and its length.
    pub fn finish(mut self) -> io::Result<(W, String, u64)> {
        self.end();
        let table = std::mem::take(&mut self.table);
        let at = self.at;
        self.put(&table)?;
        self.put(&at.to_le_bytes())?;
        self.put(&((table.len() / 24) as u32).to_le_bytes())?;
        self.put(&crc32fast::hash(&table).to_le_bytes())?;
        self.put(END)?;
        self.output.flush()?;
        Ok((self.output, hex(&self.hash.finalize()), self.at))
    }
    fn end(&mut self) {
        let Some((tag, guard, start, crc)) = self.open.take() else { return };
        let crc = match guard {
            Guard::Whole => crc.finalize().max(1),
            Guard::Blocks => 0,
        };
        self.table.extend_from_slice(&tag);
        self.table.extend_from_slice(&crc.to_le_bytes());
        self.table.extend_from_slice(&start.to_le_bytes());
        self.table.extend_from_slice(&(self.at - start).to_le_bytes());
    }
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// SHA-256 of a file, in hex.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), Kind::Packages).expect("memory");
        writer.begin(*b"ABCD", Guard::Whole).expect("memory");
        writer.write(b"hello").expect("memory");
        writer.begin(*b"DATA", Guard::Blocks).expect("memory");
        writer.write(b"blocks").expect("memory");
        writer.finish().expect("memory").0
    }

    #[test]
    fn sections_come_back() {
        let container = Container::from_bytes(sample(), Kind::Packages).expect("sound");
        assert_eq!(container.section(*b"ABCD"), Ok(b"hello".as_slice()));
        assert_eq!(container.section(*b"DATA"), Ok(b"blocks".as_slice()));
        assert_eq!(container.section(*b"NONE"), Ok(b"".as_slice()));
        assert!(Container::from_bytes(sample(), Kind::Epss).is_err());
    }

    #[test]
    fn each_changed_byte_outside_blocks_and_padding_is_seen() {
        let good = sample();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let padding = (21..24).contains(&at) || (24..30).contains(&at);
            let opened = Container::from_bytes(bad, Kind::Packages);
            assert_eq!(opened.is_ok_and(|it| it.check().is_ok()), padding, "byte {at}");
        }
        for length in 0..good.len() {
            assert!(
                Container::from_bytes(good[..length].to_vec(), Kind::Packages).is_err(),
                "cut at {length}"
            );
        }
    }
}
