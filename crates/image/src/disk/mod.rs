//! Disks of virtual machines: containers of bytes, partition tables and file systems, read only and by
//! positioned reads alone, so that all of it runs in the locked child. A disk is walked as one tree: the
//! root file system with what its fstab joins to it. What is not read is named in a note.

mod bytes;
mod container;
mod ext4;
mod lvm;
mod mounts;
mod node;
mod partition;
mod squashfs;
mod system;
mod unpack;
mod walk;
mod xfs;

use crate::source::read_full;
use crate::{Error, FolderResult, Source, Visitor};
use bytes::{Volume, Work, damaged};
use node::{FileSystem, Names, Node, NodeKind, fill};
use partition::Partition;
use seaworthy_types::{Limits, Note};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use system::Kind;

/// Paths of which one is in every root file system that holds installed software.
pub const ROOT_SIGNS: [&str; 6] = [
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "var/lib/rpm",
    "usr/lib/sysimage/rpm",
];

/// An fstab longer than this is not read.
const FSTAB_BYTES_MAX: u64 = 1 << 20;

/// One file system of a disk.
struct System {
    partition: Partition,
    names: Names,
    files: Box<dyn FileSystem>,
    is_root: bool,
}

impl System {
    fn kind(&self) -> &'static str {
        self.files.kind()
    }
    fn shown(&self) -> String {
        let label =
            if self.names.label.is_empty() { String::new() } else { format!(" `{}`", self.names.label) };
        format!("{}, {}{label}", self.partition.shown(), self.kind())
    }
    fn find(&self, path: &str) -> io::Result<Node> {
        find(&*self.files, self.files.root(), path)
    }
}

/// An opened disk.
pub struct Disk {
    systems: Vec<System>,
    root: usize,
    mounts: BTreeMap<String, usize>,
    notes: Vec<Note>,
    work: Arc<Work>,
}

/// Whether a file is a disk, by its signatures.
pub fn is_disk(source: &dyn Source) -> bool {
    let mut head = vec![0; system::HEAD_BYTES];
    let count = read_full(source, 0, &mut head).unwrap_or(0);
    head.truncate(count);
    let known = !matches!(system::recognise(&head), Kind::Empty | Kind::Unknown);
    known || container::is_container(source, &head) || partition::is_table(source, &head)
}

/// Opens a disk. `wish` is the number of the partition (or the name of the logical volume) to take as the root, when there are several.
pub fn open_disk(source: Arc<dyn Source>, wish: Option<&str>, limits: &Limits) -> Result<Disk, Error> {
    let stored_bytes = source.len();
    let source = container::open(source)?;
    let work = Arc::new(Work::new(source.len(), stored_bytes, limits));
    let mut notes = Vec::new();
    let partitions = match partition::read(&*source)? {
        Some(table) => {
            for (is_gap, text) in table.remarks {
                notes.push(note(is_gap, "partition-table", "the disk", text));
            }
            table.partitions
        }
        None => vec![Partition { len: source.len(), ..Partition::default() }],
    };
    let (mut systems, mut groups) = (Vec::new(), lvm::Groups::default());
    for partition in partitions {
        let volume = Volume::new(Arc::clone(&source), partition.start, partition.len, Arc::clone(&work));
        let count = usize::try_from(volume.len()).unwrap_or(usize::MAX).min(2_048);
        if let Some(label) = volume.take(0, count).ok().and_then(|head| lvm::label_at(&head)) {
            match lvm::physical(&volume, label) {
                Ok(physical) => groups.add(partition, physical),
                Err(error) => {
                    let text =
                        format!("a volume of LVM could not be read ({error}): what is in it was not seen");
                    notes.push(note(true, "volume-not-read", &partition.shown(), text));
                }
            }
            continue;
        }
        if let Some(system) = open_system(partition, volume, &mut notes) {
            systems.push(system);
        }
    }
    for (partition, volume) in groups.volumes(&source, &work) {
        match volume {
            Ok(volume) => systems.extend(open_system(partition, volume, &mut notes)),
            Err(why) => {
                let text = format!("{why}: what is in it was not seen");
                notes.push(note(true, "volume-not-read", &partition.shown(), text));
            }
        }
    }
    let mut disk = Disk { systems, root: 0, mounts: BTreeMap::new(), notes, work };
    disk.choose_root(wish)?;
    disk.join();
    Ok(disk)
}

fn note(is_gap: bool, code: &str, subject: &str, text: impl Into<String>) -> Note {
    if is_gap { Note::gap(code, "disk", subject, text) } else { Note::info(code, "disk", subject, text) }
}

/// What to say when no file system of the disk can be read.
fn nothing_to_walk() -> Error {
    let detail = "no file system that can be read was found on it";
    Error::Refused { what: "the disk".into(), detail: detail.into() }
}

/// Opens what a volume holds, or says why not.
fn open_system(partition: Partition, volume: Volume, notes: &mut Vec<Note>) -> Option<System> {
    let shown = partition.shown();
    if volume.len() == 0 {
        notes.push(note(
            true,
            "unreadable-volume",
            &shown,
            "it lies beyond the end of the disk: was the disk cut?",
        ));
        return None;
    }
    let length = usize::try_from(volume.len()).unwrap_or(usize::MAX).min(system::HEAD_BYTES);
    let head = match volume.take(0, length) {
        Ok(head) => head,
        Err(error) => {
            notes.push(note(true, "unreadable-volume", &shown, format!("it could not be read: {error}")));
            return None;
        }
    };
    let kind = system::recognise(&head);
    let passed = |name: &str| format!("{name} was passed over: it holds no installed software");
    let remark = match kind {
        Kind::Fat if is_boot(&partition) => note(false, "volume-passed-over", &shown, passed("its FAT")),
        Kind::NoFiles(name) => note(false, "volume-passed-over", &shown, passed(name)),
        Kind::Empty => note(false, "volume-passed-over", &shown, "it is empty or holds boot code alone"),
        Kind::Unknown if is_boot_code(&partition) => {
            note(false, "volume-passed-over", &shown, passed("boot code"))
        }
        Kind::Fat => note(true, "volume-not-read", &shown, "FAT is not read: what is in it was not seen"),
        Kind::Refused(name, advice) => {
            let text = format!("{name} is not read: what is in it was not seen; {advice}");
            note(true, "volume-not-read", &shown, text)
        }
        Kind::Unknown => {
            note(true, "volume-not-read", &shown, "no file system was recognised: what is in it was not seen")
        }
        Kind::Ext | Kind::Xfs | Kind::Squashfs => match system::open(kind, volume) {
            Ok((files, remark)) => {
                if let Some((is_gap, text)) = remark {
                    notes.push(note(is_gap, "file-system-in-use", &shown, text));
                }
                let is_root = is_root(&*files);
                return Some(System { partition, names: files.names(), files, is_root });
            }
            Err(error) => {
                let text = format!("its file system could not be opened: {error}");
                note(true, "volume-not-read", &shown, text)
            }
        },
    };
    notes.push(remark);
    None
}

/// Whether a partition is where firmware finds boot loaders.
fn is_boot(partition: &Partition) -> bool {
    const BOOT: [&str; 3] =
        ["c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "bc13c2ff-59e6-4262-a352-b275fd6f7172", "ef"];
    BOOT.contains(&partition.kind.as_str())
}

/// Whether a partition holds code without a file system: BIOS boot, PReP.
fn is_boot_code(partition: &Partition) -> bool {
    const CODE: [&str; 3] =
        ["21686148-6449-6e6f-744e-656564454649", "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "41"];
    CODE.contains(&partition.kind.as_str())
}

fn is_root(files: &dyn FileSystem) -> bool {
    ROOT_SIGNS.iter().any(|path| find(files, files.root(), path).is_ok())
}

/// The node at a path beneath a folder; no part of the path may be a link.
fn find(files: &dyn FileSystem, folder: u64, path: &str) -> io::Result<Node> {
    let mut node = files.node(folder)?;
    for part in path.split('/') {
        let mut found = None;
        if node.kind == NodeKind::Folder {
            files.list(&node, &mut |name, id| {
                if name == part.as_bytes() {
                    found = Some(id);
                }
                Ok(())
            })?;
        }
        node = files.node(found.ok_or(io::ErrorKind::NotFound)?)?;
    }
    Ok(node)
}

impl Disk {
    /// Whether one of its file systems holds an operating system.
    pub fn has_root(&self) -> bool {
        self.systems.get(self.root).is_some_and(|system| system.is_root)
    }

    /// Whether there is something at this path.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_ok()
    }

    fn choose_root(&mut self, wish: Option<&str>) -> Result<(), Error> {
        if self.systems.is_empty() {
            let mut what: Vec<String> =
                self.notes.iter().map(|note| format!("{}: {}", note.subject, note.detail)).collect();
            what.insert(0, "no file system that can be read was found on it".into());
            return Err(Error::Refused { what: "the disk".into(), detail: what.join("; ") });
        }
        if let Some(wish) = wish {
            let is_meant = |system: &System| system.partition.choice() == wish;
            self.root = self.systems.iter().position(is_meant).ok_or_else(|| Error::NoSuchImage {
                wished: wish.to_owned(),
                offered: self.systems.iter().map(|system| system.partition.choice()).collect(),
            })?;
        } else {
            let largest = self.systems.iter().enumerate().max_by_key(|(_, system)| system.partition.len);
            let first = self.systems.iter().position(|system| system.is_root);
            self.root = first.or(largest.map(|(index, _)| index)).unwrap_or(0);
        }
        if !self.has_root() {
            let shown = self.systems.get(self.root).map(System::shown).unwrap_or_default();
            let text = "no operating system was found on the disk (no os-release, no package database): \
                        only its largest file system was walked";
            self.notes.push(note(true, "no-root-file-system", &shown, text));
        }
        Ok(())
    }

    /// Joins file systems by the fstab; what stays outside is noted.
    fn join(&mut self) {
        let mounts = mounts::decide(&self.fstab(), &self.systems, self.root);
        for (device, place) in mounts.missing {
            let text = format!("{device}, which the fstab mounts here, is not on this disk: it was not seen");
            self.notes.push(note(true, "mount-not-found", &format!("/{place}"), text));
        }
        self.mounts = mounts.joined;
        for (index, system) in self.systems.iter().enumerate() {
            if index == self.root || self.mounts.values().any(|joined| *joined == index) {
                continue;
            }
            let text = match system.is_root {
                true => format!(
                    "it holds another operating system, which was not seen: choose it with --reference {}",
                    system.partition.choice()
                ),
                false => "no line of the fstab says where it belongs: what is in it was not seen".into(),
            };
            self.notes.push(note(true, "file-system-not-joined", &system.shown(), text));
        }
        for (place, index) in &self.mounts {
            let is_there = self.find_folder(place);
            if let Some(system) = self.systems.get(*index).filter(|_| !is_there) {
                let text = format!("there is no folder /{place} to join it to: what is in it was not seen");
                self.notes.push(note(true, "file-system-not-joined", &system.shown(), text));
            }
        }
    }

    fn find_folder(&self, path: &str) -> bool {
        self.find(path).is_ok_and(|(_, node)| node.kind == NodeKind::Folder)
    }

    fn fstab(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let system = self.systems.get(self.root).ok_or(io::ErrorKind::NotFound)?;
            let node = system.find("etc/fstab")?;
            if node.kind != NodeKind::File || node.size > FSTAB_BYTES_MAX {
                return Err(damaged("no fstab"));
            }
            let mut bytes = vec![0; usize::try_from(node.size).unwrap_or(0)];
            let count = fill(&*system.files.open(&node, node.size)?, 0, &mut bytes)?;
            bytes.truncate(count);
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// The system and the number of its root, when a file system is joined at this path.
    fn mounted(&self, path: &str) -> Option<(usize, u64)> {
        let system = *self.mounts.get(path)?;
        Some((system, self.systems.get(system)?.files.root()))
    }

    /// The node at a path of the joined tree; no part of the path may be a link.
    fn find(&self, path: &str) -> io::Result<(usize, Node)> {
        let mount = self
            .mounts
            .iter()
            .filter_map(|(place, system)| Some((place.len(), *system, path.strip_prefix(place.as_str())?)))
            .filter(|(_, _, rest)| rest.starts_with('/'))
            .max_by_key(|(length, ..)| *length);
        let (system, rest) = match mount {
            Some((_, system, rest)) => (system, rest.trim_start_matches('/')),
            None => (self.root, path),
        };
        let node = self.systems.get(system).ok_or(io::ErrorKind::NotFound)?.find(rest)?;
        Ok((system, node))
    }
}

/// Walks a disk as one tree.
pub fn walk_disk(disk: &Disk, limits: &Limits, visitor: &mut dyn Visitor) -> Result<FolderResult, Error> {
    walk::walk(disk, limits, visitor)
}
