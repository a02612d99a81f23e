//! Published data on their way: from the publisher's database over a folder, a web server, a bucket, a
//! registry or a file to another machine, day after day, and everything that can go wrong on the way.

use crate::data::{DEBIAN, dpkg, npm, write, write_feeds};
use crate::lab::{Lab, PROGRAM, Ran, codes, ids, wait_for};
use crate::web::{Answer, Web};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const APP: &str = "app.tar";
const HOST: &str = "host.tar";

/// Who builds and publishes.
pub struct Publisher {
    pub lab: Lab,
}

impl Publisher {
    /// With a database and a key.
    pub fn new() -> Self {
        let lab = Lab::new();
        write_feeds(&lab.path("feeds"));
        images(&lab);
        let publisher = Self { lab };
        publisher.build();
        publisher.lab.run(&["db", "keygen", "../key"]).coded(0);
        publisher
    }
    pub fn build(&self) {
        self.lab.run(&["db", "build", "--from", "../feeds"]).coded(0);
    }
    pub fn publish(&self, to: &str, more: &[&str]) -> Ran {
        self.lab.run(&[&["db", "publish", to, "--key", "../key.pem"], more].concat()).coded(0)
    }
    /// The next day: one new record, one that goes, one that changes.
    pub fn day_two(&self) {
        let feeds = self.lab.path("feeds");
        let path = feeds.join("osv/npm/CVE-2026-10001.json");
        let text = fs::read_to_string(path).expect("a record");
        let fresh = text.replace("CVE-2026-10001", "CVE-2026-20001").replace("holed", "sound");
        write(&feeds, "osv/npm/CVE-2026-20001.json", &fresh);
        fs::remove_file(feeds.join("osv/npm/CVE-2026-10004.json")).expect("removed");
        write(&feeds, "osv/npm/CVE-2026-10001.json", &text.replace("A hole in", "A large hole in"));
        self.build();
    }
    pub fn depot(&self) -> PathBuf {
        self.lab.path("depot")
    }
    pub fn public_key(&self) -> String {
        fs::read_to_string(self.lab.path("key.pub")).expect("a key").trim().to_owned()
    }
}

fn images(lab: &Lab) {
    lab.image(APP, &format!("image app:1\nlayer\n{}", npm(&["sound", "holed", "exploited", "unfixed"])));
    lab.image(HOST, &format!("image host:1\nlayer\n{DEBIAN}{}", dpkg(&[("hull", "1.0-1")])));
}

/// Another machine that believes the publisher and is told where data are.
fn client(publisher: &Publisher, sources: &[&str]) -> Lab {
    let lab = Lab::new();
    images(&lab);
    configure(&lab, &publisher.public_key(), sources);
    lab
}

fn configure(lab: &Lab, key: &str, sources: &[&str]) {
    lab.file("seaworthy.toml", format!("[database]\nsources = {sources:?}\nkeys = [{key:?}]\n"));
}

/// What data say of both images.
fn said(lab: &Lab) -> Vec<Value> {
    let say = |target: &str| {
        let mut report = lab.report(target, &["--no-cache"]);
        let report = report.as_object_mut().expect("an object");
        let data = report["data"]["sources"].take();
        let mut kept = serde_json::Map::new();
        for part in ["findings", "suppressed", "inventory", "coverage", "verdict", "actions", "layers"] {
            kept.insert(part.into(), report[part].take());
        }
        kept.insert("sources".into(), data);
        Value::Object(kept)
    };
    [APP, HOST].map(say).to_vec()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Nothing of a broken update stays, and nothing changed.
#[track_caller]
fn unchanged(lab: &Lab, before: &[(String, u64)]) {
    assert_eq!(lab.files("db"), before);
}

#[test]
fn the_second_day_comes_by_deltas() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let web = Web::folder(&publisher.depot());
    let client = client(&publisher, &[&web.address]);
    client.run(&["db", "pull"]).coded(0);
    assert_eq!(said(&client), said(&publisher.lab));
    client.run(&["db", "verify"]).coded(0);
    // Nothing new: not even the index is sent again.
    web.take_bodies();
    let ran = client.run(&["db", "update"]).coded(0);
    assert_eq!(web.take_bodies(), 0, "{}", ran.out);

    publisher.day_two();
    publisher.publish("../depot", &[]);
    let ran = client.run(&["db", "update"]).coded(0);
    assert!(ran.out.contains("0 shards whole"), "{}", ran.out);
    assert!(!ran.out.contains(" 0 by deltas"), "{}", ran.out);
    assert_eq!(said(&client), said(&publisher.lab));
    assert_eq!(
        ids(&client.report(APP, &[]), "findings"),
        ["CVE-2026-10001", "CVE-2026-10005", "CVE-2026-20001"]
    );
    client.run(&["db", "verify"]).coded(0);
    let status = client.run(&["db", "status"]).coded(0);
    assert!(status.out.contains(" of `main`, made "), "{}", status.out);
    // Whoever comes new gets the same.
    let late = self::client(&publisher, &[&text(&publisher.depot())]);
    late.run(&["db", "update"]).coded(0);
    assert_eq!(said(&late), said(&publisher.lab));
}

#[test]
fn a_scan_fetches_what_it_needs_when_it_may() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let web = Web::folder(&publisher.depot());
    let client = client(&publisher, &[&web.address]);
    // It was not asked to.
    client.report(APP, &[]);
    assert_eq!(web.take_asked(), Vec::<String>::new());
    let ran = client.scan(APP, &["--update"]).coded(1);
    assert_eq!(ids(&ran.json(), "findings"), ["CVE-2026-10001", "CVE-2026-10004", "CVE-2026-10005"]);
    let status = client.run(&["db", "status"]).coded(0).out;
    let missing = status.lines().find(|line| line.starts_with("not installed of it")).expect("a line");
    assert!(
        missing.contains("debian:12") && missing.contains("maven") && !missing.contains("npm"),
        "{missing}"
    );
    // Another image needs more.
    let ran = client.scan(HOST, &["--update"]).coded(1);
    assert_eq!(ids(&ran.json(), "findings"), ["CVE-2026-10013"]);
    let status = client.run(&["db", "status"]).coded(0).out;
    let missing = status.lines().find(|line| line.starts_with("not installed of it")).expect("a line");
    assert!(!missing.contains("debian:12"), "{missing}");
    // Both at once, and what explains them.
    publisher.day_two();
    publisher.publish("../depot", &[]);
    web.take_asked();
    client.run(&["scan", APP, HOST, "--update"]).coded(1);
    let asked = web.take_asked();
    assert_eq!(asked.iter().filter(|path| path.ends_with("index.seaworthy")).count(), 2, "{asked:?}");
    let ran = client.run(&["explain", "CVE-2026-20001", APP, "--update"]).coded(0);
    assert!(ran.out.contains("is reported"), "{}", ran.out);
    // Without the place: judged by what is here, and that is said.
    web.fault("index", Answer::Status(403, ""));
    let ran = client.scan("app.tar", &["--update", "--fail-on", "never"]).coded(3);
    assert!(codes(&ran.json(), "gap").contains(&"data-update-failed".to_owned()), "{}", ran.out);
    assert_eq!(ids(&ran.json(), "findings").len(), 3);
    // Nobody said where from.
    configure(&client, &publisher.public_key(), &[]);
    client.run(&["scan", APP, "--update"]).refused(&["--update needs places", "sources"]);
}

#[test]
fn places_that_fail_and_the_next_one() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let (good, bad) = (Web::folder(&publisher.depot()), Web::folder(&publisher.depot()));
    let expected = said(&publisher.lab);
    for (part, fault) in [
        ("index", Answer::Status(404, "")),
        ("index", Answer::Reset),
        ("index", Answer::Page),
        ("index", Answer::Flip),
        ("files/", Answer::Status(404, "")),
        ("files/", Answer::Status(403, "")),
        ("files/", Answer::Flip),
        ("files/", Answer::Status(429, "Retry-After: 4000\r\n")),
    ] {
        for known in ["index", "files/"] {
            bad.fault(known, if known == part { fault } else { Answer::Normal });
        }
        let client = client(&publisher, &[&bad.address, &good.address]);
        let ran = client.run(&["db", "pull"]);
        assert!([0, 3].contains(&ran.code), "{fault:?} {}{}", ran.out, ran.err);
        assert_eq!(said(&client), expected, "{part} {fault:?}");
        client.run(&["db", "verify"]).coded(0);
    }
    // A dead one first.
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let client = client(&publisher, &[&format!("http://{nobody}"), &good.address]);
    let ran = client.run(&["db", "pull"]);
    assert!([0, 3].contains(&ran.code), "{}{}", ran.out, ran.err);
    assert_eq!(said(&client), expected);
}

#[test]
fn what_goes_wrong_is_told_and_changes_nothing() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let web = Web::folder(&publisher.depot());
    let client = client(&publisher, &[&web.address]);
    client.run(&["db", "pull"]).coded(0);
    let old = said(&client);
    publisher.day_two();
    publisher.publish("../depot", &[]);
    let faults = [
        ("index", Answer::Status(404, ""), &["index.seaworthy", "not there"][..]),
        ("index", Answer::Status(429, "Retry-After: 4000\r\n"), &["HTTP 429", "4000 s"]),
        ("index", Answer::Status(500, ""), &["HTTP 500", "5 tries"]),
        ("index", Answer::Loop, &["circle"]),
        ("index", Answer::To("http://169.254.169.254/"), &["on or beside this machine"]),
        ("index", Answer::Page, &["web page"]),
        ("index", Answer::Endless, &["larger than"]),
        ("index", Answer::Flip, &["index.seaworthy"]),
        ("index", Answer::Cut(60), &["ended too early"]),
        ("files/", Answer::Loop, &["circle"]),
        ("files/", Answer::Endless, &["larger than"]),
        ("files/", Answer::Flip, &["damaged"]),
    ];
    // Some are given up after several tries with pauses: they do it together.
    std::thread::scope(|scope| {
        for (part, fault, words) in faults {
            let (publisher, client) = (&publisher, &client);
            scope.spawn(move || {
                let web = Web::folder(&publisher.depot());
                web.fault(part, fault);
                let lab = self::client(publisher, &[&web.address]);
                let names = client.files("db").into_iter().map(|(name, _)| PathBuf::from(name));
                for path in names {
                    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                    fs::copy(&path, lab.path("db").join(name)).expect("copied");
                }
                let before = lab.files("db");
                let ran = lab.run(&["db", "update"]).refused(words);
                assert!(ran.err.contains("stays as it was"), "{}", ran.err);
                unchanged(&lab, &before);
                if matches!(fault, Answer::Flip | Answer::Status(500, _)) {
                    assert_eq!(said(&lab), said(client));
                }
            });
        }
    });
    assert_eq!(said(&client), old);
    // Files that are not there: these data stay as they are, and that is a gap.
    web.fault("files/", Answer::Status(404, ""));
    let ran = client.run(&["db", "update"]).coded(3);
    assert!(ran.err.contains("data-not-updated"), "{}", ran.err);
    assert_eq!(client.report(APP, &["--no-cache"])["findings"], old[0]["findings"]);
    // A break in the middle is no fault, and what was lacking comes.
    web.fault("files/", Answer::CutOnce(20));
    client.run(&["db", "update"]).coded(0);
    assert_eq!(said(&client), said(&publisher.lab));
}

#[test]
fn old_indexes_and_strangers_are_refused() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let index = publisher.depot().join("index.seaworthy");
    let first = fs::read(&index).expect("an index");
    publisher.day_two();
    publisher.publish("../depot", &[]);
    let second = fs::read(&index).expect("an index");
    let client = client(&publisher, &[&text(&publisher.depot())]);
    client.run(&["db", "pull"]).coded(0);
    let before = client.files("db");
    // Somebody plays yesterday back.
    fs::write(&index, &first).expect("written");
    client.run(&["db", "update"]).refused(&["back in time"]);
    unchanged(&client, &before);
    // Another key, and none.
    publisher.lab.run(&["db", "keygen", "../other"]).coded(0);
    publisher.lab.run(&["db", "publish", "../foreign", "--key", "../other.pem"]).coded(0);
    let foreign = text(&publisher.lab.path("foreign"));
    client.run(&["db", "pull", &foreign]).refused(&["signed by"]);
    configure(&client, "", &[&foreign]);
    client.file("seaworthy.toml", format!("[database]\nsources = [{foreign:?}]\n"));
    client.run(&["db", "pull"]).refused(&["no key"]);
    unchanged(&client, &before);
    // One that counts only for a moment.
    publisher.publish("../brief", &["--lifetime", "1s"]);
    let brief = text(&publisher.lab.path("brief"));
    let key = publisher.public_key();
    let late = Lab::new();
    let start = std::time::Instant::now();
    assert!(wait_for(|| start.elapsed().as_millis() > 2_100));
    late.run(&["db", "pull", &brief, "--key", &key]).refused(&["expired"]);
    assert!(late.files("db").iter().all(|(name, _)| name.ends_with("/lock")), "{:?}", late.files("db"));
    // With the right index all is well again.
    fs::write(&index, &second).expect("written");
    client.run(&["db", "pull", &text(&publisher.depot()), "--key", &key]).coded(0);
}

#[test]
fn files_that_nothing_refers_to_can_be_removed() {
    let publisher = Publisher::new();
    let files = || publisher.lab.files("depot").len();
    // Without days of deltas a publication remembers those of its own second alone: each gets its own.
    let next_second = || {
        let then = crate::lab::now();
        assert!(crate::lab::wait_for(|| crate::lab::now() > then));
    };
    publisher.publish("../depot", &["--deltas", "0"]);
    next_second();
    let stray = publisher.depot().join("files").join("0".repeat(64));
    fs::write(&stray, "x").expect("written");
    let before = files();
    let ran = publisher.publish("../depot", &["--deltas", "0"]);
    assert!(ran.out.contains("no longer referred to (--prune removes them)"), "{}", ran.out);
    assert!(stray.exists());
    next_second();
    publisher.publish("../depot", &["--deltas", "0", "--prune"]);
    assert!(!stray.exists() && files() <= before, "{before} {}", files());
    let client = client(&publisher, &[&text(&publisher.depot())]);
    client.run(&["db", "pull"]).coded(0);
    assert_eq!(said(&client), said(&publisher.lab));
}

#[test]
fn words_that_will_not_do() {
    let lab = Lab::with_data();
    lab.run(&["db", "pull"]).refused(&["no place of published data", "seaworthy.toml"]);
    lab.run(&["db", "pull", "ftp://x"]).refused(&["no place of published data"]);
    lab.run(&["db", "pull", "missing"]).refused(&["no folder"]);
    lab.run(&["db", "pull", "oci://localhost/UPPER/x"]).refused(&["lower-case"]);
    lab.run(&["db", "keygen", "../key"]).coded(0);
    lab.run(&["db", "keygen", "../key"]).refused(&["never overwritten"]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(lab.path("key.pem")).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    lab.run(&["db", "publish", "https://data.example", "--key", "../key.pem"]).refused(&["web server"]);
    lab.run(&["db", "push", "../depot", "--key", "../key.pem"]).refused(&["oci://"]);
    lab.run(&["db", "publish", "../depot", "--key", "../key.pub"]).refused(&["private key"]);
    lab.run(&["db", "publish", "../depot", "--key", "../key.pem", "--lifetime", "0"]).coded(2);
    lab.run(&["db", "pull", "../work", "--key", "nonsense"]).refused(&["nonsense"]);
    lab.run(&["db", "import", "missing"]).refused(&["missing"]);
    assert!(!lab.path("depot").exists());
}

/// Runs the program where there is no network at all; `None`, said loudly, where that is not allowed.
fn without_network(lab: &Lab, arguments: &[&str]) -> Option<Ran> {
    for flags in [&["-n"][..], &["-r", "-n"]] {
        let probe = lab.around(Command::new("unshare")).args(flags).arg("true").output();
        if probe.is_ok_and(|output| output.status.success()) {
            let output =
                lab.around(Command::new("unshare")).args(flags).arg(PROGRAM).args(arguments).output();
            return Some(Ran::of(output.expect("started")));
        }
    }
    eprintln!("SKIPPED: no network namespace may be made here: the air gap was not tested");
    None
}

#[test]
fn a_file_crosses_the_air_gap() {
    let publisher = Publisher::new();
    publisher.publish("../depot", &[]);
    let client = client(&publisher, &[&text(&publisher.depot())]);
    client.run(&["db", "pull"]).coded(0);
    client.run(&["db", "export", "../data.swb"]).coded(0);
    let inside = Lab::new();
    images(&inside);
    configure(&inside, &publisher.public_key(), &[]);
    let bundle = text(&client.path("data.swb"));
    let Some(ran) = without_network(&inside, &["db", "import", &bundle]) else { return };
    ran.coded(0);
    for target in [APP, HOST] {
        let there = client.report(target, &["--no-cache"]);
        let here =
            without_network(&inside, &["scan", target, "-f", "json", "--no-cache"]).expect("again").json();
        for part in ["findings", "suppressed", "inventory", "coverage", "verdict", "actions", "layers"] {
            assert_eq!(here[part], there[part], "{target} {part}");
        }
        assert_eq!(here["data"]["sources"], there["data"]["sources"]);
    }
    let explained = without_network(&inside, &["explain", "CVE-2026-10001", APP]).expect("again").coded(0);
    assert_eq!(explained.out, client.run(&["explain", "CVE-2026-10001", APP]).coded(0).out);
    // Built here and never signed: only when somebody vouches for it.
    publisher.lab.run(&["db", "export", "../own.swb"]).coded(0);
    let own = text(&publisher.lab.path("own.swb"));
    let fresh = Lab::new();
    images(&fresh);
    fresh.run(&["db", "import", &own]).coded(2);
    fresh.run(&["db", "import", &own, "--allow-unsigned"]).coded(0);
    assert_eq!(said(&fresh), said(&publisher.lab));
    // Damaged on the way.
    let mut bytes = fs::read(&bundle).expect("read");
    // The last byte of the last file; after it a tar archive holds zeros only.
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("content");
    bytes[last] ^= 1;
    inside.file("bad.swb", &bytes);
    let before = inside.files("db");
    let again = Lab::new();
    again.file("bad.swb", &bytes);
    again.run(&["db", "import", "bad.swb", "--key", &publisher.public_key()]).coded(2);
    inside.file("short.swb", &bytes[..1_000]);
    inside.run(&["db", "import", "short.swb"]).coded(2);
    unchanged(&inside, &before);
}
