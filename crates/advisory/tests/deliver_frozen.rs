//! Publications that were made once and never change: what was published in format 1 must always be read,
//! and what a later program adds to format 1 must be kept and passed on by this one.
//!
//! `tests/frozen/format1`: two days of the made-up feed, with deltas. `tests/frozen/newer`: the first day with
//! keys, kinds of records, tags and a kind of shard that this program does not know. `tests/frozen/raised`: an
//! index of format 2. Made by `cargo test -p seaworthy-advisory --test deliver_frozen -- --ignored`, once.

mod delivery;

use delivery::{DAY, NOW, Place, key, same_answers, trusted};
use seaworthy_advisory::Index;
use seaworthy_advisory::database::IndexShard;
use seaworthy_advisory::deliver::full;
use seaworthy_advisory::deliver::installed::Installed;
use seaworthy_advisory::deliver::record::{Content, Owned, Record, Records, content_of};
use seaworthy_advisory::deliver::{
    Bundle, BundleChoice, Choice, DeliverError, Fault, Folder, How, INDEX_NAME, Payload, PublishedShard,
    SignedIndex, Unsigned, export, file_name,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// Content digests of the first day. They change only with the canonical form, and that is format 1.
const FIRST_DAY: [(&str, &str); 4] = [
    ("cve", "dedba8876f63770aa2438ed86048a07e2e545ac9056f1f015c91ced164980d06"),
    ("epss", "cffbc2cd19086ee199dc6b8e8150ab1d067c6c5d4085d3f5e078b3dfe5aada7b"),
    ("maven", "8d5a6f691b7570445cea1ea497fb39d5ef1d102ab3aa4880728a02301d644c56"),
    ("npm", "d8ab1cbe04cab1712a7760f8c36800f6d8c5431f395833365561725c7f1f85b8"),
];

fn frozen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen").join(name)
}

fn payload(depot: &Path) -> Payload {
    let file = std::fs::read(depot.join(INDEX_NAME)).expect("read");
    SignedIndex::open(&file, &trusted(&[1]), Unsigned::Refuse).expect("signed").payload
}

fn content(folder: &Path, shard: &IndexShard) -> Content {
    let mut records = Installed::open(folder, shard).expect("opened");
    content_of(&shard.shard, &shard.kind, &mut records).expect("read")
}

fn installed(folder: &Path) -> Vec<IndexShard> {
    let (index, _) = Index::read(folder).expect("read").expect("there");
    index.shards.into_iter().filter(|shard| !shard.file.is_empty()).collect()
}

#[test]
fn format_1_is_always_read() {
    let place = Place::new("one");
    for (shard, digest) in installed(&place.built_folder()).iter().zip(FIRST_DAY) {
        let found = content(&place.built_folder(), shard).digest;
        assert_eq!((shard.shard.as_str(), found.as_str()), digest, "the canonical form has changed");
    }
    let late = NOW.plus(DAY);
    let depot = Folder::new(&frozen("format1"));
    place.fetch_from(&[&depot], Choice::All, late, &trusted(&[1])).expect("the whole is read");
    let whole = place.data_files();
    place.build("two");
    same_answers(&place.built(), &place.fetched());
    // The same by deltas, from a database with the first day's records.
    let other = place.other("deltas");
    place.build("one");
    place.publish(NOW.plus(-DAY));
    other.fetch(Choice::All, NOW).expect("the first day");
    let outcome = other.fetch_from(&[&depot], Choice::All, late, &trusted(&[1])).expect("deltas are read");
    let deltas = outcome.value.shards.iter().filter(|shard| shard.how == How::Delta).count();
    // The ratings of both days are the same.
    assert_eq!((deltas, outcome.notes), (3, Vec::new()));
    assert_eq!(other.data_files(), whole);
}

#[test]
fn what_later_programs_add_is_kept_and_passed_on() {
    let place = Place::new("one");
    let depot = Folder::new(&frozen("newer"));
    let fetched = place.fetch_from(&[&depot], Choice::All, NOW, &trusted(&[1])).expect("fetched").value;
    assert_eq!(fetched.shards.iter().filter(|shard| shard.how == How::Full).count(), 5);
    // It answers as it would without what nobody here knows.
    let (built, new) = (place.built(), place.fetched());
    new.verify().expect("sound");
    for shard in ["npm", "maven"] {
        let names = built.names(shard).expect("names");
        assert!(!names.is_empty());
        assert_eq!(names, new.names(shard).expect("names"));
        for name in names {
            use seaworthy_advisory::Lookup as _;
            assert_eq!(built.records(shard, &name), new.records(shard, &name), "{name}");
        }
    }
    // A word for completeness that is not known counts as partial.
    let npm =
        installed(place.fetched_folder()).into_iter().find(|shard| shard.shard == "npm").expect("there");
    assert_eq!(npm.completeness, seaworthy_types::Completeness::Partial);
    let promised = payload(&frozen("newer"));
    let kept = installed(place.fetched_folder());
    assert_eq!(kept.len(), 5);
    for shard in &kept {
        let published = promised.shard(&shard.shard).expect("published");
        assert_eq!(content(place.fetched_folder(), shard).digest, published.content, "{}", shard.shard);
    }
    // Passed on by a bundle, which keeps the index as it was signed.
    let file = place.work().join("bundle.tar");
    assert!(export(place.fetched_folder(), BundleChoice::All, &file, NOW.time()).expect("exported").signed);
    let bundle = Bundle::open(&file).expect("opened");
    let beyond = place.other("beyond");
    beyond.fetch_from(&[&bundle], Choice::All, NOW, &trusted(&[1])).expect("imported");
    assert_eq!(beyond.data_files(), place.data_files());
    assert_eq!(
        std::fs::read(beyond.fetched_folder().join(published_file(beyond.fetched_folder()))).expect("read"),
        std::fs::read(frozen("newer").join(INDEX_NAME)).expect("read")
    );
    // A day later the program that knows less gets a delta from the one that knows more.
    std::fs::remove_dir_all(place.built_folder()).expect("removed");
    std::fs::rename(place.fetched_folder(), place.built_folder()).expect("moved");
    place.publish(NOW.plus(60));
    let again = payload(&place.depot_folder());
    let contents = |payload: &Payload| payload.shards.iter().map(|s| s.content.clone()).collect::<Vec<_>>();
    assert_eq!(contents(&again), contents(&promised));
}

fn published_file(folder: &Path) -> String {
    Index::read(folder).expect("read").expect("there").0.publication.expect("fetched").file
}

#[test]
fn a_raised_format_is_refused_with_what_to_do() {
    let place = Place::new("one");
    let depot = Folder::new(&frozen("raised"));
    let error = place.fetch_from(&[&depot], Choice::All, NOW, &trusted(&[1])).expect_err("refused");
    assert!(error.to_string().contains("update the program"), "{error}");
    let DeliverError::Nowhere { tried, .. } = error else { panic!("{error}") };
    assert!(matches!(tried[0].1, Fault::Newer { found: 2, known: 1 }));
    assert!(!place.fetched_folder().join("index.json").exists());
}

/// Records in memory.
struct List(Vec<Owned>, usize);

impl Records for List {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        self.1 += 1;
        Ok(self.0.get(self.1 - 1).map(Owned::get))
    }
}

fn records(folder: &Path, shard: &IndexShard) -> Vec<Owned> {
    let mut records = Installed::open(folder, shard).expect("opened");
    let mut list = Vec::new();
    while let Some(record) = records.next().expect("read") {
        let mut owned = Owned::default();
        owned.set(record);
        list.push(owned);
    }
    list
}

/// The last field of every stored value is a list of (tag, bytes), empty so far: one entry.
fn add_tag(value: &mut Vec<u8>) {
    assert_eq!(value.pop(), Some(0), "an empty list");
    value.extend_from_slice(b"\x01\xac\x02\x03new");
}

fn put(depot: &Path, name: &str, bytes: &[u8]) {
    let path = depot.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, bytes).expect("written");
}

/// Publishes records under a name.
fn publish(depot: &Path, facts: PublishedShard, list: Vec<Owned>) -> PublishedShard {
    let name = (facts.shard.clone(), facts.kind.clone());
    let found = content_of(&name.0, &name.1, &mut List(list.clone(), 0)).expect("sorted");
    let file = full::write(Vec::new(), (&name.0, &name.1), &mut List(list, 0)).expect("written");
    let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    put(depot, &file_name(&sha256), &file);
    let full = Some(seaworthy_advisory::deliver::FileRef { sha256, bytes: file.len() as u64 });
    PublishedShard {
        content: found.digest,
        canonical_bytes: found.bytes,
        canonical_records: found.records,
        full,
        ..facts
    }
}

fn sign(depot: &Path, format: u32, payload: &Value) {
    use base64::Engine as _;
    let json = serde_json::to_vec(payload).expect("memory");
    let signature = base64::engine::general_purpose::STANDARD.encode(key(1).sign(&json));
    let head = format!("seaworthy-index {format}\n{} {signature}\n\n", key(1).public().id());
    put(depot, INDEX_NAME, &[head.as_bytes(), &json].concat());
}

#[test]
#[ignore = "makes the frozen files: they are never made again"]
fn make_frozen_files() {
    let place = Place::new("one");
    place.publish(NOW);
    place.build("two");
    place.publish(NOW.plus(DAY));
    for name in place.depot_files() {
        put(&frozen("format1"), &name, &std::fs::read(place.depot_folder().join(&name)).expect("read"));
    }
    place.build("one");
    let (folder, depot) = (place.built_folder(), frozen("newer"));
    let mut shards = Vec::new();
    for facts in Index::read(&folder).expect("read").expect("there").0.shards {
        if facts.file.is_empty() {
            shards.push(PublishedShard::of(&facts));
            continue;
        }
        let mut list = records(&folder, &facts);
        list.iter_mut().filter(|record| record.kind <= 3).for_each(|record| add_tag(&mut record.value));
        for (kind, key) in [(9, "first"), (9, "second"), (70_000, "")] {
            list.push(Owned { kind, key: key.into(), value: b"of later times".to_vec() });
        }
        shards.push(publish(&depot, PublishedShard::of(&facts), list));
    }
    let graph = PublishedShard {
        shard: "graph".into(),
        kind: "reachability".into(),
        records: 2,
        ..Default::default()
    };
    let list =
        [(1, "no statement"), (42, "x")].map(|(kind, key)| Owned { kind, key: key.into(), value: vec![] });
    shards.push(publish(&depot, graph, list.to_vec()));
    shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    let mut shards = serde_json::to_value(shards).expect("memory");
    for shard in shards.as_array_mut().expect("a list") {
        shard["colour"] = json!({ "of": "later times" });
        if shard["shard"] == "npm" {
            shard["completeness"] = json!("nearly");
        }
        if let Some(full) = shard.get_mut("full") {
            full["mirrors"] = json!(["elsewhere"]);
        }
    }
    let index = json!({
        "seaworthy_index": 1, "publication": "main", "sequence": 7, "made": NOW.time(),
        "expires": NOW.plus(7 * DAY).time(), "motto": "more to come", "shards": shards,
    });
    sign(&depot, 1, &index);
    sign(&frozen("raised"), 1, &json!({ "seaworthy_index": 2, "shards": "another way altogether" }));
}
