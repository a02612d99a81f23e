//! Squashfs 4.0, read only, compressed by gzip or zstd. Format: "Squashfs Binary Format" of its own
//! documentation. Refused by name: lzma, lzo, xz and lz4. Not read: extended attributes.

use super::bytes::{Fields, Volume, damaged, unsupported};
use super::node::{EachName, FileSystem, Names, Node, NodeKind};
use super::unpack::{Kept, Wrapper, inflate, unzstd};
use crate::ReadAt;
use std::io;

const MAGIC: &[u8] = b"hsqs";
/// Bytes of one block of metadata, unpacked.
const META_BYTES: u64 = 8 << 10;
/// Unpacked blocks of data that are kept.
const KEPT_BYTES: u64 = 4 << 20;
/// In place of a fragment's number: the file has none.
const NO_FRAGMENT: u32 = u32::MAX;
/// Blocks of one file.
const BLOCKS_MAX: u64 = 1 << 22;
const NAMES: [&str; 6] = ["gzip", "lzma", "lzo", "xz", "lz4", "zstd"];

/// An opened file system.
pub(crate) struct Squashfs {
    volume: Volume,
    block_bytes: u32,
    zstd: bool,
    root: u64,
    ids: u16,
    fragments: u32,
    id_table: u64,
    inode_table: u64,
    folder_table: u64,
    fragment_table: u64,
    meta: Kept,
    data: Kept,
}

/// Whether these are the first bytes of a squashfs.
pub(crate) fn is_squashfs(head: &[u8]) -> bool {
    head.starts_with(MAGIC) && Fields(head).le16(28).is_ok_and(|version| version == 4)
}

/// Opens the file system of a volume.
pub(crate) fn open(volume: Volume) -> io::Result<Squashfs> {
    let head = volume.take(0, 96)?;
    let fields = Fields(&head);
    let (block_bytes, compressor) = (fields.le32(12)?, usize::from(fields.le16(20)?));
    let zstd = match compressor {
        1 => false,
        6 => true,
        other => {
            let name = NAMES.get(other.wrapping_sub(1)).unwrap_or(&"an unknown way");
            return Err(unsupported(format!(
                "it is compressed by {name}, which is not read; unpack it: unsquashfs"
            )));
        }
    };
    if !(4_096..=1 << 20).contains(&block_bytes) || !block_bytes.is_power_of_two() {
        return Err(damaged("the superblock of squashfs contradicts itself"));
    }
    Ok(Squashfs {
        block_bytes,
        zstd,
        root: fields.le64(32)?,
        ids: fields.le16(26)?,
        fragments: fields.le32(16)?,
        id_table: fields.le64(48)?,
        inode_table: fields.le64(64)?,
        folder_table: fields.le64(72)?,
        fragment_table: fields.le64(80)?,
        meta: Kept::new(META_BYTES * 64, META_BYTES),
        data: Kept::new(KEPT_BYTES, u64::from(block_bytes)),
        volume,
    })
}

/// A place in a table: where its block begins, and the offset in what it unpacks to.
#[derive(Debug, Clone, Copy)]
struct Place {
    block: u64,
    inside: u64,
}

/// One block of data or fragment: where it lies, and its length with the bit that says it is not packed.
#[derive(Debug, Clone, Copy)]
struct Block {
    offset: u64,
    size: u32,
}

impl Block {
    fn stored(self) -> u32 {
        self.size & 0xff_ffff
    }
}

impl Squashfs {
    fn unpack(&self, offset: u64, stored: usize, is_plain: bool, most: usize) -> io::Result<Vec<u8>> {
        if is_plain && stored > most {
            return Err(damaged("a block is too long"));
        }
        let mut packed = vec![0; stored];
        self.volume.exact(offset, &mut packed)?;
        if is_plain {
            return Ok(packed);
        }
        self.volume.pay(most)?;
        let mut plain = vec![0; most];
        let count = match self.zstd {
            true => unzstd(&packed, &mut plain)?,
            false => inflate(&packed, Wrapper::Zlib, &mut plain)?,
        };
        plain.truncate(count);
        Ok(plain)
    }

    /// Bytes of metadata, which go on from block to block; moves the place behind them.
    fn take(&self, place: &mut Place, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let header = self.volume.take(place.block, 2)?;
            let header = Fields(&header).le16(0)?;
            let (stored, is_plain) = (usize::from(header & 0x7fff), header & 0x8000 != 0);
            let most = usize::try_from(META_BYTES).unwrap_or(0);
            let start = place.block.saturating_add(2);
            let copied = self
                .meta
                .copy(place.block, place.inside, rest, || self.unpack(start, stored, is_plain, most))?;
            if copied == 0 && place.inside < META_BYTES {
                return Err(damaged("a block of metadata is too short"));
            }
            done += copied;
            place.inside = place.inside.saturating_add(copied as u64);
            if place.inside >= META_BYTES {
                *place = Place { block: start.saturating_add(stored as u64), inside: 0 };
            }
        }
        Ok(bytes)
    }

    /// One record of a table that is a list of blocks of metadata.
    fn record(&self, table: u64, index: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let per_block = META_BYTES / bytes;
        let pointer = self.volume.take(table.saturating_add(index / per_block * 8), 8)?;
        let mut place = Place { block: Fields(&pointer).le64(0)?, inside: index % per_block * bytes };
        self.take(&mut place, usize::try_from(bytes).unwrap_or(0))
    }

    fn id(&self, index: u16) -> io::Result<u32> {
        if index >= self.ids {
            return Err(damaged("an owner has no such number"));
        }
        Fields(&self.record(self.id_table, u64::from(index), 4)?).le32(0)
    }

    fn place_of(&self, id: u64) -> Place {
        Place { block: self.inode_table.saturating_add(id >> 16), inside: id & 0xffff }
    }
}

/// Kind, and bytes of the inode before its list or text.
fn shape(kind: u16) -> Option<(NodeKind, usize)> {
    Some(match kind {
        1 => (NodeKind::Folder, 32),
        8 => (NodeKind::Folder, 40),
        2 => (NodeKind::File, 32),
        9 => (NodeKind::File, 56),
        3 | 10 => (NodeKind::Symlink, 24),
        4..=7 | 11..=14 => (NodeKind::Special, 16),
        _ => return None,
    })
}

impl FileSystem for Squashfs {
    fn kind(&self) -> &'static str {
        "squashfs"
    }
    fn names(&self) -> Names {
        Names::default()
    }
    fn root(&self) -> u64 {
        self.root
    }
    fn node(&self, id: u64) -> io::Result<Node> {
        let mut place = self.place_of(id);
        let mut raw = self.take(&mut place, 16)?;
        let fields = Fields(&raw);
        let number = fields.le16(0)?;
        let (kind, bytes) = shape(number).ok_or_else(|| damaged(format!("there is no inode {id:#x}")))?;
        let mode = u32::from(fields.le16(2)?) & 0o7777;
        let (uid, gid) = (self.id(fields.le16(4)?)?, self.id(fields.le16(6)?)?);
        raw.extend(self.take(&mut place, bytes - 16)?);
        let fields = Fields(&raw);
        let size = match number {
            1 => u64::from(fields.le16(24)?),
            8 | 3 | 10 => u64::from(fields.le32(20)?),
            2 => u64::from(fields.le32(28)?),
            9 => fields.le64(24)?,
            _ => 0,
        };
        Ok(Node { id, kind, mode, uid, gid, size, raw })
    }
    fn list(&self, folder: &Node, each: EachName<'_>) -> io::Result<()> {
        let fields = Fields(&folder.raw);
        let (block, inside) = match fields.le16(0)? {
            1 => (fields.le32(16)?, fields.le16(26)?),
            _ => (fields.le32(24)?, fields.le16(34)?),
        };
        let start = self.folder_table.saturating_add(u64::from(block));
        let mut place = Place { block: start, inside: u64::from(inside) };
        // Three bytes stand for `.` and `..`, which are not stored.
        let mut left = folder.size.saturating_sub(3);
        while left >= 12 {
            let header = self.take(&mut place, 12)?;
            let fields = Fields(&header);
            let (count, block) = (u64::from(fields.le32(0)?) + 1, u64::from(fields.le32(4)?));
            left -= 12;
            if count > 256 {
                return Err(damaged("a list of the folder is too long"));
            }
            for _ in 0..count {
                let entry = self.take(&mut place, 8)?;
                let fields = Fields(&entry);
                let length = usize::from(fields.le16(6)?).saturating_add(1);
                let name = self.take(&mut place, length)?;
                left = left
                    .checked_sub(8 + length as u64)
                    .ok_or_else(|| damaged("the folder is longer than it says"))?;
                each(&name, block << 16 | u64::from(fields.le16(0)?))?;
            }
        }
        Ok(())
    }
    fn link(&self, node: &Node) -> io::Result<Vec<u8>> {
        if node.size > 4_096 {
            return Err(damaged("a symbolic link is longer than a path may be"));
        }
        let mut place = self.place_of(node.id);
        let bytes = self.take(&mut place, 24 + usize::try_from(node.size).unwrap_or(0))?;
        Ok(bytes.get(24..).unwrap_or_default().to_vec())
    }
    fn open<'f>(&'f self, node: &Node, bytes_wanted: u64) -> io::Result<Box<dyn ReadAt + 'f>> {
        let fields = Fields(&node.raw);
        let (start, fragment, inside) = match fields.le16(0)? {
            2 => (u64::from(fields.le32(16)?), fields.le32(20)?, fields.le32(24)?),
            _ => (fields.le64(16)?, fields.le32(44)?, fields.le32(48)?),
        };
        let block_bytes = u64::from(self.block_bytes);
        let whole = match fragment {
            NO_FRAGMENT => node.size.div_ceil(block_bytes),
            _ => node.size / block_bytes,
        };
        let wanted = whole.min(bytes_wanted.div_ceil(block_bytes));
        if wanted > BLOCKS_MAX {
            return Err(damaged("it is in more blocks than are read"));
        }
        let mut place = self.place_of(node.id);
        self.take(&mut place, node.raw.len())?;
        let sizes = self.take(&mut place, usize::try_from(wanted * 4).unwrap_or(0))?;
        let mut blocks = Vec::new();
        let mut offset = start;
        for size in sizes.as_chunks::<4>().0 {
            let block = Block { offset, size: u32::from_le_bytes(*size) };
            offset = offset.saturating_add(u64::from(block.stored()));
            blocks.push(block);
        }
        let tail = match fragment {
            NO_FRAGMENT => None,
            index if index < self.fragments => {
                let record = self.record(self.fragment_table, u64::from(index), 16)?;
                let block = Block { offset: Fields(&record).le64(0)?, size: Fields(&record).le32(8)? };
                Some((block, u64::from(inside)))
            }
            _ => return Err(damaged("a fragment has no such number")),
        };
        Ok(Box::new(Blocks { files: self, blocks, whole, tail, size: node.size }))
    }
}

/// A file in blocks, its end perhaps in a fragment.
struct Blocks<'f> {
    files: &'f Squashfs,
    blocks: Vec<Block>,
    /// Blocks of the whole file, of which not all need be known.
    whole: u64,
    tail: Option<(Block, u64)>,
    size: u64,
}

impl ReadAt for Blocks<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let fit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let block_bytes = u64::from(self.files.block_bytes);
        let (index, inside) = (offset / block_bytes, offset % block_bytes);
        let left = self.size.saturating_sub(offset).min(block_bytes - inside);
        let length = buffer.len().min(fit(left));
        let part = buffer.get_mut(..length).unwrap_or_default();
        if part.is_empty() {
            return Ok(0);
        }
        let (block, inside) = match (self.blocks.get(fit(index)), self.tail) {
            (Some(block), _) => (*block, inside),
            (None, Some((block, start))) if index >= self.whole => (block, start.saturating_add(inside)),
            _ => return Err(damaged("a block of it is missing")),
        };
        if block.size == 0 {
            self.files.volume.pay(length)?;
            part.fill(0);
            return Ok(length);
        }
        let (stored, is_plain) = (fit(u64::from(block.stored())), block.size >> 24 & 1 == 1);
        let copied = self.files.data.copy(block.offset, inside, part, || {
            self.files.unpack(block.offset, stored, is_plain, fit(block_bytes))
        })?;
        if copied == 0 { Err(damaged("a block of it is too short")) } else { Ok(copied) }
    }
    fn len(&self) -> u64 {
        self.size
    }
}
