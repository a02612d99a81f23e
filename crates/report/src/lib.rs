//! A report to bytes in any format. Does not know how reports are made.

pub mod format;
mod identity;
mod licence;
mod text;
mod view;

pub use format::{Format, FormatError, Options, by_name};
