//! Dart packages; named so because `pub` is a word of Rust.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Dart packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "dart",
    label: "Dart packages",
    purl_type: "pub",
    scheme: "semver",
    osv: &["Pub"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "dart pub upgrade {name}",
};
