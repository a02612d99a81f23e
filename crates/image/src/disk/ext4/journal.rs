//! The journal of ext3 and ext4 (jbd2): what a running or crashed machine had written there and not yet
//! in place is read over the blocks it belongs to; the disk itself is never written. Format: the Linux
//! kernel's Documentation/filesystems/ext4/journal.rst. Not read: fast commits.

use super::{Ext, FAST_COMMIT, Superblock, flags};
use crate::Source;
use crate::disk::bytes::{Fields, crc32c, damaged};
use crate::disk::node::{FileSystem, Run};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const MAGIC: u32 = 0xc03b_3998;
const DESCRIPTOR: u32 = 1;
const COMMIT: u32 = 2;
const REVOKE: u32 = 5;

// Incompatible features of a journal.
const WIDE: u32 = 0x2;
const CSUM_V2: u32 = 0x8;
const CSUM_V3: u32 = 0x10;
const KNOWN: u32 = 0x1 | WIDE | 0x4 | CSUM_V2 | CSUM_V3 | 0x20;

// Flags of a tag.
const ESCAPED: u32 = 1;
const SAME_UUID: u32 = 2;
const LAST: u32 = 8;

/// Blocks that a journal may hold changes of: 2 GiB of them, and 24 MB of memory.
const CHANGES_MAX: usize = 1 << 19;

/// What is to be known of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Whether something was lost.
    pub is_gap: bool,
    pub text: String,
}

/// Reads the journal over a file system that was not left in order.
pub(super) fn replay(mut ext: Ext) -> io::Result<Ext> {
    let gap = |text: String| Some(Remark { is_gap: true, text });
    if ext.superblock.journal_inode == 0 {
        ext.remark = gap("its journal is on another device: newest changes were not seen".into());
        return Ok(ext);
    }
    let (changes, lost, fast) = match Log::read(&ext) {
        Ok(log) => (log.changes, log.lost, log.fast),
        Err(error) => {
            ext.remark =
                gap(format!("its journal could not be read ({error}): newest changes were not seen"));
            return Ok(ext);
        }
    };
    ext.remark = Some(match (lost, fast) {
        (0, false) => Remark {
            is_gap: false,
            text: format!(
                "it was in use: {} blocks were read from its journal, as mounting it would do",
                changes.len()
            ),
        },
        (0, true) => {
            let text = "it was in use and its journal has fast commits, which are not read: \
                        newest changes were not seen";
            Remark { is_gap: true, text: text.into() }
        }
        (lost, _) => Remark {
            is_gap: true,
            text: format!("{lost} blocks of its journal have wrong checksums and were not used"),
        },
    });
    if changes.is_empty() {
        return Ok(ext);
    }
    let block_bytes = ext.block_bytes();
    ext.volume = ext.volume.through(|below| Arc::new(Overlay { below, block_bytes, changes }));
    let bytes = ext.volume.take(super::SUPERBLOCK.0, super::SUPERBLOCK.1)?;
    ext.superblock = Superblock::parse(&bytes)?;
    Ok(ext)
}

/// Where the newest state of a block lies.
#[derive(Debug, Clone, Copy)]
struct Change {
    physical: u64,
    /// Whether its first four bytes are the journal's magic, which the journal holds as zeros.
    escaped: bool,
    /// Of its transaction, counted from the first one.
    age: u32,
}

struct Tag {
    block: u64,
    flags: u32,
    checksum: u32,
    bytes: usize,
}

struct Log<'e> {
    ext: &'e Ext,
    runs: Vec<Run>,
    features: u32,
    seed: u32,
    first: u64,
    end: u64,
    changes: BTreeMap<u64, Change>,
    /// Blocks that were given up, and the last transaction whose changes do not count.
    revoked: BTreeMap<u64, u32>,
    lost: u64,
    fast: bool,
}

impl<'e> Log<'e> {
    fn read(ext: &'e Ext) -> io::Result<Self> {
        let inode = ext.node(u64::from(ext.superblock.journal_inode))?;
        let runs = ext.runs(&inode, flags(&inode)?, inode.size)?.as_slice().to_vec();
        let mut log = Self {
            ext,
            runs,
            features: 0,
            seed: 0,
            first: 0,
            end: 1,
            changes: BTreeMap::new(),
            revoked: BTreeMap::new(),
            lost: 0,
            fast: false,
        };
        let head = log.block(0)?;
        let fields = Fields(&head);
        if fields.be32(0)? != MAGIC || fields.be32(12)? != ext.superblock.block_bytes {
            return Err(damaged("it has no superblock"));
        }
        let version_two = fields.be32(4)? == 4;
        log.features = if version_two { fields.be32(40)? } else { 0 };
        if log.features & !KNOWN != 0 {
            return Err(damaged(format!("it uses features that are not read: {:#x}", log.features)));
        }
        log.seed = crc32c(!0, fields.bytes(48, 16)?);
        log.first = u64::from(fields.be32(20)?).max(1);
        log.end = u64::from(fields.be32(16)?).min(inode.size / ext.block_bytes());
        let (sequence, start) = (fields.be32(24)?, u64::from(fields.be32(28)?));
        if log.features & 0x20 != 0 && ext.superblock.compat & FAST_COMMIT != 0 {
            let blocks = match fields.be32(0x54)? {
                0 => 256,
                blocks => u64::from(blocks),
            };
            log.end = log.end.saturating_sub(blocks);
        }
        if log.end <= log.first {
            return Err(damaged("it has no room"));
        }
        let next = if start == 0 { sequence } else { log.transactions(start, sequence)? };
        log.fast = log.features & 0x20 != 0 && log.has_fast_commit(next)?;
        let revoked = std::mem::take(&mut log.revoked);
        log.changes.retain(|block, change| revoked.get(block).is_none_or(|until| *until < change.age));
        Ok(log)
    }

    /// Reads transactions until one is not complete; gives the number of the next one.
    fn transactions(&mut self, start: u64, sequence: u32) -> io::Result<u32> {
        let mut at = start;
        let (mut age, mut passed) = (0u32, 0u64);
        let mut changes: Vec<(u64, Change)> = Vec::new();
        let mut revoked: Vec<u64> = Vec::new();
        let mut lost = 0;
        while passed < self.end {
            let expected = sequence.wrapping_add(age);
            let block = self.block(at)?;
            let fields = Fields(&block);
            if fields.be32(0)? != MAGIC || fields.be32(8)? != expected {
                break;
            }
            let mut used = 1;
            match fields.be32(4)? {
                DESCRIPTOR if self.is_sound(&block) => {
                    for tag in self.tags(&block)? {
                        let place = self.after(at, used);
                        used += 1;
                        let physical = self.physical(place)?;
                        if self.is_intact(&tag, expected, physical)? {
                            let escaped = tag.flags & ESCAPED != 0;
                            changes.push((tag.block, Change { physical, escaped, age }));
                        } else {
                            lost += 1;
                        }
                    }
                }
                REVOKE if self.is_sound(&block) => self.revocations(fields, &mut revoked)?,
                COMMIT => {
                    self.changes.extend(changes.drain(..));
                    self.revoked.extend(revoked.drain(..).map(|block| (block, age)));
                    self.lost += std::mem::take(&mut lost);
                    age = age.wrapping_add(1);
                }
                _ => break,
            }
            let lists = [self.changes.len(), changes.len(), self.revoked.len(), revoked.len()];
            if lists.into_iter().fold(0, usize::saturating_add) > CHANGES_MAX {
                return Err(damaged("it holds more changes than are read"));
            }
            at = self.after(at, used);
            passed = passed.saturating_add(used);
        }
        Ok(sequence.wrapping_add(age))
    }

    fn tags(&self, block: &[u8]) -> io::Result<Vec<Tag>> {
        let fields = Fields(block);
        let mut tags = Vec::new();
        let mut at = 12;
        while at + 8 <= block.len() {
            let tag = self.tag(fields, at)?;
            at += tag.bytes + if tag.flags & SAME_UUID == 0 { 16 } else { 0 };
            let is_last = tag.flags & LAST != 0;
            tags.push(tag);
            if is_last {
                break;
            }
        }
        Ok(tags)
    }

    fn tag(&self, fields: Fields<'_>, at: usize) -> io::Result<Tag> {
        let wide = self.features & WIDE != 0;
        let low = u64::from(fields.be32(at)?);
        if self.features & CSUM_V3 != 0 {
            let high = u64::from(if wide { fields.be32(at + 8)? } else { 0 });
            let (flags, checksum) = (fields.be32(at + 4)?, fields.be32(at + 12)?);
            return Ok(Tag { block: low | high << 32, flags, checksum, bytes: 16 });
        }
        let high = u64::from(if wide { fields.be32(at + 8)? } else { 0 });
        let bytes = 8 + if wide { 4 } else { 0 } + if self.features & CSUM_V2 != 0 { 2 } else { 0 };
        let (checksum, flags) = (u32::from(fields.be16(at + 4)?), u32::from(fields.be16(at + 6)?));
        Ok(Tag { block: low | high << 32, flags, checksum, bytes })
    }

    fn revocations(&self, fields: Fields<'_>, revoked: &mut Vec<u64>) -> io::Result<()> {
        let end = usize::try_from(fields.be32(12)?).unwrap_or(usize::MAX).min(fields.0.len());
        let wide = self.features & WIDE != 0;
        let mut at = 16;
        while at + if wide { 8 } else { 4 } <= end {
            revoked.push(if wide { fields.be64(at)? } else { u64::from(fields.be32(at)?) });
            at += if wide { 8 } else { 4 };
        }
        Ok(())
    }

    /// Whether the checksum at the end of a descriptor or revocation block is right.
    fn is_sound(&self, block: &[u8]) -> bool {
        if self.features & (CSUM_V2 | CSUM_V3) == 0 {
            return true;
        }
        let Some((body, tail)) = block.split_last_chunk::<4>() else { return false };
        u32::from_be_bytes(*tail) == crc32c(crc32c(self.seed, body), &[0; 4])
    }

    fn is_intact(&self, tag: &Tag, sequence: u32, physical: u64) -> io::Result<bool> {
        let mask = match self.features & (CSUM_V2 | CSUM_V3) {
            0 => return Ok(true),
            CSUM_V2 => 0xffff,
            _ => u32::MAX,
        };
        let mut data = vec![0; usize::try_from(self.ext.block_bytes()).unwrap_or(0)];
        self.ext.volume.exact(physical, &mut data)?;
        let crc = crc32c(crc32c(self.seed, &sequence.to_be_bytes()), &data);
        Ok(crc & mask == tag.checksum)
    }

    /// A fast commit of transaction `next` starts with a head (tag 9) that names it (ext4/fast_commit.h).
    fn has_fast_commit(&self, next: u32) -> io::Result<bool> {
        let block = self.block(self.end)?;
        let fields = Fields(&block);
        Ok(fields.le16(0)? == 9 && fields.le32(8)? == next)
    }

    fn after(&self, at: u64, count: u64) -> u64 {
        let room = self.end.saturating_sub(self.first).max(1);
        let from_first = at.saturating_sub(self.first).saturating_add(count);
        self.first.saturating_add(from_first % room)
    }

    fn physical(&self, block: u64) -> io::Result<u64> {
        let logical = block.saturating_mul(self.ext.block_bytes());
        let next = self.runs.partition_point(|run| run.logical.saturating_add(run.len) <= logical);
        self.runs
            .get(next)
            .and_then(|run| Some(run.physical.saturating_add(logical.checked_sub(run.logical)?)))
            .ok_or_else(|| damaged("a block of it is not there"))
    }

    fn block(&self, block: u64) -> io::Result<Vec<u8>> {
        let count = usize::try_from(self.ext.block_bytes()).unwrap_or(0);
        self.ext.volume.take(self.physical(block)?, count)
    }
}

/// A volume with some of its blocks replaced by others.
struct Overlay {
    below: Arc<dyn Source>,
    block_bytes: u64,
    changes: BTreeMap<u64, Change>,
}

impl Source for Overlay {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let (number, inside) = (offset / self.block_bytes, offset % self.block_bytes);
        let fit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        if let Some(change) = self.changes.get(&number) {
            let length = buffer.len().min(fit(self.block_bytes - inside));
            let part = buffer.get_mut(..length).unwrap_or_default();
            let count = self.below.read_at(change.physical.saturating_add(inside), part)?;
            if change.escaped {
                let magic = MAGIC.to_be_bytes();
                let rest = magic.get(fit(inside)..).unwrap_or_default();
                for (to, from) in part.iter_mut().take(count).zip(rest) {
                    *to = *from;
                }
            }
            return Ok(count);
        }
        let next = self.changes.range(number..).next().map_or(u64::MAX, |(block, _)| *block);
        let room = next.saturating_mul(self.block_bytes).saturating_sub(offset);
        let length = buffer.len().min(fit(room));
        self.below.read_at(offset, buffer.get_mut(..length).unwrap_or_default())
    }
    fn len(&self) -> u64 {
        self.below.len()
    }
}
