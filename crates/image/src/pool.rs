//! Buffers that are used again, so that the pages of a large one are not asked for twice.

use seaworthy_types::Limits;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are hashed and walked while they are in the second-level cache.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

/// Keeps buffers for the next walk, up to a share of the memory budget, and what the layers of one image
/// may together inflate beyond the ratio.
#[derive(Debug)]
pub struct BufferPool {
    kept_bytes_max: usize,
    kept: Mutex<Kept>,
    pub(crate) excess_left: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    buffers: Vec<Vec<u8>>,
    chunks: Vec<Vec<u8>>,
}

impl BufferPool {
    /// A pool that keeps at most a quarter of the memory budget.
    pub fn new(limits: &Limits) -> Self {
        let kept_bytes_max = usize::try_from(limits.memory_bytes_max / 4).unwrap_or(usize::MAX);
        let excess_left = Arc::new(AtomicU64::new(limits.inflate_excess_bytes_max));
        Self { kept_bytes_max, kept: Mutex::default(), excess_left }
    }

    /// An empty buffer for content.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = kept.buffers.pop().unwrap_or_default();
        kept.bytes = kept.bytes.saturating_sub(buffer.capacity());
        buffer
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes.saturating_add(buffer.capacity()) <= self.kept_bytes_max {
            kept.bytes += buffer.capacity();
            kept.buffers.push(buffer);
        }
    }

    /// A chunk of `CHUNK_BYTES` bytes of any content.
    pub(crate) fn take_chunk(&self) -> Vec<u8> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.chunks.pop().unwrap_or_else(|| vec![0; CHUNK_BYTES])
    }

    /// Takes a chunk back.
    pub(crate) fn give_chunk(&self, chunk: Vec<u8>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.chunks.len() < 16 && chunk.len() == CHUNK_BYTES {
            kept.chunks.push(chunk);
        }
    }
}

/// How many layers may be walked at a time within the memory budget: each may hold one whole file, its
/// chunks and an inflater.
pub fn walks_max(limits: &Limits) -> usize {
    let one = limits.file_bytes_whole_max.saturating_add(2 << 20);
    usize::try_from(limits.memory_bytes_max / one.max(1)).unwrap_or(usize::MAX).max(1)
}
