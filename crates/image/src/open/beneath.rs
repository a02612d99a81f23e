//! Opening files beneath a folder's descriptor and never anywhere else: openat2(2) with
//! RESOLVE_BENEATH, or where the kernel lacks it, part by part without following links.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;

/// A folder that nothing leads out of.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
}

impl Folder {
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// Opens a regular file for reading. Symbolic links are followed while they stay beneath.
    pub fn open_file(&self, path: &str) -> io::Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        self.open_regular(path, flags, resolve)
    }

    /// Opens a regular file for reading; no part of the path may be a link.
    pub fn open_unlinked_file(&self, path: &str) -> io::Result<std::fs::File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        self.open_regular(path, flags, resolve)
    }

    fn open_regular(&self, path: &str, flags: OFlags, resolve: ResolveFlags) -> io::Result<std::fs::File> {
        let fd = match rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
                open_by_parts(&self.fd, path.as_bytes(), flags)?
            }
            opened => opened?,
        };
        let file = std::fs::File::from(fd);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(file)
    }

    /// Opens a folder for reading its names; no part of the path may be a link.
    pub fn open_folder(&self, raw: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if raw.is_empty() {
            return Ok(rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?);
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.fd, raw, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => open_by_parts(&self.fd, raw, flags),
            opened => Ok(opened?),
        }
    }
}

/// The same without openat2: no part of the path may be a link.
fn open_by_parts(folder: &OwnedFd, path: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let part = |part: &&[u8]| !part.is_empty() && *part != b".";
    let mut parts = path.split(|byte| *byte == b'/').filter(part).peekable();
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
    Err(Errno::NOENT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_never_follow_links() {
        let root = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(root.path().join("in")).expect("folder");
        std::fs::write(root.path().join("in/file"), "x").expect("file");
        std::os::unix::fs::symlink("/etc", root.path().join("out")).expect("link");
        std::os::unix::fs::symlink("in/file", root.path().join("link")).expect("link");
        let fd: OwnedFd = std::fs::File::open(root.path()).expect("folder").into();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        assert!(open_by_parts(&fd, b"in/file", flags).is_ok());
        for bad in ["out/passwd", "link", "../etc/passwd", "in/../../x", "", "in/missing"] {
            assert!(open_by_parts(&fd, bad.as_bytes(), flags).is_err(), "{bad}");
        }
        let folder = Folder::new(fd);
        assert!(folder.open_file("link").is_ok() && folder.open_unlinked_file("in/file").is_ok());
        assert!(folder.open_unlinked_file("link").is_err());
        for bad in ["out/passwd", "../etc/passwd", "/etc/passwd", "in"] {
            assert!(folder.open_file(bad).is_err(), "{bad}");
        }
    }
}
