//! How a layer or folder is walked: entries in stored order, content only where it is wanted.

use crate::Content;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Folder.
    Folder,
    /// Symbolic link; `link` is its target as written.
    Symlink,
    /// Hard link; `link` is the path of the entry it shares content with.
    Hardlink,
    /// Device, FIFO or socket.
    Special,
    /// `.wh.NAME`: `path` is the path that is removed from lower layers (OCI image-spec, layer.md).
    Whiteout,
    /// `.wh..wh..opq`: `path` is the folder whose lower content is hidden.
    OpaqueFolder,
}

/// One entry of a layer, its path made safe: no leading slash, no `.` or `..`, no empty parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Path from the root; bytes that are not UTF-8 are replaced, and a note says so.
    pub path: &'a str,
    /// Kind.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky (octal 7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content.
    pub size: u64,
    /// Target of a link, or empty.
    pub link: &'a str,
}

/// Whether the content of an entry is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Pass over it.
    Skip,
    /// Hand it over.
    Content,
}

/// Receives a walk. Entries come in stored order; each wanted content comes once, after its entry,
/// not necessarily at once (large files and hard links come at the end of the layer).
pub trait Visitor {
    /// An entry; `head` holds up to the first 512 bytes of a regular file. The answer counts for
    /// regular files and hard links.
    fn entry(&mut self, entry: &Entry<'_>, head: &[u8]) -> Want;
    /// The content of the entry with this index (counted from 0 in the order of `entry` calls).
    fn content(&mut self, index: u32, content: Content<'_>);
    /// Files that make sense only together. Asked once, after the last entry; each pair then comes
    /// through [`Visitor::pair`], after all single contents.
    fn pairs(&mut self) -> Vec<Pair> {
        Vec::new()
    }
    /// The contents of a pair that [`Visitor::pairs`] asked for. What could not be read again is noted.
    fn pair(&mut self, _pair: &Pair, _file: Content<'_>, _companion: Content<'_>) {}
}

/// Two regular files (or hard links) of one layer or folder, whose contents are wanted again, together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Path of an entry; its last one counts.
    pub file: String,
    /// Path of another.
    pub companion: String,
}
