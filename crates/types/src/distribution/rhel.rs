//! Red Hat Enterprise Linux and those who ship its packages unchanged.

use super::{Distribution, leading_major, major};

/// Facts about Red Hat Enterprise Linux.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "rhel",
    label: "Red Hat Enterprise Linux",
    // CentOS Linux was rebuilt from the same sources with the same versions up to release 8.
    os_ids: &["rhel", "centos"],
    ecosystem: "rpm",
    purl_namespace: "redhat",
    // CentOS is judged by the data of RHEL: its packages are as good as RHEL's own.
    vendors: &["red hat", "centos"],
    release: major,
    osv: &["Red Hat"],
    // `enterprise_linux:9::appstream`, `rhel_eus:9.2::baseos`: minor streams are not the main one.
    osv_release: |rest| {
        let release = rest.strip_prefix("enterprise_linux:")?;
        leading_major(release)
    },
    end_of_life: &[
        ("6", "2020-11-30"),
        ("7", "2024-06-30"),
        ("8", "2029-05-31"),
        ("9", "2032-05-31"),
        ("10", "2035-05-31"),
    ],
    data_by_binary: true,
    subscription: None,
};
