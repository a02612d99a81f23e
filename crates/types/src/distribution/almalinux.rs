//! AlmaLinux.

use super::{Distribution, leading_major, major};

/// Facts about AlmaLinux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "almalinux",
    label: "AlmaLinux",
    os_ids: &["almalinux"],
    ecosystem: "rpm",
    purl_namespace: "almalinux",
    vendors: &["almalinux"],
    release: major,
    osv: &["AlmaLinux"],
    osv_release: leading_major,
    end_of_life: &[("8", "2029-03-01"), ("9", "2032-05-31"), ("10", "2035-05-31")],
    data_by_binary: true,
    subscription: None,
};
