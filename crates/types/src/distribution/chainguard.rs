//! Chainguard: one rolling release.

use super::Distribution;

/// Facts about Chainguard.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "chainguard",
    label: "Chainguard",
    os_ids: &["chainguard"],
    ecosystem: "apk",
    purl_namespace: "chainguard",
    vendors: &[],
    release: |_| Some(super::ROLLING.into()),
    osv: &["Chainguard"],
    osv_release: |_| Some(super::ROLLING.into()),
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
