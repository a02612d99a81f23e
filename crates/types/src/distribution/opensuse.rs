//! openSUSE Leap and Tumbleweed.

use super::{Distribution, major_minor};

/// Facts about openSUSE.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "opensuse",
    label: "openSUSE",
    os_ids: &["opensuse-leap", "opensuse-tumbleweed", "opensuse"],
    ecosystem: "rpm",
    purl_namespace: "opensuse",
    vendors: &["opensuse", "suse"],
    release: |os| match os.id.as_str() {
        "opensuse-tumbleweed" => Some("tumbleweed".into()),
        _ => major_minor(&os.version_id),
    },
    osv: &["openSUSE"],
    osv_release: |rest| match rest.strip_prefix("Leap ") {
        Some(version) => major_minor(version),
        None => (rest == "Tumbleweed").then(|| "tumbleweed".into()),
    },
    end_of_life: &[
        ("15.3", "2022-12-31"),
        ("15.4", "2023-12-07"),
        ("15.5", "2024-12-31"),
        ("15.6", "2026-04-30"),
        ("16.0", "2027-10-31"),
    ],
    data_by_binary: true,
    subscription: None,
};
