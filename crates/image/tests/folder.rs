//! Walking folders and files.

mod common;

use common::*;
use seaworthy_image::{EntryKind, walk_file, walk_folder};
use seaworthy_types::Limits;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

fn walked(root: &std::path::Path, limits: &Limits) -> (Recorder, seaworthy_image::FolderResult) {
    let fd: OwnedFd = fs::File::open(root).expect("folder").into();
    let mut seen = Recorder::default();
    let result = walk_folder(fd, limits, &mut seen).expect("a walk");
    (seen, result)
}

#[test]
fn everything_in_order() {
    let root = tempfile::tempdir().expect("temporary folder");
    let path = root.path();
    fs::create_dir_all(path.join("b/deep")).expect("folder");
    fs::create_dir(path.join("a")).expect("folder");
    fs::write(path.join("b/deep/file"), "x".repeat(2_000)).expect("file");
    fs::write(path.join("c"), "").expect("file");
    fs::write(path.join("a/large"), vec![1; 5_000]).expect("file");
    fs::set_permissions(path.join("c"), fs::Permissions::from_mode(0o4711)).expect("mode");
    symlink("/etc/passwd", path.join("a/out")).expect("link");
    symlink("..", path.join("b/loop")).expect("link");
    rustix::fs::mknodat(rustix::fs::CWD, path.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("fifo");
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    fs::write(path.join(odd), "odd").expect("file");
    let limits = Limits { file_bytes_whole_max: 3_000, ..Limits::default() };
    let (seen, result) = walked(path, &limits);
    let expected =
        ["a", "b", "c", "fifo", "odd\u{fffd}", "a/large", "a/out", "b/deep", "b/loop", "b/deep/file"];
    assert_eq!(seen.paths(), expected);
    assert_eq!(seen.entries[6].1, EntryKind::Symlink);
    assert_eq!(seen.entries[6].3, "/etc/passwd");
    assert_eq!(seen.entries[3].1, EntryKind::Special);
    assert_eq!(seen.modes[2].0, 0o4711);
    assert_eq!(seen.content("b/deep/file").map(<[u8]>::len), Some(2_000));
    assert_eq!(seen.content("a/large").map(<[u8]>::len), Some(5_000));
    assert_eq!(seen.contents.iter().filter(|content| content.2).count(), 1);
    assert_eq!(codes(&result.notes), ["path-not-utf8"]);
    assert_eq!(result.bytes, 7_003);
    assert_eq!(walked(path, &limits).0, seen);
}

#[test]
fn kernel_file_systems_are_passed_over() {
    let fd: OwnedFd = fs::File::open("/").expect("folder").into();
    let limits = Limits { layer_entries_max: 200_000, ..Limits::default() };
    struct Shallow(Vec<String>);
    impl seaworthy_image::Visitor for Shallow {
        fn entry(&mut self, entry: &seaworthy_image::Entry<'_>, _: &[u8]) -> seaworthy_image::Want {
            assert!(!entry.path.starts_with("proc/") && !entry.path.starts_with("sys/"), "{}", entry.path);
            self.0.push(entry.path.to_owned());
            seaworthy_image::Want::Skip
        }
        fn content(&mut self, _: u32, _: seaworthy_image::Content<'_>) {}
    }
    // A sub-tree of the kernel alone, so that the test does not read the machine.
    drop(fd);
    let proc: OwnedFd = fs::File::open("/proc/self").expect("folder").into();
    let mut seen = Shallow(Vec::new());
    // As a root it is what the user asked for: its files are walked or refused, and it ends.
    let _ = walk_folder(proc, &Limits { layer_entries_max: 500, ..limits }, &mut seen);
    assert!(seen.0.len() <= 500);
}

#[test]
fn one_file() {
    for (size, large) in [(0, false), (100, false), (5_000, true)] {
        let mut seen = Recorder::default();
        let limits = Limits { file_bytes_whole_max: 1_000, ..Limits::default() };
        walk_file(source(vec![7; size]), "/some/../where/app.jar", &limits, &mut seen).expect("a walk");
        assert_eq!(seen.paths(), ["app.jar"]);
        assert_eq!(seen.contents, [("app.jar".to_owned(), vec![7; size], large)]);
    }
}

#[test]
fn limits_are_kept() {
    let root = tempfile::tempdir().expect("temporary folder");
    for number in 0..20 {
        fs::write(root.path().join(number.to_string()), "x").expect("file");
    }
    let fd: OwnedFd = fs::File::open(root.path()).expect("folder").into();
    let limits = Limits { layer_entries_max: 10, ..Limits::default() };
    assert!(walk_folder(fd, &limits, &mut Recorder::default()).is_err());
}
