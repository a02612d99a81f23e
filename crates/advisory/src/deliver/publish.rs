//! From an installed database to a publication: full files, deltas from earlier publications, and at last
//! the signed index. Same database, same earlier publication, same time: same bytes.

use super::fault::DeliverError;
use super::key::{PrivateKey, Trusted};
use super::payload::FileRef;
use super::store::{Depot, Store};
use seaworthy_types::{Outcome, Timestamp};
use std::path::Path;

/// How many earlier publications deltas start from, when nobody says otherwise.
pub const EARLIER_DAYS: u32 = 7;
/// How long an index is fresh, when nobody says otherwise.
pub const LIFETIME_SECONDS: i64 = 7 * 86_400;

/// What is published, and where.
pub struct Publish<'a> {
    /// The database's folder.
    pub database: &'a Path,
    /// The publication before this one; the depot itself as a rule. `None` starts anew.
    pub earlier: Option<&'a dyn Store>,
    /// Takes the files.
    pub depot: &'a dyn Depot,
    /// Keys that sign; two while one takes the place of the other. None makes an unsigned publication.
    pub keys: &'a [&'a PrivateKey],
    /// Keys that the earlier publication may be signed with, besides those that sign.
    pub trusted: &'a Trusted,
    /// Which of its key's publications it is ([`super::MAIN`]).
    pub publication: &'a str,
    /// The present.
    pub now: Timestamp,
    /// How long the index is fresh.
    pub lifetime_seconds: i64,
    /// How many days back deltas start.
    pub earlier_days: u32,
    /// A folder for temporary files.
    pub work: &'a Path,
}

/// A shard that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedFiles {
    /// Its name.
    pub shard: String,
    /// Its content digest.
    pub content: String,
    /// The file with all its records.
    pub full: FileRef,
    /// Whether the records are those of the publication before.
    pub unchanged: bool,
    /// Deltas by the content they start from, with their bytes.
    pub deltas: Vec<(String, u64)>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub sequence: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
    /// Each shard with records, sorted by name.
    pub shards: Vec<PublishedFiles>,
    /// Files that were put.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Files in the depot that no publication refers to any more, sorted; empty when it cannot list.
    pub unreferenced: Vec<String>,
}

impl Publish<'_> {
    /// Makes and puts everything; `progress` hears the shard at work.
    pub fn run(&self, progress: &mut dyn FnMut(&str)) -> Result<Outcome<Published>, DeliverError> {
        let _ = progress;
        Err(DeliverError::NoStores)
    }
}
