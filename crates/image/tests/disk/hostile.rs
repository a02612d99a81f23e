//! Disks that lie: loops, bombs, cuts and single wrong bytes. Nothing panics, everything ends.

use crate::make::{ext, have, run};
use crate::{codes, limits, walked};
use seaworthy_image::{Error, FileSource, Source, open_disk, walk_disk};
use seaworthy_types::Limits;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A small tree with some of everything.
fn small(root: &Path) {
    for (path, count) in [("etc/os-release", 30), ("a/b/c", 5_000), ("a/large", 90_000), ("var/lib/x", 0)] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
        // Little content, so that most of what says something is metadata.
        let content: Vec<u8> = (0..count).map(|place| u8::from(place % 900 == 7)).collect();
        fs::write(path, content).expect("file");
    }
    for number in 0..60 {
        fs::write(root.join(format!("a/b/a-name-that-fills-the-folder-{number}")), "x").expect("file");
    }
    std::os::unix::fs::symlink("a/b/c", root.join("link")).expect("link");
}

/// A file with some of its bytes replaced.
struct Patched {
    file: Arc<dyn Source>,
    patches: BTreeMap<u64, u8>,
}

impl Source for Patched {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(offset, buffer)?;
        for (at, byte) in self.patches.range(offset..offset + count as u64) {
            buffer[(at - offset) as usize] = *byte;
        }
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.file.len()
    }
}

/// Bytes that say something, and are not content: those that no reader of metadata meets change nothing.
fn places(file: &dyn Source) -> Vec<u64> {
    let mut places = Vec::new();
    let mut chunk = vec![0; 1 << 16];
    let mut at = 0;
    while at < file.len() {
        let count = file.read_at(at, &mut chunk).expect("read");
        if chunk[..count].iter().any(|byte| *byte != 0) {
            places.extend((0..count).filter(|place| chunk[*place] != 0).map(|place| at + place as u64));
        }
        at += count.max(1) as u64;
    }
    places
}

fn walks(source: Arc<dyn Source>, limits: &Limits) -> Result<u64, Error> {
    let disk = open_disk(source, None, limits)?;
    walk_disk(&disk, limits, &mut crate::common::Recorder::default()).map(|result| result.entries)
}

/// Changes single bytes, most often small steps and extremes.
fn changed(file: &Arc<dyn Source>, rounds: usize) {
    let places = places(&**file);
    let mut state = 7u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let limits = Limits { inflate_excess_bytes_max: 16 << 20, ..limits() };
    let mut unlike = 0;
    for _ in 0..rounds {
        let mut patches = BTreeMap::new();
        for _ in 0..=next(3) {
            let mut old = [0];
            let place = places[next(places.len())];
            file.read_at(place, &mut old).expect("read");
            let new = [old[0] ^ 1, old[0].wrapping_add(1), 0xff, 0, 0x7f, next(256) as u8][next(6)];
            patches.insert(place, new);
        }
        let began = Instant::now();
        let result = walks(Arc::new(Patched { file: Arc::clone(file), patches: patches.clone() }), &limits);
        unlike += usize::from(result.is_err());
        assert!(began.elapsed() < Duration::from_secs(30), "{patches:?}");
    }
    println!("{} of {rounds} changes of {} bytes were errors", unlike, places.len());
}

#[test]
fn wrong_bytes_are_errors_or_notes() {
    // Most without checksums, which would catch every change at once.
    for name in [
        "ext2",
        "ext3",
        "ext4",
        "xfs4",
        "xfs5",
        "squashfs",
        "squashzstd",
        "qcow2",
        "vmdk",
        "vhd",
        "gpt",
        "lvm",
    ] {
        println!("{name}");
        changed(&crate::common::source(crate::fixed::disk(name)), 150);
    }
}

#[test]
fn cut_disks_are_errors_or_gaps() {
    if !have(&["mke2fs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    small(&root);
    let disk = ext(folder.path(), &root, 2, &["-t", "ext4"]);
    let whole = fs::read(&disk).expect("read");
    for length in (0..whole.len()).step_by(37_000) {
        fs::write(&disk, &whole[..length]).expect("written");
        match walked(&disk) {
            Ok((_, result)) => assert!(!result.notes.is_empty() || length > 700_000, "{length}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn a_folder_inside_itself_is_walked_once() {
    if !have(&["mke2fs", "debugfs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    small(&root);
    let disk = ext(folder.path(), &root, 2, &["-t", "ext4"]);
    run("debugfs", &["-w", "-R", "ln a a/b/again", disk.to_str().expect("text")]);
    let (seen, result) = walked(&disk).expect("a walk");
    assert_eq!(codes(&result.notes), ["folder-loop"]);
    assert!(seen.paths().contains(&"a/b/again") && !seen.paths().contains(&"a/b/again/b"));
}

#[test]
fn a_checksum_that_is_wrong_is_a_gap() {
    if !have(&["mke2fs", "debugfs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    small(&root);
    let disk = ext(folder.path(), &root, 2, &["-t", "ext4", "-O", "metadata_csum"]);
    let path = disk.to_str().expect("text");
    // Set behind the back of the checksum.
    let place = run("debugfs", &["-R", "imap a/large", path]);
    let numbers: Vec<u64> = place
        .split(|letter: char| !letter.is_ascii_hexdigit() && letter != 'x')
        .filter_map(|word| match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        })
        .collect();
    let [.., block, offset] = numbers.as_slice() else { panic!("{place}") };
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(&disk).expect("a disk");
    file.write_all_at(&[0x77], block * 1_024 + offset + 4).expect("written");
    let (seen, result) = walked(&disk).expect("a walk");
    assert_eq!(codes(&result.notes), ["unreadable-file"], "{place}: {:?}", result.notes);
    assert!(seen.content("a/b/c").is_some());
}

#[test]
fn little_that_describes_much_ends() {
    if !have(&["mke2fs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    small(&root);
    fs::write(root.join("big"), vec![7; 900_000]).expect("file");
    for number in 0..300 {
        fs::hard_link(root.join("big"), root.join(format!("again-{number}"))).expect("link");
    }
    let disk = ext(folder.path(), &root, 3, &["-t", "ext4"]);
    let source = || Arc::new(FileSource::new(File::open(&disk).expect("a disk")).expect("a source"));
    let small = Limits { inflate_excess_bytes_max: 8 << 20, ..limits() };
    let error = walks(source(), &small).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("inflate_excess_bytes_max"), "{error}");
    assert!(walks(source(), &limits()).is_ok());
    // A folder with more names than fit is a gap.
    let tight = Limits { memory_bytes_max: 10_000, ..limits() };
    let opened = open_disk(source(), None, &tight).expect("a disk");
    let result = walk_disk(&opened, &tight, &mut crate::common::Recorder::default()).expect("a walk");
    assert!(codes(&result.notes).contains(&"unreadable-folder"), "{:?}", result.notes);
    let few = Limits { layer_entries_max: 50, ..limits() };
    let error = walks(source(), &few).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("layer_entries_max"), "{error}");
}

#[test]
fn what_is_not_read_is_named() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let cases: [(usize, &[u8], &str); 5] = [
        (0x10_040, b"_BHRfS_M", "btrfs"),
        (0, b"LUKS\xba\xbe\0\x02", "LUKS"),
        (0x218, b"LVM2 001", "LVM"),
        (0xff6, b"SWAPSPACE2", "swap"),
        (3, b"NTFS    ", "NTFS"),
    ];
    for (at, magic, name) in cases {
        let mut bytes = vec![0; 200_000];
        bytes[at..at + magic.len()].copy_from_slice(magic);
        let disk = folder.path().join("disk");
        fs::write(&disk, bytes).expect("written");
        let error = walked(&disk).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(name), "{error}");
    }
}
