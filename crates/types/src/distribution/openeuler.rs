//! openEuler: releases are named by month, support kind and service pack (`22.03-LTS-SP3`).

use super::{Distribution, word};

/// Facts about openEuler.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "openeuler",
    label: "openEuler",
    os_ids: &["openEuler"],
    ecosystem: "rpm",
    purl_namespace: "openeuler",
    vendors: &["openeuler", "http://openeuler.org", "https://openeuler.org"],
    // VERSION_ID lacks the service pack; PRETTY_NAME is `openEuler 22.03 (LTS-SP3)`.
    release: |os| {
        let version = word(&os.version_id)?;
        let (_, rest) = os.pretty_name.split_once('(')?;
        let kind = rest.split(')').next().and_then(word)?;
        Some(format!("{version}-{kind}"))
    },
    osv: &["openEuler"],
    osv_release: word,
    end_of_life: &[],
    data_by_binary: false,
    subscription: None,
};
