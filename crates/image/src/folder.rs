//! Walking an unpacked root file system or source folder, or one file.
//!
//! Order: each folder's entries sorted by their bytes, then its sub-folders in that order. Nothing leads
//! out of the root: links are reported, never followed; devices and FIFOs are never opened. Other mounts
//! are walked, kernel file systems (proc, sysfs and their kind) are not.

use crate::notebook::Notebook;
use crate::open::Folder;
use crate::pool::CHUNK_BYTES;
use crate::reread::fill_both;
use crate::source::read_full;
use crate::tar::path;
use crate::{Content, Entry, EntryKind, Error, FileSource, ReadAt, Source, Visitor, Want};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use seaworthy_types::{Limits, Note};
use std::ffi::{CStr, CString};
use std::sync::Arc;

/// What a walk of a folder or file saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderResult {
    /// Entries reported.
    pub entries: u64,
    /// Bytes of all regular files.
    pub bytes: u64,
    /// What was odd or lost; the unit is `folder`.
    pub notes: Vec<Note>,
}

/// Superblock magics of file systems that hold no files of anybody (linux/magic.h).
const VIRTUAL: [u64; 20] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6367_7270, // cgroup2
    0x0027_e0eb, // cgroup
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x1cd1,      // devpts
    0x1980_0202, // mqueue
    0xcafe_4a11, // bpf
    0x6265_6570, // configfs
    0xf97c_ff8c, // selinuxfs
    0xde5e_81e4, // efivarfs
    0x6165_676c, // pstore
    0x4249_4e4d, // binfmt_misc
    0x6e73_6673, // nsfs
    0x6573_5543, // fusectl
    0x6759_6969, // rpc_pipefs
    0x6e66_7364, // nfsd
    0x5346_314d, // smackfs
];

/// Walks everything beneath a folder.
pub fn walk_folder(root: OwnedFd, limits: &Limits, visitor: &mut dyn Visitor) -> Result<FolderResult, Error> {
    let io = |error: rustix::io::Errno| Error::io("the folder", error.into());
    let root_stat = rustix::fs::fstat(&root).map_err(io)?;
    if VIRTUAL.contains(&(rustix::fs::fstatfs(&root).map_err(io)?.f_type as u64)) {
        let detail =
            "it is a file system of the kernel (proc, sysfs or their kind), whose files are no files";
        return Err(Error::Refused { what: "the folder".into(), detail: detail.into() });
    }
    let mut walk = FolderWalk {
        root: Folder::new(root),
        root_device: root_stat.st_dev,
        limits,
        visitor,
        pending: vec![Vec::new()],
        path: String::new(),
        link: String::new(),
        buffer: Vec::new(),
        index: 0,
        result: FolderResult { entries: 0, bytes: 0, notes: Vec::new() },
        notes: Notebook::default(),
    };
    while let Some(path) = walk.pending.pop() {
        walk.folder(&path)?;
    }
    walk.pairs();
    walk.result.notes = walk.notes.finish("folder");
    Ok(walk.result)
}

/// Hands one file to a visitor, named by the last part of `name`.
pub fn walk_file(
    source: Arc<dyn Source>,
    name: &str,
    limits: &Limits,
    visitor: &mut dyn Visitor,
) -> Result<FolderResult, Error> {
    let mut path = String::new();
    let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    path::make_safe(b"", base.as_bytes(), &mut path);
    if path.is_empty() {
        path.push_str("file");
    }
    let size = source.len();
    let mut head = [0; 512];
    let count = read_full(&*source, 0, &mut head).map_err(|error| Error::io(name, error))?;
    let kind = EntryKind::File;
    let entry = Entry { path: &path, kind, mode: 0o644, uid: 0, gid: 0, size, link: "" };
    if visitor.entry(&entry, head.get(..count).unwrap_or_default()) == Want::Content {
        if size <= limits.file_bytes_whole_max {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            let count = read_full(&*source, 0, &mut bytes).map_err(|error| Error::io(name, error))?;
            visitor.content(0, Content::Whole(bytes.get(..count).unwrap_or_default()));
        } else {
            visitor.content(0, Content::Large(&OpenFile(&*source)));
        }
    }
    Ok(FolderResult { entries: 1, bytes: size, notes: Vec::new() })
}

struct OpenFile<'s>(&'s dyn Source);

impl ReadAt for OpenFile<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
    fn len(&self) -> u64 {
        self.0.len()
    }
}

struct FolderWalk<'v> {
    root: Folder,
    root_device: u64,
    limits: &'v Limits,
    visitor: &'v mut dyn Visitor,
    /// Raw paths of folders still to be walked, the next one last.
    pending: Vec<Vec<u8>>,
    path: String,
    link: String,
    buffer: Vec<u8>,
    index: u32,
    result: FolderResult,
    notes: Notebook,
}

impl FolderWalk<'_> {
    fn folder(&mut self, raw: &[u8]) -> Result<(), Error> {
        let shown = String::from_utf8_lossy(raw).into_owned();
        let opened = self.root.open_folder(raw).and_then(|fd| {
            let device = rustix::fs::fstat(&fd)?.st_dev;
            let magic = if device == self.root_device { 0 } else { rustix::fs::fstatfs(&fd)?.f_type as u64 };
            Ok((names(&fd, self.limits)?, fd, magic))
        });
        let (names, fd, magic) = match opened {
            Ok(opened) => opened,
            Err(error) if raw.is_empty() => return Err(Error::io("the folder", error)),
            Err(error) => {
                let detail = format!("the folder could not be read ({error}): what is in it was not seen");
                self.notes.gap("unreadable-folder", &shown, &detail);
                return Ok(());
            }
        };
        if VIRTUAL.contains(&magic) {
            self.notes.info("kernel-filesystem", &shown, "a file system of the kernel was passed over");
            return Ok(());
        }
        let Some(names) = names else {
            return Err(Error::limit("the folder", "layer_entries_max", self.limits.layer_entries_max));
        };
        let first = self.pending.len();
        for name in names {
            self.entry(&fd, raw, &name)?;
        }
        self.pending.get_mut(first..).unwrap_or_default().reverse();
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, parent: &[u8], name: &CStr) -> Result<(), Error> {
        let mut raw = parent.to_vec();
        if !raw.is_empty() {
            raw.push(b'/');
        }
        raw.extend_from_slice(name.to_bytes());
        self.path.clear();
        self.path.push_str(&String::from_utf8_lossy(&raw));
        if self.path.len() as u64 > self.limits.path_bytes_max {
            self.notes.gap(
                "path-too-long",
                &self.path,
                "a name is longer than path_bytes_max: it was left out",
            );
            return Ok(());
        }
        if std::str::from_utf8(&raw).is_err() {
            self.notes.info(
                "path-not-utf8",
                &self.path,
                "bytes that are not UTF-8 were replaced in the name",
            );
        }
        self.result.entries += 1;
        if self.result.entries > self.limits.layer_entries_max {
            return Err(Error::limit("the folder", "layer_entries_max", self.limits.layer_entries_max));
        }
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => {
                self.unreadable(&error.into());
                return Ok(());
            }
        };
        self.link.clear();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(folder, name, &stat),
            FileType::Directory => {
                self.emit(EntryKind::Folder, &stat, 0, &[]);
                self.pending.push(raw);
            }
            FileType::Symlink => {
                match rustix::fs::readlinkat(folder, name, Vec::new()) {
                    Ok(target) => self.link.push_str(&target.to_string_lossy()),
                    Err(error) => self.unreadable(&error.into()),
                }
                self.emit(EntryKind::Symlink, &stat, 0, &[]);
            }
            _ => {
                self.emit(EntryKind::Special, &stat, 0, &[]);
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &OwnedFd, name: &CStr, stat: &Stat) {
        let mut head = [0; 512];
        let opened = open_regular(folder, name).and_then(|file| {
            let count = read_full(&file, 0, &mut head)?;
            Ok((file, count))
        });
        let (file, count) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.unreadable(&error);
                self.emit(EntryKind::File, stat, u64::try_from(stat.st_size).unwrap_or(0), &[]);
                return;
            }
        };
        let size = file.len();
        self.result.bytes = self.result.bytes.saturating_add(size);
        let want = self.emit(EntryKind::File, stat, size, head.get(..count).unwrap_or_default());
        if want == Want::Skip {
            return;
        }
        let index = self.index.saturating_sub(1);
        if size > self.limits.file_bytes_whole_max {
            self.visitor.content(index, Content::Large(&OpenFile(&file)));
            return;
        }
        let length = usize::try_from(size).unwrap_or(0);
        if self.buffer.len() < length {
            self.buffer.resize(length.next_multiple_of(CHUNK_BYTES), 0);
        }
        match read_full(&file, 0, self.buffer.get_mut(..length).unwrap_or_default()) {
            Ok(count) => {
                if count < length {
                    let detail = "the file became shorter while it was read";
                    self.notes.gap("changed-while-read", &self.path, detail);
                }
                self.visitor.content(index, Content::Whole(self.buffer.get(..count).unwrap_or_default()));
            }
            Err(error) => self.unreadable(&error),
        }
    }

    /// Hands over the files that the visitor wants together, opened again.
    fn pairs(&mut self) {
        for pair in self.visitor.pairs() {
            let open = |path: &str| FileSource::new(self.root.open_unlinked_file(path)?);
            let both = open(&pair.file).and_then(|file| Ok((file, open(&pair.companion)?)));
            let given = both.and_then(|(file, companion)| {
                let (file, companion) = (OpenFile(&file), OpenFile(&companion));
                let bytes_max = self.limits.file_bytes_whole_max;
                let (one, other) = fill_both(&file, &companion, bytes_max, &mut self.buffer)?;
                self.visitor.pair(&pair, one, other);
                Ok(())
            });
            if let Err(error) = given {
                self.path.clone_from(&pair.companion);
                self.unreadable(&error);
            }
        }
    }

    fn unreadable(&mut self, error: &std::io::Error) {
        let detail = format!("the file could not be read ({error}): its content was not seen");
        self.notes.gap("unreadable-file", &self.path, &detail);
    }

    fn emit(&mut self, kind: EntryKind, stat: &Stat, size: u64, head: &[u8]) -> Want {
        let entry = Entry {
            path: &self.path,
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size,
            link: &self.link,
        };
        self.index = self.index.saturating_add(1);
        self.visitor.entry(&entry, head)
    }
}

/// Names in a folder, sorted by bytes; `None` when there are more than the limit.
fn names(fd: &OwnedFd, limits: &Limits) -> std::io::Result<Option<Vec<CString>>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() != b"." && name.to_bytes() != b".." {
            names.push(name.to_owned());
        }
        if names.len() as u64 > limits.layer_entries_max {
            return Ok(None);
        }
    }
    names.sort();
    Ok(Some(names))
}

/// Opens a regular file of a folder; a link, device or FIFO that took its place is refused.
fn open_regular(folder: &OwnedFd, name: &CStr) -> std::io::Result<FileSource> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty())?;
    let file = std::fs::File::from(fd);
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "no longer a regular file"));
    }
    FileSource::new(file)
}
