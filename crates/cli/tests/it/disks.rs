//! Disks of virtual machines and root file systems: the same tree gives the same report. Disks are made by
//! the programs of Debian's e2fsprogs, xfsprogs and qemu-utils; without them these tests say SKIPPED.

use crate::lab::{Lab, codes, ids, packages, timeless};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn have(programs: &[&str]) -> bool {
    let there = |program: &str| {
        ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
    };
    let missing = programs.iter().find(|program| !there(program));
    if let Some(missing) = missing {
        println!("SKIPPED: the program {missing} is not installed");
    }
    missing.is_none()
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .output()
        .expect("started");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A sparse file with an ext4 of a tree.
fn ext4(path: &Path, root: &Path, mebibytes: u64) {
    let file = fs::File::create(path).expect("file");
    file.set_len(mebibytes << 20).expect("length");
    run("mke2fs", &["-q", "-F", "-t", "ext4", "-d", text(root), text(path)]);
}

/// A Debian with one package that has a finding.
fn tree(root: &Path) {
    let status = "Package: libhull\nStatus: install ok installed\nArchitecture: amd64\n\
                  Maintainer: Debian <debian@lists.debian.org>\nSource: hull\nVersion: 1.0-1\nDescription: x\n\n";
    for (name, text) in [
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", status),
        ("var/lib/dpkg/info/libhull.list", "/.\n/usr/share/hull\n"),
        ("usr/lib/node_modules/holed/package.json", r#"{"name":"holed","version":"1.0.0"}"#),
    ] {
        crate::data::write(root, name, text);
    }
}

/// A report without what names the target.
fn nameless(report: Value) -> Value {
    let mut report = timeless(report);
    report["target"] = json!(null);
    report
}

#[test]
fn a_disk_says_what_its_tree_says() {
    if !have(&["mke2fs", "qemu-img"]) {
        return;
    }
    let lab = Lab::with_data();
    let work = lab.path("work");
    tree(&work.join("root"));
    ext4(&work.join("disk.img"), &work.join("root"), 16);
    let made = |format: &str, name: &str| {
        run(
            "qemu-img",
            &["convert", "-f", "raw", "-O", format, text(&work.join("disk.img")), text(&work.join(name))],
        );
    };
    made("qcow2", "disk.qcow2");
    made("vmdk", "disk.vmdk");
    let expected = lab.scan("dir:root", &[]).coded(1).json();
    assert_eq!(packages(&expected), ["deb libhull 1.0-1", "npm holed 1.0.0"]);
    let root = lab.scan("rootfs:root", &[]).coded(1).json();
    assert_eq!(root["target"]["kind"], "root-fs");
    assert_eq!(nameless(root), nameless(expected.clone()));
    for target in ["disk.img", "disk:disk.img", "disk.qcow2", "disk.vmdk"] {
        let report = lab.scan(target, &[]).coded(1).json();
        assert_eq!(report["target"], json!({ "name": target, "kind": "disk" }));
        assert_eq!(nameless(report), nameless(expected.clone()), "{target}");
    }
}

#[test]
fn a_disk_seen_before_is_not_read_again() {
    if !have(&["mke2fs"]) {
        return;
    }
    let lab = Lab::with_data();
    let work = lab.path("work");
    tree(&work.join("root"));
    ext4(&work.join("disk.img"), &work.join("root"), 16);
    let first = lab.scan("disk.img", &[]).coded(1).json();
    assert!(lab.files("cache").is_empty(), "a file that may still change is not cached");
    lab.age("disk.img");
    for _ in 0..2 {
        let again = lab.scan("disk.img", &[]).coded(1).json();
        assert_eq!(timeless(again), timeless(first.clone()));
        assert_eq!(lab.files("cache").len(), 1);
    }
    // Another disk in its place is read.
    crate::data::write(
        &work.join("root"),
        "usr/lib/node_modules/sound/package.json",
        r#"{"name":"sound","version":"1.0.0"}"#,
    );
    ext4(&work.join("disk.img"), &work.join("root"), 16);
    let report = lab.scan("disk.img", &[]).coded(1).json();
    assert_eq!(packages(&report), ["deb libhull 1.0-1", "npm holed 1.0.0", "npm sound 1.0.0"]);
}

#[test]
fn what_is_no_root_file_system_is_no_silent_green() {
    let lab = Lab::with_data();
    lab.file("data/notes.txt", "hello");
    let report = lab.scan("rootfs:data", &[]).coded(3).json();
    let gaps = codes(&report, "gap");
    assert!(
        gaps.contains(&"no-os-release".into()) && gaps.contains(&"no-package-database".into()),
        "{gaps:?}"
    );
    lab.file("half/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    let report = lab.scan("rootfs:half", &[]).coded(3).json();
    assert!(codes(&report, "gap").contains(&"no-package-database".into()));
    lab.scan("rootfs:data/notes.txt", &[]).refused(&["notes.txt", "folder"]);
    lab.scan("disk:data", &[]).refused(&["data", "file"]);
    lab.scan("disk:data/notes.txt", &[]).refused(&["notes.txt", "no file system"]);
    let mut luks = vec![0; 1 << 20];
    luks[..8].copy_from_slice(b"LUKS\xba\xbe\0\x02");
    lab.file("locked.img", luks);
    lab.scan("locked.img", &[]).refused(&["locked.img", "LUKS"]);
    if have(&["mke2fs"]) {
        let work = lab.path("work");
        ext4(&work.join("data.img"), &work.join("data"), 16);
        let report = lab.scan("data.img", &[]).coded(3).json();
        assert!(codes(&report, "gap").contains(&"no-root-file-system".into()), "{}", report["coverage"]);
    }
}

/// The tree of a real image, unpacked; its owner must be root for devices and owners.
fn unpacked(lab: &Lab, name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEAWORTHY_IMAGES").map(PathBuf::from);
    let Some(archive) = folder.map(|folder| folder.join(format!("{name}.tar"))).filter(|path| path.exists())
    else {
        println!("SKIPPED: the real image {name} is not there (SEAWORTHY_IMAGES)");
        return None;
    };
    let (parts, root) = (lab.path("work/parts"), lab.path("work/root"));
    for folder in [&parts, &root] {
        fs::create_dir_all(folder).expect("folder");
    }
    run("tar", &["-xf", text(&archive), "-C", text(&parts)]);
    let manifest = fs::read(parts.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    for layer in manifest[0]["Layers"].as_array().expect("layers") {
        let layer = parts.join(layer.as_str().expect("text"));
        run("tar", &["-xf", text(&layer), "-C", text(&root), "--exclude=.wh.*"]);
    }
    Some(root)
}

#[test]
fn a_disk_of_a_real_image() {
    if !have(&["mke2fs", "qemu-img"]) {
        return;
    }
    for name in ["debian-plain", "py"] {
        let lab = Lab::with_data();
        let Some(root) = unpacked(&lab, name) else { continue };
        let work = lab.path("work");
        ext4(&work.join("disk.img"), &root, 2_048);
        let packed = work.join("disk.qcow2");
        run(
            "qemu-img",
            &["convert", "-f", "raw", "-O", "qcow2", text(&work.join("disk.img")), text(&packed)],
        );
        let expected = lab.report("dir:root", &[]);
        assert!(packages(&expected).len() > 50, "{name}");
        for target in ["disk.img", "disk.qcow2"] {
            let report = lab.report(target, &[]);
            assert_eq!(ids(&report, "findings"), ids(&expected, "findings"), "{name}");
            assert!(nameless(report) == nameless(expected.clone()), "{name} {target}");
        }
    }
}
