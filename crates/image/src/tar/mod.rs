//! Our own tar reading: layers are hostile, and the rules for what counts are Docker's.

pub(crate) mod extended;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod path;
