//! Advisories: what feeds say about vulnerable packages.

use crate::{Date, Rating, Timestamp};
use serde::{Deserialize, Serialize};

/// One record of one feed. Everything a source said is kept; merging happens later.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// Id as the source writes it: `GHSA-…`, `CVE-…`, `DSA-5123-1`.
    pub id: String,
    /// Who says so: `ghsa`, `pysec`, `debian`, `alpine`, `redhat`, …
    pub source: String,
    /// Other ids of the same vulnerability.
    pub aliases: Vec<String>,
    /// For bulletins: the vulnerabilities it fixes (OSV `upstream`, `related`), CVE ids first.
    pub upstream: Vec<String>,
    /// One line, or empty.
    pub summary: String,
    /// Longer text, clipped at import.
    pub details: String,
    /// Ratings that hold for the whole record.
    pub ratings: Vec<Rating>,
    /// CWE ids.
    pub cwes: Vec<String>,
    /// First publication.
    pub published: Option<Timestamp>,
    /// Last change.
    pub modified: Option<Timestamp>,
    /// Taken back on this day: kept to explain, never matched.
    pub withdrawn: Option<Timestamp>,
    /// Web addresses, most useful first, clipped at import.
    pub references: Vec<String>,
    /// Which packages, which versions.
    pub affected: Vec<Affected>,
}

/// One package of an advisory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// `debian:12`, `npm`: distribution and release, or ecosystem id.
    pub shard: String,
    /// Package name, normalised by the ecosystem's record. Distributions: source package.
    pub package: String,
    /// Version ranges; any one that holds makes a version affected.
    pub ranges: Vec<Range>,
    /// Affected versions one by one.
    pub versions: Vec<String>,
    /// What the source decided.
    pub status: Status,
    /// The source's reason for the status (`no-dsa: minor issue`), or empty.
    pub status_reason: String,
    /// Ratings for this package in particular.
    pub ratings: Vec<Rating>,
    /// Conditions that must hold besides the version: (`arch`, `x86_64`), (`module`, `nodejs:18`),
    /// (`binary`, `libssl3`). All of them must hold; several values of one key are alternatives.
    pub conditions: Vec<(String, String)>,
}

/// A source's decision about a package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Affected where ranges or versions say so.
    #[default]
    Affected,
    /// Affected, and a fix is published.
    Fixed,
    /// Affected, and the source will not fix it.
    WillNotFix,
    /// Affected, and the fix is put off.
    Deferred,
    /// The source looks into it.
    UnderInvestigation,
    /// Not affected although the version might suggest it.
    NotAffected,
    /// End of support: nobody will decide.
    EndOfLife,
}

/// How to read the versions of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RangeKind {
    /// In the ecosystem's own version order.
    #[default]
    Ecosystem,
    /// Semantic Versioning 2.0 order.
    Semver,
}

/// Ordered events; OSV schema, section "affected[].ranges[].events". Sorted and validated at import.
///
/// Starts and ends alternate, with one exception: an end that only bounds the range and that nobody
/// called a fix (`limit`; "last known to be affected: < 1.2") stands twice. It ends the range like any
/// other, also for programs that do not know this; [`Range::fix`] never gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Which order the versions follow.
    pub kind: RangeKind,
    /// Events in version order.
    pub events: Vec<Event>,
}

impl Range {
    /// The events of an end that is no fix.
    pub fn bound(version: &str) -> [Event; 2] {
        [Event::Fixed(version.to_owned()), Event::Fixed(version.to_owned())]
    }
    /// The version of the event at this place, when it is a fix that may be offered.
    pub fn fix(&self, at: usize) -> Option<&str> {
        let event = self.events.get(at)?;
        let twin = |other: Option<usize>| other.and_then(|other| self.events.get(other)) == Some(event);
        match event {
            Event::Fixed(version) if !twin(at.checked_sub(1)) && !twin(at.checked_add(1)) => Some(version),
            _ => None,
        }
    }
    /// All fixes that may be offered, in the order of the events.
    pub fn fixes(&self) -> impl Iterator<Item = &str> {
        (0..self.events.len()).filter_map(|at| self.fix(at))
    }
}

/// One point of a range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    /// Affected from this version on; `0` means minus infinity.
    Introduced(String),
    /// No longer affected from this version on.
    Fixed(String),
    /// Affected up to and including this version.
    LastAffected(String),
}

/// How complete a feed's data is; comes with the data, not from documentation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// Nothing was said: a live feed is taken as complete.
    #[default]
    Complete,
    /// Parts are known to be missing.
    Partial,
    /// Only the built-in starter set.
    Starter,
}

/// What is known of a vulnerability besides the packages it affects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Enrichment {
    /// Known to be exploited (CISA KEV).
    pub kev: Option<Kev>,
    /// Exploit prediction (FIRST EPSS).
    pub epss: Option<Epss>,
    /// Stakeholder-specific categorisation (CISA Vulnrichment).
    pub ssvc: Option<Ssvc>,
    /// Ratings from sources that speak of the CVE and not of packages: NVD, CNA, CISA-ADP.
    pub ratings: Vec<Rating>,
    /// Title or description of the CVE, clipped, or empty.
    pub summary: String,
    /// CWE ids.
    pub cwes: Vec<String>,
    /// The CVE was rejected.
    pub rejected: bool,
}

/// An entry of the Known Exploited Vulnerabilities catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kev {
    /// `dateAdded`.
    pub added: Date,
    /// `dueDate`.
    pub due: Option<Date>,
    /// `knownRansomwareCampaignUse` is `Known`.
    pub ransomware: bool,
}

/// Exploit Prediction Scoring System.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// Probability of exploitation in the next 30 days, 0 to 1.
    pub probability: f32,
    /// Share of all scored CVEs with this or a lower probability, 0 to 1.
    pub percentile: f32,
}

/// SSVC decision points as published by CISA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssvc {
    /// `none`, `poc`, `active`.
    pub exploitation: String,
    /// `yes`, `no`.
    pub automatable: String,
    /// `partial`, `total`.
    pub technical_impact: String,
}

/// Whether an id is a CVE id.
pub fn is_cve(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("CVE-") else { return false };
    match rest.split_once('-') {
        Some((year, number)) => {
            year.len() == 4
                && number.len() >= 4
                && year.bytes().chain(number.bytes()).all(|b| b.is_ascii_digit())
        }
        None => false,
    }
}

/// Whether an id names a distribution's bulletin: it fixes a set of vulnerabilities and is never
/// an alias of one of them.
pub fn is_bulletin(id: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "DSA-",
        "DLA-",
        "DTSA-",
        "USN-",
        "LSN-",
        "RHSA-",
        "RHBA-",
        "RHEA-",
        "ALSA-",
        "ALBA-",
        "ALEA-",
        "RLSA-",
        "RXSA-",
        "SUSE-",
        "openSUSE-",
        "ELSA-",
        "ALAS",
        "MGASA-",
        "PHSA-",
        "OESA-",
        "ROOT-",
        "GLSA-",
        "RLBA-",
        "RLEA-",
        "CLSA-",
        "XSA-",
    ];
    PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_no_fixes() {
        let mut events = vec![Event::Introduced("0".into()), Event::Fixed("1".into())];
        events.push(Event::Introduced("2".into()));
        events.extend(Range::bound("3"));
        let range = Range { kind: RangeKind::Semver, events };
        assert_eq!(range.fixes().collect::<Vec<_>>(), ["1"]);
        assert_eq!((range.fix(0), range.fix(1), range.fix(4), range.fix(9)), (None, Some("1"), None, None));
    }

    #[test]
    fn cve_ids() {
        assert!(is_cve("CVE-2021-44228"));
        for bad in ["", "CVE-", "CVE-2021", "CVE-2021-1", "cve-2021-44228", "CVE-2021-44228x", "CVE-21-44228"]
        {
            assert!(!is_cve(bad), "{bad}");
        }
        assert!(is_bulletin("USN-1-1") && is_bulletin("ALSA-2023:1") && !is_bulletin("GHSA-x"));
    }
}
