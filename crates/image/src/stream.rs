//! The bytes of a layer in order: read with pread, hashed as stored, inflated.
//!
//! gzip (RFC 1952, any number of members; its CRC is not checked because the SHA-256 of the same
//! bytes is), zstd (RFC 8878, any number of frames, window capped) or plain, told apart by content.

use crate::seek::{Inside, PROOF_BYTES, Point, Points, WINDOW_BYTES};
use crate::source::read_full;
use crate::{Error, Source};
use seaworthy_types::{Digest, Limits};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Stored bytes read at once.
const INPUT_BYTES: usize = 128 << 10;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As is.
    Plain,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

impl Packing {
    /// Tells by the first bytes; `None` for compression we do not know.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A zstd skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', ..] | [0xfd, b'7', b'z', b'X', b'Z', ..] => {
                (start.len() >= 262 && start[257..262] == *b"ustar").then_some(Self::Plain)
            }
            _ => Some(Self::Plain),
        }
    }
}

/// Stored bytes, hashed when asked.
pub(crate) struct Stored {
    pub source: Arc<dyn Source>,
    pub offset: u64,
    pub end: u64,
    hash: Option<Sha256>,
}

impl Stored {
    pub fn new(source: Arc<dyn Source>, offset: u64, len: u64, hashed: bool) -> Self {
        Self { source, offset, end: offset.saturating_add(len), hash: hashed.then(Sha256::new) }
    }

    fn read(&mut self, buffer: &mut [u8], what: &str) -> Result<usize, Error> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let part = &mut buffer[..wanted];
        let count = read_full(&*self.source, self.offset, part).map_err(|error| Error::io(what, error))?;
        if count < wanted {
            let detail = format!("it ends {} bytes too early; fetch or save it again", left - count);
            return Err(Error::broken(what, detail));
        }
        self.offset += count as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&part[..count]);
        }
        Ok(count)
    }
}

enum Unpack {
    Plain,
    Gzip { inflate: Box<Inflate>, place: Place },
    Zstd { decode: Box<Decoder<'static>>, in_frame: bool },
}

/// Bytes inflated beyond the ratio: the part that is taken here, and what is left for all layers.
struct Excess {
    taken: u64,
    left: Arc<AtomicU64>,
}

/// Where in a gzip member we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Done,
}

/// The uncompressed bytes of a layer in order.
pub(crate) struct Stream {
    stored: Stored,
    unpack: Unpack,
    input: Vec<u8>,
    input_at: usize,
    what: String,
    read: u64,
    /// Uncompressed bytes given out.
    pub written: u64,
    bytes_max: u64,
    ratio_max: u64,
    /// What the layers of one image may give beyond the ratio; `None` for bytes that were counted before.
    excess: Option<Excess>,
    /// Where a second pass may begin, when asked for.
    pub points: Option<Points>,
    /// Bytes after the last gzip member that are no member.
    pub trailing: bool,
}

impl Stream {
    /// Starts at the beginning of the layer.
    pub fn new(stored: Stored, packing: Packing, what: &str, limits: &Limits) -> Result<Self, Error> {
        let unpack = match packing {
            Packing::Plain => Unpack::Plain,
            Packing::Gzip => {
                Unpack::Gzip { inflate: Box::new(Inflate::new(false, 15)), place: Place::Header }
            }
            Packing::Zstd => {
                let mut decode = Decoder::new().map_err(|error| Error::io(what, error))?;
                let window = DParameter::WindowLogMax(window_log_max(limits));
                decode.set_parameter(window).map_err(|error| Error::io(what, error))?;
                Unpack::Zstd { decode: Box::new(decode), in_frame: false }
            }
        };
        Ok(Self {
            stored,
            unpack,
            input: Vec::new(),
            input_at: 0,
            what: what.to_owned(),
            read: 0,
            written: 0,
            bytes_max: limits.layer_bytes_max,
            ratio_max: limits.inflate_ratio_max,
            excess: None,
            points: None,
            trailing: false,
        })
    }

    /// For the first pass: counts what is inflated beyond the ratio and notes where a second may begin.
    pub fn first(mut self, excess_left: &Arc<AtomicU64>) -> Self {
        if !matches!(self.unpack, Unpack::Plain) {
            self.excess = Some(Excess { taken: 0, left: Arc::clone(excess_left) });
            self.points = Some(Points::default());
        }
        self
    }

    /// Goes on from a place of the first pass; `stored` must begin there.
    pub fn resumed(mut self, point: &Point) -> Result<Self, Error> {
        self.written = point.written;
        self.read = point.read;
        if let (Unpack::Gzip { inflate, place }, Some(inside)) = (&mut self.unpack, &point.inside) {
            let Some(ready) = inside.inflater() else {
                return Err(Error::broken(&*self.what, "inflating could not go on in the middle"));
            };
            (**inflate, *place) = (ready, Place::Body);
        }
        Ok(self)
    }

    /// Fills `chunk` with the next bytes; fewer only at the end of the layer.
    pub fn fill(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < chunk.len() {
            let count = match self.unpack {
                Unpack::Plain => self.stored.read(&mut chunk[filled..], &self.what)?,
                Unpack::Gzip { .. } => self.inflate(chunk, filled)?,
                Unpack::Zstd { .. } => self.decode(chunk, filled)?,
            };
            if count == 0 {
                break;
            }
            filled += count;
        }
        self.written += filled as u64;
        if self.written > self.bytes_max {
            return Err(Error::limit(&*self.what, "layer_bytes_max", self.bytes_max));
        }
        self.count_excess()?;
        Ok(filled)
    }

    fn count_excess(&mut self) -> Result<(), Error> {
        let Some(excess) = &mut self.excess else { return Ok(()) };
        let beyond = self.written.saturating_sub(self.read.saturating_mul(self.ratio_max));
        if let Some(more) = beyond.checked_sub(excess.taken).filter(|more| *more > 0) {
            excess.taken = beyond;
            let take = |left: u64| left.checked_sub(more);
            if excess.left.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                return Err(Error::limit(&*self.what, "inflate_ratio_max", self.ratio_max));
            }
        }
        Ok(())
    }

    /// Reads what is left of the stored bytes and gives their digest, if it was asked for.
    pub fn finish(mut self) -> Result<Option<Digest>, Error> {
        while self.stored.hash.is_some() && self.refill()? {}
        Ok(self.stored.hash.map(|hash| Digest::from_bytes(hash.finalize().into())))
    }

    /// Replaces the spent input; false at the end.
    fn refill(&mut self) -> Result<bool, Error> {
        self.input.resize(INPUT_BYTES, 0);
        let count = self.stored.read(&mut self.input, &self.what)?;
        self.input.truncate(count);
        self.input_at = 0;
        self.read += count as u64;
        Ok(count > 0)
    }

    fn byte(&mut self) -> Result<Option<u8>, Error> {
        if self.input_at >= self.input.len() && !self.refill()? {
            return Ok(None);
        }
        let byte = self.input.get(self.input_at).copied();
        self.input_at += 1;
        Ok(byte)
    }

    fn needed_byte(&mut self) -> Result<u8, Error> {
        self.byte()?.ok_or_else(|| self.truncated())
    }

    fn truncated(&self) -> Error {
        Error::broken(&*self.what, "its compressed data end in the middle; fetch or save it again")
    }

    /// Stored bytes used so far.
    fn used(&self) -> u64 {
        self.read - (self.input.len().saturating_sub(self.input_at)) as u64
    }

    /// Whether a place for the second pass is wanted after `filled` bytes of the chunk.
    fn due(&self, filled: usize) -> bool {
        self.points.as_ref().is_some_and(|points| points.due(self.written + filled as u64))
    }

    /// Notes the start of a member or frame.
    fn mark_start(&mut self, filled: usize) {
        if self.due(filled) {
            let point = Point { written: self.written + filled as u64, read: self.used(), inside: None };
            if let Some(points) = &mut self.points {
                points.add(point);
            }
        }
    }

    /// Inflates some bytes to the chunk after the `filled` ones.
    fn inflate(&mut self, chunk: &mut [u8], filled: usize) -> Result<usize, Error> {
        loop {
            let Unpack::Gzip { place, .. } = self.unpack else { return Ok(0) };
            match place {
                Place::Done => return Ok(0),
                Place::Header => {
                    self.mark_start(filled);
                    let goes_on = self.member_header()?;
                    self.set_place(if goes_on { Place::Body } else { Place::Done });
                    continue;
                }
                Place::Body => {}
            }
            if self.input_at >= self.input.len() && !self.refill()? {
                return Err(self.truncated());
            }
            let due = self.due(filled);
            let flush = if due { InflateFlush::Block } else { InflateFlush::NoFlush };
            let out = chunk.get_mut(filled..).unwrap_or_default();
            let space = out.len();
            let (mut count, ended) = self.inflate_some(out, flush)?;
            // With room and input left it stopped because a block ended.
            if due && !ended && count < space && self.input_at < self.input.len() {
                count += self.mark_inside(chunk, filled + count)?;
            }
            if count > 0 {
                return Ok(count);
            }
        }
    }

    /// One call of the inflater; also tells whether the member ended.
    fn inflate_some(&mut self, out: &mut [u8], flush: InflateFlush) -> Result<(usize, bool), Error> {
        let Unpack::Gzip { inflate, .. } = &mut self.unpack else { return Ok((0, true)) };
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let input = self.input.get(self.input_at..).unwrap_or_default();
        let damaged = || Error::broken(&*self.what, "its gzip data are damaged");
        let status = inflate.decompress(input, out, flush).map_err(|_| damaged())?;
        self.input_at += (inflate.total_in() - before_in) as usize;
        let count = (inflate.total_out() - before_out) as usize;
        let stuck = count == 0 && inflate.total_in() == before_in;
        if status == Status::StreamEnd {
            inflate.reset(false);
            for _ in 0..8 {
                self.needed_byte()?;
            }
            self.set_place(Place::Header);
            return Ok((count, true));
        }
        if stuck {
            return Err(damaged());
        }
        Ok((count, false))
    }

    /// A block ended after the `filled` bytes: makes a place of it if it can. Gives how many bytes more
    /// were inflated.
    fn mark_inside(&mut self, chunk: &mut [u8], filled: usize) -> Result<usize, Error> {
        let written = self.written + filled as u64;
        let last = self.input_at.checked_sub(1).and_then(|at| self.input.get(at).copied());
        let (before, out) = chunk.split_at_mut_checked(filled).unwrap_or_default();
        let window = before.len().checked_sub(WINDOW_BYTES).and_then(|at| before.get(at..));
        let (Some(byte), Some(window), Some(out)) = (last, window, out.get_mut(..PROOF_BYTES)) else {
            return Ok(0);
        };
        let (start, read) = (self.input_at, self.used());
        let (count, ended) = self.inflate_some(out, InflateFlush::NoFlush)?;
        let input = self.input.get(start..).unwrap_or_default();
        let whole = !ended && count == PROOF_BYTES;
        let found = whole.then(|| Inside::find(window, byte, input, out)).flatten();
        let Some(points) = &mut self.points else { return Ok(count) };
        let (Some((inside, ready, taken)), Unpack::Gzip { inflate, .. }) = (found, &mut self.unpack) else {
            points.postpone(written);
            return Ok(count);
        };
        points.add(Point { written, read, inside: Some(inside) });
        **inflate = ready;
        self.input_at = start + taken;
        Ok(count)
    }

    fn set_place(&mut self, to: Place) {
        if let Unpack::Gzip { place, .. } = &mut self.unpack {
            *place = to;
        }
    }

    /// Passes over a member header; false when no further member follows.
    fn member_header(&mut self) -> Result<bool, Error> {
        let first = self.written == 0 && self.read <= self.input.len() as u64 && self.input_at == 0;
        let Some(magic) = self.byte()? else { return Ok(false) };
        if magic != 0x1f || self.byte()? != Some(0x8b) || self.byte()? != Some(8) {
            if first {
                return Err(Error::broken(&*self.what, "it is not gzip"));
            }
            self.trailing = true;
            return Ok(false);
        }
        let flags = self.needed_byte()?;
        for _ in 0..6 {
            self.needed_byte()?;
        }
        if flags & 4 != 0 {
            let length = u16::from_le_bytes([self.needed_byte()?, self.needed_byte()?]);
            for _ in 0..length {
                self.needed_byte()?;
            }
        }
        for flag in [8, 16] {
            while flags & flag != 0 && self.needed_byte()? != 0 {}
        }
        if flags & 2 != 0 {
            self.needed_byte()?;
            self.needed_byte()?;
        }
        Ok(true)
    }

    fn decode(&mut self, chunk: &mut [u8], filled: usize) -> Result<usize, Error> {
        loop {
            let spent = self.input_at >= self.input.len();
            let ended = spent && !self.refill()?;
            let Unpack::Zstd { decode, in_frame } = &mut self.unpack else { return Ok(0) };
            if ended && !*in_frame {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.input.get(self.input_at..).unwrap_or_default());
            let mut output = OutBuffer::around(chunk.get_mut(filled..).unwrap_or_default());
            let hint = decode.run(&mut input, &mut output).map_err(|error| {
                let detail = format!("its zstd data are damaged or need too large a window ({error})");
                Error::broken(&*self.what, detail)
            })?;
            let count = output.pos();
            self.input_at += input.pos();
            *in_frame = hint != 0;
            if hint == 0 {
                self.mark_start(filled + count);
            }
            if count > 0 {
                return Ok(count);
            }
            if ended {
                return if hint != 0 { Err(self.truncated()) } else { Ok(0) };
            }
        }
    }
}

/// The largest zstd window: a quarter of the memory budget, at least the 8 MiB RFC 8878 recommends.
fn window_log_max(limits: &Limits) -> u32 {
    (limits.memory_bytes_max / 4).max(1).ilog2().clamp(23, 27)
}
