//! Version orders, one per scheme. A scheme knows nothing of packages or advisories.

pub mod scheme;

pub use scheme::{Invalid, Scheme, by_name};
