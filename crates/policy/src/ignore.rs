//! The ignore file: decisions of people, each with a reason, most with an expiry.
//!
//! ```toml
//! [[ignore]]
//! id = "CVE-2023-1234"          # any id of the vulnerability: CVE, GHSA, bulletin
//! package = "openssl"           # optional: name, or package URL without version
//! version = "3.0.11-1"          # optional
//! path = "opt/app/"             # optional: where it was seen starts with this
//! reason = "the code path is not reachable: see ticket 4711"
//! expires = "2026-12-31"        # optional: last day on which it holds
//!
//! [[accept]]
//! gap = "data-partial"          # code of a coverage note
//! subject = "npm"               # optional
//! reason = "our feed of npm is what we have"
//! expires = "2026-12-31"
//! ```

use seaworthy_types::{Date, Finding, Note};
use serde::Deserialize;

/// A parsed ignore file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnoreFile {
    /// Findings that shall not count.
    #[serde(default)]
    pub ignore: Vec<Ignored>,
    /// Gaps that are accepted.
    #[serde(default)]
    pub accept: Vec<Accepted>,
}

/// A finding that shall not count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignored {
    /// Any id of the vulnerability.
    pub id: String,
    /// Package name or package URL without version.
    #[serde(default)]
    pub package: Option<String>,
    /// Installed version.
    #[serde(default)]
    pub version: Option<String>,
    /// Start of a path.
    #[serde(default)]
    pub path: Option<String>,
    /// Why; required.
    pub reason: String,
    /// Last day on which it holds.
    #[serde(default)]
    pub expires: Option<Date>,
}

/// A gap that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Code of the note.
    pub gap: String,
    /// Subject of the note; without it, all of the code.
    #[serde(default)]
    pub subject: Option<String>,
    /// Why; required.
    pub reason: String,
    /// Last day on which it holds.
    #[serde(default)]
    pub expires: Option<Date>,
}

/// Why an ignore file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not TOML, or not these fields.
    #[error("the ignore file is not understood: {0}")]
    Syntax(#[from] toml::de::Error),
    /// An entry without a reason.
    #[error("entry {entry} of the ignore file has an empty reason: say why it is safe to leave it out")]
    NoReason {
        /// Id or gap of the entry.
        entry: String,
    },
}

impl IgnoreFile {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let file: Self = toml::from_str(text)?;
        let reasons = file.ignore.iter().map(|i| (&i.id, &i.reason));
        for (entry, reason) in reasons.chain(file.accept.iter().map(|a| (&a.gap, &a.reason))) {
            if reason.trim().is_empty() {
                return Err(FileError::NoReason { entry: entry.clone() });
            }
        }
        Ok(file)
    }
    /// Adds the entries of another file.
    pub fn extend(&mut self, other: Self) {
        self.ignore.extend(other.ignore);
        self.accept.extend(other.accept);
    }
}

/// Whether a decision still holds.
pub(crate) fn holds(expires: Option<Date>, today: Date) -> bool {
    expires.is_none_or(|day| today <= day)
}

impl Ignored {
    /// Whether the entry names this finding, expired or not.
    pub fn names(&self, finding: &Finding) -> bool {
        let subject = &finding.subject;
        let package = self.package.as_ref().is_none_or(|wanted| {
            *wanted == subject.name
                || subject.purl.split(['@', '?']).next() == Some(wanted)
                || subject.binaries.iter().any(|binary| binary.split(' ').next() == Some(wanted))
        });
        let version = self.version.as_ref().is_none_or(|wanted| *wanted == subject.version);
        let path = self.path.as_ref().is_none_or(|start| {
            subject.locations.iter().all(|location| location.path.starts_with(start.trim_start_matches('/')))
        });
        finding.is_called(&self.id) && package && version && path
    }
}

impl Accepted {
    /// Whether the entry names this gap, expired or not.
    pub fn names(&self, note: &Note) -> bool {
        self.gap == note.code && self.subject.as_ref().is_none_or(|wanted| *wanted == note.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        let file = IgnoreFile::parse("[[ignore]]\nid='CVE-1'\nreason='r'\nexpires='2026-01-31'\n[[accept]]\ngap='data-partial'\nreason='x'\n")
            .expect("good");
        assert_eq!(file.ignore[0].expires, Date::new(2026, 1, 31));
        assert!(holds(file.ignore[0].expires, Date::new(2026, 1, 31).expect("day")));
        assert!(!holds(file.ignore[0].expires, Date::new(2026, 2, 1).expect("day")));
        for bad in [
            "[[ignore]]\nid='CVE-1'",
            "[[ignore]]\nid='C'\nreason=' '",
            "nonsense",
            "[[ignore]]\nid='C'\nreason='r'\nexpires='soon'",
            "[[ignore]]\nid='C'\nreason='r'\ntypo=1",
        ] {
            assert!(IgnoreFile::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(IgnoreFile::parse("").expect("empty"), IgnoreFile::default());
    }
}
