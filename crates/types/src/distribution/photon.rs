//! VMware Photon OS.

use super::{Distribution, major_minor};

/// Facts about Photon OS.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "photon",
    label: "Photon OS",
    os_ids: &["photon"],
    ecosystem: "rpm",
    purl_namespace: "vmware",
    vendors: &["vmware", "broadcom"],
    release: |os| major_minor(&os.version_id),
    osv: &["Photon OS"],
    osv_release: major_minor,
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
