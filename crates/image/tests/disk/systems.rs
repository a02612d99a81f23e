//! File systems in all their forms.

use crate::make::{ext, have, odd, run, tree, xfs};
use crate::{codes, lines, same, walked};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn ext_in_all_its_forms() {
    if !have(&["mke2fs", "e2fsck"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    tree(&root);
    odd(&root);
    let file = std::fs::File::create(root.join("ends-in-a-hole")).expect("file");
    file.write_all_at(b"x", 100_000).expect("written");
    file.set_len(200_777).expect("length");
    let forms: [&[&str]; 12] = [
        &["-t", "ext4"],
        &["-t", "ext2"],
        &["-t", "ext3"],
        &["-t", "ext2", "-b", "1024"],
        &["-t", "ext2", "-r", "0"],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-O", "^metadata_csum,^64bit,^resize_inode"],
        &["-t", "ext4", "-O", "^has_journal,^flex_bg,^dir_index"],
        &["-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024"],
        &["-t", "ext4", "-O", "bigalloc", "-C", "16384"],
        &["-t", "ext4", "-O", "metadata_csum_seed,large_dir,casefold"],
        &["-t", "ext4", "-I", "128", "-O", "^metadata_csum"],
    ];
    for form in forms {
        let disk = ext(folder.path(), &root, 96, form);
        same(&disk, &root, &format!("{form:?}"));
    }
    // With content in inodes. Here mke2fs forgets the hole at the end of a file.
    let form = ["-t", "ext4", "-O", "inline_data", "-I", "512"];
    std::fs::remove_file(root.join("ends-in-a-hole")).expect("removed");
    let disk = ext(folder.path(), &root, 96, &form);
    same(&disk, &root, "inline_data");
    // With the folders' index, which mke2fs leaves out.
    let disk = ext(folder.path(), &root, 96, &["-t", "ext4"]);
    let path = disk.to_str().expect("text");
    let _ = std::process::Command::new("/sbin/e2fsck").args(["-fyD", path]).output();
    assert!(run("debugfs", &["-R", "stat many", path]).contains("Flags: 0x81000"), "it has an index");
    same(&disk, &root, "ext4 with an index");
}

#[test]
fn xfs_in_all_its_forms() {
    if !have(&["mkfs.xfs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    tree(&root);
    let forms: [&[&str]; 7] = [
        &["-m", "crc=1"],
        &["-m", "crc=0"],
        &["-m", "crc=0", "-n", "ftype=0"],
        &["-b", "size=1024", "-n", "size=8192"],
        &["-i", "size=2048", "-n", "size=65536"],
        &["-m", "crc=0", "-i", "size=256", "-n", "size=16384"],
        &["-i", "nrext64=1"],
    ];
    for form in forms {
        let disk = xfs(folder.path(), &root, form);
        same(&disk, &root, &format!("{form:?}"));
    }
}

#[test]
fn a_journal_is_read_over_the_blocks_it_belongs_to() {
    if !have(&["mke2fs", "debugfs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("etc")).expect("folder");
    std::fs::write(root.join("etc/os-release"), vec![b'a'; 4_096]).expect("file");
    std::fs::write(root.join("kept"), vec![b'k'; 4_096]).expect("file");
    for (form, options) in [
        ("crc", &["-t", "ext4", "-b", "4096"][..]),
        ("narrow", &["-t", "ext4", "-b", "4096", "-O", "^metadata_csum,^64bit"]),
        ("ext3", &["-t", "ext3", "-b", "4096"]),
    ] {
        let disk = ext(folder.path(), &root, 96, options);
        let path = disk.to_str().expect("text");
        let block = run("debugfs", &["-R", "blocks etc/os-release", path]).trim().to_owned();
        // Starts with the journal's magic, which the journal must write otherwise.
        let mut newest = vec![b'b'; 4_096];
        newest[..4].copy_from_slice(&0xc03b_3998u32.to_be_bytes());
        let data = folder.path().join("newest");
        std::fs::write(&data, &newest).expect("file");
        let open = if form == "crc" { "jo -c\n" } else { "jo\n" };
        let script = folder.path().join("script");
        let commands = format!("{open}jw -b {block} {}\njc\n", data.display());
        std::fs::write(&script, commands).expect("script");
        run("debugfs", &["-w", "-f", script.to_str().expect("text"), path]);
        let (seen, result) = walked(&disk).expect("a walk");
        assert_eq!(seen.content("etc/os-release"), Some(newest.as_slice()), "{form}: {:?}", result.notes);
        assert_eq!(seen.content("kept"), Some(&[b'k'; 4_096][..]), "{form}");
        assert_eq!(codes(&result.notes), ["file-system-in-use"], "{form}");
    }
}

/// A file system that the kernel wrote: in use, and left in order.
fn by_the_kernel(folder: &Path, root: &Path, disk: &Path) -> Option<PathBuf> {
    let place = folder.join("mounted");
    fs::create_dir_all(&place).expect("folder");
    let (disk_text, place_text) = (disk.to_str().expect("text"), place.to_str().expect("text"));
    let mounted = Command::new("/bin/mount").args(["-o", "loop", disk_text, place_text]).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: no file system can be mounted here");
        return None;
    }
    let copied = Command::new("/bin/cp").args(["-a", &format!("{}/.", root.display()), place_text]).status();
    let synced = Command::new("/bin/sync").arg("-f").arg(&place).status();
    let used = folder.join("used.img");
    let kept = Command::new("/bin/cp").arg("--sparse=always").arg(disk).arg(&used).status();
    let ended = Command::new("/bin/umount").arg(&place).status();
    for status in [copied, synced, kept, ended] {
        assert!(status.expect("run").success());
    }
    Some(used)
}

#[test]
fn what_the_kernel_wrote() {
    if !have(&["mkfs.xfs", "mke2fs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, empty) = (folder.path().join("root"), folder.path().join("nothing"));
    tree(&root);
    odd(&root);
    fs::create_dir_all(&empty).expect("folder");
    for form in [&["-m", "crc=1"][..], &["-m", "crc=0"], &["-b", "size=1024", "-n", "size=4096"]] {
        let disk = xfs(folder.path(), &empty, form);
        let Some(used) = by_the_kernel(folder.path(), &root, &disk) else { return };
        same(&disk, &root, &format!("xfs {form:?}"));
        let (_, result) = walked(&used).expect("a walk");
        assert_eq!(codes(&result.notes).first(), Some(&"file-system-in-use"), "{:?}", result.notes);
    }
    let disk = ext(folder.path(), &empty, 96, &["-t", "ext4"]);
    let Some(used) = by_the_kernel(folder.path(), &root, &disk) else { return };
    same(&disk, &root, "ext4");
    // The journal holds what is not in place: nothing is missing.
    let (seen, result) = walked(&used).expect("a walk");
    assert!(lines(&seen) == lines(&crate::folder(&root).0));
    assert!(codes(&result.notes).contains(&"file-system-in-use"), "{:?}", result.notes);
    assert!(result.notes.iter().all(|note| note.grade == seaworthy_types::Grade::Info), "{:?}", result.notes);
}

#[test]
fn squashfs_in_all_its_forms() {
    if !have(&["mksquashfs"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    tree(&root);
    odd(&root);
    let forms: [&[&str]; 5] = [
        &[],
        &["-comp", "zstd"],
        &["-b", "4096", "-always-use-fragments"],
        &["-b", "1M", "-no-fragments"],
        &["-noI", "-noD", "-noF"],
    ];
    let disk = folder.path().join("squashed");
    let (root_text, disk_text) = (root.to_str().expect("text"), disk.to_str().expect("text"));
    for form in forms {
        run("mksquashfs", &[&[root_text, disk_text, "-noappend", "-quiet", "-no-progress"], form].concat());
        same(&disk, &root, &format!("squashfs {form:?}"));
    }
    run("mksquashfs", &[root_text, disk_text, "-noappend", "-quiet", "-no-progress", "-comp", "xz"]);
    let error = walked(&disk).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("xz") && error.contains("unsquashfs"), "{error}");
}
