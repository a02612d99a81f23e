//! Debian packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Debian packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "deb",
    label: "Debian packages",
    purl_type: "deb",
    scheme: "dpkg",
    osv: &[],
    of_distribution: true,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "apt-get install --only-upgrade {name}",
};
