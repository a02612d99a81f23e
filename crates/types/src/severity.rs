//! Severities, and who gave them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad a vulnerability is. `Unknown` sorts lowest but counts as over any threshold unless
/// configured otherwise (DESIGN, law 11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody rated it.
    #[default]
    Unknown,
    /// Rated as having no impact.
    Negligible,
    /// CVSS 0.1 – 3.9.
    Low,
    /// CVSS 4.0 – 6.9.
    Medium,
    /// CVSS 7.0 – 8.9.
    High,
    /// CVSS 9.0 – 10.0.
    Critical,
}

impl Severity {
    /// All severities, worst first.
    pub const ALL: [Severity; 6] = [
        Severity::Critical,
        Severity::High,
        Severity::Medium,
        Severity::Low,
        Severity::Negligible,
        Severity::Unknown,
    ];
    /// The lower-case word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
    /// Reads the words that feeds use (`moderate`, `important`, `unimportant`, …), any case.
    pub fn parse(word: &str) -> Option<Self> {
        let severity = match word.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "negligible" | "unimportant" | "none" | "minimal" | "informational" => Self::Negligible,
            "unknown" | "untriaged" | "" => Self::Unknown,
            _ => return None,
        };
        Some(severity)
    }
    /// The CVSS v3 and v4 qualitative scale (CVSS v3.1 specification, section 5).
    pub fn from_score(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Negligible,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One source's opinion of how bad it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rating {
    /// Who says so: `nvd`, `ghsa`, `debian`, `redhat`, `cisa-adp`, …
    pub source: String,
    /// The word, given or derived from the score.
    pub severity: Severity,
    /// CVSS vector as published (2.0, 3.0, 3.1 or 4.0), or empty.
    pub vector: String,
    /// CVSS base score in tenths (98 means 9.8), when there is a vector or a published score.
    pub score_tenths: Option<u8>,
}
