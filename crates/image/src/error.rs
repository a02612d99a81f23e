//! The one error of this crate: what was tried, on what, and what to try next.

use seaworthy_types::{Digest, Platform};
use std::io;

/// Why a target could not be opened or a layer not be walked. After an error nothing that came
/// from the layer may be believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot read {what}: {source}")]
    Io {
        /// What was read.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The bytes are no image archive or layout.
    #[error("{what} is no image: {detail}")]
    NotAnImage {
        /// What was opened.
        what: String,
        /// What was found instead, and what to try.
        detail: String,
    },
    /// The bytes are known for what they are, and are not read.
    #[error("{what} cannot be read: {detail}")]
    Refused {
        /// What was opened.
        what: String,
        /// What it is, and what to try.
        detail: String,
    },
    /// A part of the image contradicts its format.
    #[error("{what} is broken: {detail}")]
    Broken {
        /// The part: a manifest, a layer, the archive.
        what: String,
        /// What is wrong, and what to try.
        detail: String,
    },
    /// A part that the image lists is not there.
    #[error("{what} is listed but missing from the image: {detail}")]
    Missing {
        /// The part.
        what: String,
        /// Where it was looked for, and what to try.
        detail: String,
    },
    /// The bytes do not have the digest that the image claims.
    #[error(
        "{what} does not match its digest: claimed {claimed}, found {found}; the image is damaged or was tampered with, fetch it again"
    )]
    DigestMismatch {
        /// The part.
        what: String,
        /// What the image says.
        claimed: Digest,
        /// What the bytes say.
        found: Digest,
    },
    /// A bound of `Limits` was reached.
    #[error("{what} goes over the limit {limit} = {value}; raise it only if you trust the image")]
    Limit {
        /// The part.
        what: String,
        /// Name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Several images and no choice made.
    #[error("there are {} images: {}; choose one by name or digest", offered.len(), offered.join(", "))]
    SeveralImages {
        /// Names or digests of what is there, sorted.
        offered: Vec<String>,
    },
    /// The chosen name is not there.
    #[error("there is no image `{wished}`; there is: {}", offered.join(", "))]
    NoSuchImage {
        /// The choice.
        wished: String,
        /// Names or digests of what is there, sorted.
        offered: Vec<String>,
    },
    /// The wished platform is not there.
    #[error("there is no image for {wished}; there is: {}; choose one with --platform", offered.join(", "))]
    NoSuchPlatform {
        /// The wish.
        wished: Platform,
        /// Platforms that are there, sorted.
        offered: Vec<String>,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
    pub(crate) fn broken(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Broken { what: what.into(), detail: detail.into() }
    }
    pub(crate) fn missing(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Missing { what: what.into(), detail: detail.into() }
    }
    pub(crate) fn limit(what: impl Into<String>, limit: &'static str, value: u64) -> Self {
        Self::Limit { what: what.into(), limit, value }
    }
}
