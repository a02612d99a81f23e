//! Pulling from a registry on the loopback that serves an OCI layout. The client itself is tested against
//! real registries in `net`.

use crate::lab::{Lab, packages};
use seaworthy_testkit::{Packing, TestImage, digest, oci_parts, parse};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Path to media type and body.
type Answers = BTreeMap<String, (&'static str, Vec<u8>)>;

fn image(architecture: &str, package: &str) -> TestImage {
    let text = format!(
        "image app:1\nlayer\nfile usr/lib/node_modules/{package}/package.json {{\"name\":\"{package}\",\"version\":\"1.0.0\"}}\nlayer\nfile etc/motd hello\n"
    );
    TestImage { architecture: architecture.into(), ..parse(&text) }.packed(Packing::Gzip)
}

/// What a registry answers that holds these images under one tag.
fn answers(images: &[TestImage]) -> Answers {
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
fn serve(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let authority = listener.local_addr().expect("an address").to_string();
    let answers = Arc::new(answers);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || answer(stream, &answers));
        }
    });
    authority
}

fn answer(stream: TcpStream, answers: &Answers) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    while !lines.next()?.ok()?.is_empty() {}
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let mut stream = stream;
    match answers.get(path) {
        Some((kind, body)) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").ok()?;
            if method != "HEAD" {
                stream.write_all(body).ok()?;
            }
        }
        None => {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .ok()?;
        }
    }
    Some(())
}

fn pull(lab: &Lab, authority: &str, more: &[&str]) -> crate::lab::Ran {
    let name = format!("{authority}/team/app:1");
    let arguments: Vec<&str> = ["pull", &name, "layout", "--insecure", "--anonymous"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    lab.run(&arguments)
}

fn left(lab: &Lab) -> Vec<String> {
    let names = std::fs::read_dir(lab.path("work")).expect("folder").flatten();
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("layout"));
    names
}

#[test]
fn what_was_pulled_is_scanned_like_the_image() {
    let lab = Lab::with_data();
    let images = [image("amd64", "holed"), image("arm64", "scratched")];
    let authority = serve(answers(&images));
    let ran = pull(&lab, &authority, &["--platform", "linux/arm64"]).coded(0);
    assert!(ran.out.contains("next: seaworthy scan"), "{}", ran.out);
    assert_eq!(packages(&lab.report("layout", &[])), ["npm scratched 1.0.0"]);
    assert_eq!(left(&lab), ["layout"]);
    pull(&lab, &authority, &[]).refused(&["layout", "exists already"]);
    std::fs::remove_dir_all(lab.path("work/layout")).expect("removed");
    pull(&lab, &authority, &["--all-platforms"]).coded(0);
    for (platform, package) in [("linux/amd64", "npm holed 1.0.0"), ("linux/arm64", "npm scratched 1.0.0")] {
        assert_eq!(packages(&lab.report("layout", &["--platform", platform])), [package]);
    }
}

#[test]
fn what_is_not_what_it_should_be_leaves_nothing() {
    let lab = Lab::new();
    let images = [image("amd64", "holed")];
    let good = answers(&images);
    let layer = digest(&images[0].layers[1].blob());
    let layer = format!("/v2/team/app/blobs/{layer}");
    let mut other = good.clone();
    other.get_mut(&layer).expect("a layer").1[20] ^= 1;
    let mut short = good.clone();
    short.get_mut(&layer).expect("a layer").1.truncate(30);
    let mut gone = good.clone();
    gone.remove(&layer);
    for (answers, word) in [(other, "sha256"), (short, "bytes"), (gone, "not")] {
        pull(&lab, &serve(answers), &["--platform", "linux/amd64"]).refused(&[word]);
        assert!(left(&lab).is_empty(), "{:?}", left(&lab));
    }
    pull(&lab, &serve(good.clone()), &["--platform", "linux/s390x"]).refused(&["linux/s390x", "linux/amd64"]);
    pull(&lab, &serve(Answers::new()), &[]).refused(&["team/app", "(404). Try: "]);
    lab.run(&["pull", "UPPER/Case:1", "layout"]).refused(&["Case", "lower-case"]);
    assert!(left(&lab).is_empty(), "{:?}", left(&lab));
}
