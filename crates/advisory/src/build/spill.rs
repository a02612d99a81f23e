//! Records of one shard on their way into its file: bytes in a bounded buffer and then in a temporary
//! file, and a small index of them in memory.

use super::alias::RecordIds;
use super::intern::Interner;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Where bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    length: u32,
}

impl Place {
    /// Sorts by arrival.
    pub fn order(self) -> u64 {
        self.offset
    }
}

/// One advisory in a shard.
#[derive(Debug, Clone, Copy)]
pub struct RecordEntry {
    /// Its ids in the alias graph.
    pub ids: RecordIds,
    /// Number of its source in the builder's list.
    pub source: u32,
    /// Last change, or the smallest number.
    pub modified: i64,
    /// Its text.
    pub place: Place,
}

/// One package of an advisory.
#[derive(Debug, Clone, Copy)]
pub struct AffectedEntry {
    /// Number of the package's name.
    pub package: u32,
    /// Number of the advisory in `records`.
    pub record: u32,
    /// What is said of it.
    pub place: Place,
}

/// Everything of one shard.
pub struct Spill {
    path: PathBuf,
    buffer: Vec<u8>,
    flushed: u64,
    /// Package names or vulnerability ids.
    pub names: Interner,
    /// Advisories in order of arrival.
    pub records: Vec<RecordEntry>,
    /// Packages of advisories in order of arrival.
    pub affected: Vec<AffectedEntry>,
    /// Newest change of a record, in seconds.
    pub newest: Option<i64>,
    /// Numbers of the files that records came from.
    pub files: BTreeSet<u32>,
}

impl Spill {
    /// Nothing yet; `path` is made only when the buffer does not suffice.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            buffer: Vec::new(),
            flushed: 0,
            names: Interner::default(),
            records: Vec::new(),
            affected: Vec::new(),
            newest: None,
            files: BTreeSet::new(),
        }
    }
    /// Keeps bytes; `None` when they are too many.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Place> {
        let length = u32::try_from(bytes.len()).ok()?;
        let offset = self.flushed + self.buffer.len() as u64;
        self.buffer.extend_from_slice(bytes);
        Some(Place { offset, length })
    }
    /// Bytes held in memory.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
    /// Moves the buffer to the temporary file.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer = Vec::new();
        Ok(())
    }
    /// Ends writing: bytes can be read from now on.
    pub fn seal(self) -> io::Result<Sealed> {
        let file = if self.flushed > 0 { Some(File::open(&self.path)?) } else { None };
        Ok(Sealed { spill: self, file })
    }
}

/// A spill that is read.
pub struct Sealed {
    /// Its index.
    pub spill: Spill,
    file: Option<File>,
}

impl Sealed {
    /// Reads bytes back.
    pub fn read(&self, place: Place) -> io::Result<Vec<u8>> {
        let length = place.length as usize;
        if let Some(file) = self.file.as_ref().filter(|_| place.offset < self.spill.flushed) {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, place.offset)?;
            return Ok(bytes);
        }
        let start = (place.offset - self.spill.flushed) as usize;
        let bytes = self.spill.buffer.get(start..start.saturating_add(length));
        bytes.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // Gives the disk space back early; the folder is removed as a whole later.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.spill.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_file_and_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let mut spill = Spill::new(folder.path().join("x"));
        let one = spill.push(b"one").expect("small");
        spill.flush().expect("written");
        let two = spill.push(b"second").expect("small");
        spill.flush().expect("written");
        let three = spill.push(b"3").expect("small");
        let sealed = spill.seal().expect("opened");
        for (place, bytes) in [(one, &b"one"[..]), (two, b"second"), (three, b"3")] {
            assert_eq!(sealed.read(place).expect("there"), bytes);
        }
        drop(sealed);
        assert!(!folder.path().join("x").exists());
    }
}
