//! Feeds on cases (`tests/cases/<feed>/<case>.<ext>` with `<case>.expected.json` beside it) and on the
//! shared snapshot of real data. `SEAWORTHY_BLESS=1` rewrites expectations; read them before accepting.

use seaworthy_advisory::feed::{self, Feed, FeedError, ReadSeek, Sink};
use seaworthy_types::{Advisory, Enrichment, Event, Grade, Note, Status};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Collected {
    advisories: Vec<Advisory>,
    enrichments: Vec<(String, Enrichment)>,
    notes: Vec<Note>,
}

impl Sink for Collected {
    fn advisory(&mut self, advisory: Advisory) {
        self.advisories.push(advisory);
    }
    fn enrichment(&mut self, id: &str, enrichment: Enrichment) {
        self.enrichments.push((id.to_owned(), enrichment));
    }
    fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}

impl Collected {
    fn notes_of(&self, code: &str) -> Vec<&Note> {
        self.notes.iter().filter(|note| note.code == code).collect()
    }
    fn get(&self, id: &str) -> &Advisory {
        self.advisories.iter().find(|advisory| advisory.id == id).expect(id)
    }
}

fn feed(name: &str) -> &'static dyn Feed {
    feed::ALL.iter().copied().find(|feed| feed.about().name == name).expect(name)
}

fn read(name: &str, bytes: impl Into<Vec<u8>>) -> (Result<(), FeedError>, Collected) {
    let mut collected = Collected::default();
    let result = feed(name).read("case", &mut Cursor::new(bytes.into()), &mut collected);
    (result, collected)
}

/// Default fields left out, so that a case shows what it is about.
fn bare(value: Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, bare(value)))
            .filter(|(_, value)| !empty(value))
            .collect(),
        Value::Array(list) => list.into_iter().map(bare).collect(),
        other => other,
    }
}

fn outcome(name: &str, bytes: Vec<u8>) -> Value {
    let (result, collected) = read(name, bytes);
    bare(json!({
        "error": result.err().map(|error| error.to_string()),
        "advisories": collected.advisories,
        "enrichments": collected.enrichments,
        "notes": collected.notes,
    }))
}

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let bless = std::env::var_os("SEAWORTHY_BLESS").is_some();
    let mut count = 0;
    for feed in feed::ALL {
        let name = feed.about().name;
        let mut inputs: Vec<PathBuf> = fs::read_dir(root.join(name))
            .unwrap_or_else(|error| panic!("{name} has no cases: {error}"))
            .map(|entry| entry.expect("entry").path())
            .filter(|path| !path.to_string_lossy().ends_with(".expected.json"))
            .collect();
        inputs.sort();
        for input in inputs {
            let found = outcome(name, fs::read(&input).expect("input"));
            let expected = input.with_extension("expected.json");
            let found = serde_json::to_string_pretty(&found).expect("JSON") + "\n";
            if bless {
                fs::write(&expected, &found).expect("written");
            }
            let wanted = fs::read_to_string(&expected).unwrap_or_default();
            assert!(found == wanted, "{}: found {found}", input.display());
            count += 1;
        }
    }
    assert!(count >= 30, "only {count} cases");
}

#[test]
fn every_feed_meets_nonsense_with_an_error() {
    let deep = format!("{{\"vulnerabilities\":{}", "[".repeat(1_000_000));
    for feed in feed::ALL {
        let name = feed.about().name;
        for bytes in
            [b"".to_vec(), b"\0\xff\xfe nonsense".to_vec(), b"[1,2]".to_vec(), b"PK\x03\x04 cut".to_vec()]
        {
            let (result, collected) = read(name, bytes);
            assert!(result.is_err(), "{name}");
            assert!(collected.advisories.is_empty() && collected.enrichments.is_empty(), "{name}");
        }
        let (result, collected) = read(name, deep.as_bytes());
        assert!(result.is_err() || !collected.notes.is_empty(), "{name}: deep nesting passed in silence");
    }
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).expect("entry");
        writer.write_all(bytes).expect("bytes");
    }
    writer.finish().expect("archive").into_inner()
}

#[test]
fn archives_are_bounded() {
    let good =
        br#"{"id":"GHSA-x","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1.0.0"]}]}"#;
    let large = vec![b' '; (32 << 20) + 1];
    let bytes = zipped(&[("a.json", good), ("large.json", &large), ("readme.txt", b"x"), ("bad.json", b"{")]);
    let (result, collected) = read("osv", bytes);
    result.expect("archive");
    assert_eq!(collected.advisories.len(), 1);
    let codes: Vec<&str> = collected.notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(codes, ["broken-record", "other-file", "record-too-large"]);

    // Ten times 30 MB of blanks in 300 kB: more than 200 times the archive's size.
    let blank = vec![b' '; 30 << 20];
    let names: Vec<String> = (0..10).map(|index| format!("{index}.json")).collect();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), blank.as_slice())).collect();
    let (result, collected) = read("osv", zipped(&entries));
    result.expect("archive");
    assert_eq!(collected.notes_of("zip-bomb").len(), 1);

    let mut torn = zipped(&[("a.json", good.repeat(50).as_slice()), ("b.json", good)]);
    torn[40] ^= 0x55;
    let (_, collected) = read("osv", torn);
    assert!(!collected.notes.is_empty(), "a damaged entry passed in silence");
}

#[test]
fn a_giant_record_stops_the_stream_with_a_gap() {
    for (name, head, record) in [
        ("debian-tracker", "{", r#""a":{"CVE-2020-0001":{"releases":{"sid":{"status":"open"}}}},"#),
        ("kev", r#"{"vulnerabilities":["#, r#"{"cveID":"CVE-2020-0001","dateAdded":"2020-01-01"},"#),
        ("nvd", r#"{"vulnerabilities":["#, r#"{"cve":{"id":"CVE-2020-0001"}},"#),
    ] {
        let mut text = format!("{head}{record}\"");
        text.push_str(&"x".repeat(40 << 20));
        let (result, collected) = read(name, text);
        result.expect("the first record counts");
        assert_eq!(collected.advisories.len() + collected.enrichments.len(), 1, "{name}");
        assert_eq!(collected.notes_of("feed-cut").len(), 1, "{name}");
    }
}

/// The snapshot of real data beside the repository; `None` with a loud line when it is absent.
fn snapshot() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("SEAWORTHY_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let folder = shared.join("advisories");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no shared advisories at {}", folder.display());
    None
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn open(path: &Path) -> Box<dyn ReadSeek> {
    let file = File::open(path).expect("file");
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
        return Box::new(Cursor::new(bytes));
    }
    Box::new(BufReader::new(file))
}

#[derive(serde::Deserialize)]
struct OnlyId {
    id: String,
}

/// Ids of the records in an archive.
fn ids(path: &Path) -> BTreeSet<String> {
    let mut archive = zip::ZipArchive::new(File::open(path).expect("file")).expect("archive");
    let mut ids = BTreeSet::new();
    for index in 0..archive.len() {
        let mut bytes = Vec::new();
        archive.by_index(index).expect("entry").read_to_end(&mut bytes).expect("bytes");
        ids.insert(serde_json::from_slice::<OnlyId>(&bytes).expect("JSON").id);
    }
    ids
}

fn check_ranges(advisory: &Advisory) {
    for affected in &advisory.affected {
        let said = !affected.ranges.is_empty() || !affected.versions.is_empty();
        assert!(said || affected.status == Status::NotAffected, "{}", advisory.id);
        for range in &affected.ranges {
            let starts = |event: &Event| matches!(event, Event::Introduced(_));
            // A bound that is no fix stands twice.
            let mut events = range.events.clone();
            events.dedup();
            assert!(events.iter().enumerate().all(|(at, event)| starts(event) == (at % 2 == 0)));
            assert!(range.events.iter().all(|event| {
                let (Event::Introduced(v) | Event::Fixed(v) | Event::LastAffected(v)) = event;
                !(v.len() == 40 && v.bytes().all(|b| b.is_ascii_hexdigit()))
            }));
        }
    }
}

/// Every record of every archive gives an advisory or a note that names it.
#[test]
fn snapshot_osv() {
    let Some(root) = snapshot() else { return };
    let mut paths = Vec::new();
    files(&root.join("osv"), &mut paths);
    let mut total = 0;
    for path in paths.iter().filter(|path| path.ends_with("all.zip")) {
        let mut collected = Collected::default();
        feed("osv").read("", &mut *open(path), &mut collected).expect("archive");
        let given: BTreeSet<&str> = collected
            .advisories
            .iter()
            .map(|advisory| advisory.id.as_str())
            .chain(collected.notes.iter().map(|note| note.subject.as_str()))
            .collect();
        let ids = ids(path);
        let silent: Vec<&String> = ids.iter().filter(|id| !given.contains(id.as_str())).collect();
        assert!(silent.is_empty(), "{}: {silent:?}", path.display());
        collected.advisories.iter().for_each(check_ranges);
        let mut again = Collected::default();
        if ids.len() < 2_000 {
            feed("osv").read("", &mut *open(path), &mut again).expect("archive");
            assert!(again.advisories == collected.advisories && again.notes == collected.notes);
        }
        total += ids.len();
        print_notes(path, &collected);
    }
    assert!(total > 30_000, "{total} records");
}

#[test]
fn snapshot_other_feeds() {
    let Some(root) = snapshot() else { return };
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut records: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &paths {
        let relative = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
        let claimed: Vec<&&dyn Feed> =
            feed::ALL.iter().filter(|feed| feed.claims(&relative).is_some()).collect();
        assert!(claimed.len() <= 1, "{relative} is claimed twice");
        let Some(feed) = claimed.first().filter(|feed| feed.about().name != "osv") else { continue };
        let mut collected = Collected::default();
        let part = feed.claims(&relative).expect("claimed");
        feed.read(&part, &mut *open(path), &mut collected).expect(&relative);
        collected.advisories.iter().for_each(check_ranges);
        *records.entry(feed.about().name).or_default() +=
            collected.advisories.len() + collected.enrichments.len();
        print_notes(path, &collected);
    }
    println!("{records:?}");
    let at_least = [
        ("alpine-secdb", 100_000),
        ("cve5", 40),
        ("debian-tracker", 10_000),
        ("epss", 360_142),
        ("kev", 1_662),
        ("ssvc", 44_130),
    ];
    for (name, least) in at_least {
        assert!(records.get(name).is_some_and(|count| *count >= least), "{name}: {:?}", records.get(name));
    }
}

fn print_notes(path: &Path, collected: &Collected) {
    let mut codes: BTreeMap<(Grade, &str), usize> = BTreeMap::new();
    for note in &collected.notes {
        *codes.entry((note.grade, note.code.as_str())).or_default() += 1;
    }
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for note in &collected.notes {
        let count = shown.entry(note.code.as_str()).or_default();
        *count += 1;
        if *count <= 3 {
            println!("    {:?} {} `{}`: {}", note.grade, note.code, note.subject, note.detail);
        }
    }
    println!(
        "{}: {} advisories, {} enrichments, notes {codes:?}",
        path.display(),
        collected.advisories.len(),
        collected.enrichments.len()
    );
}

/// Chosen real records of the samples.
#[test]
fn samples() {
    let Some(root) = snapshot() else { return };
    let mut collected = Collected::default();
    let path = root.join("osv/_format-samples/all.zip");
    feed("osv").read("", &mut *open(&path), &mut collected).expect("archive");
    for note in collected.notes_of("unknown-ecosystem") {
        println!("{note:?}");
    }
    let usn = collected.get("USN-5614-1");
    assert_eq!(
        (usn.source.as_str(), usn.upstream.as_slice()),
        ("ubuntu", ["CVE-2021-3782".to_owned()].as_slice())
    );
    let copy = collected.get("ALPINE-CVE-2023-46850");
    assert_eq!(
        (copy.source.as_str(), copy.aliases.as_slice()),
        ("alpine", ["CVE-2023-46850".to_owned()].as_slice())
    );
    assert!(copy.affected.iter().all(|affected| affected.versions.is_empty()), "covered by the range");
    let malware = collected.get("MAL-2022-1471");
    assert_eq!((malware.source.as_str(), malware.affected[0].shard.as_str()), ("malicious-packages", "npm"));
    assert!(collected.get("UBUNTU-CVE-2001-1593").withdrawn.is_some());
    let shards: BTreeSet<&str> =
        collected.advisories.iter().flat_map(|a| &a.affected).map(|a| a.shard.as_str()).collect();
    for shard in ["rocky:8", "photon:4.0", "sles:12.1", "debian:6", "rhel:7", "github-actions", "alpine:3.24"]
    {
        assert!(shards.contains(shard), "{shard} in {shards:?}");
    }
}

/// Counts only: what a feed costs by itself.
#[derive(Default)]
struct Counting(u64);

impl Sink for Counting {
    fn advisory(&mut self, advisory: Advisory) {
        self.0 += 1;
        std::hint::black_box(advisory);
    }
    fn enrichment(&mut self, _: &str, enrichment: Enrichment) {
        self.0 += 1;
        std::hint::black_box(enrichment);
    }
    fn note(&mut self, _: Note) {}
}

/// `RAYON_NUM_THREADS=1 cargo test --release -p seaworthy-advisory --test feeds -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement, not a check"]
fn speed() {
    let Some(root) = snapshot() else { return };
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let mut times: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
    for path in &paths {
        let relative = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
        for feed in feed::ALL.iter().filter(|feed| feed.claims(&relative).is_some()) {
            let mut input = open(path);
            let mut counting = Counting::default();
            let start = std::time::Instant::now();
            feed.read("", &mut *input, &mut counting).expect(&relative);
            let spent = start.elapsed().as_secs_f64();
            let name = if feed.about().name == "osv" { relative.as_str() } else { feed.about().name };
            let name: &'static str = String::leak(name.to_owned());
            let entry = times.entry(name).or_default();
            entry.0 += spent;
            entry.1 += counting.0;
        }
    }
    for (name, (seconds, records)) in &times {
        println!("{seconds:7.3} s {records:8} records {name}");
    }
    // The live tracker has some 100 MB; this text has as many, of the same shape.
    let mut text = String::from("{");
    for package in 0..4_000 {
        text.push_str(&format!("{}\"package-{package}\":{{", if package > 0 { "," } else { "" }));
        for cve in 0..25 {
            let comma = if cve > 0 { "," } else { "" };
            text.push_str(&format!(
                r#"{comma}"CVE-2024-{:05}":{{"scope":"remote","debianbug":555217,"description":"{}","releases":{{"#,
                package * 25 + cve,
                "An issue was discovered. ".repeat(8)
            ));
            for (at, release) in ["bookworm", "bullseye", "forky", "sid", "trixie"].iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                text.push_str(&format!(
                    r#"{comma}"{release}":{{"status":"resolved","repositories":{{"{release}":"1.7.1-3","{release}-security":"1.7.1-3"}},"fixed_version":"1.6.0.2-1","urgency":"not yet assigned"}}"#
                ));
            }
            text.push_str("}}");
        }
        text.push('}');
    }
    text.push('}');
    let size = text.len() >> 20;
    let mut counting = Counting::default();
    let start = std::time::Instant::now();
    feed("debian-tracker").read("", &mut Cursor::new(text.into_bytes()), &mut counting).expect("tracker");
    println!("{:7.3} s {:8} records debian-tracker, {size} MiB", start.elapsed().as_secs_f64(), counting.0);
}
