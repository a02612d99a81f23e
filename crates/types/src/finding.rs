//! A finding: something wrong with the target, with its reason.

use crate::{Epss, Kev, Location, Rating, Severity, Ssvc, Status, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing is wrong. Other kinds join with the issues that find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A known vulnerability of a package.
    Vulnerability,
}

/// Identity that survives rebuilds, new tags and version bumps (DESIGN, law 4):
/// kind, vulnerability, package purl without version, place class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

impl FindingId {
    /// Builds the id: `vulnerability/CVE-2021-1/pkg:deb/debian/openssl/os`.
    pub fn new(kind: FindingKind, vulnerability: &str, purl_without_version: &str, place: &str) -> Self {
        let kind = match kind {
            FindingKind::Vulnerability => "vulnerability",
        };
        Self(format!("{kind}/{vulnerability}/{purl_without_version}/{place}"))
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The package a finding speaks of: for distribution packages the source package, once, with its
/// installed binary packages below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Ecosystem id.
    pub ecosystem: String,
    /// Source package of a distribution, or the package itself.
    pub name: String,
    /// Version that was compared.
    pub version: String,
    /// Package URL with version.
    pub purl: String,
    /// Installed binary packages (`libssl3 3.0.11-1`), sorted; empty for language packages.
    pub binaries: Vec<String>,
    /// Where it was seen.
    pub locations: Vec<Location>,
    /// Layer in which it first appears.
    pub layer: Option<u32>,
}

/// The comparison that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version scheme used: `dpkg`, `npm`.
    pub scheme: String,
    /// Installed version.
    pub installed: String,
    /// The range or version that holds, for people: `>= 1.0, < 1.2.3`.
    pub range: String,
}

/// Why a finding is there: one entry for each advisory that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Id of the advisory as its source writes it.
    pub advisory: String,
    /// Who says so.
    pub source: String,
    /// Database shard it came from.
    pub shard: String,
    /// What decided.
    pub comparison: Comparison,
    /// The source's decision.
    pub status: Status,
    /// The source's words on the decision, or empty.
    pub status_reason: String,
    /// Versions that end the range this version lies in; ascending.
    pub fixed_versions: Vec<String>,
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// What suppresses: `vendor`, `withdrawn`, `ignore-file`, `owned-by-os-package`, `filter`.
    pub by: String,
    /// One sentence.
    pub reason: String,
    /// Last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<crate::Date>,
}

/// Something wrong with the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable identity.
    pub id: FindingId,
    /// Kind.
    pub kind: FindingKind,
    /// CVE id if there is one, else the best other id.
    pub vulnerability: String,
    /// Other ids of the same vulnerability, sorted; bulletins are not among them.
    pub aliases: Vec<String>,
    /// Bulletins that speak of it (`DSA-5123-1`), sorted.
    pub bulletins: Vec<String>,
    /// One line, or empty.
    pub title: String,
    /// Longer text, or empty.
    pub description: String,
    /// The package.
    pub subject: Subject,
    /// Severity that counts.
    pub severity: Severity,
    /// Who gave it, or empty.
    pub severity_source: String,
    /// Every source's rating, in a stable order.
    pub ratings: Vec<Rating>,
    /// Best status over all reasons.
    pub status: Status,
    /// Version to move to, if one is known: the smallest that fixes it for this installation.
    pub fixed_version: Option<String>,
    /// Known to be exploited.
    pub kev: Option<Kev>,
    /// Probability of exploitation.
    pub epss: Option<Epss>,
    /// Stakeholder-specific categorisation.
    pub ssvc: Option<Ssvc>,
    /// 0 to 1000: severity, exploitation and fix weighed together; the order people should work in.
    pub priority: u32,
    /// CWE ids, sorted.
    pub cwes: Vec<String>,
    /// Web addresses.
    pub references: Vec<String>,
    /// First publication.
    pub published: Option<Timestamp>,
    /// Why it is here.
    pub reasons: Vec<Reason>,
    /// Set when it does not count.
    pub suppression: Option<Suppression>,
}

impl Finding {
    /// Whether `id` names this vulnerability by any of its ids.
    pub fn is_called(&self, id: &str) -> bool {
        let same = |other: &String| other.eq_ignore_ascii_case(id);
        same(&self.vulnerability) || self.aliases.iter().any(same) || self.bulletins.iter().any(same)
    }
}
