//! Names in XFS folders: in the inode, in one block, or in many. The index of large folders lies beyond
//! 32 GiB of their content and is not needed.

use super::{LOCAL, Xfs, format};
use crate::disk::bytes::{Fields, damaged};
use crate::disk::node::{EachName, Node};
use std::io;

/// Where the index begins.
const INDEX: u64 = 32 << 30;
/// Bytes of a folder's content that are read: names of the most entries and more.
const FOLDER_BYTES_MAX: u64 = 4 << 30;

impl Xfs {
    pub(super) fn list_folder(&self, folder: &Node, each: EachName<'_>) -> io::Result<()> {
        if format(folder)? == LOCAL {
            return self.short_form(self.fork(folder)?, each);
        }
        let block_bytes = u64::from(self.block_bytes) << self.folder_log;
        let mut block = vec![0; usize::try_from(block_bytes).unwrap_or(0)];
        // A folder's block may be of several blocks, and these in several runs.
        let mut filled = 0usize;
        let mut start = 0;
        for run in self.runs(folder, INDEX.min(FOLDER_BYTES_MAX))?.as_slice() {
            let mut at = 0;
            while at < run.len {
                let logical = run.logical.saturating_add(at);
                if filled == 0 {
                    start = logical;
                }
                if (filled == 0 && logical % block_bytes != 0) || logical != start + filled as u64 {
                    return Err(damaged("a part of the folder is missing"));
                }
                let end = filled.saturating_add(usize::try_from(self.block_bytes).unwrap_or(0));
                let part = block.get_mut(filled..end).ok_or_else(|| damaged("the folder is broken"))?;
                self.volume.small(run.physical.saturating_add(at), part)?;
                filled = end;
                at = at.saturating_add(u64::from(self.block_bytes));
                if filled as u64 == block_bytes {
                    filled = 0;
                    self.data_block(&block, each)?;
                }
            }
        }
        if filled > 0 { Err(damaged("a part of the folder is missing")) } else { Ok(()) }
    }

    /// Entries in the inode; `.` and `..` are not among them.
    fn short_form(&self, fork: &[u8], each: EachName<'_>) -> io::Result<()> {
        let fields = Fields(fork);
        let (count, wide) = (fields.byte(0)?, fields.byte(1)? > 0);
        let number_bytes = if wide { 8 } else { 4 };
        let mut at = 2 + number_bytes;
        for _ in 0..count {
            let length = usize::from(fields.byte(at)?);
            let name = fields.bytes(at.saturating_add(3), length)?;
            let number = at.saturating_add(3).saturating_add(length) + usize::from(self.has_types);
            let id = if wide { fields.be64(number)? } else { u64::from(fields.be32(number)?) };
            each(name, id & (u64::MAX >> 8))?;
            at = number.saturating_add(number_bytes);
        }
        Ok(())
    }

    fn data_block(&self, block: &[u8], each: EachName<'_>) -> io::Result<()> {
        let fields = Fields(block);
        let is_single = match (self.checked, fields.bytes(0, 4)?) {
            (true, b"XDB3") | (false, b"XD2B") => true,
            (true, b"XDD3") | (false, b"XD2D") => false,
            _ => return Err(damaged("a block of the folder is broken")),
        };
        if self.checked {
            self.verify(block, 4, "a folder's block")?;
        }
        let mut end = block.len();
        if is_single {
            // The index is at the end of the block: entries of eight bytes, then their number.
            let count = usize::try_from(fields.be32(end.saturating_sub(8))?).unwrap_or(usize::MAX);
            let index = count.saturating_mul(8).saturating_add(8);
            end = end.checked_sub(index).ok_or_else(|| damaged("the index of a folder is broken"))?;
        }
        let mut at = if self.checked { 64 } else { 16 };
        while at < end {
            if fields.be16(at)? == 0xffff {
                let length = usize::from(fields.be16(at + 2)?);
                if length < 8 {
                    return Err(damaged("an entry of the folder is broken"));
                }
                at = at.saturating_add(length);
                continue;
            }
            let (id, length) = (fields.be64(at)?, usize::from(fields.byte(at + 8)?));
            let name = fields.bytes(at + 9, length)?;
            if length == 0 {
                return Err(damaged("an entry of the folder is broken"));
            }
            each(name, id & (u64::MAX >> 8))?;
            // Number, length, name, type, tag; rounded up to eight.
            at = at.saturating_add((11 + length + usize::from(self.has_types)).next_multiple_of(8));
        }
        Ok(())
    }
}
