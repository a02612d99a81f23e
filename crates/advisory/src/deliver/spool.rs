//! Records on their way into a shard's file: checked, hashed and laid down in canonical form in a temporary
//! file. Nothing is built before the content digest is found to be the one that was promised.

use super::fault::{Fault, damaged};
use super::record::{ADVISORY, Canonical, Content, Owned, Record, Records};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Pieces of records for a dictionary.
const SAMPLES_MAX: usize = 512;
const SAMPLE_BYTES_MAX: usize = 512;

/// Checked records in a temporary file, which goes when this does.
pub struct Spool {
    path: PathBuf,
    file: File,
    /// What the records come to.
    pub content: Content,
    /// Values spread over the shard: what is said of packages or vulnerabilities, and advisories.
    pub samples: [Sample; 2],
}

/// Some of many values, evenly spread, whatever their number.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    pieces: Vec<Vec<u8>>,
    seen: usize,
    step: usize,
}

impl Sample {
    fn add(&mut self, value: &[u8]) {
        self.step = self.step.max(1);
        if self.seen.is_multiple_of(self.step) {
            self.pieces.push(value.iter().copied().take(SAMPLE_BYTES_MAX).collect());
        }
        self.seen += 1;
        if self.pieces.len() >= SAMPLES_MAX {
            let mut at = 0_usize;
            self.pieces.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.step *= 2;
        }
    }
    /// The pieces.
    pub fn pieces(&self) -> &[Vec<u8>] {
        &self.pieces
    }
}

/// What records must come to.
#[derive(Debug, Clone, Copy)]
pub struct Promised<'a> {
    /// Name of the shard.
    pub shard: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its content digest.
    pub content: &'a str,
    /// Bytes of its records in canonical form.
    pub bytes: u64,
}

impl Spool {
    /// Takes all records; others than those that were promised are an error.
    pub fn fill(records: &mut dyn Records, promised: Promised<'_>, path: &Path) -> Result<Self, Fault> {
        let _ = std::fs::remove_file(path);
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let mut spool = Self {
            path: path.to_owned(),
            file,
            content: Content { digest: String::new(), bytes: 0, records: 0 },
            samples: Default::default(),
        };
        let mut output = BufWriter::with_capacity(1 << 18, spool.file.try_clone()?);
        let mut canonical = Canonical::new(promised.shard, promised.kind);
        let mut bytes = 0_u64;
        while let Some(record) = records.next()? {
            let form = canonical.add(record)?;
            bytes = bytes.saturating_add(form.len() as u64);
            if bytes > promised.bytes {
                return Err(damaged("it holds more than was promised"));
            }
            output.write_all(form)?;
            let [said, texts] = &mut spool.samples;
            if record.kind == ADVISORY { texts.add(record.value) } else { said.add(record.value) }
        }
        output.flush()?;
        spool.content = canonical.finish();
        if spool.content.digest != promised.content {
            return Err(damaged("its records are not those that were promised"));
        }
        Ok(spool)
    }
    /// All records from the first on.
    pub fn records(&self) -> Result<Spooled, Fault> {
        // A file description of its own: its place in the file is its own.
        let input = BufReader::with_capacity(1 << 18, File::open(&self.path)?);
        Ok(Spooled { input, at: 0, current: Owned::default(), value_at: 0 })
    }
    /// A value that was read before, by its place in the file.
    pub fn value(&self, place: (u64, u32)) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; place.1 as usize];
        self.file.read_exact_at(&mut bytes, place.0)?;
        Ok(bytes)
    }
    /// A dictionary's material: pieces of both kinds by turns.
    pub fn sample(&self) -> Vec<&[u8]> {
        let [said, texts] = &self.samples;
        let (mut said, mut texts) = (said.pieces().iter(), texts.pieces().iter());
        let mut pieces = Vec::new();
        loop {
            let pair = [texts.next(), said.next()];
            if pair == [None, None] {
                return pieces;
            }
            pieces.extend(pair.into_iter().flatten().map(Vec::as_slice));
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads a spool.
pub struct Spooled {
    input: BufReader<File>,
    at: u64,
    current: Owned,
    value_at: u64,
}

impl Spooled {
    /// Where the value of the last record lies.
    pub fn place(&self) -> (u64, u32) {
        (self.value_at, self.current.value.len() as u32)
    }
    fn number(&mut self) -> Result<Option<u64>, Fault> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let mut byte = [0];
            if self.input.read(&mut byte)? == 0 {
                return if shift == 0 { Ok(None) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
                    .map_err(Fault::Io);
            }
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte[0] & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
    }
    fn length(&mut self) -> Result<usize, Fault> {
        let cut = || Fault::Io(std::io::ErrorKind::UnexpectedEof.into());
        self.number()?.and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)
    }
}

impl Records for Spooled {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        let Some(kind) = self.number()? else { return Ok(None) };
        self.current.kind = u32::try_from(kind).unwrap_or(u32::MAX);
        let length = self.length()?;
        self.current.key.resize(length, 0);
        self.input.read_exact(&mut self.current.key)?;
        self.at += length as u64;
        let length = self.length()?;
        self.value_at = self.at;
        self.current.value.resize(length, 0);
        self.input.read_exact(&mut self.current.value)?;
        self.at += length as u64;
        Ok(Some(self.current.get()))
    }
}
