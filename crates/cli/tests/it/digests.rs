//! Nothing is believed before its digest is verified.

use crate::data::npm;
use crate::lab::Lab;
use seaworthy_testkit::{Packing, TestImage, digest, oci_archive, oci_parts, parse, parts_to_tar};
use serde_json::Value;

fn image(package: &str) -> TestImage {
    parse(&format!("image app:1\nlayer\nfile etc/base x\nlayer\n{}", npm(&[package])))
}

/// Changes one byte in the middle of the part whose path satisfies a test.
fn changed(mut parts: Vec<(String, Vec<u8>)>, which: impl Fn(&str, &[u8]) -> bool) -> Vec<u8> {
    let part = parts.iter_mut().find(|(path, bytes)| which(path, bytes)).expect("a part");
    let middle = part.1.len() / 2;
    part.1[middle] ^= 1;
    parts_to_tar(&parts)
}

#[test]
fn changed_layers_are_named() {
    let lab = Lab::with_data();
    let tar = image("sound").layers[1].tar.clone();
    let short = &digest(&tar)["sha256:".len()..][..12];
    let legacy = changed(image("sound").docker_legacy_parts(), |_, bytes| bytes == tar);
    lab.file("legacy.tar", legacy);
    lab.scan("legacy.tar", &[]).refused(&["layer 1", short, "does not match its digest"]);
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let image = image("sound").packed(packing);
        let blob = image.layers[1].blob();
        lab.file("oci.tar", changed(oci_parts(&[image]), |_, bytes| bytes == blob));
        lab.scan("oci.tar", &[]).refused(&["layer 1"]);
        lab.scan("oci.tar", &["--no-cache"]).refused(&["layer 1"]);
    }
    assert_eq!(lab.files("tmp").len(), 0);
}

#[test]
fn the_cache_believes_no_claim() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let lab = Lab::with_data();
        let clean = image("sound").packed(packing);
        for (name, bytes) in [
            ("clean.tar", clean.docker_legacy()),
            ("clean.oci.tar", oci_archive(std::slice::from_ref(&clean))),
            ("clean.both.tar", clean.docker_oci()),
        ] {
            lab.file(name, bytes);
            lab.scan(name, &[]).coded(0);
        }
        assert!(lab.files("cache").len() >= 2);
        // The configuration of the clean image, the bytes of a holed one of the same length.
        let holed = image("holed").packed(packing);
        let (good, bad) = (clean.layers[1].blob(), holed.layers[1].blob());
        let swap = |parts: Vec<(String, Vec<u8>)>| {
            let swapped = parts
                .into_iter()
                .map(|(path, bytes)| if bytes == good { (path, bad.clone()) } else { (path, bytes) });
            parts_to_tar(&swapped.collect::<Vec<_>>())
        };
        lab.file("forged.tar", swap(clean.docker_legacy_parts()));
        lab.scan("forged.tar", &[]).refused(&["layer 1"]);
        lab.file("forged.oci.tar", swap(oci_parts(std::slice::from_ref(&clean))));
        lab.scan("forged.oci.tar", &[]).refused(&["layer 1"]);
        // A manifest that names the holed blob rightly, and a configuration with the clean layer.
        let mixed = remanifested(&clean, &holed);
        lab.file("mixed.oci.tar", mixed);
        lab.scan("mixed.oci.tar", &[]).refused(&["layer 1"]);
        // The clean images are clean still.
        lab.scan("clean.tar", &[]).coded(0);
        lab.scan("clean.oci.tar", &[]).coded(0);
    }
}

/// An OCI archive with the configuration of one image and the layer blobs of another, all blob
/// digests right.
fn remanifested(config_of: &TestImage, layers_of: &TestImage) -> Vec<u8> {
    let config = config_of.config();
    let mut manifest: Value = serde_json::from_slice(&layers_of.manifest()).expect("JSON");
    manifest["config"]["digest"] = digest(&config).into();
    manifest["config"]["size"] = config.len().into();
    let manifest = manifest.to_string().into_bytes();
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(&manifest), "size": manifest.len(),
    }]});
    let mut parts = vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
    ];
    let blobs = layers_of.layers.iter().map(|layer| layer.blob()).chain([config, manifest]);
    parts.extend(blobs.map(|blob| (format!("blobs/sha256/{}", &digest(&blob)["sha256:".len()..]), blob)));
    parts_to_tar(&parts)
}

#[test]
fn compressed_layers_in_a_docker_archive_are_proven_each_time() {
    let lab = Lab::with_data();
    let image = image("holed").packed(Packing::Gzip);
    let first = lab.archive("first.tar", &image);
    let second = lab.archive("second.tar", &image);
    for target in [first, second, first, second] {
        lab.scan(target, &[]).coded(1);
    }
}

#[test]
fn truncated_and_missing() {
    let lab = Lab::with_data();
    let image = image("sound");
    let whole = image.docker_legacy();
    for end in [whole.len() / 4, whole.len() / 2, whole.len() - 2_000] {
        lab.file("cut.tar", &whole[..end]);
        lab.scan("docker-archive:cut.tar", &[]).refused(&[]);
        // Recognised or not, it is no clean image.
        assert_ne!(lab.scan("cut.tar", &[]).code, 0, "{end}");
    }
    let layer = image.layers[1].tar.clone();
    let without = |parts: Vec<(String, Vec<u8>)>| {
        parts_to_tar(&parts.into_iter().filter(|(_, bytes)| *bytes != layer).collect::<Vec<_>>())
    };
    lab.file("missing.tar", without(image.docker_legacy_parts()));
    lab.scan("missing.tar", &[]).refused(&["layer 1", "missing"]);
    lab.file("missing.oci.tar", without(oci_parts(std::slice::from_ref(&image))));
    lab.scan("missing.oci.tar", &[]).refused(&["layer 1", "missing"]);
}

#[test]
fn configuration_and_manifest_have_digests_too() {
    let lab = Lab::with_data();
    let image = image("sound");
    // Another architecture of the same length keeps the JSON whole.
    let other = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("amd64", "arm65").into_bytes();
    let forge = |parts: Vec<(String, Vec<u8>)>, target: &[u8]| {
        let forged = parts
            .into_iter()
            .map(|(path, bytes)| if bytes == target { (path, other(&bytes)) } else { (path, bytes) });
        parts_to_tar(&forged.collect::<Vec<_>>())
    };
    lab.file("config.tar", forge(image.docker_legacy_parts(), &image.config()));
    lab.scan("config.tar", &[]).refused(&["configuration", "does not match its digest"]);
    lab.file("config.oci.tar", forge(oci_parts(std::slice::from_ref(&image)), &image.config()));
    lab.scan("config.oci.tar", &[]).refused(&["configuration", "does not match its digest"]);
    let manifest = image.manifest();
    lab.file("manifest.oci.tar", changed(oci_parts(&[image]), |_, bytes| bytes == manifest));
    lab.scan("manifest.oci.tar", &[]).refused(&["manifest", "does not match its digest"]);
}
