//! Files that are handed over together after a walk.

mod common;

use common::*;
use seaworthy_image::{Content, Entry, Pair, Visitor, WalkMode, Want, walk_folder, walk_layer};
use seaworthy_testkit::{Layer, Packing, Tar};
use seaworthy_types::Limits;
use std::os::fd::OwnedFd;

/// Wants these pairs and writes down what came.
#[derive(Default)]
struct Together {
    wanted: Vec<Pair>,
    singles: usize,
    /// Both contents, and whether by random access.
    seen: Vec<(Vec<u8>, Vec<u8>, bool, bool)>,
    failed: usize,
}

impl Visitor for Together {
    fn entry(&mut self, _: &Entry<'_>, _: &[u8]) -> Want {
        Want::Content
    }
    fn content(&mut self, _: u32, _: Content<'_>) {
        assert!(self.seen.is_empty(), "single contents come first");
        self.singles += 1;
    }
    fn pairs(&mut self) -> Vec<Pair> {
        self.wanted.clone()
    }
    fn pair(&mut self, _: &Pair, file: Content<'_>, companion: Content<'_>) {
        let [one, other] = [file, companion].map(|content| content.whole(1 << 30));
        let large = |content| matches!(content, Content::Large(_));
        match (one, other) {
            (Ok(Some(one)), Ok(Some(other))) => {
                self.seen.push((one.into_owned(), other.into_owned(), large(file), large(companion)));
            }
            _ => self.failed += 1,
        }
    }
}

fn pair(file: &str, companion: &str) -> Pair {
    Pair { file: file.into(), companion: companion.into() }
}

fn walk_together(layer: &Layer, limits: &Limits, mode: WalkMode, wanted: &[Pair]) -> (Together, Vec<String>) {
    let mut visitor = Together { wanted: wanted.to_vec(), ..Together::default() };
    let result = walk_layer(&layer_ref(layer), limits, &mut visitor, mode).expect("a walk");
    (visitor, result.notes.into_iter().map(|note| note.code).collect())
}

const PACKINGS: [Packing; 5] =
    [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd, Packing::ZstdFrames];

#[test]
fn pairs_come_from_every_packing_and_size() {
    let (database, log) = (vec![1; 300_000], vec![2; 200_000]);
    let mut tar = Tar::new();
    tar.file("log", &log)
        .file("much", &vec![3; 6 << 20])
        .file("database", b"replaced")
        .file("database", &database);
    let tar = tar.finish();
    let wanted = [pair("database", "log"), pair("log", "database")];
    for packing in PACKINGS {
        let layer = Layer { tar: tar.clone(), packing };
        for (mode, bytes) in [
            (WalkMode::Inline, 1 << 20),
            (WalkMode::Piped, 500_000),
            (WalkMode::Inline, 400_000),
            (WalkMode::Piped, 250_000),
            (WalkMode::Inline, 1_000),
        ] {
            let limits = Limits { file_bytes_whole_max: bytes, ..Limits::default() };
            let (seen, notes) = walk_together(&layer, &limits, mode, &wanted);
            assert_eq!((seen.singles, seen.failed, notes.len()), (4, 0, 0), "{packing:?} {bytes}");
            let [log_first, database_first] = seen.seen.as_slice() else { panic!("two pairs") };
            assert!(log_first.0 == log && log_first.1 == database, "{packing:?} {bytes}");
            assert!(database_first.0 == database && database_first.1 == log, "{packing:?} {bytes}");
            // Together they never take more memory than one file may.
            for (one, other, one_large, other_large) in &seen.seen {
                let whole = |large: bool, bytes: &[u8]| if large { 0 } else { bytes.len() };
                assert!(whole(*one_large, one) + whole(*other_large, other) <= bytes as usize);
                assert_eq!(*one_large, one.len() > bytes as usize);
            }
        }
    }
}

#[test]
fn pairs_of_hard_links_and_sparse_files() {
    let mut tar = Tar::new();
    tar.file("elsewhere", b"content").hardlink("database", "elsewhere");
    tar.sparse_old("log", 2_000, &[(1_000, b"data")]).file("empty", b"");
    let layer = Layer { tar: tar.finish(), packing: Packing::Gzip };
    let wanted = [pair("database", "log"), pair("elsewhere", "empty")];
    let (seen, notes) = walk_together(&layer, &Limits::default(), WalkMode::Inline, &wanted);
    assert_eq!((seen.seen.len(), seen.failed, notes.len()), (2, 0, 0));
    let mut sparse = vec![0; 2_000];
    sparse[1_000..1_004].copy_from_slice(b"data");
    assert!(seen.seen.contains(&(b"content".to_vec(), sparse, false, false)));
    assert!(seen.seen.contains(&(b"content".to_vec(), Vec::new(), false, false)));
}

#[test]
fn what_is_not_there_or_too_dear_does_not_come() {
    let mut tar = Tar::new();
    tar.file("database", &[1; 1_000]).file("log", &[2; 5_000]);
    let mut tar = tar.finish();
    tar.truncate(512 + 1_024 + 512 + 3_000);
    let layer = Layer { tar, packing: Packing::Plain };
    let wanted = [pair("database", "missing"), pair("database", "log")];
    let (seen, notes) = walk_together(&layer, &Limits::default(), WalkMode::Inline, &wanted);
    assert_eq!((seen.seen.len(), notes), (0, vec!["tar-truncated".to_owned()]));
    // The log lies far before the database: going back costs more than is allowed.
    let mut tar = Tar::new();
    tar.file("log", &[2; 5_000]).file("much", &vec![3; 20 << 20]).file("database", &[1; 1_000]);
    let layer = Layer { tar: tar.finish(), packing: Packing::Zstd };
    let limits = Limits { rereads_max: 0, ..Limits::default() };
    let wanted = [pair("database", "log")];
    let (seen, notes) = walk_together(&layer, &limits, WalkMode::Inline, &wanted);
    assert_eq!((seen.seen.len(), notes), (0, vec!["rereads-exhausted".to_owned()]));
}

#[test]
fn pairs_of_folders_follow_no_links() {
    let root = tempfile::tempdir().expect("folder");
    std::fs::create_dir(root.path().join("in")).expect("folder");
    std::fs::write(root.path().join("in/database"), "one").expect("written");
    std::fs::write(root.path().join("in/log"), "other").expect("written");
    std::os::unix::fs::symlink("log", root.path().join("in/link")).expect("link");
    let fd: OwnedFd = std::fs::File::open(root.path()).expect("folder").into();
    let wanted = vec![pair("in/database", "in/log"), pair("in/database", "in/link")];
    let mut visitor = Together { wanted, ..Together::default() };
    let result = walk_folder(fd, &Limits::default(), &mut visitor).expect("a walk");
    assert_eq!(visitor.seen, [(b"one".to_vec(), b"other".to_vec(), false, false)]);
    assert_eq!(codes(&result.notes), ["unreadable-file"]);
}
