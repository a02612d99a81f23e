//! Julia packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Julia packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "julia",
    label: "Julia packages",
    purl_type: "julia",
    scheme: "semver",
    osv: &["Julia"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "Pkg.add(name=\"{name}\", version=\"{version}\")",
};
