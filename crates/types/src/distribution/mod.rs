//! One record of facts for each distribution: release rules, names in data, end of life.

use crate::{Date, OsRelease};

// tidy:begin
pub mod almalinux;
pub mod alpine;
pub mod debian;
pub mod opensuse;
pub mod rhel;
pub mod rocky;
pub mod sles;
pub mod ubuntu;

/// Every distribution, sorted by id.
pub const ALL: &[&Distribution] = &[
    &almalinux::DISTRIBUTION,
    &alpine::DISTRIBUTION,
    &debian::DISTRIBUTION,
    &opensuse::DISTRIBUTION,
    &rhel::DISTRIBUTION,
    &rocky::DISTRIBUTION,
    &sles::DISTRIBUTION,
    &ubuntu::DISTRIBUTION,
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
}

impl Distribution {
    /// Name of the database shard for this release: `debian:12`.
    pub fn shard(&self, os: &OsRelease) -> Option<String> {
        (self.release)(os).map(|release| format!("{}:{release}", self.id))
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
    let record = ALL.iter().find(|record| record.osv.contains(&base))?;
    (record.osv_release)(rest).map(|release| format!("{}:{release}", record.id))
}

/// The distribution that a shard belongs to.
pub fn of_shard(shard: &str) -> Option<&'static Distribution> {
    by_id(shard.split_once(':')?.0)
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
