//! Azure Linux and its former name CBL-Mariner.

use super::{Distribution, leading_major, major};

/// Facts about Azure Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "azurelinux",
    label: "Azure Linux",
    os_ids: &["azurelinux", "mariner"],
    ecosystem: "rpm",
    purl_namespace: "azurelinux",
    vendors: &["microsoft"],
    release: major,
    osv: &["Azure Linux"],
    osv_release: leading_major,
    end_of_life: &[("1", "2023-07-31"), ("2", "2025-07-31"), ("3", "2027-08-31")],
    data_by_binary: false,
    subscription: None,
};
