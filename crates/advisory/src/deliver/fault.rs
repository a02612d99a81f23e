//! What can be wrong with a file of published data, and why a whole delivery failed.

use std::io;

/// Why one file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The carrier or the system refused.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is no such file.
    #[error("it is not there")]
    Missing,
    /// The bytes are not those that were published.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// More than is ever sound.
    #[error("it is damaged: {what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        bytes_max: u64,
    },
    /// Made by a later version of the program in a way that this one cannot read.
    #[error(
        "it was made for a later version of seaworthy (format {found}; this program reads format {known}): update the program"
    )]
    Newer {
        /// Format of the file.
        found: u32,
        /// Format of this program.
        known: u32,
    },
    /// The rules of trust forbid it.
    #[error(transparent)]
    Refused(#[from] super::trust::Refusal),
}

/// A file whose bytes are not what they should be.
pub(crate) fn damaged(why: impl Into<String>) -> Fault {
    Fault::Damaged(why.into())
}

/// Why nothing was delivered. The installed data stay as they were.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// No store could give a file that can be used.
    #[error("`{file}` of the published data cannot be had: {}", told(.tried))]
    Nowhere {
        /// Name of the file.
        file: String,
        /// Each store that was asked and what was wrong.
        tried: Vec<(String, Fault)>,
    },
    /// There are no stores to ask.
    #[error("no place of published data is configured")]
    NoStores,
    /// A shard was asked for by name that the publication does not have.
    #[error("the published data have no shard `{shard}`")]
    NoSuchShard {
        /// The name.
        shard: String,
    },
    /// A depot did not take a file.
    #[error("`{file}` cannot be put into `{depot}`")]
    Put {
        /// The depot.
        depot: String,
        /// Name of the file.
        file: String,
        /// Its words.
        #[source]
        source: io::Error,
    },
    /// The data to be published or exported cannot be used.
    #[error("`{what}` cannot be published: {why}")]
    Unfit {
        /// A shard, a key, the earlier publication.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The earlier publication cannot be used as a base.
    #[error("the earlier publication cannot be used")]
    Earlier(#[source] Fault),
    /// A key that cannot be used.
    #[error("a key cannot be used: {0}")]
    Key(String),
    /// The folder of installed data.
    #[error(transparent)]
    Database(#[from] crate::Error),
}

fn told(tried: &[(String, Fault)]) -> String {
    let each: Vec<String> = tried.iter().map(|(store, fault)| format!("{store}: {fault}")).collect();
    each.join("; ")
}
