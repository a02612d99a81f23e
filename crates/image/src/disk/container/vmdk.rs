//! VMDK, the disk of VMware: one sparse extent with its descriptor inside (monolithicSparse), and its
//! compressed kind (streamOptimized, the usual one in OVA files). Format: VMware's "Virtual Disk Format 5.0".
//! A descriptor that names other files is refused with their names: the flat file is the disk itself.

use super::{Contained, Format, Found, whole};
use crate::Source;
use crate::disk::bytes::{Fields, Volume, damaged, unsupported};
use crate::disk::unpack::{Wrapper, inflate};
use std::io;
use std::sync::Arc;

const MAGIC: &[u8] = b"KDMV";
const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";
const SECTOR: u64 = 512;
/// In place of the directory's sector: it is in a footer at the end of the file.
const AT_END: u64 = u64::MAX;
const DESCRIPTOR_BYTES_MAX: u64 = 64 << 10;

// Flags.
const ZEROED_GRAINS: u32 = 0x4;
const COMPRESSED: u32 = 0x1_0000;

/// Whether these are the first bytes of a VMDK or its descriptor.
pub(super) fn is_vmdk(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(DESCRIPTOR)
}

struct Vmdk {
    file: Volume,
    /// In sectors.
    capacity: u64,
    grain: u64,
    entries: u64,
    directory: u64,
    flags: u32,
}

/// The disk.
pub(super) fn open(source: Arc<dyn Source>, head: &[u8]) -> io::Result<Arc<dyn Source>> {
    let file = whole(source);
    if head.starts_with(DESCRIPTOR) {
        let length = usize::try_from(file.len().min(DESCRIPTOR_BYTES_MAX)).unwrap_or(0);
        let names = extents(&String::from_utf8_lossy(&file.take(0, length)?));
        return Err(unsupported(format!(
            "it only describes a disk whose bytes are in {}; scan that file, or make one of it: \
             qemu-img convert -O qcow2",
            names.join(", ")
        )));
    }
    let mut disk = Vmdk::parse(&file.take(0, 512)?, file)?;
    if disk.directory == AT_END {
        let footer = disk.file.len().saturating_sub(2 * SECTOR);
        let footer = disk.file.take(footer, 512)?;
        if !footer.starts_with(MAGIC) {
            return Err(damaged("its footer is missing: the file is not complete"));
        }
        disk.directory = Fields(&footer).le64(56)?;
    }
    disk.check()?;
    let grain_bytes = disk.grain * SECTOR;
    Ok(Contained::source(disk, grain_bytes))
}

/// Names of the files that a descriptor lists: `RW 4192256 FLAT "disk-flat.vmdk" 0`.
fn extents(descriptor: &str) -> Vec<String> {
    let is_extent = |line: &&str| ["RW ", "RDONLY "].iter().any(|access| line.starts_with(access));
    descriptor
        .lines()
        .filter(is_extent)
        .filter_map(|line| line.split('"').nth(1))
        .take(16)
        .map(|name| format!("`{name}`"))
        .collect()
}

impl Vmdk {
    fn parse(header: &[u8], file: Volume) -> io::Result<Self> {
        let fields = Fields(header);
        let (descriptor, length) = (fields.le64(28)?, fields.le64(36)?);
        let bytes = length.saturating_mul(SECTOR).min(DESCRIPTOR_BYTES_MAX);
        let text = file.take(descriptor.saturating_mul(SECTOR), usize::try_from(bytes).unwrap_or(0));
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        let parent = text.lines().find_map(|line| line.trim().strip_prefix("parentCID="));
        if parent.is_some_and(|parent| !parent.trim().eq_ignore_ascii_case("ffffffff")) {
            return Err(unsupported(
                "it holds only what changed since its parent; make it whole: qemu-img convert",
            ));
        }
        if extents(&text).len() > 1 {
            return Err(unsupported(
                "its bytes are in several files; make it whole: qemu-img convert -O qcow2",
            ));
        }
        if fields.le32(8)? & COMPRESSED != 0 && fields.le16(77)? != 1 {
            return Err(unsupported("it is compressed in a way that is not read"));
        }
        Ok(Self {
            file,
            capacity: fields.le64(12)?,
            grain: fields.le64(20)?,
            entries: u64::from(fields.le32(44)?),
            directory: fields.le64(56)?,
            flags: fields.le32(8)?,
        })
    }

    fn check(&self) -> io::Result<()> {
        let sound = (1..=4_096).contains(&self.grain)
            && (1..=65_536).contains(&self.entries)
            && self.capacity < u64::MAX / SECTOR
            && self.directory < u64::MAX / SECTOR;
        if sound { Ok(()) } else { Err(damaged("its header contradicts itself")) }
    }

    fn number(&self, at: u64) -> io::Result<u64> {
        let mut raw = [0; 4];
        self.file.small(at, &mut raw)?;
        Ok(u64::from(u32::from_le_bytes(raw)))
    }

    /// Sector of a grain; 0 when it was never written.
    fn grain_sector(&self, grain: u64) -> io::Result<u64> {
        let (table, index) = (grain / self.entries, grain % self.entries);
        let table = self.number((self.directory * SECTOR).saturating_add(table.saturating_mul(4)))?;
        match table {
            0 => Ok(0),
            table => self.number(table * SECTOR + index * 4),
        }
    }
}

impl Format for Vmdk {
    fn disk_bytes(&self) -> u64 {
        self.capacity * SECTOR
    }
    fn file(&self) -> &Volume {
        &self.file
    }
    fn find(&self, offset: u64) -> io::Result<Found> {
        let grain_bytes = self.grain * SECTOR;
        let (number, inside) = (offset / grain_bytes, offset % grain_bytes);
        let len = grain_bytes - inside;
        match self.grain_sector(number)? {
            0 => Ok(Found::Zeros { len }),
            1 if self.flags & ZEROED_GRAINS != 0 => Ok(Found::Zeros { len }),
            _ if self.flags & COMPRESSED != 0 => Ok(Found::Packed { number, inside }),
            sector => Ok(Found::Plain { offset: sector * SECTOR + inside, len }),
        }
    }
    fn unpack(&self, number: u64) -> io::Result<Vec<u8>> {
        let place = self.grain_sector(number)? * SECTOR;
        // A marker of twelve bytes: the grain's first sector and the length of what follows.
        let marker = self.file.take(place, 12)?;
        let stored = u64::from(Fields(&marker).le32(8)?);
        let grain_bytes = self.grain * SECTOR;
        if Fields(&marker).le64(0)? != number * self.grain || stored > grain_bytes * 2 + SECTOR {
            return Err(damaged("the marker of a compressed grain is wrong"));
        }
        let mut packed = vec![0; usize::try_from(stored).unwrap_or(0)];
        self.file.exact(place + 12, &mut packed)?;
        let mut plain = vec![0; usize::try_from(grain_bytes).unwrap_or(0)];
        let count = inflate(&packed, Wrapper::Zlib, &mut plain)?;
        plain.truncate(count);
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_extents() {
        let text = "# Disk DescriptorFile\nparentCID=ffffffff\nRW 40 FLAT \"a b-flat.vmdk\" 0\nRW 8 SPARSE \"c.vmdk\"\n";
        assert_eq!(extents(text), ["`a b-flat.vmdk`", "`c.vmdk`"]);
    }
}
