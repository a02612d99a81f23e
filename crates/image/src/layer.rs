//! Walking one layer: one streaming pass that verifies the digests while a visitor sees the entries,
//! then the content that the pass could not hand over.

use crate::pool::{BufferPool, CHUNK_BYTES};
use crate::seek::Point;
use crate::stream::{Packing, Stored, Stream};
use crate::walk::{Walked, Walker};
use crate::{Error, LayerRef, Source, Visitor, reread};
use seaworthy_types::{Digest, LayerFactsSummary, Limits, Note};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Chunks in flight between the two threads of a piped walk.
const PIPE_CHUNKS: usize = 4;

/// How many threads one walk uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkMode {
    /// The caller's thread alone: for several layers at a time.
    Inline,
    /// A second thread reads and unpacks ahead: for an image with one large layer.
    Piped,
}

/// What a walk verified and saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkResult {
    /// Digest of the uncompressed tar: computed, and equal to the claim.
    pub diff_id: Digest,
    /// Digest of the blob as stored: computed, and equal to the claim if there was one. `None` for
    /// compressed layers of docker archives, which claim none.
    pub blob_digest: Option<Digest>,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// Entries of the tar, extensions included.
    pub entries: u64,
    /// What was odd or lost; the unit is `layer`, the subject a path of the layer.
    pub notes: Vec<Note>,
}

impl WalkResult {
    /// The layer in numbers, for [`seaworthy_types::ImageFacts`].
    pub fn summary(&self, layer: &LayerRef) -> LayerFactsSummary {
        LayerFactsSummary {
            diff_id: self.diff_id,
            blob_digest: self.blob_digest.filter(|digest| *digest != self.diff_id),
            media_type: layer.media_type.clone(),
            stored_bytes: layer.stored_bytes,
            bytes: self.bytes,
            entries: self.entries,
            created_by: layer.created_by.clone(),
        }
    }
}

/// Walks a layer with buffers of its own. On `Err` nothing the visitor saw may be believed.
pub fn walk_layer(
    layer: &LayerRef,
    limits: &Limits,
    visitor: &mut dyn Visitor,
    mode: WalkMode,
) -> Result<WalkResult, Error> {
    walk_layer_with(layer, limits, visitor, mode, &BufferPool::new(limits))
}

/// Walks a layer with pooled buffers. On `Err` nothing the visitor saw may be believed.
pub fn walk_layer_with(
    layer: &LayerRef,
    limits: &Limits,
    visitor: &mut dyn Visitor,
    mode: WalkMode,
    pool: &BufferPool,
) -> Result<WalkResult, Error> {
    let opened = OpenedLayer::new(layer)?;
    let compressed = opened.packing != Packing::Plain;
    let stream = opened.stream(limits, compressed && layer.blob_digest.is_some())?.first(&pool.excess_left);
    let key = layer.diff_id.as_bytes();
    let is_dear = compressed || opened.source.is_far();
    let mut walker = Walker::new(visitor, limits, &opened.what, key, is_dear, pool.take());
    let (mut stream, hash) = match mode {
        WalkMode::Inline => pass_inline(stream, &mut walker, pool)?,
        WalkMode::Piped => pass_piped(stream, &mut walker, pool, compressed)?,
    };
    let Walked { entries, deferred, pairs, mut notes, buffer } = walker.finish();
    let bytes = stream.written;
    if stream.trailing {
        notes.info("trailing-data", "", "there are bytes after the compressed data; they were ignored");
    }
    let points = stream.points.take().unwrap_or_default();
    let diff_id = Digest::from_bytes(hash.finalize().into());
    let blob_digest = if compressed { stream.finish()? } else { Some(diff_id) };
    for (claimed, found) in [(layer.blob_digest, blob_digest), (Some(layer.diff_id), Some(diff_id))] {
        if let (Some(claimed), Some(found)) = (claimed, found)
            && claimed != found
        {
            return Err(Error::DigestMismatch { what: opened.what, claimed, found });
        }
    }
    let buffer = reread::deliver(
        reread::Passed { layer: &opened, bytes, points },
        reread::Wanted { deferred, pairs },
        limits,
        visitor,
        &mut notes,
        buffer,
    )?;
    pool.give(buffer);
    Ok(WalkResult { diff_id, blob_digest, bytes, entries, notes: notes.finish("layer") })
}

/// A layer whose bytes are at hand.
pub(crate) struct OpenedLayer {
    pub source: Arc<dyn Source>,
    pub offset: u64,
    pub len: u64,
    pub packing: Packing,
    pub what: String,
}

impl OpenedLayer {
    fn new(layer: &LayerRef) -> Result<Self, Error> {
        let what = layer.describe();
        let (source, offset, len) = layer.open()?;
        let mut start = [0; 512];
        let shown = usize::try_from(len).unwrap_or(usize::MAX).min(start.len());
        let count = crate::source::read_full(&*source, offset, &mut start[..shown])
            .map_err(|error| Error::io(&*what, error))?;
        let Some(packing) = Packing::of(&start[..count]) else {
            let detail = "it is compressed with bzip2 or xz, which image layers may not be";
            return Err(Error::broken(what, detail));
        };
        if layer.media_type.ends_with("+encrypted") {
            return Err(Error::broken(what, "it is encrypted; decrypt the image first"));
        }
        Ok(Self { source, offset, len, packing, what })
    }

    /// The uncompressed bytes from the start.
    pub fn stream(&self, limits: &Limits, hashed: bool) -> Result<Stream, Error> {
        let stored = Stored::new(Arc::clone(&self.source), self.offset, self.len, hashed);
        Stream::new(stored, self.packing, &self.what, limits)
    }

    /// The uncompressed bytes from a place inside.
    pub fn stream_from(&self, limits: &Limits, point: &Point) -> Result<Stream, Error> {
        let offset = self.offset.saturating_add(point.read);
        let stored =
            Stored::new(Arc::clone(&self.source), offset, self.len.saturating_sub(point.read), false);
        Stream::new(stored, self.packing, &self.what, limits)?.resumed(point)
    }
}

/// Reads, hashes and walks each chunk while it is in the cache.
fn pass_inline(
    mut stream: Stream,
    walker: &mut Walker<'_>,
    pool: &BufferPool,
) -> Result<(Stream, Sha256), Error> {
    let mut hash = Sha256::new();
    let mut chunk = pool.take_chunk();
    loop {
        let count = stream.fill(&mut chunk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        hash.update(bytes);
        walker.feed(bytes)?;
    }
    pool.give_chunk(chunk);
    Ok((stream, hash))
}

/// A second thread reads ahead. The SHA-256 of a plain layer is its work too; that of a compressed
/// layer is ours, because inflating already costs it more.
fn pass_piped(
    stream: Stream,
    walker: &mut Walker<'_>,
    pool: &BufferPool,
    compressed: bool,
) -> Result<(Stream, Sha256), Error> {
    let (full_sender, full) = sync_channel(PIPE_CHUNKS);
    let (free, free_receiver) = channel();
    for _ in 0..PIPE_CHUNKS {
        // The receiver lives on this screen, so sending cannot fail.
        let _ = free.send(pool.take_chunk());
    }
    std::thread::scope(|scope| {
        let producer = std::thread::Builder::new()
            .name("unpack".into())
            .spawn_scoped(scope, move || produce(stream, &full_sender, &free_receiver, !compressed))
            .map_err(|error| Error::io("a second thread", error))?;
        let consumed = consume(walker, full, free, compressed);
        let produced = match producer.join() {
            Ok(produced) => produced,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let (stream, there) = produced?;
        let here = consumed?;
        Ok((stream, if compressed { here } else { there }))
    })
}

type Chunk = Vec<u8>;

fn produce(
    mut stream: Stream,
    full: &SyncSender<(Chunk, usize)>,
    free: &Receiver<Chunk>,
    hashes: bool,
) -> Result<(Stream, Sha256), Error> {
    let mut hash = Sha256::new();
    // Either channel closing means that the other side has stopped, and says why.
    while let Ok(mut chunk) = free.recv() {
        let count = stream.fill(&mut chunk)?;
        if count == 0 {
            break;
        }
        if hashes {
            hash.update(chunk.get(..count).unwrap_or_default());
        }
        if full.send((chunk, count)).is_err() {
            break;
        }
    }
    Ok((stream, hash))
}

fn consume(
    walker: &mut Walker<'_>,
    full: Receiver<(Chunk, usize)>,
    free: Sender<Chunk>,
    hashes: bool,
) -> Result<Sha256, Error> {
    let mut hash = Sha256::new();
    for (chunk, count) in &full {
        let bytes = chunk.get(..count).unwrap_or_default();
        if hashes {
            hash.update(bytes);
        }
        walker.feed(bytes)?;
        // At the end of the layer nobody takes it back.
        let _ = free.send(chunk);
    }
    Ok(hash)
}

const _: () = assert!(CHUNK_BYTES.is_multiple_of(512), "the walker needs whole blocks");
