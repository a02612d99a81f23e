//! PHP Composer packages.

use super::{Ecosystem, join_slash, lower_case, split_slash};

/// Facts about PHP Composer packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "composer",
    label: "PHP Composer packages",
    purl_type: "composer",
    scheme: "composer",
    osv: &["Packagist"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "composer require {name}:^{version}",
};
