//! Alpine Linux.

use super::{Distribution, major_minor};

/// Facts about Alpine Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "alpine",
    label: "Alpine Linux",
    os_ids: &["alpine"],
    ecosystem: "apk",
    purl_namespace: "alpine",
    vendors: &[],
    // Edge images carry the version of the next release with a date or `_alpha` behind it.
    release: |os| match os.version_id.as_str() {
        edge if edge.contains("_alpha") || edge.contains("edge") => Some("edge".into()),
        version => major_minor(version),
    },
    osv: &["Alpine"],
    osv_release: |rest| match rest {
        "edge" => Some("edge".into()),
        version => major_minor(version.strip_prefix('v').unwrap_or(version)),
    },
    end_of_life: &[
        ("3.11", "2021-11-01"),
        ("3.12", "2022-05-01"),
        ("3.13", "2022-11-01"),
        ("3.14", "2023-05-01"),
        ("3.15", "2023-11-01"),
        ("3.16", "2024-05-23"),
        ("3.17", "2024-11-22"),
        ("3.18", "2025-05-09"),
        ("3.19", "2025-11-01"),
        ("3.20", "2026-04-01"),
        ("3.21", "2026-11-01"),
        ("3.22", "2027-05-01"),
        ("3.23", "2027-11-01"),
        ("3.24", "2028-05-01"),
    ],
    data_by_binary: false,
    subscription: None,
};
