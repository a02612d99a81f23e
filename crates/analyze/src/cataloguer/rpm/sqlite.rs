//! The package table of `rpmdb.sqlite`.
//!
//! Format: "SQLite Database File Format" (sqlite.org/fileformat2.html): table b-trees, records,
//! overflow pages. Pages that a write-ahead log holds count instead of the file's. Read only; no indexes,
//! no SQL, no rollback journal.

use super::bytes::{Bytes, Losses, Order, Result, u16_at, u32_at};
use super::log::Log;
use std::borrow::Cow;
use std::collections::HashSet;

/// How such a file starts.
pub const MAGIC: &[u8] = b"SQLite format 3\0";
const FILE_HEADER_BYTES: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// The table of rpm's sqlite backend.
const TABLE: &[u8] = b"Packages";

struct Database<'b, 'a> {
    bytes: &'b mut Bytes<'a>,
    log: Option<Log<'a>>,
    page_bytes: usize,
    usable: usize,
    pages: u64,
    /// A page belongs to one place: seeing it again means a loop.
    seen: HashSet<u32>,
    payload_bytes_max: usize,
}

/// Calls `each` with every header blob of the database as its log, if any, changes it.
pub fn headers<'a>(
    bytes: &mut Bytes<'a>,
    mut log: Option<Log<'a>>,
    header_bytes_max: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Losses> {
    let head = match log.as_mut().map(|log| log.page(1)).transpose()?.flatten() {
        Some(page) => page,
        None => bytes.read(0, FILE_HEADER_BYTES)?,
    };
    if !head.starts_with(MAGIC) {
        return Err("the first page is not that of such a database".into());
    }
    let page_bytes = match u16_at(&head, 16, Order::Big) {
        Some(1) => 65_536,
        Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
        _ => return Err("impossible page size".into()),
    };
    let reserved = usize::from(head.get(20).copied().unwrap_or_default());
    let usable = page_bytes.saturating_sub(reserved);
    if usable < 480 {
        return Err("impossible size of the reserved space of pages".into());
    }
    let pages = match &log {
        Some(log) if log.page_bytes != page_bytes => {
            return Err(format!("the pages of its write-ahead log have another size, {}", log.page_bytes));
        }
        Some(log) => u64::from(log.pages),
        None => bytes.len() / page_bytes as u64,
    };
    let seen = HashSet::new();
    let payload_bytes_max = header_bytes_max.saturating_add(64);
    let mut database = Database { bytes, log, page_bytes, usable, pages, seen, payload_bytes_max };
    let mut losses = Losses::default();
    let mut root = None;
    database.rows(1, &mut losses, &mut |row| {
        let columns = columns(row).ok_or("a row of the schema is damaged")?;
        let column = |at: usize| columns.get(at).copied().unwrap_or_default();
        if column(0) == b"table" && column(1) == TABLE {
            let number = column(3).iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
            root = u32::try_from(number).ok();
        }
        Ok(())
    })?;
    let root = root.ok_or("there is no table of packages")?;
    database.rows(root, &mut losses, &mut |row| {
        let columns = columns(row).ok_or("a row is damaged")?;
        each(columns.get(1).copied().ok_or("a row has no header")?)
    })?;
    Ok(losses)
}

impl<'a> Database<'_, 'a> {
    fn page(&mut self, number: u32) -> Result<Cow<'a, [u8]>> {
        if number == 0 || u64::from(number) > self.pages {
            return Err(format!("page {number} is outside the file"));
        }
        let start = (u64::from(number) - 1) * self.page_bytes as u64;
        let in_log = self.log.as_ref().is_some_and(|log| log.has(number));
        if !in_log && start + self.page_bytes as u64 > self.bytes.len() {
            return Err(format!("page {number} is neither in the file nor in its log"));
        }
        if !self.seen.insert(number) {
            return Err(format!("page {number} is used twice"));
        }
        if let Some(page) = self.log.as_mut().map(|log| log.page(number)).transpose()?.flatten() {
            return Ok(page);
        }
        self.bytes.read(start, self.page_bytes)
    }

    /// Bytes of the file and its log.
    fn stored(&self) -> u64 {
        self.bytes.len().saturating_add(self.log.as_ref().map_or(0, Log::len))
    }

    /// Walks a table b-tree from its root, in order.
    fn rows(
        &mut self,
        root: u32,
        losses: &mut Losses,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut todo = vec![root];
        while let Some(number) = todo.pop() {
            let result = self.page(number).and_then(|page| self.walk(number, &page, &mut todo, losses, each));
            match result {
                Err(why) if number == root => return Err(why),
                Err(why) => losses.add(why),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        number: u32,
        page: &[u8],
        todo: &mut Vec<u32>,
        losses: &mut Losses,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let start = if number == 1 { FILE_HEADER_BYTES } else { 0 };
        let damaged = || format!("page {number} is damaged");
        let kind = page.get(start).copied().ok_or_else(damaged)?;
        let cells = usize::from(u16_at(page, start + 3, Order::Big).ok_or_else(damaged)?);
        let pointers = start + if kind == INTERIOR { 12 } else { 8 };
        let pointer = |at: usize| u16_at(page, pointers + at * 2, Order::Big).map(usize::from);
        match kind {
            INTERIOR => {
                todo.push(u32_at(page, start + 8, Order::Big).ok_or_else(damaged)?);
                for at in (0..cells).rev() {
                    let cell = pointer(at).ok_or_else(damaged)?;
                    todo.push(u32_at(page, cell, Order::Big).ok_or_else(damaged)?);
                }
            }
            LEAF => {
                for at in 0..cells {
                    let cell = pointer(at).and_then(|at| page.get(at..)).ok_or_else(damaged)?;
                    if let Err(why) = self.payload(cell).and_then(|payload| each(&payload)) {
                        losses.add(why);
                    }
                }
            }
            _ => return Err(damaged()),
        }
        Ok(())
    }

    /// The payload of a leaf cell with what lies on overflow pages.
    fn payload<'p>(&mut self, cell: &'p [u8]) -> Result<Cow<'p, [u8]>> {
        let damaged = || "a cell is damaged".to_owned();
        let mut rest = cell;
        let size = varint(&mut rest).and_then(|size| usize::try_from(size).ok()).ok_or_else(damaged)?;
        varint(&mut rest).ok_or_else(damaged)?;
        let largest = self.usable - 35;
        if size <= largest {
            return rest.get(..size).map(Cow::Borrowed).ok_or_else(damaged);
        }
        if size > self.payload_bytes_max || size as u64 > self.stored() {
            return Err(format!("a record of {size} bytes exceeds the limit"));
        }
        let smallest = (self.usable - 12) * 32 / 255 - 23;
        let preferred = smallest + (size - smallest) % (self.usable - 4);
        let local = if preferred <= largest { preferred } else { smallest };
        let mut payload = rest.get(..local).ok_or_else(damaged)?.to_vec();
        let mut next = u32_at(rest, local, Order::Big).ok_or_else(damaged)?;
        while payload.len() < size {
            let page = self.page(next)?;
            next = u32_at(&page, 0, Order::Big).ok_or_else(damaged)?;
            let part = page.get(4..self.usable).ok_or_else(damaged)?;
            payload.extend_from_slice(&part[..part.len().min(size - payload.len())]);
        }
        Ok(Cow::Owned(payload))
    }
}

/// SQLite's variable-length number, big-endian, at most nine bytes.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for at in 0..9 {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        if at == 8 {
            return Some((value << 8) | u64::from(byte));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

/// The columns of a record as bytes.
fn columns(record: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = record;
    let header_bytes = usize::try_from(varint(&mut rest)?).ok()?;
    let mut types = record.get(record.len() - rest.len()..header_bytes)?;
    let mut data = record.get(header_bytes..)?;
    let mut columns = Vec::new();
    while !types.is_empty() && columns.len() < 16 {
        let size = match varint(&mut types)? {
            kind @ 0..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            kind @ 12.. => (kind - 12) / 2,
            _ => 0,
        };
        let (column, tail) = data.split_at_checked(usize::try_from(size).ok()?)?;
        data = tail;
        columns.push(column);
    }
    Some(columns)
}
