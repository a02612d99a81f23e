//! The only crate that dials out: feed downloads.
