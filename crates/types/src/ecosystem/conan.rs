//! Conan packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Conan packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "conan",
    label: "Conan packages",
    purl_type: "conan",
    scheme: "generic",
    osv: &["ConanCenter"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "set {name}/{version} in conanfile.txt",
};
