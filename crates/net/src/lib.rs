//! The only crate that dials out. Carries bytes and does not know what they mean. Nothing in here is
//! called unless a person asked for the network.

pub mod carrier;
mod download;
pub mod engine;
pub mod registry;
mod web;

pub use download::{Client, Downloaded, Error};
pub use web::{Validator, Web, WebError};
