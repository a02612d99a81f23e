//! Findings and facts → verdict. Pure: everything comes in as an argument.
//!
//! The default rule: no, when something is known to be exploited, or is high or critical and has a
//! fix. Unknown severity counts as over any threshold unless configured otherwise.

mod ignore;
mod rule;

pub use ignore::{Accepted, FileError, IgnoreFile, Ignored};
pub use rule::{Applied, FailOn, Filter, Policy, apply};
