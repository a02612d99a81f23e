//! Files that are read together, from target to inventory: an rpm database with its write-ahead log, in
//! archives of all packings and in folders, from the cache and not.

use seaworthy_advisory::Database;
use seaworthy_policy::Policy;
use seaworthy_scan::{Cache, Contents, Isolation, Request, Silent, TargetSpec, contents};
use seaworthy_testkit::{Packing, Tar, TestImage};
use seaworthy_types::{DataStatus, Grade, Limits, Timestamp};
use std::fs;
use std::path::Path;

fn read(path: &Path, cache: Option<&Cache>, limits: &Limits) -> Contents {
    let spec = TargetSpec::parse(path.to_str().expect("text"));
    let policy = Policy::default();
    let request = Request {
        spec: &spec,
        image: None,
        archive: None,
        platform: None,
        reference: None,
        limits: limits.clone(),
        threads: 1,
        cache,
        isolation: Isolation::InProcess,
        now: Timestamp(4_000_000_000),
        policy: &policy,
        data_age_days_max: 30,
        data: &Database::starter_only(),
        data_status: DataStatus::default(),
        data_notes: &[],
        refresh: None,
        tool_version: "0".into(),
    };
    contents(&request, &Silent).expect("contents")
}

fn names(contents: &Contents) -> Vec<&str> {
    let mut names: Vec<&str> = contents.inventory.packages.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn gaps(contents: &Contents) -> Vec<&str> {
    contents.notes.iter().filter(|note| note.grade == Grade::Gap).map(|note| note.code.as_str()).collect()
}

/// Database and log of a case: `bash` and `curl` in the file, with the log `bash` and `openssl`.
fn case() -> (Vec<u8>, Vec<u8>) {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../analyze/cases/rpm/normal-log/input/var/lib/rpm");
    let file = |name: &str| fs::read(folder.join(name)).expect("case");
    (file("rpmdb.sqlite"), file("rpmdb.sqlite-wal"))
}

const DATABASE: &str = "var/lib/rpm/rpmdb.sqlite";
const LOG: &str = "var/lib/rpm/rpmdb.sqlite-wal";
const SYSTEM: &[u8] = b"ID=rhel\nVERSION_ID=9.3\n";

#[test]
fn archives() {
    let (database, log) = case();
    let folder = tempfile::tempdir().expect("folder");
    let cache = Cache::open(&folder.path().join("cache"), 1 << 30).expect("cache");
    let mut upper = Tar::new();
    upper.file(DATABASE, &database).file(LOG, &log).file("usr/share/much", &vec![7; 1 << 20]);
    let lower = || {
        let mut tar = Tar::new();
        tar.file("etc/os-release", SYSTEM).file(DATABASE, &database);
        tar.finish()
    };
    let small = Limits { file_bytes_whole_max: 8 << 10, ..Limits::default() };
    let middle = Limits { file_bytes_whole_max: 24 << 10, ..Limits::default() };
    for packing in [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd] {
        let image = TestImage::of([lower(), upper.clone().finish()]).packed(packing);
        let path = folder.path().join(format!("{packing:?}.tar"));
        fs::write(&path, image.docker_oci()).expect("written");
        for limits in [Limits::default(), middle.clone(), small.clone()] {
            // The second time from the cache.
            for _ in 0..2 {
                let contents = read(&path, Some(&cache), &limits);
                assert_eq!(names(&contents), ["bash", "openssl"], "{packing:?}");
                assert_eq!(gaps(&contents), [""; 0], "{packing:?}: {:?}", contents.notes);
                let layers: Vec<Option<u32>> =
                    contents.inventory.packages.iter().map(|package| package.layer).collect();
                assert_eq!(layers, [Some(0), Some(1)], "where each first appears");
            }
        }
    }
    let mut apart = Tar::new();
    apart.file(LOG, &log);
    let image = TestImage::of([lower(), apart.finish()]);
    let path = folder.path().join("apart.tar");
    fs::write(&path, image.docker_legacy()).expect("written");
    let contents = read(&path, None, &Limits::default());
    assert_eq!(
        (names(&contents), gaps(&contents)),
        (vec!["bash", "curl"], vec!["package-database-unreadable"])
    );
}

#[test]
fn folders() {
    let (database, log) = case();
    let root = tempfile::tempdir().expect("folder");
    for (path, bytes) in [("etc/os-release", SYSTEM), (DATABASE, &database), (LOG, &log)] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, bytes).expect("written");
    }
    for bytes in [24 << 20, 24 << 10, 8 << 10] {
        let limits = Limits { file_bytes_whole_max: bytes, ..Limits::default() };
        let contents = read(root.path(), None, &limits);
        assert_eq!((names(&contents), gaps(&contents)), (vec!["bash", "openssl"], vec![]));
    }
    fs::write(root.path().join(LOG), &log[..20]).expect("written");
    let contents = read(root.path(), None, &Limits::default());
    assert_eq!(
        (names(&contents), gaps(&contents)),
        (vec!["bash", "curl"], vec!["package-database-unreadable"])
    );
    fs::write(root.path().join(LOG), b"").expect("written");
    let contents = read(root.path(), None, &Limits::default());
    assert_eq!((names(&contents), gaps(&contents)), (vec!["bash", "curl"], vec![]));
}
