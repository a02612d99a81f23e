//! The members of an outer tar (the archive that holds layers and manifests), found by hopping from
//! header to header: bodies are never read.

use super::extended::{EXTENSION_BYTES_MAX, Extended};
use super::header::{self, BLOCK, Block, NoHeader};
use super::path;
use crate::{Error, Source};
use std::collections::BTreeMap;

/// Members of an outer tar; an image has a few hundred.
const MEMBERS_MAX: u64 = 200_000;
/// How many links from member to member are followed.
const LINKS_MAX: usize = 16;
/// One read covers this much, since small members lie side by side.
const WINDOW_BYTES: usize = 8 << 10;

/// Where a member lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    /// Body at this offset with this length.
    File { offset: u64, len: u64 },
    /// Another member, by its safe path.
    Link(String),
}

/// All files and links of an outer tar by safe path; the last of a name counts, as on unpacking.
#[derive(Debug, Default)]
pub(crate) struct Index {
    members: BTreeMap<String, Member>,
    /// Where the archive ends without an end mark or in the middle of a member, if it does.
    pub truncated: Option<u64>,
}

impl Index {
    /// Offset and length of a file, links followed.
    pub fn find(&self, path: &str) -> Option<(u64, u64)> {
        let mut member = self.members.get(path)?;
        for _ in 0..LINKS_MAX {
            match member {
                Member::File { offset, len } => return Some((*offset, *len)),
                Member::Link(target) => member = self.members.get(target)?,
            }
        }
        None
    }

    /// Whether the path is there.
    pub fn has(&self, path: &str) -> bool {
        self.members.contains_key(path)
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }
}

/// Reads the headers of an outer tar.
pub(crate) fn index(source: &dyn Source, what: &str) -> Result<Index, Error> {
    let mut window = Window { source, what, start: 0, bytes: Vec::new() };
    let mut index = Index { truncated: Some(source.len()), ..Index::default() };
    let mut extended = Extended::default();
    let (mut offset, mut count) = (0u64, 0u64);
    let (mut name, mut link) = (String::new(), String::new());
    while let Some(block) = window.block(offset)? {
        let header = match header::parse(&block) {
            Ok(header) => header,
            Err(NoHeader::Zero) => {
                index.truncated = None;
                return Ok(index);
            }
            Err(_) if count == 0 => return Err(not_a_tar(what, &block)),
            Err(_) => {
                let detail = format!("no valid tar header at byte {offset}; fetch or save it again");
                return Err(Error::broken(what, detail));
            }
        };
        count += 1;
        if count > MEMBERS_MAX {
            return Err(Error::limit(what, "archive members", MEMBERS_MAX));
        }
        let body = offset.saturating_add(BLOCK as u64);
        let size = body_size(&header, &extended);
        let end = body.saturating_add(size);
        match header.flag {
            b'x' | b'X' | b'L' | b'K' => {
                let bytes = window.bytes(body, size)?;
                match header.flag {
                    b'L' => extended.add_gnu_path(&bytes),
                    b'K' => extended.add_gnu_link(&bytes),
                    _ => extended.add_pax(&bytes),
                }
            }
            flag => {
                let (prefix, raw) = extended.path().map_or((header.prefix, header.name), |p| (&[][..], p));
                path::make_safe(prefix, raw, &mut name);
                let raw_link = extended.link().unwrap_or(header.link);
                match flag {
                    0 | b'0' | b'7' if !raw.ends_with(b"/") => {
                        index.members.insert(name.clone(), Member::File { offset: body, len: size });
                    }
                    b'1' => {
                        path::make_safe(b"", raw_link, &mut link);
                        index.members.insert(name.clone(), Member::Link(link.clone()));
                    }
                    b'2' => {
                        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                        path::make_safe(folder.as_bytes(), raw_link, &mut link);
                        index.members.insert(name.clone(), Member::Link(link.clone()));
                    }
                    _ => {}
                }
                extended = Extended::default();
            }
        }
        offset = end.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX);
    }
    Ok(index)
}

/// Bytes of the body: links, folders and devices have none, whatever the header says.
pub(crate) fn body_size(header: &header::Header<'_>, extended: &Extended) -> u64 {
    match header.flag {
        b'1'..=b'6' => 0,
        b'x' | b'X' | b'g' | b'L' | b'K' => header.size,
        _ => extended.size.unwrap_or(header.size),
    }
}

fn not_a_tar(what: &str, block: &Block) -> Error {
    let detail = match block {
        [0x1f, 0x8b, ..] => "it is compressed with gzip; gunzip it first",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed with zstd; unpack it with zstd -d first",
        [b'B', b'Z', b'h', ..] => "it is compressed with bzip2; unpack it first",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is compressed with xz; unpack it first",
        _ => "it is not a tar; make one with `docker save` or `skopeo copy`",
    };
    Error::NotAnImage { what: what.into(), detail: detail.into() }
}

struct Window<'s> {
    source: &'s dyn Source,
    what: &'s str,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The block at `offset`; `None` at the end.
    fn block(&mut self, offset: u64) -> Result<Option<Block>, Error> {
        let inside = offset.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let cached = inside.and_then(|at| self.bytes.get(at..at.checked_add(BLOCK)?));
        if let Some(Ok(block)) = cached.map(Block::try_from) {
            return Ok(Some(block));
        }
        self.bytes.resize(WINDOW_BYTES, 0);
        let count = crate::source::read_full(self.source, offset, &mut self.bytes)
            .map_err(|error| Error::io(self.what, error))?;
        self.bytes.truncate(count);
        self.start = offset;
        Ok(self.bytes.first_chunk::<BLOCK>().copied())
    }

    fn bytes(&self, offset: u64, size: u64) -> Result<Vec<u8>, Error> {
        if size > EXTENSION_BYTES_MAX {
            return Err(Error::broken(self.what, format!("tar extension of {size} bytes at byte {offset}")));
        }
        let mut bytes = vec![0; size as usize];
        let count = crate::source::read_full(self.source, offset, &mut bytes)
            .map_err(|error| Error::io(self.what, error))?;
        bytes.truncate(count);
        Ok(bytes)
    }
}
