//! Amazon Linux; not in OSV.

use super::{Distribution, major};

/// Facts about Amazon Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "amazon",
    label: "Amazon Linux",
    os_ids: &["amzn"],
    ecosystem: "rpm",
    purl_namespace: "amazon",
    vendors: &["amazon"],
    release: |os| match major(os) {
        // The first generation is versioned by month: `2018.03`.
        Some(year) if year.starts_with("201") => Some("1".into()),
        release => release,
    },
    osv: &[],
    osv_release: |_| None,
    end_of_life: &[("1", "2023-12-31"), ("2", "2026-06-30"), ("2023", "2029-06-30")],
    data_by_binary: true,
    subscription: None,
};
