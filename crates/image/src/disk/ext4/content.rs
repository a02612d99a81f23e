//! Where the bytes of an ext file lie: extent trees (ext4), block maps (ext2, ext3) or the inode itself.

use super::{Ext, FLAG_EXTENTS, FLAG_INLINE, flags};
use crate::ReadAt;
use crate::disk::bytes::{Fields, crc32c, damaged};
use crate::disk::node::{InMemory, Mapped, Node, Run, Runs};
use std::io;

/// Depth of an extent tree as the kernel makes it.
const DEPTH_MAX: u16 = 5;
const EXTENT_MAGIC: u16 = 0xf30a;
/// Where the inode keeps block numbers, an extent tree's root or a short content.
const BODY: (usize, usize) = (0x28, 60);

impl Ext {
    /// A file's content, of which the first `bytes_wanted` are to be read.
    pub(super) fn open_content<'f>(
        &'f self,
        node: &Node,
        bytes_wanted: u64,
    ) -> io::Result<Box<dyn ReadAt + 'f>> {
        let flags = flags(node)?;
        if flags & FLAG_INLINE != 0 {
            return Ok(Box::new(InMemory(self.inline(node)?)));
        }
        let runs = self.runs(node, flags, bytes_wanted.min(node.size))?;
        Ok(Box::new(Mapped { volume: &self.volume, runs, size: node.size }))
    }

    /// The runs of the first `bytes_wanted` of a file, perhaps more.
    pub(super) fn runs(&self, node: &Node, flags: u32, bytes_wanted: u64) -> io::Result<Runs> {
        let body = Fields(&node.raw).bytes(BODY.0, BODY.1)?;
        let mut runs = Runs::default();
        if flags & FLAG_EXTENTS != 0 {
            let seed = self.inode_seed(node.id, &node.raw)?;
            let mut tree = Tree { ext: self, seed, wanted: bytes_wanted, runs };
            tree.level(body, None)?;
            return Ok(tree.runs);
        }
        let mut map = BlockMap { ext: self, next: 0, wanted: bytes_wanted, runs: &mut runs };
        for index in 0..15 {
            let depth = index.max(11) - 11;
            map.pointer(Fields(body).le32(index as usize * 4)?, depth)?;
        }
        Ok(runs)
    }

    /// Content kept in the inode: sixty bytes, the rest in the attribute `system.data`.
    pub(super) fn inline(&self, node: &Node) -> io::Result<Vec<u8>> {
        let mut bytes = Fields(&node.raw).bytes(BODY.0, BODY.1)?.to_vec();
        let size = usize::try_from(node.size).unwrap_or(usize::MAX);
        if size > bytes.len() {
            bytes.extend_from_slice(inline_rest(&node.raw)?);
        }
        if size > bytes.len() {
            return Err(damaged("content kept in the inode is shorter than its size"));
        }
        bytes.truncate(size);
        Ok(bytes)
    }
}

/// The value of `system.data` among the attributes behind an inode.
pub(super) fn inline_rest(raw: &[u8]) -> io::Result<&[u8]> {
    let fields = Fields(raw);
    if raw.len() <= 128 {
        return Ok(&[]);
    }
    let header = 128usize.saturating_add(usize::from(fields.le16(0x80)?));
    if raw.len() < header.saturating_add(4) || fields.le32(header)? != 0xea02_0000 {
        return Ok(&[]);
    }
    let first = header.saturating_add(4);
    let mut at = first;
    while let (Ok(length), Ok(index)) = (fields.byte(at), fields.byte(at.saturating_add(1))) {
        if length == 0 && index == 0 {
            break;
        }
        let length = usize::from(length);
        if index == 7 && fields.bytes(at.saturating_add(16), length)? == b"data" {
            let value = first.saturating_add(usize::from(fields.le16(at.saturating_add(2))?));
            let count = usize::try_from(fields.le32(at.saturating_add(8))?).unwrap_or(usize::MAX);
            return fields.bytes(value, count);
        }
        at = at.saturating_add(16).saturating_add(length.next_multiple_of(4));
    }
    Ok(&[])
}

/// Walks an extent tree in its order.
struct Tree<'e> {
    ext: &'e Ext,
    seed: u32,
    wanted: u64,
    runs: Runs,
}

impl Tree<'_> {
    /// A node of the tree; `depth` is what its parent says of it. Each level is one less than the one
    /// above, so that the recursion ends.
    fn level(&mut self, node: &[u8], depth: Option<u16>) -> io::Result<()> {
        let fields = Fields(node);
        let (entries, found) = (usize::from(fields.le16(2)?), fields.le16(6)?);
        if fields.le16(0)? != EXTENT_MAGIC || found > DEPTH_MAX || depth.is_some_and(|depth| depth != found) {
            return Err(damaged("an extent tree is broken"));
        }
        for index in 1..=entries {
            let at = index.saturating_mul(12);
            let first = u64::from(fields.le32(at)?).saturating_mul(self.ext.block_bytes());
            if first >= self.wanted {
                return Ok(());
            }
            if found == 0 {
                self.extent(fields, at, first)?;
                continue;
            }
            let block = u64::from(fields.le32(at + 4)?) | u64::from(fields.le16(at + 8)?) << 32;
            let child = self.ext.block(block)?;
            self.check(&child)?;
            self.level(&child, Some(found - 1))?;
        }
        Ok(())
    }

    fn extent(&mut self, fields: Fields<'_>, at: usize, logical: u64) -> io::Result<()> {
        let (length, high) = (fields.le16(at + 4)?, fields.le16(at + 6)?);
        // Lengths above 32768 are of room that was never written: zeros.
        if length == 0 || length > 32_768 {
            return Ok(());
        }
        let block = u64::from(fields.le32(at + 8)?) | u64::from(high) << 32;
        let physical = self.ext.place(block)?;
        self.ext.place(block.saturating_add(u64::from(length) - 1))?;
        let len = u64::from(length).saturating_mul(self.ext.block_bytes());
        self.runs.push(Run { logical, physical, len })
    }

    fn check(&self, node: &[u8]) -> io::Result<()> {
        if !self.ext.superblock.checked {
            return Ok(());
        }
        let fields = Fields(node);
        let tail = usize::from(fields.le16(4)?).saturating_add(1).saturating_mul(12);
        match fields.le32(tail)? == crc32c(self.seed, fields.bytes(0, tail)?) {
            true => Ok(()),
            false => Err(damaged("the checksum of an extent tree is wrong")),
        }
    }
}

/// Follows direct, indirect, double and triple indirect block numbers in their order.
struct BlockMap<'e> {
    ext: &'e Ext,
    /// Logical block of the next pointer.
    next: u64,
    wanted: u64,
    runs: &'e mut Runs,
}

impl BlockMap<'_> {
    fn pointer(&mut self, block: u32, depth: u32) -> io::Result<()> {
        let block_bytes = self.ext.block_bytes();
        let per_block = block_bytes / 4;
        let logical = self.next.saturating_mul(block_bytes);
        if logical >= self.wanted {
            return Ok(());
        }
        if block == 0 {
            self.next = self.next.saturating_add(per_block.saturating_pow(depth));
            return Ok(());
        }
        let block = u64::from(block);
        if depth == 0 {
            self.next = self.next.saturating_add(1);
            let physical = self.ext.place(block)?;
            return self.runs.push(Run { logical, physical, len: block_bytes });
        }
        let pointers = self.ext.block(block)?;
        for pointer in pointers.as_chunks::<4>().0 {
            self.pointer(u32::from_le_bytes(*pointer), depth - 1)?;
        }
        Ok(())
    }
}
