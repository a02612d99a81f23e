//! What tests over real data share: where the data lies, and one layer made of files.
#![allow(dead_code)]

use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerReader, Target, assemble};
use seaworthy_image::{Content, Entry, EntryKind, ReadAt, Visitor, Want};
use seaworthy_types::{Inventory, Limits, Outcome};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file or folder of the shared data, or `None` after saying so.
pub fn shared(path: &str) -> Option<PathBuf> {
    let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    place("SEAWORTHY_SHARED", Some(sibling), path)
}

/// A file or folder of the images made by the recipe, or `None` after saying so.
pub fn images(path: &str) -> Option<PathBuf> {
    place("SEAWORTHY_IMAGES", None, path)
}

fn place(variable: &str, otherwise: Option<PathBuf>, path: &str) -> Option<PathBuf> {
    let root = std::env::var_os(variable).map(PathBuf::from).or(otherwise);
    let there = root.map(|root| root.join(path)).filter(|there| there.exists());
    if there.is_none() {
        println!("SKIPPED: {path} is not there; set {variable}");
    }
    there
}

/// One layer with these files, through all units.
pub fn scan(files: &[(&str, Content<'_>)], target: Target) -> Outcome<Inventory> {
    let limits = Limits::default();
    let matcher = Matcher::new(units_for(target));
    let mut reader = LayerReader::new(&matcher, &limits);
    for (index, (path, content)) in files.iter().enumerate() {
        let entry =
            Entry { path, kind: EntryKind::File, mode: 0o755, uid: 0, gid: 0, size: content.len(), link: "" };
        let head = content.range(0, 512).expect("head");
        if reader.entry(&entry, &head) == Want::Content {
            reader.content(index as u32, *content);
        }
    }
    assemble(&[&reader.finish(Vec::new())], target)
}

/// Random access to bytes, counted.
pub struct ByPieces<'a> {
    bytes: &'a [u8],
    read: AtomicU64,
}

impl<'a> ByPieces<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, read: AtomicU64::new(0) }
    }
    /// Bytes that were asked for so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl ReadAt for ByPieces<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        // Short reads are allowed: give them.
        let count = buffer.len().min(self.bytes.len() - start).min(10_000);
        buffer[..count].copy_from_slice(&self.bytes[start..start + count]);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}
