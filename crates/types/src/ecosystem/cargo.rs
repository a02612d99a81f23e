//! Rust crates.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Rust crates.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "cargo",
    label: "Rust crates",
    purl_type: "cargo",
    scheme: "semver",
    osv: &["crates.io"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "cargo update -p {name} --precise {version}",
};
