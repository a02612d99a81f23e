//! Names in ext folders. The index of large folders is laid out so that it looks like empty entries:
//! every block is read in order, whatever index there is.

use super::content::inline_rest;
use super::{Ext, FLAG_ENCRYPTED, FLAG_INLINE, flags};
use crate::disk::bytes::{Fields, crc32c, damaged, unsupported};
use crate::disk::node::{EachName, Node};
use std::io;

/// Type of the false last entry that holds a block's checksum.
const CHECKSUM_TYPE: u8 = 0xde;
const CHECKSUM_BYTES: usize = 12;

impl Ext {
    pub(super) fn list_folder(&self, folder: &Node, each: EachName<'_>) -> io::Result<()> {
        let flags = flags(folder)?;
        if flags & FLAG_ENCRYPTED != 0 {
            return Err(unsupported("it is encrypted, its names too"));
        }
        if flags & FLAG_INLINE != 0 {
            // Four bytes name the parent, entries follow.
            entries(Fields(&folder.raw).bytes(0x2c, 56)?, each)?;
            return entries(inline_rest(&folder.raw)?, each);
        }
        let block_bytes = self.block_bytes();
        let seed = self.inode_seed(folder.id, &folder.raw)?;
        let mut block = vec![0; usize::try_from(block_bytes).unwrap_or(0)];
        for run in self.runs(folder, flags, folder.size)?.as_slice() {
            // Runs may go beyond the end: room for later.
            let end = run.len.min(folder.size.saturating_sub(run.logical));
            let mut at = 0;
            while at < end {
                self.volume.small(run.physical.saturating_add(at), &mut block)?;
                self.check_folder(seed, &block)?;
                entries(&block, each)?;
                at = at.saturating_add(block_bytes);
            }
        }
        Ok(())
    }

    /// Blocks of the index have checksums elsewhere; they hold no names but `.` and `..`.
    fn check_folder(&self, seed: u32, block: &[u8]) -> io::Result<()> {
        let Some((body, tail)) = block.split_last_chunk::<CHECKSUM_BYTES>() else { return Ok(()) };
        let fields = Fields(tail);
        let is_tail = fields.le32(0)? == 0 && fields.le16(4)? == 12 && fields.byte(7)? == CHECKSUM_TYPE;
        if self.superblock.checked && is_tail && fields.le32(8)? != crc32c(seed, body) {
            return Err(damaged("the checksum of a folder's block is wrong"));
        }
        Ok(())
    }
}

/// The entries of one block.
fn entries(block: &[u8], each: EachName<'_>) -> io::Result<()> {
    let fields = Fields(block);
    let mut at = 0usize;
    while at.saturating_add(8) <= block.len() {
        let (inode, stored) = (fields.le32(at)?, usize::from(fields.le16(at + 4)?));
        // In blocks of 64 KiB the two lowest bits are the highest.
        let length = match stored {
            0 | 0xffff => block.len(),
            stored => (stored & 0xfffc) | (stored & 3) << 16,
        };
        let name = usize::from(fields.byte(at + 6)?);
        if length < 8 || at.saturating_add(length) > block.len() || name.saturating_add(8) > length {
            return Err(damaged("an entry of the folder is broken"));
        }
        if inode != 0 && name > 0 {
            each(fields.bytes(at + 8, name)?, u64::from(inode))?;
        }
        at = at.saturating_add(length);
    }
    Ok(())
}
