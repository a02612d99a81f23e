//! qcow2, versions 2 and 3, the disk of QEMU. Format: QEMU's docs/interop/qcow2.rst. Clusters as they are,
//! of zeros, compressed by zlib or zstd, and sub-clusters (extended L2 entries). Refused: backing files,
//! encryption, external data files. Not read: snapshots; the newest state counts.

use super::{Contained, Format, Found, whole};
use crate::Source;
use crate::disk::bytes::{Fields, Volume, damaged, unsupported};
use crate::disk::unpack::{Wrapper, inflate, unzstd};
use std::io;
use std::sync::Arc;

const MAGIC: &[u8] = b"QFI\xfb\0\0\0";

// Incompatible features.
const CORRUPT: u64 = 0x2;
const EXTERNAL: u64 = 0x4;
const COMPRESSION: u64 = 0x8;
const EXTENDED: u64 = 0x10;
const KNOWN: u64 = 0x1 | CORRUPT | EXTERNAL | COMPRESSION | EXTENDED;

/// Bits 9 to 55 of an entry are an offset.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeros, whatever its offset.
const ZEROS: u64 = 1;

/// Whether these are the first bytes of a qcow2 disk.
pub(super) fn is_qcow2(head: &[u8]) -> bool {
    head.starts_with(MAGIC) && head.get(7).is_some_and(|version| (2..=3).contains(version))
}

struct Qcow2 {
    file: Volume,
    disk_bytes: u64,
    cluster_bits: u32,
    l1: u64,
    l1_entries: u64,
    zstd: bool,
    extended: bool,
}

/// The disk.
pub(super) fn open(source: Arc<dyn Source>) -> io::Result<Arc<dyn Source>> {
    let file = whole(source);
    let head = file.take(0, 112)?;
    let fields = Fields(&head);
    let version_three = fields.be32(4)? == 3;
    let incompatible = if version_three { fields.be64(72)? } else { 0 };
    let zstd = version_three && incompatible & COMPRESSION != 0 && fields.be32(100)? > 104;
    let zstd = zstd && fields.byte(104)? == 1;
    let disk = Qcow2 {
        disk_bytes: fields.be64(24)?,
        cluster_bits: fields.be32(20)?,
        l1: fields.be64(40)?,
        l1_entries: u64::from(fields.be32(36)?),
        zstd,
        extended: incompatible & EXTENDED != 0,
        file,
    };
    if fields.be64(8)? != 0 || fields.be32(16)? != 0 {
        let length = usize::try_from(fields.be32(16)?).unwrap_or(0).min(1_023);
        let name = disk.file.take(fields.be64(8)?, length).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        return Err(unsupported(format!(
            "it holds only what changed since its backing file `{name}`; make it whole: qemu-img convert -O qcow2"
        )));
    }
    if fields.be32(32)? != 0 {
        return Err(unsupported("it is encrypted; convert it with its key: qemu-img convert"));
    }
    if incompatible & EXTERNAL != 0 {
        return Err(unsupported(
            "its data are in another file, which is the disk itself: scan that with disk:",
        ));
    }
    if incompatible & !KNOWN != 0 {
        return Err(unsupported(format!("it uses features that are not read: {incompatible:#x}")));
    }
    if incompatible & CORRUPT != 0 {
        return Err(damaged("it is marked as corrupt; repair it: qemu-img check -r all"));
    }
    if !(9..=21).contains(&disk.cluster_bits) || (disk.extended && disk.cluster_bits < 14) {
        return Err(damaged("its cluster size is impossible"));
    }
    let covered = disk.l1_entries.saturating_mul(disk.l2_entries()).saturating_mul(disk.cluster());
    if covered < disk.disk_bytes {
        return Err(damaged("its tables are too small for the disk"));
    }
    let cluster = disk.cluster();
    Ok(Contained::source(disk, cluster))
}

impl Qcow2 {
    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }
    fn l2_entries(&self) -> u64 {
        self.cluster() / if self.extended { 16 } else { 8 }
    }
    fn number(&self, at: u64) -> io::Result<u64> {
        let mut raw = [0; 8];
        self.file.small(at, &mut raw)?;
        Ok(u64::from_be_bytes(raw))
    }

    /// The L2 entry of a cluster, with the bits of its sub-clusters.
    fn entry(&self, cluster: u64) -> io::Result<(u64, u64)> {
        let (l1_index, l2_index) = (cluster / self.l2_entries(), cluster % self.l2_entries());
        if l1_index >= self.l1_entries {
            return Err(damaged("a cluster lies outside of its tables"));
        }
        let table = self.number(self.l1.saturating_add(l1_index.saturating_mul(8)))? & OFFSET;
        if table == 0 {
            return Ok((0, 0));
        }
        if !self.extended {
            return Ok((self.number(table.saturating_add(l2_index * 8))?, 0));
        }
        let at = table.saturating_add(l2_index * 16);
        Ok((self.number(at)?, self.number(at.saturating_add(8))?))
    }
}

impl Format for Qcow2 {
    fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }
    fn file(&self) -> &Volume {
        &self.file
    }
    fn find(&self, offset: u64) -> io::Result<Found> {
        let (number, inside) = (offset >> self.cluster_bits, offset & (self.cluster() - 1));
        let (entry, bits) = self.entry(number)?;
        if entry & COMPRESSED != 0 {
            return Ok(Found::Packed { number, inside });
        }
        let place = (entry & OFFSET).saturating_add(inside);
        if self.extended {
            let part_bytes = self.cluster() / 32;
            let part = inside / part_bytes;
            let len = part_bytes - inside % part_bytes;
            let is_plain = bits >> part & 1 == 1 && bits >> (part + 32) & 1 == 0;
            return Ok(if is_plain { Found::Plain { offset: place, len } } else { Found::Zeros { len } });
        }
        let len = self.cluster() - inside;
        match entry & OFFSET == 0 || entry & ZEROS != 0 {
            true => Ok(Found::Zeros { len }),
            false => Ok(Found::Plain { offset: place, len }),
        }
    }
    fn unpack(&self, number: u64) -> io::Result<Vec<u8>> {
        let (entry, _) = self.entry(number)?;
        let offset_bits = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << offset_bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
        let stored = ((sectors + 1) * 512).saturating_sub(offset & 511);
        let stored = stored.min(self.file.len().saturating_sub(offset));
        let mut packed = vec![0; usize::try_from(stored).unwrap_or(0)];
        self.file.exact(offset, &mut packed)?;
        let mut plain = vec![0; usize::try_from(self.cluster()).unwrap_or(0)];
        let count = match self.zstd {
            true => unzstd(&packed, &mut plain)?,
            false => inflate(&packed, Wrapper::None, &mut plain)?,
        };
        plain.truncate(count);
        Ok(plain)
    }
}
