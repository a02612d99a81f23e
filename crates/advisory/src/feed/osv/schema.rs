//! The fields of an OSV record that we read. Every one is tolerant: records in the wild carry texts
//! where the schema has objects.

use crate::intake::json::{List, Loose, Number, Pairs, Text};
use serde::Deserialize;

/// A record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record {
    pub(super) id: Text,
    pub(super) modified: Text,
    pub(super) published: Text,
    pub(super) withdrawn: Text,
    pub(super) aliases: List<Text>,
    pub(super) related: List<Text>,
    pub(super) upstream: List<Text>,
    pub(super) summary: Text,
    pub(super) details: Text,
    pub(super) severity: List<Loose<Score>>,
    pub(super) affected: List<Loose<Package>>,
    pub(super) references: List<Loose<Reference>>,
    pub(super) database_specific: Loose<RecordExtra>,
}

/// `severity[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Score {
    #[serde(rename = "type")]
    pub(super) kind: Text,
    pub(super) score: Text,
}

/// `references[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    #[serde(rename = "type")]
    pub(super) kind: Text,
    pub(super) url: Text,
}

/// `database_specific` of the record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RecordExtra {
    pub(super) severity: Text,
    pub(super) cwe_ids: List<Text>,
    pub(super) cvss_v3_score: Number,
    pub(super) cvss_v2_score: Number,
    /// curl.
    #[serde(rename = "CWE")]
    pub(super) curl_cwe: Loose<CweId>,
}

/// curl's weakness.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CweId {
    pub(super) id: Text,
}

/// `affected[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Package {
    pub(super) package: Loose<Name>,
    pub(super) ranges: List<Loose<Range>>,
    pub(super) versions: List<Text>,
    pub(super) severity: List<Loose<Score>>,
    pub(super) ecosystem_specific: Loose<EcosystemExtra>,
    pub(super) database_specific: Loose<PackageExtra>,
}

/// `affected[].package`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Name {
    pub(super) ecosystem: Text,
    pub(super) name: Text,
}

/// `affected[].ranges[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    #[serde(rename = "type")]
    pub(super) kind: Text,
    pub(super) events: List<Loose<Event>>,
}

/// `affected[].ranges[].events[]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    pub(super) introduced: Text,
    pub(super) fixed: Text,
    pub(super) last_affected: Text,
    pub(super) limit: Text,
}

/// `affected[].ecosystem_specific`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EcosystemExtra {
    /// Debian.
    pub(super) urgency: Text,
    /// Ubuntu.
    pub(super) ubuntu_priority: Text,
    /// AlmaLinux: `nodejs:18`.
    pub(super) rpm_modularity: Text,
    /// SUSE: name to version; Ubuntu: `binary_name`, `binary_version`.
    pub(super) binaries: List<Pairs<Text>>,
    /// RustSec.
    pub(super) affects: Loose<Affects>,
}

/// RustSec's platforms.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Affects {
    pub(super) os: List<Text>,
}

/// `affected[].database_specific`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PackageExtra {
    /// GitHub.
    pub(super) last_known_affected_version_range: Text,
    /// RustSec: `unmaintained`, `unsound`, `notice`.
    pub(super) informational: Text,
    /// RustSec.
    pub(super) cvss: Text,
    /// Malicious packages.
    pub(super) cwes: List<Loose<MalwareCwe>>,
}

/// Weakness of a malicious package.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MalwareCwe {
    #[serde(rename = "cweId")]
    pub(super) id: Text,
}
