//! The result of a scan: everything any output format may show.

use crate::{
    Completeness, Finding, ImageFacts, Inventory, LayerFactsSummary, Note, TargetKind, Timestamp, Verdict,
};
use serde::{Deserialize, Serialize};

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// As the user named it.
    pub name: String,
    /// What it turned out to be.
    pub kind: TargetKind,
}

/// Who made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `seaworthy`.
    pub name: String,
    /// Version of the program.
    pub version: String,
}

/// A layer with what the findings say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Numbers of the layer.
    pub layer: LayerFactsSummary,
    /// Packages that first appear in it.
    pub packages: u64,
    /// Findings whose package first appears in it: critical, high, medium, low, negligible, unknown.
    pub findings: [u64; 6],
}

/// One feed or shard of the vulnerability data that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Shard name: `debian:12`, `npm`, `kev`.
    pub shard: String,
    /// Advisory records in it.
    pub records: u64,
    /// Newest record or the snapshot's day.
    pub as_of: Option<Timestamp>,
    /// How complete.
    pub completeness: Completeness,
    /// Why it is not complete, or empty.
    pub remark: String,
}

/// The vulnerability data behind the findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataStatus {
    /// When the database was built; `None` for the starter set alone.
    pub built: Option<Timestamp>,
    /// Digest over the database's index, or empty.
    pub digest: String,
    /// Shards that this scan asked, sorted.
    pub sources: Vec<DataSource>,
}

/// What kind of change an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Move a package to a version.
    Upgrade,
}

/// One change, and what it clears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Kind of change.
    pub kind: ActionKind,
    /// Ecosystem id.
    pub ecosystem: String,
    /// Package to change (source package for distributions).
    pub package: String,
    /// Versions now installed, sorted.
    pub from: Vec<String>,
    /// Version to move to.
    pub to: String,
    /// Ids of the findings it clears.
    pub clears: Vec<String>,
    /// How many of them are critical, high, medium, low, negligible, unknown.
    pub clears_by_severity: [u64; 6],
    /// How many of them are known to be exploited.
    pub clears_exploited: u64,
    /// Command or edit, for people: `apt-get install --only-upgrade openssl`; may be empty.
    pub how: String,
    /// Layer in which the package first appears.
    pub layer: Option<u32>,
}

/// Everything a scan says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this document's schema.
    pub schema: u32,
    /// Maker.
    pub tool: Tool,
    /// When, from the clock that was handed in.
    pub created: Timestamp,
    /// What was scanned.
    pub target: Target,
    /// The image, when it is one.
    pub image: Option<ImageFacts>,
    /// The answer.
    pub verdict: Verdict,
    /// What to do, most useful first.
    pub actions: Vec<Action>,
    /// What counts, sorted by priority, then id.
    pub findings: Vec<Finding>,
    /// What does not count, each with its suppression.
    pub suppressed: Vec<Finding>,
    /// What is in the target.
    pub inventory: Inventory,
    /// Layers with numbers, lowest first.
    pub layers: Vec<LayerReport>,
    /// What was not seen, and what people should know; sorted, gaps first.
    pub coverage: Vec<Note>,
    /// Gaps accepted by name, each with why.
    pub accepted: Vec<(Note, String)>,
    /// The data that was asked.
    pub data: DataStatus,
}

impl Report {
    /// Findings by severity: critical, high, medium, low, negligible, unknown.
    pub fn counts(&self) -> [u64; 6] {
        count(self.findings.iter())
    }
}

/// Counts findings by severity in the order of `Severity::ALL`.
fn count<'a>(findings: impl Iterator<Item = &'a Finding>) -> [u64; 6] {
    let mut counts = [0; 6];
    for finding in findings {
        let at = crate::Severity::ALL.iter().position(|s| *s == finding.severity).unwrap_or(5);
        counts[at] += 1;
    }
    counts
}
