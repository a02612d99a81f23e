//! components of the Haskell compiler.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about components of the Haskell compiler.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "ghc",
    label: "components of the Haskell compiler",
    purl_type: "ghc",
    scheme: "generic",
    osv: &["GHC"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "ghcup install ghc {version}",
};
