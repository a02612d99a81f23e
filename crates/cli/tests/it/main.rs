//! The whole program, end to end: the real binary on images made on the spot, with folders of its own.
//!
//! What it does not do: live feeds, network beyond the loopback, the user's own folders.

mod caching;
mod conditional;
mod data;
mod database;
mod delivery;
mod digests;
mod disks;
mod engine;
mod engines;
mod faults;
mod hostile;
mod jail;
mod lab;
mod memory;
mod outputs;
mod own_image;
mod pull;
mod real_registry;
mod registry;
mod roundtrip;
mod several;
mod stores;
mod targets;
mod terminal;
mod updates;
mod verdicts;
mod verify_self;
mod web;
