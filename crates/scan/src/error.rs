//! Why a scan could not run.

use std::io;
use std::path::PathBuf;

/// A scan that gives no report. Each text says what, where and what to try.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The target does not exist or cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing of that name.
    #[error(
        "cannot open `{}`: No such file or directory. An image that an engine holds: docker:NAME (podman:, \
         containerd:, crio:). One in a registry: registry:NAME",
        path.display()
    )]
    Missing {
        /// Which path.
        path: PathBuf,
    },
    /// The target's name or kind makes no sense.
    #[error("{0}")]
    Target(String),
    /// The image or SBOM is damaged, hostile or of an unknown kind.
    #[error("`{}` cannot be scanned: {what}", path.display())]
    Read {
        /// Which target.
        path: PathBuf,
        /// What is wrong with it, and what to try.
        what: String,
    },
    /// The parsing process could not be started or died.
    #[error("the parsing process failed: {what}")]
    Child {
        /// What happened to it.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}
