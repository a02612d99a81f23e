//! ext2, ext3 and ext4, read only: superblock, groups and inodes. Format: the Linux kernel's
//! Documentation/filesystems/ext4. Checksums of metadata are verified, as the kernel does. Not read:
//! encrypted files and folders, a journal on another device, extended attributes.

mod content;
mod folder;
mod journal;

use super::bytes::{Fields, Volume, crc32c, damaged, unsupported};
use super::node::{EachName, FileSystem, Names, Node, NodeKind};
use crate::ReadAt;
use std::io;

/// Where the superblock lies, and how long it is.
const SUPERBLOCK: (u64, usize) = (1_024, 1_024);

// Incompatible features (s_feature_incompat).
const FILETYPE: u32 = 0x2;
const RECOVER: u32 = 0x4;
const META_BG: u32 = 0x10;
const EXTENTS: u32 = 0x40;
const WIDE: u32 = 0x80;
const MMP: u32 = 0x100;
const FLEX_BG: u32 = 0x200;
const EA_INODE: u32 = 0x400;
const CSUM_SEED: u32 = 0x2000;
const LARGEDIR: u32 = 0x4000;
const INLINE_DATA: u32 = 0x8000;
const ENCRYPT: u32 = 0x1_0000;
const CASEFOLD: u32 = 0x2_0000;
const KNOWN: u32 = FILETYPE
    | RECOVER
    | META_BG
    | EXTENTS
    | WIDE
    | MMP
    | FLEX_BG
    | EA_INODE
    | CSUM_SEED
    | LARGEDIR
    | INLINE_DATA
    | ENCRYPT
    | CASEFOLD;
/// Compatible feature: changes may lie in a second, shorter journal (s_feature_compat).
const FAST_COMMIT: u32 = 0x400;
/// Read-only compatible features: how metadata are checked (s_feature_ro_compat).
const METADATA_CSUM: u32 = 0x400;

// Flags of an inode.
const FLAG_ENCRYPTED: u32 = 0x800;
const FLAG_EXTENTS: u32 = 0x8_0000;
const FLAG_INLINE: u32 = 0x1000_0000;

const ROOT: u64 = 2;

/// What the superblock says.
#[derive(Debug, Clone)]
struct Superblock {
    inodes: u32,
    blocks: u64,
    block_bytes: u32,
    first_data_block: u32,
    blocks_per_group: u32,
    inodes_per_group: u32,
    inode_bytes: u16,
    compat: u32,
    incompat: u32,
    checked: bool,
    seed: u32,
    descriptor_bytes: u16,
    first_meta_group: u32,
    journal_inode: u32,
    names: Names,
}

/// Whether these first bytes of a volume are an ext superblock that makes sense.
pub(crate) fn is_ext(head: &[u8]) -> bool {
    head.get(1_024..2_048).is_some_and(|block| Superblock::parse(block).is_ok())
}

impl Superblock {
    fn parse(block: &[u8]) -> io::Result<Self> {
        let fields = Fields(block);
        let (log_block, revision) = (fields.le32(0x18)?, fields.le32(0x4c)?);
        if fields.le16(0x38)? != 0xef53 || log_block > 6 || revision > 1 {
            return Err(damaged("no superblock of ext2, ext3 or ext4"));
        }
        let dynamic = revision == 1;
        let field = |at: usize, before: u32| if dynamic { fields.le32(at) } else { Ok(before) };
        let incompat = field(0x60, 0)?;
        let wide = incompat & WIDE != 0;
        let blocks =
            u64::from(fields.le32(0x4)?) | u64::from(if wide { fields.le32(0x150)? } else { 0 }) << 32;
        let uuid = fields.bytes(0x68, 16)?;
        let superblock = Self {
            inodes: fields.le32(0)?,
            blocks,
            block_bytes: 1_024 << log_block,
            first_data_block: fields.le32(0x14)?,
            blocks_per_group: fields.le32(0x20)?,
            inodes_per_group: fields.le32(0x28)?,
            inode_bytes: if dynamic { fields.le16(0x58)? } else { 128 },
            compat: field(0x5c, 0)?,
            incompat,
            checked: field(0x64, 0)? & METADATA_CSUM != 0,
            seed: if incompat & CSUM_SEED != 0 { fields.le32(0x270)? } else { crc32c(!0, uuid) },
            descriptor_bytes: if wide { fields.le16(0xfe)? } else { 32 },
            first_meta_group: fields.le32(0x104)?,
            journal_inode: fields.le32(0xe0)?,
            names: Names { uuid: fields.uuid(0x68)?, label: fields.text(0x78, 16)? },
        };
        let sound = superblock.blocks_per_group > 0
            && superblock.inodes_per_group > 0
            && (128..=superblock.block_bytes).contains(&u32::from(superblock.inode_bytes))
            && superblock.inode_bytes.is_power_of_two()
            && (32..=1_024).contains(&superblock.descriptor_bytes)
            && superblock.descriptor_bytes.is_power_of_two()
            && superblock.blocks > u64::from(superblock.first_data_block);
        if !sound {
            return Err(damaged("the superblock contradicts itself"));
        }
        if superblock.checked && fields.le32(0x3fc)? != crc32c(!0, fields.bytes(0, 0x3fc)?) {
            return Err(damaged("the checksum of the superblock is wrong"));
        }
        Ok(superblock)
    }

    fn refused(&self) -> Option<String> {
        const NAMED: [(u32, &str); 3] =
            [(0x1, "compression"), (0x8, "journal device"), (0x1000, "data in folders")];
        let odd = self.incompat & !KNOWN;
        let named = NAMED.iter().find(|(flag, _)| odd & flag != 0);
        match (odd, named) {
            (0, _) => None,
            (_, Some((_, name))) => {
                Some(format!("the ext file system uses a feature that is not read: {name}"))
            }
            (odd, None) => Some(format!("the ext file system uses features that are not read: {odd:#x}")),
        }
    }
}

/// An opened file system.
pub(crate) struct Ext {
    volume: Volume,
    superblock: Superblock,
    /// What is to be known of the journal.
    pub(crate) remark: Option<journal::Remark>,
}

/// Opens the file system of a volume; a journal that was not put in place is read over it.
pub(crate) fn open(volume: Volume) -> io::Result<Ext> {
    let bytes = volume.take(SUPERBLOCK.0, SUPERBLOCK.1)?;
    let superblock = Superblock::parse(&bytes)?;
    if let Some(why) = superblock.refused() {
        return Err(unsupported(why));
    }
    let ext = Ext { volume, superblock, remark: None };
    if ext.superblock.incompat & RECOVER == 0 {
        return Ok(ext);
    }
    journal::replay(ext)
}

impl Ext {
    fn block_bytes(&self) -> u64 {
        u64::from(self.superblock.block_bytes)
    }

    /// Offset of a block; one outside of the file system is an error.
    fn place(&self, block: u64) -> io::Result<u64> {
        if block < u64::from(self.superblock.first_data_block) || block >= self.superblock.blocks {
            return Err(damaged("it points to a block outside of the file system"));
        }
        Ok(block.saturating_mul(self.block_bytes()))
    }

    fn block(&self, block: u64) -> io::Result<Vec<u8>> {
        let count = usize::try_from(self.superblock.block_bytes).unwrap_or(0);
        self.volume.take(self.place(block)?, count)
    }

    /// Block where the descriptor of a group lies, and its offset there.
    fn descriptor_place(&self, group: u64) -> (u64, u64) {
        let superblock = &self.superblock;
        let bytes = u64::from(superblock.descriptor_bytes);
        let per_block = (self.block_bytes() / bytes).max(1);
        let (nth, inside) = (group / per_block, group % per_block * bytes);
        // The superblock is at byte 1024 whatever the size of blocks; the descriptors follow its block.
        let own = SUPERBLOCK.0 / self.block_bytes();
        if superblock.incompat & META_BG == 0 || nth < u64::from(superblock.first_meta_group) {
            return (own.saturating_add(1).saturating_add(nth), inside);
        }
        let first = u64::from(superblock.first_data_block);
        if nth == 0 {
            return (own + 1, inside);
        }
        // The first group of each meta group holds the descriptors, after its own superblock if it has one.
        let leader = nth.saturating_mul(per_block);
        let block = leader.saturating_mul(u64::from(superblock.blocks_per_group)).saturating_add(first);
        (block.saturating_add(u64::from(self.has_superblock(leader))), inside)
    }

    /// Without sparse superblocks every group has one; with them groups 0, 1 and powers of 3, 5 and 7.
    /// Meta groups came later than sparse superblocks, so that these are taken for granted.
    fn has_superblock(&self, group: u64) -> bool {
        let power = |base: u64| {
            let mut value = base;
            while value < group {
                value = value.saturating_mul(base);
            }
            value == group
        };
        group <= 1 || [3, 5, 7].into_iter().any(power)
    }

    fn inode_table(&self, group: u64) -> io::Result<u64> {
        let (block, inside) = self.descriptor_place(group);
        let bytes = usize::from(self.superblock.descriptor_bytes);
        let descriptor = self.volume.take(self.place(block)?.saturating_add(inside), bytes)?;
        let fields = Fields(&descriptor);
        if self.superblock.checked {
            let number = u32::try_from(group).map_err(|_| damaged("a group has no such number"))?;
            let mut crc = crc32c(self.superblock.seed, &number.to_le_bytes());
            crc = crc32c(crc, fields.bytes(0, 0x1e)?);
            crc = crc32c(crc, &[0, 0]);
            crc = crc32c(crc, descriptor.get(0x20..).unwrap_or_default());
            if fields.le16(0x1e)? != (crc & 0xffff) as u16 {
                return Err(damaged(format!("the checksum of block group {group} is wrong")));
            }
        }
        let high = if bytes >= 64 { fields.le32(0x28)? } else { 0 };
        Ok(u64::from(fields.le32(0x8)?) | u64::from(high) << 32)
    }

    /// Checks an inode's own checksum; gives the seed of the checksums of what it owns.
    fn inode_seed(&self, id: u64, raw: &[u8]) -> io::Result<u32> {
        let fields = Fields(raw);
        let number = u32::try_from(id).map_err(|_| damaged("an inode has no such number"))?;
        let seed = crc32c(self.superblock.seed, &number.to_le_bytes());
        Ok(crc32c(seed, fields.bytes(0x64, 4)?))
    }

    fn check_inode(&self, id: u64, raw: &[u8]) -> io::Result<()> {
        if !self.superblock.checked {
            return Ok(());
        }
        let fields = Fields(raw);
        let has_high = raw.len() > 128 && fields.le16(0x80)? >= 4;
        let mut crc = crc32c(self.inode_seed(id, raw)?, fields.bytes(0, 0x7c)?);
        crc = crc32c(crc, &[0, 0]);
        crc = match has_high {
            true => {
                crc = crc32c(crc32c(crc, fields.bytes(0x7e, 4)?), &[0, 0]);
                crc32c(crc, raw.get(0x84..).unwrap_or_default())
            }
            false => crc32c(crc, raw.get(0x7e..).unwrap_or_default()),
        };
        let high = if has_high { u32::from(fields.le16(0x82)?) << 16 } else { crc & 0xffff_0000 };
        match high | u32::from(fields.le16(0x7c)?) == crc {
            true => Ok(()),
            false => Err(damaged(format!("the checksum of inode {id} is wrong"))),
        }
    }
}

fn flags(node: &Node) -> io::Result<u32> {
    Fields(&node.raw).le32(0x20)
}

impl FileSystem for Ext {
    fn kind(&self) -> &'static str {
        match (self.superblock.incompat & EXTENTS != 0, self.superblock.compat & 0x4 != 0) {
            (true, _) => "ext4",
            (false, true) => "ext3",
            (false, false) => "ext2",
        }
    }
    fn names(&self) -> Names {
        self.superblock.names.clone()
    }
    fn root(&self) -> u64 {
        ROOT
    }
    fn node(&self, id: u64) -> io::Result<Node> {
        if id == 0 || id > u64::from(self.superblock.inodes) {
            return Err(damaged(format!("there is no inode {id}")));
        }
        let per_group = u64::from(self.superblock.inodes_per_group);
        let (group, index) = ((id - 1) / per_group, (id - 1) % per_group);
        let bytes = u64::from(self.superblock.inode_bytes);
        let place = self.place(self.inode_table(group)?)?.saturating_add(index.saturating_mul(bytes));
        let raw = self.volume.take(place, usize::from(self.superblock.inode_bytes))?;
        self.check_inode(id, &raw)?;
        let fields = Fields(&raw);
        let mode = u32::from(fields.le16(0)?);
        let wide = |low: usize, high: usize| -> io::Result<u32> {
            Ok(u32::from(fields.le16(low)?) | u32::from(fields.le16(high)?) << 16)
        };
        let size = u64::from(fields.le32(0x4)?) | u64::from(fields.le32(0x6c)?) << 32;
        Ok(Node {
            id,
            kind: NodeKind::of_mode(mode),
            mode: mode & 0o7777,
            uid: wide(0x2, 0x78)?,
            gid: wide(0x18, 0x7a)?,
            size,
            raw,
        })
    }
    fn list(&self, folder: &Node, each: EachName<'_>) -> io::Result<()> {
        self.list_folder(folder, each)
    }
    fn link(&self, node: &Node) -> io::Result<Vec<u8>> {
        if flags(node)? & FLAG_ENCRYPTED != 0 {
            return Err(unsupported("it is encrypted"));
        }
        if node.size > 4_096 {
            return Err(damaged("a symbolic link is longer than a path may be"));
        }
        let count = usize::try_from(node.size).unwrap_or(0);
        if count < 60 && flags(node)? & (FLAG_EXTENTS | FLAG_INLINE) == 0 {
            return Ok(Fields(&node.raw).bytes(0x28, count)?.to_vec());
        }
        let mut target = vec![0; count];
        let filled = super::node::fill(&*self.open(node, node.size)?, 0, &mut target)?;
        target.truncate(filled);
        Ok(target)
    }
    fn open<'f>(&'f self, node: &Node, bytes_wanted: u64) -> io::Result<Box<dyn ReadAt + 'f>> {
        if flags(node)? & FLAG_ENCRYPTED != 0 {
            return Err(unsupported("it is encrypted"));
        }
        self.open_content(node, bytes_wanted)
    }
}
