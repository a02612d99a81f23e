//! Where bytes come from: a synchronous, random-access trait. Files are read with pread, never
//! mapped, because another process may change them while we read.

use seaworthy_types::Digest;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::sync::Arc;

/// Random access to bytes of a known length.
pub trait Source: Send + Sync {
    /// Reads at most `buffer.len()` bytes at `offset`; 0 means the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether going back costs a reading from the beginning, as with what comes over a network.
    fn is_far(&self) -> bool {
        false
    }
    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Blobs by digest that lie elsewhere, as in a registry.
pub trait Blobs: Send + Sync {
    /// A blob of `size` bytes; nothing is fetched before it is read. Its bytes are verified by who reads.
    fn blob(&self, digest: Digest, size: u64) -> Arc<dyn Source>;
}

/// A regular file, or a block device.
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Takes an open file; its length is fixed here.
    pub fn new(file: File) -> io::Result<Self> {
        let meta = file.metadata()?;
        // A device has no length of its own.
        let is_device = meta.file_type().is_block_device();
        let len = if is_device { (&file).seek(SeekFrom::End(0))? } else { meta.len() };
        Ok(Self { file, len })
    }
}

impl Source for FileSource {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn len(&self) -> u64 {
        self.len
    }
}

/// Bytes in memory.
pub struct MemorySource(pub Vec<u8>);

impl Source for MemorySource {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let rest = &self.0[start..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Reads until `buffer` is full or the source ends; interruptions are retried.
pub fn read_full(source: &dyn Source, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read_at(offset.saturating_add(filled as u64), &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
