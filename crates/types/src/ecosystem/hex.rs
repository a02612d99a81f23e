//! Hex packages.

use super::{Ecosystem, join_none, lower_case, split_none};

/// Facts about Hex packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "hex",
    label: "Hex packages",
    purl_type: "hex",
    scheme: "semver",
    osv: &["Hex"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "mix deps.update {name}",
};
