//! Containers of bytes and partition tables.

use crate::make::{blank, ext, have, run, tree, xfs};
use crate::{codes, lines, same, walked, walked_as};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn containers_hold_the_same_disk() {
    if !have(&["mke2fs", "qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let root = folder.path().join("root");
    tree(&root);
    let disk = ext(folder.path(), &root, 96, &["-t", "ext4"]);
    let forms: [(&str, &[&str]); 12] = [
        ("qcow2", &[]),
        ("qcow2", &["-o", "compat=0.10,cluster_size=512"]),
        ("qcow2", &["-o", "cluster_size=2M"]),
        ("qcow2", &["-o", "extended_l2=on"]),
        ("qcow2", &["-c"]),
        ("qcow2", &["-c", "-o", "cluster_size=4096"]),
        ("qcow2", &["-c", "-o", "compression_type=zstd"]),
        ("qcow2", &["-c", "-o", "compression_type=zstd,cluster_size=16k,extended_l2=on"]),
        ("vmdk", &[]),
        ("vmdk", &["-o", "subformat=streamOptimized"]),
        ("vpc", &["-o", "force_size=on"]),
        ("vpc", &["-o", "subformat=fixed,force_size=on"]),
    ];
    for (form, options) in forms {
        let made = folder.path().join("made");
        let _ = fs::remove_file(&made);
        let all = [&["convert", "-f", "raw", "-O", form], options, &[text(&disk), text(&made)]].concat();
        run("qemu-img", &all);
        same(&made, &root, &format!("{form} {options:?}"));
    }
}

#[test]
fn containers_that_are_not_whole_are_refused_with_advice() {
    if !have(&["qemu-img"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let raw = blank(&folder.path().join("raw"), 8);
    let make = |name: &str, arguments: &[&str]| -> PathBuf {
        let made = folder.path().join(name);
        run("qemu-img", &[&["create", "-q"], arguments, &[text(&made), "8M"]].concat());
        made
    };
    let external = format!("data_file={},data_file_raw=on", folder.path().join("data").display());
    // Not LUKS: making its key measures the machine's speed and fails when it is busy.
    let secret =
        ["-f", "qcow2", "--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"];
    let cases = [
        (make("back", &["-f", "qcow2", "-b", text(&raw), "-F", "raw"]), "backing file"),
        (make("secret", &secret), "encrypted"),
        (make("external", &["-f", "qcow2", "-o", &external]), "another file"),
        (make("flat", &["-f", "vmdk", "-o", "subformat=monolithicFlat"]), "flat-flat"),
        (make("x.vhdx", &["-f", "vhdx"]), "VHDX"),
        (make("x.vdi", &["-f", "vdi"]), "VDI"),
        (make("x.qed", &["-f", "qed"]), "QED"),
    ];
    for (path, expected) in cases {
        let error = walked(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{}: {error}", path.display());
    }
}

/// Puts file systems into the partitions of a disk.
fn assembled(folder: &Path, script: &str, parts: &[(u64, &Path)]) -> PathBuf {
    let disk = blank(&folder.join("disk.img"), 640);
    let mut child = std::process::Command::new("/sbin/sfdisk")
        .args(["-q", text(&disk)])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("sfdisk");
    child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
    assert!(child.wait().expect("ended").success());
    let mut whole = fs::OpenOptions::new().write(true).open(&disk).expect("a disk");
    for (mebibyte, path) in parts {
        let mut part = File::open(path).expect("a part");
        let mut chunk = vec![0; 1 << 20];
        let mut at = mebibyte << 20;
        loop {
            let count = part.read(&mut chunk).expect("read");
            if count == 0 {
                break;
            }
            if chunk[..count].iter().any(|byte| *byte != 0) {
                whole.seek(SeekFrom::Start(at)).expect("sought");
                whole.write_all(&chunk[..count]).expect("written");
            }
            at += count as u64;
        }
    }
    disk
}

/// A root file system, /var in XFS, and the tree they make together.
struct Parts {
    folder: tempfile::TempDir,
    root: PathBuf,
    var: PathBuf,
}

impl Parts {
    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn whole(&self) -> PathBuf {
        self.path().join("tree")
    }
}

fn parts(fstab: &str) -> Parts {
    let folder = tempfile::tempdir().expect("temporary folder");
    let whole = folder.path().join("tree");
    let write = |path: &str, text: &str| {
        let path = whole.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folder");
        fs::write(path, text).expect("file");
    };
    write("etc/os-release", "ID=debian\n");
    write("etc/fstab", fstab);
    write("usr/bin/true", "true");
    write("zz/last", "last");
    fs::create_dir_all(whole.join("var")).expect("folder");
    let made = ext(folder.path(), &whole, 64, &["-t", "ext4", "-L", "root"]);
    let root = folder.path().join("root.img");
    fs::rename(made, &root).expect("renamed");
    write("var/lib/dpkg/status", "Package: a\n");
    let made = xfs(folder.path(), &whole.join("var"), &["-L", "variable"]);
    let var = folder.path().join("var.img");
    fs::rename(made, &var).expect("renamed");
    Parts { folder, root, var }
}

const GPT: &str = "label: gpt\nstart=2048, size=2048, type=U\nstart=4096, size=131072, type=L, name=\"system\"\nstart=135168, size=655360, type=L, name=\"variable\"\n";
const MBR: &str = "label: dos\nstart=2048, size=2048, type=ef\nstart=4096, size=131072, type=83\nstart=135168, size=655360, type=83\n";
const LOGICAL: &str = "label: dos\nstart=2048, size=512, type=ef\nstart=3072, size=1000000, type=5\nstart=4096, size=131072, type=83\nstart=137216, size=655360, type=83\n";

#[test]
fn partitions_are_joined_by_the_fstab() {
    if !have(&["mke2fs", "mkfs.xfs", "sfdisk"]) {
        return;
    }
    for (table, fstab, var_at) in [
        (GPT, "LABEL=root / ext4 defaults 0 1\nLABEL=variable /var xfs defaults 0 2\n", 66),
        (GPT, "PARTLABEL=variable\t/var\txfs\n/dev/sda1 /boot/efi vfat umask=077\nproc /proc proc\n", 66),
        (MBR, "/dev/vda3 /var/ xfs defaults\n", 66),
        (LOGICAL, "/dev/sda6 /var xfs defaults\n", 67),
    ] {
        let parts = parts(fstab);
        let disk = assembled(parts.path(), table, &[(2, &parts.root), (var_at, &parts.var)]);
        let (seen, result) = walked(&disk).expect("a walk");
        let expected = crate::folder(&parts.whole()).0;
        assert_eq!(lines(&seen), lines(&expected), "{fstab}");
        // The first partition is empty.
        assert_eq!(codes(&result.notes), ["volume-passed-over"], "{:?}", result.notes);
    }
}

#[test]
fn what_is_not_joined_is_a_gap() {
    if !have(&["mke2fs", "mkfs.xfs", "sfdisk"]) {
        return;
    }
    let parts = parts("UUID=1234 /srv ext4 defaults\n");
    let disk = assembled(parts.path(), GPT, &[(2, &parts.root), (66, &parts.var)]);
    let (seen, result) = walked(&disk).expect("a walk");
    assert!(seen.paths().contains(&"usr/bin/true") && !seen.paths().contains(&"var/lib"));
    let codes = codes(&result.notes);
    assert_eq!(codes, ["volume-passed-over", "mount-not-found", "file-system-not-joined"]);
    // A disk that was cut before a partition says so.
    fs::OpenOptions::new().write(true).open(&disk).expect("a disk").set_len(66 << 20).expect("cut");
    let (_, result) = walked(&disk).expect("a walk");
    assert!(crate::codes(&result.notes).contains(&"unreadable-volume"), "{:?}", result.notes);
    let disk = assembled(parts.path(), GPT, &[(2, &parts.root), (66, &parts.var)]);
    let (seen, _) = walked_as(&disk, Some("3")).expect("a walk");
    assert_eq!(seen.paths(), ["lib", "lib/dpkg", "lib/dpkg/status"]);
    assert!(walked_as(&disk, Some("7")).is_err());
}

#[test]
fn a_damaged_gpt_has_a_second_copy() {
    if !have(&["mke2fs", "mkfs.xfs", "sfdisk"]) {
        return;
    }
    use std::os::unix::fs::FileExt;
    let parts = parts("");
    let disk = assembled(parts.path(), GPT, &[(2, &parts.root), (66, &parts.var)]);
    let file = fs::OpenOptions::new().read(true).write(true).open(&disk).expect("a disk");
    // One letter of a name in the first list: its checksum is wrong.
    file.write_all_at(b"S", 1_024 + 128 + 56).expect("written");
    let (seen, result) = walked(&disk).expect("a walk");
    assert!(seen.paths().contains(&"usr/bin/true"));
    assert!(codes(&result.notes).contains(&"partition-table"), "{:?}", result.notes);
    file.write_all_at(b"x", (640 << 20) - 512 + 20).expect("written");
    let error = walked(&disk).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("GPT"), "{error}");
}
