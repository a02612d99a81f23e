//! What engines hold: scanned out of the storage of real ones and over their sockets, and compared with
//! the archives of the same images.

use crate::engines::{Containerd, Dockerd, Podman, busybox, can, images};
use crate::lab::{Lab, codes, packages};
use seaworthy_testkit::{TestImage, oci_archive};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Checks that two reports say the same of one image.
#[track_caller]
fn same(engine: &Value, archive: &Value) {
    for part in ["findings", "suppressed", "inventory", "verdict", "actions"] {
        assert_eq!(engine[part], archive[part], "{part}");
    }
    let own = |report: &Value| -> Vec<Value> {
        let notes = report["coverage"].as_array().expect("coverage").iter();
        notes.filter(|note| note["unit"] != "engine").cloned().collect()
    };
    assert_eq!(own(engine), own(archive));
    let layers = |report: &Value| -> Vec<Value> {
        let layers = report["layers"].as_array().expect("layers").iter();
        layers
            .map(|one| serde_json::json!([one["layer"]["diff_id"], one["packages"], one["findings"]]))
            .collect()
    };
    assert_eq!(layers(engine), layers(archive));
    assert_eq!(engine["image"]["config"], archive["image"]["config"]);
}

/// What a report says of the layer that a container has written.
#[track_caller]
fn top(report: &Value) -> (String, u64) {
    let layer = report["layers"].as_array().and_then(|layers| layers.last()).expect("a layer");
    let title = layer["layer"]["created_by"].as_str().unwrap_or_default().to_owned();
    (title, layer["packages"].as_u64().unwrap_or(0))
}

#[track_caller]
fn detail(report: &Value, code: &str) -> String {
    let notes = report["coverage"].as_array().expect("coverage");
    let note = notes.iter().find(|note| note["code"] == code);
    note.unwrap_or_else(|| panic!("no {code}: {notes:?}"))["detail"].as_str().expect("a detail").to_owned()
}

/// A package planted, another one removed, in a shell of the container.
const CHANGE: &str = "mkdir -p /srv/node_modules/scratched && \
    echo '{\"name\":\"scratched\",\"version\":\"1.0.0\"}' > /srv/node_modules/scratched/package.json && \
    rm -r /usr/lib/node_modules/holed && echo changed > /etc/marker-of-the-base && \
    echo '#!/bin/sh' > /srv/tool && /bin/busybox chmod 755 /srv/tool && \
    dd if=/bin/busybox of=/srv/sparse bs=1 count=1 seek=100000000 2>/dev/null";

#[track_caller]
fn is_changed(report: &Value, name: &str) {
    assert_eq!(packages(report), ["npm scratched 1.0.0"]);
    assert_eq!(report["target"]["kind"], "container");
    let (title, count) = top(report);
    assert!(title.starts_with(&format!("writable layer of container {name} (")), "{title}");
    assert_eq!(count, 1);
    let said = detail(report, "container-changes");
    for words in ["3 files added", "changed", "/srv/tool"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(report["image"]["config_digest"].is_null());
    assert_eq!(codes(report, "gap"), Vec::<String>::new());
}

/// A real image, when it is there: its archive.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SEAWORTHY_IMAGES").map(PathBuf::from);
    let file = folder.map(|folder| folder.join(name)).filter(|file| file.exists());
    if file.is_none() {
        println!("SKIPPED: the real image {name} is not there (SEAWORTHY_IMAGES)");
    }
    file
}

fn archives(lab: &Lab, images: &[TestImage]) -> Vec<PathBuf> {
    let write = |(index, image): (usize, &TestImage)| {
        let name = format!("{index}.tar");
        lab.archive(&name, image);
        lab.path("work").join(name)
    };
    images.iter().enumerate().map(write).collect()
}

/// Scans by these arguments and gives how often each file of the storage was opened whose path ends so.
fn opened(lab: &Lab, arguments: &[&str], end: &str) -> Option<usize> {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: strace is not installed: how often a layer is read was not counted");
        return None;
    }
    let log = lab.path("strace");
    let mut command = lab.around(Command::new("strace"));
    command.args(["-f", "-qq", "-e", "trace=openat,openat2", "-o"]).arg(&log).arg(crate::lab::PROGRAM);
    let output = command.args(arguments).output().expect("started");
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    if !text.contains("openat") {
        println!("SKIPPED: strace may not trace here");
        return None;
    }
    assert!(
        output.status.code().is_some_and(|code| code != 2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(text.lines().filter(|line| line.contains(&format!("{end}\""))).count())
}

#[test]
fn docker() {
    if !can(&["dockerd", "docker", "runc"]) {
        return;
    }
    let (lab, engine, busybox) = (Lab::with_data(), Dockerd::new("d"), busybox());
    let images = images(busybox.as_deref());
    let files = archives(&lab, &images);
    for file in &files {
        engine.run(&["load", "-i", &file.to_string_lossy()]);
    }
    let (root, socket) = (engine.place.text("data"), engine.place.text("s"));
    let stored = ["--engine-root", &root];
    let asked = ["--socket", &socket];
    for (file, name) in files.iter().zip(["lab/holed:1", "docker.io/lab/scratched:1"]) {
        let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
        let target = format!("docker:{name}");
        for way in [stored, asked] {
            let report = lab.report(&target, &[&way[..], &["--no-cache"]].concat());
            same(&report, &archive);
            assert_eq!(report["image"], archive["image"]);
            assert_eq!(report["target"]["kind"], "engine");
        }
    }
    // By id, and by what is none.
    let id = engine.run(&["images", "-q", "lab/holed"]);
    assert_eq!(packages(&lab.report(&format!("docker:{id}"), &stored)), ["npm holed 1.0.0"]);
    lab.run(&["scan", "docker:lab/hole", stored[0], stored[1]]).refused(&["no image", "lab/holed:1"]);
    lab.run(&["scan", "docker:lab/hole", asked[0], asked[1]]).refused(&["no image", "lab/holed:1"]);
    every_image_once(&lab, &engine);
    known_is_not_saved(&lab, &asked);
    if busybox.is_some() {
        docker_container(&lab, &engine);
    }
    if let Some(file) = real("debian-plain.tar") {
        engine.run(&["load", "-i", &file.to_string_lossy()]);
        let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
        let name = archive["image"]["names"][0].as_str().expect("a name").to_owned();
        same(&lab.report(&format!("docker:{name}"), &[&stored[..], &["--no-cache"]].concat()), &archive);
    }
    a_changed_file_is_named(&lab, &root);
}

/// All images: a layer that they share is read once, and not at all when it is known.
fn every_image_once(lab: &Lab, engine: &Dockerd) {
    let root = engine.place.text("data");
    let arguments = ["scan", "--all", "docker:", "--engine-root", &root, "-f", "json"];
    lab.run(&["cache", "clear"]).coded(0);
    if let Some(times) = opened(lab, &arguments, "etc/marker-of-the-base") {
        assert_eq!(times, 1, "the layer that both images have");
    }
    if let Some(times) = opened(lab, &arguments, "package.json") {
        assert_eq!(times, 0, "everything is known");
    }
    let reports = lab.run(&arguments).coded(1).json();
    let names: Vec<&str> =
        reports.as_array().expect("a list").iter().filter_map(|r| r["target"]["name"].as_str()).collect();
    assert_eq!(names, ["docker:lab/holed:1", "docker:lab/scratched:1"]);
    lab.run(&["scan", "--all", "docker:lab/holed:1"]).refused(&["--all"]);
    lab.run(&["scan", "--all", "x.tar"]).refused(&["--all"]);
    lab.run(&["scan", "docker:"]).refused(&["names nothing"]);
}

/// An image that is known is judged by what the engine says of it: nothing is saved.
fn known_is_not_saved(lab: &Lab, asked: &[&str; 2]) {
    let before = lab.report("docker:lab/holed:1", asked);
    let tmp = lab.path("tmp");
    fs::remove_dir(&tmp).expect("empty: files have no names there");
    // Without a folder for it no archive could be kept.
    let after = lab.report("docker:lab/holed:1", asked);
    fs::create_dir(&tmp).expect("made");
    assert_eq!(before["findings"], after["findings"]);
}

fn docker_container(lab: &Lab, engine: &Dockerd) {
    let (root, socket) = (engine.place.text("data"), engine.place.text("s"));
    let stored = ["--engine-root", &root];
    let id = engine.run(&["run", "-d", "--network", "none", "--name", "web", "-v", "/data", "lab/holed:1"]);
    assert_eq!(packages(&lab.report("container:web", &stored)), ["npm holed 1.0.0"]);
    engine.run(&["exec", "web", "/bin/sh", "-c", CHANGE]);
    for target in ["container:web", "docker-container:web", &format!("container:{}", &id[..12])] {
        let report = lab.report(target, &stored);
        is_changed(&report, "web");
        assert!(detail(&report, "container-mounts").contains("/data"));
    }
    let whole = lab.report("docker-container:web", &["--socket", &socket]);
    assert_eq!(packages(&whole), ["npm scratched 1.0.0"]);
    assert!(detail(&whole, "container-changes").contains("over the socket"));
    // Stopped, and then its image is gone.
    engine.run(&["stop", "-t", "0", "web"]);
    is_changed(&lab.report("container:web", &stored), "web");
    engine.run(&["rmi", "-f", "lab/holed:1"]);
    let report = lab.report("container:web", &stored);
    is_changed(&report, "web");
    let list = lab.run(&["scan", "--all", "docker-container:", stored[0], stored[1], "-f", "json"]).json();
    assert_eq!(list[0]["target"]["name"], "docker-container:web");
    engine.run(&["run", "-d", "--network", "none", "--name", "wet", "lab/scratched:1"]);
    lab.run(&["scan", "container:we", stored[0], stored[1]]).refused(&["no container", "web", "wet"]);
    engine.run(&["rm", "-f", "web", "wet"]);
}

/// A file of a layer that is not what it was is named, whatever happened to it.
fn a_changed_file_is_named(lab: &Lab, root: &str) {
    let found = find(Path::new(root), "marker-of-the-base");
    let marker = found.first().expect("the marker lies in the storage");
    let scan = || lab.run(&["scan", "docker:lab/scratched:1", "--engine-root", root, "--no-cache"]);
    for change in [&[b'y'; 3_000][..], b"short"] {
        fs::write(marker, change).expect("written");
        scan().refused(&["etc/marker-of-the-base", "was changed"]);
    }
    fs::remove_file(marker).expect("removed");
    scan().refused(&["etc/marker-of-the-base", "cannot be opened"]);
    std::os::unix::fs::symlink("/etc/passwd", marker).expect("a link");
    scan().refused(&["etc/marker-of-the-base", "cannot be opened"]);
    // The folder of all files led elsewhere.
    let files = marker.parent().and_then(Path::parent).expect("the folder of files").to_owned();
    fs::rename(&files, files.with_file_name("kept")).expect("renamed");
    std::os::unix::fs::symlink("/", &files).expect("a link");
    scan().refused(&["symbolic link"]);
}

/// Files of a name below a folder.
fn find(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(find(&path, name));
        } else if path.file_name().is_some_and(|other| other == name) {
            found.push(path);
        }
    }
    found
}

#[test]
fn podman() {
    if !can(&["podman", "runc"]) {
        return;
    }
    let (lab, engine, busybox) = (Lab::with_data(), Podman::new("p"), busybox());
    let images = images(busybox.as_deref());
    let files = archives(&lab, &images);
    for file in &files {
        engine.run(&["load", "-i", &file.to_string_lossy()]);
    }
    let root = engine.place.text("root");
    let stored = ["--engine-root", &root];
    for (file, name) in files.iter().zip(["lab/holed:1", "scratched:1"]) {
        let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
        for prefix in ["podman", "crio"] {
            let report = lab.report(&format!("{prefix}:{name}"), &[&stored[..], &["--no-cache"]].concat());
            same(&report, &archive);
            assert_eq!(report["image"]["config_digest"], archive["image"]["config_digest"]);
        }
    }
    let arguments = ["scan", "--all", "podman:", "--engine-root", &root, "-f", "json"];
    if let Some(times) = opened(&lab, &arguments, "etc/marker-of-the-base") {
        assert_eq!(times, 1, "the layer that both images have");
    }
    lab.run(&["scan", "podman:nothing", stored[0], stored[1]]).refused(&["no image", "lab/holed:1"]);
    if busybox.is_some() {
        engine.start("web", "lab/holed:1");
        engine.run(&["exec", "web", "/bin/sh", "-c", CHANGE]);
        let report = lab.report("podman-container:web", &stored);
        assert_eq!(packages(&report), ["npm scratched 1.0.0"]);
        assert!(top(&report).0.starts_with("writable layer of container web ("));
        assert!(detail(&report, "container-changes").contains("/srv/tool"));
        // Podman and CRI-O keep one storage: it is no ambiguity.
        let report = lab.report("container:web", &stored);
        assert_eq!(packages(&report), ["npm scratched 1.0.0"]);
    }
    if let Some(file) = real("debian-plain.tar") {
        engine.run(&["load", "-q", "-i", &file.to_string_lossy()]);
        let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
        let name = archive["image"]["names"][0].as_str().expect("a name").to_owned();
        same(&lab.report(&format!("podman:{name}"), &[&stored[..], &["--no-cache"]].concat()), &archive);
    }
}

#[test]
fn containerd() {
    if !can(&["containerd", "ctr", "runc"]) {
        return;
    }
    let (lab, engine, busybox) = (Lab::with_data(), Containerd::new("c"), busybox());
    let images = images(busybox.as_deref());
    let files = archives(&lab, &images);
    for file in &files {
        engine.run(&["images", "import", &file.to_string_lossy()]);
    }
    // One of several platforms, and packed.
    let mut packed = images[0].clone().packed(seaworthy_testkit::Packing::Gzip);
    packed.names = vec!["docker.io/lab/packed:1".into()];
    let mut other = packed.clone();
    other.architecture = "arm64".into();
    lab.file("packed.tar", oci_archive(&[packed, other]));
    engine.run(&[
        "images",
        "import",
        "--all-platforms",
        "--no-unpack",
        "--index-name",
        "docker.io/lab/index:1",
        &lab.path("work/packed.tar").to_string_lossy(),
    ]);
    let root = engine.place.text("root");
    let stored = ["--engine-root", &root];
    for (file, name) in files.iter().zip(["lab/holed:1", "docker.io/lab/scratched:1"]) {
        let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
        let report = lab.report(&format!("containerd:{name}"), &[&stored[..], &["--no-cache"]].concat());
        same(&report, &archive);
        assert!(report["image"]["manifest_digest"].is_string());
    }
    let arguments = ["scan", "--all", "containerd:", "--engine-root", &root, "-f", "json"];
    let base = seaworthy_testkit::digest(&images[0].layers[0].blob()).replace("sha256:", "");
    lab.run(&["cache", "clear"]).coded(0);
    if let Some(times) = opened(&lab, &arguments, &base) {
        // Two images and one of two platforms; to see whether it is there it is opened without being read.
        assert!(times >= 1, "{times}");
    }
    lab.run(&["scan", "containerd:nothing", stored[0], stored[1]]).refused(&["no image", "lab/holed:1"]);
    let wrong = ["scan", "containerd:lab/index:1", "--platform", "linux/s390x", stored[0], stored[1]];
    if engine.run(&["images", "ls", "-q"]).contains("lab/index") {
        lab.run(&wrong).refused(&["linux/s390x", "linux/arm64"]);
        let report =
            lab.report("containerd:lab/index:1", &[&stored[..], &["--platform", "linux/arm64"]].concat());
        assert_eq!(report["image"]["config"]["platform"]["architecture"], "arm64");
    }
    lab.run(&["scan", "containerd:x", "--socket", "/s"]).refused(&["storage is read"]);
    if busybox.is_some() {
        engine.run(&["run", "-d", "docker.io/lab/holed:1", "web"]);
        engine.run(&["tasks", "exec", "--exec-id", "e", "web", "/bin/sh", "-c", CHANGE]);
        is_changed(&lab.report("container:web", &stored), "web");
    }
    thrown_away(&lab, &engine, &images[1], &files[1]);
}

/// Blobs that were thrown away after unpacking: the layers are made anew of their files.
fn thrown_away(lab: &Lab, engine: &Containerd, image: &TestImage, file: &Path) {
    let blobs = engine.place.path("root/io.containerd.content.v1.content/blobs/sha256");
    for layer in &image.layers {
        let digest = seaworthy_testkit::digest(&layer.blob());
        fs::remove_file(blobs.join(digest.trim_start_matches("sha256:"))).expect("removed");
    }
    let root = engine.place.text("root");
    let archive = lab.report(&file.to_string_lossy(), &["--no-cache"]);
    let report = lab.report("containerd:lab/scratched:1", &["--engine-root", &root]);
    assert_eq!(report["findings"], archive["findings"]);
    assert_eq!(packages(&report), packages(&archive));
    assert!(detail(&report, "engine-layers-made").contains("2 of 2"));
    assert!(report["image"]["config_digest"].is_null());
}

#[test]
fn without_an_engine() {
    let lab = Lab::with_data();
    let home = lab.path("home").to_string_lossy().into_owned();
    for target in ["docker:x", "podman:x", "containerd:x", "crio:x", "container:x"] {
        lab.run(&["scan", target, "--engine-root", &home]).refused(&["was not found", &home]);
        lab.run(&["scan", target, "--engine-root", "/no/such"]).refused(&["was not found", "/no/such"]);
    }
    lab.run(&["scan", "docker:x", "--socket", "/no/such"]).refused(&["/no/such", "running"]);
    let mut command = lab.command();
    command.args(["scan", "docker:x"]).env("DOCKER_HOST", "tcp://127.0.0.1:1");
    crate::lab::Ran::of(command.output().expect("started")).refused(&["this machine"]);
    // What looks like storage and is not.
    for (name, bytes) in [("repositories.json", &b"{"[..]), ("repositories.json", b"")] {
        let folder = lab.path("odd/image/overlay2");
        fs::create_dir_all(folder.join("imagedb/content/sha256")).expect("folders");
        fs::write(folder.join(name), bytes).expect("written");
        let root = lab.path("odd").to_string_lossy().into_owned();
        lab.run(&["scan", "docker:x", "--engine-root", &root]).refused(&["repositories.json"]);
    }
}
