//! Echo: one rolling release.

use super::Distribution;

/// Facts about Echo.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "echo",
    label: "Echo",
    os_ids: &["echo"],
    ecosystem: "deb",
    purl_namespace: "echo",
    vendors: &[],
    release: |_| Some(super::ROLLING.into()),
    osv: &["Echo"],
    osv_release: |_| Some(super::ROLLING.into()),
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
