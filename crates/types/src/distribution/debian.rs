//! Debian.

use super::{Distribution, leading_major};

/// Facts about Debian.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "debian",
    label: "Debian",
    os_ids: &["debian"],
    ecosystem: "deb",
    purl_namespace: "debian",
    vendors: &[],
    // Testing and unstable images have no VERSION_ID but a code name.
    release: |os| leading_major(&os.version_id).or_else(|| release_of_codename(&os.codename).map(Into::into)),
    osv: &["Debian"],
    osv_release: |rest| leading_major(rest).or_else(|| release_of_codename(rest).map(Into::into)),
    // End of long-term support, which is free of charge.
    end_of_life: &[
        ("7", "2018-05-31"),
        ("8", "2020-06-30"),
        ("9", "2022-06-30"),
        ("10", "2024-06-30"),
        ("11", "2026-08-31"),
        ("12", "2028-06-30"),
        ("13", "2030-06-30"),
    ],
    data_by_binary: false,
    subscription: None,
};

/// Release number of a code name, as the security tracker names releases.
pub fn release_of_codename(codename: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 10] = [
        ("wheezy", "7"),
        ("jessie", "8"),
        ("stretch", "9"),
        ("buster", "10"),
        ("bullseye", "11"),
        ("bookworm", "12"),
        ("trixie", "13"),
        ("forky", "14"),
        ("duke", "15"),
        ("sid", "unstable"),
    ];
    NAMES.iter().find(|(name, _)| *name == codename).map(|(_, release)| *release)
}
