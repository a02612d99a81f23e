//! Where a publication lies: something that hands out files by name, and something that takes them.
//!
//! Names are `index.seaworthy` ([`INDEX_NAME`]) and `files/<SHA-256 of the file in hex>`
//! ([`file_name`]), nothing else: whatever serves files can carry them. [`Folder`] is the carrier that
//! needs no network; those that do live in `net`. What it does not do: judge what it carries.

use super::fault::Fault;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Name of the signed index.
pub const INDEX_NAME: &str = "index.seaworthy";
/// Folder of all other files.
pub const FILES_FOLDER: &str = "files";

/// Name of the file with this SHA-256 (64 hexadecimal digits).
pub fn file_name(sha256: &str) -> String {
    format!("{FILES_FOLDER}/{sha256}")
}

/// The SHA-256 that a file of this name has: `None` for names that are no file's.
pub fn sha256_of_name(name: &str) -> Option<&str> {
    let digest = name.strip_prefix(FILES_FOLDER)?.strip_prefix('/')?;
    is_sha256(digest).then_some(digest)
}

/// Whether a text is a SHA-256 in lower-case hexadecimal digits.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Hands out the files of a publication.
pub trait Store: Sync {
    /// What people call it: an address, a path. Never with credentials in it.
    fn name(&self) -> String;
    /// Opens a file; `Ok(None)` when there is none of that name. The caller reads at most `bytes_max`
    /// bytes and one more, so that a carrier that knows of a longer file can refuse at once.
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>>;
    /// A file that is known to hold the records with this content digest, when it is another than the
    /// one the index names (bundles made from an installed database): its name and length.
    fn remade(&self, content: &str) -> Option<(String, u64)> {
        let _ = content;
        None
    }
}

/// A store that can also take files.
pub trait Depot: Store {
    /// Whether there is a file of that name with that length.
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool>;
    /// Takes a file of `bytes` bytes under a name that is made from its content. When there is such a file
    /// already nothing needs to be done. The file must not be seen under its name before it is whole.
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()>;
    /// Replaces the index: at once, and after everything that was put before.
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()>;
    /// Names of all files below `files/`, sorted, for clean-up; `None` when the carrier cannot list.
    fn list(&self) -> io::Result<Option<Vec<String>>> {
        Ok(None)
    }
    /// Removes a file; none of that name is no error. Carriers that cannot list need not.
    fn remove(&self, name: &str) -> io::Result<()> {
        let _ = name;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads a small file whole; one byte more than `bytes_max` is an error.
pub(crate) fn read_small(store: &dyn Store, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Fault> {
    let failed = |error: io::Error| Fault::Io(error);
    let Some(input) = store.open(name, bytes_max).map_err(failed)? else { return Ok(None) };
    let mut bytes = Vec::new();
    input.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Fault::TooLarge { what: "the file", bytes_max });
    }
    Ok(Some(bytes))
}

/// A folder: of this machine, of a mounted share, below a web server.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder, which need not exist before something is put into it.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
    /// The path of a file, for names that are those of a publication.
    fn place(&self, name: &str) -> io::Result<PathBuf> {
        if name == INDEX_NAME || sha256_of_name(name).is_some() {
            return Ok(self.path.join(name));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of published data"))
    }
    fn write(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        let target = self.place(name)?;
        let folder = target.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder)?;
        let ending = name.rsplit('/').next().unwrap_or(name);
        let unfinished = folder.join(format!(".{ending}.{}", std::process::id()));
        let _ = std::fs::remove_file(&unfinished);
        let mut fill = || {
            let mut file = File::create_new(&unfinished)?;
            let copied = io::copy(&mut content.take(bytes.saturating_add(1)), &mut file)?;
            if copied != bytes {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its length is not the one announced",
                ));
            }
            file.flush()?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &target)?;
            File::open(folder)?.sync_all()
        };
        fill().inspect_err(|_| drop(std::fs::remove_file(&unfinished)))
    }
}

impl Store for Folder {
    fn name(&self) -> String {
        self.path.display().to_string()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        let file = match File::open(self.place(name)?) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
        }
        if facts.len() > bytes_max {
            let why = format!("it has {} bytes, more than the {bytes_max} that were expected", facts.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Some(Box::new(file)))
    }
}

impl Depot for Folder {
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool> {
        match std::fs::symlink_metadata(self.place(name)?) {
            Ok(facts) => Ok(facts.is_file() && facts.len() == bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        if self.has(name, bytes)? { Ok(()) } else { self.write(name, bytes, content) }
    }
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(INDEX_NAME, bytes.len() as u64, &mut { bytes })
    }
    fn list(&self) -> io::Result<Option<Vec<String>>> {
        let folder = self.path.join(FILES_FOLDER);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(is_sha256(&name).then(|| file_name(&name)));
        }
        names.sort();
        Ok(Some(names))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.place(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
