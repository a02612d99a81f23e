//! Each bound that the units keep has an effect, and what it costs is a gap.

use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerReader, Target, assemble_within};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::{Grade, Inventory, Limits, Outcome};

const STATUS: &str = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: install ok \
                      installed\nVersion: 2\n\nPackage: c\nStatus: install ok installed\nVersion: 3\n";
const JAR: &[u8] = include_bytes!("../cases/java-archive/normal-nested/input/srv/shop.jar");
const LOCK: &str = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n[[package]]\nname = \"b\"\n\
                    version = \"2.0.0\"\n";

fn scan(files: &[(&str, &[u8])], target: Target, limits: &Limits) -> Outcome<Inventory> {
    let matcher = Matcher::new(units_for(target));
    let mut reader = LayerReader::new(&matcher, limits);
    for (index, (path, bytes)) in files.iter().enumerate() {
        let size = bytes.len() as u64;
        let entry = Entry { path, kind: EntryKind::File, mode: 0o644, uid: 0, gid: 0, size, link: "" };
        if reader.entry(&entry, &bytes[..bytes.len().min(512)]) == Want::Content {
            reader.content(index as u32, Content::Whole(bytes));
        }
    }
    assemble_within(&[&reader.finish(Vec::new())], target, limits)
}

/// Number of packages and codes of the gaps.
fn outcome(files: &[(&str, &[u8])], target: Target, limits: Limits) -> (usize, Vec<String>) {
    let all = scan(files, target, &Limits::default());
    assert!(all.notes.iter().all(|note| note.code != "too-many-packages"), "{:?}", all.notes);
    let outcome = scan(files, target, &limits);
    let gaps = outcome.notes.iter().filter(|note| note.grade == Grade::Gap).map(|note| note.code.clone());
    (outcome.value.packages.len(), gaps.filter(|code| code != "os-unknown").collect())
}

#[test]
fn packages_of_one_database() {
    let limits = Limits { packages_max: 2, ..Limits::default() };
    let (count, gaps) = outcome(&[("var/lib/dpkg/status", STATUS.as_bytes())], Target::Image, limits);
    assert_eq!(count, 2);
    assert!(gaps.contains(&"too-many-packages".to_owned()), "{gaps:?}");
}

#[test]
fn packages_of_several_files_together() {
    let files = [("one/Cargo.lock", LOCK.as_bytes()), ("two/Cargo.lock", LOCK.as_bytes())];
    let (count, gaps) = outcome(&files, Target::Source, Limits { packages_max: 4, ..Limits::default() });
    assert_eq!((count, gaps), (2, vec![]), "equal packages of two files are one");
    let limits = Limits { packages_max: 1, ..Limits::default() };
    assert_eq!(outcome(&files, Target::Source, limits), (1, vec!["too-many-packages".to_owned()]));
}

#[test]
fn facts_of_one_layer() {
    let limits = Limits { facts_bytes_max: 30, ..Limits::default() };
    let (count, gaps) = outcome(&[("Cargo.lock", LOCK.as_bytes())], Target::Source, limits);
    assert_eq!((count, gaps), (1, vec!["facts-too-large".to_owned()]));
}

#[test]
fn archives_within_archives() {
    let limits = Limits { nesting_max: 0, ..Limits::default() };
    let files = [("srv/shop.jar", JAR)];
    let whole = scan(&files, Target::Image, &Limits::default()).value.packages.len();
    let (count, gaps) = outcome(&files, Target::Image, limits);
    assert!(count < whole && !gaps.is_empty(), "{count} of {whole}, {gaps:?}");
}

#[test]
fn records() {
    let limits = Limits { record_bytes_max: 10, ..Limits::default() };
    let (count, gaps) = outcome(&[("Cargo.lock", LOCK.as_bytes())], Target::Source, limits);
    assert_eq!((count, gaps), (0, vec!["file-too-large".to_owned()]));
}
