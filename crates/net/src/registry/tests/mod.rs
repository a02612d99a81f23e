//! The client against a server that misbehaves on purpose, in a world without real pauses, environment or
//! files. Each fault must give its message, in bounded time.

mod faults;
mod lists;
mod login;
mod logins_found;
mod mirrors;
mod noise;
mod push;
mod server;
mod transfer;
pub(super) mod world;

/// The server and the world for the tests of what else dials out.
pub(crate) mod testing {
    pub(crate) use super::server::{Seen, Server, Wire};
    pub(crate) use super::world::{Fake, options};
}
