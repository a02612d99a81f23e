//! Ubuntu.

use super::{Distribution, Subscription, major_minor};

/// Facts about Ubuntu.
pub const DISTRIBUTION: Distribution = Distribution {
    id: "ubuntu",
    label: "Ubuntu",
    os_ids: &["ubuntu"],
    ecosystem: "deb",
    purl_namespace: "ubuntu",
    vendors: &[],
    release: |os| major_minor(&os.version_id),
    osv: &["Ubuntu"],
    osv_release,
    // End of standard support.
    end_of_life: &[
        ("14.04", "2019-04-25"),
        ("16.04", "2021-04-30"),
        ("18.04", "2023-05-31"),
        ("20.04", "2025-05-31"),
        ("22.04", "2027-06-01"),
        ("23.10", "2024-07-11"),
        ("24.04", "2029-05-31"),
        ("24.10", "2025-07-10"),
        ("25.04", "2026-01-15"),
        ("25.10", "2026-07-01"),
        ("26.04", "2031-05-31"),
    ],
    data_by_binary: false,
    subscription: Some(&PRO),
};

/// Ubuntu Pro: security updates of universe, and of main after the end of standard support.
const PRO: Subscription = Subscription {
    label: "Ubuntu Pro",
    release: |release| format!("pro-{release}"),
    marks: &["+esm", "~esm"],
};

/// `22.04:LTS`, `24.10`. Ubuntu Pro needs a subscription, so that its fixes are data of their own:
/// `Pro:18.04:LTS` → `pro-18.04`. Its FIPS and real-time variants are kernels and modules of other
/// products.
fn osv_release(rest: &str) -> Option<String> {
    let mut parts = rest.split(':');
    match parts.next()? {
        "Pro" => {
            let release = major_minor(parts.next()?)?;
            matches!((parts.next(), parts.next()), (None | Some("LTS"), None))
                .then(|| format!("pro-{release}"))
        }
        release => major_minor(release),
    }
}
