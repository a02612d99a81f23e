//! MinimOS: one rolling release.

use super::Distribution;

/// Facts about MinimOS.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "minimos",
    label: "MinimOS",
    os_ids: &["minimos"],
    ecosystem: "apk",
    purl_namespace: "minimos",
    vendors: &[],
    release: |_| Some(super::ROLLING.into()),
    osv: &["MinimOS"],
    osv_release: |_| Some(super::ROLLING.into()),
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
