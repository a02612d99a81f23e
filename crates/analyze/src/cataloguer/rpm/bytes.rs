//! Random access to a database file with bounds checked, and numbers out of byte strings.

use seaworthy_image::Content;
use std::borrow::Cow;
use std::collections::VecDeque;

/// Why something could not be read, for people.
pub type Result<T> = std::result::Result<T, String>;

/// Large files are read in pieces of this size, for each access may inflate a layer again.
const CHUNK_BYTES: usize = 1 << 20;
/// Pieces kept.
const CHUNKS_MAX: usize = 8;

/// What one database lost.
#[derive(Debug, Default)]
pub struct Losses {
    /// Records that could not be read.
    pub count: u64,
    /// Why the first of them could not.
    pub first: String,
}

impl Losses {
    /// Counts one loss.
    pub fn add(&mut self, why: String) {
        self.count += 1;
        if self.first.is_empty() {
            self.first = why;
        }
    }
}

/// A file that is read at will.
pub struct Bytes<'a> {
    content: Content<'a>,
    chunks: VecDeque<(u64, Cow<'a, [u8]>)>,
}

impl<'a> Bytes<'a> {
    /// Nothing read yet.
    pub fn new(content: Content<'a>) -> Self {
        Self { content, chunks: VecDeque::new() }
    }
    /// Length of the file.
    pub fn len(&self) -> u64 {
        self.content.len()
    }
    /// Exactly `count` bytes from `offset`.
    pub fn read(&mut self, offset: u64, count: usize) -> Result<Cow<'a, [u8]>> {
        let end = offset.checked_add(count as u64).filter(|end| *end <= self.len());
        let Some(end) = end else { return Err(format!("the file ends before byte {offset} + {count}")) };
        if let Content::Whole(_) = self.content {
            return self.content.range(offset, count).map_err(|error| error.to_string());
        }
        let mut out = Vec::with_capacity(count);
        let mut at = offset;
        while at < end {
            let start = at - at % CHUNK_BYTES as u64;
            let skip = usize::try_from(at - start).unwrap_or(CHUNK_BYTES);
            let left = count - out.len();
            let piece = self.chunk(start)?;
            let part = piece.get(skip..piece.len().min(skip + left)).unwrap_or_default();
            if part.is_empty() {
                return Err(format!("the file ends before byte {at}"));
            }
            out.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(Cow::Owned(out))
    }

    fn chunk(&mut self, start: u64) -> Result<&[u8]> {
        if let Some(at) = self.chunks.iter().position(|(offset, _)| *offset == start) {
            return Ok(self.chunks.get(at).map_or(&[], |(_, bytes)| bytes));
        }
        let bytes = self.content.range(start, CHUNK_BYTES).map_err(|error| error.to_string())?;
        if self.chunks.len() >= CHUNKS_MAX {
            self.chunks.pop_front();
        }
        self.chunks.push_back((start, bytes));
        Ok(self.chunks.back().map_or(&[], |(_, bytes)| bytes))
    }
}

/// Byte order of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// A 16-bit number.
pub fn u16_at(bytes: &[u8], at: usize, order: Order) -> Option<u16> {
    let four: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(match order {
        Order::Little => u16::from_le_bytes(four),
        Order::Big => u16::from_be_bytes(four),
    })
}

/// A 32-bit number.
pub fn u32_at(bytes: &[u8], at: usize, order: Order) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(match order {
        Order::Little => u32::from_le_bytes(four),
        Order::Big => u32::from_be_bytes(four),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_image::ReadAt;

    struct Pattern(u64);

    impl ReadAt for Pattern {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(usize::try_from(self.0 - offset).expect("small")).min(1000);
            for (at, byte) in buffer.iter_mut().take(count).enumerate() {
                *byte = ((offset + at as u64) % 251) as u8;
            }
            Ok(count)
        }
        fn len(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn large_files_are_read_across_pieces() {
        let file = Pattern(3 * CHUNK_BYTES as u64 + 5);
        let mut bytes = Bytes::new(Content::Large(&file));
        for (offset, count) in [(0, 10), (CHUNK_BYTES as u64 - 3, 9), (5, CHUNK_BYTES * 3), (file.0, 0)] {
            let read = bytes.read(offset, count).expect("inside");
            assert_eq!(read.len(), count);
            assert!(read.iter().enumerate().all(|(at, b)| u64::from(*b) == (offset + at as u64) % 251));
        }
        assert!(bytes.read(file.0 - 1, 2).is_err() && bytes.read(u64::MAX, 2).is_err());
    }
}
