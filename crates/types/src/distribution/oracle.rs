//! Oracle Linux; its advisories repackaged for OSV name it `Oracle Linux`.

use super::{Distribution, leading_major, major};

/// Facts about Oracle Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "oracle",
    label: "Oracle Linux",
    os_ids: &["ol"],
    ecosystem: "rpm",
    purl_namespace: "oracle",
    vendors: &["oracle"],
    release: major,
    osv: &["Oracle Linux"],
    osv_release: leading_major,
    end_of_life: &[
        ("6", "2021-03-31"),
        ("7", "2024-12-31"),
        ("8", "2029-07-31"),
        ("9", "2032-06-30"),
        ("10", "2035-06-30"),
    ],
    data_by_binary: true,
    subscription: None,
};
