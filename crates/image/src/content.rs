//! The content of one file, whole in memory or by random access.

use std::borrow::Cow;
use std::io;

/// Random access to one file of a layer. May be slow (a compressed layer is inflated again), so
/// read forward and in large pieces.
pub trait ReadAt: Sync {
    /// Reads at most `buffer.len()` bytes at `offset`; 0 means the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a unit is handed.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// All bytes, in a pooled buffer.
    Whole(&'a [u8]),
    /// Too large for the memory budget.
    Large(&'a dyn ReadAt),
}

impl<'a> Content<'a> {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Large(file) => file.len(),
        }
    }
    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes from `offset`, at most `count` of them; shorter only at the end of the file.
    pub fn range(&self, offset: u64, count: usize) -> io::Result<Cow<'a, [u8]>> {
        match self {
            Self::Whole(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let end = start.saturating_add(count).min(bytes.len());
                Ok(Cow::Borrowed(&bytes[start..end]))
            }
            Self::Large(file) => {
                let available = usize::try_from(file.len().saturating_sub(offset)).unwrap_or(usize::MAX);
                let mut buffer = vec![0; count.min(available)];
                let mut filled = 0;
                while filled < buffer.len() {
                    match file.read_at(offset + filled as u64, &mut buffer[filled..])? {
                        0 => break,
                        count => filled += count,
                    }
                }
                buffer.truncate(filled);
                Ok(Cow::Owned(buffer))
            }
        }
    }
    /// All bytes if there are at most `bytes_max` of them.
    pub fn whole(&self, bytes_max: u64) -> io::Result<Option<Cow<'a, [u8]>>> {
        if self.len() > bytes_max {
            return Ok(None);
        }
        self.range(0, usize::try_from(self.len()).unwrap_or(usize::MAX)).map(Some)
    }
}
