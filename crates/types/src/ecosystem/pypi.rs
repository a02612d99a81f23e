//! Python packages; names by PEP 503.

use super::{Ecosystem, join_none, split_none};
use std::borrow::Cow;

/// Facts about Python packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "pypi",
    label: "Python packages",
    purl_type: "pypi",
    scheme: "pep440",
    osv: &["PyPI"],
    of_distribution: false,
    normalise,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "pip install '{name}>={version}'",
};

/// Runs of `-`, `_` and `.` become one hyphen, letters lower case (PEP 503, "Normalized Names").
fn normalise(name: &str) -> Cow<'_, str> {
    let mut canonical = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !canonical.is_empty() {
            canonical.push('-');
        }
        canonical.push_str(&part.to_ascii_lowercase());
    }
    if canonical == name { Cow::Borrowed(name) } else { Cow::Owned(canonical) }
}
