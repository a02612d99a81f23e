//! npm packages.

use super::{Ecosystem, as_written, join_slash, split_slash};

/// Facts about npm packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "npm",
    label: "npm packages",
    purl_type: "npm",
    scheme: "npm",
    osv: &["npm"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "npm install {name}@{version}",
};
