//! What a container has written, as a tar: the upper folder of an overlay (kernel: overlayfs.rst) becomes
//! a layer with OCI whiteouts (image-spec, layer.md). The container may run meanwhile, so the tar goes
//! into a file without a name first: whole, hashed, and the same bytes whenever they are read.
//!
//! Nothing outside the folders is opened, no link is followed, only regular files are read. A file that
//! shrinks while it is read is filled up with zeros and noted, as tar does.

use super::beneath::Folder;
use super::spool::Spool;
use super::store::{UNIT, clipped};
use super::tar::{Head, Kind, Segment};
use rustix::fs::{FileType, SeekFrom, Stat};
use seaworthy_types::{Digest, Note};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;

/// Bytes of one tar.
const BYTES_MAX: u64 = 64 << 30;
/// Entries of one tar.
const ENTRIES_MAX: u64 = 4_000_000;
/// Files of several names that are remembered; further ones are written again.
const LINKS_MAX: usize = 200_000;
/// Segments of one sparse file; one of more is written whole.
const SEGMENTS_MAX: usize = 4_096;
/// Notes of one kind.
const NOTES_MAX: usize = 50;
/// What a whiteout's name begins with in an OCI layer.
const WHITEOUT: &[u8] = b".wh.";

/// The upper folder of an overlay and what lies below it.
pub(crate) struct Upper {
    /// What was written.
    pub folder: Arc<Folder>,
    /// Below it, the top one first.
    pub lowers: Vec<Lower>,
    /// Whether the engine runs without being root: the overlay's marks are then attributes of users.
    pub is_rootless: bool,
}

/// A folder below.
pub(crate) struct Lower(Arc<Folder>);

impl Lower {
    /// The files of one layer.
    pub fn of(folder: Arc<Folder>) -> Self {
        Self(folder)
    }
}

/// The tar.
pub(crate) struct Written {
    pub file: Arc<File>,
    pub size: u64,
    pub digest: Digest,
    pub notes: Vec<Note>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    added: u64,
    changed: u64,
    deleted: u64,
    executables: Vec<String>,
    executables_more: usize,
}

impl Written {
    /// What changed, in one sentence.
    pub fn summary(&self, image: &str) -> String {
        let Counts { added, changed, deleted, executables, executables_more } = &self.counts;
        let mut names = executables.clone();
        let total = names.len() + executables_more;
        names.truncate(8);
        let more = total - names.len();
        let mut text = format!(
            "since it was made from {image}: {added} files added, {changed} changed, {deleted} deleted; \
             {total} of the added and changed ones are executable"
        );
        if total > 0 {
            text.push_str(&format!(": {}", clipped(&names)));
        }
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    }
}

impl Upper {
    /// Writes the tar.
    pub fn write(&self) -> io::Result<Written> {
        let mut walk = Walk::new(self, Spool::new(BYTES_MAX)?);
        // Paths of folders still to be walked, the next one last.
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            walk.folder(&path, &mut pending)?;
        }
        walk.out.write_all(&[0; 1_024])?;
        if walk.left_out > 0 {
            let detail = format!("{} more remarks of this kind were left out", walk.left_out);
            walk.notes.push(Note::gap("container-file", UNIT, "", detail));
        }
        let kept = walk.out.finish()?;
        let (notes, counts) = (walk.notes, walk.counts);
        Ok(Written { file: kept.file, size: kept.size, digest: kept.digest, notes, counts })
    }

    /// Whether something of that path was there before.
    fn was_there(&self, path: &[u8]) -> bool {
        for lower in &self.lowers {
            match lower.0.kind_of(path) {
                Ok((kind, stat)) => return !is_whiteout(kind, &stat),
                // A file where this one has a folder: what lies below it is not seen.
                Err(error) if error.kind() == ErrorKind::NotADirectory => return false,
                Err(_) => {}
            }
        }
        false
    }

    /// The content of a file of which the upper folder has the metadata alone.
    fn content_below(&self, path: &[u8]) -> Option<File> {
        for lower in &self.lowers {
            match lower.0.kind_of(path) {
                Ok((FileType::RegularFile, _)) => {
                    let file = lower.0.file(path).ok()?;
                    if attribute(&file, METACOPY, true).is_none() {
                        return Some(file);
                    }
                }
                Ok(_) => return None,
                Err(error) if error.kind() == ErrorKind::NotADirectory => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// What marks a folder that hides all below it, a file of metadata alone, one of another name below.
const OPAQUE: &str = "opaque";
const METACOPY: &str = "metacopy";
const REDIRECT: &str = "redirect";
const WHITED: &str = "whiteout";

/// An attribute of the overlay. Those that a user may set are believed only where the overlay itself
/// keeps to them: a container could hide its files with them otherwise.
fn attribute(fd: impl rustix::fd::AsFd, name: &str, is_rootless: bool) -> Option<Vec<u8>> {
    let mut names = vec![format!("trusted.overlay.{name}")];
    if is_rootless {
        names.extend([format!("user.overlay.{name}"), format!("user.fuseoverlayfs.{name}")]);
    }
    let mut value = [0_u8; 4_096];
    for name in names {
        if let Ok(count) = rustix::fs::fgetxattr(&fd, name.as_str(), &mut value) {
            return Some(value.get(..count).unwrap_or_default().to_vec());
        }
    }
    None
}

/// A device of the numbers 0 and 0.
fn is_whiteout(kind: FileType, stat: &Stat) -> bool {
    kind == FileType::CharacterDevice && stat.st_rdev == 0
}

struct Walk<'u> {
    upper: &'u Upper,
    out: Spool,
    entries: u64,
    links: BTreeMap<(u64, u64), Vec<u8>>,
    counts: Counts,
    notes: Vec<Note>,
    left_out: usize,
    buffer: Vec<u8>,
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn head<'h>(name: &'h [u8], kind: Kind, stat: &Stat) -> Head<'h> {
    Head {
        name,
        kind,
        link: b"",
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: stat.st_mtime,
    }
}

impl<'u> Walk<'u> {
    fn new(upper: &'u Upper, out: Spool) -> Self {
        Self {
            upper,
            out,
            entries: 0,
            links: BTreeMap::new(),
            counts: Counts::default(),
            notes: Vec::new(),
            left_out: 0,
            buffer: vec![0; 256 << 10],
        }
    }

    fn remark(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX { self.notes.push(note) } else { self.left_out += 1 }
    }

    /// What went away between two looks at it is no longer the container's.
    fn lost(&mut self, path: &[u8], error: &io::Error) {
        let path = shown(path);
        self.remark(match error.kind() {
            ErrorKind::NotFound => {
                let detail = "it went away while the container was read";
                Note::info("container-file-gone", UNIT, path, detail)
            }
            _ => Note::gap("container-file", UNIT, path, format!("it cannot be read ({error})")),
        });
    }

    fn count(&mut self) -> io::Result<()> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            let what = format!("more than {ENTRIES_MAX} files were written");
            return Err(io::Error::new(ErrorKind::FileTooLarge, what));
        }
        Ok(())
    }

    fn folder(&mut self, path: &[u8], pending: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let opened = self.upper.folder.folder(path).and_then(|folder| Ok((folder.names()?, folder)));
        let (names, folder) = match opened {
            Ok(opened) => opened,
            // The folder of all must be there.
            Err(error) if path.is_empty() => return Err(error),
            Err(error) => {
                self.lost(path, &error);
                return Ok(());
            }
        };
        let first = pending.len();
        for name in names {
            let full = if path.is_empty() { name.clone() } else { [path, b"/", name.as_slice()].concat() };
            match folder.stat(&name) {
                Ok(stat) => {
                    self.count()?;
                    if self.entry(&folder, &name, &full, &stat)? {
                        pending.push(full);
                    }
                }
                Err(error) => self.lost(&full, &error),
            }
        }
        // The next one is the last of the list.
        pending.get_mut(first..).unwrap_or_default().reverse();
        Ok(())
    }

    /// Writes one entry; gives whether it is a folder to be walked.
    fn entry(&mut self, folder: &Folder, name: &[u8], path: &[u8], stat: &Stat) -> io::Result<bool> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if is_whiteout(kind, stat) {
            self.whiteout(name, path, stat)?;
            return Ok(false);
        }
        if name.starts_with(WHITEOUT) {
            let detail = "its name is what layers call a deleted file, so it cannot be told apart from one; \
                          it was left out";
            self.remark(Note::gap("container-file-name", UNIT, shown(path), detail));
            return Ok(false);
        }
        match kind {
            FileType::Directory => {
                self.subfolder(folder, name, path, stat)?;
                return Ok(true);
            }
            FileType::RegularFile => return self.file(folder, name, path, stat).map(|()| false),
            FileType::Symlink => match folder.link(name) {
                Ok(link) => {
                    self.tell(path, None);
                    Head { link: &link, ..head(path, Kind::Symlink, stat) }.write(&mut self.out, 0)?;
                }
                Err(error) => self.lost(path, &error),
            },
            FileType::Fifo => head(path, Kind::Fifo, stat).write(&mut self.out, 0)?,
            FileType::CharacterDevice | FileType::BlockDevice => {
                let kind = Kind::Device {
                    is_block: kind == FileType::BlockDevice,
                    major: rustix::fs::major(stat.st_rdev),
                    minor: rustix::fs::minor(stat.st_rdev),
                };
                head(path, kind, stat).write(&mut self.out, 0)?;
            }
            // A socket has no content, and tar no word for it.
            _ => {}
        }
        Ok(false)
    }

    fn whiteout(&mut self, name: &[u8], path: &[u8], stat: &Stat) -> io::Result<()> {
        self.counts.deleted += 1;
        let before = path.len().saturating_sub(name.len());
        let marker = [path.get(..before).unwrap_or_default(), WHITEOUT, name].concat();
        head(&marker, Kind::File, stat).write(&mut self.out, 0)
    }

    fn subfolder(&mut self, folder: &Folder, name: &[u8], path: &[u8], stat: &Stat) -> io::Result<()> {
        let full = [path, b"/"].concat();
        head(&full, Kind::Folder, stat).write(&mut self.out, 0)?;
        let Ok(opened) = folder.folder(name) else { return Ok(()) };
        if attribute(&opened, OPAQUE, self.upper.is_rootless).is_some_and(|value| value == b"y") {
            let marker = [path, b"/.wh..wh..opq"].concat();
            head(&marker, Kind::File, stat).write(&mut self.out, 0)?;
        }
        if attribute(&opened, REDIRECT, self.upper.is_rootless).is_some() {
            let detail = "the folder was renamed since the container was made: what it holds from before is not \
                          seen here, only under its old name";
            self.remark(Note::gap("container-folder-renamed", UNIT, shown(path), detail));
        }
        Ok(())
    }

    /// Counts a file, and names it when it can be run.
    fn tell(&mut self, path: &[u8], mode: Option<u32>) {
        match self.upper.was_there(path) {
            true => self.counts.changed += 1,
            false => self.counts.added += 1,
        }
        if mode.is_some_and(|mode| mode & 0o111 != 0) {
            match self.counts.executables.len() < 32 {
                true => self.counts.executables.push(shown(path)),
                false => self.counts.executables_more += 1,
            }
        }
    }

    fn file(&mut self, folder: &Folder, name: &[u8], path: &[u8], stat: &Stat) -> io::Result<()> {
        let file = match folder.file(name) {
            Ok(file) => file,
            Err(error) => {
                self.lost(path, &error);
                return Ok(());
            }
        };
        let meta = file.metadata()?;
        if meta.len() == 0 && attribute(&file, WHITED, self.upper.is_rootless).is_some() {
            return self.whiteout(name, path, stat);
        }
        self.tell(path, Some(stat.st_mode).filter(|_| meta.len() > 0));
        if meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            if let Some(first) = self.links.get(&key) {
                let first = first.clone();
                return Head { link: &first, ..head(path, Kind::Hardlink, stat) }.write(&mut self.out, 0);
            }
            if self.links.len() < LINKS_MAX {
                self.links.insert(key, path.to_vec());
            }
        }
        let mut source = file;
        if let Some(value) = attribute(&source, METACOPY, self.upper.is_rootless) {
            let elsewhere = attribute(&source, REDIRECT, self.upper.is_rootless);
            match self.upper.content_below(&redirected(path, elsewhere.as_deref())) {
                Some(below) => source = below,
                None => {
                    let detail = format!(
                        "the overlay keeps its content elsewhere ({} bytes of metacopy), where it was not found",
                        value.len()
                    );
                    self.remark(Note::gap("container-file", UNIT, shown(path), detail));
                    return Ok(());
                }
            }
        }
        self.content(&source, path, stat)
    }

    fn content(&mut self, source: &File, path: &[u8], stat: &Stat) -> io::Result<()> {
        let meta = source.metadata()?;
        let size = meta.len();
        let entry = head(path, Kind::File, stat);
        let holes = meta.blocks().saturating_mul(512) < size / 2 && size > 1 << 20;
        let sparse = if holes { segments(source, size) } else { None };
        let segments = match sparse {
            Some(segments) => {
                entry.write_sparse(&mut self.out, size, &segments)?;
                segments
            }
            None => {
                entry.write(&mut self.out, size)?;
                vec![(0, size)]
            }
        };
        let mut is_short = false;
        for (offset, length) in segments {
            is_short |= self.copy(source, path, offset, length)?;
        }
        if is_short {
            let detail = "it became shorter while it was read; the rest was read as zeros";
            self.remark(Note::gap("container-file-changed", UNIT, shown(path), detail));
        }
        self.out.pad()
    }

    /// Copies a piece; gives whether zeros had to be put in place of bytes.
    fn copy(&mut self, source: &File, path: &[u8], offset: u64, length: u64) -> io::Result<bool> {
        let mut done = 0;
        let mut is_over = false;
        while done < length {
            let most = usize::try_from(length - done).unwrap_or(usize::MAX).min(self.buffer.len());
            let buffer = self.buffer.get_mut(..most).unwrap_or_default();
            let count = match is_over {
                true => 0,
                false => match source.read_at(buffer, offset + done) {
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => {
                        let detail = format!("it cannot be read whole ({error}); the rest was read as zeros");
                        let note = Note::gap("container-file", UNIT, shown(path), detail);
                        if self.notes.len() < NOTES_MAX {
                            self.notes.push(note)
                        } else {
                            self.left_out += 1
                        }
                        0
                    }
                },
            };
            is_over = count == 0;
            let buffer = self.buffer.get_mut(..most).unwrap_or_default();
            if is_over {
                buffer.fill(0);
            }
            let piece = if is_over { buffer } else { buffer.get_mut(..count).unwrap_or_default() };
            self.out.write_all(piece)?;
            done += piece.len() as u64;
        }
        Ok(is_over)
    }
}

/// Where the overlay says that the content is: an absolute path, or another name in the same folder.
fn redirected(path: &[u8], to: Option<&[u8]>) -> Vec<u8> {
    match to {
        None => path.to_vec(),
        Some(to) => match to.strip_prefix(b"/") {
            Some(absolute) => absolute.to_vec(),
            None => {
                let parent = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
                [path.get(..parent).unwrap_or_default(), to].concat()
            }
        },
    }
}

/// Where a sparse file has bytes; none when that cannot be told or is too much.
fn segments(file: &File, size: u64) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) if data < size => data,
            // No bytes any more.
            Ok(_) | Err(rustix::io::Errno::NXIO) => break,
            Err(_) => return None,
        };
        let hole = rustix::fs::seek(file, SeekFrom::Hole(data)).ok()?.min(size);
        if hole <= data || segments.len() >= SEGMENTS_MAX {
            return None;
        }
        segments.push((data, hole - data));
        at = hole;
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, XattrFlags, mknodat, setxattr};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    fn opened(path: &Path) -> Arc<Folder> {
        Arc::new(Folder::open(path).expect("opened"))
    }

    /// Name, letter, size and the rest of each entry, without long-name entries.
    fn entries(written: &Written) -> Vec<(String, char, Vec<u8>)> {
        let mut bytes = vec![0; usize::try_from(written.size).expect("small")];
        written.file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!(super::super::held::digest_of(&bytes), written.digest);
        let (mut all, mut at, mut long) = (Vec::new(), 0, None);
        while bytes[at] != 0 {
            let header = &bytes[at..at + 512];
            let text = |from: usize, to: usize| {
                let field = &header[from..to];
                String::from_utf8_lossy(field.split(|byte| *byte == 0).next().expect("one")).into_owned()
            };
            let size = usize::from_str_radix(&text(124, 136), 8).expect("octal");
            let sum: u64 =
                (0..512).map(|n| if (148..156).contains(&n) { 32 } else { u64::from(header[n]) }).sum();
            assert_eq!(u64::from_str_radix(text(148, 156).trim(), 8).expect("octal"), sum);
            let content = bytes[at + 512..at + 512 + size].to_vec();
            match header[156] {
                b'L' => long = Some(String::from_utf8_lossy(&content[..size - 1]).into_owned()),
                b'K' => {}
                letter => {
                    all.push((long.take().unwrap_or_else(|| text(0, 100)), char::from(letter), content))
                }
            }
            at += 512 + size.next_multiple_of(512);
        }
        all
    }

    fn names(written: &Written) -> Vec<String> {
        entries(written).into_iter().map(|(name, ..)| name).collect()
    }

    fn codes(written: &Written) -> Vec<&str> {
        written.notes.iter().map(|note| note.code.as_str()).collect()
    }

    fn mark(path: &Path, name: &str, value: &[u8]) {
        setxattr(path, name, value, XattrFlags::empty()).expect("an attribute");
    }

    #[test]
    fn what_was_written_becomes_a_layer() {
        let root = tempfile::tempdir().expect("a folder");
        let (upper, lower) = (root.path().join("upper"), root.path().join("lower"));
        std::fs::create_dir_all(upper.join("etc/deep")).expect("folders");
        std::fs::create_dir_all(lower.join("etc")).expect("folders");
        std::fs::write(lower.join("etc/passwd"), "old").expect("a file");
        std::fs::write(upper.join("etc/passwd"), "new!").expect("a file");
        std::fs::write(upper.join("etc/deep/tool"), "#!").expect("a file");
        let mode = std::fs::Permissions::from_mode(0o4755);
        std::fs::set_permissions(upper.join("etc/deep/tool"), mode).expect("a mode");
        std::fs::hard_link(upper.join("etc/passwd"), upper.join("second")).expect("a link");
        symlink("/etc/shadow", upper.join("link")).expect("a link");
        let odd = std::ffi::OsStr::from_bytes(b"od\xffd");
        std::fs::write(upper.join(odd), "x").expect("a file");
        let long = "n".repeat(200);
        std::fs::write(upper.join(&long), "y").expect("a file");
        mknodat(CWD, upper.join("fifo"), FileType::Fifo, 0o600.into(), 0).expect("a fifo");
        let _socket = std::os::unix::net::UnixListener::bind(upper.join("sock")).expect("a socket");
        std::fs::write(upper.join(".wh.passwd"), "").expect("a file");
        let upper =
            Upper { folder: opened(&upper), lowers: vec![Lower::of(opened(&lower))], is_rootless: false };
        let written = upper.write().expect("written");
        let all = entries(&written);
        let find = |name: &str| all.iter().find(|(n, ..)| n == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(find("etc/").1, '5');
        // The first of two names in the walk's order has the content.
        assert_eq!((find("second").1, find("second").2.as_slice()), ('0', &b"new!"[..]));
        assert_eq!((find("etc/passwd").1, find("link").1, find("fifo").1), ('1', '2', '6'));
        assert_eq!((find(&long).2.as_slice(), find("od\u{fffd}d").2.as_slice()), (&b"y"[..], &b"x"[..]));
        assert!(!names(&written).iter().any(|name| name.contains("sock") || name.contains(".wh.")));
        // Nothing in a container may pass for a deleted file.
        assert_eq!(codes(&written), ["container-file-name"]);
        let said = written.summary("app:1");
        assert!(said.contains("5 files added, 1 changed, 0 deleted; 1 of"), "{said}");
        assert!(said.contains("/etc/deep/tool"), "{said}");
        // The same files give the same bytes.
        assert_eq!(upper.write().expect("again").digest, written.digest);
    }

    #[test]
    fn whiteouts_and_marks() {
        if !is_root() {
            println!("SKIPPED: whiteouts are made by root alone");
            return;
        }
        let root = tempfile::tempdir().expect("a folder");
        let path = |name: &str| root.path().join(name);
        for folder in ["upper/gone", "upper/cheat", "upper/moved", "lower/a"] {
            std::fs::create_dir_all(path(folder)).expect("folders");
        }
        mknodat(CWD, path("upper/removed"), FileType::CharacterDevice, 0o000.into(), 0).expect("a device");
        let null = rustix::fs::makedev(1, 3);
        mknodat(CWD, path("upper/null"), FileType::CharacterDevice, 0o666.into(), null).expect("a device");
        std::fs::write(path("upper/gone/new"), "n").expect("a file");
        mark(&path("upper/gone"), "trusted.overlay.opaque", b"y");
        // What a container can set itself is not believed.
        mark(&path("upper/cheat"), "user.overlay.opaque", b"y");
        mark(&path("upper/moved"), "trusted.overlay.redirect", b"/a");
        // Content that is below.
        std::fs::write(path("lower/a/big"), "below").expect("a file");
        File::create(path("upper/meta")).expect("a file").set_len(5).expect("long");
        mark(&path("upper/meta"), "trusted.overlay.metacopy", b"");
        mark(&path("upper/meta"), "trusted.overlay.redirect", b"/a/big");
        File::create(path("upper/lost")).expect("a file").set_len(5).expect("long");
        mark(&path("upper/lost"), "trusted.overlay.metacopy", b"");
        let make = |is_rootless| Upper {
            folder: opened(&path("upper")),
            lowers: vec![Lower::of(opened(&path("lower")))],
            is_rootless,
        };
        let written = make(false).write().expect("written");
        let all = names(&written);
        for name in [".wh.removed", "gone/.wh..wh..opq", "gone/new", "null"] {
            assert!(all.contains(&name.to_owned()), "{name} {all:?}");
        }
        assert!(!all.iter().any(|name| name.starts_with("cheat/.wh") || name == "lost" || name == "removed"));
        let meta = entries(&written).into_iter().find(|(name, ..)| name == "meta").expect("meta");
        assert_eq!(meta.2, b"below");
        assert_eq!(codes(&written), ["container-file", "container-folder-renamed"]);
        assert!(names(&make(true).write().expect("written")).contains(&"cheat/.wh..wh..opq".to_owned()));
    }

    #[test]
    fn sparse_files_stay_small() {
        let root = tempfile::tempdir().expect("a folder");
        let file = File::create(root.path().join("sparse")).expect("a file");
        file.set_len(10 << 30).expect("long");
        for piece in 0..6_u64 {
            file.write_all_at(b"here", piece << 30).expect("written");
        }
        let upper = Upper { folder: opened(root.path()), lowers: Vec::new(), is_rootless: false };
        let written = upper.write().expect("written");
        let blocks = file.metadata().expect("there").blocks();
        if blocks * 512 > 1 << 20 {
            println!("SKIPPED: this file system keeps no sparse files");
            return;
        }
        assert!(written.size < 1 << 20, "{}", written.size);
        let mut head = [0; 1_024];
        written.file.read_exact_at(&mut head, 0).expect("read");
        assert_eq!((head[156], head[482]), (b'S', 1));
    }

    #[test]
    fn what_goes_away_or_shrinks_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        let file = File::create(root.path().join("log")).expect("a file");
        file.write_all_at(&[1; 1_000], 0).expect("written");
        let upper = Upper { folder: opened(root.path()), lowers: Vec::new(), is_rootless: false };
        let mut walk = Walk::new(&upper, Spool::new(1 << 20).expect("a file"));
        // More is expected than there is.
        assert!(
            walk.copy(&File::open(root.path().join("log")).expect("opened"), b"log", 0, 1_500)
                .expect("copied")
        );
        walk.lost(b"log", &ErrorKind::NotFound.into());
        walk.lost(b"log", &ErrorKind::PermissionDenied.into());
        let grades: Vec<_> = walk.notes.iter().map(|note| note.grade).collect();
        assert_eq!(grades, [seaworthy_types::Grade::Info, seaworthy_types::Grade::Gap]);
        let kept = walk.out.finish().expect("kept");
        assert_eq!(kept.size, 1_500);
        assert_eq!(redirected(b"a/b/c", Some(b"d")), b"a/b/d");
        assert_eq!(redirected(b"c", Some(b"d")), b"d");
    }
}
