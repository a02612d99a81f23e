//! R packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about R packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "cran",
    label: "R packages",
    purl_type: "cran",
    scheme: "generic",
    osv: &["CRAN"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "install.packages('{name}')",
};
