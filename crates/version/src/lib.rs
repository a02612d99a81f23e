//! Version orders, one per scheme. A scheme knows nothing of packages or advisories.
//!
//! Every order is total on the texts it accepts (the one exception, Maven's, is described in its
//! file), takes time linear in the length of both texts, and reads numbers of any length. An empty
//! text is no version of any scheme; the `0` that advisories use for "from the beginning" is the
//! business of the caller.

pub mod scheme;

mod semantic;
mod text;

use std::cmp::Ordering;

pub use scheme::{Invalid, Scheme, by_name};

/// Compares two versions by the scheme of this name; an unknown scheme or an unreadable version is
/// an error, so that nobody takes it for an answer.
pub fn compare(scheme: &str, a: &str, b: &str) -> Result<Ordering, Invalid> {
    match by_name(scheme) {
        Some(found) => (found.compare)(a, b),
        None => Err(text::invalid(UNKNOWN_SCHEME, scheme)),
    }
}

/// Whether the scheme of this name exists and can read the text.
pub fn is_valid(scheme: &str, text: &str) -> bool {
    by_name(scheme).is_some_and(|found| (found.is_valid)(text))
}

/// What [`Invalid::scheme`] says when the scheme itself is unknown; the text is then its name.
pub const UNKNOWN_SCHEME: &str = "(unknown scheme)";
