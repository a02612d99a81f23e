//! Delivery of data: how shards leave one machine and reach another, whatever carries the files.
//!
//! What it does not do: dial out (carriers live in `net`), read the clock, find randomness.

pub mod body;
pub mod bundle;
pub mod delta;
pub mod fault;
pub mod fetch;
pub mod full;
pub mod history;
pub mod installed;
pub mod key;
pub mod payload;
pub mod publish;
pub mod rebuild;
pub mod record;
pub mod scores;
pub mod signed;
pub mod spool;
pub mod store;
pub mod trust;

pub use bundle::{Bundle, BundleChoice, Bundled, export};
pub use fault::{DeliverError, Fault};
pub use fetch::{Choice, Fetch, FetchProgress, Fetched, FetchedShard, How};
pub use key::{PrivateKey, PublicKey, Trusted, make_key};
pub use payload::{FORMAT, FileRef, MAIN, Payload, PublishedShard};
pub use publish::{EARLIER_DAYS, LIFETIME_SECONDS, Publish, Published, PublishedFiles};
pub use signed::{INDEX_BYTES_MAX, SignedIndex, Unsigned};
pub use store::{Depot, Folder, INDEX_NAME, Store, file_name, sha256_of_name};
pub use trust::{Expired, Refusal, Seen};

use std::path::Path;

/// Of these shards those that the publication, from which a folder's data were fetched, has and that are
/// not installed. Empty when nothing was ever fetched.
pub fn missing(database: &Path, shards: &[String]) -> Result<Vec<String>, crate::Error> {
    let publication = crate::Index::read(database)?.and_then(|(index, _)| index.publication);
    let missing = publication.map(|publication| publication.missing).unwrap_or_default();
    Ok(missing.into_iter().filter(|shard| shards.contains(shard)).collect())
}
