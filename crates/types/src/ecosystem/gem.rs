//! Ruby gems.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Ruby gems.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "gem",
    label: "Ruby gems",
    purl_type: "gem",
    scheme: "gem",
    osv: &["RubyGems"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "bundle update {name}",
};
