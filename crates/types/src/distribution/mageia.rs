//! Mageia.

use super::{Distribution, leading_major, major};

/// Facts about Mageia.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "mageia",
    label: "Mageia",
    os_ids: &["mageia"],
    ecosystem: "rpm",
    purl_namespace: "mageia",
    vendors: &["mageia"],
    release: major,
    osv: &["Mageia"],
    osv_release: leading_major,
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
