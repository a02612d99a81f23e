//! Bioconductor packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Bioconductor packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "bioconductor",
    label: "Bioconductor packages",
    purl_type: "bioconductor",
    scheme: "generic",
    osv: &["Bioconductor"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "BiocManager::install('{name}')",
};
