//! Whether the log of an XFS holds changes that are not in place yet. They are not read: what a running
//! machine changed last may be missing, and a note says so. A log that was left in order ends with a
//! record of unmounting ("XFS Algorithms & Data Structures", chapter Journaling Log).

use super::Xfs;
use crate::disk::bytes::{Fields, damaged};
use std::io;

const SECTOR: u64 = 512;
const MAGIC: u32 = 0xfeed_babe;
/// Flag of an operation: the file system was unmounted.
const UNMOUNT: u8 = 0x20;
/// Records are looked for this far back: the largest is of 256 KiB.
const BACK_SECTORS: u64 = 1_024;

/// What is to be said of the log, if anything.
pub(super) fn remark(xfs: &Xfs) -> Option<String> {
    match is_clean(xfs) {
        Ok(true) => None,
        Ok(false) => {
            Some("it was in use: changes that are only in its log are not read and were not seen".into())
        }
        Err(error) => Some(format!("its log could not be read ({error}): newest changes may be missing")),
    }
}

fn is_clean(xfs: &Xfs) -> io::Result<bool> {
    if xfs.log_start == 0 {
        return Err(damaged("it is on another device"));
    }
    let start = xfs.place(xfs.log_start)?;
    let sectors = u64::from(xfs.log_blocks) << xfs.block_log >> 9;
    // The first four bytes of each sector are the number of the pass over the log; those of a record's
    // first sector are its magic, with the number after it.
    let pass = |sector: u64| -> io::Result<u32> {
        let head = xfs.volume.take(start.saturating_add(sector * SECTOR), 8)?;
        let first = Fields(&head).be32(0)?;
        if first == MAGIC { Fields(&head).be32(4) } else { Ok(first) }
    };
    let newest = pass(0)?;
    if newest == 0 {
        return Ok(true);
    }
    // Passes fall once, where the newest one ends: looked for by halving.
    let (mut low, mut high) = (0, sectors);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if pass(middle)? == newest { low = middle } else { high = middle }
    }
    // The last record begins before that place, perhaps at the end of the log.
    for back in 1..=BACK_SECTORS.min(sectors) {
        let sector = (high + sectors - back) % sectors;
        let head = xfs.volume.take(start.saturating_add(sector * SECTOR), 512)?;
        if Fields(&head).be32(0)? == MAGIC {
            return is_unmount(xfs, start, sectors, sector, &head);
        }
    }
    Err(damaged("no record was found in it"))
}

fn is_unmount(xfs: &Xfs, start: u64, sectors: u64, sector: u64, head: &[u8]) -> io::Result<bool> {
    let fields = Fields(head);
    let (version, size) = (fields.be32(8)?, u64::from(fields.be32(320)?));
    // Large records have a header for every 32 KiB.
    let headers = if version & 2 != 0 { size.div_ceil(32 << 10).max(1) } else { 1 };
    let body = (sector + headers) % sectors;
    let operation = xfs.volume.take(start.saturating_add(body * SECTOR), 16)?;
    // Transaction, length, client, flags.
    Ok(fields.be32(40)? == 1 && Fields(&operation).byte(9)? & UNMOUNT != 0)
}
