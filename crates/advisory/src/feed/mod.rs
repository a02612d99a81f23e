//! Feeds: each is one file that turns the bytes of one upstream format into advisories. Fetching is
//! someone else's work, so that offline import is the same path.

use crate::Loss;
use seaworthy_types::{About, Advisory, Enrichment, Note};
use std::io::Read;

// tidy:begin
pub mod alpine_secdb;
pub mod cve5;
pub mod debian_tracker;
pub mod epss;
pub mod kev;
pub mod nvd;
pub mod osv;
pub mod ssvc;

/// Every feed, sorted by name.
pub const ALL: &[&dyn Feed] = &[
    alpine_secdb::FEED,
    cve5::FEED,
    debian_tracker::FEED,
    epss::FEED,
    kev::FEED,
    nvd::FEED,
    osv::FEED,
    ssvc::FEED,
];
// tidy:end

/// One upstream format.
pub trait Feed: Sync {
    /// Name, version, ecosystem (or ""), coverage.
    fn about(&self) -> &'static About;
    /// Files of this feed as upstream lays them out below a mirror's root: the path `osv/npm/all.zip`
    /// of the snapshot. Gives the part that varies (`npm`), or `None` when the path is not this feed's.
    fn claims(&self, path: &str) -> Option<String>;
    /// Live addresses to download, with the path each is stored under.
    fn addresses(&self) -> Vec<Address>;
    /// Reads one file (already out of gzip or xz, not out of zip) and hands everything to `sink`. `Err`
    /// only when nothing could be read at all; single bad records become notes.
    fn read(&self, part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError>;
}

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Web address.
    pub url: String,
    /// Path below the mirror's root.
    pub path: String,
}

/// Input that zip archives can be read from.
pub trait ReadSeek: Read + std::io::Seek {}
impl<T: Read + std::io::Seek> ReadSeek for T {}

/// Receives what a feed holds, record by record: memory stays bounded.
pub trait Sink {
    /// An advisory about packages.
    fn advisory(&mut self, advisory: Advisory);
    /// Knowledge about one vulnerability; several calls for one id are joined field by field.
    fn enrichment(&mut self, id: &str, enrichment: Enrichment);
    /// A remark: a record that was refused and why.
    fn note(&mut self, note: Note);
    /// Statements of a shard (empty: those that the file is the home of) that a remark says are lost.
    fn lost(&mut self, shard: &str, loss: Loss) {
        let _ = (shard, loss);
    }
}

/// Why a feed's file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The bytes cannot be read.
    #[error("reading the feed `{feed}` failed")]
    Io {
        /// Which feed.
        feed: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not of this format.
    #[error("this is no `{feed}` feed: {why}")]
    Format {
        /// Which feed.
        feed: &'static str,
        /// What is wrong.
        why: String,
    },
}
