//! The seaworthy command.
fn main() {}
