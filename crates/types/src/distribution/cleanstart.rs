//! CleanStart: one rolling release.

use super::Distribution;

/// Facts about CleanStart.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "cleanstart",
    label: "CleanStart",
    os_ids: &["cleanstart"],
    ecosystem: "apk",
    purl_namespace: "cleanstart",
    vendors: &[],
    release: |_| Some(super::ROLLING.into()),
    osv: &["CleanStart"],
    osv_release: |_| Some(super::ROLLING.into()),
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
