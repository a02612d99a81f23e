//! VHD, the older disk of Hyper-V and that of Azure: fixed and dynamic. Format: Microsoft's "Virtual Hard
//! Disk Image Format Specification". Differencing disks are refused.

use super::{Contained, Format, Found, whole};
use crate::Source;
use crate::disk::bytes::{Fields, Volume, damaged, unsupported};
use crate::source::read_full;
use std::io;
use std::sync::Arc;

const COOKIE: &[u8] = b"conectix";
const SECTOR: u64 = 512;
const NEVER: u64 = 0xffff_ffff;

/// Whether the last sector of a file is a footer of VHD.
pub(super) fn is_vhd(source: &dyn Source) -> bool {
    let mut footer = [0; 8];
    let place = source.len().checked_sub(SECTOR);
    place.is_some_and(|place| read_full(source, place, &mut footer).is_ok_and(|count| count == 8))
        && footer == *COOKIE
}

struct Vhd {
    file: Volume,
    disk_bytes: u64,
    /// `None` for fixed disks, which are the bytes before the footer.
    blocks: Option<Blocks>,
}

struct Blocks {
    table: u64,
    count: u64,
    bytes: u64,
    /// Bytes of the map of sectors before each block.
    map: u64,
}

/// The disk.
pub(super) fn open(source: Arc<dyn Source>) -> io::Result<Arc<dyn Source>> {
    let file = whole(source);
    let footer = file.take(file.len().saturating_sub(SECTOR), 512)?;
    let fields = Fields(&footer);
    let (disk_bytes, header) = (fields.be64(48)?, fields.be64(16)?);
    let blocks = match fields.be32(60)? {
        2 => None,
        3 => Some(blocks(&file, header)?),
        4 => {
            let what =
                "it holds only what changed since its parent; make it whole: qemu-img convert -O qcow2";
            return Err(unsupported(what));
        }
        _ => return Err(damaged("its footer names no type of disk")),
    };
    let covered = blocks.as_ref().map_or(file.len() - SECTOR, |blocks| blocks.count * blocks.bytes);
    if covered < disk_bytes {
        return Err(damaged("its bytes are fewer than its footer says"));
    }
    Ok(Contained::source(Vhd { file, disk_bytes, blocks }, SECTOR))
}

fn blocks(file: &Volume, header: u64) -> io::Result<Blocks> {
    let header = file.take(header, 1_024)?;
    let fields = Fields(&header);
    let bytes = u64::from(fields.be32(32)?);
    if !header.starts_with(b"cxsparse") || !(SECTOR..=1 << 30).contains(&bytes) || !bytes.is_power_of_two() {
        return Err(damaged("its header is broken"));
    }
    let map = (bytes / SECTOR / 8).next_multiple_of(SECTOR);
    Ok(Blocks { table: fields.be64(16)?, count: u64::from(fields.be32(28)?), bytes, map })
}

impl Format for Vhd {
    fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }
    fn file(&self) -> &Volume {
        &self.file
    }
    fn find(&self, offset: u64) -> io::Result<Found> {
        let Some(blocks) = &self.blocks else {
            return Ok(Found::Plain { offset, len: self.disk_bytes.saturating_sub(offset) });
        };
        let (block, inside) = (offset / blocks.bytes, offset % blocks.bytes);
        let mut raw = [0; 4];
        self.file.small(blocks.table.saturating_add(block * 4), &mut raw)?;
        let len = blocks.bytes - inside;
        match u64::from(u32::from_be_bytes(raw)) {
            NEVER => Ok(Found::Zeros { len }),
            sector => Ok(Found::Plain { offset: sector * SECTOR + blocks.map + inside, len }),
        }
    }
    fn unpack(&self, _number: u64) -> io::Result<Vec<u8>> {
        Err(damaged("nothing in it is compressed"))
    }
}
