//! The path table of a layer: every entry with type, mode, size and link target, front-coded so that
//! a million entries take about 25 MB.
//!
//! Format, per entry: varint bytes shared with the previous path, varint length of the rest, the
//! rest, kind byte, varints mode, uid, gid, size, link length, then the link. Own format, internal to the
//! layer cache; versioned by [`TABLE_VERSION`].

use seaworthy_image::{Entry, EntryKind};
use serde::{Deserialize, Serialize};

/// Part of the layer cache's key.
pub const TABLE_VERSION: u32 = 1;

/// Two lengths, a kind, three numbers, a size and a link's length.
const ENTRY_BYTES_MIN: usize = 8;

/// All entries of one layer in stored order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    count: u32,
    #[serde(with = "crate::bytes")]
    bytes: Vec<u8>,
}

/// Appends entries to a table.
#[derive(Debug, Default)]
pub struct TableBuilder {
    table: Table,
    previous: String,
}

impl TableBuilder {
    /// Appends one entry and gives its index.
    pub fn push(&mut self, entry: &Entry<'_>) -> u32 {
        let shared = shared_prefix(&self.previous, entry.path);
        let rest = &entry.path[shared..];
        let out = &mut self.table.bytes;
        put(out, shared as u64);
        put(out, rest.len() as u64);
        out.extend_from_slice(rest.as_bytes());
        out.push(kind_code(entry.kind));
        put(out, u64::from(entry.mode));
        put(out, u64::from(entry.uid));
        put(out, u64::from(entry.gid));
        put(out, entry.size);
        put(out, entry.link.len() as u64);
        out.extend_from_slice(entry.link.as_bytes());
        self.previous.truncate(shared);
        self.previous.push_str(rest);
        let index = self.table.count;
        self.table.count += 1;
        index
    }
    /// Bytes the table takes so far.
    pub fn bytes(&self) -> usize {
        self.table.bytes.len()
    }
    /// The finished table.
    pub fn finish(mut self) -> Table {
        self.table.bytes.shrink_to_fit();
        self.table
    }
}

impl Table {
    /// Number of entries.
    pub fn len(&self) -> u32 {
        self.count
    }
    /// Number of entries that the bytes can hold at most: a false count says no more.
    pub fn len_bounded(&self) -> usize {
        (self.count as usize).min(self.bytes.len() / ENTRY_BYTES_MIN)
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
    /// Calls `each` with the index and every entry; `None` when the table is damaged.
    pub fn for_each(&self, mut each: impl FnMut(u32, &Entry<'_>)) -> Option<()> {
        let mut rest = self.bytes.as_slice();
        let mut path = String::new();
        for index in 0..self.count {
            let shared = usize::try_from(take(&mut rest)?).ok()?;
            let suffix = take_text(&mut rest)?;
            if !path.is_char_boundary(shared) {
                return None;
            }
            path.truncate(shared);
            path.push_str(suffix);
            let (&code, tail) = rest.split_first()?;
            rest = tail;
            let kind = kind_of(code)?;
            let mut number = || u32::try_from(take(&mut rest)?).ok();
            let (mode, uid, gid) = (number()?, number()?, number()?);
            let size = take(&mut rest)?;
            let link = take_text(&mut rest)?;
            each(index, &Entry { path: &path, kind, mode, uid, gid, size, link });
        }
        Some(())
    }
}

pub(crate) fn shared_prefix(a: &str, b: &str) -> usize {
    let mut shared = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    while !b.is_char_boundary(shared) || !a.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take(rest)?).ok()?;
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Folder,
    EntryKind::Symlink,
    EntryKind::Hardlink,
    EntryKind::Special,
    EntryKind::Whiteout,
    EntryKind::OpaqueFolder,
];

pub(crate) fn kind_code(kind: EntryKind) -> u8 {
    KINDS.iter().position(|k| *k == kind).unwrap_or(0) as u8
}

pub(crate) fn kind_of(code: u8) -> Option<EntryKind> {
    KINDS.get(usize::from(code)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(path: &'a str, kind: EntryKind, size: u64, link: &'a str) -> Entry<'a> {
        Entry { path, kind, mode: 0o755, uid: 0, gid: 1000, size, link }
    }

    #[test]
    fn round_trips_in_order() {
        let entries = [
            entry("a", EntryKind::Folder, 0, ""),
            entry("a/ä", EntryKind::File, 300, ""),
            entry("a/ö", EntryKind::Symlink, 0, "../x"),
            entry("", EntryKind::Folder, 0, ""),
            entry("b", EntryKind::Whiteout, u64::MAX, ""),
        ];
        let mut builder = TableBuilder::default();
        for e in &entries {
            builder.push(e);
        }
        let table = builder.finish();
        let mut seen = 0;
        table
            .for_each(|index, e| {
                assert_eq!(e, &entries[index as usize]);
                seen += 1;
            })
            .expect("sound");
        assert_eq!(seen, 5);
    }

    #[test]
    fn damage_is_seen_without_panic() {
        let mut builder = TableBuilder::default();
        builder.push(&entry("some/path/ü", EntryKind::File, 1, ""));
        builder.push(&entry("some/path/v", EntryKind::File, 1, ""));
        let table = builder.finish();
        for cut in 0..table.bytes.len() {
            let damaged = Table { count: 2, bytes: table.bytes[..cut].to_vec() };
            assert!(damaged.for_each(|_, _| ()).is_none());
        }
        for at in 0..table.bytes.len() {
            let mut bytes = table.bytes.clone();
            bytes[at] ^= 0xff;
            let _ = Table { count: 2, bytes }.for_each(|_, _| ());
        }
    }
}
