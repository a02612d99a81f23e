//! Opening images in all their forms, and saying clearly what is wrong with broken ones.

mod common;

use common::*;
use rustix::fd::OwnedFd;
use seaworthy_image::{
    Error, Image, WalkMode, Wish, host_platform, open_archive, open_layout, recognise_file, recognise_folder,
    walk_layer,
};
use seaworthy_testkit::{Packing, Tar, TestImage, digest, oci_archive, oci_parts, parts_to_tar, write_parts};
use seaworthy_types::{Digest, Limits, Platform, TargetKind};
use std::os::fd::AsFd;

fn image() -> TestImage {
    let mut low = Tar::new();
    low.folder("etc").file("etc/os-release", b"ID=debian\n");
    let mut high = Tar::new();
    high.file("app", b"\x7fELF").whiteout("etc/os-release");
    TestImage::of([low.finish(), high.finish()])
}

fn check(opened: &Image, made: &TestImage, kind: TargetKind) {
    assert_eq!(opened.kind, kind);
    assert_eq!(opened.names, made.names);
    assert_eq!(opened.config_digest, Digest::parse(&digest(&made.config())).expect("digest"));
    let mut seen = Recorder::default();
    for (layer, made) in opened.layers.iter().zip(&made.layers) {
        assert_eq!(layer.diff_id.to_string(), digest(&made.tar));
        let walked = walk_layer(layer, &Limits::default(), &mut seen, WalkMode::Inline).expect("a walk");
        let summary = walked.summary(layer);
        assert_eq!(summary.created_by, format!("step {}", layer.index));
        assert_eq!(
            summary.blob_digest.is_some(),
            made.packing != Packing::Plain && layer.blob_digest.is_some()
        );
    }
    assert_eq!(seen.paths(), ["etc", "etc/os-release", "app", "etc/os-release"]);
    assert!(opened.notes.is_empty(), "{:?}", opened.notes);
}

fn folder(parts: &[(String, Vec<u8>)]) -> (tempfile::TempDir, OwnedFd) {
    let root = tempfile::tempdir().expect("temporary folder");
    write_parts(root.path(), parts).expect("parts");
    let fd = std::fs::File::open(root.path()).expect("folder").into();
    (root, fd)
}

#[test]
fn all_forms() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let made = image().packed(packing);
        check(&open(made.docker_legacy()).expect("legacy"), &made, TargetKind::DockerArchive);
        check(&open(made.docker_oci()).expect("docker oci"), &made, TargetKind::DockerArchive);
        let archive = oci_archive(std::slice::from_ref(&made));
        check(&open(archive).expect("oci archive"), &made, TargetKind::OciArchive);
        let (_root, fd) = folder(&oci_parts(std::slice::from_ref(&made)));
        let opened = open_layout(fd, &Wish::default(), &Limits::default()).expect("layout");
        check(&opened, &made, TargetKind::OciLayout);
    }
}

#[test]
fn recognition() {
    let made = image();
    let kind = |bytes: Vec<u8>| recognise_file(&source(bytes));
    assert!(matches!(kind(made.docker_legacy()), Ok(TargetKind::DockerArchive)));
    assert!(matches!(kind(made.docker_oci()), Ok(TargetKind::DockerArchive)));
    let archive = oci_archive(std::slice::from_ref(&made));
    assert!(matches!(kind(archive.clone()), Ok(TargetKind::OciArchive)));
    let mut cut = made.docker_legacy();
    cut.truncate(3_000);
    assert!(matches!(kind(cut.clone()), Ok(TargetKind::DockerArchive)));
    let error = open(cut).expect_err("cut");
    assert!(error.to_string().contains("ends too early"), "{error}");
    for packing in [Packing::Gzip, Packing::Zstd] {
        let packed = seaworthy_testkit::Layer { tar: archive.clone(), packing }.blob();
        assert!(matches!(kind(packed.clone()), Err(Error::NotAnImage { .. })));
        assert!(matches!(open(packed), Err(Error::NotAnImage { .. })));
    }
    assert!(matches!(kind(br#"{"name": "x"}"#.to_vec()), Ok(TargetKind::File)));
    assert!(matches!(kind(Vec::new()), Ok(TargetKind::File)));
    let (_root, fd) = folder(&oci_parts(&[made]));
    assert_eq!(recognise_folder(fd.as_fd()), TargetKind::OciLayout);
    let (_root, fd) = folder(&[("etc/x".into(), Vec::new())]);
    assert_eq!(recognise_folder(fd.as_fd()), TargetKind::Folder);
    assert!(matches!(open_layout(fd, &Wish::default(), &Limits::default()), Err(Error::NotAnImage { .. })));
}

#[test]
fn layer_that_is_a_link_to_another() {
    let made = TestImage::of([image().layers[0].tar.clone(), image().layers[0].tar.clone()]);
    let mut tar = Tar::new();
    let parts = made.docker_legacy_parts();
    let layers: Vec<&str> =
        parts.iter().map(|part| part.0.as_str()).filter(|path| path.ends_with("layer.tar")).collect();
    for (path, bytes) in &parts {
        if path == layers[1] {
            tar.symlink(path, &format!("../{}", layers[0]));
        } else {
            tar.file(path, bytes);
        }
    }
    let opened = open(tar.finish()).expect("an image");
    assert_eq!(opened.layers[1].stored_bytes, made.layers[0].tar.len() as u64);
    let mut seen = Recorder::default();
    walk_layer(&opened.layers[1], &Limits::default(), &mut seen, WalkMode::Inline).expect("a walk");
    // A link to itself is a missing layer, not a loop.
    let mut tar = Tar::new();
    for (path, bytes) in &parts {
        if path == layers[1] {
            tar.symlink(path, "layer.tar")
        } else {
            tar.file(path, bytes)
        };
    }
    assert!(matches!(open(tar.finish()), Err(Error::Missing { .. })));
}

#[test]
fn several_images_and_platforms() {
    let for_platform = |architecture: &str, name: &str| TestImage {
        architecture: architecture.into(),
        names: vec![name.into()],
        ..image()
    };
    fn wish(bytes: &[u8], reference: Option<&str>, platform: Option<&Platform>) -> Result<Image, Error> {
        open_archive(source(bytes.to_vec()), &Wish { platform, reference }, &Limits::default())
    }
    let several = oci_archive(&[for_platform("amd64", "one:1"), for_platform("s390x", "two:2")]);
    let error = wish(&several, None, None).expect_err("two images");
    assert!(matches!(&error, Error::SeveralImages { offered } if offered == &["one:1", "two:2"]), "{error}");
    for reference in ["two:2", "docker.io/library/two:2", "2"] {
        let opened = wish(&several, Some(reference), None).expect("by name");
        assert_eq!(opened.config.platform.architecture, "s390x");
        let digest = opened.manifest_digest.expect("digest").to_string();
        assert!(wish(&several, Some(&digest), None).is_ok());
    }
    assert!(matches!(wish(&several, Some("three"), None), Err(Error::NoSuchImage { .. })));

    let platforms =
        oci_archive(&[for_platform(&host_platform().architecture, "a:1"), for_platform("s390x", "a:1")]);
    let opened = wish(&platforms, None, None).expect("the host's");
    assert_eq!(opened.config.platform.architecture, host_platform().architecture);
    let wished = Platform::parse("linux/s390x").expect("platform");
    assert_eq!(wish(&platforms, None, Some(&wished)).expect("wished").config.platform, wished);
    let wished = Platform::parse("linux/mips").expect("platform");
    let error = wish(&platforms, None, Some(&wished)).expect_err("no such platform").to_string();
    assert!(error.contains("linux/mips") && error.contains("linux/s390x"), "{error}");
    // The only one is taken without a wish and refused against one.
    let only = oci_archive(&[for_platform("s390x", "a:1")]);
    assert!(wish(&only, None, None).is_ok());
    assert!(matches!(wish(&only, None, Some(&wished)), Err(Error::NoSuchPlatform { .. })));
}

/// An index in an index, an attestation beside the image, and an index that holds itself.
#[test]
fn nested_indexes() {
    let made = image();
    let mut parts = oci_parts(std::slice::from_ref(&made));
    let manifest = made.manifest();
    let inner = format!(
        r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"amd64"}}}},
        {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":1,"platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#,
        digest(&manifest),
        manifest.len(),
        "0".repeat(64)
    );
    let outer = |inner: &str| {
        format!(
            r#"{{"manifests":[{{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"{}","annotations":{{"org.opencontainers.image.ref.name":"test:1"}}}}]}}"#,
            digest(inner.as_bytes())
        )
    };
    parts.retain(|part| part.0 != "index.json");
    let mut nested = inner;
    for depth in 0..6 {
        let mut with = parts.clone();
        with.push(("index.json".into(), outer(&nested).into_bytes()));
        let path = format!("blobs/sha256/{}", &digest(nested.as_bytes())[7..]);
        with.push((path.clone(), nested.clone().into_bytes()));
        let opened = open(parts_to_tar(&with));
        if depth < 4 {
            check(&opened.expect("nested"), &made, TargetKind::OciArchive);
        } else {
            assert!(matches!(opened, Err(Error::Limit { .. })), "{depth}");
        }
        parts.push((path, nested.clone().into_bytes()));
        nested = outer(&nested);
    }
}

#[test]
fn lies_and_losses() {
    let made = image().packed(Packing::Gzip);
    let parts = oci_parts(std::slice::from_ref(&made));
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", &digest(bytes)[7..]);
    for (path, missing) in [
        (blob(&made.manifest()), "manifest"),
        (blob(&made.config()), "config"),
        (blob(&made.layers[1].blob()), "layer 1"),
    ] {
        let without: Vec<_> = parts.iter().filter(|part| part.0 != path).cloned().collect();
        let error = open(parts_to_tar(&without)).expect_err(missing);
        assert!(matches!(error, Error::Missing { .. }) && error.to_string().contains(missing), "{error}");
        let mut changed = parts.clone();
        for part in changed.iter_mut().filter(|part| part.0 == path) {
            part.1.push(b' ');
        }
        let error = open(parts_to_tar(&changed)).expect_err(missing);
        assert!(matches!(error, Error::DigestMismatch { .. } | Error::Broken { .. }), "{error}");
    }
    // A flipped byte in a layer shows when it is walked.
    let mut changed = parts.clone();
    for part in changed.iter_mut().filter(|part| part.0 == blob(&made.layers[0].blob())) {
        part.1[8] ^= 1; // a header byte that inflating does not mind
    }
    let opened = open(parts_to_tar(&changed)).expect("an image");
    let error = walk_layer(&opened.layers[0], &Limits::default(), &mut Recorder::default(), WalkMode::Inline);
    assert!(matches!(error, Err(Error::DigestMismatch { .. })));
    // A configuration under a false name, and a wrong number of layers.
    let mut legacy = image().docker_legacy_parts();
    for part in legacy.iter_mut().filter(|part| part.0.len() == 69) {
        part.1.push(b' ');
    }
    assert!(matches!(open(parts_to_tar(&legacy)), Err(Error::DigestMismatch { .. })));
    let huge = Limits { manifest_bytes_max: 50, ..Limits::default() };
    let opened = open_archive(source(made.docker_legacy()), &Wish::default(), &huge);
    assert!(matches!(opened, Err(Error::Limit { .. })));
    let few = Limits { layers_max: 1, ..Limits::default() };
    let opened = open_archive(source(made.docker_legacy()), &Wish::default(), &few);
    assert!(matches!(opened, Err(Error::Limit { .. })));
}

#[test]
fn two_manifests_that_disagree() {
    let (made, other) = (image(), TestImage { os: "other".into(), ..image() });
    let mut parts = oci_parts(std::slice::from_ref(&made));
    let manifest = format!(r#"[{{"Config":"blobs/sha256/{}","Layers":[]}}]"#, &digest(&other.config())[7..]);
    parts.push(("manifest.json".into(), manifest.into_bytes()));
    let opened = open(parts_to_tar(&parts)).expect("an image");
    assert_eq!(codes(&opened.notes), ["archive-ambiguous"]);
}

/// Blobs of a layout that are links out of the folder are never read.
#[test]
fn layout_folder_is_not_left() {
    let made = image();
    let (root, fd) = folder(&oci_parts(std::slice::from_ref(&made)));
    let outside = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(outside.path(), &made.layers[0].tar).expect("file");
    let blob = root.path().join(format!("blobs/sha256/{}", &digest(&made.layers[0].tar)[7..]));
    std::fs::remove_file(&blob).expect("removed");
    std::os::unix::fs::symlink(outside.path(), &blob).expect("link");
    assert!(matches!(open_layout(fd, &Wish::default(), &Limits::default()), Err(Error::Missing { .. })));
}

/// Cutting an archive anywhere is an error, or a remark when nothing that is listed was lost.
#[test]
fn truncated_everywhere() {
    let made = image().packed(Packing::Gzip);
    for whole in [made.docker_legacy(), made.docker_oci()] {
        for cut in (0..whole.len() - 1_024).step_by(31) {
            match open(whole[..cut].to_vec()) {
                Ok(opened) => {
                    assert!(codes(&opened.notes).contains(&"archive-truncated"), "{cut}");
                    check(
                        &Image { notes: Vec::new(), kind: TargetKind::DockerArchive, ..opened },
                        &made,
                        TargetKind::DockerArchive,
                    );
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        assert!(open(whole[..whole.len() - 4_000].to_vec()).is_err());
    }
}
