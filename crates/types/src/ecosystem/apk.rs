//! Alpine packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Alpine packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "apk",
    label: "Alpine packages",
    purl_type: "apk",
    scheme: "apk",
    osv: &[],
    of_distribution: true,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "apk add --upgrade {name}",
};
