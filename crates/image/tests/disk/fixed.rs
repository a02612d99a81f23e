//! Disks kept here: read on every machine, whatever programs it has.

use crate::common::{Recorder, codes, source};
use crate::limits;
use seaworthy_image::{EntryKind, is_disk, open_disk, recognise_file, walk_disk};
use seaworthy_types::TargetKind;
use std::io::Read;

pub fn disk(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/fixtures");
    let packed = std::fs::read(format!("{folder}/{name}.zst")).expect("a fixture");
    let mut bytes = Vec::new();
    let decoder = zstd::Decoder::new(packed.as_slice()).expect("zstd");
    decoder.take(32 << 20).read_to_end(&mut bytes).expect("zstd");
    bytes
}

#[test]
fn all_say_the_same() {
    let expected = [
        ("a", EntryKind::Folder, 0, ""),
        ("empty", EntryKind::File, 0, ""),
        ("etc", EntryKind::Folder, 0, ""),
        ("hard", EntryKind::File, 5_000, ""),
        ("link", EntryKind::Symlink, 0, "a/b/c"),
        ("long", EntryKind::Symlink, 0, &"x".repeat(70)),
        ("var", EntryKind::Folder, 0, ""),
        ("a/b", EntryKind::Folder, 0, ""),
        ("a/b/c", EntryKind::File, 5_000, ""),
        ("etc/os-release", EntryKind::File, 26, ""),
        ("var/lib", EntryKind::Folder, 0, ""),
        ("var/lib/dpkg", EntryKind::Folder, 0, ""),
        ("var/lib/dpkg/status", EntryKind::File, 79, ""),
    ];
    for (name, remarks) in [
        ("ext2", &[][..]),
        ("ext3", &[]),
        ("ext4", &[]),
        ("xfs4", &[]),
        ("xfs5", &[]),
        ("squashfs", &[]),
        ("squashzstd", &[]),
        ("qcow2", &[]),
        ("vmdk", &[]),
        ("vhd", &[]),
        ("gpt", &["volume-passed-over"]),
        // Its second volume holds another system.
        ("lvm", &["file-system-not-joined"]),
    ] {
        let bytes = source(disk(name));
        assert!(is_disk(&*bytes), "{name}");
        assert_eq!(recognise_file(&bytes).expect("readable"), TargetKind::Disk, "{name}");
        let opened = open_disk(bytes, None, &limits()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(opened.has_root() && opened.has("var/lib/dpkg/status") && !opened.has("link/x"), "{name}");
        let mut seen = Recorder::default();
        let result = walk_disk(&opened, &limits(), &mut seen).expect("a walk");
        let found: Vec<_> = seen
            .entries
            .iter()
            .filter(|entry| entry.0 != "lost+found")
            .map(|(path, kind, size, link)| (path.as_str(), *kind, *size, link.as_str()))
            .collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(seen.content("hard"), Some(&[b'c'; 5_000][..]), "{name}");
        assert_eq!(codes(&result.notes), remarks, "{name}: {:?}", result.notes);
    }
}

#[test]
fn logical_volumes_have_names() {
    let limits = limits();
    for (wish, first) in [("vg-a/root", "ext2"), ("vg-a/data", "ext4")] {
        let opened = open_disk(source(disk("lvm")), Some(wish), &limits).expect(first);
        assert!(opened.has_root());
    }
    let error =
        open_disk(source(disk("lvm")), Some("vg-a/none"), &limits).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("vg-a/data") && error.contains("vg-a/root")));
    // Cut within the metadata, and within a volume.
    for length in [600, 5_000, 130_000, 300_000, 700_000] {
        let mut bytes = disk("lvm");
        bytes.truncate(length);
        match open_disk(source(bytes), None, &limits) {
            Ok(opened) => {
                let result = walk_disk(&opened, &limits, &mut Recorder::default()).expect("a walk");
                assert!(!result.notes.is_empty(), "{length}");
            }
            Err(error) => {
                assert!(error.to_string().contains("LVM") || error.to_string().contains("vg-a"), "{error}")
            }
        }
    }
}

#[test]
fn what_is_no_disk_is_a_file() {
    for bytes in [Vec::new(), vec![0; 100_000], b"hello".repeat(9_000), [0x55, 0xaa].repeat(300)] {
        assert_eq!(recognise_file(&source(bytes)).expect("readable"), TargetKind::File);
    }
    // The mark of a boot sector alone makes no partition table.
    let mut sector = vec![0; 512];
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    assert!(!is_disk(&*source(sector.clone())));
    sector[446..462].copy_from_slice(&[0x41; 16]);
    assert!(!is_disk(&*source(sector)));
}
