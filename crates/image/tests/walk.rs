//! Walking layers: all tar formats, all packings, content that comes late.

mod common;

use common::*;
use seaworthy_image::{EntryKind, WalkMode};
use seaworthy_testkit::{Fields, Layer, Packing, Tar, parse};
use seaworthy_types::{Grade, Limits};

const PACKINGS: [Packing; 5] =
    [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd, Packing::ZstdFrames];

/// Bytes that do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(length)
    .collect()
}

#[test]
fn entries_of_every_kind() {
    let mut tar = Tar::new();
    tar.folder("etc")
        .file_with_mode("etc/passwd", 0o4755, b"root")
        .symlink("etc/link", "../x")
        .hardlink("etc/same", "/etc/passwd");
    tar.whiteout("etc/gone").opaque("var").whiteout("top").opaque(".");
    tar.header(&Fields { name: b"dev/null", flag: b'3', ..Fields::default() });
    tar.header(&Fields { name: b"fifo", flag: b'6', uid: 7, gid: 8, ..Fields::default() });
    tar.header(&Fields { name: b"old/", flag: 0, magic: &[0; 8], ..Fields::default() });
    tar.header(&Fields { name: b"file", prefix: b"in/prefix", ..Fields::default() });
    let (seen, notes) = walk_tar(tar.finish());
    let expected = [
        ("etc", EntryKind::Folder, ""),
        ("etc/passwd", EntryKind::File, ""),
        ("etc/link", EntryKind::Symlink, "../x"),
        ("etc/same", EntryKind::Hardlink, "etc/passwd"),
        ("etc/gone", EntryKind::Whiteout, ""),
        ("var", EntryKind::OpaqueFolder, ""),
        ("top", EntryKind::Whiteout, ""),
        ("", EntryKind::OpaqueFolder, ""),
        ("dev/null", EntryKind::Special, ""),
        ("fifo", EntryKind::Special, ""),
        ("old", EntryKind::Folder, ""),
        ("in/prefix/file", EntryKind::File, ""),
    ];
    let found: Vec<_> = seen.entries.iter().map(|e| (e.0.as_str(), e.1, e.3.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(seen.modes[1], (0o4755, 0, 0));
    assert_eq!(seen.modes[9], (0o644, 7, 8));
    assert_eq!(seen.heads[1], b"root");
    assert_eq!(seen.content("etc/passwd"), Some(&b"root"[..]));
    assert_eq!(seen.content("etc/same"), Some(&b"root"[..]));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn extensions() {
    let long = format!("a/{}/b", "long".repeat(60));
    let mut tar = Tar::new();
    tar.gnu_long_name(&long).gnu_long_link("some/target").symlink("short", "x");
    tar.pax(&[("path", "pax/näme"), ("size", "5"), ("uid", "70000"), ("comment", "\n=")]);
    tar.header(&Fields { name: b"x", size: 0, ..Fields::default() }).body(b"hello");
    tar.global_pax(&[("path", "never"), ("size", "99")]).file("after", b"global");
    tar.pax(&[("linkpath", "pax/näme")]).hardlink("link", "x");
    let (seen, notes) = walk_tar(tar.finish());
    assert_eq!(seen.paths(), [&*long, "pax/näme", "after", "link"]);
    assert_eq!(seen.entries[0].3, "some/target");
    assert_eq!(seen.modes[1].1, 70_000);
    assert_eq!(seen.content("pax/näme"), Some(&b"hello"[..]));
    assert_eq!(seen.content("after"), Some(&b"global"[..]));
    assert_eq!(seen.content("link"), Some(&b"hello"[..]));
    assert_eq!(codes(&notes), ["global-pax-header"]);
}

#[test]
fn sparse_files_of_all_forms() {
    let segments: Vec<(u64, &[u8])> = vec![(3, b"abc"), (600, b"defg"), (2_000, b"h")];
    let mut expected = vec![0; 3_000];
    for (offset, bytes) in &segments {
        expected[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    let many: Vec<(u64, &[u8])> = (0..60).map(|at| (at * 100, &b"zz"[..])).collect();
    let mut tar = Tar::new();
    tar.sparse_old("old", 3_000, &segments).sparse_old("many", 6_000, &many);
    for version in ["0.0", "0.1", "1.0"] {
        tar.sparse_pax(version, version, 3_000, &segments);
    }
    tar.sparse_pax("1.0", "many-1.0", 6_000, &many).hardlink("link", "1.0").file("end", b"end");
    let tar = tar.finish();
    for packing in PACKINGS {
        let layer = Layer { tar: tar.clone(), packing };
        let limits = Limits { file_bytes_whole_max: 2_500, ..Limits::default() };
        for limits in [Limits::default(), limits] {
            let (seen, result) = walk(&layer, &limits, WalkMode::Inline).expect("a walk");
            assert!(
                result.notes.is_empty() && seen.errors.is_empty(),
                "{:?} {:?}",
                result.notes,
                seen.errors
            );
            for path in ["old", "0.0", "0.1", "1.0", "link"] {
                assert_eq!(seen.content(path), Some(&*expected), "{packing:?} {path}");
            }
            assert_eq!(seen.content("many"), seen.content("many-1.0"));
            assert_eq!(seen.content("many").map(<[u8]>::len), Some(6_000));
            assert_eq!(seen.content("end"), Some(&b"end"[..]));
            assert_eq!(seen.heads[0], expected[..512]);
            assert_eq!(seen.entries[0].2, 3_000);
        }
    }
}

#[test]
fn all_packings_and_modes_agree() {
    let mut tar = Tar::new();
    for number in 0..300 {
        tar.file(&format!("small/{number}"), &noise(number * 37));
    }
    tar.file("big", &noise(3_000_000)).hardlink("hard", "big").hardlink("harder", "hard");
    tar.file("middle", &noise(700_001)).file("big", b"replaced").hardlink("late", "big").file("empty", b"");
    let tar = tar.finish();
    let limits = Limits { file_bytes_whole_max: 1_000_000, ..Limits::default() };
    let mut first: Option<common::Recorder> = None;
    for packing in PACKINGS {
        for mode in [WalkMode::Inline, WalkMode::Piped] {
            let layer = Layer { tar: tar.clone(), packing };
            let (mut seen, result) = walk(&layer, &limits, mode).expect("a walk");
            assert_eq!(result.bytes, tar.len() as u64);
            assert!(result.notes.is_empty() && seen.errors.is_empty(), "{:?}", seen.errors);
            assert_eq!(seen.content("hard").map(<[u8]>::len), Some(3_000_000));
            assert_eq!(seen.content("harder"), seen.content("hard"));
            assert_eq!(seen.content("late"), Some(&b"replaced"[..]));
            assert_eq!(seen.contents.len(), seen.entries.len());
            assert_eq!(seen.contents.iter().filter(|content| content.2).count(), 3);
            seen.contents.sort();
            match &first {
                None => first = Some(seen),
                Some(first) => assert!(*first == seen, "{packing:?} {mode:?} differs"),
            }
        }
    }
}

#[test]
fn hard_links_without_target_are_gaps() {
    let mut tar = Tar::new();
    tar.hardlink("a", "later").file("later", b"x").hardlink("b", "nowhere").hardlink("c", "c");
    tar.file(".wh..wh.plnk/1.2", b"aufs").hardlink("d", ".wh..wh.plnk/1.2");
    let (seen, notes) = walk_tar(tar.finish());
    assert_eq!(seen.paths(), ["a", "later", "b", "c", "d"]);
    assert_eq!(codes(&notes), ["hardlink-target-missing"]);
    assert!(notes[0].grade == Grade::Gap && notes[0].detail.ends_with("(and 2 more like it)"), "{notes:?}");
    assert_eq!(seen.content("d"), Some(&b"aufs"[..]));
}

#[test]
fn content_over_chunk_borders() {
    // Files whose header, head or body meet the border of a chunk in every way.
    for before in [261_120, 261_632, 262_144, 260_608, 100] {
        let mut tar = Tar::new();
        tar.file("fill", &noise(before)).file("after", &noise(1_000)).file("big", &noise(600_000));
        let (seen, _) = walk_tar(tar.finish());
        assert_eq!(seen.content("after"), Some(&*noise(1_000)), "{before}");
        assert_eq!(seen.heads[1], noise(512), "{before}");
        assert_eq!(seen.content("big"), Some(&*noise(600_000)), "{before}");
    }
}

#[test]
fn ends_of_every_kind() {
    let mut tar = Tar::new();
    tar.file("a", b"1");
    let bare = tar.bytes().to_vec();
    for (tail, code) in [
        (&[][..], None),
        (&[0; 512][..], None),
        (&[0; 20_000][..], None),
        (b"garbage", Some("tar-truncated")),
        (&[7; 512][..], Some("tar-broken")),
    ] {
        let (seen, notes) = walk_tar([&bare, tail].concat());
        assert_eq!(seen.paths(), ["a"]);
        assert_eq!(codes(&notes), code.into_iter().collect::<Vec<_>>());
    }
    let (seen, notes) = walk_tar([&bare, &[0; 1024][..], &bare].concat());
    assert_eq!((seen.paths(), codes(&notes)), (vec!["a"], vec!["trailing-data"]));
    let (seen, notes) = walk_tar([&bare, &[0; 512][..], &bare].concat());
    assert_eq!((seen.paths(), codes(&notes)), (vec!["a", "a"], vec!["lone-zero-block"]));
    // The body is cut: padding may be missing, content may not.
    let (_, notes) = walk_tar(bare[..513].to_vec());
    assert!(notes.is_empty(), "{notes:?}");
    let (_, notes) = walk_tar(bare[..512].to_vec());
    assert_eq!(codes(&notes), ["tar-truncated"]);
    let (seen, notes) = walk_tar(Vec::new());
    assert!(seen.entries.is_empty() && notes.is_empty());
}

#[test]
fn text_descriptions() {
    let image = parse(
        "image app:1 linux/arm64/v8\nuser nobody\nlayer gzip\nfolder etc\nfile etc/x mode=4755 size=5 ab\n\
         symlink l -> etc/x\nhardlink h -> etc/x\nlayer zstd\nwhiteout etc/x\nopaque etc\n",
    );
    let opened = open(seaworthy_testkit::oci_archive(&[image])).expect("an image");
    assert_eq!(
        (opened.config.user.as_str(), opened.config.platform.to_string()),
        ("nobody", "linux/arm64/v8".into())
    );
    let mut seen = Recorder::default();
    for layer in &opened.layers {
        seaworthy_image::walk_layer(layer, &Limits::default(), &mut seen, WalkMode::Inline).expect("a walk");
    }
    assert_eq!(seen.paths(), ["etc", "etc/x", "l", "h", "etc/x", "etc"]);
}
