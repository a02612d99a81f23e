//! A report to bytes in any format. Does not know how reports are made.

pub mod format;
mod identity;
mod licence;
pub mod summary;
pub mod text;
mod view;

pub use format::{Format, FormatError, Options, by_name};
