//! Registries with faults, met by `pull` and by `scan`: each a clear word, the right exit code, and nothing
//! left behind. The client's own tests know more faults; these show that the program tells them.

use crate::lab::{Lab, Ran, packages, wait_for};
use crate::registry::{Answers, answers, image};
use seaworthy_testkit::{Packing, Tar, TestImage, digest};
use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
    /// First byte of a `Range`.
    fn from(&self) -> usize {
        let range = self.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
        range.and_then(|from| from.parse().ok()).unwrap_or(0)
    }
    fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }
}

/// A server whose answers come from a function; `Ok(false)` leaves it to the good answers.
pub struct Faulty {
    pub authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Faulty {
    pub fn new(
        good: Answers,
        fault: impl Fn(&Asked, &mut TcpStream) -> io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, good, fault) = (Arc::clone(&asked), Arc::new(good), Arc::new(fault));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, good, fault) = (Arc::clone(&log), Arc::clone(&good), Arc::clone(&fault));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let Some(asked) = read(&stream) else { return };
                    log.lock().expect("sound").push(asked.clone());
                    // The client may have gone: that is often what is tested.
                    if let Ok(false) = fault(&asked, &mut stream) {
                        let _ = serve(&asked, &good, &mut stream);
                    }
                });
            }
        });
        Self { authority, asked }
    }

    fn name(&self) -> String {
        format!("{}/team/app:1", self.authority)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("sound").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let line = lines.next()?.ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Asked { path, headers })
}

fn serve(asked: &Asked, good: &Answers, stream: &mut TcpStream) -> io::Result<()> {
    match good.get(&asked.path) {
        Some((kind, body)) => {
            let rest = body.get(asked.from()..).unwrap_or_default();
            let range = format!("content-range: bytes {}-{}/{}", asked.from(), body.len() - 1, body.len());
            let status = if asked.from() > 0 { 206 } else { 200 };
            answer(stream, status, &[&format!("content-type: {kind}"), &range], rest).map(drop)
        }
        None => answer(stream, 404, &[], b"").map(drop),
    }
}

fn head(stream: &mut TcpStream, status: u16, lines: &[&str], length: usize) -> io::Result<bool> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).map(|()| true)
}

fn answer(stream: &mut TcpStream, status: u16, lines: &[&str], body: &[u8]) -> io::Result<bool> {
    head(stream, status, lines, body.len())?;
    stream.write_all(body).map(|()| true)
}

/// Longer than any patience here.
fn hang() {
    std::thread::sleep(Duration::from_secs(20));
}

const FEW: [&str; 6] = ["--insecure", "--anonymous", "--timeout", "1", "--tries", "2"];

fn scan(lab: &Lab, name: &str) -> Ran {
    lab.run(&[&["scan", name, "-f", "json"], &FEW[..]].concat())
}

fn pull(lab: &Lab, name: &str) -> Ran {
    lab.run(&[&["pull", name, "layout"], &FEW[..]].concat())
}

/// Nothing of a layout, of layers or of temporary files is there.
fn nothing_left(lab: &Lab) {
    for folder in ["work", "tmp", "cache"] {
        assert!(lab.files(folder).is_empty(), "{folder}: {:?}", lab.files(folder));
    }
}

/// One image and what a registry says that holds it alone, without an index.
fn good() -> (TestImage, Answers) {
    let image = image("amd64", "holed");
    let mut all = answers(std::slice::from_ref(&image));
    let manifest = image.manifest();
    all.insert("/v2/team/app/manifests/1".into(), ("application/vnd.oci.image.manifest.v1+json", manifest));
    (image, all)
}

/// Both commands fail with these words.
fn both(
    words: &[&str],
    fault: impl Fn(&Asked, &mut TcpStream) -> io::Result<bool> + Send + Sync + Clone + 'static,
) {
    let lab = Lab::with_data();
    let (_, answers) = good();
    let registry = Faulty::new(answers.clone(), fault.clone());
    pull(&lab, &registry.name()).refused(words);
    nothing_left(&lab);
    let registry = Faulty::new(answers, fault);
    scan(&lab, &registry.name()).refused(words);
    nothing_left(&lab);
}

#[test]
fn manifests_that_do_not_come() {
    both(&["did not answer in time", "Try:"], |_, _| {
        hang();
        Ok(true)
    });
    both(&["broke the connection", "Try:"], |_, _| Ok(true));
    both(&["did not answer in time (waiting for data)"], |_, stream| {
        head(stream, 200, &[], 100)?;
        hang();
        Ok(true)
    });
}

#[test]
fn statuses_are_told() {
    let cases: [(u16, &'static [&str], &'static [&str]); 10] = [
        (401, &["www-authenticate: Basic realm=\"x\""], &["wants a login (401)", "docker login"]),
        (401, &["www-authenticate: Negotiate"], &["of a kind that is not known here (Negotiate)", "Try:"]),
        (401, &[], &["of a kind that is not known here (it names none)"]),
        (403, &[], &["no right to pull", "Try:"]),
        (404, &[], &["(404)", "check the spelling"]),
        (418, &[], &["answered HTTP 418", "Try:"]),
        (429, &["retry-after: 3600"], &["too many requests (429)", "wait 3600 s", "Try:"]),
        (500, &[], &["has trouble (HTTP 500), 2 tries", "Try:"]),
        (503, &["retry-after: 7200"], &["has trouble (HTTP 503)", "wait 7200 s"]),
        (200, &["content-type: text/html"], &["web page instead of data", "login in a browser"]),
    ];
    for (status, lines, words) in cases {
        both(words, move |_, stream| answer(stream, status, lines, b""));
    }
}

#[test]
fn a_wish_to_wait_is_granted() {
    let soon = {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let moment = seaworthy_types::Timestamp(since.as_secs() as i64 + 1);
        let (date, time) = (moment.date().to_string(), moment.to_string());
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            [date[5..7].parse::<usize>().expect("a month") - 1];
        format!("Mon, {} {month} {} {} GMT", &date[8..10], &date[..4], &time[11..19])
    };
    for (status, value) in [(429, "1".to_owned()), (503, soon)] {
        let lab = Lab::with_data();
        let first = Arc::new(Mutex::new(true));
        let registry = Faulty::new(good().1, move |_, stream| {
            match std::mem::replace(&mut *first.lock().expect("sound"), false) {
                true => answer(stream, status, &[&format!("retry-after: {value}")], b""),
                false => Ok(false),
            }
        });
        assert_eq!(packages(&scan(&lab, &registry.name()).coded(1).json()), ["npm holed 1.0.0"]);
    }
}

#[test]
fn what_is_no_manifest_is_told() {
    let cases: [(&str, &'static [u8], &'static [&str]); 6] = [
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}", &["schema 1", "Try:"]),
        ("application/json", br#"{"schemaVersion":1}"#, &["schema 1", "Try:"]),
        ("image/png", b"{}", &["the media type `image/png`", "Try:"]),
        ("application/vnd.oci.image.manifest.v1+json", b"{", &["not the JSON of a manifest"]),
        (
            "application/vnd.oci.image.manifest.v1+json",
            br#"{"config":{"digest":"sha512:00","size":1},"layers":[]}"#,
            &["digest algorithm", "only sha256"],
        ),
        ("application/vnd.oci.image.index.v1+json", br#"{"manifests":[]}"#, &["no platform at all"]),
    ];
    for (kind, body, words) in cases {
        both(words, move |_, stream| answer(stream, 200, &[&format!("content-type: {kind}")], body));
    }
    both(&["larger than 4194304 bytes"], |_, stream| {
        head(stream, 200, &[], 100 << 20)?;
        stream.write_all(&[b' '; 1 << 16]).map(|()| true)
    });
    both(&["has the digest", "not used"], |_, stream| {
        let header = format!("docker-content-digest: sha256:{}", "7".repeat(64));
        answer(stream, 200, &[&header], br#"{"config":{"digest":"sha256:00","size":1}}"#)
    });
}

#[test]
fn redirects_that_lead_astray_are_not_followed() {
    for (to, word) in [
        ("SELF", "leads in a circle"),
        ("NEXT", "the sixth redirect"),
        ("http://169.254.169.254/latest/meta-data", "on or beside this machine"),
        ("file:///etc/passwd", "no http(s) address"),
    ] {
        both(&["which is not followed", word, "Try:"], move |asked, stream| {
            let to = to.replace("SELF", &asked.path).replace("NEXT", &format!("{}x", asked.path));
            answer(stream, 307, &[&format!("location: {to}")], b"")
        });
    }
}

#[test]
fn blobs_that_do_not_come() {
    let on_blobs = |fault: fn(&Asked, &mut TcpStream) -> io::Result<bool>| {
        move |asked: &Asked, stream: &mut TcpStream| match asked.is_manifest() {
            true => Ok(false),
            false => fault(asked, stream),
        }
    };
    both(
        &["did not answer in time"],
        on_blobs(|_, _| {
            hang();
            Ok(true)
        }),
    );
    both(&["broke the connection"], on_blobs(|_, _| Ok(true)));
    both(&["(404)"], on_blobs(|_, stream| answer(stream, 404, &[], b"")));
    both(&["no right to pull"], on_blobs(|_, stream| answer(stream, 403, &[], b"")));
    both(&["has trouble (HTTP 502), 2 tries"], on_blobs(|_, stream| answer(stream, 502, &[], b"")));
    both(&["has 7 bytes, its descriptor says"], on_blobs(|_, stream| answer(stream, 200, &[], b"1234567")));
    both(&["web page"], on_blobs(|_, stream| answer(stream, 200, &["content-type: text/html"], b"<html>")));
    both(
        &["which is not followed"],
        on_blobs(|_, stream| answer(stream, 302, &["location: http://169.254.0.1/x"], b"")),
    );
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed() {
    for command in ["scan", "pull"] {
        let lab = Lab::with_data();
        let (_, answers) = good();
        let served = Arc::new(Mutex::new(0_usize));
        // Each token is good for two answers.
        let registry = Faulty::new(answers, move |asked, stream| {
            let mut served = served.lock().expect("sound");
            if asked.path.starts_with("/token") {
                let body = format!(r#"{{"token":"t{}","expires_in":300}}"#, *served / 2);
                return answer(stream, 200, &[], body.as_bytes());
            }
            if asked.header("authorization") == format!("Bearer t{}", *served / 2) {
                *served += 1;
                return Ok(false);
            }
            let host = asked.header("host");
            answer(stream, 401, &[&format!("www-authenticate: Bearer realm=\"http://{host}/token\"")], b"")
        });
        match command {
            "scan" => drop(scan(&lab, &registry.name()).coded(1)),
            _ => drop(pull(&lab, &registry.name()).coded(0)),
        }
        let tokens = registry.asked().iter().filter(|asked| asked.path.starts_with("/token")).count();
        assert!(tokens >= 2, "{tokens}");
    }
}

#[test]
fn logins_stay_with_their_registry() {
    let (_, answers) = good();
    let store = Faulty::new(answers.clone(), |_, _| Ok(false));
    let port = store.authority.rsplit_once(':').expect("a port").1.to_owned();
    for command in ["scan", "pull"] {
        let lab = Lab::with_data();
        let port = port.clone();
        let registry = Faulty::new(answers.clone(), move |asked, stream| {
            if asked.header("authorization") != "Basic bGFiOmdlaGVpbQ==" {
                return answer(stream, 401, &["www-authenticate: Basic realm=\"x\""], b"");
            }
            match asked.is_manifest() {
                true => Ok(false),
                // Another host by its name, though it is the same machine.
                false => {
                    answer(stream, 307, &[&format!("location: http://localhost:{port}{}", asked.path)], b"")
                }
            }
        });
        let mut run = lab.command();
        run.envs([("SEAWORTHY_REGISTRY_USER", "lab"), ("SEAWORTHY_REGISTRY_PASSWORD", "geheim")]);
        run.args([command, &registry.name(), "--insecure"]).args((command == "pull").then_some("layout"));
        let ran = Ran::of(run.output().expect("started")).coded(if command == "scan" { 1 } else { 0 });
        assert!(!ran.out.contains("geheim") && !ran.err.contains("geheim"));
    }
    assert!(!store.asked().is_empty());
    assert!(store.asked().iter().all(|asked| asked.header("authorization").is_empty()));
}

/// A layer of some megabytes that no compression makes smaller.
fn large() -> TestImage {
    let mut tar = Tar::new();
    let filler: Vec<u8> =
        (0..1_u32 << 20).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    tar.file("opt/filler", &filler);
    tar.file("usr/lib/node_modules/holed/package.json", br#"{"name":"holed","version":"1.0.0"}"#);
    TestImage::of([tar.finish()]).packed(Packing::Plain)
}

/// The first time a large blob stops in its middle.
fn stopping(image: &TestImage) -> Faulty {
    let all = answers(std::slice::from_ref(image));
    let layer = image.layers[0].blob();
    let path = format!("/v2/team/app/blobs/{}", digest(&layer));
    let first = Mutex::new(true);
    Faulty::new(all, move |asked, stream| {
        if asked.path != path || !std::mem::replace(&mut *first.lock().expect("sound"), false) {
            return Ok(false);
        }
        head(stream, 200, &[], layer.len())?;
        stream.write_all(&layer[..3 << 20])?;
        hang();
        Ok(true)
    })
}

const PATIENT: [&str; 2] = ["--insecure", "--anonymous"];

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let lab = Lab::with_data();
    let image = large();
    let registry = stopping(&image);
    let name = registry.name();
    let arguments = [&["pull", &name, "layout"], &PATIENT[..]].concat();
    let mut child = lab.start(&arguments);
    let came = || lab.files("work").iter().map(|(_, bytes)| bytes).sum::<u64>();
    assert!(wait_for(|| came() >= 3 << 20), "{:?}", lab.files("work"));
    // Nobody else may write there meanwhile.
    lab.run(&arguments).refused(&["another pull to the same folder is at work"]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(!lab.path("work/layout").exists());
    lab.run(&arguments).coded(0);
    let blob = digest(&image.layers[0].blob());
    let from: Vec<usize> =
        registry.asked().iter().filter(|asked| asked.path.ends_with(&blob)).map(Asked::from).collect();
    assert_eq!(from.len(), 2);
    assert!(from[1] >= 3 << 20, "{from:?}");
    let left: Vec<String> = lab.files("work").into_iter().map(|(name, _)| name).collect();
    assert!(left.iter().all(|name| name.contains("work/layout/")) && left.len() == 5, "{left:?}");
    assert_eq!(packages(&lab.report("layout", &[])), ["npm holed 1.0.0"]);
}

#[test]
fn what_a_killed_pull_left_is_believed_only_by_its_digest() {
    let lab = Lab::with_data();
    let image = large();
    let layer = image.layers[0].blob();
    let registry = Faulty::new(answers(std::slice::from_ref(&image)), |_, _| Ok(false));
    let name = digest(&layer).trim_start_matches("sha256:").to_owned();
    for (wrong, requests) in [(vec![7; 100], 2), (vec![7; layer.len()], 1), (vec![7; layer.len() + 9], 1)] {
        lab.file(&format!(".layout.part/blobs/sha256/{name}"), wrong);
        lab.file(".layout.part/blobs/sha256/0000", "of another image");
        let before = registry.asked().len();
        lab.run(&[&["pull", &registry.name(), "layout"], &PATIENT[..]].concat()).coded(0);
        let asked = registry.asked().iter().skip(before).filter(|asked| asked.path.ends_with(&name)).count();
        assert_eq!(asked, requests);
        assert_eq!(packages(&lab.report("layout", &["--no-cache"])), ["npm holed 1.0.0"]);
        assert_eq!(lab.files("work").len(), 5, "{:?}", lab.files("work"));
        std::fs::remove_dir_all(lab.path("work/layout")).expect("removed");
    }
    std::os::unix::fs::symlink("elsewhere", lab.path("work/.layout.part")).expect("linked");
    let ran = lab.run(&[&["pull", &registry.name(), "layout"], &PATIENT[..]].concat());
    ran.refused(&["not a folder that only you can write"]);
}

#[test]
fn a_full_disk_is_told_and_left_clean() {
    let lab = Lab::with_data();
    let registry = Faulty::new(answers(&[large()]), |_, _| Ok(false));
    let name = registry.name();
    let arguments = [&["pull", &name, "layout"], &PATIENT[..]].concat();
    // A limit of a megabyte stands for a disk that is full: the same call fails.
    lab.run_limited("ulimit -f 1024", &arguments).refused(&["writing", ".layout.part"]);
    nothing_left(&lab);
    if std::path::Path::new("/dev/full").exists() {
        let mut command = lab.command();
        command.args([&["scan", &registry.name(), "-f", "json"], &PATIENT[..]].concat());
        command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("there"));
        let ran = Ran::of(command.output().expect("started")).coded(2);
        assert!(ran.err.contains("No space left"), "{}", ran.err);
    }
}

#[test]
fn a_killed_scan_leaves_nothing() {
    let lab = Lab::with_data();
    let image = large();
    let registry = stopping(&image);
    let mut child = lab.start(&[&["scan", &registry.name()], &PATIENT[..]].concat());
    assert!(wait_for(|| registry.asked().iter().any(|asked| asked.path.contains("/blobs/"))));
    let children = crate::lab::children(child.id());
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(wait_for(|| children
        .iter()
        .all(|id| !std::path::Path::new(&format!("/proc/{id}/fd/0")).exists())));
    nothing_left(&lab);
    assert_eq!(packages(&lab.report(&registry.name(), &PATIENT)), ["npm holed 1.0.0"]);
}

const HELM: &str = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"DIGEST","size":2},"layers":[{"mediaType":"application/vnd.cncf.helm.chart.content.v1.tar+gzip","digest":"DIGEST","size":2}]}"#;

#[test]
fn an_artifact_is_no_image_and_can_be_pulled() {
    let lab = Lab::with_data();
    let blob = digest(b"{}");
    let helm = HELM.replace("DIGEST", &blob);
    let about = helm
        .replacen("{", r#"{"artifactType":"application/spdx+json","#, 1)
        .replace("application/vnd.cncf.helm.config.v1+json", "application/vnd.oci.empty.v1+json");
    for (manifest, kind) in [(helm, "helm.config"), (about, "spdx+json")] {
        let all = [
            (
                "/v2/team/app/manifests/1".to_owned(),
                ("application/vnd.oci.image.manifest.v1+json", manifest.into()),
            ),
            (format!("/v2/team/app/blobs/{blob}"), ("application/octet-stream", b"{}".to_vec())),
        ];
        let registry = Faulty::new(all.into_iter().collect(), |_, _| Ok(false));
        scan(&lab, &registry.name()).refused(&["is no image but an artifact", kind, "Try:"]);
        nothing_left(&lab);
        pull(&lab, &registry.name()).coded(0);
        std::fs::remove_dir_all(lab.path("work/layout")).expect("removed");
    }
}
