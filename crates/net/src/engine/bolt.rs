//! Reading a bbolt file (go.etcd.io/bbolt, `page.go`, `db.go`, `bucket.go` of version 1.3) that its owner
//! may be writing: copy-on-write B+ trees below two meta pages. The newest meta page whose checksum is
//! right counts. The owner's lock cannot be shared, so what was read holds only if the same meta page is
//! still the newest afterwards: pages of a tree are written over two commits later at the earliest.
//!
//! Bounds: pages and bytes of one look, depth of a tree; every offset is checked. Nothing is written.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// Of an element of a leaf: its value is a bucket.
const IS_BUCKET: u32 = 1;
const HEADER_BYTES: usize = 16;
const ELEMENT_BYTES: usize = 16;
/// Bytes of a page with all that overflows it.
const PAGE_BYTES_MAX: u64 = 32 << 20;
/// Bytes of all pages of one look.
const LOOK_BYTES_MAX: u64 = 1 << 30;
/// Levels of one tree.
const DEPTH_MAX: u32 = 24;
/// Looks before giving up on a file that is written all the time.
const LOOKS_MAX: u32 = 20;

/// A file as of one commit.
pub(crate) struct Bolt<'f> {
    file: &'f File,
    meta: Meta,
    read: Cell<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    page_bytes: u64,
    root: u64,
    pages: u64,
    commit: u64,
}

/// A bucket: its root page, or the page itself when it is small.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    root: u64,
    inline: Vec<u8>,
}

/// What a key has.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Value(Vec<u8>),
    Bucket(Bucket),
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the database is damaged or of an unknown version: {what}"),
    )
}

/// Reads something of a file that may be written meanwhile.
pub(crate) fn look<T>(file: &File, read: impl Fn(&Bolt<'_>) -> io::Result<T>) -> io::Result<T> {
    let mut last = None;
    for attempt in 0..LOOKS_MAX {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let meta = match newest(file) {
            Ok(meta) => meta,
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        let bolt = Bolt { file, meta, read: Cell::new(0) };
        let result = read(&bolt);
        if newest(file).is_ok_and(|after| after == meta) {
            return result;
        }
        last = result.err();
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(ErrorKind::WouldBlock, "it is being written all the time; try again")
    }))
}

fn newest(file: &File) -> io::Result<Meta> {
    // The second meta page lies where the first says pages begin; without it, where common sizes say.
    let first = meta_at(file, 0);
    let sizes: Vec<u64> = match &first {
        Ok(meta) => vec![meta.page_bytes],
        Err(_) => (10..=16).map(|bits| 1 << bits).collect(),
    };
    let second =
        sizes.into_iter().filter_map(|size| meta_at(file, size).ok().filter(|m| m.page_bytes == size));
    first
        .as_ref()
        .ok()
        .copied()
        .into_iter()
        .chain(second)
        .max_by_key(|meta| meta.commit)
        .map_or_else(|| first, Ok)
}

fn meta_at(file: &File, offset: u64) -> io::Result<Meta> {
    let mut page = [0; 80];
    file.read_exact_at(&mut page, offset)?;
    let body = page.get(HEADER_BYTES..).unwrap_or_default();
    let (magic, version) = (u32_at(body, 0)?, u32_at(body, 4)?);
    if magic != MAGIC || version != VERSION {
        return Err(damaged("no sound meta page"));
    }
    let hash = body.iter().take(56).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if hash != u64_at(body, 56)? {
        return Err(damaged("the checksum of a meta page is wrong"));
    }
    let page_bytes = u64::from(u32_at(body, 8)?);
    if !page_bytes.is_power_of_two() || !(512..=1 << 20).contains(&page_bytes) {
        return Err(damaged("an odd size of pages"));
    }
    Ok(Meta { page_bytes, root: u64_at(body, 16)?, pages: u64_at(body, 40)?, commit: u64_at(body, 48)? })
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|b| u16::from_le_bytes(*b))
        .ok_or_else(|| damaged("too short"))
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|b| u32::from_le_bytes(*b))
        .ok_or_else(|| damaged("too short"))
}

fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|b| u64::from_le_bytes(*b))
        .ok_or_else(|| damaged("too short"))
}

/// Bytes of an element: they stand behind it at an offset from its own place.
fn piece(page: &[u8], at: usize, offset: u32, skip: u32, length: u32) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).ok().and_then(|offset| at.checked_add(offset));
    let start = start.zip(usize::try_from(skip).ok()).and_then(|(start, skip)| start.checked_add(skip));
    let end = start.zip(usize::try_from(length).ok()).and_then(|(start, length)| start.checked_add(length));
    start
        .zip(end)
        .and_then(|(start, end)| page.get(start..end))
        .ok_or_else(|| damaged("an element leads out of its page"))
}

impl Bolt<'_> {
    /// The bucket of all.
    pub fn root(&self) -> Bucket {
        Bucket { root: self.meta.root, inline: Vec::new() }
    }

    /// A bucket by the keys that lead to it.
    pub fn bucket(&self, keys: &[&[u8]]) -> io::Result<Option<Bucket>> {
        self.below(&self.root(), keys)
    }

    /// A bucket below another one.
    pub fn below(&self, bucket: &Bucket, keys: &[&[u8]]) -> io::Result<Option<Bucket>> {
        let mut at = bucket.clone();
        for key in keys {
            match self.get(&at, key)? {
                Some(Entry::Bucket(bucket)) => at = bucket,
                _ => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// A value as text.
    pub fn text(&self, bucket: &Bucket, key: &str) -> io::Result<Option<String>> {
        match self.get(bucket, key.as_bytes())? {
            Some(Entry::Value(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            _ => Ok(None),
        }
    }

    /// What one key has.
    pub fn get(&self, bucket: &Bucket, key: &[u8]) -> io::Result<Option<Entry>> {
        let mut page = self.first(bucket)?;
        for _ in 0..DEPTH_MAX {
            let count = usize::from(u16_at(&page, 10)?);
            match u16_at(&page, 8)? {
                LEAF => {
                    for index in 0..count {
                        let (found, entry) = leaf(&page, index, Some(key))?;
                        if let (true, Some(entry)) = (found == key, entry) {
                            return Ok(Some(entry));
                        }
                    }
                    return Ok(None);
                }
                BRANCH => {
                    // The last child whose first key is not behind the wanted one.
                    let mut child = None;
                    for index in 0..count {
                        let (first, id) = branch(&page, index)?;
                        if first <= key || child.is_none() {
                            child = Some(id);
                        } else {
                            break;
                        }
                    }
                    page = self.page(child.ok_or_else(|| damaged("an empty branch"))?)?;
                }
                _ => return Err(damaged("a page of another kind in a tree")),
            }
        }
        Err(damaged("a tree without end"))
    }

    /// Everything in a bucket, in the order of keys.
    pub fn entries(&self, bucket: &Bucket) -> io::Result<Vec<(Vec<u8>, Entry)>> {
        let mut all = Vec::new();
        let mut pending = vec![(self.first(bucket)?, 0)];
        while let Some((page, depth)) = pending.pop() {
            let count = usize::from(u16_at(&page, 10)?);
            match u16_at(&page, 8)? {
                LEAF => {
                    for index in 0..count {
                        let (key, entry) = leaf(&page, index, None)?;
                        all.extend(entry.map(|entry| (key.to_vec(), entry)));
                    }
                }
                BRANCH if depth < DEPTH_MAX => {
                    for index in (0..count).rev() {
                        pending.push((self.page(branch(&page, index)?.1)?, depth + 1));
                    }
                }
                BRANCH => return Err(damaged("a tree without end")),
                _ => return Err(damaged("a page of another kind in a tree")),
            }
        }
        Ok(all)
    }

    fn first(&self, bucket: &Bucket) -> io::Result<Vec<u8>> {
        match bucket.root {
            0 => Ok(bucket.inline.clone()),
            root => self.page(root),
        }
    }

    fn page(&self, id: u64) -> io::Result<Vec<u8>> {
        if id < 2 || id >= self.meta.pages {
            return Err(damaged("a page that is not in the file"));
        }
        let offset = id.checked_mul(self.meta.page_bytes).ok_or_else(|| damaged("an absurd page"))?;
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, offset)?;
        if u64_at(&header, 0)? != id {
            return Err(damaged("a page is not the one it should be"));
        }
        let bytes = (u64::from(u32_at(&header, 12)?) + 1).saturating_mul(self.meta.page_bytes);
        let total = self.read.get().saturating_add(bytes);
        if bytes > PAGE_BYTES_MAX || total > LOOK_BYTES_MAX {
            return Err(damaged("absurdly many pages"));
        }
        self.read.set(total);
        let mut page = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.file.read_exact_at(&mut page, offset)?;
        Ok(page)
    }
}

/// Key and value of an element of a leaf; the value only when it is wanted.
fn leaf<'p>(page: &'p [u8], index: usize, wanted: Option<&[u8]>) -> io::Result<(&'p [u8], Option<Entry>)> {
    let at = HEADER_BYTES + index * ELEMENT_BYTES;
    let (flags, offset) = (u32_at(page, at)?, u32_at(page, at + 4)?);
    let (key_bytes, value_bytes) = (u32_at(page, at + 8)?, u32_at(page, at + 12)?);
    let key = piece(page, at, offset, 0, key_bytes)?;
    if wanted.is_some_and(|wanted| wanted != key) {
        return Ok((key, None));
    }
    let value = piece(page, at, offset, key_bytes, value_bytes)?;
    let entry = match flags & IS_BUCKET {
        0 => Entry::Value(value.to_vec()),
        _ => Entry::Bucket(Bucket {
            root: u64_at(value, 0)?,
            inline: value.get(16..).unwrap_or_default().to_vec(),
        }),
    };
    Ok((key, Some(entry)))
}

/// First key and page of an element of a branch.
fn branch(page: &[u8], index: usize) -> io::Result<(&[u8], u64)> {
    let at = HEADER_BYTES + index * ELEMENT_BYTES;
    let key = piece(page, at, u32_at(page, at)?, 0, u32_at(page, at + 4)?)?;
    Ok((key, u64_at(page, at + 8)?))
}

/// Files for tests, as bbolt writes them.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A node for [`file`].
    pub(crate) enum Node {
        Value(&'static str, Vec<u8>),
        Bucket(&'static str, Vec<Node>),
    }

    fn elements(flags: u16, items: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut page = vec![0; 8];
        page.extend(flags.to_le_bytes());
        page.extend(u16::try_from(items.len()).expect("few").to_le_bytes());
        page.extend(0_u32.to_le_bytes());
        let mut data: Vec<u8> = Vec::new();
        for (index, (flag, key, value)) in items.iter().enumerate() {
            let offset = (items.len() - index) * ELEMENT_BYTES + data.len();
            page.extend(flag.to_le_bytes());
            page.extend(u32::try_from(offset).expect("small").to_le_bytes());
            page.extend(u32::try_from(key.len()).expect("small").to_le_bytes());
            page.extend(u32::try_from(value.len()).expect("small").to_le_bytes());
            data.extend(key);
            data.extend(value);
        }
        page.extend(data);
        page
    }

    fn place(file: &mut Vec<u8>, mut page: Vec<u8>) -> u64 {
        let id = (file.len() / 4_096) as u64;
        page[..8].copy_from_slice(&id.to_le_bytes());
        let pages = page.len().div_ceil(4_096);
        page[12..16].copy_from_slice(&u32::try_from(pages - 1).expect("few").to_le_bytes());
        page.resize(pages * 4_096, 0);
        file.extend(page);
        id
    }

    fn bucket(file: &mut Vec<u8>, nodes: Vec<Node>, is_inline: bool) -> Vec<u8> {
        let mut items: Vec<(u32, Vec<u8>, Vec<u8>)> = nodes
            .into_iter()
            .map(|node| match node {
                Node::Value(key, value) => (0, key.into(), value),
                Node::Bucket(key, nodes) => {
                    let inline = nodes.iter().all(|node| matches!(node, Node::Value(..)));
                    (IS_BUCKET, key.into(), bucket(file, nodes, inline))
                }
            })
            .collect();
        items.sort_by(|a, b| a.1.cmp(&b.1));
        let page = elements(LEAF, &items);
        if is_inline {
            return [vec![0; 16], page].concat();
        }
        let id = place(file, page);
        [id.to_le_bytes().to_vec(), vec![0; 8]].concat()
    }

    fn meta(root: u64, pages: u64, commit: u64) -> Vec<u8> {
        let mut body = Vec::new();
        for word in [MAGIC, VERSION, 4_096, 0] {
            body.extend(word.to_le_bytes());
        }
        for word in [root, 0, 2, pages, commit] {
            body.extend(word.to_le_bytes());
        }
        let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        body.extend(hash.to_le_bytes());
        [vec![0; HEADER_BYTES], body].concat()
    }

    /// A whole file.
    pub(crate) fn file(nodes: Vec<Node>) -> Vec<u8> {
        let mut file = vec![0; 3 * 4_096];
        let root = bucket(&mut file, nodes, false);
        let root = u64::from_le_bytes(root[..8].try_into().expect("eight"));
        let pages = (file.len() / 4_096) as u64;
        let (old, new) = (meta(2, pages, 6), meta(root, pages, 7));
        file[..old.len()].copy_from_slice(&old);
        file[4_096..4_096 + new.len()].copy_from_slice(&new);
        file
    }

    fn open(bytes: &[u8]) -> File {
        use std::io::Write as _;
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        file
    }

    fn sample() -> Vec<u8> {
        let long = vec![7; 10_000];
        file(vec![Node::Bucket(
            "v1",
            vec![
                Node::Bucket("default", vec![Node::Value("a", b"1".to_vec()), Node::Value("b", long)]),
                Node::Bucket("other", vec![]),
                Node::Value("version", vec![1]),
            ],
        )])
    }

    fn value(file: &File) -> io::Result<Option<String>> {
        look(file, |bolt| match bolt.bucket(&[b"v1", b"default"])? {
            Some(bucket) => bolt.text(&bucket, "a"),
            None => Ok(None),
        })
    }

    #[test]
    fn buckets_values_and_pages_that_overflow() {
        let file = open(&sample());
        assert_eq!(value(&file).expect("read").as_deref(), Some("1"));
        let all = look(&file, |bolt| {
            let bucket = bolt.bucket(&[b"v1"])?.expect("there");
            assert!(bolt.bucket(&[b"v1", b"version"])?.is_none());
            assert!(bolt.bucket(&[b"no"])?.is_none());
            bolt.entries(&bucket)
        });
        let keys: Vec<Vec<u8>> = all.expect("read").into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [&b"default"[..], b"other", b"version"]);
    }

    #[test]
    fn the_newest_sound_meta_page_counts() {
        let mut bytes = sample();
        // The newest is torn: the older one leads to an empty page 2, which is none.
        bytes[4_096 + 20] ^= 1;
        assert!(value(&open(&bytes)).is_err());
        let mut first = sample();
        first[20] ^= 1;
        assert_eq!(value(&open(&first)).expect("the second").as_deref(), Some("1"));
        first[4_096 + 20] ^= 1;
        assert!(value(&open(&first)).expect_err("none").to_string().contains("damaged"));
        for cut in [0, 10, 79, 4_095, 4_180, 3 * 4_096 + 8] {
            assert!(value(&open(&sample()[..cut])).is_err(), "{cut}");
        }
    }

    #[test]
    fn branches_and_loops() {
        // Two leaves below a branch, then a branch that names itself.
        let mut bytes = vec![0; 3 * 4_096];
        let item = |key: &str| (0, key.as_bytes().to_vec(), b"x".to_vec());
        let low = place(&mut bytes, elements(LEAF, &[item("a"), item("b")]));
        let high = place(&mut bytes, elements(LEAF, &[item("m"), item("n")]));
        let mut page = vec![0; 8];
        page.extend(BRANCH.to_le_bytes());
        page.extend(2_u16.to_le_bytes());
        page.extend(0_u32.to_le_bytes());
        for (at, key, id) in [(0_u32, b'a', low), (1, b'm', high)] {
            page.extend((32 - at * 16 + at).to_le_bytes());
            page.extend(1_u32.to_le_bytes());
            page.extend(id.to_le_bytes());
            let _ = key;
        }
        page.extend(b"am");
        let root = place(&mut bytes, page);
        let pages = (bytes.len() / 4_096) as u64;
        let newest = meta(root, pages, 7);
        bytes[4_096..4_096 + newest.len()].copy_from_slice(&newest);
        let file = open(&bytes);
        let found =
            |key: &'static [u8]| look(&file, |bolt| bolt.get(&bolt.root(), key)).expect("read").is_some();
        assert!(found(b"a") && found(b"b") && found(b"m") && found(b"n"));
        assert!(!found(b"0") && !found(b"c") && !found(b"z"));
        assert_eq!(look(&file, |bolt| bolt.entries(&bolt.root())).expect("read").len(), 4);
        let at = usize::try_from(root).expect("small") * 4_096 + HEADER_BYTES;
        for child in [at + 8, at + 24] {
            bytes[child..child + 8].copy_from_slice(&root.to_le_bytes());
        }
        let file = open(&bytes);
        assert!(look(&file, |bolt| bolt.get(&bolt.root(), b"n")).is_err());
        assert!(look(&file, |bolt| bolt.entries(&bolt.root())).is_err());
    }

    #[test]
    fn any_damage_is_an_error_or_another_value() {
        let good = sample();
        for at in (0..good.len()).step_by(3) {
            for bit in [0x01, 0x80] {
                if good[at] == 0 && at % 64 != 0 {
                    continue;
                }
                let mut bytes = good.clone();
                bytes[at] ^= bit;
                let file = open(&bytes);
                let _ = newest(&file).map(|meta| {
                    let bolt = Bolt { file: &file, meta, read: Cell::new(0) };
                    let _ = bolt.bucket(&[b"v1", b"default"]);
                    let _ = bolt.entries(&bolt.root());
                });
            }
        }
    }
}
