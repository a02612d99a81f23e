//! Rocky Linux.

use super::{Distribution, leading_major, major};

/// Facts about Rocky Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "rocky",
    label: "Rocky Linux",
    os_ids: &["rocky"],
    ecosystem: "rpm",
    purl_namespace: "rocky",
    vendors: &["rocky"],
    release: major,
    osv: &["Rocky Linux"],
    osv_release: leading_major,
    end_of_life: &[("8", "2029-05-31"), ("9", "2032-05-31"), ("10", "2035-05-31")],
    // OSV schema: "the `name` is the name of the source package".
    data_by_binary: false,
    subscription: None,
};
