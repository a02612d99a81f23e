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
    let device = |path: &str| rustix::fs::stat(path).map(|stat| stat.st_dev).ok();
    let devpts = rustix::fs::statfs("/dev/pts").is_ok_and(|stat| stat.f_type as u64 == 0x1cd1);
    if !devpts || device("/dev") == device("/dev/pts") {
        println!("SKIPPED: /dev/pts is no mount of its own here");
        return;
    }
    let fd: OwnedFd = fs::File::open("/dev").expect("folder").into();
    let mut seen = Recorder { skips: true, ..Recorder::default() };
    let result = walk_folder(fd, &Limits::default(), &mut seen).expect("a walk");
    assert!(seen.paths().contains(&"pts") && seen.paths().contains(&"null"));
    assert!(seen.paths().iter().all(|path| !path.starts_with("pts/")));
    assert!(codes(&result.notes).contains(&"kernel-filesystem"), "{:?}", result.notes);
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

/// Does something when an entry is told of, or when pairs are asked for.
struct Meddler<'m> {
    seen: Recorder,
    when: &'static str,
    then: &'m mut dyn FnMut(),
    pairs: Vec<seaworthy_image::Pair>,
}

impl seaworthy_image::Visitor for Meddler<'_> {
    fn entry(&mut self, entry: &seaworthy_image::Entry<'_>, head: &[u8]) -> seaworthy_image::Want {
        if entry.path == self.when {
            (self.then)();
        }
        self.seen.entry(entry, head)
    }
    fn content(&mut self, index: u32, content: seaworthy_image::Content<'_>) {
        seaworthy_image::Visitor::content(&mut self.seen, index, content);
    }
    fn pairs(&mut self) -> Vec<seaworthy_image::Pair> {
        if !self.pairs.is_empty() {
            (self.then)();
        }
        std::mem::take(&mut self.pairs)
    }
    fn pair(
        &mut self,
        pair: &seaworthy_image::Pair,
        _: seaworthy_image::Content<'_>,
        _: seaworthy_image::Content<'_>,
    ) {
        self.seen.errors.push(format!("the pair {} was given", pair.file));
    }
}

#[test]
fn a_folder_that_becomes_a_link_is_not_followed() {
    for (victim, when) in [("b", "b"), ("b/deep", "b/deep"), ("b", "b/deep")] {
        let (root, outside) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        let path = root.path();
        fs::create_dir_all(path.join("b/deep/deeper")).expect("folder");
        fs::write(path.join("b/deep/file"), "inside").expect("file");
        fs::create_dir_all(outside.path().join("deep/deeper")).expect("folder");
        for name in ["secret", "deep/secret", "deep/deeper/secret"] {
            fs::write(outside.path().join(name), "outside").expect("file");
        }
        let mut swap = || {
            fs::rename(path.join(victim), path.join("moved")).expect("moved");
            symlink(outside.path(), path.join(victim)).expect("link");
        };
        let mut seen = Meddler { seen: Recorder::default(), when, then: &mut swap, pairs: Vec::new() };
        let fd: OwnedFd = fs::File::open(path).expect("folder").into();
        let result = walk_folder(fd, &Limits::default(), &mut seen).expect("a walk");
        assert!(seen.seen.paths().iter().all(|path| !path.contains("secret")), "{:?}", seen.seen.paths());
        assert!(seen.seen.contents.iter().all(|content| content.1 != b"outside"));
        assert_eq!(codes(&result.notes), ["unreadable-folder"], "{victim}: {:?}", result.notes);
    }
}

#[test]
fn a_file_that_becomes_something_else_is_not_read_again() {
    let (root, outside) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let path = root.path();
    fs::write(outside.path().join("secret"), "outside").expect("file");
    let fifo = |at: &std::path::Path| {
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at, kind, 0o600.into(), 0).expect("fifo");
    };
    for becomes in ["link", "fifo", "folder", "nothing"] {
        for name in ["one", "other"] {
            let _ = fs::remove_file(path.join(name)).or_else(|_| fs::remove_dir(path.join(name)));
            fs::write(path.join(name), "inside").expect("file");
        }
        let mut swap = || {
            fs::remove_file(path.join("other")).expect("removed");
            match becomes {
                "link" => symlink(outside.path().join("secret"), path.join("other")).expect("link"),
                "fifo" => fifo(&path.join("other")),
                "folder" => fs::create_dir(path.join("other")).expect("folder"),
                _ => {}
            }
        };
        let pair = seaworthy_image::Pair { file: "one".into(), companion: "other".into() };
        let mut seen =
            Meddler { seen: Recorder::default(), when: "no such path", then: &mut swap, pairs: vec![pair] };
        let fd: OwnedFd = fs::File::open(path).expect("folder").into();
        let result = walk_folder(fd, &Limits::default(), &mut seen).expect("a walk");
        assert_eq!(codes(&result.notes), ["unreadable-file"], "{becomes}");
        assert!(seen.seen.errors.is_empty(), "{becomes}: {:?}", seen.seen.errors);
    }
}

#[test]
fn sockets_fifos_and_devices_are_told_of_and_never_opened() {
    let root = tempfile::tempdir().expect("temporary folder");
    let path = root.path();
    let node = |name: &str, kind, device| {
        rustix::fs::mknodat(rustix::fs::CWD, path.join(name), kind, 0o666.into(), device)
    };
    let _listener = std::os::unix::net::UnixListener::bind(path.join("socket")).expect("socket");
    node("fifo", rustix::fs::FileType::Fifo, 0).expect("fifo");
    // Zeros without end, to whom may make such a node.
    let zero = node("zero", rustix::fs::FileType::CharacterDevice, rustix::fs::makedev(1, 5));
    if zero.is_err() {
        println!("SKIPPED: no device can be made here");
    }
    let (seen, result) = walked(path, &Limits::default());
    assert!(seen.entries.iter().all(|entry| entry.1 == EntryKind::Special && entry.2 == 0));
    assert_eq!(seen.entries.len(), if zero.is_ok() { 3 } else { 2 });
    assert!(seen.contents.is_empty() && result.notes.is_empty());
}

#[test]
fn a_file_system_of_the_kernel_is_no_target() {
    for path in ["/proc", "/proc/self", "/sys"] {
        let Ok(file) = fs::File::open(path) else {
            println!("SKIPPED: there is no {path} here");
            continue;
        };
        let error = walk_folder(file.into(), &Limits::default(), &mut Recorder::default());
        assert!(error.is_err_and(|error| error.to_string().contains("kernel")), "{path}");
    }
}
