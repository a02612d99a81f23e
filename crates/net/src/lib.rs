//! The only crate that dials out. Carries bytes and does not know what they mean. Nothing in here is
//! called unless a person asked for the network.

mod download;
pub mod engine;
pub mod registry;

pub use download::{Client, Downloaded, Error};
