//! Rpm databases with write-ahead logs, made by SQLite itself (Python's `sqlite3`), against what SQLite
//! reads in them: see `support/rpm_logs.py`. Skips loudly without Python.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, ReadAt, Visitor, Want};
use seaworthy_types::{Grade, Inventory, Limits, Outcome};
use std::fs;
use std::path::Path;
use std::process::Command;

const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";
const LOG: &str = "var/lib/rpm/rpmdb.sqlite-wal";
const SYSTEM: &[u8] = b"ID=rhel\nVERSION_ID=9.3\n";

/// Answers in small pieces, as a decoder gives them.
struct Pieces<'d>(&'d [u8]);

impl ReadAt for Pieces<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(30_011);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

/// The facts of a layer of these files, as a walk gives them; a file without content is a whiteout.
fn layer(files: &[(&str, Option<&[u8]>)], in_pieces: bool) -> LayerFacts {
    let matcher = Matcher::new(units_for(Target::Image));
    let limits = Limits::default();
    let mut reader = LayerReader::new(&matcher, &limits);
    let pieces: Vec<Pieces<'_>> = files.iter().map(|(_, bytes)| Pieces(bytes.unwrap_or_default())).collect();
    let content = |at: usize| match in_pieces {
        true => Content::Large(&pieces[at]),
        false => Content::Whole(pieces[at].0),
    };
    for (index, (path, bytes)) in files.iter().enumerate() {
        let kind = if bytes.is_some() { EntryKind::File } else { EntryKind::Whiteout };
        let size = pieces[index].len();
        let entry = Entry { path, kind, mode: 0, uid: 0, gid: 0, size, link: "" };
        let head = &pieces[index].0[..pieces[index].0.len().min(512)];
        if reader.entry(&entry, head) == Want::Content {
            reader.content(index as u32, content(index));
        }
    }
    for pair in reader.pairs() {
        let at = |path: &str| files.iter().position(|file| file.0 == path).expect("one of the files");
        reader.pair(&pair, content(at(&pair.file)), content(at(&pair.companion)));
    }
    reader.finish(Vec::new())
}

fn names(outcome: &Outcome<Inventory>) -> Vec<&str> {
    let mut names: Vec<&str> = outcome.value.packages.iter().map(|package| package.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn has_gap(outcome: &Outcome<Inventory>) -> bool {
    outcome.notes.iter().any(|note| note.grade == Grade::Gap)
}

/// Makes the cases; `None`, said loudly, without Python and its `sqlite3`.
fn cases() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().expect("folder");
    let there = Command::new("python3").args(["-c", "import sqlite3"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no python3 with sqlite3 to make databases");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/rpm_logs.py");
    let made = Command::new("python3").arg(script).arg(folder.path()).output().expect("python3");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(folder)
}

/// One after the other: making the cases takes longer than reading them.
#[test]
fn databases_made_by_sqlite() {
    let Some(folder) = cases() else { return };
    databases_with_logs_are_read_as_sqlite_reads_them(folder.path());
    damaged_logs_never_panic(folder.path());
    a_log_replaces_what_was_said_of_the_database_alone(folder.path());
}

fn databases_with_logs_are_read_as_sqlite_reads_them(folder: &Path) {
    let mut cases: Vec<_> =
        fs::read_dir(folder).expect("cases").map(|entry| entry.expect("entry").path()).collect();
    cases.sort();
    let (mut sound, mut odd, mut changed) = (0, 0, 0);
    for case in cases {
        let name = case.file_name().expect("name").to_string_lossy().into_owned();
        let read = |file: &str| fs::read(case.join(file)).expect("file");
        let (database, log) = (read("rpmdb.sqlite"), read("rpmdb.sqlite-wal"));
        let expected = String::from_utf8(read("expected.txt")).expect("text");
        let expected: Vec<&str> = expected.lines().collect();
        // Both orders, whole and in pieces.
        let files: [(&str, Option<&[u8]>); 2] = [(DATABASE, Some(&database)), (LOG, Some(&log))];
        let reversed = [files[1], files[0]];
        let facts = layer(&files, false);
        let outcome = assemble(&[&facts], Target::Image);
        for other in [layer(&files, true), layer(&reversed, false)] {
            assert_eq!(assemble(&[&other], Target::Image), outcome, "{name}");
        }
        if name.starts_with("sound-") {
            sound += 1;
            assert_eq!(names(&outcome), expected, "{name}");
            assert!(!has_gap(&outcome), "{name}: {:?}", outcome.notes);
            let alone = layer(&files[..1], false);
            changed += usize::from(names(&assemble(&[&alone], Target::Image)) != expected);
            continue;
        }
        odd += 1;
        let outcome = assemble(&[&facts, &layer(&[("etc/os-release", Some(SYSTEM))], false)], Target::Image);
        match expected.as_slice() {
            // Only an index lies beyond the end: SQLite refuses, but the packages are all there.
            ["ERROR"] if name == "odd-size-shrinks" => {
                assert_eq!(names(&outcome), ["bash", "glibc", "openssl"], "{name}");
            }
            ["ERROR"] => assert!(has_gap(&outcome), "{name}: SQLite refuses it"),
            // Where the log says nonsense, SQLite takes the file alone.
            _ => assert_eq!(names(&outcome), expected, "{name}"),
        }
    }
    println!("{sound} sound databases, in {changed} the log matters; {odd} odd ones");
    assert!(changed > 15 && odd > 100, "the cases do not show much");
}

fn damaged_logs_never_panic(folder: &Path) {
    let read = |file: &str| fs::read(folder.join("sound-several").join(file)).expect("file");
    let (database, log) = (read("rpmdb.sqlite"), read("rpmdb.sqlite-wal"));
    let mut state = 1u64;
    for _ in 0..60 {
        let (mut database, mut log) = (database.clone(), log.clone());
        for bytes in [&mut database, &mut log] {
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] ^= (state >> 20) as u8 | 1;
            }
        }
        let facts = layer(&[(DATABASE, Some(&database)), (LOG, Some(&log))], false);
        assemble(&[&facts], Target::Image);
    }
}

/// The log counts with the database of its layer, as long as neither is replaced or removed.
#[test]
fn logs_in_layers() {
    let case = |name: &str, file: &str| {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/rpm").join(name).join("input/var/lib/rpm");
        fs::read(path.join(file)).expect("case")
    };
    let database = case("normal-log", "rpmdb.sqlite");
    let log = case("normal-log", "rpmdb.sqlite-wal");
    let other = case("normal-sqlite", "rpmdb.sqlite");
    let (database, log, other) =
        ((DATABASE, Some(&database[..])), (LOG, Some(&log[..])), (DATABASE, Some(&other[..])));
    let merged: &[&str] = &["bash", "openssl"];
    let alone: &[&str] = &["bash", "curl"];
    let replaced: &[&str] = &["bash", "htop", "nodejs", "openssl-libs"];
    type Files<'f> = &'f [(&'static str, Option<&'f [u8]>)];
    let layers: [(&[Files<'_>], &[&str], bool); 11] = [
        (&[&[database, log]], merged, false),
        (&[&[database, log], &[("etc/motd", Some(b""))]], merged, false),
        (&[&[database, log], &[(LOG, None)]], alone, false),
        (&[&[database, log], &[(LOG, Some(b""))]], alone, false),
        (&[&[database, log], &[other, (LOG, None)]], replaced, false),
        (&[&[other], &[database, log]], merged, false),
        // Apart: the database alone, and a gap.
        (&[&[database], &[log]], alone, true),
        (&[&[database, log], &[other]], replaced, true),
        (&[&[database, log], &[log]], alone, true),
        (&[&[log, (DATABASE, None)]], &[], false),
        (&[&[database, log, database]], merged, false),
    ];
    for (number, (layers, expected, gap)) in layers.into_iter().enumerate() {
        let facts: Vec<LayerFacts> = layers.iter().map(|files| layer(files, false)).collect();
        let outcome = assemble(&facts.iter().collect::<Vec<_>>(), Target::Image);
        assert_eq!(names(&outcome), expected, "{number}");
        assert_eq!(has_gap(&outcome), gap, "{number}: {:?}", outcome.notes);
    }
}

/// What was wrong with the database alone is no gap when its log mends it.
fn a_log_replaces_what_was_said_of_the_database_alone(folder: &Path) {
    let read = |file: &str| fs::read(folder.join("sound-all-in-log").join(file)).expect("file");
    let (database, log) = (read("rpmdb.sqlite"), read("rpmdb.sqlite-wal"));
    let both = layer(&[(DATABASE, Some(&database)), (LOG, Some(&log))], false);
    let outcome = assemble(&[&both], Target::Image);
    assert_eq!((names(&outcome), outcome.notes.len()), (vec!["bash", "glibc"], 0));
    let removed = layer(&[(LOG, None)], false);
    let outcome = assemble(&[&both, &removed], Target::Image);
    assert!(names(&outcome).is_empty() && has_gap(&outcome), "{:?}", outcome.notes);
}
