//! From the user's words to an open descriptor: kind recognised or forced by a prefix, identity
//! taken for the cache.

use crate::Error;
use seaworthy_types::{Digest, TargetKind};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// As typed.
    pub text: String,
    /// Where it is.
    pub path: PathBuf,
    /// Kind forced by a prefix.
    pub forced: Option<TargetKind>,
}

/// Prefixes and what they force; `oci:` takes a folder or an archive.
const PREFIXES: [(&str, TargetKind); 9] = [
    ("dir:", TargetKind::Folder),
    ("file:", TargetKind::File),
    ("sbom:", TargetKind::Sbom),
    ("docker-archive:", TargetKind::DockerArchive),
    ("oci-archive:", TargetKind::OciArchive),
    ("oci-dir:", TargetKind::OciLayout),
    ("oci:", TargetKind::OciLayout),
    ("disk:", TargetKind::Disk),
    ("rootfs:", TargetKind::RootFs),
];

impl TargetSpec {
    /// Splits a known prefix off.
    pub fn parse(text: &str) -> Self {
        let forced = PREFIXES.iter().find_map(|(prefix, kind)| Some((text.strip_prefix(prefix)?, *kind)));
        let (path, forced) = match forced {
            Some((path, kind)) => (path, Some(kind)),
            None => (text, None),
        };
        Self { text: text.to_owned(), path: PathBuf::from(path), forced }
    }
}

/// An open target.
#[derive(Debug)]
pub struct Opened {
    /// The descriptor of the file or folder.
    pub file: File,
    /// What the prefix says it is; without one the parsing process looks.
    pub forced: Option<TargetKind>,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Device, inode, size, mtime and ctime in one text; `None` for folders and devices.
    pub identity: Option<String>,
    /// When the file last changed, nanoseconds since 1970.
    pub changed_ns: i128,
    /// Bytes of a file.
    pub bytes: u64,
}

impl Opened {
    /// In place of a file: the image of one manifest, which never changes.
    pub(crate) fn elsewhere(manifest: Digest) -> std::io::Result<Self> {
        Self::nothing(format!("manifest {manifest}"), None)
    }

    /// In place of a file: an archive that is still to come.
    pub(crate) fn to_come(identity: &str) -> std::io::Result<Self> {
        Self::nothing(format!("archive {identity}"), Some(TargetKind::DockerArchive))
    }

    fn nothing(identity: String, forced: Option<TargetKind>) -> std::io::Result<Self> {
        let file = File::open("/dev/null")?;
        Ok(Self { file, forced, is_folder: false, identity: Some(identity), changed_ns: 0, bytes: 0 })
    }
}

/// Opens a target. Nothing of it is read here.
pub fn open(spec: &TargetSpec) -> Result<Opened, Error> {
    let file = open_file(&spec.path).map_err(|source| match source.kind() {
        ErrorKind::NotFound if spec.forced.is_none() => Error::Missing { path: spec.path.clone() },
        _ => Error::Open { path: spec.path.clone(), source },
    })?;
    let meta = file.metadata().map_err(|source| Error::Open { path: spec.path.clone(), source })?;
    let is_device = meta.file_type().is_block_device();
    if !meta.is_dir() && !meta.is_file() && !is_device {
        return Err(Error::Target(format!(
            "`{}` is neither a file nor a folder. Save a stream to a file first: the program reads at random places.",
            spec.path.display()
        )));
    }
    let forced = forced_kind(spec, &meta)?;
    let identity = meta.is_file().then(|| identity(&meta));
    Ok(Opened {
        forced,
        is_folder: meta.is_dir(),
        identity,
        changed_ns: changed_ns(&meta),
        bytes: meta.len(),
        file,
    })
}

fn open_file(path: &Path) -> std::io::Result<File> {
    // O_NONBLOCK: opening a FIFO must not hang; it means nothing for files and folders.
    std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn forced_kind(spec: &TargetSpec, meta: &Metadata) -> Result<Option<TargetKind>, Error> {
    let wrong = |is: &str, wants: &str| {
        Err(Error::Target(format!("`{}` is {is}, but its prefix asks for {wants}.", spec.path.display())))
    };
    match (spec.forced, meta.is_dir()) {
        (Some(TargetKind::OciLayout), false) => Ok(Some(TargetKind::OciArchive)),
        (Some(kind @ (TargetKind::Folder | TargetKind::RootFs | TargetKind::OciLayout)), true) => {
            Ok(Some(kind))
        }
        (Some(TargetKind::Folder | TargetKind::RootFs), false) => wrong("a file", "a folder"),
        (Some(_), true) => wrong("a folder", "a file"),
        (forced, _) => Ok(forced),
    }
}

fn identity(meta: &Metadata) -> String {
    format!(
        "{}:{}:{}:{}.{:09}:{}.{:09}",
        meta.dev(),
        meta.ino(),
        meta.size(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec()
    )
}

fn changed_ns(meta: &Metadata) -> i128 {
    let stamp = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    stamp(meta.mtime(), meta.mtime_nsec()).max(stamp(meta.ctime(), meta.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let spec = TargetSpec::parse("dir:/srv/app");
        assert_eq!((spec.path.as_path(), spec.forced), (Path::new("/srv/app"), Some(TargetKind::Folder)));
        let spec = TargetSpec::parse("weird:name.tar");
        assert_eq!((spec.path.as_path(), spec.forced), (Path::new("weird:name.tar"), None));
    }

    #[test]
    fn what_cannot_be_scanned_says_so() {
        let missing = open(&TargetSpec::parse("/no/such/image.tar")).expect_err("missing");
        assert!(missing.to_string().contains("/no/such/image.tar"));
        let wrong = open(&TargetSpec::parse("dir:/proc/self/exe")).expect_err("file");
        assert!(wrong.to_string().contains("folder"), "{wrong}");
    }
}
