//! What is in a volume, by its signatures: a file system that is read, one that is named and refused, or
//! nothing that holds files. Signatures: as in the magic lists of util-linux' libblkid.

use super::bytes::{Volume, unsupported};
use super::node::FileSystem;
use super::{ext4, squashfs, xfs};
use std::io;

/// Bytes of a volume that hold all signatures.
pub(crate) const HEAD_BYTES: usize = 0x10_400;

/// What a volume was found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file system of the ext family.
    Ext,
    /// XFS.
    Xfs,
    /// Squashfs.
    Squashfs,
    /// FAT of any width.
    Fat,
    /// Holds no files: swap space.
    NoFiles(&'static str),
    /// Holds files that are not seen: named, with advice.
    Refused(&'static str, &'static str),
    /// Nothing but zeros.
    Empty,
    /// No signature is known.
    Unknown,
}

const LVM: &str = "activate it and scan its logical volumes one by one";
const LUKS: &str = "open it and scan what it maps to";
const MOUNT: &str = "mount it read-only and scan the folder with rootfs:";

/// Offset, signature, what it is, what to do.
const REFUSED: &[(usize, &[u8], &str, &str)] = &[
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)", LUKS),
    (0x10_040, b"_BHRfS_M", "btrfs", MOUNT),
    (0x18, b"LVM2 001", "a volume of LVM", LVM),
    (0x218, b"LVM2 001", "a volume of LVM", LVM),
    (0x418, b"LVM2 001", "a volume of LVM", LVM),
    (0x618, b"LVM2 001", "a volume of LVM", LVM),
    (0x1000, &0xa92b_4efc_u32.to_le_bytes(), "a member of a RAID array (md)", MOUNT),
    (0, &0xa92b_4efc_u32.to_le_bytes(), "a member of a RAID array (md)", MOUNT),
    (3, b"NTFS    ", "NTFS", MOUNT),
    (3, b"-FVE-FS-", "an encrypted volume (BitLocker)", MOUNT),
    (3, b"EXFAT   ", "exFAT", MOUNT),
    (0x400, &0xf2f5_2010_u32.to_le_bytes(), "F2FS", MOUNT),
    (0x400, &0xe0f5_e1e2_u32.to_le_bytes(), "EROFS", MOUNT),
    (0x400, b"H+", "HFS+", MOUNT),
    (0x400, b"HX", "HFS+", MOUNT),
    (0x20, b"NXSB", "APFS", MOUNT),
    (0, &0x28cd_3d45_u32.to_le_bytes(), "cramfs", MOUNT),
    (0x8001, b"CD001", "ISO 9660", MOUNT),
    (0x8000, b"JFS1", "JFS", MOUNT),
    (0x10_034, b"ReIsEr", "ReiserFS", MOUNT),
    (0x1018, &[0xc6, 0x85, 0x73, 0xf6], "bcachefs", MOUNT),
    (0x400 + 6, &[0x34, 0x34], "NILFS2", MOUNT),
];

/// What the first bytes of a volume say it is.
pub(crate) fn recognise(head: &[u8]) -> Kind {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let fat = at(510, &[0x55, 0xaa])
        && (at(82, b"FAT32   ") || at(54, b"FAT12   ") || at(54, b"FAT16   ") || at(54, b"FAT     "));
    if ext4::is_ext(head) {
        return Kind::Ext;
    }
    if xfs::is_xfs(head) {
        return Kind::Xfs;
    }
    if squashfs::is_squashfs(head) {
        return Kind::Squashfs;
    }
    if let Some((_, _, name, advice)) = REFUSED.iter().find(|(offset, magic, ..)| at(*offset, magic)) {
        return Kind::Refused(name, advice);
    }
    if fat {
        return Kind::Fat;
    }
    let swap = |page: usize| at(page - 10, b"SWAPSPACE2") || at(page - 10, b"SWAP-SPACE");
    if swap(0x1000) || swap(0x4000) || swap(0x1_0000) {
        return Kind::NoFiles("swap space");
    }
    if head.iter().all(|byte| *byte == 0) { Kind::Empty } else { Kind::Unknown }
}

/// A file system, and what is to be known of it: whether something is lost, and what.
pub(crate) type Opened = (Box<dyn FileSystem>, Option<(bool, String)>);

/// Opens a file system that is read.
pub(crate) fn open(kind: Kind, volume: Volume) -> io::Result<Opened> {
    match kind {
        Kind::Ext => {
            let ext = ext4::open(volume)?;
            let remark = ext.remark.clone().map(|remark| (remark.is_gap, remark.text));
            Ok((Box::new(ext), remark))
        }
        Kind::Xfs => {
            let xfs = xfs::open(volume)?;
            let remark = xfs.remark.clone().map(|text| (true, text));
            Ok((Box::new(xfs), remark))
        }
        Kind::Squashfs => Ok((Box::new(squashfs::open(volume)?), None)),
        _ => Err(unsupported("it is no file system that is read")),
    }
}
