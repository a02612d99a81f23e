//! The pipeline: one call from artifact to report. Knows no terminal and no server.
//!
//! read (in a locked child, [`jail`] and [`reader`]) → assemble → [`identify`] → match → policy →
//! report. Layer results are kept in the [`cache`].

pub mod cache;
mod error;
mod homes;
pub mod identify;
pub mod jail;
mod lanes;
mod open;
mod pipeline;
mod progress;
pub mod protocol;
mod read;
pub mod reader;
mod root;
mod wire;

pub use cache::Cache;
pub use error::Error;
pub use lanes::{Archive, Elsewhere, Made, Near};
pub use open::{Opened, TargetSpec, open};
pub use pipeline::{Contents, Fresh, Isolation, REPORT_SCHEMA, Refresh, Request, contents, scan};
pub use progress::{Progress, Silent};
