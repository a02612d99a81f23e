//! The built-in starter set against the snapshot of OSV: for every language package that both
//! speak of, the same versions must be affected. Skipped loudly where the snapshot is absent.
//!
//! Probes are the bounds of both sides, the numbers next to each bound, and every version that the
//! snapshot lists. What differs on purpose stands in [`KNOWN`]; an entry that no longer differs
//! fails the test.

use seaworthy_advisory::{Lookup, Starter};
use seaworthy_match::{Judgement, judge};
use seaworthy_types::{Affected, Event, Range, RangeKind, ecosystem};
use seaworthy_version::by_name;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ZIPS: [&str; 9] =
    ["Maven", "PyPI", "npm", "Go", "RubyGems", "Packagist", "NuGet", "crates.io", "Bitnami"];

/// Where the snapshot is coarser than what upstream says, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    ("CVE-2021-44228", LOG4J, "the snapshot starts at 0, the vendor says 2.0-beta9"),
    ("CVE-2021-45046", LOG4J, "the snapshot starts at 0 and leaves out the fix in 2.3.1"),
    ("CVE-2021-45105", LOG4J, "the snapshot starts at 0, the vendor says 2.0-alpha1"),
    ("CVE-2025-1974", "k8s.io/ingress-nginx", "the Go database has no fixes for tags that are not modules"),
];
const LOG4J: &str = "org.apache.logging.log4j:log4j-core";

/// Prefixes of records that were made from lists without exact ranges.
const COARSE: [&str; 6] = ["SAPKB-", "VICTIMS-", "RETIRE-", "NSWG-", "ROAVE-", "STACKROX-"];

/// By id, shard and package.
type Claims = BTreeMap<(String, String, String), Vec<Affected>>;

#[test]
fn agrees_with_the_snapshot() {
    let Some(folder) = shared("advisories/osv") else { return };
    let mut claims = Claims::new();
    for name in ZIPS {
        read_zip(&folder.join(name).join("all.zip"), &mut claims);
    }
    let (mut compared, mut probed, mut wrong) = (0, 0, BTreeMap::new());
    let starter = Starter::new();
    for line in lines() {
        for affected in line["affected"].as_array().expect("a list") {
            let (id, shard, package) =
                (text(&line["id"]), text(&affected["shard"]), text(&affected["package"]));
            let Some(theirs) = claims.get(&(id.clone(), shard.clone(), package.clone())) else { continue };
            let ours = ours(&starter, &id, &shard, &package);
            let scheme = ecosystem::by_id(&shard).expect("a known shard").scheme;
            let probes = probes(ours.iter().chain(theirs));
            (compared, probed) = (compared + 1, probed + probes.len());
            let differ =
                |probe: &&String| is_affected(&ours, probe, scheme) != is_affected(theirs, probe, scheme);
            let differ: Vec<String> = probes.iter().filter(differ).cloned().collect();
            if !differ.is_empty() {
                wrong.insert((id, package), differ);
            }
        }
    }
    println!("{compared} packages compared on {probed} versions");
    assert!(compared >= 100, "only {compared}");
    for (id, package, reason) in KNOWN {
        let key = ((*id).to_owned(), (*package).to_owned());
        assert!(wrong.remove(&key).is_some(), "{id} {package} agrees now: take it from the list ({reason})");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn ours(starter: &Starter, id: &str, shard: &str, package: &str) -> Vec<Affected> {
    let records = starter.records(shard, package).expect("the shard is readable");
    let ours: Vec<Affected> =
        records.into_iter().filter(|record| record.advisory.id == id).map(|record| record.affected).collect();
    assert!(!ours.is_empty(), "{id} {shard} {package}");
    ours
}

fn is_affected(claims: &[Affected], version: &str, scheme: &str) -> bool {
    let scheme = by_name(scheme).expect("a known scheme");
    claims.iter().any(|claim| matches!(judge(claim, version, scheme), Judgement::Affected(_)))
}

fn probes<'a>(claims: impl Iterator<Item = &'a Affected>) -> BTreeSet<String> {
    let mut probes = BTreeSet::new();
    for claim in claims {
        probes.extend(claim.versions.iter().cloned());
        for event in claim.ranges.iter().flat_map(|range| &range.events) {
            let (Event::Introduced(bound) | Event::Fixed(bound) | Event::LastAffected(bound)) = event;
            if bound != "0" {
                probes.extend(neighbours(bound));
                probes.insert(bound.clone());
            }
        }
    }
    probes
}

/// The versions whose last number is one less or one more.
fn neighbours(version: &str) -> Vec<String> {
    let head = version.trim_end_matches(|c: char| c.is_ascii_digit());
    let Ok(number) = version.get(head.len()..).unwrap_or_default().parse::<u64>() else { return Vec::new() };
    let near = [number.checked_sub(1), number.checked_add(1)];
    near.into_iter().flatten().map(|number| format!("{head}{number}")).collect()
}

fn read_zip(path: &Path, claims: &mut Claims) {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut archive = zip::ZipArchive::new(file).expect("a zip");
    for index in 0..archive.len() {
        let entry = archive.by_index(index).expect("an entry");
        if entry.name().expect("a name").ends_with(".json") {
            read_record(&serde_json::from_reader(std::io::BufReader::new(entry)).expect("JSON"), claims);
        }
    }
}

fn read_record(record: &Value, claims: &mut Claims) {
    let id = text(&record["id"]);
    if record["withdrawn"].is_string() || COARSE.iter().any(|prefix| id.starts_with(prefix)) {
        return;
    }
    let ids: BTreeSet<String> = list(&record["aliases"]).map(text).chain([id]).collect();
    for affected in list(&record["affected"]) {
        let Some((shard, package)) = place(&affected["package"]) else { continue };
        let claim = claim(affected);
        for id in &ids {
            let claims = claims.entry((id.clone(), shard.clone(), package.clone())).or_default();
            if !claims.contains(&claim) {
                claims.push(claim.clone());
            }
        }
    }
}

fn place(package: &Value) -> Option<(String, String)> {
    let record = ecosystem::by_osv(package["ecosystem"].as_str()?)?;
    Some((record.id.to_owned(), (record.normalise)(package["name"].as_str()?).into_owned()))
}

/// Lists of events as ranges of one interval each.
fn claim(affected: &Value) -> Affected {
    let mut ranges: Vec<Range> = Vec::new();
    let lists = list(&affected["ranges"]).filter(|range| range["type"] != "GIT");
    for event in lists.flat_map(|range| list(&range["events"])) {
        let field = |name: &str| event[name].as_str().map(str::to_owned);
        if let Some(version) = field("introduced") {
            ranges.push(Range { kind: RangeKind::Ecosystem, events: vec![Event::Introduced(version)] });
        }
        let end = field("fixed").map(Event::Fixed).or(field("last_affected").map(Event::LastAffected));
        if let (Some(end), Some(range)) = (end, ranges.last_mut()) {
            range.events.push(end);
        }
    }
    Affected { ranges, versions: list(&affected["versions"]).map(text).collect(), ..Affected::default() }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn lines() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../advisory/starter/starter.jsonl");
    let data = std::fs::read_to_string(path).expect("the starter set");
    data.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEAWORTHY_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set SEAWORTHY_SHARED", path.display());
    None
}
