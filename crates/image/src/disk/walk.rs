//! Walking the file systems of a disk as one tree: the root file system with others joined where its
//! fstab says. Order and meaning are those of [`crate::walk_folder`], so that a disk and the unpacked
//! tree of it say the same. Links are reported, never followed.

use super::Disk;
use super::node::{Node, NodeKind, fill};
use crate::notebook::Notebook;
use crate::pool::CHUNK_BYTES;
use crate::reread::{fill_both, is_budget};
use crate::{Content, Entry, EntryKind, Error, FolderResult, Pair, ReadAt, Visitor, Want};
use seaworthy_types::Limits;
use std::collections::HashSet;
use std::io;

/// A folder still to be walked.
struct Place {
    system: usize,
    id: u64,
    /// Raw path from the root.
    path: Vec<u8>,
}

/// What a name in a list takes besides its letters.
const NAME_BYTES: u64 = 64;

impl Place {
    fn bytes(&self) -> u64 {
        NAME_BYTES.saturating_add(self.path.len() as u64)
    }
}

/// Names and the nodes behind them.
type Listed = Vec<(Vec<u8>, u64)>;

struct DiskWalk<'v> {
    disk: &'v Disk,
    limits: &'v Limits,
    visitor: &'v mut dyn Visitor,
    pending: Vec<Place>,
    /// Bytes that `pending` takes, about.
    pending_bytes: u64,
    /// Folders that were put there: one that comes again is a loop.
    known: HashSet<(usize, u64)>,
    path: String,
    link: String,
    buffer: Vec<u8>,
    index: u32,
    entries: u64,
    bytes: u64,
    notes: Notebook,
}

/// Walks a disk.
pub(super) fn walk(disk: &Disk, limits: &Limits, visitor: &mut dyn Visitor) -> Result<FolderResult, Error> {
    let Some(root) = disk.systems.get(disk.root) else { return Err(super::nothing_to_walk()) };
    let mut walk = DiskWalk {
        disk,
        limits,
        visitor,
        pending: vec![Place { system: disk.root, id: root.files.root(), path: Vec::new() }],
        pending_bytes: 0,
        known: HashSet::from([(disk.root, root.files.root())]),
        path: String::new(),
        link: String::new(),
        buffer: Vec::new(),
        index: 0,
        entries: 0,
        bytes: 0,
        notes: Notebook::default(),
    };
    while let Some(place) = walk.pending.pop() {
        walk.folder(&place)?;
    }
    walk.pairs()?;
    let mut notes = disk.notes.clone();
    notes.extend(walk.notes.finish("disk"));
    Ok(FolderResult { entries: walk.entries, bytes: walk.bytes, notes })
}

impl DiskWalk<'_> {
    fn folder(&mut self, place: &Place) -> Result<(), Error> {
        let shown = String::from_utf8_lossy(&place.path).into_owned();
        self.pending_bytes = self.pending_bytes.saturating_sub(place.bytes());
        let Some(system) = self.disk.systems.get(place.system) else { return Ok(()) };
        let (names, complaint) = self.names(place)?;
        if let Some(error) = complaint {
            self.spent(&error)?;
            if place.path.is_empty() && names.is_empty() {
                return Err(Error::io(
                    format!("the root folder of the {} file system", system.kind()),
                    error,
                ));
            }
            let detail = format!("the folder could not be read to its end ({error}): not all in it was seen");
            self.notes.gap("unreadable-folder", &shown, &detail);
        }
        let first = self.pending.len();
        for (name, id) in names {
            self.entry(place, &name, id)?;
        }
        self.pending.get_mut(first..).unwrap_or_default().reverse();
        Ok(())
    }

    /// Names in a folder, sorted by bytes, and why there are no more.
    fn names(&mut self, place: &Place) -> Result<(Listed, Option<io::Error>), Error> {
        let Some(system) = self.disk.systems.get(place.system) else { return Ok((Vec::new(), None)) };
        let (mut names, mut odd) = (Vec::new(), 0u64);
        let most = self.limits.layer_entries_max.saturating_sub(self.entries);
        let mut many = false;
        let mut room = self.limits.memory_bytes_max / 2;
        let mut each = |name: &[u8], id: u64| {
            if name == b"." || name == b".." {
                return Ok(());
            }
            if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
                odd += 1;
                return Ok(());
            }
            if names.len() as u64 >= most {
                many = true;
                return Err(io::Error::other("too many entries"));
            }
            let bytes = NAME_BYTES.saturating_add(name.len() as u64);
            let left = room.checked_sub(bytes);
            room = left.ok_or_else(|| io::Error::other("it has more names than memory_bytes_max allows"))?;
            names.push((name.to_vec(), id));
            Ok(())
        };
        let listed = system.files.node(place.id).and_then(|node| match node.kind {
            NodeKind::Folder => system.files.list(&node, &mut each),
            _ => Err(super::bytes::damaged("it is no folder")),
        });
        if many {
            return Err(Error::limit("the disk", "layer_entries_max", self.limits.layer_entries_max));
        }
        if odd > 0 {
            let detail = "names that no file can have (with a slash or a zero byte) were left out";
            self.notes.gap("odd-name", &String::from_utf8_lossy(&place.path), detail);
        }
        names.sort();
        Ok((names, listed.err()))
    }

    fn entry(&mut self, place: &Place, name: &[u8], id: u64) -> Result<(), Error> {
        let mut raw = place.path.clone();
        if !raw.is_empty() {
            raw.push(b'/');
        }
        raw.extend_from_slice(name);
        self.path.clear();
        self.path.push_str(&String::from_utf8_lossy(&raw));
        if self.path.len() as u64 > self.limits.path_bytes_max {
            let detail = "a name is longer than path_bytes_max: it was left out";
            self.notes.gap("path-too-long", &self.path, detail);
            return Ok(());
        }
        if std::str::from_utf8(&raw).is_err() {
            let detail = "bytes that are not UTF-8 were replaced in the name";
            self.notes.info("path-not-utf8", &self.path, detail);
        }
        self.entries += 1;
        if self.entries > self.limits.layer_entries_max {
            return Err(Error::limit("the disk", "layer_entries_max", self.limits.layer_entries_max));
        }
        let (system, id) = self.disk.mounted(&self.path).unwrap_or((place.system, id));
        let Some(files) = self.disk.systems.get(system).map(|system| &system.files) else { return Ok(()) };
        self.link.clear();
        let node = match files.node(id) {
            Ok(node) => node,
            Err(error) => return self.unreadable(&error),
        };
        match node.kind {
            NodeKind::File => self.file(system, &node),
            NodeKind::Folder => {
                self.emit(EntryKind::Folder, &node, &[]);
                self.push(Place { system, id, path: raw })
            }
            NodeKind::Symlink => {
                match files.link(&node) {
                    Ok(target) => self.link.push_str(&String::from_utf8_lossy(&target)),
                    Err(error) => self.unreadable(&error)?,
                }
                self.emit(EntryKind::Symlink, &node, &[]);
                Ok(())
            }
            NodeKind::Special => {
                self.emit(EntryKind::Special, &node, &[]);
                Ok(())
            }
        }
    }

    /// Puts a folder on the list of those to be walked.
    fn push(&mut self, place: Place) -> Result<(), Error> {
        if !self.known.insert((place.system, place.id)) {
            let detail = "the folder is inside itself or at two places: it was walked once";
            self.notes.gap("folder-loop", &self.path, detail);
            return Ok(());
        }
        self.pending_bytes = self.pending_bytes.saturating_add(place.bytes());
        if self.pending_bytes > self.limits.memory_bytes_max / 4 {
            return Err(Error::limit("the disk", "memory_bytes_max", self.limits.memory_bytes_max));
        }
        self.pending.push(place);
        Ok(())
    }

    fn file(&mut self, system: usize, node: &Node) -> Result<(), Error> {
        let Some(files) = self.disk.systems.get(system).map(|system| &system.files) else { return Ok(()) };
        let mut head = [0; 512];
        let read = files.open(node, head.len() as u64).and_then(|file| fill(&*file, 0, &mut head));
        let count = match read {
            Ok(count) => count,
            Err(error) => {
                self.unreadable(&error)?;
                self.emit(EntryKind::File, node, &[]);
                return Ok(());
            }
        };
        self.bytes = self.bytes.saturating_add(node.size);
        let want = self.emit(EntryKind::File, node, head.get(..count).unwrap_or_default());
        if want == Want::Skip {
            return Ok(());
        }
        let index = self.index.saturating_sub(1);
        let file = match files.open(node, node.size) {
            Ok(file) => file,
            Err(error) => return self.unreadable(&error),
        };
        if node.size > self.limits.file_bytes_whole_max {
            self.visitor.content(index, Content::Large(&*file));
            return self.disk.work.check();
        }
        let length = usize::try_from(node.size).unwrap_or(0);
        if self.buffer.len() < length {
            self.buffer.resize(length.next_multiple_of(CHUNK_BYTES), 0);
        }
        match fill(&*file, 0, self.buffer.get_mut(..length).unwrap_or_default()) {
            Ok(count) => {
                self.visitor.content(index, Content::Whole(self.buffer.get(..count).unwrap_or_default()));
                Ok(())
            }
            Err(error) => self.unreadable(&error),
        }
    }

    /// Hands over the files that the visitor wants together.
    fn pairs(&mut self) -> Result<(), Error> {
        for pair in self.visitor.pairs() {
            if let Err(error) = self.pair(&pair) {
                self.path.clone_from(&pair.companion);
                self.unreadable(&error)?;
            }
        }
        self.disk.work.check()
    }

    fn pair(&mut self, pair: &Pair) -> io::Result<()> {
        let open = |path: &str| -> io::Result<Box<dyn ReadAt + '_>> {
            let (system, node) = self.disk.find(path)?;
            match self.disk.systems.get(system) {
                Some(system) if node.kind == NodeKind::File => system.files.open(&node, node.size),
                _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
            }
        };
        let (file, companion) = (open(&pair.file)?, open(&pair.companion)?);
        let bytes_max = self.limits.file_bytes_whole_max;
        let (one, other) = fill_both(&*file, &*companion, bytes_max, &mut self.buffer)?;
        self.visitor.pair(pair, one, other);
        Ok(())
    }

    fn unreadable(&mut self, error: &io::Error) -> Result<(), Error> {
        self.spent(error)?;
        let detail = format!("the file could not be read ({error}): its content was not seen");
        self.notes.gap("unreadable-file", &self.path, &detail);
        Ok(())
    }

    /// A disk that describes more than it may ends the walk.
    fn spent(&self, error: &io::Error) -> Result<(), Error> {
        if is_budget(error) { self.disk.work.check() } else { Ok(()) }
    }

    fn emit(&mut self, kind: EntryKind, node: &Node, head: &[u8]) -> Want {
        let size = if kind == EntryKind::File { node.size } else { 0 };
        let entry = Entry {
            path: &self.path,
            kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            size,
            link: &self.link,
        };
        self.index = self.index.saturating_add(1);
        self.visitor.entry(&entry, head)
    }
}
