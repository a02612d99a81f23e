//! Registries: OCI distribution 1.1 and Docker's registry API v2, reading and pushing. Manifests, blobs, tags and
//! referrers come as verified bytes; what they mean is not known here. Nothing is written to disk, and
//! nothing is sent unless a caller asks for an image or pushes one.
//!
//! Who gets a login: the registry (or mirror) it belongs to, and the login server that one names, over
//! https. No redirect carries it to another host, no error or `Debug` text holds it.

mod blob;
pub(crate) mod cause;
mod challenge;
mod client;
mod credential;
pub(crate) mod error;
pub(crate) mod guard;
mod helper;
mod hosts;
mod keyring;
mod listing;
mod manifest;
pub mod media;
mod options;
pub(crate) mod place;
mod push;
pub(crate) mod redirect;
mod secret;
pub(crate) mod send;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::testing;
mod trust;
pub(crate) mod url;
mod world;

pub use blob::{BlobReader, Progress, error_of};
pub use cause::Cause;
pub use client::Client;
pub use error::Error;
pub use listing::{Listed, Referrers, Way};
pub use manifest::{Descriptor, Manifest, Names};
pub use options::{Options, Patience, Proxies};
pub use push::{BlobPushed, ManifestPushed, Subject};
pub use secret::{Credential, Secret};
pub use world::{HelperOutput, System, World};
