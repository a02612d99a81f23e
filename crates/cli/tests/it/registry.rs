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
    // Plain HTTP is spoken only when it was asked for; nothing is written that was not asked for.
    lab.run(&["scan", &name, "--anonymous", "--tries", "1"]).refused(&["broke the connection", "--insecure"]);
    let kept = lab.files("cache");
    lab.report(&name, &[&PLAIN[..], &["--no-cache"]].concat());
    assert_eq!((lab.files("cache"), lab.files("work")), (kept, Vec::new()));
    registry.blobs_asked();
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

/// An index with a statement beside its images, as BuildKit makes it.
fn with_attestation(images: &[TestImage]) -> Answers {
    let mut all = answers(images);
    let (kind, index) = all["/v2/team/app/manifests/1"].clone();
    let text = String::from_utf8(index).expect("text");
    let attestation = format!(
        r#"{{"mediaType":"{MANIFEST}","digest":"sha256:{}","size":7,"platform":{{"os":"unknown","architecture":"unknown"}}}},"#,
        "1".repeat(64)
    );
    let text = text.replacen("\"manifests\":[", &format!("\"manifests\":[{attestation}"), 1);
    assert!(text.contains("unknown"), "{text}");
    all.insert("/v2/team/app/manifests/1".into(), (kind, text.into_bytes()));
    all
}

#[test]
fn every_platform_is_scanned_in_one_run() {
    let lab = Lab::with_data();
    let images = [image("amd64", "holed"), image("arm64", "sound")];
    let registry = Registry::new(with_attestation(&images));
    let name = target(&registry);
    let every = [&PLAIN[..], &["--platform", "all"]].concat();
    let ran = lab.run(&[&["scan", &name], &every[..]].concat()).coded(1);
    assert!(ran.out.contains("✘ …") && ran.out.contains("/team/app:1 linux/amd64 "), "{}", ran.out);
    assert!(ran.out.contains("✔ …") && ran.out.contains("/team/app:1 linux/arm64 "), "{}", ran.out);
    assert!(ran.out.contains("2 targets:"), "{}", ran.out);
    // The layer that both have was fetched once.
    let mut wanted = [blobs(&images[0]), blobs(&images[1])].concat();
    wanted.sort();
    let before = wanted.len();
    wanted.dedup();
    assert_eq!(registry.blobs_asked(), wanted);
    assert_eq!(before, wanted.len() + 1);
    let ran = lab.run(&[&["scan", &name, "-f", "json"], &every[..]].concat()).coded(1);
    let reports = ran.json();
    let reports = reports.as_array().expect("a list");
    assert_eq!(reports.len(), 2);
    assert_eq!(packages(&reports[0]), ["npm holed 1.0.0"]);
    assert_eq!(reports[1]["image"]["config"]["platform"]["architecture"], "arm64");
    // One image is a list of one.
    let mut alone = answers(&images[..1]);
    alone.insert("/v2/team/app/manifests/1".into(), (MANIFEST, images[0].manifest()));
    registry.change(|all| *all = alone);
    let ran = lab.run(&[&["scan", &name, "-f", "json"], &every[..]].concat()).coded(1);
    assert_eq!(ran.json().as_array().map(Vec::len), Some(1));
    // What cannot be asked for is told, and the others are scanned.
    let none = format!("{}/team/none:1", registry.authority);
    let ran = lab.run(&[&["scan", &none, &name], &every[..]].concat()).coded(2);
    assert!(ran.out.contains("(404)") && ran.out.contains("1 must not sail"), "{}", ran.out);
    lab.image("local.tar", "image app:1\nlayer\nfile a b");
    lab.run(&[&["scan", "local.tar"], &every[..]].concat()).refused(&["--platform all", "in a registry"]);
}

#[test]
fn an_image_with_an_empty_configuration_is_told() {
    let lab = Lab::with_data();
    let image = image("amd64", "holed");
    let empty = digest(b"{}");
    let (was, size) = (digest(&image.config()), image.config().len());
    let manifest = String::from_utf8(image.manifest()).expect("text");
    let manifest = manifest.replace(&was, &empty).replace(&format!("\"size\":{size}"), "\"size\":2");
    let mut all = answers(std::slice::from_ref(&image));
    all.insert("/v2/team/app/manifests/1".into(), (MANIFEST, manifest.into_bytes()));
    all.insert(format!("/v2/team/app/blobs/{empty}"), ("application/octet-stream", b"{}".to_vec()));
    let registry = Registry::new(all);
    lab.run(&[&["scan", &target(&registry)], &PLAIN[..]].concat()).refused(&["layers", "0", "2"]);
}

#[test]
fn mirrors_come_from_the_command_line_the_configuration_and_the_tools_of_others() {
    let lab = Lab::with_data();
    let only = image("amd64", "holed");
    let mut moved = Answers::new();
    for (path, answer) in answers(std::slice::from_ref(&only)) {
        moved.insert(path.replace("/v2/", "/v2/cache/"), answer);
    }
    let mirror = Registry::new(moved);
    let registry = Registry::new(answers(std::slice::from_ref(&only)));
    let (name, at) = (target(&registry), format!("http://{}/cache", mirror.authority));
    let scan = |more: &[&str]| {
        let report = lab.report(&name, &[&PLAIN[..], &["--no-cache"], more].concat());
        assert_eq!(packages(&report), ["npm holed 1.0.0"]);
        (!mirror.blobs_asked().is_empty(), !registry.blobs_asked().is_empty())
    };
    assert_eq!(scan(&[]), (false, true));
    assert_eq!(scan(&["--mirror", &at]), (true, false));
    // A mirror that is gone does not stop anything.
    assert_eq!(scan(&["--mirror", "http://127.0.0.1:1"]), (false, true));
    lab.file("mirrors.toml", format!("[registry.mirrors]\n\"{}\" = [\"{at}\"]\n", registry.authority));
    assert_eq!(scan(&["--config", "mirrors.toml"]), (true, false));
    let conf = format!(
        "[[registry]]\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}/cache'\ninsecure = true\n",
        registry.authority, mirror.authority
    );
    crate::data::write(&lab.path("config"), "containers/registries.conf", &conf);
    assert_eq!(scan(&[]), (true, false));
    lab.file("alone.toml", "[registry]\nsettings-of-others = false\n");
    assert_eq!(scan(&["--config", "alone.toml"]), (false, true));
    let blocked = format!("[[registry]]\nlocation = '{}'\nblocked = true\n", registry.authority);
    crate::data::write(&lab.path("config"), "containers/registries.conf", &blocked);
    lab.run(&[&["scan", &name], &PLAIN[..]].concat()).refused(&["is blocked by", "registries.conf"]);
    lab.file("half.toml", "[registry]\nclient-cert = 'x'\n");
    lab.run(&["scan", &name, "--config", "half.toml"]).refused(&["belong together"]);
    lab.run(&["scan", &name, "--client-cert", "x"]).coded(2);
}

#[test]
fn several_large_files_cost_one_more_reading() {
    let lab = Lab::with_data();
    let mut tar = Tar::new();
    for number in 0..4_u32 {
        let filler: Vec<u8> =
            (0..1_u32 << 20).flat_map(|n| (n ^ number).wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let properties = format!("groupId=org.example\nartifactId=widget{number}\nversion=1.0.0\n");
        let pom = format!("META-INF/maven/org.example/widget{number}/pom.properties");
        let parts: [(&str, &[u8]); 3] = [(&pom, properties.as_bytes()), ("filler", &filler), ("END", b"x")];
        tar.file(&format!("opt/widget{number}.jar"), &jar(&parts));
    }
    let tar = tar.finish();
    for packing in [Packing::Gzip, Packing::Plain] {
        let image = TestImage::of([tar.clone()]).packed(packing);
        let registry = Registry::new(answers(std::slice::from_ref(&image)));
        let report =
            lab.report(&target(&registry), &[&PLAIN[..], &["--max-memory", "6M", "--no-cache"]].concat());
        assert_eq!(packages(&report).len(), 4, "{packing:?}");
        let layer = digest(&image.layers[0].blob());
        let times = registry.blobs_asked().iter().filter(|blob| **blob == layer).count();
        assert!(times <= 3, "{packing:?}: {times} times");
    }
}
