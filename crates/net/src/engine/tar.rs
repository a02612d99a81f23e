//! Writing the entries of a tar (GNU tar manual, "Basic Tar Format": long names, large numbers, sparse
//! files), names as they are.

use super::spool::Spool;
use std::io::{self, Write as _};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Hardlink,
    Symlink,
    Device { is_block: bool, major: u32, minor: u32 },
    Folder,
    Fifo,
}

/// The head of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'h> {
    pub name: &'h [u8],
    pub kind: Kind,
    pub link: &'h [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
}

/// A stored piece of a sparse file: offset and length.
pub(crate) type Segment = (u64, u64);

impl Head<'_> {
    /// Writes it; `size` bytes of content follow.
    pub fn write(&self, out: &mut Spool, size: u64) -> io::Result<()> {
        let letter = match self.kind {
            Kind::File => b'0',
            Kind::Hardlink => b'1',
            Kind::Symlink => b'2',
            Kind::Device { is_block: false, .. } => b'3',
            Kind::Device { is_block: true, .. } => b'4',
            Kind::Folder => b'5',
            Kind::Fifo => b'6',
        };
        self.long_names(out)?;
        out.write_all(&self.block(letter, size, |_| {}))
    }

    /// Writes the head of a sparse file; the bytes of its segments follow.
    pub fn write_sparse(&self, out: &mut Spool, size: u64, segments: &[Segment]) -> io::Result<()> {
        self.long_names(out)?;
        let stored = segments.iter().map(|(_, length)| length).sum();
        let (first, rest) = segments.split_at(segments.len().min(4));
        out.write_all(&self.block(b'S', stored, |block| {
            for (at, segment) in first.iter().enumerate() {
                put_segment(block, 386 + at * 24, *segment);
            }
            put(block, 482, &[u8::from(!rest.is_empty())]);
            number(block, 483, 12, size);
        }))?;
        let mut chunks = rest.chunks(21).peekable();
        while let Some(chunk) = chunks.next() {
            let mut block = [0; 512];
            for (at, segment) in chunk.iter().enumerate() {
                put_segment(&mut block, at * 24, *segment);
            }
            put(&mut block, 504, &[u8::from(chunks.peek().is_some())]);
            out.write_all(&block)?;
        }
        Ok(())
    }

    fn long_names(&self, out: &mut Spool) -> io::Result<()> {
        for (letter, text) in [(b'K', self.link), (b'L', self.name)] {
            if text.len() > 100 {
                let head = Head {
                    name: b"././@LongLink",
                    link: b"",
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                    mtime: 0,
                    ..*self
                };
                out.write_all(&head.block(letter, text.len() as u64 + 1, |_| {}))?;
                out.write_all(text)?;
                out.write_all(&[0])?;
                out.pad()?;
            }
        }
        Ok(())
    }

    fn block(&self, letter: u8, size: u64, more: impl FnOnce(&mut [u8; 512])) -> [u8; 512] {
        let mut block = [0; 512];
        let clip = |text: &'_ [u8]| text.get(..100).unwrap_or(text).to_vec();
        put(&mut block, 0, &clip(self.name));
        number(&mut block, 100, 8, u64::from(self.mode & 0o7777));
        number(&mut block, 108, 8, u64::from(self.uid));
        number(&mut block, 116, 8, u64::from(self.gid));
        number(&mut block, 124, 12, size);
        number(&mut block, 136, 12, u64::try_from(self.mtime).unwrap_or(0));
        put(&mut block, 148, b"        ");
        put(&mut block, 156, &[letter]);
        put(&mut block, 157, &clip(self.link));
        put(&mut block, 257, b"ustar  \0");
        if let Kind::Device { major, minor, .. } = self.kind {
            number(&mut block, 329, 8, u64::from(major));
            number(&mut block, 337, 8, u64::from(minor));
        }
        more(&mut block);
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

fn put(block: &mut [u8; 512], at: usize, bytes: &[u8]) {
    if let Some(place) = block.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn put_segment(block: &mut [u8; 512], at: usize, (offset, length): Segment) {
    number(block, at, 12, offset);
    number(block, at + 12, 12, length);
}

/// Octal digits, or what is too large for them in base 256.
fn number(block: &mut [u8; 512], at: usize, width: usize, value: u64) {
    let digits = width - 1;
    if value >> (digits * 3).min(63) == 0 {
        put(block, at, format!("{value:0digits$o}\0").as_bytes());
        return;
    }
    let mut bytes = vec![0; width];
    let start = width.saturating_sub(8);
    if let Some(place) = bytes.get_mut(start..) {
        place.copy_from_slice(value.to_be_bytes().get(8 - (width - start)..).unwrap_or_default());
    }
    if let Some(first) = bytes.first_mut() {
        *first |= 0x80;
    }
    put(block, at, &bytes);
}
