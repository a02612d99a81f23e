//! Opening what an engine keeps: beneath one folder and never anywhere else (openat2(2)), or where the
//! kernel lacks that, part by part without following links. Names are bytes: images hold any.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Names of one folder.
const NAMES_MAX: usize = 4_000_000;

/// A folder that nothing leads out of.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// How links on the way are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// None may be there.
    Refused,
    /// As a process sees them whose root this folder is.
    Within,
}

impl Folder {
    /// The folder of that name; links on the way to it are the administrator's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Whether it belongs to somebody else than root.
    pub fn is_of_user(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|stat| stat.st_uid != 0)
    }

    /// Where it is, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder beneath; no part of the way may be a link.
    pub fn folder(&self, way: impl AsRef<[u8]>) -> io::Result<Self> {
        let way = way.as_ref();
        let fd = self.open_at(way, OFlags::RDONLY | OFlags::DIRECTORY, Links::Refused)?;
        Ok(Self { fd, path: self.path.join(OsStr::from_bytes(way)) })
    }

    /// A regular file beneath; no part of the way may be a link.
    pub fn file(&self, way: impl AsRef<[u8]>) -> io::Result<File> {
        self.regular(way.as_ref(), Links::Refused)
    }

    /// A regular file as a process finds it whose root this folder is; itself it may not be a link.
    pub fn file_within(&self, way: &[u8]) -> io::Result<File> {
        self.regular(way, Links::Within)
    }

    fn regular(&self, way: &[u8], links: Links) -> io::Result<File> {
        // Opening a FIFO must not hang, nor a device do anything.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let file = File::from(self.open_at(way, flags, links)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// The whole of a small file.
    pub fn read(&self, way: impl AsRef<[u8]>, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file(way)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            let what = format!("it has more than {bytes_max} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        Ok(bytes)
    }

    /// A file of one short line, without what surrounds it.
    pub fn line(&self, way: impl AsRef<[u8]>) -> io::Result<String> {
        let bytes = self.read(way, 4_096)?;
        let text = String::from_utf8(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(text.trim().to_owned())
    }

    /// What is in it, sorted.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_owned());
            }
            if names.len() > NAMES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a folder with millions of names"));
            }
        }
        names.sort();
        Ok(names)
    }

    /// What an entry of this folder is; a link is not followed.
    pub fn stat(&self, name: &[u8]) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.fd, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// What lies at the end of a way beneath, which no link may be part of.
    pub fn kind_of(&self, way: &[u8]) -> io::Result<(FileType, Stat)> {
        let fd = self.open_at(way, OFlags::PATH | OFlags::NOFOLLOW, Links::Refused)?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok((FileType::from_raw_mode(stat.st_mode), stat))
    }

    /// Where a link of this folder leads.
    pub fn link(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    fn open_at(&self, way: &[u8], flags: OFlags, links: Links) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_MAGICLINKS
            | match links {
                Links::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
                Links::Within => ResolveFlags::IN_ROOT,
            };
        let way = if way.is_empty() { b".".as_slice() } else { way };
        match rustix::fs::openat2(&self.fd, way, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => by_parts(&self.fd, way, flags),
            opened => Ok(opened?),
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The same without openat2: no part of the way may be a link.
fn by_parts(folder: &OwnedFd, way: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let part = |part: &&[u8]| !part.is_empty() && *part != b".";
    let mut parts = way.split(|byte| *byte == b'/').filter(part).peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        if part == b".." {
            return Err(Errno::XDEV.into());
        }
        let base = at.as_ref().map_or(folder.as_fd(), |fd| fd.as_fd());
        let last = parts.peek().is_none();
        let flags = if last { flags } else { OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC };
        let next = rustix::fs::openat(base, part, flags | OFlags::NOFOLLOW, Mode::empty())?;
        if last {
            return Ok(next);
        }
        at = Some(next);
    }
    // The folder itself.
    Ok(rustix::fs::openat(folder, ".", flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("in/deep")).expect("folders");
        std::fs::write(root.path().join("in/deep/file"), "x").expect("a file");
        std::os::unix::fs::symlink("/in", root.path().join("absolute")).expect("a link");
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("passwd")).expect("a link");
        std::os::unix::fs::symlink("../../../etc", root.path().join("up")).expect("a link");
        let folder = Folder::open(root.path()).expect("opened");
        assert!(folder.file("in/deep/file").is_ok());
        for bad in ["absolute/deep/file", "passwd", "up/passwd", "../etc/passwd", "/etc/passwd", "in", ""] {
            assert!(folder.file(bad).is_err(), "{bad}");
        }
        // As seen from within, a link to the root stays within.
        assert!(folder.file_within(b"absolute/deep/file").is_ok());
        for bad in ["passwd", "up/passwd", "../../etc/passwd", "in"] {
            assert!(folder.file_within(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(folder.folder("absolute").is_err() && folder.folder("in/deep").is_ok());
        assert_eq!(folder.names().expect("names"), [&b"absolute"[..], b"in", b"passwd", b"up"]);
        assert!(folder.read("in/deep/file", 0).is_err());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        for bad in ["absolute/deep", "passwd", "../etc", "in/../../x"] {
            assert!(by_parts(&folder.fd, bad.as_bytes(), flags).is_err(), "{bad}");
        }
        assert!(by_parts(&folder.fd, b"in/deep/file", flags).is_ok());
    }
}
