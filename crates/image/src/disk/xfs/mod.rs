//! XFS, versions 4 and 5, read only: superblock and inodes. Format: "XFS Algorithms & Data Structures"
//! of kernel.org. Checksums of version 5 are verified, as the kernel does. Not read: the log (a file system
//! that was in use is noted as a gap), files on a real-time device, extended attributes.

mod content;
mod folder;
mod log;

use super::bytes::{Fields, Volume, crc32c, damaged, unsupported};
use super::node::{EachName, FileSystem, InMemory, Names, Node, NodeKind};
use crate::ReadAt;
use std::io;

const SUPERBLOCK_BYTES: usize = 512;

// Incompatible features of version 5.
const FTYPE: u32 = 0x1;
const NEEDS_REPAIR: u32 = 0x10;
const WIDE_COUNTS: u32 = 0x20;
const META_FOLDERS: u32 = 0x100;
const KNOWN: u32 = 0xff;
/// The same feature in version 4 (sb_features2).
const FTYPE_V4: u32 = 0x200;
/// The volume also is on a real-time device: flag of an inode.
const REALTIME: u16 = 0x1;

/// Where data begin in an inode of version 1 or 2, and of version 3.
const CORE: (usize, usize) = (100, 176);

// Formats of a data fork.
const DEVICE: u8 = 0;
const LOCAL: u8 = 1;
const EXTENTS: u8 = 2;
const BTREE: u8 = 3;

/// An opened file system.
pub(crate) struct Xfs {
    volume: Volume,
    block_bytes: u32,
    block_log: u32,
    blocks: u64,
    group_blocks: u32,
    groups: u32,
    group_log: u32,
    inode_bytes: u16,
    inodes_log: u32,
    folder_log: u32,
    root: u64,
    /// Version 5: checksums, longer headers.
    checked: bool,
    has_types: bool,
    wide_counts: bool,
    log_start: u64,
    log_blocks: u32,
    names: Names,
    /// Why something may be missing.
    pub(crate) remark: Option<String>,
}

/// Whether these are the first bytes of an XFS.
pub(crate) fn is_xfs(head: &[u8]) -> bool {
    head.starts_with(b"XFSB")
}

/// Opens the file system of a volume.
pub(crate) fn open(volume: Volume) -> io::Result<Xfs> {
    let block = volume.take(0, SUPERBLOCK_BYTES)?;
    let fields = Fields(&block);
    let version = fields.be16(100)? & 0xf;
    let checked = version == 5;
    if !is_xfs(&block) || !(4..=5).contains(&version) {
        return Err(unsupported(format!("XFS of version {version} is not read")));
    }
    let incompatible = if checked { fields.be32(216)? } else { 0 };
    if incompatible & NEEDS_REPAIR != 0 {
        return Err(damaged("XFS says of itself that it needs repair: xfs_repair"));
    }
    if incompatible & !KNOWN != 0 {
        let what = if incompatible & META_FOLDERS != 0 { "metadata folders" } else { "unknown ones" };
        return Err(unsupported(format!("XFS uses features that are not read: {incompatible:#x} ({what})")));
    }
    let mut xfs = Xfs {
        block_bytes: fields.be32(4)?,
        block_log: u32::from(fields.byte(120)?),
        blocks: fields.be64(8)?,
        group_blocks: fields.be32(84)?,
        groups: fields.be32(88)?,
        group_log: u32::from(fields.byte(124)?),
        inode_bytes: fields.be16(104)?,
        inodes_log: u32::from(fields.byte(123)?),
        folder_log: u32::from(fields.byte(192)?),
        root: fields.be64(56)?,
        checked,
        has_types: incompatible & FTYPE != 0 || (!checked && fields.be32(200)? & FTYPE_V4 != 0),
        wide_counts: incompatible & WIDE_COUNTS != 0,
        log_start: fields.be64(48)?,
        log_blocks: fields.be32(96)?,
        names: Names { uuid: fields.uuid(32)?, label: fields.text(108, 12)? },
        remark: None,
        volume,
    };
    xfs.check(usize::from(fields.be16(102)?))?;
    xfs.remark = log::remark(&xfs);
    Ok(xfs)
}

impl Xfs {
    fn check(&self, sector_bytes: usize) -> io::Result<()> {
        let sound = (9..=16).contains(&self.block_log)
            && self.block_bytes == 1 << self.block_log
            && (256..=2_048).contains(&self.inode_bytes)
            && self.inode_bytes.is_power_of_two()
            && u32::from(self.inode_bytes) <= self.block_bytes
            && self.block_bytes / u32::from(self.inode_bytes) == 1 << self.inodes_log.min(31)
            && (1..=31).contains(&self.group_log)
            && self.group_blocks > 0
            && self.group_blocks <= 1 << self.group_log
            && self.groups > 0
            && self.folder_log <= 16 - self.block_log.min(16)
            && self.blocks <= u64::from(self.groups) * u64::from(self.group_blocks)
            && (512..=32_768).contains(&sector_bytes);
        if !sound {
            return Err(damaged("the superblock of XFS contradicts itself"));
        }
        let sector = self.volume.take(0, sector_bytes)?;
        self.verify(&sector, 224, "the superblock")
    }

    /// Checks the checksum at `at` of a record, taken with zeros in its place.
    fn verify(&self, record: &[u8], at: usize, what: &str) -> io::Result<()> {
        if !self.checked {
            return Ok(());
        }
        let crc = crc32c(!0, record.get(..at).unwrap_or_default());
        let crc = crc32c(crc, &[0; 4]);
        let crc = crc32c(crc, record.get(at.saturating_add(4)..).unwrap_or_default());
        match Fields(record).le32(at)? == !crc {
            true => Ok(()),
            false => Err(damaged(format!("the checksum of {what} is wrong"))),
        }
    }

    /// Offset of a block of the file system: the upper bits of its number are its group.
    fn place(&self, block: u64) -> io::Result<u64> {
        let (group, inside) = (block >> self.group_log, block & ((1 << self.group_log) - 1));
        if group >= u64::from(self.groups) || inside >= u64::from(self.group_blocks) {
            return Err(damaged("it points to a block outside of the file system"));
        }
        let number = group * u64::from(self.group_blocks) + inside;
        if number >= self.blocks {
            return Err(damaged("it points to a block outside of the file system"));
        }
        Ok(number << self.block_log)
    }

    fn block(&self, block: u64) -> io::Result<Vec<u8>> {
        self.volume.take(self.place(block)?, usize::try_from(self.block_bytes).unwrap_or(0))
    }

    /// The data fork of an inode: from the end of its core to the attributes, if there are any.
    fn fork<'n>(&self, node: &'n Node) -> io::Result<&'n [u8]> {
        let fields = Fields(&node.raw);
        let start = if fields.byte(4)? >= 3 { CORE.1 } else { CORE.0 };
        let end = match usize::from(fields.byte(82)?) {
            0 => node.raw.len(),
            eighths => start.saturating_add(eighths * 8),
        };
        node.raw.get(start..end).ok_or_else(|| damaged("the fork of an inode is broken"))
    }
}

fn format(node: &Node) -> io::Result<u8> {
    Fields(&node.raw).byte(5)
}

impl FileSystem for Xfs {
    fn kind(&self) -> &'static str {
        "xfs"
    }
    fn names(&self) -> Names {
        self.names.clone()
    }
    fn root(&self) -> u64 {
        self.root
    }
    fn node(&self, id: u64) -> io::Result<Node> {
        let bytes = u64::from(self.inode_bytes);
        let place = self.place(id >> self.inodes_log)?;
        let place = place.saturating_add((id & ((1 << self.inodes_log) - 1)).saturating_mul(bytes));
        let raw = self.volume.take(place, usize::from(self.inode_bytes))?;
        let fields = Fields(&raw);
        if fields.bytes(0, 2)? != b"IN" || !(1..=3).contains(&fields.byte(4)?) {
            return Err(damaged(format!("there is no inode {id}")));
        }
        if fields.byte(4)? == 3 {
            self.verify(&raw, 100, &format!("inode {id}"))?;
            if fields.be64(152)? != id {
                return Err(damaged(format!("inode {id} says that it is another one")));
            }
        }
        let mode = u32::from(fields.be16(2)?);
        Ok(Node {
            id,
            kind: NodeKind::of_mode(mode),
            mode: mode & 0o7777,
            uid: fields.be32(8)?,
            gid: fields.be32(12)?,
            size: fields.be64(56)?,
            raw,
        })
    }
    fn list(&self, folder: &Node, each: EachName<'_>) -> io::Result<()> {
        self.list_folder(folder, each)
    }
    fn link(&self, node: &Node) -> io::Result<Vec<u8>> {
        let count = usize::try_from(node.size).unwrap_or(usize::MAX);
        if count > 4_096 {
            return Err(damaged("a symbolic link is longer than a path may be"));
        }
        match format(node)? {
            LOCAL => Ok(Fields(self.fork(node)?).bytes(0, count)?.to_vec()),
            _ => self.remote_link(node, count),
        }
    }
    fn open<'f>(&'f self, node: &Node, bytes_wanted: u64) -> io::Result<Box<dyn ReadAt + 'f>> {
        if node.size >> 63 != 0 {
            return Err(damaged("its size is impossible"));
        }
        match format(node)? {
            LOCAL => {
                let count = usize::try_from(node.size).unwrap_or(usize::MAX);
                Ok(Box::new(InMemory(Fields(self.fork(node)?).bytes(0, count)?.to_vec())))
            }
            DEVICE => Err(damaged("it has no content")),
            _ if Fields(&node.raw).be16(90)? & REALTIME != 0 => {
                Err(unsupported("it lies on a real-time device, which is not read"))
            }
            _ => self.open_extents(node, bytes_wanted.min(node.size)),
        }
    }
}
