//! Files to facts, facts to an inventory of packages.
//!
//! `cataloguer/*.rs` hold the units. [`read`] runs them over one layer, purely; [`assemble`] lays
//! the layers over one another and lets each unit turn its facts into packages. Knows nothing of
//! advisories or databases.

pub mod assemble;
mod bytes;
pub mod cataloguer;
mod component;
pub(crate) mod database;
pub(crate) mod declared;
mod executable;
pub mod json;
pub mod loose;
mod own;
pub mod paths;
pub(crate) mod python_lock;
pub mod read;
pub mod sbom;
pub mod table;
pub(crate) mod third_party;
mod toml_parts;
pub(crate) mod xml;
mod zip;

pub use assemble::{assemble, assemble_within};
pub use cataloguer::{Cataloguer, Facts, File, Pattern, Target};
pub use read::{LayerFacts, LayerReader};
