//! The schemes. Each file names the specification it follows.

use std::cmp::Ordering;

// tidy:begin

/// Every scheme, sorted by name.
pub const ALL: &[&Scheme] = &[];
// tidy:end

/// One version order.
pub struct Scheme {
    /// Stable name: `dpkg`, `rpm`, `pep440`.
    pub name: &'static str,
    /// Compares two versions; `Err` names the text that the scheme cannot read.
    pub compare: fn(&str, &str) -> Result<Ordering, Invalid>,
    /// Whether the scheme can read the text.
    pub is_valid: fn(&str) -> bool,
}

/// A text that is no version of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {scheme} version")]
pub struct Invalid {
    /// The text, clipped to 120 characters.
    pub text: String,
    /// Name of the scheme.
    pub scheme: &'static str,
}

/// The scheme with this name.
pub fn by_name(name: &str) -> Option<&'static Scheme> {
    ALL.iter().copied().find(|scheme| scheme.name == name)
}
