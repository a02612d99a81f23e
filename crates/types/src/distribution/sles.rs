//! SUSE Linux Enterprise.

use super::Distribution;

/// Facts about SUSE Linux Enterprise.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "sles",
    label: "SUSE Linux Enterprise",
    os_ids: &["sles", "sles_sap", "sle_hpc", "sled"],
    ecosystem: "rpm",
    purl_namespace: "suse",
    release: |os| Some(os.version_id.clone()).filter(|v| !v.is_empty()),
    osv: &["SUSE"],
    osv_release: service_pack,
    end_of_life: &[
        ("12.5", "2024-10-31"),
        ("15.3", "2022-12-31"),
        ("15.4", "2023-12-31"),
        ("15.5", "2024-12-31"),
        ("15.6", "2025-12-31"),
        ("15.7", "2031-07-31"),
    ],
    data_by_binary: true,
};

/// `Linux Enterprise Module for Basesystem 15 SP5` → `15.5`.
fn service_pack(product: &str) -> Option<String> {
    let mut words = product.split([' ', '-', ':']).filter(|w| !w.is_empty());
    if !product.contains("Linux Enterprise") {
        return None;
    }
    let major = words.find(|w| w.bytes().all(|b| b.is_ascii_digit()))?;
    match words.next().and_then(|w| w.strip_prefix("SP")) {
        Some(pack) if pack.bytes().all(|b| b.is_ascii_digit()) => Some(format!("{major}.{pack}")),
        _ => Some(major.to_owned()),
    }
}
