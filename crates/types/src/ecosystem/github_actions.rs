//! GitHub Actions.

use super::{Ecosystem, join_slash, lower_case, split_slash};

/// Facts about GitHub Actions.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "github-actions",
    label: "GitHub Actions",
    purl_type: "githubactions",
    scheme: "semver",
    osv: &["GitHub Actions"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "uses: {name}@v{version}",
};
