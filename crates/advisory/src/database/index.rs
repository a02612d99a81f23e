//! `index.json`: which shards there are and what is known of each. Reading it opens a database.

use crate::{Error, Loss};
use seaworthy_types::{Completeness, DataSource, Timestamp};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::path::Path;

/// Version of the folder's format; raised only for changes that older programs would misread.
pub const FORMAT: u32 = 1;
/// Name of the index in the folder.
pub const INDEX_FILE: &str = "index.json";
const INDEX_BYTES_MAX: u64 = 16 << 20;

/// `kind` of a shard of packages.
pub const FILE_KIND_PACKAGES: &str = "packages";
/// `kind` of the shard of enrichments.
pub const FILE_KIND_VULNERABILITIES: &str = "vulnerabilities";
/// `kind` of the EPSS scores.
pub const FILE_KIND_EPSS: &str = "epss";
/// `kind` of an entry without a file: it says how complete a part of another shard is.
pub const FILE_KIND_STATUS: &str = "status";

/// The index as it stands in the file. Unknown keys are stepped over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Version of the folder's format.
    pub format: u32,
    /// When the database was built.
    pub built: Timestamp,
    /// Shards, sorted by name.
    pub shards: Vec<IndexShard>,
    /// The publication that shards with a content digest were fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexShard {
    /// `debian:12`, `npm`, `cve`, `epss`, `kev`.
    pub shard: String,
    /// What its file holds; kinds that a program does not know are left alone.
    pub kind: String,
    /// Name of its file in the folder: ends in the beginning of its SHA-256.
    pub file: String,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Length of the file.
    pub bytes: u64,
    /// Distinct advisories or vulnerabilities.
    pub records: u64,
    /// Names.
    pub packages: u64,
    /// Newest record or the snapshot's day.
    pub as_of: Option<Timestamp>,
    /// How complete.
    pub completeness: Completeness,
    /// Why it is not complete, or empty.
    #[serde(default)]
    pub remark: String,
    /// Feeds that it was made from, sorted.
    #[serde(default)]
    pub feeds: Vec<String>,
    /// What import lost of it, one entry for each kind of trouble.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Loss>,
    /// Content digest of its records, for a shard that was fetched; empty for one that was built here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
}

/// The publication that a folder's data were fetched from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Its name.
    pub publication: String,
    /// Its number.
    pub sequence: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it is fresh.
    pub expires: Timestamp,
    /// Ids of the trusted keys that signed it; empty for an unsigned one.
    #[serde(default)]
    pub signers: Vec<String>,
    /// Name of the index in this folder, as it was received.
    pub file: String,
    /// Shards that it has and that are not installed, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Publication {
    /// Whether the index's file name is one that this program makes.
    pub fn file_is_sound(&self) -> bool {
        let middle = self.file.strip_prefix("published-").and_then(|rest| rest.strip_suffix(".swi"));
        middle.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    }
}

impl IndexShard {
    /// What reports say of it.
    pub fn source(&self) -> DataSource {
        DataSource {
            shard: self.shard.clone(),
            records: self.records,
            as_of: self.as_of,
            completeness: self.completeness,
            remark: self.remark.clone(),
        }
    }
    /// Whether the file's name is one that this program makes: no other file is ever opened.
    pub fn file_is_sound(&self) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        self.file.ends_with(".sw")
            && !self.file.starts_with('.')
            && self.file.len() < 128
            && self.file.bytes().all(allowed)
    }
}

impl Index {
    /// Reads a folder's index and its bytes; `None` when there is none.
    pub fn read(folder: &Path) -> Result<Option<(Self, Vec<u8>)>, Error> {
        let path = folder.join(INDEX_FILE);
        let mut bytes = Vec::new();
        match std::fs::File::open(&path) {
            Ok(file) => file.take(INDEX_BYTES_MAX).read_to_end(&mut bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|source| Error::Io { what: "reading", path: path.clone(), source })?;
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let invalid = |why: String| Error::Index { path: path.clone(), why };
        let head: Format = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if head.format != FORMAT {
            let why = format!("format {} is not the format {FORMAT} of this program", head.format);
            return Err(invalid(why));
        }
        let index = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        Ok(Some((index, bytes)))
    }
}
