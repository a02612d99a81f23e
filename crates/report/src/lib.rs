//! A report to bytes in any format. Does not know how reports are made.

pub mod format;

pub use format::{Format, FormatError, Options, by_name};
