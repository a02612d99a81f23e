//! Feed bytes to advisories; the memory-mapped, sharded vulnerability database.

pub mod build;
pub mod database;
pub mod deliver;
pub mod feed;
pub mod import;
pub mod install;
mod intake;
mod lookup;
mod loss;
mod starter;

pub use database::{Database, Index};
pub use lookup::{Lookup, LookupError, Record, Vulnerability};
pub use loss::{Loss, LostOf};
pub use starter::{STARTER_REMARK, Starter};

use std::path::PathBuf;

/// Why a database could not be opened or built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("{what} `{path}` failed")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The index cannot be used.
    #[error("the index of the vulnerability data `{path}` cannot be used ({why}); run `seaworthy db update`")]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else changes the folder.
    #[error("another program is updating the vulnerability data in `{path}`; try again when it has finished")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest beside the feeds cannot be used.
    #[error("the manifest `{path}` cannot be used ({why})")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No feed claims any of the files, or none held a record.
    #[error("there is nothing to import: no file that a feed knows and that holds a record")]
    NothingToImport,
}
