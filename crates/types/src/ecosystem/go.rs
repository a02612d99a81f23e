//! Go modules.

use super::{Ecosystem, as_written, join_slash, split_slash};

/// Facts about Go modules.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "go",
    label: "Go modules",
    purl_type: "golang",
    scheme: "go",
    osv: &["Go"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "go get {name}@v{version}",
};
