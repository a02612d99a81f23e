//! Perl distributions.

use super::{Ecosystem, as_written, join_none, split_none};

/// Facts about Perl distributions.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "cpan",
    label: "Perl distributions",
    purl_type: "cpan",
    scheme: "generic",
    osv: &["CPAN"],
    of_distribution: false,
    normalise: as_written,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "cpanm {name}@{version}",
};
