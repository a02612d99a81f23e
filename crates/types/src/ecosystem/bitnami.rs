//! Bitnami components.

use super::{Ecosystem, join_none, lower_case, split_none};

/// Facts about Bitnami components.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "bitnami",
    label: "Bitnami components",
    purl_type: "bitnami",
    scheme: "semver",
    osv: &["Bitnami"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "rebuild from a newer Bitnami image with {name} {version}",
};
