//! Whose rpm packages are a distribution's own: the vendors they name.
//!
//! The rule: where the distribution's vendors are known, a package that names another vendor is of
//! a third party (so EPEL's packages within RHEL are). No vendor, or an unknown distribution, proves
//! nothing.

/// `ID` of os-release(5), and how the vendors of its own packages start, in lower case.
const VENDORS: &[(&str, &[&str])] = &[
    ("almalinux", &["almalinux"]),
    ("amzn", &["amazon"]),
    ("anolis", &["anolis", "openanolis", "alibaba"]),
    ("azurelinux", &["microsoft"]),
    ("centos", &["centos"]),
    ("cloudlinux", &["cloudlinux", "almalinux", "centos"]),
    ("fedora", &["fedora"]),
    ("mageia", &["mageia"]),
    ("mariner", &["microsoft"]),
    ("ol", &["oracle"]),
    ("openEuler", &["openeuler", "http://openeuler.org", "https://openeuler.org"]),
    ("opensuse", &["opensuse", "suse"]),
    ("opensuse-leap", &["opensuse", "suse"]),
    ("opensuse-microos", &["opensuse", "suse"]),
    ("opensuse-tumbleweed", &["opensuse", "suse"]),
    ("photon", &["vmware", "broadcom"]),
    ("rhel", &["red hat"]),
    ("rocky", &["rocky"]),
    ("scientific", &["scientific linux"]),
    ("sle-micro", &["suse", "opensuse"]),
    ("sle_hpc", &["suse", "opensuse"]),
    ("sled", &["suse", "opensuse"]),
    ("sles", &["suse", "opensuse"]),
    ("sles_sap", &["suse", "opensuse"]),
    ("sl-micro", &["suse", "opensuse"]),
    ("suse-microos", &["suse", "opensuse"]),
];

/// The evidence that a package with this vendor is not of the distribution `os`.
pub fn stranger(vendor: &str, os: &str) -> Option<String> {
    let (_, own) = VENDORS.iter().find(|(id, _)| *id == os)?;
    let lower = vendor.to_lowercase();
    let known = lower.is_empty() || own.iter().any(|start| lower.starts_with(start));
    (!known).then(|| format!("vendor {vendor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors() {
        for (vendor, os, strange) in [
            ("Red Hat, Inc.", "rhel", false),
            ("Fedora Project", "rhel", true),
            ("SUSE LLC <https://www.suse.com/>", "sles", false),
            ("", "rhel", false),
            ("Anyone", "unknown-system", false),
            ("NGINX Packaging <nginx-packaging@f5.com>", "rocky", true),
        ] {
            assert_eq!(stranger(vendor, os).is_some(), strange, "{vendor} in {os}");
        }
    }
}
