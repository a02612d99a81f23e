//! Delivery when something is wrong: damage, hostile files, old and false indexes, mirrors that fail. Each
//! is a clear message, and the installed data stay as they were.

mod delivery;

use delivery::{DAY, Moment, NOW, Place, key, same_answers, trusted};
use seaworthy_advisory::Index;
use seaworthy_advisory::deliver::body::Blocks;
use seaworthy_advisory::deliver::full::Full;
use seaworthy_advisory::deliver::record::{Canonical, Owned, Record, Records};
use seaworthy_advisory::deliver::spool::{Promised, Spool};
use seaworthy_advisory::deliver::{
    Choice, DeliverError, Expired, Fault, Fetch, Fetched, Folder, How, INDEX_NAME, Payload, Refusal, Store,
    Unsigned, file_name,
};
use seaworthy_types::{Grade, Outcome};
use std::io::{self, Read, Write};
use std::path::Path;

/// All that a fetch may change, but the memory of what was seen.
fn contents(folder: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<(String, u64)> = entries
        .map(|entry| entry.expect("listed"))
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), entry.metadata().expect("facts").len())
        })
        .filter(|(name, _)| name != "trust.json" && name != "lock")
        .collect();
    all.sort();
    all
}

/// The one thing that was wrong at the first place.
fn fault(result: Result<Outcome<Fetched>, DeliverError>) -> Fault {
    match result.expect_err("refused") {
        DeliverError::Nowhere { mut tried, .. } => tried.remove(0).1,
        other => panic!("{other}"),
    }
}

fn refusal(result: Result<Outcome<Fetched>, DeliverError>) -> Refusal {
    match fault(result) {
        Fault::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

/// What the index in a depot says.
fn payload(place: &Place) -> Payload {
    let file = std::fs::read(place.depot_folder().join(INDEX_NAME)).expect("read");
    let index = seaworthy_advisory::deliver::SignedIndex::open(&file, &trusted(&[1]), Unsigned::Refuse);
    index.expect("signed").payload
}

/// What becomes of a file's bytes; `None`: it is not there.
type Change<'a> = dyn Fn(Vec<u8>) -> Option<Vec<u8>> + Sync + 'a;

/// A store whose files are changed on their way.
struct Changed<'a> {
    inner: Folder,
    name: String,
    change: &'a Change<'a>,
}

impl Store for Changed<'_> {
    fn name(&self) -> String {
        format!("changed {}", self.inner.name())
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + '_>>> {
        if name != self.name {
            return self.inner.open(name, bytes_max);
        }
        let mut bytes = Vec::new();
        if let Some(mut input) = self.inner.open(name, u64::MAX)? {
            input.read_to_end(&mut bytes)?;
        }
        Ok((self.change)(bytes).map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }
}

#[test]
fn a_damaged_file_changes_nothing_and_another_mirror_helps() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::Named(&["npm".into()]), NOW).expect("fetched");
    let before = contents(place.fetched_folder());
    let maven = payload(&place).shard("maven").expect("there").full.clone().expect("a file");
    let cases: [(&str, &Change<'_>); 5] = [
        ("cut short", &|bytes| Some(bytes[..bytes.len() / 2].to_vec())),
        ("published", &|mut bytes| {
            bytes[100] ^= 1;
            Some(bytes)
        }),
        ("published", &|bytes| Some([bytes, vec![0]].concat())),
        ("not there", &|_| None),
        ("cut short", &|_| Some(Vec::new())),
    ];
    for (words, change) in cases {
        let bad = Changed { inner: place.depot(), name: file_name(&maven.sha256), change };
        let found = fault(place.fetch_from(&[&bad], Choice::All, NOW, &trusted(&[1])));
        assert!(found.to_string().contains(words), "{found}");
        assert_eq!(contents(place.fetched_folder()), before);
    }
    let bad = Changed { inner: place.depot(), name: file_name(&maven.sha256), change: &|_| Some(vec![1, 2]) };
    let good = place.depot();
    let outcome =
        place.fetch_from(&[&bad, &good], Choice::All, NOW, &trusted(&[1])).expect("the second helps");
    let notes: Vec<&str> = outcome.notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(notes, ["data-mirror-failed"]);
    same_answers(&place.built(), &place.fetched());
}

#[test]
fn a_damaged_delta_is_replaced_by_the_whole() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    place.build("two");
    place.publish(NOW.plus(DAY));
    let delta = payload(&place).shard("npm").expect("there").deltas[0].file.clone();
    let bad =
        Changed { inner: place.depot(), name: file_name(&delta.sha256), change: &|_| Some(vec![0; 40]) };
    let outcome = place.fetch_from(&[&bad], Choice::All, NOW.plus(DAY), &trusted(&[1])).expect("fetched");
    let npm = outcome.value.shards.iter().find(|shard| shard.shard == "npm").expect("there");
    assert_eq!(npm.how, How::Full);
    assert!(outcome.notes.iter().any(|note| note.code == "data-delta-failed"), "{:?}", outcome.notes);
    same_answers(&place.built(), &place.fetched());
}

#[test]
fn old_false_and_expired_indexes_are_refused() {
    let place = Place::new("one");
    place.publish(NOW);
    let old = std::fs::read(place.depot_folder().join(INDEX_NAME)).expect("read");
    place.publish(NOW.plus(DAY));
    let late = NOW.plus(DAY);
    place.fetch(Choice::All, late).expect("fetched");
    let before = contents(place.fetched_folder());
    let stale = Changed { inner: place.depot(), name: INDEX_NAME.into(), change: &|_| Some(old.clone()) };
    let fetch = |store: &dyn Store, now: Moment| place.fetch_from(&[store], Choice::All, now, &trusted(&[1]));
    assert!(matches!(refusal(fetch(&stale, late)), Refusal::Rollback { .. }));
    assert!(matches!(refusal(fetch(&place.depot(), NOW.plus(9 * DAY))), Refusal::Expired { .. }));
    assert!(matches!(refusal(fetch(&place.depot(), NOW.plus(-3 * DAY))), Refusal::Clock { .. }));
    assert_eq!(contents(place.fetched_folder()), before);
    // A stale mirror is passed over for one that is not, and that is told.
    let outcome =
        place.fetch_from(&[&stale, &place.depot()], Choice::All, late, &trusted(&[1])).expect("fetched");
    assert!(outcome.notes.iter().any(|note| note.detail.contains("back in time")), "{:?}", outcome.notes);
    // Two of the same number.
    std::fs::remove_file(place.depot_folder().join(INDEX_NAME)).expect("removed");
    place.publish_with(NOW.plus(DAY), &[&key(1)], 8 * DAY);
    assert!(matches!(refusal(fetch(&place.depot(), late)), Refusal::TwoFaced { .. }));
    // Another key, then both, then the new one alone.
    let changed = |keys: &[u8]| place.fetch_from(&[&place.depot()], Choice::All, late, &trusted(keys));
    assert!(matches!(refusal(changed(&[2])), Refusal::UnknownKey { .. }));
    assert!(matches!(refusal(changed(&[])), Refusal::NoKeys));
    place.publish_with(NOW.plus(DAY + 60), &[&key(1), &key(2)], 7 * DAY);
    assert_eq!(changed(&[1]).expect("the old key").value.signers, [key(1).public().id()]);
    assert_eq!(changed(&[2]).expect("the new key").value.signers, [key(2).public().id()]);
    place.publish_with(NOW.plus(DAY + 120), &[&key(2)], 7 * DAY);
    assert!(matches!(refusal(changed(&[1])), Refusal::UnknownKey { .. }));
    changed(&[2]).expect("the new key alone");
}

#[test]
fn expired_data_are_installed_only_on_request() {
    let place = Place::new("one");
    place.publish(NOW);
    let (depot, database) = (place.depot(), place.fetched_folder());
    let stores: [&dyn Store; 1] = [&depot];
    let fetch = Fetch {
        stores: &stores,
        database,
        choice: Choice::All,
        trusted: &trusted(&[1]),
        unsigned: Unsigned::Refuse,
        expired: Expired::Install,
        now: NOW.plus(40 * DAY).time(),
    };
    fetch.run(&mut |_| {}).expect("installed");
    let (index, _) = Index::read(database).expect("read").expect("there");
    assert_eq!(index.publication.expect("fetched").expires, NOW.plus(7 * DAY).time());
}

#[test]
fn unsigned_publications_need_a_word() {
    let place = Place::new("one");
    place.publish_with(NOW, &[], 7 * DAY);
    assert_eq!(refusal(place.fetch(Choice::All, NOW)), Refusal::Unsigned);
    let depot = place.depot();
    let fetch = Fetch {
        stores: &[&depot],
        database: place.fetched_folder(),
        choice: Choice::All,
        trusted: &trusted(&[1]),
        unsigned: Unsigned::Allow,
        expired: Expired::Refuse,
        now: NOW.time(),
    };
    assert_eq!(fetch.run(&mut |_| {}).expect("allowed").value.signers, Vec::<String>::new());
    same_answers(&place.built(), &place.fetched());
}

#[test]
fn a_shard_that_nobody_has_stays_as_it_is_and_is_told() {
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    place.build("two");
    place.publish(NOW.plus(DAY));
    let npm = payload(&place).shard("npm").expect("there").clone();
    for file in npm.full.iter().chain(npm.deltas.iter().map(|delta| &delta.file)) {
        std::fs::remove_file(place.depot_folder().join(file_name(&file.sha256))).expect("removed");
    }
    let outcome = place.fetch(Choice::Installed, NOW.plus(DAY)).expect("fetched");
    let gaps: Vec<_> = outcome.notes.iter().filter(|note| note.grade == Grade::Gap).collect();
    assert_eq!((gaps.len(), gaps[0].code.as_str(), gaps[0].subject.as_str()), (1, "data-not-updated", "npm"));
    place.fetched().verify().expect("sound");
    // Who asks for it by name is told that it cannot be had.
    let named = place.fetch(Choice::Named(&["npm".into()]), NOW.plus(DAY));
    assert!(matches!(fault(named), Fault::Missing));
    let unknown = place.fetch(Choice::Named(&["cobol".into()]), NOW.plus(DAY));
    assert!(matches!(unknown, Err(DeliverError::NoSuchShard { .. })));
    assert!(place.fetch(Choice::Needed(&["cobol".into()]), NOW.plus(DAY)).is_ok());
}

#[test]
fn what_is_remembered_outlives_a_build() {
    let place = Place::new("one");
    place.publish(NOW);
    let old = std::fs::read(place.depot_folder().join(INDEX_NAME)).expect("read");
    place.publish(NOW.plus(DAY));
    place.fetch(Choice::All, NOW.plus(DAY)).expect("fetched");
    std::fs::remove_file(place.fetched_folder().join("index.json")).expect("removed");
    std::fs::write(place.depot_folder().join(INDEX_NAME), old).expect("written");
    assert!(matches!(refusal(place.fetch(Choice::All, NOW.plus(DAY))), Refusal::Rollback { .. }));
    std::fs::write(place.fetched_folder().join("trust.json"), "{").expect("written");
    let broken = place.fetch(Choice::All, NOW.plus(DAY)).expect_err("a broken memory is no free pass");
    assert!(broken.to_string().contains("trust.json"), "{broken}");
}

/// A full file with records as somebody hostile would write them.
fn hostile(records: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for name in ["npm", "packages"] {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
    }
    body.push(1);
    let mut blocks = Blocks::new(body);
    for (kind, key, value) in records {
        blocks.put(Record { kind: *kind, key, value }).expect("memory");
    }
    let mut body = blocks.finish().expect("memory");
    body.push(0);
    packed(&body)
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut file = b"SEAWALL\n\x01\0\0\0".to_vec();
    file.extend(zstd::bulk::compress(body, 3).expect("packed"));
    file
}

fn spool(file: &[u8], content: &str, bytes: u64) -> Result<Spool, Fault> {
    let folder = tempfile::tempdir().expect("folder");
    let promised = Promised { shard: "npm", kind: "packages", content, bytes };
    Spool::fill(&mut Full::open(file, ("npm", "packages"))?, promised, &folder.path().join("spool"))
}

#[test]
fn hostile_files_are_refused() {
    let digest = |records: &[(u32, &[u8], &[u8])]| {
        let mut canonical = Canonical::new("npm", "packages");
        for (kind, key, value) in records {
            canonical.add(Record { kind: *kind, key, value }).expect("sorted");
        }
        canonical.finish()
    };
    let sound: [(u32, &[u8], &[u8]); 3] = [(1, b"a", b"1"), (1, b"b", b"2"), (7, b"", b"3")];
    let content = digest(&sound);
    spool(&hostile(&sound), &content.digest, content.bytes).expect("sound");
    let zeros = vec![0; 8 << 20];
    let mut long = vec![3, b'n', b'p', b'm', 8];
    long.extend_from_slice(b"packages\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    for (what, file, words) in [
        ("others than promised", hostile(&sound[..2]), "promised"),
        ("unsorted", hostile(&[sound[1], sound[0]]), "unsorted"),
        ("twice", hostile(&[sound[0], sound[0]]), "twice"),
        ("kinds unsorted", hostile(&[sound[2], sound[0]]), "unsorted"),
        ("a bomb of one record", hostile(&[(1, b"a", &zeros)]), "more than was promised"),
        ("a bomb of zeros", packed(&zeros), "another shard"),
        ("absurd length", packed(&long), "absurd"),
        ("another shard", packed(b"\x01x\x08packages\0"), "another shard"),
        ("no end", packed(b"\x03npm\x08packages\x01\0"), "cut short"),
        ("too much after the end", packed(b"\x03npm\x08packages\x01\0\0\0"), "more in it"),
        ("an unknown part", packed(b"\x03npm\x08packages\x09"), "unknown kind 9"),
        ("nothing", Vec::new(), "cut short"),
        ("another format", b"SEAWALL\n\x02\0\0\0".to_vec(), "update the program"),
        ("no frame", b"SEAWALL\n\x01\0\0\0nothing".to_vec(), "unpacked"),
        ("something behind the frame", [hostile(&sound), vec![0]].concat(), "follows its end"),
    ] {
        let found = spool(&file, &content.digest, content.bytes).err().expect(what).to_string();
        assert!(found.contains(words), "{what}: {found}");
    }
    let file = hostile(&sound);
    for length in 0..file.len() {
        assert!(spool(&file[..length], &content.digest, content.bytes).is_err(), "cut at {length}");
    }
}

#[test]
fn every_changed_byte_of_a_delta_is_seen() {
    use seaworthy_advisory::deliver::delta::{Applied, write};
    struct List(Vec<Owned>, usize);
    impl Records for List {
        fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
            self.1 += 1;
            Ok(self.0.get(self.1 - 1).map(Owned::get))
        }
    }
    let record = |key: &str, value: &str| Owned { kind: 1, key: key.into(), value: value.into() };
    let old = vec![record("a", "1"), record("b", "2"), record("d", "4")];
    let new = vec![record("a", "1"), record("b", "two"), record("c", "3")];
    let digest = |list: &[Owned]| {
        let mut canonical = Canonical::new("npm", "packages");
        for record in list {
            canonical.add(record.get()).expect("sorted");
        }
        canonical.finish()
    };
    let (from, to) = (digest(&old), digest(&new));
    let name = ("npm", "packages");
    let digests = (from.digest.as_str(), to.digest.as_str());
    let file =
        write(Vec::new(), name, digests, &mut List(old.clone(), 0), &mut List(new, 0)).expect("written");
    let folder = tempfile::tempdir().expect("folder");
    let apply = |file: &[u8], base: Vec<Owned>| -> Result<Spool, Fault> {
        let mut base = List(base, 0);
        let mut records = Applied::open(file, name, digests, &mut base)?;
        let promised = Promised { shard: "npm", kind: "packages", content: digests.1, bytes: to.bytes };
        Spool::fill(&mut records, promised, &folder.path().join("spool"))
    };
    apply(&file, old.clone()).expect("sound");
    for base in [Vec::new(), old[..2].to_vec(), [old.as_slice(), &[record("e", "5")]].concat()] {
        assert!(apply(&file, base).is_err(), "another base");
    }
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 0x11;
        assert!(apply(&bad, old.clone()).is_err(), "byte {at}");
        assert!(apply(&file[..at], old.clone()).is_err(), "cut at {at}");
    }
}

#[test]
fn a_broken_bundle_is_refused() {
    use seaworthy_advisory::deliver::{Bundle, BundleChoice, export};
    let place = Place::new("one");
    let file = place.work().join("bundle.tar");
    let bundled = export(&place.built_folder(), BundleChoice::All, &file, NOW.time()).expect("exported");
    assert!(!bundled.signed);
    let bytes = std::fs::read(&file).expect("read");
    let bad = place.work().join("bad.tar");
    let step = (bytes.len() / 97).max(1);
    for length in (0..bytes.len() - 512).step_by(step) {
        std::fs::write(&bad, &bytes[..length]).expect("written");
        assert!(Bundle::open(&bad).is_err(), "cut at {length}");
    }
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(step) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        std::fs::File::create(&bad).and_then(|mut file| file.write_all(&changed)).expect("written");
        let Ok(bundle) = Bundle::open(&bad) else {
            refused += 1;
            continue;
        };
        let fetch = Fetch {
            stores: &[&bundle],
            database: place.fetched_folder(),
            choice: Choice::Named(&bundled.shards),
            trusted: &trusted(&[]),
            unsigned: Unsigned::Allow,
            expired: Expired::Refuse,
            now: NOW.time(),
        };
        if fetch.run(&mut |_| {}).is_err() {
            refused += 1;
        } else {
            // Only the fill between files may change without harm.
            same_answers(&place.built(), &place.fetched());
        }
        let _ = std::fs::remove_dir_all(place.fetched_folder());
    }
    assert!(refused > 40, "{refused}");
}

#[test]
fn a_damaged_installed_file_is_fetched_anew() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new("one");
    place.publish(NOW);
    place.fetch(Choice::All, NOW).expect("fetched");
    let (index, _) = Index::read(place.fetched_folder()).expect("read").expect("there");
    let npm = index.shards.iter().find(|shard| shard.shard == "npm").expect("there");
    let path = place.fetched_folder().join(&npm.file);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[200] ^= 1;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    std::fs::write(&path, bytes).expect("written");
    assert!(place.fetched().verify().is_err());
    let outcome = place.fetch(Choice::Installed, NOW).expect("fetched");
    let notes: Vec<&str> = outcome.notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!(notes, ["data-repaired"]);
    let files: u32 = outcome.value.shards.iter().map(|shard| shard.files).sum();
    assert_eq!(files, 1, "the others stay");
    same_answers(&place.built(), &place.fetched());
}
