//! Partition tables: MBR with logical partitions, and GPT with its checksums and its second copy.
//! Formats: UEFI specification 2.10, chapter 5. No table at all is one volume. Not read: BSD labels and
//! Apple maps.

use super::bytes::Fields;
use crate::source::read_full;
use crate::{Error, Source};
use std::collections::BTreeSet;
use std::io;

/// Partitions that are listed.
const PARTITIONS_MAX: usize = 256;
/// Bytes of a GPT's list.
const LIST_BYTES_MAX: u64 = 1 << 20;
/// Sector sizes that a GPT may count in.
const SECTORS: [u64; 2] = [512, 4_096];

/// One partition, or the whole disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Partition {
    /// As the kernel counts them; 0 for a disk without a table and for logical volumes, which have names.
    pub number: u32,
    pub start: u64,
    pub len: u64,
    /// GPT: its type in lower case. MBR: its type in hexadecimal.
    pub kind: String,
    pub uuid: String,
    pub name: String,
}

impl Partition {
    /// How it is chosen.
    pub fn choice(&self) -> String {
        if self.number == 0 { self.name.clone() } else { self.number.to_string() }
    }
    /// How it is called in notes.
    pub fn shown(&self) -> String {
        match (self.number, self.name.as_str()) {
            (0, "") => "the disk".into(),
            (0, name) => format!("logical volume {name}"),
            (number, "") => format!("partition {number}"),
            (number, name) => format!("partition {number} ({name})"),
        }
    }
}

/// A table as found.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub partitions: Vec<Partition>,
    /// What was odd about it; `true` if something may be lost.
    pub remarks: Vec<(bool, String)>,
}

/// The table of a disk; `None` when there is none.
pub(crate) fn read(disk: &dyn Source) -> Result<Option<Table>, Error> {
    let wrap = |error| Error::io("the partition table", error);
    let mut sector = [0; 512];
    if read_full(disk, 0, &mut sector).map_err(wrap)? < sector.len() {
        return Ok(None);
    }
    let mbr = mbr_entries(&sector, disk.len());
    let protective = mbr.as_ref().is_some_and(|entries| entries.iter().any(|entry| entry.kind == 0xee));
    let mut table = Table::default();
    if protective || mbr.is_none() {
        if gpt(disk, &mut table, protective).map_err(wrap)? {
            return Ok(Some(table));
        }
        if protective {
            let text = "both copies of its GPT are damaged: no partition was seen";
            table.remarks.push((true, text.into()));
            return Ok(Some(table));
        }
    }
    let Some(entries) = mbr else { return Ok(None) };
    let signature = Fields(&sector).le32(440).unwrap_or(0);
    for (index, entry) in entries.iter().enumerate() {
        let number = index as u32 + 1;
        match entry.kind {
            0 => {}
            0x05 | 0x0f | 0x85 => logical(disk, entry, signature, &mut table).map_err(wrap)?,
            _ => table.partitions.push(entry.partition(number, signature)),
        }
    }
    Ok(Some(table))
}

/// Whether a file starts as a disk with a partition table does.
pub(crate) fn is_table(disk: &dyn Source, head: &[u8]) -> bool {
    let gpt = |at: usize| head.get(at..).is_some_and(|rest| rest.starts_with(b"EFI PART"));
    let mbr = head.first_chunk::<512>().and_then(|sector| mbr_entries(sector, disk.len()));
    gpt(512) || gpt(4_096) || mbr.is_some()
}

#[derive(Debug, Clone, Copy)]
struct MbrEntry {
    kind: u8,
    /// In sectors.
    start: u64,
    count: u64,
}

impl MbrEntry {
    fn parse(raw: &[u8]) -> io::Result<Self> {
        let fields = Fields(raw);
        let (start, count) = (fields.le32(8)?, fields.le32(12)?);
        Ok(Self { kind: fields.byte(4)?, start: u64::from(start), count: u64::from(count) })
    }
    fn partition(&self, number: u32, signature: u32) -> Partition {
        Partition {
            number,
            start: self.start * 512,
            len: self.count * 512,
            kind: format!("{:02x}", self.kind),
            uuid: format!("{signature:08x}-{number:02x}"),
            name: String::new(),
        }
    }
}

/// The four entries of an MBR; `None` when these are not entries but somebody's code or text.
fn mbr_entries(sector: &[u8; 512], disk_bytes: u64) -> Option<Vec<MbrEntry>> {
    if !sector.ends_with(&[0x55, 0xaa]) {
        return None;
    }
    let raw = sector.get(446..510)?;
    let mut entries = Vec::new();
    for raw in raw.chunks_exact(16) {
        let entry = MbrEntry::parse(raw).ok()?;
        let is_flag = raw.first().is_some_and(|flag| flag & 0x7f == 0);
        let is_inside = entry.start > 0 && entry.start.saturating_mul(512) < disk_bytes;
        if !is_flag || (entry.kind != 0 && !is_inside) {
            return None;
        }
        entries.push(entry);
    }
    entries.iter().any(|entry| entry.kind != 0).then_some(entries)
}

/// Logical partitions: a chain of tables, each with one partition and the place of the next table.
fn logical(disk: &dyn Source, extended: &MbrEntry, signature: u32, table: &mut Table) -> io::Result<()> {
    let mut at = extended.start;
    let mut seen = BTreeSet::new();
    for number in 5.. {
        if !seen.insert(at) || table.partitions.len() >= PARTITIONS_MAX {
            let text = "the chain of its logical partitions does not end: the rest was not seen";
            table.remarks.push((true, text.into()));
            return Ok(());
        }
        let mut sector = [0; 512];
        let count = read_full(disk, at.saturating_mul(512), &mut sector)?;
        if count < sector.len() || !sector.ends_with(&[0x55, 0xaa]) {
            let text = "the chain of its logical partitions is broken: the rest was not seen";
            table.remarks.push((true, text.into()));
            return Ok(());
        }
        let entry = |index: usize| MbrEntry::parse(Fields(&sector).bytes(446 + index * 16, 16)?);
        let (own, next) = (entry(0)?, entry(1)?);
        if own.kind != 0 && own.count > 0 {
            let placed = MbrEntry { start: at.saturating_add(own.start), ..own };
            table.partitions.push(placed.partition(number, signature));
        }
        if next.kind == 0 || next.start == 0 {
            return Ok(());
        }
        at = extended.start.saturating_add(next.start);
    }
    Ok(())
}

/// Reads the first copy of a GPT that is sound; `false` when there is none.
fn gpt(disk: &dyn Source, table: &mut Table, expected: bool) -> io::Result<bool> {
    for sector in SECTORS {
        if let Some(found) = gpt_at(disk, sector, sector)? {
            table.partitions = found;
            return Ok(true);
        }
    }
    if !expected {
        return Ok(false);
    }
    for sector in SECTORS {
        let last = (disk.len() / sector).saturating_sub(1).saturating_mul(sector);
        if let Some(found) = gpt_at(disk, last, sector)? {
            table.partitions = found;
            let text = "the first copy of its GPT is damaged; the second one was used";
            table.remarks.push((false, text.into()));
            return Ok(true);
        }
    }
    Ok(false)
}

/// The GPT whose header is at `place`, when its checksums are right.
fn gpt_at(disk: &dyn Source, place: u64, sector: u64) -> io::Result<Option<Vec<Partition>>> {
    let mut header = [0; 512];
    if read_full(disk, place, &mut header)? < header.len() || !header.starts_with(b"EFI PART") {
        return Ok(None);
    }
    let fields = Fields(&header);
    let (length, checksum) = (usize::try_from(fields.le32(12)?).unwrap_or(usize::MAX), fields.le32(16)?);
    let Some(mut own) = header.get(..length).filter(|_| length >= 92).map(<[u8]>::to_vec) else {
        return Ok(None);
    };
    own.get_mut(16..20).unwrap_or_default().fill(0);
    if crc32fast::hash(&own) != checksum {
        return Ok(None);
    }
    let (list, count, entry) = (fields.le64(72)?, u64::from(fields.le32(80)?), u64::from(fields.le32(84)?));
    let list_bytes = count.saturating_mul(entry);
    if entry < 128 || list_bytes > LIST_BYTES_MAX || list_bytes == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(list_bytes).unwrap_or(0)];
    let got = read_full(disk, list.saturating_mul(sector), &mut bytes)?;
    if got < bytes.len() || crc32fast::hash(&bytes) != fields.le32(88)? {
        return Ok(None);
    }
    let mut partitions = Vec::new();
    for (index, raw) in bytes.chunks_exact(usize::try_from(entry).unwrap_or(128)).enumerate() {
        let fields = Fields(raw);
        if fields.bytes(0, 16)?.iter().all(|byte| *byte == 0) {
            continue;
        }
        if partitions.len() >= PARTITIONS_MAX {
            break;
        }
        let (first, last) = (fields.le64(32)?, fields.le64(40)?);
        let sectors = last.checked_sub(first).and_then(|count| count.checked_add(1)).unwrap_or(0);
        let name = fields.bytes(56, 72)?.as_chunks::<2>().0;
        let units: Vec<u16> =
            name.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0).collect();
        partitions.push(Partition {
            number: index as u32 + 1,
            start: first.saturating_mul(sector),
            len: sectors.saturating_mul(sector),
            kind: guid(fields, 0)?,
            uuid: guid(fields, 16)?,
            name: String::from_utf16_lossy(&units),
        });
    }
    Ok(Some(partitions))
}

/// A GUID: the first three of its five parts are little-endian.
fn guid(fields: Fields<'_>, at: usize) -> io::Result<String> {
    let (first, second, third) = (fields.le32(at)?, fields.le16(at + 4)?, fields.le16(at + 6)?);
    let (fourth, fifth) = (fields.be16(at + 8)?, fields.be64(at + 8)? & 0xffff_ffff_ffff);
    Ok(format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{fifth:012x}"))
}
