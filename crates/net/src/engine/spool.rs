//! A file without a name that holds what must not change while it is scanned, hashed as it is written.

use rustix::fs::{Mode, OFlags};
use seaworthy_types::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A file that grows.
#[derive(Debug)]
pub(crate) struct Spool {
    file: File,
    hash: Sha256,
    at: u64,
    bytes_max: u64,
}

/// A file that is whole.
#[derive(Debug)]
pub(crate) struct Kept {
    pub file: Arc<File>,
    pub size: u64,
    pub digest: Digest,
}

impl Spool {
    /// One in the folder for temporary files, which gives its space back when the program ends.
    pub fn new(bytes_max: u64) -> io::Result<Self> {
        let folder = std::env::temp_dir();
        let file = unnamed(&folder).map_err(|error| {
            let what = format!("making a temporary file in `{}` (TMPDIR): {error}", folder.display());
            io::Error::new(error.kind(), what)
        })?;
        Ok(Self { file, hash: Sha256::new(), at: 0, bytes_max })
    }

    /// Zeros up to the next multiple of 512.
    pub fn pad(&mut self) -> io::Result<()> {
        let rest = usize::try_from(self.at % 512).unwrap_or(0);
        self.write_all([0; 512].get(..(512 - rest) % 512).unwrap_or_default())
    }

    /// Ends it.
    pub fn finish(self) -> io::Result<Kept> {
        self.file.set_len(self.at)?;
        let digest = Digest::from_bytes(self.hash.finalize().into());
        Ok(Kept { file: Arc::new(self.file), size: self.at, digest })
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.at.saturating_add(bytes.len() as u64);
        if after > self.bytes_max {
            let what = format!("it has more than {} bytes", self.bytes_max);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        self.hash.update(bytes);
        // Zeros need no room.
        if bytes.iter().any(|byte| *byte != 0) {
            self.file.write_all_at(bytes, self.at).map_err(|error| {
                let what = format!(
                    "writing to a temporary file in `{}` (TMPDIR): {error}",
                    std::env::temp_dir().display()
                );
                io::Error::new(error.kind(), what)
            })?;
        }
        self.at = after;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file in a folder that has no name there.
pub(crate) fn unnamed(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    if let Ok(fd) = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(File::from(fd));
    }
    // A file system without such files: one that loses its name at once.
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("seaworthy-{}-{number}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::held::digest_of;

    #[test]
    fn what_is_written_is_kept_and_bounded() {
        let mut spool = Spool::new(2_000).expect("a file");
        spool.write_all(b"x").expect("written");
        spool.pad().expect("padded");
        spool.write_all(&[0; 512]).expect("written");
        spool.pad().expect("padded");
        assert_eq!(spool.at, 1_024);
        assert!(spool.write_all(&[1; 1_000]).is_err());
        let kept = spool.finish().expect("whole");
        let mut bytes = vec![9; 1_024];
        kept.file.read_exact_at(&mut bytes, 0).expect("read");
        assert_eq!((kept.size, kept.digest), (1_024, digest_of(&bytes)));
        assert_eq!((bytes[0], bytes[1_023]), (b'x', 0));
    }
}
