//! How records stand in transport files: in blocks, keys apart from values, keys without the beginning
//! that they share with the one before. All blocks stand in one zstd frame.
//!
//! ```text
//! block   count (0: the last), bytes of keys, keys, bytes of values, values
//! key     shared × 2 + new, [kind when new], length, bytes       new: another kind; nothing is shared then
//! value   length + 1 and bytes, or 0 for a record that goes away
//! ```
//!
//! Numbers are postcard's. A reader's memory is bounded by the largest block and record, whatever the file
//! says.

use super::fault::{Fault, damaged};
use super::record::{KEY_BYTES_MAX, Owned, Record, VALUE_BYTES_MAX, put_number};
use crate::database::wire;
use std::io::{BufRead, BufReader, Read, Write};

/// A block ends with the record that passes one of these.
const BLOCK_RECORDS: usize = 16 << 10;
const BLOCK_BYTES: usize = 4 << 20;
/// Bytes of keys or values of a block are never more.
const SECTION_BYTES_MAX: u64 = BLOCK_BYTES as u64 + VALUE_BYTES_MAX + KEY_BYTES_MAX + 64;
/// zstd level of files that are made once and fetched by everybody.
pub const LEVEL: i32 = 19;
/// zstd level of files that are made for one reader while somebody waits.
pub const QUICK_LEVEL: i32 = 9;
/// Window of the frames: a reader needs so much memory.
const WINDOW_LOG: u32 = 23;
/// Frames with a larger window are refused.
const WINDOW_LOG_MAX: u32 = 25;

/// Starts a zstd frame.
pub fn pack<W: Write>(output: W, level: i32) -> Result<zstd::stream::write::Encoder<'static, W>, Fault> {
    let mut encoder = zstd::stream::write::Encoder::new(output, level)?;
    encoder.include_checksum(true)?;
    encoder.window_log(WINDOW_LOG)?;
    Ok(encoder)
}

/// Numbers and bytes out of a zstd frame.
pub struct Input<R: BufRead> {
    inner: BufReader<zstd::stream::read::Decoder<'static, R>>,
}

impl<R: BufRead> Input<R> {
    /// Starts reading a frame.
    pub fn new(input: R) -> Result<Self, Fault> {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Self { inner: BufReader::with_capacity(1 << 16, decoder) })
    }
    /// A byte.
    pub fn byte(&mut self) -> Result<u8, Fault> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte).map_err(unpacking)?;
        Ok(byte[0])
    }
    /// A number.
    pub fn number(&mut self) -> Result<u64, Fault> {
        wire::number(|| self.byte(), || damaged("a number has more than 64 bits"))
    }
    /// So many bytes in place of what `bytes` holds; memory grows with what is there, not with what is said.
    pub fn bytes(&mut self, length: u64, bytes_max: u64, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        bytes.clear();
        if length > bytes_max {
            return Err(damaged(format!("a length of {length} bytes is absurd")));
        }
        (&mut self.inner).take(length).read_to_end(bytes).map_err(unpacking)?;
        if (bytes.len() as u64) < length { Err(damaged("it is cut short")) } else { Ok(()) }
    }
    /// A text after its length.
    pub fn text(&mut self, bytes_max: u64) -> Result<String, Fault> {
        let length = self.number()?;
        let mut bytes = Vec::new();
        self.bytes(length, bytes_max, &mut bytes)?;
        String::from_utf8(bytes).map_err(|_| damaged("a name is no UTF-8"))
    }
    /// Nothing comes after this: neither in the frame nor in the file.
    pub fn end(mut self) -> Result<(), Fault> {
        let mut byte = [0];
        if self.inner.read(&mut byte).map_err(unpacking)? > 0 {
            return Err(damaged("there is more in it than there should be"));
        }
        let mut rest = self.inner.into_inner().finish();
        if rest.fill_buf()?.is_empty() { Ok(()) } else { Err(damaged("something follows its end")) }
    }
}

fn unpacking(error: std::io::Error) -> Fault {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged("it is cut short"),
        _ => damaged(format!("it cannot be unpacked ({error})")),
    }
}

/// A record that comes, or one that goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Its kind and key; its value is empty when it goes.
    pub record: Owned,
    /// Whether it goes.
    pub removed: bool,
}

/// Writes blocks.
pub struct Blocks<W: Write> {
    output: W,
    keys: Vec<u8>,
    values: Vec<u8>,
    count: usize,
    last: (u32, Vec<u8>),
}

impl<W: Write> Blocks<W> {
    /// Starts.
    pub fn new(output: W) -> Self {
        Self { output, keys: Vec::new(), values: Vec::new(), count: 0, last: (0, Vec::new()) }
    }
    /// Adds a record.
    pub fn put(&mut self, record: Record<'_>) -> Result<(), Fault> {
        self.key(record.kind, record.key);
        put_number(&mut self.values, record.value.len() as u64 + 1);
        self.values.extend_from_slice(record.value);
        self.added()
    }
    /// Adds that a record goes away.
    pub fn remove(&mut self, kind: u32, key: &[u8]) -> Result<(), Fault> {
        self.key(kind, key);
        self.values.push(0);
        self.added()
    }
    fn key(&mut self, kind: u32, key: &[u8]) {
        let new = self.last.0 != kind;
        let same = |(one, other): &(&u8, &u8)| one == other;
        let shared = if new { 0 } else { self.last.1.iter().zip(key).take_while(same).count() };
        let suffix = key.get(shared..).unwrap_or_default();
        put_number(&mut self.keys, shared as u64 * 2 + u64::from(new));
        if new {
            put_number(&mut self.keys, u64::from(kind));
        }
        put_number(&mut self.keys, suffix.len() as u64);
        self.keys.extend_from_slice(suffix);
        self.last.0 = kind;
        self.last.1.truncate(shared);
        self.last.1.extend_from_slice(suffix);
    }
    fn added(&mut self) -> Result<(), Fault> {
        self.count += 1;
        if self.count >= BLOCK_RECORDS || self.keys.len().max(self.values.len()) >= BLOCK_BYTES {
            self.flush()?;
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<(), Fault> {
        let mut head = Vec::new();
        put_number(&mut head, self.count as u64);
        put_number(&mut head, self.keys.len() as u64);
        self.output.write_all(&head)?;
        self.output.write_all(&self.keys)?;
        head.clear();
        put_number(&mut head, self.values.len() as u64);
        self.output.write_all(&head)?;
        self.output.write_all(&self.values)?;
        (self.count, self.keys, self.values) = (0, Vec::new(), Vec::new());
        Ok(())
    }
    /// Ends the blocks.
    pub fn finish(mut self) -> Result<W, Fault> {
        if self.count > 0 {
            self.flush()?;
        }
        self.output.write_all(&[0])?;
        Ok(self.output)
    }
}

/// Reads blocks.
#[derive(Default)]
pub struct Unblocks {
    keys: Vec<u8>,
    keys_at: usize,
    values: Vec<u8>,
    values_at: usize,
    left: u64,
    ended: bool,
}

impl Unblocks {
    /// Reads the next change in place of the last one; `false` after the last block. Order is not checked.
    pub fn next<R: BufRead>(&mut self, input: &mut Input<R>, change: &mut Change) -> Result<bool, Fault> {
        if self.ended {
            return Ok(false);
        }
        if self.left == 0 {
            if self.keys_at < self.keys.len() || self.values_at < self.values.len() {
                return Err(damaged("a block holds more than its records"));
            }
            self.left = input.number()?;
            if self.left == 0 {
                self.ended = true;
                return Ok(false);
            }
            let length = input.number()?;
            input.bytes(length, SECTION_BYTES_MAX, &mut self.keys)?;
            let length = input.number()?;
            input.bytes(length, SECTION_BYTES_MAX, &mut self.values)?;
            (self.keys_at, self.values_at) = (0, 0);
        }
        self.left -= 1;
        self.read(change).ok_or_else(|| damaged("a block cannot be decoded"))?;
        Ok(true)
    }
    fn read(&mut self, change: &mut Change) -> Option<()> {
        let record = &mut change.record;
        let (keys, at) = (&self.keys, &mut self.keys_at);
        let head = number(keys, at)?;
        if head & 1 == 1 {
            record.kind = u32::try_from(number(keys, at)?).ok()?;
            record.key.clear();
        }
        let shared = usize::try_from(head >> 1).ok().filter(|shared| *shared <= record.key.len())?;
        let length = number(keys, at)?;
        let suffix = take(keys, at, length.min(KEY_BYTES_MAX.saturating_add(1)))?;
        record.key.truncate(shared);
        record.key.extend_from_slice(suffix);
        let (values, at) = (&self.values, &mut self.values_at);
        let length = number(values, at)?;
        change.removed = length == 0;
        record.value.clear();
        record.value.extend_from_slice(take(values, at, length.saturating_sub(1))?);
        (record.key.len() as u64 <= KEY_BYTES_MAX).then_some(())
    }
}

fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut rest = wire::Wire::new(bytes.get(*at..)?);
    let value = rest.number().ok()?;
    *at = bytes.len() - rest.left();
    Some(value)
}

fn take<'a>(bytes: &'a [u8], at: &mut usize, length: u64) -> Option<&'a [u8]> {
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let taken = bytes.get(*at..end)?;
    *at = end;
    Some(taken)
}
