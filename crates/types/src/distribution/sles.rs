//! SUSE Linux Enterprise.

use super::Distribution;

/// Facts about SUSE Linux Enterprise.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "sles",
    label: "SUSE Linux Enterprise",
    os_ids: &["sles", "sles_sap", "sle_hpc", "sled"],
    ecosystem: "rpm",
    purl_namespace: "suse",
    vendors: &["suse", "opensuse"],
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
    subscription: None,
};

/// `Linux Enterprise Module for Basesystem 15 SP5` → `15.5`, `Linux Enterprise Server 16.0` →
/// `16.0`. Products with version numbers of their own (Micro, Manager) are other systems. Package
/// Hub is an add-on whose packages are installed beside those of the same service pack.
fn service_pack(product: &str) -> Option<String> {
    let other = product.contains(" Micro");
    if other || !(product.contains("Linux Enterprise") || product.starts_with("Package Hub")) {
        return None;
    }
    let mut words = product.split([' ', '-', ':']).filter(|w| !w.is_empty());
    let number = |w: &&str| w.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let major = words.find(number)?;
    match words.next().and_then(|w| w.strip_prefix("SP")) {
        Some(pack) if !pack.is_empty() && pack.bytes().all(|b| b.is_ascii_digit()) => {
            Some(format!("{major}.{pack}"))
        }
        _ => Some(major.to_owned()),
    }
}
