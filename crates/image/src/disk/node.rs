//! What all file systems have in common: nodes by number, names in folders, content in runs.

use super::bytes::{Volume, damaged};
use crate::ReadAt;
use std::io;

/// Runs of one file: 24 MB of memory.
const RUNS_MAX: usize = 1 << 20;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeKind {
    File,
    Folder,
    Symlink,
    Special,
}

impl NodeKind {
    /// From the upper four bits of a Unix mode.
    pub fn of_mode(mode: u32) -> Self {
        match mode >> 12 & 0xf {
            0x8 => Self::File,
            0x4 => Self::Folder,
            0xa => Self::Symlink,
            _ => Self::Special,
        }
    }
}

/// One node (inode) of a file system.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub id: u64,
    pub kind: NodeKind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    /// As stored; its file system knows what it means.
    pub raw: Vec<u8>,
}

/// What a file system is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub uuid: String,
    pub label: String,
}

/// Told of each name in a folder and the node behind it.
pub(crate) type EachName<'e> = &'e mut dyn FnMut(&[u8], u64) -> io::Result<()>;

/// A file system, read only. Errors say what is wrong in words for people.
pub(crate) trait FileSystem: Send + Sync {
    /// `ext4`, `xfs`.
    fn kind(&self) -> &'static str;
    /// Label and UUID.
    fn names(&self) -> Names;
    /// Number of the root folder.
    fn root(&self) -> u64;
    /// The node of this number.
    fn node(&self, id: u64) -> io::Result<Node>;
    /// Names in a folder as stored, `.` and `..` among them or not.
    fn list(&self, folder: &Node, each: EachName<'_>) -> io::Result<()>;
    /// Target of a symbolic link.
    fn link(&self, node: &Node) -> io::Result<Vec<u8>>;
    /// Content of a regular file; only the first `bytes_wanted` need be readable.
    fn open<'f>(&'f self, node: &Node, bytes_wanted: u64) -> io::Result<Box<dyn ReadAt + 'f>>;
}

/// The places of a file's bytes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub logical: u64,
    pub physical: u64,
    pub len: u64,
}

/// Ascending runs without overlap; what is between them is zeros.
#[derive(Debug, Default)]
pub(crate) struct Runs(Vec<Run>);

impl Runs {
    /// Adds the next run.
    pub fn push(&mut self, run: Run) -> io::Result<()> {
        if let Some(last) = self.0.last_mut() {
            let end = last.logical.saturating_add(last.len);
            if run.logical < end {
                return Err(damaged("parts of a file overlap or are out of order"));
            }
            if run.logical == end && last.physical.saturating_add(last.len) == run.physical {
                last.len = last.len.saturating_add(run.len);
                return Ok(());
            }
        }
        if self.0.len() >= RUNS_MAX {
            return Err(damaged("a file is in more pieces than are read"));
        }
        self.0.push(run);
        Ok(())
    }
    /// The runs.
    pub fn as_slice(&self) -> &[Run] {
        &self.0
    }
}

/// A file in runs of a volume.
pub(crate) struct Mapped<'v> {
    pub volume: &'v Volume,
    pub runs: Runs,
    pub size: u64,
}

impl ReadAt for Mapped<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let fit = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let length = buffer.len().min(fit(self.size.saturating_sub(offset)));
        let next = self.runs.0.partition_point(|run| run.logical.saturating_add(run.len) <= offset);
        let run = self.runs.0.get(next);
        if let Some(inside) = run.and_then(|run| offset.checked_sub(run.logical))
            && let Some(run) = run
        {
            let length = length.min(fit(run.len.saturating_sub(inside)));
            let part = buffer.get_mut(..length).unwrap_or_default();
            self.volume.exact(run.physical.saturating_add(inside), part)?;
            return Ok(length);
        }
        let hole = run.map_or(u64::MAX, |run| run.logical.saturating_sub(offset));
        let length = length.min(fit(hole));
        self.volume.pay(length)?;
        buffer.get_mut(..length).unwrap_or_default().fill(0);
        Ok(length)
    }
    fn len(&self) -> u64 {
        self.size
    }
}

/// A file whose bytes are at hand.
pub(crate) struct InMemory(pub Vec<u8>);

impl ReadAt for InMemory {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// Fills `buffer` from `offset` of a file; less at its end.
pub(crate) fn fill(file: &dyn ReadAt, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset.saturating_add(filled as u64), rest)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
