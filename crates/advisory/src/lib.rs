//! Feed bytes to advisories; the memory-mapped, sharded vulnerability database.

pub mod feed;
mod intake;
mod lookup;

pub use lookup::{Lookup, LookupError, Record, Vulnerability};
