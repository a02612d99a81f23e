//! Short compressed pieces of known length: clusters of a container, blocks of a squashfs.

use super::bytes::damaged;
use std::io;
use std::sync::{Mutex, PoisonError};
use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// The largest zstd window of a piece: pieces are of 2 MiB at most.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Whether deflate data come with the header of zlib (RFC 1950).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// Raw deflate (RFC 1951).
    None,
    /// zlib.
    Zlib,
}

/// Inflates into `out`, at most to its end; gives the number of bytes.
pub(crate) fn inflate(bytes: &[u8], wrapper: Wrapper, out: &mut [u8]) -> io::Result<usize> {
    let mut inflate = Inflate::new(wrapper == Wrapper::Zlib, 15);
    loop {
        let (read, written) = (fit(inflate.total_in()), fit(inflate.total_out()));
        let (from, to) = (bytes.get(read..).unwrap_or_default(), out.get_mut(written..).unwrap_or_default());
        if to.is_empty() {
            return Ok(written);
        }
        let status = inflate.decompress(from, to, InflateFlush::NoFlush);
        let moved = fit(inflate.total_in()) > read || fit(inflate.total_out()) > written;
        match status {
            Ok(Status::StreamEnd) => return Ok(fit(inflate.total_out())),
            Ok(_) if moved => {}
            _ => return Err(damaged("its compressed data are damaged")),
        }
    }
}

/// The same for zstd (RFC 8878), one frame.
pub(crate) fn unzstd(bytes: &[u8], out: &mut [u8]) -> io::Result<usize> {
    let mut decoder = Decoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    let mut from = InBuffer::around(bytes);
    let mut to = OutBuffer::around(out);
    loop {
        let before = (from.pos(), to.pos());
        let left = decoder.run(&mut from, &mut to).map_err(|_| damaged("its compressed data are damaged"))?;
        if left == 0 || to.pos() == to.capacity() {
            return Ok(to.pos());
        }
        if (from.pos(), to.pos()) == before {
            return Err(damaged("its compressed data end too early"));
        }
    }
}

/// A piece and its number.
type Slot = Option<(u64, Vec<u8>)>;

/// Unpacked pieces by a number of theirs, the newest of each slot.
pub(crate) struct Kept {
    slots: Mutex<Vec<Slot>>,
}

impl Kept {
    /// Keeps about `bytes` of pieces of this size.
    pub fn new(bytes: u64, piece_bytes: u64) -> Self {
        let count = usize::try_from(bytes / piece_bytes.max(1)).unwrap_or(usize::MAX);
        Self { slots: Mutex::new(vec![None; count.clamp(2, 64)]) }
    }
    /// Copies from `inside` of a piece, which is made when it is not at hand; 0 at its end.
    pub fn copy(
        &self,
        number: u64,
        inside: u64,
        buffer: &mut [u8],
        make: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<usize> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let count = slots.len().max(1) as u64;
        let slot = (number ^ number >> 7 ^ number >> 16) % count;
        let Some(slot) = slots.get_mut(fit(slot)) else { return Ok(0) };
        if slot.as_ref().is_none_or(|(held, _)| *held != number) {
            *slot = Some((number, make()?));
        }
        let rest = slot.as_ref().and_then(|(_, bytes)| bytes.get(fit(inside)..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

fn fit(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn pieces_come_back_and_damage_is_an_error() {
        let plain: Vec<u8> = (0..60_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&plain).expect("memory");
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        raw.write_all(&plain).expect("memory");
        let zstd = zstd::bulk::compress(&plain, 3).expect("memory");
        type Unpack = fn(&[u8], &mut [u8]) -> io::Result<usize>;
        let all: [(Vec<u8>, Unpack); 3] = [
            (zlib.finish().expect("memory"), |bytes, out| inflate(bytes, Wrapper::Zlib, out)),
            (raw.finish().expect("memory"), |bytes, out| inflate(bytes, Wrapper::None, out)),
            (zstd, unzstd),
        ];
        for (packed, unpack) in all {
            for length in [0, 1, 65_536, plain.len(), plain.len() + 9] {
                let mut out = vec![0; length];
                let mut packed = packed.clone();
                packed.extend_from_slice(b"what follows");
                assert_eq!(unpack(&packed, &mut out).expect("sound"), length.min(plain.len()));
                assert!(plain.iter().zip(&out).all(|(one, other)| one == other));
            }
            let mut out = vec![0; plain.len()];
            assert!(unpack(&packed[..packed.len() / 2], &mut out).is_err());
            assert!(unpack(&[], &mut out).is_err());
            assert!(unpack(&[0xff; 100], &mut out).is_err());
        }
    }
}
