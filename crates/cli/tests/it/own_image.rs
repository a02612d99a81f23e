//! The released program and the container image of it: static, alone, without root, locked in all the same.

use crate::engines::{Dockerd, can};
use crate::lab::{Lab, Ran, packages};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that `cargo xtask release` filled.
fn release() -> Option<PathBuf> {
    let folder = std::env::var_os("SEAWORTHY_DIST").map(PathBuf::from);
    if folder.is_none() {
        eprintln!(
            "SKIPPED: no release is there (cargo xtask release, then SEAWORTHY_DIST): it was not tried"
        );
    }
    folder
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a parent")).expect("made");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

#[test]
fn a_release_knows_what_it_is_made_of() {
    let Some(dist) = release() else { return };
    let lab = Lab::new();
    let program = dist.join("seaworthy");
    // Its own digest, and its own dependencies as any scanner can read them.
    let provenance = dist.join("seaworthy.provenance.json");
    let mut command = lab.around(Command::new(&program));
    let ran =
        Ran::of(command.args(["verify-self", "--provenance"]).arg(provenance).output().expect("started"));
    let sum = fs::read_to_string(dist.join("seaworthy.sha256")).expect("a digest");
    let digest = sum.split_whitespace().next().expect("a digest");
    assert!(ran.out.contains(&format!("sha256:{digest}")), "{}", ran.out);
    assert!(ran.out.contains("built     from commit "), "{}", ran.out);
    let report = lab.report(&format!("file:{}", program.display()), &[]);
    let found = packages(&report);
    for name in ["cargo seaworthy-cli ", "cargo ring ", "cargo zstd-sys "] {
        assert!(found.iter().any(|package| package.starts_with(name)), "{name} is not in {found:?}");
    }
    assert!(
        !found.iter().any(|package| package.starts_with("cargo proptest ")),
        "a tool of tests is no part"
    );
    let sbom: Value =
        serde_json::from_slice(&fs::read(dist.join("seaworthy.cdx.json")).expect("read")).expect("JSON");
    assert_eq!(sbom["components"].as_array().map(Vec::len), Some(found.len()));
}

/// The image, built by the Dockerfile of the repository in an engine of its own.
fn built(lab: &Lab, dist: &Path) -> Dockerd {
    let context = lab.path("context");
    for name in ["seaworthy", "seaworthy.provenance.json", "seaworthy.cdx.json"] {
        copy(&dist.join(name), &context.join("dist").join(name));
    }
    for name in [
        "deploy/Dockerfile",
        "deploy/image/passwd",
        "deploy/image/group",
        "deploy/image/state/README",
        ".dockerignore",
    ] {
        copy(&root().join(name), &context.join(name));
    }
    let engine = Dockerd::new("o");
    let file = context.join("deploy/Dockerfile");
    engine.run(&[
        "build",
        "-q",
        "-t",
        "seaworthy:test",
        "-f",
        &file.to_string_lossy(),
        &context.to_string_lossy(),
    ]);
    engine
}

#[test]
fn the_image_of_the_tool_scans_without_root_network_or_rights() {
    let Some(dist) = release() else { return };
    if !can(&["dockerd", "docker", "runc"]) {
        return;
    }
    let lab = Lab::with_data();
    let engine = built(&lab, &dist);
    // What it scans, readable for all.
    let work = lab.path("work");
    let target = lab
        .image("holed.tar", &format!("image app:1\nlayer gzip\n{}", crate::data::npm(&["sound", "holed"])));
    for folder in [lab.path(""), work.clone(), lab.path("db")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("readable");
    }
    let (work, data) =
        (format!("{}:/work:ro", work.display()), format!("{}:/db:ro", lab.path("db").display()));
    let run = |arguments: &[&str]| {
        let confined = [
            "run",
            "--rm",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--network",
            "none",
            "-v",
            &work,
            "-v",
            &data,
            "-e",
            "SEAWORTHY_DB=/db",
            "seaworthy:test",
        ];
        engine.output(&[&confined[..], arguments].concat())
    };
    let ran = Ran::of(run(&["scan", target, "-f", "json", "--no-cache"])).coded(1);
    let expected = lab.report(target, &["--no-cache"]);
    assert_eq!(ran.json()["findings"], expected["findings"]);
    // The jail holds within the container too, or says that it does not.
    assert_eq!(ran.json()["coverage"], expected["coverage"]);
    let ran = Ran::of(run(&["verify-self"]));
    assert!(ran.out.contains("/usr/bin/seaworthy") && !ran.out.contains("WRONG"), "{}", ran.out);
    let inspected = engine.run(&["inspect", "-f", "{{.Config.User}} {{.Size}}", "seaworthy:test"]);
    let (user, size) = inspected.trim().split_once(' ').expect("two words");
    assert_eq!(user, "65532:65532");
    assert!(size.parse::<u64>().expect("a number") < 40 << 20, "{size}");
    // And the tool says of its own image that it may sail as far as configuration goes: packages are its own.
    let report =
        lab.report("docker:seaworthy:test", &["--engine-root", &engine.place.text("data"), "--no-cache"]);
    assert!(packages(&report).iter().any(|package| package.starts_with("cargo seaworthy-cli ")));
}
