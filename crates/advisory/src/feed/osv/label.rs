//! Who stands behind a record, by the prefix of its id.

/// What an id's prefix says.
pub(super) struct Label {
    prefix: &'static str,
    /// Source of the record.
    pub(super) source: &'static str,
    /// Source of CVSS vectors in it: converters copy them from the CVE record, and a copy must not
    /// pass for the distribution's own word.
    pub(super) ratings: &'static str,
}

const fn own(prefix: &'static str, source: &'static str) -> Label {
    Label { prefix, source, ratings: source }
}

const fn copied(prefix: &'static str, source: &'static str) -> Label {
    Label { prefix, source, ratings: "osv" }
}

/// The first prefix that fits counts: longer ones stand before shorter ones.
const LABELS: &[Label] = &[
    own("ALAS", "amazon"),
    own("ALBA-", "almalinux"),
    own("ALEA-", "almalinux"),
    own("ALSA-", "almalinux"),
    copied("ALPINE-", "alpine"),
    own("ASB-", "android"),
    copied("AZL-", "azurelinux"),
    copied("BELL-", "bellsoft"),
    copied("BIT-", "bitnami"),
    copied("CGA-", "chainguard"),
    copied("CLEANSTART-", "cleanstart"),
    own("CPANSA-", "cpansa"),
    own("CURL-", "curl"),
    copied("CVE-", "cve"),
    copied("DEBIAN-", "debian"),
    copied("DHI-", "docker"),
    own("DLA-", "debian"),
    own("DOTNET-", "dotnet"),
    own("DRUPAL-", "drupal"),
    own("DSA-", "debian"),
    own("DTSA-", "debian"),
    copied("ECHO-", "echo"),
    own("EEF-", "eef"),
    own("ELSA-", "oracle"),
    own("FOP-", "friendsofphp"),
    own("FreeBSD-", "freebsd"),
    own("GHSA-", "ghsa"),
    own("GO-", "go"),
    own("HSEC-", "haskell"),
    own("JLSEC-", "julia"),
    own("KUBE-", "kubernetes"),
    own("LSN-", "ubuntu"),
    own("MAL-", "malicious-packages"),
    own("MGASA-", "mageia"),
    copied("MINI-", "minimos"),
    own("NSWG-", "nodejs-security-wg"),
    own("OESA-", "openeuler"),
    own("OSEC-", "ocaml"),
    own("OSV-", "oss-fuzz"),
    own("PHSA-", "photon"),
    own("PSF-", "psf"),
    own("PYSEC-", "pysec"),
    own("RETIRE-", "retirejs"),
    own("RHBA-", "redhat"),
    own("RHEA-", "redhat"),
    own("RHSA-", "redhat"),
    own("RLSA-", "rocky"),
    own("ROAVE-", "roave"),
    copied("ROOT-", "root"),
    own("RSEC-", "r"),
    own("RUBYSEC-", "rubysec"),
    own("RUSTSEC-", "rustsec"),
    own("RXSA-", "rocky"),
    own("SAPKB-", "sap-project-kb"),
    copied("STACKROX-", "stackrox-dotnet"),
    own("SUSE-", "suse"),
    copied("UBUNTU-", "ubuntu"),
    own("USN-", "ubuntu"),
    own("VICTIMS-", "victims"),
    own("openSUSE-", "suse"),
];

const OTHER: Label = Label { prefix: "", source: "osv", ratings: "osv" };

/// The label of an id; `osv` when nobody we know uses its prefix.
pub(super) fn of(id: &str) -> &'static Label {
    LABELS.iter().find(|label| id.starts_with(label.prefix)).unwrap_or(&OTHER)
}

/// Systems that OSV speaks of and whose packages are not those of an image we know: extended or
/// repackaged channels with a vendor's own names, and things that are no packages.
pub(super) const NO_IMAGE_PACKAGES: &[&str] = &[
    "Android",
    "Docker Hardened Images",
    "FreeBSD",
    "GIT",
    "Linux",
    "OSS-Fuzz",
    "Root",
    "Seal",
    "TuxCare",
    "UVI",
];
