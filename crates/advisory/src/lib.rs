//! Feed bytes to advisories; the memory-mapped, sharded vulnerability database.

pub mod feed;
mod lookup;
mod starter;

pub use lookup::{Lookup, LookupError, Record, Vulnerability};
pub use starter::{STARTER_REMARK, Starter};
