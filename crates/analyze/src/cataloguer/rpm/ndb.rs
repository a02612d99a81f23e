//! rpm's own database format, `Packages.db`.
//!
//! Format: `lib/backend/ndb/rpmpkg.c` of rpm: a header, slots of 16 bytes on the first pages (package
//! number, first block, number of blocks), blocks of 16 bytes that hold one blob each between a head
//! and a tail with an Adler-32 sum. All numbers little-endian.

use super::bytes::{Bytes, Losses, Order, Result, u32_at};

/// How such a file starts.
pub const MAGIC: &[u8] = b"RpmP";
const PAGE_BYTES: u64 = 4_096;
const SLOT_BYTES: usize = 16;
const HEADER_SLOTS: usize = 2;
const BLOCK_BYTES: u64 = 16;
const HEAD_BYTES: usize = 16;
const TAIL_BYTES: usize = 12;

/// Calls `each` with every header blob.
pub fn headers(
    bytes: &mut Bytes<'_>,
    header_bytes_max: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Losses> {
    let head = bytes.read(0, 32)?;
    if u32_at(&head, 4, Order::Little) != Some(0) {
        return Err("unknown version of the format".into());
    }
    let pages = u64::from(u32_at(&head, 12, Order::Little).unwrap_or_default());
    if pages == 0 || pages.saturating_mul(PAGE_BYTES) > bytes.len() {
        return Err("impossible number of slot pages".into());
    }
    let mut losses = Losses::default();
    // Blobs never overlap: together they are no larger than the file.
    let mut left = bytes.len();
    for page in 0..pages {
        let slots = bytes.read(page * PAGE_BYTES, PAGE_BYTES as usize)?;
        let skip = if page == 0 { HEADER_SLOTS } else { 0 };
        for slot in slots.chunks_exact(SLOT_BYTES).skip(skip) {
            if !slot.starts_with(b"Slot") {
                losses.add("a slot is damaged".into());
                continue;
            }
            let number = |at| u32_at(slot, at, Order::Little).unwrap_or_default();
            let (package, offset, blocks) = (number(4), u64::from(number(8)), u64::from(number(12)));
            if offset == 0 || package == 0 {
                continue;
            }
            let size = blocks * BLOCK_BYTES;
            let result = if size > left {
                Err("blobs overlap".to_owned())
            } else {
                left -= size;
                blob(bytes, package, offset * BLOCK_BYTES, size, header_bytes_max)
            };
            if let Err(why) = result.and_then(|blob| each(&blob)) {
                losses.add(why);
            }
        }
    }
    Ok(losses)
}

/// The blob of one slot, its head, tail and sum checked.
fn blob(bytes: &mut Bytes<'_>, package: u32, offset: u64, size: u64, bytes_max: usize) -> Result<Vec<u8>> {
    let damaged = |what: &str| format!("the blob of package number {package} is damaged: {what}");
    let size = usize::try_from(size).map_err(|_| damaged("size"))?;
    if size < HEAD_BYTES + TAIL_BYTES || size > bytes_max.saturating_add(64) {
        return Err(damaged("impossible size"));
    }
    let whole = bytes.read(offset, size)?;
    let (body, tail) = whole.split_at(size - TAIL_BYTES);
    let number = |at| u32_at(body, at, Order::Little);
    let length = number(12).and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    if !body.starts_with(b"BlbS") || number(4) != Some(package) || !tail.ends_with(b"BlbE") {
        return Err(damaged("marks"));
    }
    if u32_at(tail, 0, Order::Little) != Some(adler32(body)) {
        return Err(damaged("checksum"));
    }
    let end = length.checked_add(HEAD_BYTES).ok_or_else(|| damaged("length"))?;
    body.get(HEAD_BYTES..end).map(<[u8]>::to_vec).ok_or_else(|| damaged("length"))
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    // The most bytes for which `b` stays below 2^32.
    for part in bytes.chunks(5_552) {
        for byte in part {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65_521;
        b %= 65_521;
    }
    (b << 16) | a
}
