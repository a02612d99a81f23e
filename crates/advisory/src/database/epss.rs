//! EPSS scores of all CVEs: sorted numeric keys, ten bytes each, searched in place.
//!
//! Layout: `EKEY` has 8 bytes for each block (first key, CRC32), `EDAT` blocks of 128 entries: key
//! (4 bytes: year − 1970 in the upper 7 bits, number in the lower 25), probability and percentile
//! (3 bytes each, in millionths). What it does not do: hold ids that are no CVE ids.

use super::container::{Container, Guard, Kind, Tag, Writer, slice, u32_at};
use seaworthy_types::Epss;
use std::io::{self, Write};

const ENTRY: usize = 10;
const BLOCK: usize = 128 * ENTRY;

/// A CVE id as a number that sorts by year and number.
pub fn key_of(id: &str) -> Option<u32> {
    let (year, number) = id.strip_prefix("CVE-")?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year) || !digits(number) || year.len() != 4 {
        return None;
    }
    let year = year.parse::<u32>().ok()?.checked_sub(1970).filter(|year| *year < 128)?;
    let number = number.parse::<u32>().ok().filter(|number| *number < 1 << 25)?;
    Some(year << 25 | number)
}

/// A share between 0 and 1 in millionths.
pub fn millionths(share: f32) -> u32 {
    (f64::from(share).clamp(0.0, 1.0) * 1e6).round() as u32
}

fn share(bytes: &[u8]) -> Option<f32> {
    Some((f64::from(millionths_at(bytes)?) / 1e6) as f32)
}

fn millionths_at(bytes: &[u8]) -> Option<u32> {
    let low = bytes.get(..3)?;
    Some(low.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)))
}

/// All entries: key, probability, percentile in millionths. Each block is checked.
pub fn entries(container: &Container) -> Result<Vec<(u32, u32, u32)>, String> {
    verify(container)?;
    let data = section(container, *b"EDAT")?;
    let entry = |bytes: &[u8]| {
        Some((u32_at(bytes, 0)?, millionths_at(bytes.get(4..)?)?, millionths_at(bytes.get(7..)?)?))
    };
    data.chunks(ENTRY).map(|bytes| entry(bytes).ok_or_else(|| "its last entry".to_owned())).collect()
}

/// Percentiles in millionths that follow from the scores of all: the share of scores that are not
/// higher, rounded up to five digits. FIRST ranks scores before rounding them; of those that are equal
/// when rounded all get the middle rank here.
pub fn percentiles(entries: &[(u32, u32, u32)]) -> Vec<u32> {
    let mut order: Vec<(u32, usize)> = entries.iter().map(|entry| entry.1).zip(0..).collect();
    order.sort_unstable();
    let mut found = vec![0; entries.len()];
    let mut below = 0_u64;
    let count = (entries.len() as u64).max(1);
    for group in order.chunk_by(|one, other| one.0 == other.0) {
        let equal = group.len() as u64;
        // Twice the mean of the ranks below + 1 … below + equal.
        let rank = below * 2 + equal + 1;
        let percentile = (rank * 100_000).div_ceil(count * 2).min(100_000) as u32 * 10;
        for (_, at) in group {
            if let Some(place) = found.get_mut(*at) {
                *place = percentile;
            }
        }
        below += equal;
    }
    found
}

/// Writes the file from entries (key, probability, percentile in millionths) sorted by key.
pub fn write<W: Write>(output: W, entries: &[(u32, u32, u32)]) -> io::Result<(W, String, u64)> {
    write_with(output, entries, &[])
}

/// The same, with records that this program does not know.
pub fn write_with<W: Write>(
    output: W,
    entries: &[(u32, u32, u32)],
    more: &[u8],
) -> io::Result<(W, String, u64)> {
    let mut writer = Writer::new(output, Kind::Epss)?;
    let mut index = Vec::new();
    writer.begin(*b"EDAT", Guard::Blocks)?;
    for chunk in entries.chunks(BLOCK / ENTRY) {
        let mut block = Vec::with_capacity(BLOCK);
        for (key, probability, percentile) in chunk {
            block.extend_from_slice(&key.to_le_bytes());
            block.extend(probability.to_le_bytes().iter().take(3));
            block.extend(percentile.to_le_bytes().iter().take(3));
        }
        index.extend(chunk.first().map_or(0, |entry| entry.0).to_le_bytes());
        index.extend(crc32fast::hash(&block).to_le_bytes());
        writer.write(&block)?;
    }
    writer.begin(*b"EKEY", Guard::Whole)?;
    writer.write(&index)?;
    if !more.is_empty() {
        writer.begin(*b"MORE", Guard::Whole)?;
        writer.write(more)?;
    }
    writer.finish()
}

/// The score of a CVE; `Err` says what is damaged.
pub fn find(container: &Container, id: &str) -> Result<Option<Epss>, String> {
    let Some(key) = key_of(id) else { return Ok(None) };
    let index = section(container, *b"EKEY")?;
    if index.is_empty() && !section(container, *b"EDAT")?.is_empty() {
        return Err("its index is missing".into());
    }
    let first = |at: usize| u32_at(index, at.saturating_mul(8));
    let count = partition(index.len() / 8, |at| first(at).is_some_and(|first| first <= key));
    let Some(block) = count.checked_sub(1) else { return Ok(None) };
    let bytes = block_bytes(container, block)?;
    let at = |entry: usize| u32_at(bytes, entry.saturating_mul(ENTRY));
    let found = partition(bytes.len() / ENTRY, |entry| at(entry).is_some_and(|other| other < key));
    if at(found) != Some(key) {
        return Ok(None);
    }
    let entry = slice(bytes, found.saturating_mul(ENTRY), ENTRY).unwrap_or_default();
    let shares = entry.get(4..7).and_then(share).zip(entry.get(7..10).and_then(share));
    Ok(shares.map(|(probability, percentile)| Epss { probability, percentile }))
}

/// Checks every block.
pub fn verify(container: &Container) -> Result<(), String> {
    let blocks = section(container, *b"EKEY")?.len() / 8;
    if section(container, *b"EDAT")?.len().div_ceil(BLOCK) != blocks {
        return Err("its index does not fit its blocks".into());
    }
    (0..blocks).try_for_each(|block| block_bytes(container, block).map(drop))
}

fn section(container: &Container, tag: Tag) -> Result<&[u8], String> {
    container.section(tag).map_err(|damage| damage.to_string())
}

fn block_bytes(container: &Container, block: usize) -> Result<&[u8], String> {
    let data = section(container, *b"EDAT")?;
    let start = block.saturating_mul(BLOCK).min(data.len());
    let bytes = data.get(start..start.saturating_add(BLOCK).min(data.len())).unwrap_or_default();
    let crc = u32_at(section(container, *b"EKEY")?, block.saturating_mul(8).saturating_add(4));
    if crc != Some(crc32fast::hash(bytes)) {
        return Err(format!("block {block}"));
    }
    Ok(bytes)
}

/// How many of `0..count` fulfil `holds`, which must hold for a leading part only.
fn partition(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_year_then_number() {
        assert!(key_of("CVE-1999-9999") < key_of("CVE-2024-0001"));
        assert!(key_of("CVE-2024-9999") < key_of("CVE-2024-10000"));
        for bad in ["", "CVE-2024", "CVE-2024-", "CVE-1969-0001", "CVE-2024-33554432", "GHSA-x", "CVE-+024-1"]
        {
            assert_eq!(key_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn scores_come_back_exactly() {
        let entries: Vec<(u32, u32, u32)> = (0..5_000).map(|n| (n * 3, n * 10, 1_000_000 - n)).collect();
        let bytes = write(Vec::new(), &entries).expect("memory").0;
        let container = Container::from_bytes(bytes.clone(), Kind::Epss).expect("sound");
        for (number, wanted) in [(0, true), (3, true), (4, false), (14_997, true), (14_998, false)] {
            let found = find(&container, &format!("CVE-1970-{number:04}")).expect("sound");
            assert_eq!(found.is_some(), wanted, "{number}");
        }
        let found = find(&container, "CVE-1970-10053").expect("sound").expect("there");
        assert_eq!((found.probability, found.percentile), (0.03351, 0.996649));
        assert!(verify(&container).is_ok());
        let mut bad = bytes;
        bad[20_000] ^= 1;
        let container = Container::from_bytes(bad, Kind::Epss).expect("blocks are checked later");
        assert!(verify(&container).is_err() && find(&container, "CVE-1970-6000").is_err());
        let empty = write(Vec::new(), &[]).expect("memory").0;
        let container = Container::from_bytes(empty, Kind::Epss).expect("sound");
        assert_eq!(find(&container, "CVE-2024-0001"), Ok(None));
    }
}
