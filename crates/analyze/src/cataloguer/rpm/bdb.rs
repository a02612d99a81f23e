//! Berkeley DB hash files, `Packages` of rpm before 4.16.
//!
//! Format: `dbinc/db_page.h` and `dbinc/hash.h` of Berkeley DB 4 to 5: a page with facts, then pages
//! whose items are keys and values by turns; large values lie on chains of overflow pages. Read in
//! file order, not by bucket; no encryption, no page checksums, no off-page duplicates (rpm uses none).

use super::bytes::{Bytes, Losses, Order, Result, u16_at, u32_at};
use std::borrow::Cow;
use std::collections::HashSet;

/// Number at byte 12 of a hash file.
const HASH_MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER_BYTES: usize = 26;
const PAGE_HASH_UNSORTED: u8 = 2;
const PAGE_OVERFLOW: u8 = 7;
const PAGE_HASH: u8 = 13;
const ITEM_INLINE: u8 = 1;
const ITEM_OFF_PAGE: u8 = 3;
/// The value of key 0 counts package numbers and is no header.
const COUNTER_BYTES: usize = 4;

struct Database<'b, 'a> {
    bytes: &'b mut Bytes<'a>,
    order: Order,
    page_bytes: usize,
    pages: u32,
    /// Overflow pages belong to one value each.
    seen: HashSet<u32>,
    header_bytes_max: usize,
}

/// Byte order of a hash file, by its first page; `None` for other files.
pub fn order(head: &[u8]) -> Option<Order> {
    [Order::Little, Order::Big].into_iter().find(|order| u32_at(head, 12, *order) == Some(HASH_MAGIC))
}

/// Calls `each` with every header blob.
pub fn headers(
    bytes: &mut Bytes<'_>,
    header_bytes_max: usize,
    each: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Losses> {
    let head = bytes.read(0, 72)?;
    let order = order(&head).ok_or("this is no hash file")?;
    let page_bytes = u32_at(&head, 20, order).unwrap_or_default();
    if !(512..=65_536).contains(&page_bytes) || !page_bytes.is_power_of_two() {
        return Err("impossible page size".into());
    }
    if head.get(24).is_some_and(|algorithm| *algorithm != 0) {
        return Err("the file is encrypted".into());
    }
    if head.get(26).is_some_and(|flags| flags & 1 != 0) {
        return Err("pages with checksums are not read".into());
    }
    let whole = u32::try_from(bytes.len() / u64::from(page_bytes)).unwrap_or(u32::MAX);
    let told = u32_at(&head, 32, order).unwrap_or_default().saturating_add(1);
    let page_bytes = page_bytes as usize;
    let mut database =
        Database { bytes, order, page_bytes, pages: whole, seen: HashSet::new(), header_bytes_max };
    let mut losses = Losses::default();
    if told > whole {
        losses.add(format!("the file ends after {whole} of {told} pages"));
    }
    for number in 1..whole {
        let page = database.page(number)?;
        if matches!(page.get(25), Some(&(PAGE_HASH | PAGE_HASH_UNSORTED))) {
            database.hash_page(&page, &mut losses, each);
        }
    }
    Ok(losses)
}

impl<'a> Database<'_, 'a> {
    fn page(&mut self, number: u32) -> Result<Cow<'a, [u8]>> {
        if number >= self.pages {
            return Err(format!("page {number} is outside the file"));
        }
        self.bytes.read(u64::from(number) * self.page_bytes as u64, self.page_bytes)
    }

    fn hash_page(&mut self, page: &[u8], losses: &mut Losses, each: &mut dyn FnMut(&[u8]) -> Result<()>) {
        let items = usize::from(u16_at(page, 20, self.order).unwrap_or_default());
        // Items lie from the page's end to its start: each ends where the one before it starts.
        let offset = |at: usize| u16_at(page, PAGE_HEADER_BYTES + at * 2, self.order).map(usize::from);
        let mut values = Vec::new();
        for at in (1..items).step_by(2) {
            let (Some(start), Some(end)) = (offset(at), offset(at - 1)) else { break };
            values.push(page.get(start..end));
        }
        for value in values {
            let result = value.ok_or_else(|| "an item is damaged".to_owned()).and_then(|v| self.value(v));
            match result {
                Ok(value) if value.len() <= COUNTER_BYTES => {}
                Ok(value) => {
                    if let Err(why) = each(&value) {
                        losses.add(why);
                    }
                }
                Err(why) => losses.add(why),
            }
        }
    }

    /// The bytes of a value item.
    fn value<'p>(&mut self, item: &'p [u8]) -> Result<Cow<'p, [u8]>> {
        match item.split_first() {
            Some((&ITEM_INLINE, value)) => Ok(Cow::Borrowed(value)),
            Some((&ITEM_OFF_PAGE, _)) => {
                let number = |at| u32_at(item, at, self.order).ok_or("an item is damaged");
                let (page, size) = (number(4)?, number(8)?);
                self.chain(page, size as usize).map(Cow::Owned)
            }
            _ => Err("an item is of an unknown kind".into()),
        }
    }

    /// A value of `size` bytes on the chain of overflow pages that starts at `first`.
    fn chain(&mut self, first: u32, size: usize) -> Result<Vec<u8>> {
        if size > self.header_bytes_max || size as u64 > self.bytes.len() {
            return Err(format!("a record of {size} bytes exceeds the limit"));
        }
        let mut value = Vec::with_capacity(size);
        let mut next = first;
        while value.len() < size {
            if !self.seen.insert(next) {
                return Err(format!("page {next} is used twice"));
            }
            let page = self.page(next)?;
            if page.get(25) != Some(&PAGE_OVERFLOW) {
                return Err(format!("page {next} is no overflow page"));
            }
            let count = usize::from(u16_at(&page, 22, self.order).unwrap_or_default());
            let part = page.get(PAGE_HEADER_BYTES..PAGE_HEADER_BYTES + count).unwrap_or_default();
            if part.is_empty() {
                return Err(format!("page {next} is damaged"));
            }
            value.extend_from_slice(&part[..part.len().min(size - value.len())]);
            next = u32_at(&page, 16, self.order).unwrap_or_default();
        }
        Ok(value)
    }
}
