//! Zip archives by their central directory, on content of any size.
//!
//! Format: PKWARE APPNOTE.TXT 6.3.x, sections 4.3 and 4.5.3 (zip64). The directory is read in one
//! piece and walked without copying; archives with something before them (self-extracting, Spring
//! Boot's shell script) and with a comment behind are found. Reads stored and deflated entries. Does
//! not read split archives, encrypted entries or other methods: the caller is told.

use flate2::{Decompress, FlushDecompress, Status};
use seaworthy_image::Content;
use std::borrow::Cow;
use std::io;

const END_BYTES: usize = 22;
const LOCATOR_BYTES: u64 = 20;
const END64_BYTES: usize = 56;
const HEADER_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

/// Why an archive or entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes could not be read.
    #[error("cannot read the archive: {0}")]
    Read(#[from] io::Error),
    /// No end record: no zip archive, or cut off.
    #[error("it is no zip archive or its end is missing")]
    NoEnd,
    /// A record contradicts the file.
    #[error("the archive's {0} is damaged")]
    Damaged(&'static str),
    /// Larger than the caller wants.
    #[error("{0} exceeds the limit of {1} bytes")]
    TooLarge(&'static str, u64),
    /// Encrypted entry.
    #[error("it is encrypted")]
    Encrypted,
    /// Neither stored nor deflated.
    #[error("its compression method {0} is not supported")]
    Method(u16),
}

/// An archive whose directory was read.
pub struct Archive<'a> {
    content: Content<'a>,
    directory: Cow<'a, [u8]>,
    /// Bytes before the archive proper: offsets count from there.
    base: u64,
    /// Entries as the end record counts them.
    pub entries_declared: u64,
}

/// One entry of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'d> {
    /// Name as stored, in whatever encoding.
    pub name: &'d [u8],
    /// Bytes when unpacked, as declared.
    pub size: u64,
    /// Bytes in the archive.
    pub compressed_size: u64,
    /// Where its local header lies, from the start of the file.
    pub offset: u64,
    method: u16,
    encrypted: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// What an end record says.
struct End {
    /// Where the record itself starts.
    at: u64,
    entries: u64,
    size: u64,
    offset: u64,
}

impl<'a> Archive<'a> {
    /// Finds and reads the directory, of at most `directory_bytes_max` when it must be copied.
    pub fn open(content: Content<'a>, directory_bytes_max: u64) -> Result<Self, Error> {
        let end = find_end(content)?;
        let start = end.at.checked_sub(end.size).ok_or(Error::Damaged("directory"))?;
        let copied = matches!(content, Content::Large(_));
        if copied && end.size > directory_bytes_max {
            return Err(Error::TooLarge("its directory", directory_bytes_max));
        }
        let size = usize::try_from(end.size).map_err(|_| Error::Damaged("directory"))?;
        let read = |start: u64| -> Result<Option<Cow<'a, [u8]>>, Error> {
            let directory = content.range(start, size)?;
            let sound = directory.len() == size && (size == 0 || directory.starts_with(b"PK\x01\x02"));
            Ok(sound.then_some(directory))
        };
        // Normally it ends where the end record starts, whatever stands before the archive.
        if let Some(directory) = read(start)? {
            let base = start.checked_sub(end.offset).ok_or(Error::Damaged("directory"))?;
            return Ok(Self { content, directory, base, entries_declared: end.entries });
        }
        let directory = read(end.offset)?.ok_or(Error::Damaged("directory"))?;
        Ok(Self { content, directory, base: 0, entries_declared: end.entries })
    }

    /// The entries in the order of the directory. Ends early where it is damaged: compare the count
    /// with `entries_declared`.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest: &[u8] = &self.directory;
        let base = self.base;
        std::iter::from_fn(move || {
            let (entry, tail) = parse_header(rest, base)?;
            rest = tail;
            Some(entry)
        })
    }

    /// The file it was read from.
    pub fn content(&self) -> Content<'a> {
        self.content
    }

    /// The bytes of an entry as they are stored, without copying where that is possible.
    fn stored(&self, entry: &Entry<'_>) -> Result<Cow<'a, [u8]>, Error> {
        let damaged = || Error::Damaged("local header");
        let size = usize::try_from(entry.compressed_size).map_err(|_| damaged())?;
        // The local extra field may differ from the directory's: read a little more than needed.
        let guess = LOCAL_BYTES + entry.name.len() + 64;
        let piece = self.content.range(entry.offset, guess.saturating_add(size))?;
        let start = data_start(&piece).ok_or_else(damaged)?;
        let end = start.checked_add(size).ok_or_else(damaged)?;
        match piece {
            Cow::Borrowed(bytes) if end <= bytes.len() => {
                bytes.get(start..end).map(Cow::Borrowed).ok_or_else(damaged)
            }
            Cow::Owned(mut bytes) if end <= bytes.len() => {
                bytes.truncate(end);
                bytes.drain(..start);
                Ok(Cow::Owned(bytes))
            }
            _ => {
                let bytes = self.content.range(entry.offset.saturating_add(start as u64), size)?;
                if bytes.len() < size { Err(Error::Damaged("entry")) } else { Ok(bytes) }
            }
        }
    }

    /// Where the bytes of a stored entry lie in the file; `None` when it is compressed.
    pub fn window(&self, entry: &Entry<'_>) -> Result<Option<(u64, u64)>, Error> {
        if entry.encrypted || entry.method != 0 {
            return Ok(None);
        }
        let header = self.content.range(entry.offset, LOCAL_BYTES)?;
        let start = data_start(&header).ok_or(Error::Damaged("local header"))? as u64;
        Ok(Some((entry.offset.saturating_add(start), entry.compressed_size)))
    }

    /// The content of an entry, if it has at most `bytes_max`.
    pub fn read(
        &self,
        entry: &Entry<'_>,
        bytes_max: u64,
        inflater: &mut Inflater,
    ) -> Result<Cow<'a, [u8]>, Error> {
        match self.read_start(entry, bytes_max, inflater)? {
            (bytes, true) => Ok(bytes),
            (_, false) => Err(Error::TooLarge("it", bytes_max)),
        }
    }

    /// The first `bytes_max` bytes of an entry, and whether that is all of it.
    pub fn read_start(
        &self,
        entry: &Entry<'_>,
        bytes_max: u64,
        inflater: &mut Inflater,
    ) -> Result<(Cow<'a, [u8]>, bool), Error> {
        if entry.encrypted {
            return Err(Error::Encrypted);
        }
        if !matches!(entry.method, 0 | 8) {
            return Err(Error::Method(entry.method));
        }
        let all = entry.method != 0 || entry.compressed_size <= bytes_max;
        // Deflate never makes data much larger: what is longer cannot become short enough.
        let stored_max =
            if entry.method == 0 { bytes_max } else { bytes_max.saturating_add(bytes_max / 8 + (64 << 10)) };
        let part = Entry { compressed_size: entry.compressed_size.min(stored_max), ..*entry };
        let stored = self.stored(&part)?;
        if entry.method == 0 {
            return Ok((stored, all));
        }
        let expected = usize::try_from(entry.size.min(bytes_max)).unwrap_or(usize::MAX);
        let (bytes, all) = inflater.inflate(&stored, expected, bytes_max)?;
        Ok((Cow::Owned(bytes), all && part.compressed_size == entry.compressed_size))
    }
}

fn parse_header(rest: &[u8], base: u64) -> Option<(Entry<'_>, &[u8])> {
    if !rest.starts_with(b"PK\x01\x02") {
        return None;
    }
    let (flags, method) = (u16_at(rest, 8)?, u16_at(rest, 10)?);
    let (compressed, plain) = (u32_at(rest, 20)?, u32_at(rest, 24)?);
    let lengths = [u16_at(rest, 28)?, u16_at(rest, 30)?, u16_at(rest, 32)?].map(usize::from);
    let offset = u32_at(rest, 42)?;
    let (name, tail) = rest.get(HEADER_BYTES..)?.split_at_checked(lengths[0])?;
    let (mut extra, tail) = tail.split_at_checked(lengths[1])?;
    let tail = tail.get(lengths[2]..)?;
    let mut entry = Entry {
        name,
        size: u64::from(plain),
        compressed_size: u64::from(compressed),
        offset: u64::from(offset),
        method,
        encrypted: flags & 1 != 0,
    };
    if plain == u32::MAX || compressed == u32::MAX || offset == u32::MAX {
        while let (Some(kind), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some(field) = extra.get(4..4 + usize::from(length)) else { break };
            if kind == 1 {
                let mut at = 0;
                for (small, wide) in [
                    (plain, &mut entry.size),
                    (compressed, &mut entry.compressed_size),
                    (offset, &mut entry.offset),
                ] {
                    if small == u32::MAX {
                        *wide = u64_at(field, at).unwrap_or(*wide);
                        at += 8;
                    }
                }
                break;
            }
            extra = extra.get(4 + usize::from(length)..)?;
        }
    }
    entry.offset = entry.offset.saturating_add(base);
    Some((entry, tail))
}

/// Length of a local header, if there is one at the start.
fn data_start(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    Some(LOCAL_BYTES + usize::from(u16_at(bytes, 26)?) + usize::from(u16_at(bytes, 28)?))
}

fn find_end(content: Content<'_>) -> Result<End, Error> {
    let length = content.len();
    // Most archives have no comment: one small read finds the end.
    for tail_bytes in [4_096u64, 0xffff + END_BYTES as u64 + LOCATOR_BYTES] {
        let start = length.saturating_sub(tail_bytes);
        let tail = content.range(start, tail_bytes as usize)?;
        let fits = |at: &usize| {
            let comment = u16_at(&tail, at + 20).map(usize::from);
            comment.is_some_and(|comment| at + END_BYTES + comment <= tail.len())
        };
        // The last one that fits; one whose comment ends exactly with the file comes first.
        let mut candidates = memchr::memmem::rfind_iter(&tail, b"PK\x05\x06").filter(fits);
        let exact = |at: &usize| u16_at(&tail, at + 20).map(usize::from) == Some(tail.len() - at - END_BYTES);
        let last = candidates.next();
        let found = last.filter(|at| exact(at)).or_else(|| candidates.find(|at| exact(at))).or(last);
        if let Some(at) = found {
            return parse_end(content, tail.get(at..).unwrap_or_default(), start + at as u64);
        }
        if start == 0 {
            break;
        }
    }
    Err(Error::NoEnd)
}

fn parse_end(content: Content<'_>, record: &[u8], at: u64) -> Result<End, Error> {
    let damaged = || Error::Damaged("end record");
    let entries = u64::from(u16_at(record, 10).ok_or_else(damaged)?);
    let size = u64::from(u32_at(record, 12).ok_or_else(damaged)?);
    let offset = u64::from(u32_at(record, 16).ok_or_else(damaged)?);
    let end = End { at, entries, size, offset };
    let wide = entries == 0xffff || size == u64::from(u32::MAX) || offset == u64::from(u32::MAX);
    let Some(locator_at) = at.checked_sub(LOCATOR_BYTES).filter(|_| wide) else { return Ok(end) };
    let locator = content.range(locator_at, LOCATOR_BYTES as usize)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(end);
    }
    let declared = u64_at(&locator, 8).ok_or_else(damaged)?;
    // Something before the archive moves the record: it normally stands right before its locator.
    for at in [locator_at.checked_sub(END64_BYTES as u64), Some(declared)].into_iter().flatten() {
        let record = content.range(at, END64_BYTES)?;
        let fields = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
        if let ([b'P', b'K', 6, 6, ..], (Some(entries), Some(size), Some(offset))) = (&*record, fields) {
            return Ok(End { at, entries, size, offset });
        }
    }
    Err(Error::Damaged("zip64 end record"))
}

/// Reusable state for unpacking, with a budget over everything it unpacks.
pub struct Inflater {
    state: Decompress,
    /// Bytes that may still come out.
    pub budget: u64,
}

impl Inflater {
    /// At most `budget` bytes will come out over its life.
    pub fn new(budget: u64) -> Self {
        Self { state: Decompress::new(false), budget }
    }

    fn inflate(
        &mut self,
        compressed: &[u8],
        expected: usize,
        bytes_max: u64,
    ) -> Result<(Vec<u8>, bool), Error> {
        let cap = usize::try_from(bytes_max.min(self.budget)).unwrap_or(usize::MAX);
        if cap == 0 {
            return Err(Error::TooLarge("all that was unpacked", 0));
        }
        self.state.reset(false);
        // The declared size may lie: it only sizes the first piece.
        let mut out = Vec::with_capacity(expected.min(cap).min(1 << 20));
        loop {
            let rest = compressed.get(self.state.total_in() as usize..).unwrap_or_default();
            let before = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress_vec(rest, &mut out, FlushDecompress::None)
                .map_err(|_| Error::Damaged("compressed entry"))?;
            if status == Status::StreamEnd {
                self.budget = self.budget.saturating_sub(out.len() as u64);
                let all = out.len() <= cap;
                out.truncate(cap);
                return Ok((out, all));
            }
            if out.len() > cap {
                self.budget = self.budget.saturating_sub(out.len() as u64);
                out.truncate(cap);
                return Ok((out, false));
            }
            let stuck = before == (self.state.total_in(), self.state.total_out());
            if stuck && out.len() < out.capacity() {
                return Err(Error::Damaged("compressed entry"));
            }
            if out.len() == out.capacity() {
                // One byte more than the cap tells "exactly full" from "too large".
                let grow = out.len().clamp(4 << 10, 4 << 20).min(cap - out.len() + 1);
                out.reserve_exact(grow);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAR: &[u8] = include_bytes!("../cases/java-archive/normal-nested/input/srv/shop.jar");
    const WIDE: &[u8] = include_bytes!("../cases/java-archive/normal-zip64/input/opt/wide-1.0.jar");

    type Named = (String, Result<Vec<u8>, String>);

    /// Every entry's content, or why not.
    fn all(bytes: &[u8]) -> Result<Vec<Named>, Error> {
        let archive = Archive::open(Content::Whole(bytes), 1 << 20)?;
        let mut inflater = Inflater::new(1 << 20);
        let read = |entry: Entry<'_>| {
            let content = archive.read(&entry, 1 << 16, &mut inflater);
            let content = content.map(Cow::into_owned).map_err(|error| error.to_string());
            (String::from_utf8_lossy(entry.name).into_owned(), content)
        };
        Ok(archive.entries().map(read).collect())
    }

    #[test]
    fn something_before_and_a_comment_behind_do_not_matter() {
        let read = all(JAR).expect("archive");
        assert!(read.len() > 4 && read.iter().all(|(_, content)| content.is_ok()), "{read:?}");
        let manifest = read.iter().find(|(name, _)| name == "META-INF/MANIFEST.MF").expect("manifest");
        assert!(manifest.1.as_ref().expect("content").starts_with(b"Manifest-Version: 1.0"));
        for before in [1, 100, 5_000] {
            let moved = [vec![b'#'; before], JAR.to_vec()].concat();
            assert_eq!(all(&moved).expect("archive"), read, "{before} bytes before");
            let moved = [vec![b'#'; before], WIDE.to_vec()].concat();
            assert_eq!(all(&moved).expect("zip64 archive"), all(WIDE).expect("zip64 archive"));
        }
        // Bytes behind that no comment length covers, with the mark of an end record among them.
        let behind = [JAR, b"PK\x05\x06 and more"].concat();
        assert_eq!(all(&behind).expect("archive"), read);
    }

    #[test]
    fn limits_hold() {
        let archive = Archive::open(Content::Whole(JAR), 0).expect("nothing is copied");
        let entry = archive.entries().find(|entry| entry.name.ends_with(b"MANIFEST.MF")).expect("manifest");
        let size = entry.size;
        let read = |bytes_max: u64, budget: u64| {
            archive
                .read_start(&entry, bytes_max, &mut Inflater::new(budget))
                .map(|(b, all)| (b.len() as u64, all))
        };
        assert_eq!(read(size, size).expect("exactly"), (size, true));
        assert_eq!(read(size - 1, 1 << 20).expect("start"), (size - 1, false));
        assert_eq!(read(1 << 20, size - 1).expect("start"), (size - 1, false));
        assert!(read(1 << 20, 0).is_err());
        let lying = Entry { size: 3, ..entry };
        let whole = archive.read(&lying, 1 << 20, &mut Inflater::new(1 << 20)).expect("declared size lies");
        assert_eq!(whole.len() as u64, size);
    }

    #[test]
    fn any_cut_and_any_flip_is_survived() {
        for sound in [JAR, WIDE] {
            for end in 0..sound.len() {
                let _ = all(&sound[..end]);
            }
            let mut bytes = sound.to_vec();
            for at in 0..bytes.len() {
                for mask in [0xff, 0x01, 0x80] {
                    bytes[at] ^= mask;
                    let _ = all(&bytes);
                    bytes[at] ^= mask;
                }
            }
        }
    }
}
