//! A registry on the loopback that serves an OCI layout, and scans of what it holds.

use crate::lab::{Lab, packages};
use crate::roundtrip::jar;
use seaworthy_testkit::{Packing, Tar, TestImage, digest, oci_parts, parse};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Path to media type and body.
pub type Answers = BTreeMap<String, (&'static str, Vec<u8>)>;

pub fn image(architecture: &str, package: &str) -> TestImage {
    let text = format!(
        "image app:1\nlayer\nfile usr/lib/node_modules/{package}/package.json {{\"name\":\"{package}\",\"version\":\"1.0.0\"}}\nlayer\nfile etc/motd hello\n"
    );
    TestImage { architecture: architecture.into(), ..parse(&text) }.packed(Packing::Gzip)
}

/// What a registry answers that holds these images under one tag.
pub fn answers(images: &[TestImage]) -> Answers {
    let mut all = Answers::new();
    for (path, bytes) in oci_parts(images) {
        let name = digest(&bytes);
        if path.starts_with("blobs/") {
            all.insert(format!("/v2/team/app/blobs/{name}"), ("application/octet-stream", bytes.clone()));
        }
        let is_manifest = images.iter().any(|image| image.manifest() == bytes);
        if is_manifest {
            all.insert(format!("/v2/team/app/manifests/{name}"), (MANIFEST, bytes));
        } else if path == "index.json" {
            all.insert("/v2/team/app/manifests/1".into(), (INDEX, bytes));
        }
    }
    all
}

/// Serves for as long as the test runs; gives the authority.
pub fn serve(answers: Answers) -> String {
    Registry::new(answers).authority
}

/// A registry that remembers what it was asked for.
pub struct Registry {
    pub authority: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    pub fn new(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let answers = Arc::new(Mutex::new(answers));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (ours, log) = (Arc::clone(&answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, log) = (Arc::clone(&ours), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &answers, &log));
            }
        });
        Self { authority, answers, asked }
    }

    /// Answers otherwise from now on.
    pub fn change(&self, change: impl FnOnce(&mut Answers)) {
        change(&mut self.answers.lock().expect("sound"));
    }

    /// The digests of the blobs that were asked for since the last time, in the order of the alphabet.
    pub fn blobs_asked(&self) -> Vec<String> {
        let all = std::mem::take(&mut *self.asked.lock().expect("sound"));
        let mut blobs: Vec<String> =
            all.iter().filter_map(|path| Some(path.split_once("/blobs/")?.1.to_owned())).collect();
        blobs.sort();
        blobs
    }
}

fn answer(stream: TcpStream, answers: &Mutex<Answers>, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut stream = stream;
    let again = {
        let mut log = log.lock().expect("sound");
        log.push(path.to_owned());
        log.iter().filter(|asked| *asked == path).count() > 1
    };
    let answers = answers.lock().expect("sound").clone();
    let otherwise = answers.get(&format!("again {path}")).filter(|_| again);
    let found = otherwise.or_else(|| answers.get(path)).cloned();
    match found {
        Some((kind, body)) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").ok()?;
            if method != "HEAD" {
                stream.write_all(&body).ok()?;
            }
        }
        None => {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok()?;
        }
    }
    Some(())
}

fn target(registry: &Registry) -> String {
    format!("{}/team/app:1", registry.authority)
}

const PLAIN: [&str; 2] = ["--insecure", "--anonymous"];

fn blobs(image: &TestImage) -> Vec<String> {
    let mut all: Vec<String> = image.layers.iter().map(|layer| digest(&layer.blob())).collect();
    all.push(digest(&image.config()));
    all.sort();
    all
}

#[test]
fn an_image_is_scanned_where_it_lies_and_known_layers_stay_there() {
    let lab = Lab::with_data();
    let first = image("amd64", "holed");
    let registry = Registry::new(answers(std::slice::from_ref(&first)));
    let name = target(&registry);
    let report = lab.report(&name, &PLAIN);
    assert_eq!(packages(&report), ["npm holed 1.0.0"]);
    assert_eq!(report["target"]["kind"], "registry");
    assert_eq!(report["image"]["names"][0], name);
    assert_eq!(registry.blobs_asked(), blobs(&first));
    // The same image again: its manifest says that all is known.
    assert_eq!(lab.report(&name, &PLAIN)["findings"], report["findings"]);
    assert!(registry.blobs_asked().is_empty());
    // Another image with a layer in common.
    let mut second = image("amd64", "scratched");
    second.layers[1] = first.layers[1].clone();
    registry.change(|all| *all = answers(std::slice::from_ref(&second)));
    assert_eq!(packages(&lab.report(&name, &PLAIN)), ["npm scratched 1.0.0"]);
    let mut new = blobs(&second);
    new.retain(|blob| !blobs(&first).contains(blob));
    assert_eq!((registry.blobs_asked(), new.len()), (new, 2));
}

#[test]
fn a_scan_from_a_registry_says_what_a_scan_of_the_pulled_image_says() {
    let lab = Lab::with_data();
    let images = [image("amd64", "holed"), image("arm64", "scratched")];
    let registry = Registry::new(answers(&images));
    for platform in ["linux/amd64", "linux/arm64"] {
        let name = target(&registry);
        lab.run(&["pull", &name, "layout", PLAIN[0], PLAIN[1], "--platform", platform]).coded(0);
        let there = lab.report(&name, &[PLAIN[0], PLAIN[1], "--platform", platform, "--no-cache"]);
        let here = lab.report("layout", &["--no-cache"]);
        for part in ["findings", "inventory", "coverage", "layers", "verdict"] {
            assert_eq!(there[part], here[part], "{part}");
        }
        std::fs::remove_dir_all(lab.path("work/layout")).expect("removed");
    }
}

#[test]
fn wrong_bytes_and_wrong_names_are_errors() {
    let lab = Lab::with_data();
    let only = image("amd64", "holed");
    let good = answers(std::slice::from_ref(&only));
    let layer = format!("/v2/team/app/blobs/{}", digest(&only.layers[1].blob()));
    let registry = Registry::new(good.clone());
    let name = target(&registry);
    let scan = || lab.run(&["scan", &name, PLAIN[0], PLAIN[1]]);
    let flip = |all: &mut Answers, at: usize| all.get_mut(&layer).expect("a layer").1[at] ^= 1;
    registry.change(|all| flip(all, 20));
    scan().refused(&["layer 1", "damaged"]);
    // The time in the gzip header: everything can be read, and it is another blob.
    registry.change(|all| flip(all, 20));
    registry.change(|all| flip(all, 4));
    scan().refused(&["layer 1", "sha256"]);
    registry.change(|all| all.get_mut(&layer).expect("a layer").1.truncate(30));
    scan().refused(&["bytes"]);
    registry.change(|all| drop(all.remove(&layer)));
    scan().refused(&["404"]);
    registry.change(|all| *all = good);
    scan().coded(1);
    // A file that is missing is no image, and nobody is asked.
    lab.run(&["scan", "missing.tar"]).refused(&["missing.tar"]);
    lab.run(&["scan", "registry:UPPER/Case"]).refused(&["lower-case"]);
}

/// A layer with a jar that is too large to be kept, whose coordinates stand at its beginning.
fn large() -> TestImage {
    let filler: Vec<u8> =
        (0..5_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let properties = b"groupId=org.example\nartifactId=widget\nversion=1.0.0\n";
    let jar = jar(&[("META-INF/maven/org.example/widget/pom.properties", properties), ("filler", &filler)]);
    let mut tar = Tar::new();
    tar.file("opt/widget.jar", &jar);
    TestImage::of([tar.finish()])
}

const SMALL: [&str; 4] = [PLAIN[0], PLAIN[1], "--max-memory", "12M"];

#[test]
fn a_large_file_is_read_again_in_a_registry_too() {
    let lab = Lab::with_data();
    for packing in [Packing::Gzip, Packing::Plain] {
        let image = large().packed(packing);
        let registry = Registry::new(answers(std::slice::from_ref(&image)));
        let report = lab.report(&target(&registry), &[&SMALL[..], &["--no-cache"]].concat());
        assert_eq!(packages(&report), ["maven org.example:widget 1.0.0"], "{packing:?}");
        // Once for the walk, and again for the file.
        let asked = registry.blobs_asked();
        assert!(asked.len() > 2, "{packing:?} {asked:?}");
    }
}

#[test]
fn other_bytes_the_second_time_are_an_error_and_nothing_is_kept() {
    let lab = Lab::with_data();
    let image = large().packed(Packing::Gzip);
    let mut all = answers(std::slice::from_ref(&image));
    let layer = format!("/v2/team/app/blobs/{}", digest(&image.layers[0].blob()));
    let (kind, mut bytes) = all[&layer].clone();
    *bytes.last_mut().expect("bytes") ^= 1;
    all.insert(format!("again {layer}"), (kind, bytes));
    let registry = Registry::new(all);
    let name = target(&registry);
    lab.run(&[&["scan", &name], &SMALL[..]].concat()).refused(&["sha256"]);
    registry.change(|all| all.retain(|path, _| !path.starts_with("again")));
    registry.blobs_asked();
    let report = lab.report(&name, &SMALL);
    assert_eq!(packages(&report), ["maven org.example:widget 1.0.0"]);
    assert!(registry.blobs_asked().len() > 2, "the layer was not in the cache");
}
