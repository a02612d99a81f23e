//! How advisories are laid down in a shard: frozen copies of the words of `seaworthy-types`.
//!
//! Encoded with postcard (<https://postcard.jamesmunns.com/wire-format>). These structs never change
//! within a format version. New facts go into `extra`, a list of (tag, bytes) that older programs
//! step over; a tag is never used twice. What it does not do: find things (`shard`).

use super::wire::Wire;
use crate::Vulnerability;
use seaworthy_types::{
    Advisory, Affected, Date, Enrichment, Event, Kev, Range, RangeKind, Rating, Severity, Ssvc, Status,
    Timestamp,
};
use serde::{Deserialize, Serialize};

type Extra = Vec<(u16, Vec<u8>)>;

#[derive(Serialize, Deserialize)]
struct StoredRating {
    source: String,
    severity: u8,
    vector: String,
    score_tenths: Option<u8>,
}

#[derive(Serialize, Deserialize)]
struct StoredAdvisory {
    id: String,
    source: String,
    aliases: Vec<String>,
    upstream: Vec<String>,
    summary: String,
    details: String,
    ratings: Vec<StoredRating>,
    cwes: Vec<String>,
    published: Option<i64>,
    modified: Option<i64>,
    withdrawn: Option<i64>,
    references: Vec<String>,
    extra: Extra,
}

#[derive(Serialize, Deserialize)]
struct StoredAffected {
    ranges: Vec<(u8, Vec<(u8, String)>)>,
    versions: Vec<String>,
    status: u8,
    status_reason: String,
    ratings: Vec<StoredRating>,
    conditions: Vec<(String, String)>,
    extra: Extra,
}

#[derive(Serialize, Deserialize)]
struct StoredEnrichment {
    kev: Option<(i32, Option<i32>, bool)>,
    ssvc: Option<(String, String, String)>,
    ratings: Vec<StoredRating>,
    summary: String,
    cwes: Vec<String>,
    rejected: bool,
    extra: Extra,
}

const SEVERITIES: [Severity; 6] = [
    Severity::Unknown,
    Severity::Negligible,
    Severity::Low,
    Severity::Medium,
    Severity::High,
    Severity::Critical,
];
const STATUSES: [Status; 7] = [
    Status::Affected,
    Status::Fixed,
    Status::WillNotFix,
    Status::Deferred,
    Status::UnderInvestigation,
    Status::NotAffected,
    Status::EndOfLife,
];
const KINDS: [RangeKind; 2] = [RangeKind::Ecosystem, RangeKind::Semver];

/// Bytes of a stored value that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl From<postcard::Error> for Malformed {
    fn from(_: postcard::Error) -> Self {
        Self
    }
}

fn code<T: PartialEq>(table: &[T], value: &T) -> u8 {
    table.iter().position(|known| known == value).unwrap_or(0) as u8
}

fn word<T: Copy>(table: &[T], code: u8) -> Result<T, Malformed> {
    table.get(usize::from(code)).copied().ok_or(Malformed)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Writing to a growing vector cannot fail for these plain structs; an empty value would be
    // refused when read.
    postcard::to_stdvec(value).unwrap_or_default()
}

fn store_ratings(ratings: &[Rating]) -> Vec<StoredRating> {
    let store = |rating: &Rating| StoredRating {
        source: rating.source.clone(),
        severity: code(&SEVERITIES, &rating.severity),
        vector: rating.vector.clone(),
        score_tenths: rating.score_tenths,
    };
    ratings.iter().map(store).collect()
}

fn load_ratings(ratings: Vec<StoredRating>) -> Result<Vec<Rating>, Malformed> {
    let load = |rating: StoredRating| {
        Ok(Rating {
            source: rating.source,
            severity: word(&SEVERITIES, rating.severity)?,
            vector: rating.vector,
            score_tenths: rating.score_tenths,
        })
    };
    ratings.into_iter().map(load).collect()
}

/// An advisory without its `affected` list, as bytes.
pub fn encode_advisory(advisory: &Advisory) -> Vec<u8> {
    encode(&StoredAdvisory {
        id: advisory.id.clone(),
        source: advisory.source.clone(),
        aliases: advisory.aliases.clone(),
        upstream: advisory.upstream.clone(),
        summary: advisory.summary.clone(),
        details: advisory.details.clone(),
        ratings: store_ratings(&advisory.ratings),
        cwes: advisory.cwes.clone(),
        published: advisory.published.map(|time| time.0),
        modified: advisory.modified.map(|time| time.0),
        withdrawn: advisory.withdrawn.map(|time| time.0),
        references: advisory.references.clone(),
        extra: Extra::new(),
    })
}

/// The vulnerabilities of an advisory, as bytes: they stand before the advisory.
pub fn encode_vulnerabilities(vulnerabilities: &[Vulnerability]) -> Vec<u8> {
    let pairs: Vec<(&str, &[String])> =
        vulnerabilities.iter().map(|v| (v.id.as_str(), v.aliases.as_slice())).collect();
    encode(&pairs)
}

/// Reads what [`encode_vulnerabilities`] and [`encode_advisory`] wrote one after the other.
pub fn decode_advisory(bytes: &[u8]) -> Result<(Vec<Vulnerability>, Advisory), Malformed> {
    let (pairs, rest) = postcard::take_from_bytes::<Vec<(String, Vec<String>)>>(bytes)?;
    let (stored, _) = postcard::take_from_bytes::<StoredAdvisory>(rest)?;
    let advisory = Advisory {
        id: stored.id,
        source: stored.source,
        aliases: stored.aliases,
        upstream: stored.upstream,
        summary: stored.summary,
        details: stored.details,
        ratings: load_ratings(stored.ratings)?,
        cwes: stored.cwes,
        published: stored.published.map(Timestamp),
        modified: stored.modified.map(Timestamp),
        withdrawn: stored.withdrawn.map(Timestamp),
        references: stored.references,
        affected: Vec::new(),
    };
    let vulnerabilities = pairs.into_iter().map(|(id, aliases)| Vulnerability { id, aliases }).collect();
    Ok((vulnerabilities, advisory))
}

/// What an advisory says of one package, as bytes; shard and package are known from the place.
pub fn encode_affected(affected: &Affected) -> Vec<u8> {
    let events = |range: &Range| range.events.iter().map(store_event).collect();
    encode(&StoredAffected {
        ranges: affected.ranges.iter().map(|range| (code(&KINDS, &range.kind), events(range))).collect(),
        versions: affected.versions.clone(),
        status: code(&STATUSES, &affected.status),
        status_reason: affected.status_reason.clone(),
        ratings: store_ratings(&affected.ratings),
        conditions: affected.conditions.clone(),
        extra: Extra::new(),
    })
}

fn store_event(event: &Event) -> (u8, String) {
    match event {
        Event::Introduced(version) => (0, version.clone()),
        Event::Fixed(version) => (1, version.clone()),
        Event::LastAffected(version) => (2, version.clone()),
    }
}

fn load_event(code: u8, version: String) -> Result<Event, Malformed> {
    match code {
        0 => Ok(Event::Introduced(version)),
        1 => Ok(Event::Fixed(version)),
        2 => Ok(Event::LastAffected(version)),
        _ => Err(Malformed),
    }
}

/// A package's item: a count, then for each entry the advisory's number and its bytes.
pub fn encode_package(entries: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = encode(&(entries.len() as u32));
    for (advisory, affected) in entries {
        bytes.extend_from_slice(&encode(advisory));
        bytes.extend_from_slice(affected);
    }
    bytes
}

/// Reads what [`encode_package`] wrote, entry by entry: the advisory's number and what it says. The
/// value handed out is used again for the next entry; `each` keeps a copy of what it wants.
pub fn decode_package(
    bytes: &[u8],
    shard: &str,
    package: &str,
    each: &mut dyn FnMut(u32, &Affected),
) -> Result<(), Malformed> {
    let mut wire = Wire::new(bytes);
    let mut value = Affected { shard: shard.to_owned(), package: package.to_owned(), ..Affected::default() };
    for _ in 0..wire.number()? {
        let advisory = u32::try_from(wire.number()?).map_err(|_| Malformed)?;
        load_affected(&mut wire, &mut value)?;
        each(advisory, &value);
    }
    Ok(())
}

/// The same without understanding what is said: the advisory's number and the bytes, entry by entry.
pub fn split_package(bytes: &[u8], each: &mut dyn FnMut(u32, &[u8])) -> Result<(), Malformed> {
    let mut wire = Wire::new(bytes);
    let mut value = Affected::default();
    for _ in 0..wire.number()? {
        let advisory = u32::try_from(wire.number()?).map_err(|_| Malformed)?;
        let start = bytes.len() - wire.left();
        load_affected(&mut wire, &mut value)?;
        each(advisory, bytes.get(start..bytes.len() - wire.left()).unwrap_or_default());
    }
    if wire.left() == 0 { Ok(()) } else { Err(Malformed) }
}

/// Whether bytes are what one advisory says of a package, and nothing else.
pub fn is_affected(bytes: &[u8]) -> bool {
    let mut wire = Wire::new(bytes);
    load_affected(&mut wire, &mut Affected::default()).is_ok() && wire.left() == 0
}

/// A package's item out of entries whose bytes are at hand.
pub fn join_package(entries: &[(u32, &[u8])]) -> Vec<u8> {
    let mut bytes = encode(&(entries.len() as u32));
    for (advisory, affected) in entries {
        bytes.extend_from_slice(&encode(advisory));
        bytes.extend_from_slice(affected);
    }
    bytes
}

/// Id and source of what [`encode_vulnerabilities`] and [`encode_advisory`] wrote one after the other.
pub fn name_of(bytes: &[u8]) -> Result<(&str, &str), Malformed> {
    let mut wire = Wire::new(bytes);
    for _ in 0..wire.number()? {
        wire.text()?;
        for _ in 0..wire.number()? {
            wire.text()?;
        }
    }
    Ok((wire.text()?, wire.text()?))
}

/// Lays a [`StoredAffected`] into a value whose memory is used again. By hand, not by its derived
/// reader: look-ups spend most of their time here.
fn load_affected(wire: &mut Wire<'_>, value: &mut Affected) -> Result<(), Malformed> {
    value.ranges.clear();
    for _ in 0..wire.number()? {
        let kind = word(&KINDS, wire.byte()?)?;
        let count = wire.number()?;
        let mut events = Vec::with_capacity(wire.bounded(count));
        for _ in 0..count {
            let code = wire.byte()?;
            events.push(load_event(code, wire.text()?.to_owned())?);
        }
        value.ranges.push(Range { kind, events });
    }
    value.versions.clear();
    for _ in 0..wire.number()? {
        value.versions.push(wire.text()?.to_owned());
    }
    value.status = word(&STATUSES, wire.byte()?)?;
    value.status_reason.clear();
    value.status_reason.push_str(wire.text()?);
    value.ratings.clear();
    for _ in 0..wire.number()? {
        value.ratings.push(Rating {
            source: wire.text()?.to_owned(),
            severity: word(&SEVERITIES, wire.byte()?)?,
            vector: wire.text()?.to_owned(),
            score_tenths: match wire.byte()? {
                0 => None,
                1 => Some(wire.byte()?),
                _ => return Err(Malformed),
            },
        });
    }
    value.conditions.clear();
    for _ in 0..wire.number()? {
        value.conditions.push((wire.text()?.to_owned(), wire.text()?.to_owned()));
    }
    for _ in 0..wire.number()? {
        // Facts younger than this program.
        let _tag = wire.number()?;
        let length = wire.number()?;
        wire.take(length)?;
    }
    Ok(())
}

/// What is known of a vulnerability besides packages and EPSS, as bytes.
pub fn encode_enrichment(enrichment: &Enrichment) -> Vec<u8> {
    let ssvc = enrichment.ssvc.as_ref();
    encode(&StoredEnrichment {
        kev: enrichment.kev.as_ref().map(|kev| (kev.added.0, kev.due.map(|day| day.0), kev.ransomware)),
        ssvc: ssvc.map(|s| (s.exploitation.clone(), s.automatable.clone(), s.technical_impact.clone())),
        ratings: store_ratings(&enrichment.ratings),
        summary: enrichment.summary.clone(),
        cwes: enrichment.cwes.clone(),
        rejected: enrichment.rejected,
        extra: Extra::new(),
    })
}

/// Reads what [`encode_enrichment`] wrote.
pub fn decode_enrichment(bytes: &[u8]) -> Result<Enrichment, Malformed> {
    let (stored, _) = postcard::take_from_bytes::<StoredEnrichment>(bytes)?;
    let kev = |(added, due, ransomware): (i32, Option<i32>, bool)| Kev {
        added: Date(added),
        due: due.map(Date),
        ransomware,
    };
    let ssvc =
        |(exploitation, automatable, technical_impact)| Ssvc { exploitation, automatable, technical_impact };
    Ok(Enrichment {
        kev: stored.kev.map(kev),
        epss: None,
        ssvc: stored.ssvc.map(ssvc),
        ratings: load_ratings(stored.ratings)?,
        summary: stored.summary,
        cwes: stored.cwes,
        rejected: stored.rejected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rating() -> Rating {
        Rating { source: "nvd".into(), severity: Severity::High, vector: "x".into(), score_tenths: Some(75) }
    }

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Affected)>, Malformed> {
        let mut entries = Vec::new();
        decode_package(bytes, "npm", "p", &mut |number, affected| entries.push((number, affected.clone())))?;
        Ok(entries)
    }

    /// The derived reader, which the one by hand must agree with.
    fn derived(bytes: &[u8]) -> StoredAffected {
        postcard::from_bytes(bytes).expect("what was written is read")
    }

    #[test]
    fn entries_do_not_mix() {
        let first = Affected {
            versions: vec!["1".into()],
            status_reason: "why".into(),
            conditions: vec![("arch".into(), "arm64".into())],
            ratings: vec![rating()],
            ranges: vec![Range::default()],
            ..bare()
        };
        let entries = [(1, encode_affected(&first)), (u32::MAX, encode_affected(&bare()))];
        assert_eq!(all(&encode_package(&entries)), Ok(vec![(1, first), (u32::MAX, bare())]));
    }

    #[test]
    fn younger_facts_are_stepped_over() {
        let mut stored = derived(&encode_affected(&bare()));
        stored.extra = vec![(300, vec![7; 200]), (1, Vec::new())];
        let entries = [(1, encode(&stored)), (2, encode_affected(&bare()))];
        assert_eq!(all(&encode_package(&entries)), Ok(vec![(1, bare()), (2, bare())]));
    }

    fn bare() -> Affected {
        Affected { shard: "npm".into(), package: "p".into(), ..Affected::default() }
    }

    #[test]
    fn values_come_back() {
        let advisory = Advisory {
            id: "GHSA-1".into(),
            aliases: vec!["CVE-2021-1234".into()],
            ratings: vec![rating()],
            modified: Some(Timestamp(-5)),
            ..Advisory::default()
        };
        let vulnerabilities =
            vec![Vulnerability { id: "CVE-2021-1234".into(), aliases: vec!["GHSA-1".into()] }];
        let mut bytes = encode_vulnerabilities(&vulnerabilities);
        bytes.extend(encode_advisory(&advisory));
        assert_eq!(decode_advisory(&bytes), Ok((vulnerabilities, advisory)));
        let affected = Affected {
            shard: "npm".into(),
            package: "p".into(),
            ranges: vec![Range {
                kind: RangeKind::Semver,
                events: vec![Event::Introduced("0".into()), Event::LastAffected("2".into())],
            }],
            status: Status::EndOfLife,
            ratings: vec![rating()],
            conditions: vec![("arch".into(), "x86_64".into())],
            ..Affected::default()
        };
        let bytes = encode_package(&[(7, encode_affected(&affected))]);
        assert_eq!(all(&bytes), Ok(vec![(7, affected)]));
        let enrichment = Enrichment {
            kev: Some(Kev { added: Date(1), due: None, ransomware: true }),
            ratings: vec![rating()],
            rejected: true,
            ..Enrichment::default()
        };
        assert_eq!(decode_enrichment(&encode_enrichment(&enrichment)), Ok(enrichment));
    }

    #[test]
    fn cut_or_false_bytes_are_refused() {
        let bytes = encode_package(&[(7, encode_affected(&Affected::default()))]);
        for length in 0..bytes.len() {
            assert_eq!(all(&bytes[..length]), Err(Malformed), "{length}");
        }
        let hostile = encode(&u32::MAX);
        assert_eq!(all(&hostile), Err(Malformed));
        assert_eq!(load_event(3, String::new()), Err(Malformed));
        assert!(word(&STATUSES, 7).is_err());
    }
}
