//! The write-ahead log of an SQLite database: the pages that transactions wrote beside it.
//!
//! Format: "SQLite Database File Format", section 4, "The Write-Ahead Log". Frames count as SQLite counts
//! them: up to the last commit before the first frame whose salts or checksum are wrong; what follows is
//! left from earlier use or was never committed. The index file (`-shm`) is not read: it repeats the log.

use super::bytes::{Bytes, Order, Result, u32_at};
use seaworthy_image::Content;
use std::borrow::Cow;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const VERSION: u32 = 3_007_000;
/// Frames are remembered, at eight bytes each.
const FRAMES_MAX: usize = 1 << 21;

/// What was committed to a log.
pub struct Log<'a> {
    bytes: Bytes<'a>,
    /// Size of the pages.
    pub page_bytes: usize,
    /// Pages of the database after the last commit.
    pub pages: u32,
    /// Page number and number of its last frame, ascending.
    frames: Vec<(u32, u32)>,
}

/// Header and page.
type Frame<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The frames' running checksum.
struct Checksum {
    order: Order,
    first: u32,
    second: u32,
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(8) {
            let word = |at| u32_at(pair, at, self.order).unwrap_or_default();
            self.first = self.first.wrapping_add(word(0)).wrapping_add(self.second);
            self.second = self.second.wrapping_add(word(4)).wrapping_add(self.first);
        }
    }

    /// Whether these eight bytes say the same; they are big-endian always.
    fn is(&self, bytes: &[u8]) -> bool {
        bytes.get(..4) == Some(&self.first.to_be_bytes())
            && bytes.get(4..) == Some(&self.second.to_be_bytes())
    }
}

impl<'a> Log<'a> {
    /// Reads a log; `None` when nothing was committed to it.
    pub fn read(content: Content<'a>) -> Result<Option<Self>> {
        let mut bytes = Bytes::new(content);
        if bytes.len() < HEADER_BYTES as u64 {
            return Err("the write-ahead log ends within its header".into());
        }
        let head = bytes.read(0, HEADER_BYTES)?;
        let number = |at| u32_at(&head, at, Order::Big).unwrap_or_default();
        let order = match number(0) {
            0x377f_0682 => Order::Little,
            0x377f_0683 => Order::Big,
            _ => return Err("what stands in the log's place is no write-ahead log".into()),
        };
        if number(4) != VERSION {
            return Err(format!("the write-ahead log has the unknown version {}", number(4)));
        }
        let page_bytes = usize::try_from(number(8))
            .ok()
            .filter(|size| size.is_power_of_two() && (512..=65_536).contains(size))
            .ok_or("the write-ahead log has an impossible page size")?;
        let mut checksum = Checksum { order, first: 0, second: 0 };
        let (summed, sum) = head.split_at_checked(24).unwrap_or_default();
        checksum.add(summed);
        if !checksum.is(sum) {
            return Err("the header of the write-ahead log has a wrong checksum".into());
        }
        let salts = head.get(16..24).unwrap_or_default().to_vec();
        let mut log = Self { bytes, page_bytes, pages: 0, frames: Vec::new() };
        log.read_frames(&salts, checksum)?;
        Ok(Some(log).filter(|log| !log.frames.is_empty()))
    }

    fn read_frames(&mut self, salts: &[u8], mut checksum: Checksum) -> Result<()> {
        let mut committed = 0;
        let mut number = 0u32;
        while let Some((header, page)) = self.frame(number)? {
            let field = |at| u32_at(&header, at, Order::Big).unwrap_or_default();
            let (page_number, pages) = (field(0), field(4));
            checksum.add(header.get(..8).unwrap_or_default());
            checksum.add(&page);
            let sum = header.get(16..).unwrap_or_default();
            if page_number == 0 || header.get(8..16) != Some(salts) || !checksum.is(sum) {
                break;
            }
            if self.frames.len() >= FRAMES_MAX {
                return Err(format!("the write-ahead log has more than {FRAMES_MAX} pages"));
            }
            self.frames.push((page_number, number));
            number = number.saturating_add(1);
            if pages != 0 {
                committed = self.frames.len();
                self.pages = pages;
            }
        }
        self.frames.truncate(committed);
        self.frames.sort_unstable();
        // Of several frames of one page the last is kept: `dedup_by_key` keeps the first.
        self.frames.reverse();
        self.frames.dedup_by_key(|(page, _)| *page);
        self.frames.reverse();
        Ok(())
    }

    /// A frame; `None` after the last whole one.
    fn frame(&mut self, number: u32) -> Result<Option<Frame<'a>>> {
        let start = self.start(number);
        let page = start.saturating_add(FRAME_HEADER_BYTES as u64);
        if page.saturating_add(self.page_bytes as u64) > self.bytes.len() {
            return Ok(None);
        }
        Ok(Some((self.bytes.read(start, FRAME_HEADER_BYTES)?, self.bytes.read(page, self.page_bytes)?)))
    }

    fn start(&self, number: u32) -> u64 {
        let frame_bytes = (FRAME_HEADER_BYTES as u64).saturating_add(self.page_bytes as u64);
        (HEADER_BYTES as u64).saturating_add(u64::from(number).saturating_mul(frame_bytes))
    }

    /// How many pages it holds.
    pub fn count(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether it holds this page.
    pub fn has(&self, page: u32) -> bool {
        self.frames.binary_search_by_key(&page, |(number, _)| *number).is_ok()
    }

    /// The page as it was committed last, if it is here.
    pub fn page(&mut self, page: u32) -> Result<Option<Cow<'a, [u8]>>> {
        let Ok(at) = self.frames.binary_search_by_key(&page, |(number, _)| *number) else { return Ok(None) };
        let Some(&(_, number)) = self.frames.get(at) else { return Ok(None) };
        Ok(self.frame(number)?.map(|(_, page)| page))
    }
}
