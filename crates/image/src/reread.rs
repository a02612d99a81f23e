//! Content that the one pass could not hand over: large files, hard links, sparse files, pairs. A plain layer is
//! read where the bytes lie; a compressed one, or one that comes over a network, is inflated again, once for all that goes forward, from the
//! nearest place before it where inflating can begin (see [`crate::seek`]).

use crate::layer::OpenedLayer;
use crate::notebook::Notebook;
use crate::seek::Points;
use crate::source::read_full;
use crate::stream::{Packing, Stream};
use crate::tar::extended::Segment;
use crate::{Content, Error, Pair, ReadAt, Source, Visitor};
use seaworthy_types::Limits;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Inflated bytes that are kept for short ways back.
const WINDOW_BYTES: usize = 4 << 20;
/// Bytes inflated at a time.
const STEP_BYTES: usize = 256 << 10;
/// A layer counts for no more than this when it is inflated again: a bound of time.
const LAYER_BYTES_COUNTED: u64 = 1 << 30;
/// What one layer may cost for all its files, in multiples of what one file may cost.
const LAYER_FACTOR: u64 = 8;

/// A pair to be delivered after the pass.
#[derive(Debug)]
pub(crate) struct DeferredPair {
    /// The visitor's wish.
    pub pair: Pair,
    /// Where the file is.
    pub file: Deferred,
    /// Where its companion is.
    pub companion: Deferred,
}

/// Content to be delivered after the pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deferred {
    /// Index of the entry that wants it.
    pub index: u32,
    /// Where its stored bytes begin in the uncompressed layer.
    pub offset: u64,
    /// Stored bytes.
    pub stored: u64,
    /// Length of the file.
    pub size: u64,
    /// Pieces of a sparse file.
    pub segments: Option<Vec<Segment>>,
    /// The end of the file, when it was kept.
    pub tail: Vec<u8>,
}

/// The layer's bytes and what is known of them.
pub(crate) struct Passed<'l> {
    /// The layer.
    pub layer: &'l OpenedLayer,
    /// Its uncompressed bytes.
    pub bytes: u64,
    /// Where inflating can begin.
    pub points: Points,
}

/// What the visitor still wants.
pub(crate) struct Wanted {
    /// Single contents, by place in the layer.
    pub deferred: Vec<Deferred>,
    /// Pairs, by place of the first.
    pub pairs: Vec<DeferredPair>,
}

/// Hands over all deferred content, by place in the layer, then the pairs. Gives the buffer back.
pub(crate) fn deliver(
    passed: Passed<'_>,
    wanted: Wanted,
    limits: &Limits,
    visitor: &mut dyn Visitor,
    notes: &mut Notebook,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let Wanted { deferred, pairs } = wanted;
    if deferred.is_empty() && pairs.is_empty() {
        return Ok(buffer);
    }
    let layer = passed.layer;
    // Once from start to end, and `rereads_max` times again.
    let again = u64::from(limits.rereads_max).saturating_mul(passed.bytes.min(LAYER_BYTES_COUNTED));
    let file_cost_max = passed.bytes.saturating_add(again).saturating_add(STEP_BYTES as u64);
    let bytes = match layer.packing {
        Packing::Plain if !layer.source.is_far() => {
            Bytes::Plain(Arc::clone(&layer.source), layer.offset, layer.len)
        }
        _ => Bytes::Packed(Box::new(Mutex::new(Inflated::new(passed, limits, again)))),
    };
    let mut rest = deferred.as_slice();
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|other| same_content(first, other)).count().max(1);
        let (group, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        rest = after;
        let tail = group.iter().map(|one| one.tail.as_slice()).max_by_key(|tail| tail.len()).unwrap_or(&[]);
        let file = StoredFile::new(&bytes, first, tail, file_cost_max);
        if first.size > limits.file_bytes_whole_max {
            for one in group {
                visitor.content(one.index, Content::Large(&file));
            }
            continue;
        }
        buffer.clear();
        buffer.resize(usize::try_from(first.size).unwrap_or(0), 0);
        match fill(&file, &mut buffer) {
            Ok(()) => group.iter().for_each(|one| visitor.content(one.index, Content::Whole(&buffer))),
            Err(error) => unreadable(error, layer, notes)?,
        }
    }
    for DeferredPair { pair, file, companion } in &pairs {
        let [file, companion] = [file, companion].map(|one| StoredFile::new(&bytes, one, &[], file_cost_max));
        let whole = fill_both(&file, &companion, limits.file_bytes_whole_max, &mut buffer);
        match whole {
            Ok((one, other)) => visitor.pair(pair, one, other),
            Err(error) => unreadable(error, layer, notes)?,
        }
    }
    Ok(buffer)
}

fn unreadable(error: io::Error, layer: &OpenedLayer, notes: &mut Notebook) -> Result<(), Error> {
    if !is_budget(&error) {
        return Err(Error::io(&*layer.what, error));
    }
    let detail = "the layer was inflated too often (rereads_max): some contents were not seen";
    notes.gap("rereads-exhausted", "", detail);
    Ok(())
}

/// The contents of two files, whole in one buffer as far as they fit, the first before the second.
pub(crate) fn fill_both<'c>(
    file: &'c dyn ReadAt,
    companion: &'c dyn ReadAt,
    bytes_max: u64,
    buffer: &'c mut Vec<u8>,
) -> io::Result<(Content<'c>, Content<'c>)> {
    let fits = |bytes: u64| usize::try_from(bytes).ok().filter(|_| bytes <= bytes_max);
    let first = fits(file.len());
    let left = bytes_max.saturating_sub(first.map_or(0, |_| file.len()));
    let second = fits(companion.len()).filter(|_| companion.len() <= left);
    let (one, other) = (first.unwrap_or(0), second.unwrap_or(0));
    buffer.clear();
    buffer.resize(one.saturating_add(other), 0);
    let (one, other) = buffer.split_at_mut_checked(one).unwrap_or_default();
    fill(file, one)?;
    fill(companion, other)?;
    let (one, other): (&[u8], &[u8]) = (one, other);
    Ok((
        first.map_or(Content::Large(file), |_| Content::Whole(one)),
        second.map_or(Content::Large(companion), |_| Content::Whole(other)),
    ))
}

fn fill(file: &dyn ReadAt, buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(filled as u64, rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn same_content(a: &Deferred, b: &Deferred) -> bool {
    (a.offset, a.stored, a.size) == (b.offset, b.stored, b.size)
}

/// Whether an error of [`ReadAt::read_at`] says that a budget (`rereads_max`) was spent: a gap, not a failure.
pub fn is_budget(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::QuotaExceeded
}

/// The error that [`is_budget`] knows.
pub(crate) fn budget_spent(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, what)
}

/// The uncompressed bytes of a layer.
enum Bytes<'l> {
    Plain(Arc<dyn Source>, u64, u64),
    Packed(Box<Mutex<Inflated<'l>>>),
}

impl Bytes<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8], cost_left: &AtomicU64) -> io::Result<usize> {
        match self {
            Self::Plain(source, start, len) => {
                let left = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
                let length = buffer.len().min(left);
                let part = buffer.get_mut(..length).unwrap_or_default();
                read_full(&**source, start.saturating_add(offset), part)
            }
            Self::Packed(inflated) => {
                inflated.lock().unwrap_or_else(PoisonError::into_inner).read_at(offset, buffer, cost_left)
            }
        }
    }
}

/// Inflates a layer again, forward; going back further than the window, or far ahead, starts anew at the
/// nearest place.
struct Inflated<'l> {
    layer: &'l OpenedLayer,
    limits: &'l Limits,
    points: Points,
    stream: Option<Stream>,
    window: Vec<u8>,
    /// Offset of the window in the layer.
    start: u64,
    /// Bytes that may still be inflated for all files.
    cost_left: u64,
}

impl<'l> Inflated<'l> {
    fn new(passed: Passed<'l>, limits: &'l Limits, again: u64) -> Self {
        let Passed { layer, bytes, points } = passed;
        let cost_left =
            bytes.saturating_add(again.saturating_mul(LAYER_FACTOR)).saturating_add(STEP_BYTES as u64);
        Self { layer, limits, points, stream: None, window: Vec::new(), start: 0, cost_left }
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8], cost_left: &AtomicU64) -> io::Result<usize> {
        let end = self.start + self.window.len() as u64;
        let nearest = self.points.before(offset).map_or(0, |point| point.written);
        if self.stream.is_none() || offset < self.start || nearest > end {
            self.restart(offset)?;
        }
        loop {
            let at = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
            if let Some(bytes) = self.window.get(at..).filter(|bytes| !bytes.is_empty()) {
                return Ok(copy(bytes, buffer));
            }
            if self.advance(cost_left)? == 0 {
                return Ok(0);
            }
        }
    }

    fn restart(&mut self, offset: u64) -> io::Result<()> {
        self.stream = None;
        let point = self.points.before(offset);
        let stream = match point {
            Some(point) => self.layer.stream_from(self.limits, point),
            None => self.layer.stream(self.limits, false),
        };
        self.start = point.map_or(0, |point| point.written);
        self.stream = Some(stream.map_err(io::Error::other)?);
        self.window.clear();
        Ok(())
    }

    fn advance(&mut self, cost_left: &AtomicU64) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let spent = || budget_spent("budget: rereads_max was reached");
        let step = STEP_BYTES as u64;
        let left = cost_left.load(Ordering::Relaxed).checked_sub(step).ok_or_else(spent)?;
        self.cost_left = self.cost_left.checked_sub(step).ok_or_else(spent)?;
        cost_left.store(left, Ordering::Relaxed);
        if self.window.len() + STEP_BYTES > WINDOW_BYTES {
            let dropped = WINDOW_BYTES / 2;
            self.window.drain(..dropped);
            self.start += dropped as u64;
        }
        let length = self.window.len();
        self.window.resize(length + STEP_BYTES, 0);
        let count = stream.fill(self.window.get_mut(length..).unwrap_or_default()).map_err(io::Error::other);
        self.window.truncate(length + count.as_ref().copied().unwrap_or(0));
        count
    }
}

/// Copies as much as both hold.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    count
}

/// One file of a layer, holes of a sparse one filled with zeros.
struct StoredFile<'b> {
    bytes: &'b Bytes<'b>,
    offset: u64,
    stored: u64,
    size: u64,
    /// Segments with the offset of their bytes among the stored ones.
    segments: Option<Vec<(Segment, u64)>>,
    tail: &'b [u8],
    /// Bytes that may still be inflated for this file.
    cost_left: AtomicU64,
}

impl<'b> StoredFile<'b> {
    fn new(bytes: &'b Bytes<'b>, deferred: &Deferred, tail: &'b [u8], cost_max: u64) -> Self {
        let segments = deferred.segments.as_ref().map(|segments| {
            let mut at = 0;
            let place = |segment: &Segment| {
                let placed = (*segment, at);
                at += segment.length;
                placed
            };
            segments.iter().filter(|segment| segment.length > 0).map(place).collect()
        });
        let Deferred { offset, stored, size, .. } = *deferred;
        Self { bytes, offset, stored, size, segments, tail, cost_left: AtomicU64::new(cost_max) }
    }

    fn read_stored(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.stored.saturating_sub(at)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.bytes.read_at(self.offset.saturating_add(at), part, &self.cost_left)
    }
}

impl ReadAt for StoredFile<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        let Some(segments) = &self.segments else {
            let from_tail = offset.checked_sub(self.size.saturating_sub(self.tail.len() as u64));
            let at = from_tail.and_then(|at| usize::try_from(at).ok());
            if let Some(kept) = at.and_then(|at| self.tail.get(at..)).filter(|kept| !kept.is_empty()) {
                return Ok(copy(kept, buffer));
            }
            return self.read_stored(offset, buffer);
        };
        let next = segments.partition_point(|(segment, _)| segment.offset + segment.length <= offset);
        let Some((segment, place)) = segments.get(next) else {
            buffer.fill(0);
            return Ok(buffer.len());
        };
        if offset < segment.offset {
            let hole = usize::try_from(segment.offset - offset).unwrap_or(usize::MAX).min(buffer.len());
            buffer.get_mut(..hole).unwrap_or_default().fill(0);
            return Ok(hole);
        }
        let inside = offset - segment.offset;
        let length = usize::try_from(segment.length - inside).unwrap_or(usize::MAX).min(buffer.len());
        self.read_stored(place + inside, buffer.get_mut(..length).unwrap_or_default())
    }

    fn len(&self) -> u64 {
        self.size
    }
}
