//! Places inside a compressed layer where inflating can begin: noted while the one pass goes by, used by
//! the second pass to content that was not at hand.
//!
//! Format: RFC 1951 (deflate). A place is the end of a deflate block: the position in the stored bytes, the
//! bits of the last byte that belong to the next block, and the 32 kB before it. The members of a gzip
//! file and the frames of zstd begin without any of that. A zstd layer of one frame (the usual case) has
//! no such places and is inflated from its start.
//!
//! The inflater does not tell how many bits of its last byte are left, so all eight answers are tried and
//! the one that gives the same bytes goes on with the first pass itself. A wrong answer would thus spoil
//! the layer's digest; what the second pass reads is what was verified.

use zlib_rs::{Inflate, InflateFlush, Status};

/// Deflate looks back this far.
pub(crate) const WINDOW_BYTES: usize = 32 << 10;
/// Bytes by which an answer is proven.
pub(crate) const PROOF_BYTES: usize = 16 << 10;
/// Places kept of one layer: 3 MB of windows.
const POINTS_MAX: usize = 96;
/// Uncompressed bytes between two places, until there are too many of them.
const SPACING_BYTES: u64 = 8 << 20;
/// Bits of our empty block with codes of its own.
const DYNAMIC_BITS: u32 = 93;
/// Bits of an empty block with fixed codes.
const FIXED_BITS: u32 = 10;

/// Where inflating can begin.
#[derive(Debug)]
pub(crate) struct Point {
    /// Uncompressed bytes before it.
    pub written: u64,
    /// Stored bytes before it.
    pub read: u64,
    /// What the inflater must know; `None` at the start of a gzip member or zstd frame.
    pub inside: Option<Inside>,
}

/// What an inflater knows between two blocks.
#[derive(Debug)]
pub(crate) struct Inside {
    window: Box<[u8]>,
    /// The last byte read.
    byte: u8,
    /// How many of its upper bits belong to the next block.
    bits: u32,
}

/// The places of one layer, further apart the longer it is.
#[derive(Debug)]
pub(crate) struct Points {
    spacing: u64,
    due_at: u64,
    list: Vec<Point>,
}

impl Default for Points {
    fn default() -> Self {
        Self { spacing: SPACING_BYTES, due_at: SPACING_BYTES, list: Vec::new() }
    }
}

impl Points {
    /// Whether the next possible place is wanted.
    pub fn due(&self, written: u64) -> bool {
        written >= self.due_at
    }

    /// Keeps a place.
    pub fn add(&mut self, point: Point) {
        if self.list.len() >= POINTS_MAX {
            self.spacing = self.spacing.saturating_mul(2);
            let mut at = 0;
            self.list.retain(|_| {
                at += 1;
                at % 2 == 0
            });
        }
        self.due_at = point.written.saturating_add(self.spacing);
        self.list.push(point);
    }

    /// No place could be made of this one: tries again later, so that trying costs little.
    pub fn postpone(&mut self, written: u64) {
        self.due_at = written.saturating_add(self.spacing / 8);
    }

    /// The last place at or before an offset of the layer.
    pub fn before(&self, offset: u64) -> Option<&Point> {
        let end = self.list.partition_point(|point| point.written <= offset);
        end.checked_sub(1).and_then(|at| self.list.get(at))
    }
}

impl Inside {
    /// An inflater that goes on from here.
    pub fn inflater(&self) -> Option<Inflate> {
        let mut inflate = Inflate::new(false, 15);
        self.prepare(&mut inflate).then_some(inflate)
    }

    fn prepare(&self, inflate: &mut Inflate) -> bool {
        if inflate.set_dictionary(&self.window).is_err() {
            return false;
        }
        if self.bits == 0 {
            return true;
        }
        let mut lead = lead(8 - self.bits);
        if let Some(last) = lead.last_mut() {
            *last |= self.byte & !(0xff >> self.bits);
        }
        let status = inflate.decompress(&lead, &mut [0; 8], InflateFlush::NoFlush);
        status == Ok(Status::Ok) && inflate.total_in() == lead.len() as u64 && inflate.total_out() == 0
    }

    /// Finds the place whose next bytes are `output`, with an inflater that has given them and the number
    /// of bytes of `input` it took.
    pub fn find(window: &[u8], byte: u8, input: &[u8], output: &[u8]) -> Option<(Self, Inflate, usize)> {
        let mut inside = Self { window: window.into(), byte, bits: 0 };
        let mut inflate = Inflate::new(false, 15);
        let mut given = vec![0; output.len()];
        for bits in 0..8 {
            inside.bits = bits;
            if bits > 0 {
                inflate.reset(false);
            }
            if !inside.prepare(&mut inflate) {
                continue;
            }
            let taken = inflate.total_in();
            let status = inflate.decompress(input, &mut given, InflateFlush::NoFlush);
            if status == Ok(Status::Ok) && given == output {
                let taken = usize::try_from(inflate.total_in() - taken).ok()?;
                return Some((inside, inflate, taken));
            }
        }
        None
    }
}

/// Empty blocks whose last one ends after `bits` (1 to 7) bits of the last byte.
fn lead(bits: u32) -> Vec<u8> {
    let mut out = Bits::default();
    if bits % 2 == 1 {
        // Not the last block, dynamic codes; 257 lengths of literals, one distance, 19 lengths of lengths.
        out.put(0, 1);
        out.put(2, 2);
        out.put(0, 10);
        out.put(15, 4);
        // In the order of the format: lengths of lengths for 18 (third) and 1 (eighteenth).
        for at in 0..19 {
            out.put(u32::from(at == 2 || at == 17), 3);
        }
        // Code 1 is "18": 138 and 118 zeros; code 0 is a length of one bit: the end mark, a distance.
        out.put(1, 1);
        out.put(127, 7);
        out.put(1, 1);
        out.put(107, 7);
        out.put(0, 2);
        // The end mark.
        out.put(0, 1);
        debug_assert_eq!(out.count, DYNAMIC_BITS);
    }
    while out.count % 8 != bits {
        // Not the last block, fixed codes, the end mark.
        out.put(0, 1);
        out.put(1, 2);
        out.put(0, FIXED_BITS - 3);
    }
    out.bytes
}

/// Bits, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, bits: u32) {
        for at in 0..bits {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut().filter(|_| value >> at & 1 == 1) {
                *last |= 1 << (self.count % 8);
            }
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_blocks_end_at_every_bit() {
        for bits in 1..8 {
            let mut bytes = lead(bits);
            // Then a last, fixed block: the letter a, the end mark.
            let mut after = Bits { count: bits, bytes: vec![bytes.pop().expect("a byte")] };
            after.put(1, 1);
            after.put(1, 2);
            let letter = u32::from(b'a') + 0x30;
            after.put(letter.reverse_bits() >> 24, 8);
            after.put(0, 7);
            bytes.extend(after.bytes);
            let mut out = [0; 8];
            let mut inflate = Inflate::new(false, 15);
            let status = inflate.decompress(&bytes, &mut out, InflateFlush::Finish);
            assert_eq!((status, inflate.total_out()), (Ok(Status::StreamEnd), 1), "{bits}");
            assert_eq!(out[0], b'a');
        }
    }

    #[test]
    fn places_are_few() {
        let mut points = Points::default();
        let mut written = 0;
        for _ in 0..100_000 {
            written += 1 << 20;
            if points.due(written) {
                points.add(Point { written, read: 0, inside: None });
            }
            assert!(points.list.len() <= POINTS_MAX);
        }
        assert!(points.list.len() > POINTS_MAX / 4);
        assert!(points.list.is_sorted_by_key(|point| point.written));
        assert!(points.before(0).is_none());
        assert_eq!(points.before(u64::MAX).map(|point| point.written), points.list.last().map(|p| p.written));
    }
}
