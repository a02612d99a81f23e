//! Carriers of published data: something that hands out files by name over the network, and takes them.
//! What the files mean, and whether they are to be believed, is not known here: the names are one index that
//! changes, and files that are named after the SHA-256 of their bytes and never change.
//!
//! What a carrier does not do: check the bytes of files (the reader knows what they should be).

mod http;
mod listing;
mod oci;
mod s3;
mod signature;
#[cfg(test)]
mod tests;

pub use http::Http;
pub use oci::{ARTIFACT_TYPE, FILE_TYPE, INDEX_TYPE, Oci};
pub use s3::S3;

use crate::web::{Web, WebError};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Files of one folder, such as `files/`, by the SHA-256 of their bytes.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Name of the index.
    pub index: &'static str,
    /// What stands before the digest in the name of a file, with its slash.
    pub files: &'static str,
}

impl Names {
    /// The digest in a name; `None` for names that are no file's.
    fn sha256(self, name: &str) -> Option<&str> {
        let digest = name.strip_prefix(self.files)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (digest.len() == 64 && digest.bytes().all(is_hex)).then_some(digest)
    }
    /// Refuses names that are none of these: nothing else is ever put into an address.
    fn check(self, name: &str) -> io::Result<()> {
        if name == self.index || self.sha256(name).is_some() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of published data"))
    }
}

/// Hands out files by name.
pub trait Carrier: Send + Sync {
    /// What people call it; never with credentials in it.
    fn name(&self) -> String;
    /// Opens a file of at most `bytes_max` bytes; `None` when there is none of that name.
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + Send + '_>>>;
}

/// Takes files too.
pub trait Taker: Carrier {
    /// Whether there is a file of that name and length.
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool>;
    /// Takes a file that is named after its content.
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()>;
    /// Replaces the index, after everything that was put before.
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()>;
    /// Names of all files, sorted; `None` where they cannot be listed.
    fn list(&self) -> io::Result<Option<Vec<String>>> {
        Ok(None)
    }
    /// Removes a file; none of that name is no error.
    fn remove(&self, name: &str) -> io::Result<()> {
        let _ = name;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How long a place that failed after all tries is left alone: else each of many files would wait for it.
const REST: Duration = Duration::from_secs(60);

/// A place's last failure.
#[derive(Default)]
struct Rest(Mutex<Option<(Duration, WebError)>>);

impl Rest {
    /// Does something with the place unless it failed a moment ago.
    fn unless<T>(&self, web: &Web, work: impl FnOnce() -> Result<T, WebError>) -> Result<T, WebError> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, error)) = last.filter(|(until, _)| web.world.clock() < *until) {
            return Err(error);
        }
        let result = work();
        if let Some(error) = result.as_ref().err().filter(|error| error.is_trouble()) {
            let until = web.world.clock().saturating_add(REST);
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, error.clone()));
        }
        result
    }
}

/// Content that can be sent again when the first try fails: a file without a name, gone with its handle.
struct Spool {
    file: File,
}

impl Spool {
    /// Takes up exactly `bytes` bytes.
    fn new(bytes: u64, content: &mut dyn Read) -> io::Result<Self> {
        let mut file = nameless()?;
        let copied = io::copy(&mut content.take(bytes.saturating_add(1)), &mut file)?;
        if copied != bytes {
            let why = format!("it has other than the {bytes} bytes that were announced");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self { file })
    }
    /// The file itself, at its beginning.
    fn into_file(mut self) -> io::Result<File> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(self.file)
    }
    /// From the beginning. One reader at a time: they share the place in the file.
    fn reader(&self) -> io::Result<Box<dyn Read>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Box::new(file))
    }
}

fn nameless() -> io::Result<File> {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("seaworthy-{}-{number}", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
