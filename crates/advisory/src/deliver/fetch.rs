//! From a publication to installed data: the index, then only what is not installed yet, as deltas where
//! they are smaller. All or nothing, like every installation.

use super::fault::DeliverError;
use super::key::Trusted;
use super::signed::Unsigned;
use super::store::Store;
use super::trust::Expired;
use crate::install::Installation;
use seaworthy_types::{DataStatus, Outcome, Timestamp};
use std::path::Path;

/// Which shards are added. What is installed is brought up to date in any case, and so is what every scan
/// needs (scores, ratings, the catalogue of exploited vulnerabilities).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// All that the publication has.
    All,
    /// None: only what is installed.
    Installed,
    /// These; one that the publication does not have is an error.
    Named(&'a [String]),
    /// These as far as the publication has them: what an inventory needs.
    Needed(&'a [String]),
}

/// What is fetched, from where and on whose word.
pub struct Fetch<'a> {
    /// Where to look, in this order: the next is asked for what one cannot give.
    pub stores: &'a [&'a dyn Store],
    /// The database's folder.
    pub database: &'a Path,
    /// Which shards.
    pub choice: Choice<'a>,
    /// Whose signature is believed.
    pub trusted: &'a Trusted,
    /// Whether an index without signatures is taken.
    pub unsigned: Unsigned,
    /// Whether an expired index is taken.
    pub expired: Expired,
    /// The present.
    pub now: Timestamp,
}

/// How far a fetch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress<'a> {
    /// Shards done.
    pub done: usize,
    /// Shards that are not up to date.
    pub total: usize,
    /// The shard at work.
    pub shard: &'a str,
    /// Bytes fetched so far, of all shards.
    pub bytes: u64,
    /// Bytes to fetch, as far as is known.
    pub bytes_total: u64,
}

/// How a shard came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was installed already.
    Unchanged,
    /// Only what is known of it changed.
    Facts,
    /// By a delta.
    Delta,
    /// As a whole.
    Full,
}

/// What was fetched of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedShard {
    /// Its name.
    pub shard: String,
    /// How it came.
    pub how: How,
    /// Files fetched.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
}

/// What a fetch did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The place that gave the index.
    pub store: String,
    /// Its number.
    pub sequence: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Until when it is fresh.
    pub expires: Timestamp,
    /// Ids of the trusted keys that signed it.
    pub signers: Vec<String>,
    /// Each installed shard, sorted by name.
    pub shards: Vec<FetchedShard>,
    /// Files fetched, the index among them.
    pub files: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The database now.
    pub status: DataStatus,
}

impl Fetch<'_> {
    /// Fetches and installs.
    pub fn run(&self, progress: &mut dyn FnMut(FetchProgress<'_>)) -> Result<Outcome<Fetched>, DeliverError> {
        self.run_in(Installation::begin(self.database)?, progress)
    }
    /// The same with an installation that was begun before, in the same folder.
    pub fn run_in(
        &self,
        installation: Installation,
        progress: &mut dyn FnMut(FetchProgress<'_>),
    ) -> Result<Outcome<Fetched>, DeliverError> {
        let _ = (installation, progress);
        Err(DeliverError::NoStores)
    }
}
