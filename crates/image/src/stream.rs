//! The bytes of a layer in order: read with pread, hashed as stored, inflated.
//!
//! gzip (RFC 1952, any number of members; its CRC is not checked because the SHA-256 of the same
//! bytes is), zstd (RFC 8878, any number of frames, window capped) or plain, told apart by content.

use crate::source::read_full;
use crate::{Error, Source};
use flate2::{Decompress, FlushDecompress, Status};
use seaworthy_types::{Digest, Limits};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Stored bytes read at once.
const INPUT_BYTES: usize = 128 << 10;
/// The ratio of inflation counts only above this.
const RATIO_FREE_BYTES: u64 = 64 << 20;

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
    Gzip { inflate: Box<Decompress>, place: Place },
    Zstd { decode: Box<Decoder<'static>>, in_frame: bool },
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
    /// Bytes after the last gzip member that are no member.
    pub trailing: bool,
}

impl Stream {
    /// Starts at the beginning of the layer.
    pub fn new(stored: Stored, packing: Packing, what: &str, limits: &Limits) -> Result<Self, Error> {
        let unpack = match packing {
            Packing::Plain => Unpack::Plain,
            Packing::Gzip => Unpack::Gzip { inflate: Box::new(Decompress::new(false)), place: Place::Header },
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
            trailing: false,
        })
    }

    /// Fills `chunk` with the next bytes; fewer only at the end of the layer.
    pub fn fill(&mut self, chunk: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while filled < chunk.len() {
            let count = match self.unpack {
                Unpack::Plain => self.stored.read(&mut chunk[filled..], &self.what)?,
                Unpack::Gzip { .. } => self.inflate(&mut chunk[filled..])?,
                Unpack::Zstd { .. } => self.decode(&mut chunk[filled..])?,
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
        let stored = self.read.max(1);
        if self.written > RATIO_FREE_BYTES
            && !matches!(self.unpack, Unpack::Plain)
            && self.written / stored > self.ratio_max
        {
            return Err(Error::limit(&*self.what, "inflate_ratio_max", self.ratio_max));
        }
        Ok(filled)
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

    fn inflate(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        loop {
            let Unpack::Gzip { place, .. } = self.unpack else { return Ok(0) };
            match place {
                Place::Done => return Ok(0),
                Place::Header => {
                    let goes_on = self.member_header()?;
                    self.set_place(if goes_on { Place::Body } else { Place::Done });
                    continue;
                }
                Place::Body => {}
            }
            if self.input_at >= self.input.len() && !self.refill()? {
                return Err(self.truncated());
            }
            let Unpack::Gzip { inflate, .. } = &mut self.unpack else { return Ok(0) };
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let input = self.input.get(self.input_at..).unwrap_or_default();
            let status = inflate.decompress(input, out, FlushDecompress::None).map_err(|error| {
                Error::broken(&*self.what, format!("its gzip data are damaged ({error})"))
            })?;
            self.input_at += (inflate.total_in() - before_in) as usize;
            let count = (inflate.total_out() - before_out) as usize;
            let stuck = count == 0 && inflate.total_in() == before_in;
            match status {
                Status::StreamEnd => {
                    inflate.reset(false);
                    for _ in 0..8 {
                        self.needed_byte()?;
                    }
                    self.set_place(Place::Header);
                }
                _ if stuck => return Err(Error::broken(&*self.what, "its gzip data are damaged")),
                _ => {}
            }
            if count > 0 {
                return Ok(count);
            }
        }
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

    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        loop {
            let spent = self.input_at >= self.input.len();
            let ended = spent && !self.refill()?;
            let Unpack::Zstd { decode, in_frame } = &mut self.unpack else { return Ok(0) };
            if ended && !*in_frame {
                return Ok(0);
            }
            let mut input = InBuffer::around(self.input.get(self.input_at..).unwrap_or_default());
            let mut output = OutBuffer::around(&mut *out);
            let hint = decode.run(&mut input, &mut output).map_err(|error| {
                let detail = format!("its zstd data are damaged or need too large a window ({error})");
                Error::broken(&*self.what, detail)
            })?;
            let count = output.pos();
            self.input_at += input.pos();
            *in_frame = hint != 0;
            if count > 0 {
                return Ok(count);
            }
            if ended {
                return if *in_frame { Err(self.truncated()) } else { Ok(0) };
            }
        }
    }
}

/// The largest zstd window: a quarter of the memory budget, at least the 8 MiB RFC 8878 recommends.
fn window_log_max(limits: &Limits) -> u32 {
    (limits.memory_bytes_max / 4).max(1).ilog2().clamp(23, 27)
}
