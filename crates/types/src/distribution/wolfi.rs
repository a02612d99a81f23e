//! Wolfi: one rolling release.

use super::Distribution;

/// Facts about Wolfi.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "wolfi",
    label: "Wolfi",
    os_ids: &["wolfi"],
    ecosystem: "apk",
    purl_namespace: "wolfi",
    vendors: &[],
    release: |_| Some(super::ROLLING.into()),
    osv: &["Wolfi"],
    osv_release: |_| Some(super::ROLLING.into()),
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
