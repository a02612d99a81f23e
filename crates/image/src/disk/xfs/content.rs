//! Where the bytes of an XFS file lie: extents in the inode, or in a B+tree.

use super::{BTREE, EXTENTS, Xfs, format};
use crate::ReadAt;
use crate::disk::bytes::{Fields, damaged, unsupported};
use crate::disk::node::{Mapped, Node, Run, Runs};
use std::io;

/// Levels of a B+tree as the kernel makes it, with room to spare.
const LEVELS_MAX: u16 = 12;
const EXTENT_BYTES: usize = 16;
/// Before the target in each block of a long link (version 5).
const LINK_HEADER: usize = 56;

impl Xfs {
    /// A file's content, of which the first `bytes_wanted` are to be read.
    pub(super) fn open_extents<'f>(
        &'f self,
        node: &Node,
        bytes_wanted: u64,
    ) -> io::Result<Box<dyn ReadAt + 'f>> {
        let runs = self.runs(node, bytes_wanted)?;
        Ok(Box::new(Mapped { volume: &self.volume, runs, size: node.size }))
    }

    /// The runs of the first `bytes_wanted` of a file, perhaps more.
    pub(super) fn runs(&self, node: &Node, bytes_wanted: u64) -> io::Result<Runs> {
        let fork = self.fork(node)?;
        let mut tree = Tree { xfs: self, node: node.id, wanted: bytes_wanted, runs: Runs::default() };
        match format(node)? {
            EXTENTS => {
                let count = self.extent_count(node)?;
                tree.extents(fork, count)?;
            }
            BTREE => {
                // Keys and pointers fill the fork: pointers begin where the keys could end.
                let level = Fields(fork).be16(0)?;
                let count = usize::from(Fields(fork).be16(2)?);
                let most = fork.len().saturating_sub(4) / 16;
                tree.children(fork, 4, most, count, level)?;
            }
            _ => return Err(unsupported("its content is kept in a way that is not read")),
        }
        Ok(tree.runs)
    }

    fn extent_count(&self, node: &Node) -> io::Result<usize> {
        let fields = Fields(&node.raw);
        let is_wide = self.wide_counts && fields.byte(4)? >= 3 && fields.be64(120)? & 0x10 != 0;
        let count = if is_wide { fields.be64(24)? } else { u64::from(fields.be32(76)?) };
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// A symbolic link that does not fit into its inode.
    pub(super) fn remote_link(&self, node: &Node, count: usize) -> io::Result<Vec<u8>> {
        let mut target = Vec::new();
        for run in self.runs(node, node.size.saturating_mul(2))?.as_slice() {
            let mut at = 0;
            while at < run.len && target.len() < count {
                let bytes = usize::try_from(self.block_bytes).unwrap_or(0);
                let block = self.volume.take(run.physical.saturating_add(at), bytes)?;
                let header = if self.checked { LINK_HEADER } else { 0 };
                if self.checked {
                    if !block.starts_with(b"XSLM") {
                        return Err(damaged("the block of a symbolic link is broken"));
                    }
                    self.verify(&block, 12, "a symbolic link")?;
                }
                target.extend_from_slice(block.get(header..).unwrap_or_default());
                at = at.saturating_add(bytes as u64);
            }
        }
        target.truncate(count);
        Ok(target)
    }
}

/// Walks a B+tree of extents in its order.
struct Tree<'x> {
    xfs: &'x Xfs,
    node: u64,
    wanted: u64,
    runs: Runs,
}

impl Tree<'_> {
    /// Whether the walk is past what is wanted.
    fn is_past(&self, first_block: u64) -> bool {
        first_block << self.xfs.block_log >= self.wanted
    }

    /// Extent records: a flag of one bit (never written), 54 of the place in the file, 52 of the place on
    /// the disk, 21 of the length, in blocks.
    fn extents(&mut self, records: &[u8], count: usize) -> io::Result<()> {
        let (records, _) = records.as_chunks::<EXTENT_BYTES>();
        let records = records.get(..count).ok_or_else(|| damaged("it has more extents than room"))?;
        for record in records {
            let (high, low) = (Fields(record).be64(0)?, Fields(record).be64(8)?);
            let first = (high & (u64::MAX >> 1)) >> 9;
            let (block, count) = ((high & 0x1ff) << 43 | low >> 21, low & 0x1f_ffff);
            if self.is_past(first) {
                return Ok(());
            }
            if high >> 63 == 1 || count == 0 {
                continue;
            }
            let physical = self.xfs.place(block)?;
            let last = self.xfs.place(block.saturating_add(count - 1))?;
            if last - physical.min(last) != (count - 1) << self.xfs.block_log {
                return Err(damaged("an extent reaches into another group"));
            }
            let (logical, len) = (first << self.xfs.block_log, count << self.xfs.block_log);
            self.runs.push(Run { logical, physical, len })?;
        }
        Ok(())
    }

    /// The children of a node with `count` keys and pointers from `start`, `level` above the leaves. Each
    /// level is one less than the one above, so that the recursion ends.
    fn children(
        &mut self,
        node: &[u8],
        start: usize,
        most: usize,
        count: usize,
        level: u16,
    ) -> io::Result<()> {
        if level == 0 || level > LEVELS_MAX || count > most {
            return Err(damaged("a tree of extents is broken"));
        }
        let fields = Fields(node);
        for index in 0..count {
            let key = fields.be64(start.saturating_add(index * 8))?;
            if self.is_past(key) {
                return Ok(());
            }
            let pointer = fields.be64(start.saturating_add(most * 8).saturating_add(index * 8))?;
            let child = self.xfs.block(pointer)?;
            self.child(&child, level - 1)?;
        }
        Ok(())
    }

    fn child(&mut self, block: &[u8], level: u16) -> io::Result<()> {
        let fields = Fields(block);
        let (magic, header) = if self.xfs.checked { (b"BMA3", 72) } else { (b"BMAP", 24) };
        if fields.bytes(0, 4)? != magic || fields.be16(4)? != level {
            return Err(damaged("a tree of extents is broken"));
        }
        if self.xfs.checked {
            self.xfs.verify(block, 64, "a tree of extents")?;
            if fields.be64(56)? != self.node {
                return Err(damaged("a tree of extents is another file's"));
            }
        }
        let count = usize::from(fields.be16(6)?);
        if level == 0 {
            return self.extents(block.get(header..).unwrap_or_default(), count);
        }
        self.children(block, header, block.len().saturating_sub(header) / 16, count, level)
    }
}
