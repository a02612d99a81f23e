//! One OSV record to one advisory.

use super::label::{self, Label};
use super::schema;
use crate::intake::range::{self, RawEvent, RawKind, Trouble};
use crate::intake::tally::Tally;
use crate::intake::{json, rating, text};
use seaworthy_types::{
    Advisory, Affected, Event, Grade, Range, RangeKind, Rating, Severity, Status, Timestamp, distribution,
    ecosystem, is_bulletin, is_cve,
};
use seaworthy_version::Scheme;
use std::collections::HashMap;

/// References kept of one record.
const REFERENCES_MAX: usize = 8;
/// Enumerated versions kept of one package.
const VERSIONS_MAX: usize = 50_000;

/// Reads one record; `None` and a count when it gives no advisory.
pub(super) fn record(path: &str, bytes: &[u8], tally: &mut Tally) -> Option<Advisory> {
    json::odd_take();
    let record: schema::Record = match serde_json::from_slice(bytes) {
        Ok(record) => record,
        Err(error) => {
            tally.gap("broken-record", path, || format!("no readable JSON record: {error}"));
            return None;
        }
    };
    let id = record.id.trim().to_owned();
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    if id.is_empty() || id.len() > text::NAME_BYTES_MAX || !id.chars().all(plain) {
        let subject = if id.is_empty() { path } else { id.as_str() };
        tally.gap("broken-record", subject, || "the record has no usable `id`".into());
        return None;
    }
    if json::odd_take() > 0 {
        tally.info("odd-field", &id, || "fields of the wrong type are taken as missing".into());
    }
    advisory(id, record, tally)
}

fn advisory(id: String, record: schema::Record, tally: &mut Tally) -> Option<Advisory> {
    let label = label::of(&id);
    let mut context = Context { id: &id, label, modules: modules(&record.summary), tally };
    let affected = packages(record.affected.0, &mut context);
    if affected.is_empty() {
        context.tally.info("no-packages", &id, || "no package of the record can be matched".into());
        return None;
    }
    let ratings =
        ratings(label, &record.severity.0, &record.database_specific.0, &record.summary, &mut context);
    let mut cwes: Vec<String> =
        record.database_specific.0.cwe_ids.0.iter().filter_map(|cwe| text::cwe(cwe)).collect();
    cwes.extend(text::cwe(&record.database_specific.0.curl_cwe.0.id));
    let (aliases, upstream) = names(&id, &record.aliases.0, &record.related.0, &record.upstream.0);
    Some(Advisory {
        source: label.source.to_owned(),
        aliases,
        upstream,
        summary: text::one_line(&record.summary),
        details: text::paragraph(&record.details),
        ratings,
        cwes,
        published: Timestamp::parse(record.published.trim()),
        modified: Timestamp::parse(record.modified.trim()),
        withdrawn: withdrawn(&id, &record.withdrawn, tally),
        references: references(&record.references.0),
        affected,
        id,
    })
}

/// A `withdrawn` that is no time does not withdraw.
fn withdrawn(id: &str, time: &str, tally: &mut Tally) -> Option<Timestamp> {
    let moment = Timestamp::parse(time.trim());
    if moment.is_none() && !time.trim().is_empty() {
        tally.info("odd-field", id, || "`withdrawn` is no time, the record counts".into());
    }
    moment
}

struct Context<'a> {
    id: &'a str,
    label: &'static Label,
    /// `name:stream` words of the summary.
    modules: Vec<String>,
    tally: &'a mut Tally,
}

/// Aliases and upstream ids. A namespaced copy (`DEBIAN-CVE-…`) is its CVE; a bulletin fixes a set
/// and is nobody's alias.
fn names(
    id: &str,
    aliases: &[json::Text],
    related: &[json::Text],
    upstream: &[json::Text],
) -> (Vec<String>, Vec<String>) {
    let plain = |name: &str| text::cve_within(name).unwrap_or(name).to_owned();
    let (mut same, mut fixes) = (Vec::new(), Vec::new());
    if is_bulletin(id) {
        for name in aliases.iter().chain(upstream).chain(related) {
            text::add(&mut fixes, &plain(name));
        }
        // Other bulletins that are merely related are not fixed by it.
        fixes.retain(|name| name != id && !is_bulletin(name));
        fixes.sort_by_key(|name| !is_cve(name));
        return (same, fixes);
    }
    if let Some(cve) = text::cve_within(id).filter(|cve| *cve != id) {
        text::add(&mut same, cve);
    }
    for name in aliases {
        text::add(&mut same, name);
    }
    for name in upstream {
        text::add(&mut fixes, &plain(name));
    }
    // A copy of one CVE under the distribution's own number (`AZL-123`).
    let mut cves = fixes.iter().filter(|name| is_cve(name));
    if let (Some(only), None) = (cves.next(), cves.next())
        && !same.iter().any(|name| is_cve(name))
    {
        same.push(only.clone());
    }
    same.retain(|name| name != id);
    fixes.retain(|name| name != id);
    fixes.sort_by_key(|name| !is_cve(name));
    (same, fixes)
}

fn ratings(
    label: &Label,
    scores: &[json::Loose<schema::Score>],
    extra: &schema::RecordExtra,
    summary: &str,
    context: &mut Context<'_>,
) -> Vec<Rating> {
    // `Important: kernel security update` is how Rocky and AlmaLinux rate.
    let first = summary.split_once(": ").map_or("", |(word, _)| word);
    let said = match is_bulletin(context.id) {
        true => Severity::parse(first),
        false => None,
    };
    let word = said.or(Severity::parse(&extra.severity)).filter(|word| *word != Severity::Unknown);
    let mut ratings = scored(label, scores, word, context);
    for score in [extra.cvss_v3_score.0, extra.cvss_v2_score.0].into_iter().flatten() {
        if ratings.is_empty() && score > 0.0 {
            ratings.extend(rating::published(
                label.ratings,
                "",
                Some(score),
                word.map_or("", Severity::word),
            ));
        }
    }
    if let Some(word) = word
        && !ratings.iter().any(|rating| rating.source == label.source)
    {
        ratings.insert(0, rating::from_word(label.source, word));
    }
    ratings
}

/// Ratings of a `severity` list. The source's own word, where given, goes with its own vectors.
fn scored(
    label: &Label,
    scores: &[json::Loose<schema::Score>],
    word: Option<Severity>,
    context: &mut Context<'_>,
) -> Vec<Rating> {
    let mut ratings: Vec<Rating> = Vec::new();
    for json::Loose(entry) in scores {
        // Some write the vector where the type belongs.
        let vector = [&entry.score, &entry.kind].into_iter().find(|text| rating::looks_like_vector(text));
        let found = match vector {
            Some(vector) => rating::from_vector(label.ratings, vector).map(|rating| Rating {
                severity: word.filter(|_| label.ratings == label.source).unwrap_or(rating.severity),
                ..rating
            }),
            None => Severity::parse(&entry.score)
                .filter(|severity| *severity != Severity::Unknown)
                .map(|severity| rating::from_word(label.source, severity)),
        };
        match found {
            Some(rating) if !ratings.contains(&rating) => ratings.push(rating),
            Some(_) => {}
            None => context.tally.info("bad-severity", context.id, || {
                format!("`{}` is neither a CVSS vector nor a word", text::clip(&entry.score, 100))
            }),
        }
    }
    ratings
}

fn references(list: &[json::Loose<schema::Reference>]) -> Vec<String> {
    const ORDER: [&str; 6] = ["ADVISORY", "FIX", "REPORT", "ARTICLE", "WEB", "PACKAGE"];
    let rank = |kind: &str| ORDER.iter().position(|known| *known == kind).unwrap_or(ORDER.len());
    let mut sorted: Vec<&schema::Reference> = list.iter().map(|json::Loose(reference)| reference).collect();
    sorted.sort_by_key(|reference| rank(&reference.kind));
    let mut addresses = Vec::new();
    for reference in sorted.iter().filter(|r| r.url.starts_with("https://") || r.url.starts_with("http://")) {
        if addresses.len() < REFERENCES_MAX {
            text::add(&mut addresses, &reference.url);
        }
    }
    addresses
}

fn packages(list: Vec<json::Loose<schema::Package>>, context: &mut Context<'_>) -> Vec<Affected> {
    let mut affected: Vec<Affected> = Vec::new();
    // Sources repeat a package once per architecture or product.
    let mut known: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for json::Loose(package) in list {
        for one in package_entries(package, context) {
            let places = known.entry((one.shard.clone(), one.package.clone())).or_default();
            if !places.iter().any(|at| affected.get(*at) == Some(&one)) {
                places.push(affected.len());
                affected.push(one);
            }
        }
    }
    affected
}

/// Where a package's data go.
struct Place {
    shard: String,
    scheme: Option<&'static Scheme>,
    normalise: fn(&str) -> std::borrow::Cow<'_, str>,
    distribution: Option<&'static distribution::Distribution>,
}

fn place(name: &str, package: &str, context: &mut Context<'_>) -> Option<Place> {
    let base = name.split(':').next().unwrap_or(name);
    if base.trim().is_empty() {
        let source = context.label.source;
        context.tally.info("no-ecosystem", source, || "packages without an ecosystem (commits only)".into());
        return None;
    }
    if let Some(shard) = distribution::shard_of_osv(name) {
        let distribution = distribution::of_shard(&shard)?;
        let record = ecosystem::by_id(distribution.ecosystem)?;
        let scheme = seaworthy_version::by_name(record.scheme);
        return Some(Place { shard, scheme, normalise: record.normalise, distribution: Some(distribution) });
    }
    if distribution::by_osv(base).is_some() && !name.contains(':') {
        context.tally.lost(("", package), "unknown-release", name, || {
            format!("packages of no release in particular, first in {}", context.id)
        });
        return None;
    }
    if distribution::by_osv(base).is_some() || label::NO_IMAGE_PACKAGES.contains(&base) {
        context.tally.info("other-channel", name, || {
            "a channel or system whose packages are not those of an image, left out".into()
        });
        return None;
    }
    match ecosystem::by_osv(base) {
        Some(record) => Some(Place {
            shard: record.id.to_owned(),
            scheme: seaworthy_version::by_name(record.scheme),
            normalise: record.normalise,
            distribution: None,
        }),
        None => {
            // No scan can ask for it: a gap of the import, and a loss of no shard.
            context.tally.add(Grade::Gap, "unknown-ecosystem", name, || {
                format!("no record of this ecosystem, first in {}", context.id)
            });
            None
        }
    }
}

/// What one element of `affected` says: one entry, or one per binary package.
fn package_entries(package: schema::Package, context: &mut Context<'_>) -> Vec<Affected> {
    let schema::Package { package: json::Loose(name), ranges, versions, severity, .. } = package;
    let (special, extra) = (package.ecosystem_specific.0, package.database_specific.0);
    let Some(place) = place(name.ecosystem.trim(), name.name.trim(), context) else { return Vec::new() };
    if place.distribution.is_some_and(|d| d.data_by_binary) && suse_binaries(&special) {
        return by_binary(&special, &place);
    }
    let (module, bare) = match name.name.trim().split_once("::") {
        Some((module, bare)) if module.contains(':') && place.distribution.is_some() => (module, bare),
        _ => (special.rpm_modularity.trim(), name.name.trim()),
    };
    if bare.is_empty() || bare.len() > text::NAME_BYTES_MAX {
        let nobody = (place.shard.as_str(), "");
        context.tally.lost(nobody, "broken-record", context.id, || "a package without a usable name".into());
        return Vec::new();
    }
    let package = (place.normalise)(bare).into_owned();
    let ranges = read_ranges(&place, &package, ranges.0, &extra, context);
    let versions = read_versions(&place, &package, &ranges, versions.0, context);
    if ranges.is_empty() && versions.is_empty() {
        context.tally.lost((&place.shard, &package), "unusable-range", context.id, || {
            "neither a version range nor versions of the package remain".into()
        });
        return Vec::new();
    }
    let mut affected = Affected {
        shard: place.shard.clone(),
        package,
        conditions: conditions(module, &ranges, context),
        ranges,
        versions,
        ..Affected::default()
    };
    decide(&mut affected, &special, &extra, &severity.0, context);
    vec![affected]
}

/// Status, its reason and the ratings of this package.
fn decide(
    affected: &mut Affected,
    special: &schema::EcosystemExtra,
    extra: &schema::PackageExtra,
    severity: &[json::Loose<schema::Score>],
    context: &mut Context<'_>,
) {
    let ends_fixed = |range: &Range| range.events.len().checked_sub(1).and_then(|at| range.fix(at)).is_some();
    if !affected.ranges.is_empty() && affected.ranges.iter().all(ends_fixed) {
        affected.status = Status::Fixed;
    }
    affected.ratings = scored(context.label, severity, None, context);
    if let Some(rating) = rating::from_vector(context.label.ratings, &extra.cvss)
        && !affected.ratings.contains(&rating)
    {
        affected.ratings.push(rating);
    }
    let word = match special.ubuntu_priority.is_empty() {
        false => &special.ubuntu_priority,
        true => &special.urgency,
    };
    match word.trim() {
        "" | "not yet assigned" => {}
        "end-of-life" => {
            affected.status = Status::EndOfLife;
            affected.status_reason = "end-of-life".into();
        }
        word => {
            if let Some(severity) = Severity::parse(word.trim_end_matches('*')) {
                affected.ratings.insert(0, rating::from_word(context.label.source, severity));
            }
            if word == "unimportant" && affected.status == Status::Affected {
                affected.status = Status::WillNotFix;
                affected.status_reason = "unimportant".into();
            }
        }
    }
    let systems: Vec<&str> = special.affects.0.os.0.iter().map(|os| os.trim()).collect();
    if !extra.informational.trim().is_empty() {
        affected.status_reason = format!("informational: {}", text::clip(extra.informational.trim(), 60));
    } else if !systems.is_empty() {
        affected.status_reason = text::clip(&format!("only on {}", systems.join(", ")), 120).to_owned();
    }
}

fn read_ranges(
    place: &Place,
    package: &str,
    list: Vec<json::Loose<schema::Range>>,
    extra: &schema::PackageExtra,
    context: &mut Context<'_>,
) -> Vec<Range> {
    let mut ranges = Vec::new();
    for json::Loose(range) in list {
        let kind = match range.kind.trim() {
            "ECOSYSTEM" => RangeKind::Ecosystem,
            "SEMVER" => RangeKind::Semver,
            "GIT" => {
                let source = context.label.source;
                context.tally.info("git-range", source, || "ranges of commits are left out".into());
                continue;
            }
            other => {
                context.tally.lost((&place.shard, package), "unusable-range", context.id, || {
                    format!("`{}` is no kind of range", text::clip(other, 60))
                });
                continue;
            }
        };
        let (mut events, troubles) = range::read(place.scheme, raw_events(range.events.0));
        note_troubles(&troubles, (&place.shard, package), context);
        if let Some(Event::Introduced(_)) = events.last() {
            events.extend(range::last_known(&extra.last_known_affected_version_range));
        }
        if !events.is_empty() {
            ranges.push(Range { kind, events });
        }
    }
    ranges
}

fn note_troubles(troubles: &[Trouble], place: (&str, &str), context: &mut Context<'_>) {
    for trouble in troubles {
        let (grade, code) = match trouble {
            Trouble::CommitHash => (Grade::Info, "git-hash-in-range"),
            Trouble::Unreadable => (Grade::Info, "odd-version"),
            Trouble::Inverted | Trouble::TooLong => (Grade::Gap, "range-refused"),
            _ => (Grade::Info, "range-repaired"),
        };
        match grade {
            Grade::Gap => context.tally.lost(place, code, context.id, || trouble.sentence().into()),
            Grade::Info => context.tally.info(code, context.id, || trouble.sentence().into()),
        }
    }
}

fn raw_events(list: Vec<json::Loose<schema::Event>>) -> Vec<RawEvent> {
    let mut events = Vec::new();
    for json::Loose(event) in list {
        for (kind, version) in [
            (RawKind::Introduced, event.introduced),
            (RawKind::Fixed, event.fixed),
            (RawKind::LastAffected, event.last_affected),
            (RawKind::Limit, event.limit),
        ] {
            let version = version.trim();
            if !version.is_empty() && version.len() <= text::NAME_BYTES_MAX {
                events.push(RawEvent { kind, version: version.to_owned() });
            }
        }
    }
    events
}

/// Enumerated versions that the ranges do not say already.
fn read_versions(
    place: &Place,
    package: &str,
    ranges: &[Range],
    list: Vec<json::Text>,
    context: &mut Context<'_>,
) -> Vec<String> {
    let covered = |version: &str| {
        place.scheme.is_some_and(|scheme| {
            ranges.iter().any(|range| range::contains(scheme, &range.events, version) == Some(true))
        })
    };
    let mut versions = Vec::new();
    for json::Text(version) in list {
        if version.is_empty() || version.len() > text::NAME_BYTES_MAX || range::is_commit_hash(&version) {
            context.tally.info("odd-version", context.id, || "a listed version is none".into());
        } else if versions.len() >= VERSIONS_MAX {
            context.tally.lost((&place.shard, package), "too-many-versions", context.id, || {
                format!("only {VERSIONS_MAX} listed versions are kept")
            });
            break;
        } else if !covered(&version) {
            versions.push(version);
        }
    }
    versions
}

/// The module of an rpm that was built in one. AlmaLinux and Rocky name it only in the title
/// (`Moderate: nodejs:18 security update`).
fn conditions(module: &str, ranges: &[Range], context: &Context<'_>) -> Vec<(String, String)> {
    if !module.is_empty() && module.len() <= text::NAME_BYTES_MAX {
        return vec![("module".into(), module.to_owned())];
    }
    let modular = |event: &Event| {
        let (Event::Introduced(v) | Event::Fixed(v) | Event::LastAffected(v)) = event;
        v.contains(".module_el") || v.contains(".module+el")
    };
    if !ranges.iter().flat_map(|range| &range.events).any(modular) {
        return Vec::new();
    }
    context.modules.iter().map(|module| ("module".into(), module.clone())).collect()
}

/// Words such as `nodejs:18` in a title.
fn modules(title: &str) -> Vec<String> {
    let part = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    let mut found = Vec::new();
    for word in text::clip(title, text::SUMMARY_BYTES_MAX).split_whitespace() {
        let word = word.trim_end_matches([',', ';']);
        if word.split_once(':').is_some_and(|(name, stream)| part(name) && part(stream)) {
            text::add(&mut found, word);
        }
    }
    found
}

/// SUSE lists the binary packages of an update with their versions; Ubuntu's list has fixed keys.
fn suse_binaries(special: &schema::EcosystemExtra) -> bool {
    let ubuntu = |pairs: &json::Pairs<json::Text>| pairs.0.iter().any(|(key, _)| key == "binary_name");
    special.binaries.0.iter().any(|pairs| !pairs.0.is_empty() && !ubuntu(pairs))
}

fn by_binary(special: &schema::EcosystemExtra, place: &Place) -> Vec<Affected> {
    let usable = |text: &str| !text.is_empty() && text.len() <= text::NAME_BYTES_MAX;
    let pairs = special.binaries.0.iter().flat_map(|pairs| &pairs.0);
    pairs
        .filter(|(name, version)| usable(name) && usable(version) && !range::is_commit_hash(version))
        .map(|(name, version)| Affected {
            shard: place.shard.clone(),
            package: (place.normalise)(name).into_owned(),
            ranges: vec![Range {
                kind: RangeKind::Ecosystem,
                events: vec![Event::Introduced("0".into()), Event::Fixed(version.0.clone())],
            }],
            status: Status::Fixed,
            ..Affected::default()
        })
        .collect()
}
