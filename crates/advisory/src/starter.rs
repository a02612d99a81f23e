//! The built-in starter set: a few well-known vulnerabilities, for shards without installed data and
//! beside installed data that are known to be partial.
//!
//! Format: `starter/README.md` of this crate. The names and ids that stand in the text are found by
//! one pass over it; a line is parsed when its package is asked for. What it
//! does not do: claim to be complete; speak where installed data do ([`Starter::beside`]).

use crate::{Lookup, LookupError, Record, Vulnerability};
use memchr::memmem;
use seaworthy_types::{
    Advisory, Affected, Completeness, DataSource, Date, Enrichment, Event, Kev, Range, RangeKind, Rating,
    Severity, Timestamp, is_cve,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

const DATA: &str = include_str!("../starter/starter.jsonl");
const SHARD_KEY: &str = "\"shard\":\"";
const PACKAGE_KEY: &str = ",\"package\":\"";

/// What a data source says of itself when only the starter set speaks.
pub const STARTER_REMARK: &str =
    "only the built-in set of well-known vulnerabilities; run `seaworthy db update` to install data";

/// The starter set; a line is parsed when its package is asked for.
#[derive(Default)]
pub struct Starter {
    names: OnceLock<HashMap<&'static str, Names>>,
    lines: OnceLock<HashMap<&'static str, &'static str>>,
}

/// The packages of a shard, and the lines that speak of each.
type Names = BTreeMap<&'static str, Vec<&'static str>>;

#[derive(Deserialize)]
struct Head {
    starter: u32,
    as_of: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    summary: String,
    #[serde(default)]
    cwes: Vec<String>,
    kev: Option<Date>,
    #[serde(default)]
    ransomware: bool,
    #[serde(default)]
    ratings: Vec<LineRating>,
    affected: Vec<LineAffected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRating {
    source: String,
    #[serde(default)]
    vector: String,
    score: Option<f64>,
    severity: Option<Severity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineAffected {
    shard: String,
    package: String,
    #[serde(default)]
    ranges: Vec<String>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    semver: bool,
}

impl Starter {
    /// The set that is built into the program; nothing is parsed yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Shards that the set speaks of, sorted.
    pub fn shards(&self) -> Vec<String> {
        let found: BTreeSet<&str> = memmem::find_iter(DATA.as_bytes(), SHARD_KEY)
            .filter_map(|at| DATA.get(at + SHARD_KEY.len()..)?.split('"').next())
            .collect();
        found.into_iter().map(str::to_owned).collect()
    }
    /// The day the set was last gone over.
    pub fn as_of(&self) -> Option<Timestamp> {
        let head: Head = serde_json::from_str(DATA.lines().next()?).ok()?;
        (head.starter == 1).then(|| Timestamp(i64::from(head.as_of.0) * 86_400))
    }
    /// Whether the set speaks of a package; nothing is parsed for this.
    pub fn knows(&self, shard: &str, package: &str) -> bool {
        self.names(shard).is_some_and(|names| names.contains_key(package))
    }
    fn names(&self, shard: &str) -> Option<&Names> {
        let names = self.names.get_or_init(|| {
            let mut names: HashMap<&str, Names> = HashMap::new();
            for line in DATA.lines().skip(1) {
                for at in memmem::find_iter(line.as_bytes(), SHARD_KEY) {
                    let rest = line.get(at + SHARD_KEY.len()..).unwrap_or_default();
                    let Some((shard, rest)) = rest.split_once('"') else { continue };
                    let package = rest.strip_prefix(PACKAGE_KEY);
                    let Some((package, _)) = package.and_then(|rest| rest.split_once('"')) else { continue };
                    let lines = names.entry(shard).or_default().entry(package).or_default();
                    if lines.last() != Some(&line) {
                        lines.push(line);
                    }
                }
            }
            names
        });
        names.get(shard)
    }
    /// What the set adds to data that are known to be partial: records on vulnerabilities of which
    /// `said`, all that the data say of the package, does not speak. Whatever the data say stands.
    pub fn beside(
        &self,
        shard: &str,
        package: &str,
        heard: &[Record],
        wanted: &mut dyn FnMut(&Affected) -> bool,
        said: impl FnOnce() -> Result<Vec<Record>, LookupError>,
    ) -> Result<Vec<Record>, LookupError> {
        if !self.knows(shard, package) {
            return Ok(Vec::new());
        }
        let mut more = self.records_where(shard, package, wanted)?;
        more.retain(|record| !speaks_of(heard, record));
        if !more.is_empty() {
            let said = said()?;
            more.retain(|record| !speaks_of(&said, record));
        }
        Ok(more)
    }
    /// The line that names this id, if one does.
    fn line(&self, id: &str) -> Option<&'static str> {
        let lines = self.lines.get_or_init(|| {
            let mut lines = HashMap::new();
            for line in DATA.lines().skip(1) {
                let ids = line.split("\"summary\"").next().unwrap_or_default();
                for id in ids.split('"').filter(|id| id.contains('-')) {
                    lines.entry(id).or_insert(line);
                }
            }
            lines
        });
        lines.get(id).copied()
    }
}

impl Lookup for Starter {
    fn source(&self, shard: &str) -> Option<DataSource> {
        let records = lines_with(&format!("{SHARD_KEY}{shard}\"")).count() as u64;
        (records > 0).then(|| DataSource {
            shard: shard.to_owned(),
            records,
            as_of: self.as_of(),
            completeness: Completeness::Starter,
            remark: STARTER_REMARK.to_owned(),
        })
    }
    fn records_where(
        &self,
        shard: &str,
        package: &str,
        wanted: &mut dyn FnMut(&Affected) -> bool,
    ) -> Result<Vec<Record>, LookupError> {
        let lines = self.names(shard).and_then(|names| names.get(package));
        let mut records = Vec::new();
        for line in lines.into_iter().flatten() {
            let of_line = records_of(&parse(line)?, shard).into_iter();
            records.extend(of_line.filter(|(name, _)| name == package).map(|(_, record)| record));
        }
        records.retain(|record| wanted(&record.affected));
        Ok(records)
    }
    fn enrichment(&self, id: &str) -> Result<Enrichment, LookupError> {
        let Some(line) = self.line(id) else { return Ok(Enrichment::default()) };
        let line = parse(line)?;
        if line.id != id && !line.aliases.iter().any(|alias| alias == id) {
            return Ok(Enrichment::default());
        }
        let ransomware = line.ransomware;
        Ok(Enrichment {
            kev: line.kev.map(|added| Kev { added, due: None, ransomware }),
            ratings: ratings(&line),
            cwes: line.cwes,
            summary: line.summary,
            ..Enrichment::default()
        })
    }
    fn names_ending(&self, shard: &str, name: &str) -> Result<Vec<String>, LookupError> {
        let names = self.names(shard).into_iter().flat_map(|names| names.keys());
        let ends = |package: &&&str| package.rsplit([':', '/']).next() == Some(name);
        Ok(names.filter(ends).map(|name| (*name).to_owned()).collect())
    }
}

/// Whether one of these records, unless it was taken back, speaks of the vulnerability of the other.
fn speaks_of(said: &[Record], other: &Record) -> bool {
    let standing = said.iter().filter(|record| record.advisory.withdrawn.is_none());
    let mut vulnerabilities = standing.flat_map(|record| &record.vulnerabilities);
    vulnerabilities.any(|one| other.vulnerabilities.iter().any(|other| same(one, other)))
}

/// Two CVE ids are two vulnerabilities, whatever aliases they share.
fn same(one: &Vulnerability, other: &Vulnerability) -> bool {
    if is_cve(&one.id) && is_cve(&other.id) {
        return one.id == other.id;
    }
    let mut ids = std::iter::once(&one.id).chain(&one.aliases);
    ids.any(|id| *id == other.id || other.aliases.contains(id))
}

/// Lines of the data (the head left out) that hold this text.
fn lines_with(needle: &str) -> impl Iterator<Item = &'static str> {
    let mut last = 0;
    let starts: Vec<usize> = memmem::find_iter(DATA.as_bytes(), needle).collect();
    starts.into_iter().filter_map(move |at| {
        if at < last {
            return None;
        }
        let start = memchr::memrchr(b'\n', DATA.as_bytes().get(..at)?)? + 1;
        let end = memchr::memchr(b'\n', DATA.as_bytes().get(at..)?).map_or(DATA.len(), |length| at + length);
        last = end;
        DATA.get(start..end)
    })
}

fn parse(line: &str) -> Result<Line, LookupError> {
    serde_json::from_str(line)
        .map_err(|error| LookupError::Damaged { shard: "starter".into(), what: error.to_string() })
}

fn ratings(line: &Line) -> Vec<Rating> {
    let rating = |rating: &LineRating| Rating {
        source: rating.source.clone(),
        severity: rating.severity.or(rating.score.map(Severity::from_score)).unwrap_or_default(),
        vector: rating.vector.clone(),
        score_tenths: rating.score.map(|score| (score * 10.0).round().clamp(0.0, 100.0) as u8),
    };
    line.ratings.iter().map(rating).collect()
}

fn records_of(line: &Line, shard: &str) -> Vec<(String, Record)> {
    let advisory = Advisory {
        id: line.id.clone(),
        source: "starter".into(),
        aliases: line.aliases.clone(),
        summary: line.summary.clone(),
        ratings: ratings(line),
        cwes: line.cwes.clone(),
        ..Advisory::default()
    };
    let vulnerability = Vulnerability { id: line.id.clone(), aliases: line.aliases.clone() };
    let affected = line.affected.iter().filter(|affected| affected.shard == shard).map(affected_of);
    affected
        .map(|affected| {
            let vulnerabilities = vec![vulnerability.clone()];
            (affected.package.clone(), Record { advisory: advisory.clone(), affected, vulnerabilities })
        })
        .collect()
}

fn affected_of(line: &LineAffected) -> Affected {
    let kind = if line.semver { RangeKind::Semver } else { RangeKind::Ecosystem };
    Affected {
        shard: line.shard.clone(),
        package: line.package.clone(),
        ranges: line.ranges.iter().map(|range| Range { kind, events: events(range) }).collect(),
        versions: line.versions.clone(),
        ..Affected::default()
    }
}

/// `a..b`, `..b`, `a..=b`, `a..` to events.
fn events(range: &str) -> Vec<Event> {
    let (from, to) = range.split_once("..").unwrap_or((range, ""));
    let from = if from.is_empty() { "0" } else { from };
    let mut events = vec![Event::Introduced(from.to_owned())];
    match to.strip_prefix('=') {
        Some(last) => events.push(Event::LastAffected(last.to_owned())),
        None if to.is_empty() => {}
        None => events.push(Event::Fixed(to.to_owned())),
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_types::{distribution, ecosystem, is_bulletin};
    use std::cmp::Ordering;
    use std::time::Instant;

    fn lines() -> Vec<Line> {
        DATA.lines().skip(1).map(|line| parse(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    #[test]
    fn every_line_is_sound() {
        let starter = Starter::new();
        assert!(starter.as_of().is_some());
        let start = Instant::now();
        let lines = lines();
        println!("{} lines, {} bytes parsed in {:?}", lines.len(), DATA.len(), start.elapsed());
        assert!(lines.len() >= 160 && DATA.len() < 200_000, "{} lines, {} bytes", lines.len(), DATA.len());
        assert!(lines.windows(2).all(|pair| pair[0].id < pair[1].id), "sorted by id, each id once");
        for line in &lines {
            assert!(line.aliases.is_sorted() && !line.affected.is_empty(), "{}", line.id);
            assert!(line.aliases.iter().all(|id| !is_cve(id) && !is_bulletin(id)), "{}", line.id);
            // Nobody may have rated an exploited one yet; the others are not here without a rating.
            assert!(!line.ratings.is_empty() || line.kev.is_some(), "{}", line.id);
            assert!(!line.summary.is_empty(), "{}", line.id);
            let packages: BTreeSet<_> = line.affected.iter().map(|a| (&a.shard, &a.package)).collect();
            assert_eq!(packages.len(), line.affected.len(), "{}: a package stands twice", line.id);
            for affected in &line.affected {
                let shard = affected.shard.as_str();
                let known = ecosystem::by_id(shard).is_some() || distribution::of_shard(shard).is_some();
                assert!(known, "{}: no shard {shard}", line.id);
                assert!(!affected.ranges.is_empty() || !affected.versions.is_empty(), "{}", line.id);
                assert!(affected.ranges.iter().all(|range| range.contains("..")), "{}", line.id);
                if let Some(record) = ecosystem::by_id(shard) {
                    assert_eq!((record.normalise)(&affected.package), affected.package, "{}", line.id);
                }
            }
        }
    }

    #[test]
    fn every_bound_is_a_version() {
        for line in lines() {
            for affected in &line.affected {
                let shard = affected.shard.as_str();
                let name = distribution::of_shard(shard).map_or(shard, |record| record.ecosystem);
                let scheme = ecosystem::by_id(name).expect("a known ecosystem").scheme;
                let place = format!("{} {shard} {}", line.id, affected.package);
                for version in &affected.versions {
                    assert!(seaworthy_version::is_valid(scheme, version), "{place}: {version}");
                }
                for range in &affected.ranges {
                    let bounds: Vec<String> = events(range)
                        .into_iter()
                        .map(|(Event::Introduced(v) | Event::Fixed(v) | Event::LastAffected(v))| v)
                        .filter(|version| version != "0")
                        .collect();
                    for bound in &bounds {
                        assert!(seaworthy_version::is_valid(scheme, bound), "{place}: {bound}");
                    }
                    if let [from, to] = bounds.as_slice() {
                        let order = seaworthy_version::compare(scheme, from, to).expect("both are valid");
                        let closed = range.contains("..=") && order == Ordering::Equal;
                        assert!(order == Ordering::Less || closed, "{place}: {range}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_score_is_that_of_its_vector() {
        for line in lines() {
            for rating in line.ratings.iter().filter(|rating| !rating.vector.is_empty()) {
                let vector: cvss::Cvss = rating.vector.parse().unwrap_or_else(|e| panic!("{}: {e}", line.id));
                assert_eq!(rating.score, Some(vector.score()), "{} {}", line.id, rating.vector);
            }
        }
    }

    #[test]
    fn finds_log4shell() {
        let starter = Starter::new();
        let name = "org.apache.logging.log4j:log4j-core";
        let records = starter.records("maven", name).expect("records");
        let shell = records.iter().find(|record| record.advisory.id == "CVE-2021-44228").expect("Log4Shell");
        assert_eq!(shell.affected.ranges.len(), 3);
        assert_eq!(shell.affected.ranges[0].events[1], Event::Fixed("2.3.1".into()));
        assert_eq!(shell.advisory.ratings[0].severity, Severity::Critical);
        assert_eq!(shell.vulnerabilities[0].aliases, ["GHSA-jfh8-c2jp-5v3q"]);
        assert_eq!(starter.names_ending("maven", "log4j-core").expect("names"), [name]);
        let enrichment = starter.enrichment("GHSA-jfh8-c2jp-5v3q").expect("enrichment");
        assert_eq!(enrichment.kev.map(|kev| kev.added.to_string()).as_deref(), Some("2021-12-10"));
        let source = starter.source("maven").expect("source");
        assert_eq!(source.completeness, Completeness::Starter);
        assert_eq!(starter.source("no-such-shard"), None);
        assert!(starter.records("npm", "no-such-package").expect("records").is_empty());
        assert_eq!(starter.enrichment("CVE-1").expect("enrichment"), Enrichment::default());
    }

    #[test]
    fn names_and_ids_are_found_without_parsing() {
        let starter = Starter::new();
        for line in lines() {
            for affected in &line.affected {
                assert!(
                    starter.knows(&affected.shard, &affected.package),
                    "{} {}",
                    line.id,
                    affected.package
                );
                assert!(!starter.knows(&affected.shard, "no-such-package"));
            }
            for id in line.aliases.iter().chain([&line.id]) {
                let found = starter.line(id).and_then(|line| parse(line).ok());
                assert_eq!(found.map(|line| line.id).as_ref(), Some(&line.id), "{id}");
            }
        }
        assert!(!starter.knows("no-such-shard", "log4j-core") && starter.line("package").is_none());
        // What the data say is not asked for in vain.
        let said = || -> Result<Vec<Record>, LookupError> { panic!("asked") };
        let more = starter.beside("maven", "g:no-such-package", &[], &mut |_| true, said);
        assert_eq!(more, Ok(Vec::new()));
        let none = starter.beside("maven", "org.springframework:spring-beans", &[], &mut |_| false, said);
        assert_eq!(none, Ok(Vec::new()));
    }

    #[test]
    fn ranges_are_read() {
        let text = |range| format!("{:?}", events(range));
        assert_eq!(text("..2"), "[Introduced(\"0\"), Fixed(\"2\")]");
        assert_eq!(text("1..=2"), "[Introduced(\"1\"), LastAffected(\"2\")]");
        assert_eq!(text("1.."), "[Introduced(\"1\")]");
    }
}
