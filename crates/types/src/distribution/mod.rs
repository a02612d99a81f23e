//! One record of facts for each distribution: release rules, names in data, end of life.

use crate::{Date, OsRelease};

// tidy:begin
pub mod almalinux;
pub mod alpaquita;
pub mod alpine;
pub mod amazon;
pub mod azurelinux;
pub mod bellsoft;
pub mod chainguard;
pub mod cleanstart;
pub mod debian;
pub mod echo;
pub mod mageia;
pub mod minimos;
pub mod openeuler;
pub mod opensuse;
pub mod oracle;
pub mod photon;
pub mod rhel;
pub mod rocky;
pub mod sles;
pub mod ubuntu;
pub mod wolfi;

/// Every distribution, sorted by id.
pub const ALL: &[&Distribution] = &[
    &almalinux::DISTRIBUTION,
    &alpaquita::DISTRIBUTION,
    &alpine::DISTRIBUTION,
    &amazon::DISTRIBUTION,
    &azurelinux::DISTRIBUTION,
    &bellsoft::DISTRIBUTION,
    &chainguard::DISTRIBUTION,
    &cleanstart::DISTRIBUTION,
    &debian::DISTRIBUTION,
    &echo::DISTRIBUTION,
    &mageia::DISTRIBUTION,
    &minimos::DISTRIBUTION,
    &openeuler::DISTRIBUTION,
    &opensuse::DISTRIBUTION,
    &oracle::DISTRIBUTION,
    &photon::DISTRIBUTION,
    &rhel::DISTRIBUTION,
    &rocky::DISTRIBUTION,
    &sles::DISTRIBUTION,
    &ubuntu::DISTRIBUTION,
    &wolfi::DISTRIBUTION,
];
// tidy:end

/// Facts about a distribution.
#[derive(Debug, Clone, Copy)]
pub struct Distribution {
    /// Stable id, first half of shard names.
    pub id: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Values of `ID` in os-release(5) that mean it.
    pub os_ids: &'static [&'static str],
    /// Ecosystem of its packages: `deb`, `apk`, `rpm`.
    pub ecosystem: &'static str,
    /// Namespace in package URLs.
    pub purl_namespace: &'static str,
    /// How the vendors of its own packages start, in lower case, where packages name their vendor (rpm);
    /// empty where that proves nothing.
    pub vendors: &'static [&'static str],
    /// The release that data is kept for: `12`, `3.20`, `22.04`; `None` when unknown.
    pub release: fn(&OsRelease) -> Option<String>,
    /// Names in the OSV schema before the first `:`.
    pub osv: &'static [&'static str],
    /// The release named by the rest of an OSV ecosystem after the first `:`.
    pub osv_release: fn(&str) -> Option<String>,
    /// Last day of free security support of each release.
    pub end_of_life: &'static [(&'static str, &'static str)],
    /// Data names binary packages rather than source packages.
    pub data_by_binary: bool,
    /// Updates beside the free ones, for those who pay, with data of their own.
    pub subscription: Option<&'static Subscription>,
}

/// Updates of a distribution that need a subscription.
#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    /// Name for people.
    pub label: &'static str,
    /// Release under which its data are kept, from the distribution's release: `18.04` → `pro-18.04`.
    pub release: fn(&str) -> String,
    /// What a version holds that came by it.
    pub marks: &'static [&'static str],
}

impl Subscription {
    /// Whether a version is one of those that came by it.
    pub fn made(&self, version: &str) -> bool {
        self.marks.iter().any(|mark| version.contains(mark))
    }
}

impl Distribution {
    /// Name of the database shard for this release: `debian:12`.
    pub fn shard(&self, os: &OsRelease) -> Option<String> {
        (self.release)(os).map(|release| format!("{}:{release}", self.id))
    }
    /// Name of the shard with the data of its subscription: `ubuntu:pro-18.04`.
    pub fn subscription_shard(&self, os: &OsRelease) -> Option<String> {
        let release = (self.release)(os)?;
        self.subscription.map(|paid| format!("{}:{}", self.id, (paid.release)(&release)))
    }
    /// Whether a package that names this vendor is proven to be of somebody else, as those of EPEL within
    /// RHEL are. No vendor proves nothing.
    pub fn is_strange_vendor(&self, vendor: &str) -> bool {
        let lower = vendor.to_lowercase();
        !lower.is_empty()
            && !self.vendors.is_empty()
            && !self.vendors.iter().any(|start| lower.starts_with(start))
    }
    /// Last day of free security support, when the release is known.
    pub fn end_of_life(&self, os: &OsRelease) -> Option<Date> {
        let release = (self.release)(os)?;
        let (_, day) = self.end_of_life.iter().find(|(name, _)| *name == release)?;
        Date::parse(day)
    }
}

/// The record for this operating system.
pub fn of(os: &OsRelease) -> Option<&'static Distribution> {
    ALL.iter().copied().find(|record| record.os_ids.contains(&os.id.as_str()))
}

/// The record with this id.
pub fn by_id(id: &str) -> Option<&'static Distribution> {
    ALL.iter().copied().find(|record| record.id == id)
}

/// Shard for an OSV ecosystem such as `Debian:12`, `Alpine:v3.20`, `Ubuntu:22.04:LTS`.
pub fn shard_of_osv(name: &str) -> Option<String> {
    let (base, rest) = name.split_once(':').unwrap_or((name, ""));
    let record = by_osv(base)?;
    (record.osv_release)(rest).map(|release| format!("{}:{release}", record.id))
}

/// The record that OSV names so before the first `:` (`Debian`, `Rocky Linux`), in any case.
pub fn by_osv(name: &str) -> Option<&'static Distribution> {
    let base = name.split(':').next().unwrap_or(name);
    ALL.iter().copied().find(|record| record.osv.iter().any(|osv| osv.eq_ignore_ascii_case(base)))
}

/// The distribution that a shard belongs to.
pub fn of_shard(shard: &str) -> Option<&'static Distribution> {
    by_id(shard.split_once(':')?.0)
}

/// The release of distributions that have only one.
pub(crate) const ROLLING: &str = "rolling";

/// The text itself when it is one short word of letters, digits, `.`, `_` and `-`.
pub(crate) fn word(text: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (!text.is_empty() && text.len() <= 40 && text.bytes().all(plain)).then(|| text.to_owned())
}

/// `9.4` → `9`.
pub(crate) fn major(os: &OsRelease) -> Option<String> {
    leading_major(&os.version_id)
}

/// The digits a text starts with.
pub(crate) fn leading_major(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    Some(digits).filter(|d| !d.is_empty())
}

/// `3.20.1` → `3.20`.
pub(crate) fn major_minor(text: &str) -> Option<String> {
    let mut parts = text.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (numeric(major) && numeric(minor)).then(|| format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_osv() {
        for (name, shard) in [
            ("Debian:12", Some("debian:12")),
            ("Debian:sid", Some("debian:unstable")),
            ("Alpine:v3.20", Some("alpine:3.20")),
            ("Ubuntu:22.04:LTS", Some("ubuntu:22.04")),
            ("Ubuntu:Pro:22.04:LTS", Some("ubuntu:pro-22.04")),
            ("Ubuntu:Pro:22.04:LTS:Realtime:Kernel", None),
            ("Ubuntu:Pro:FIPS-updates:22.04:LTS", None),
            ("Red Hat:enterprise_linux:9::appstream", Some("rhel:9")),
            ("Red Hat:rhel_eus:9.2::appstream", None),
            ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", Some("sles:15.5")),
            ("SUSE:Linux Enterprise Server 16.0", Some("sles:16.0")),
            ("SUSE:Linux Enterprise Micro 5.3", None),
            ("openSUSE:Leap 15.6", Some("opensuse:15.6")),
            ("Wolfi", Some("wolfi:rolling")),
            ("Azure Linux:3", Some("azurelinux:3")),
            ("Photon OS:4.0", Some("photon:4.0")),
            ("openEuler:22.03-LTS-SP3", Some("openeuler:22.03-LTS-SP3")),
            ("Alpaquita:stream", Some("alpaquita:stream")),
            ("Mageia:9", Some("mageia:9")),
            ("npm", None),
        ] {
            assert_eq!(shard_of_osv(name).as_deref(), shard, "{name}");
        }
        let os = OsRelease {
            id: "openEuler".into(),
            version_id: "22.03".into(),
            pretty_name: "openEuler 22.03 (LTS-SP3)".into(),
            ..OsRelease::default()
        };
        assert_eq!(os.shard().as_deref(), Some("openeuler:22.03-LTS-SP3"));
    }

    #[test]
    fn data_of_subscriptions_are_where_osv_puts_them() {
        let os = OsRelease { id: "ubuntu".into(), version_id: "18.04".into(), ..OsRelease::default() };
        let shard = ubuntu::DISTRIBUTION.subscription_shard(&os);
        assert_eq!(shard, shard_of_osv("Ubuntu:Pro:18.04:LTS"));
        let pro = ubuntu::DISTRIBUTION.subscription.expect("Ubuntu Pro");
        assert!(pro.made("2.4.7-1ubuntu4.22+esm10") && pro.made("1:3.0.12+dfsg-1ubuntu0.1~esm4"));
        assert!(!pro.made("2.4.7-1ubuntu4.22"));
        assert_eq!(debian::DISTRIBUTION.subscription_shard(&os), None);
    }

    #[test]
    fn vendors() {
        for (vendor, id, strange) in [
            ("Red Hat, Inc.", "rhel", false),
            ("CentOS", "rhel", false),
            ("Fedora Project", "rhel", true),
            ("SUSE LLC <https://www.suse.com/>", "sles", false),
            ("", "rhel", false),
            ("NGINX Packaging <nginx-packaging@f5.com>", "rocky", true),
            ("Anyone", "debian", false),
        ] {
            assert_eq!(by_id(id).expect(id).is_strange_vendor(vendor), strange, "{vendor} in {id}");
        }
        for record in ALL.iter().filter(|record| record.ecosystem == "rpm") {
            assert!(!record.vendors.is_empty(), "{}: packages of others go unnoticed", record.id);
            assert!(record.vendors.iter().all(|vendor| *vendor == vendor.to_lowercase()), "{}", record.id);
        }
    }

    #[test]
    fn ids_are_unique() {
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|record| record.id).collect();
        assert_eq!(ids.len(), ALL.len());
    }
}
