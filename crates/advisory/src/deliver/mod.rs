//! Delivery of data: how shards leave one machine and reach another, whatever carries the files.
//!
//! # A publication
//!
//! `index.seaworthy` ([`signed`], [`payload`]) and `files/<SHA-256 of the file>`: nothing else, so that any
//! server of files carries it. For each shard there is a file with all records ([`full`]) and files that
//! lead to them from those of the last days ([`delta`]). What counts is the content digest over canonical
//! records ([`record`]), which the signed index names: whatever file brought them, and whether it was a delta
//! or the whole, the records that are installed come to that digest or nothing is installed.
//!
//! # The way
//!
//! [`Publish`]: installed shards ([`installed`]) → canonical records → files → a [`Depot`]; the index last.
//! [`Fetch`]: the index out of the first [`Store`] that has a good one ([`trust`]) → only what is not installed
//! yet → records, checked and hashed ([`spool`]) → the shard's file by the writer that builds use
//! ([`rebuild`]), read back and compared → one atomic switch (`install`). [`export`] and [`Bundle`]: the same
//! in one file.
//!
//! # Evolution
//!
//! Older programs read newer data, and pass them on unchanged. Free to add, and stepped over or kept by those
//! who do not know them: keys in the index's JSON, lines of signatures with more than two words, kinds of
//! shards, kinds of records above [`record::LAST_KNOWN`], tags in the `extra` lists of stored values.
//! Records of unknown kinds and unknown tags count in the content digest and stay in the installed file
//! (section `MORE`, and verbatim values), so that the same digest comes out again. The values of kinds 4 and 5
//! (scores) have no list of tags: what is new about scores becomes a kind of record of its own.
//!
//! Raises the format ([`FORMAT`], in the head of the index and of each file): anything that an older program
//! would misread, such as another meaning, another order, another rule of keys, a new part of a file, a
//! larger window of zstd. Programs that do not know a format refuse it and say to update the program. Numbers
//! of kinds, parts and tags are never used twice. `tests/frozen` holds publications that must always be
//! read; its files are never made again.
//!
//! # Bounds
//!
//! | what | at most |
//! |---|---|
//! | index file, unpacked | 8 MiB ([`INDEX_BYTES_MAX`]), 64 MiB |
//! | shards, deltas of one | 8,192, 512 |
//! | any other file | 2 GiB ([`fetch::FILE_BYTES_MAX`]) |
//! | records of a shard | 4 GiB ([`record::SHARD_BYTES_MAX`]), 64 million; and no more bytes than the index names |
//! | key, value of a record | 8 KiB, 16 MiB |
//! | window of a zstd frame | 32 MiB |
//! | scores | 8 million |
//! | records of unknown kinds of one shard | 64 MiB |
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
