//! BellSoft Hardened Containers: numbered releases and `stream`.

use super::Distribution;

/// Facts about BellSoft Hardened Containers.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "bellsoft",
    label: "BellSoft Hardened Containers",
    os_ids: &["bellsoft-hardened-containers"],
    ecosystem: "apk",
    purl_namespace: "bellsoft-hardened-containers",
    vendors: &[],
    release: |os| super::word(&os.version_id),
    osv: &["BellSoft Hardened Containers"],
    osv_release: super::word,
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
