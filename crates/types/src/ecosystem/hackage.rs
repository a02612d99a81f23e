//! Haskell packages.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Haskell packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "hackage",
    label: "Haskell packages",
    purl_type: "hackage",
    scheme: "generic",
    osv: &["Hackage"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "set {name} >= {version} in the cabal file",
};
