//! RPM packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about RPM packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "rpm",
    label: "RPM packages",
    purl_type: "rpm",
    scheme: "rpm",
    osv: &[],
    of_distribution: true,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "dnf upgrade {name}",
};
