//! BellSoft Alpaquita Linux: numbered releases and `stream`.

use super::Distribution;

/// Facts about Alpaquita Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "alpaquita",
    label: "Alpaquita Linux",
    os_ids: &["alpaquita"],
    ecosystem: "apk",
    purl_namespace: "alpaquita",
    vendors: &[],
    release: |os| super::word(&os.version_id),
    osv: &["Alpaquita"],
    osv_release: super::word,
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
