//! The database: damage, interrupted and failing updates, mirrors, the starter set, no network.

use crate::data::{npm, other_feeds, write_feeds};
use crate::lab::{Lab, PROGRAM, Ran, codes, ids, timeless, wait_for};
use crate::roundtrip::jar;
use seaworthy_testkit::{Tar, TestImage};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

fn holed(lab: &Lab) -> &'static str {
    lab.image("app.tar", &format!("image app:1\nlayer\n{}", npm(&["sound", "holed"])))
}

fn shard_file(lab: &Lab, shard: &str) -> PathBuf {
    let index: Value =
        serde_json::from_slice(&fs::read(lab.path("db/index.json")).expect("an index")).expect("JSON");
    let shards = index["shards"].as_array().expect("shards").iter();
    let found = shards.clone().find(|entry| entry["shard"] == shard).expect(shard);
    lab.path("db").join(found["file"].as_str().expect("a file"))
}

#[test]
fn status_and_verification() {
    let lab = Lab::with_data();
    let status = lab.run(&["db", "status", "--json"]).coded(0).json();
    let sources = status["sources"].as_array().expect("sources");
    let of = |shard: &str| sources.iter().find(|source| source["shard"] == shard).expect(shard);
    assert_eq!(of("npm")["records"], 5);
    assert_eq!(of("npm")["completeness"], "complete");
    assert_eq!(of("debian:12")["records"], 2);
    let text = lab.run(&["db", "status"]).coded(0).out;
    assert!(text.contains("npm") && text.contains("yes"), "{text}");
    assert!(lab.run(&["db", "verify"]).coded(0).out.contains("sound"));
}

#[test]
fn no_damage_hides_a_finding() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    let path = shard_file(&lab, "npm");
    let sound = fs::read(&path).expect("there");
    let mut gaps = 0;
    let step = (sound.len() / 40).max(1);
    let cut = |length: usize| sound[..length].to_vec();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x41;
        bytes
    };
    let cases = (0..sound.len()).step_by(step).map(flipped);
    let cases =
        cases.chain([cut(0), cut(10), cut(sound.len() / 2), cut(sound.len() - 1), vec![0xff; sound.len()]]);
    for (number, bytes) in cases.enumerate() {
        fs::write(&path, &bytes).expect("written");
        lab.run(&["db", "verify"]).refused(&[]);
        let ran = lab.scan(target, &[]);
        if ran.code == 2 {
            ran.refused(&["db update"]);
            continue;
        }
        let report = ran.json();
        let told = codes(&report, "gap").contains(&"data-damaged".to_owned());
        gaps += usize::from(told);
        let found = ids(&report, "findings") == ["CVE-2026-10001"];
        assert!(told || found, "case {number} hides the finding: {}", report["coverage"]);
        assert_eq!(ran.code, if found { 1 } else { 3 });
    }
    assert!(gaps > 5, "{gaps}");
    fs::remove_file(&path).expect("removed");
    let ran = lab.scan(target, &[]);
    assert!(ran.code == 2 || codes(&ran.json(), "gap").contains(&"data-damaged".to_owned()), "{}", ran.out);
    for index in ["", "{", "[]", "{\"format\":99999}"] {
        fs::write(lab.path("db/index.json"), index).expect("written");
        lab.scan(target, &[]).refused(&["db update"]);
    }
    // An update heals it.
    lab.run(&["db", "update", "--from", "../feeds"]).coded(0);
    lab.scan(target, &[]).coded(1);
}

#[test]
fn an_interrupted_update_leaves_the_old_database() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    let bare = timeless(lab.report(target, &[]));
    other_feeds(&lab.path("other"), 1_500);
    let index = fs::read(lab.path("db/index.json")).expect("there");
    let building = || {
        let entries = fs::read_dir(lab.path("db")).expect("a folder").flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".build-")).count()
    };
    let mut interrupted = 0;
    for wait_ms in [0, 1, 4, 10, 30, 60] {
        let mut child = lab.start(&["db", "update", "--from", "../other"]);
        assert!(wait_for(
            || building() > 0 || fs::read(lab.path("db/index.json")).is_ok_and(|new| new != index)
        ));
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        child.kill().expect("killed");
        child.wait().expect("ended");
        if fs::read(lab.path("db/index.json")).expect("there") != index {
            break;
        }
        interrupted += 1;
        assert_eq!(timeless(lab.report(target, &[])), bare, "after {wait_ms} ms");
        lab.run(&["db", "verify"]).coded(0);
    }
    assert!(interrupted > 0);
    lab.run(&["db", "update", "--from", "../other"]).coded(0);
    assert_eq!(building(), 0, "what the dead left is gone");
    assert_eq!(ids(&lab.report(target, &[]), "findings"), Vec::<String>::new());
}

#[test]
fn a_failing_update_leaves_the_old_database() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    let bare = timeless(lab.report(target, &[]));
    other_feeds(&lab.path("other"), 1_500);
    let before = lab.files("db");
    for limit in ["ulimit -f 0", "ulimit -f 1", "ulimit -f 8"] {
        lab.run_limited(limit, &["db", "update", "--from", "../other"]).refused(&["db"]);
        assert_eq!(lab.files("db"), before, "{limit}");
        assert_eq!(timeless(lab.report(target, &[])), bare);
    }
    lab.file("nothing/README", "no feed");
    lab.run(&["db", "update", "--from", "nothing"]).refused(&[]);
    lab.run(&["db", "update", "--from", "absent"]).refused(&["absent"]);
    lab.run(&["db", "update", "--from", "../feeds", "--only", "nonsense"]).refused(&["nonsense"]);
    lab.file("broken/seaworthy-manifest.json", "{");
    lab.file("broken/osv/npm/a.json", "{}");
    lab.run(&["db", "update", "--from", "broken"]).refused(&["seaworthy-manifest.json"]);
    assert_eq!(lab.files("db"), before);
    assert_eq!(timeless(lab.report(target, &[])), bare);
}

#[test]
fn one_dead_feed_blocks_no_other() {
    let lab = Lab::new();
    write_feeds(&lab.path("feeds"));
    crate::data::write(&lab.path("feeds"), "osv/PyPI/all.zip", "no zip");
    let ran = lab.run(&["db", "update", "--from", "../feeds"]).coded(3);
    assert!(ran.out.contains("osv/PyPI/all.zip"), "{}", ran.out);
    lab.scan(holed(&lab), &[]).coded(1);
    let python = "file usr/lib/python3/site-packages/x-1.dist-info/METADATA Name: x\\nVersion: 1\\n\n";
    let python = lab.image("python.tar", &format!("image p:1\nlayer\n{python}"));
    let report = lab.scan(python, &[]).coded(3).json();
    assert_eq!(codes(&report, "gap"), ["data-partial"], "{}", report["coverage"]);
}

#[test]
fn old_and_partial_data_are_gaps() {
    let lab = Lab::new();
    write_feeds(&lab.path("feeds"));
    let manifest = format!(
        r#"{{"seaworthy_manifest":1,"as_of":"{}","entries":[{{"shards":["npm"],"completeness":"complete"}},{{"shards":["pypi"],"completeness":"partial","remark":"half of it"}}]}}"#,
        crate::lab::day(-9)
    );
    crate::data::write(&lab.path("feeds"), "seaworthy-manifest.json", &manifest);
    lab.run(&["db", "update", "--from", "../feeds"]).coded(0);
    let target = lab.image("clean.tar", &format!("image app:1\nlayer\n{}", npm(&["sound"])));
    assert_eq!(codes(&lab.scan(target, &[]).coded(3).json(), "gap"), ["data-old"]);
    lab.scan(target, &["--data-age", "10"]).coded(0);
    let python = "file usr/lib/python3/site-packages/x-1.dist-info/METADATA Name: x\\nVersion: 1\\n\n";
    let python = lab.image("python.tar", &format!("image p:1\nlayer\n{python}"));
    let report = lab.scan(python, &["--data-age", "10"]).coded(3).json();
    assert_eq!(codes(&report, "gap"), ["data-partial"]);
    assert!(report["coverage"].to_string().contains("half of it"));
}

#[test]
fn the_starter_set_alone() {
    let lab = Lab::new();
    let pom = b"groupId=org.apache.logging.log4j\nartifactId=log4j-core\nversion=2.14.1\n";
    let bytes = jar(&[("META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties", pom)]);
    let mut tar = Tar::new();
    tar.file("opt/log4j-core-2.14.1.jar", &bytes);
    let target = lab.archive("log4j.tar", &TestImage::of([tar.finish()]));
    let report = lab.scan(target, &[]).coded(1).json();
    assert!(ids(&report, "findings").contains(&"CVE-2021-44228".to_owned()));
    assert!(codes(&report, "gap").contains(&"data-starter-only".to_owned()));
    assert_eq!(report["verdict"]["incomplete"], true);
    let table = lab.run(&["scan", target]).coded(1).out;
    assert!(table.contains("starter set"), "{table}");
    assert!(lab.run(&["db", "status"]).coded(0).out.contains("starter"));
    lab.run(&["db", "verify"]).refused(&["db update"]);
    assert_eq!(lab.files("db").len(), 0);
    assert_eq!(lab.files("data").len(), 0);
}

/// A web server for one folder that counts requests; `cut` promises more than it sends.
fn serve(folder: PathBuf, cut: &'static str) -> (String, &'static AtomicUsize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let count: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = answer(stream, &folder, cut);
        }
    });
    (address, count)
}

/// The address of a mirror with the feeds of `data`.
pub fn serve_mirror(lab: &Lab) -> String {
    serve(mirror(lab), "").0
}

fn answer(mut stream: TcpStream, folder: &Path, cut: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&piece[..count]),
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path =
        text.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').replace("%20", " ").replace("%3A", ":");
    let (status, body) = match fs::read(folder.join(&path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let promised = body.len() + if !cut.is_empty() && path.contains(cut) { 100 } else { 0 };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&body)
}

/// The feeds as a mirror has them: one zip for each ecosystem.
fn mirror(lab: &Lab) -> PathBuf {
    let folder = lab.path("mirror");
    write_feeds(&lab.path("feeds"));
    for ecosystem in ["npm", "Debian"] {
        let mut files = Vec::new();
        for entry in fs::read_dir(lab.path("feeds/osv").join(ecosystem)).expect("a folder").flatten() {
            files.push((
                entry.file_name().to_string_lossy().into_owned(),
                fs::read(entry.path()).expect("read"),
            ));
        }
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        fs::create_dir_all(folder.join("osv").join(ecosystem)).expect("made");
        fs::write(folder.join("osv").join(ecosystem).join("all.zip"), jar(&files)).expect("written");
    }
    fs::copy(lab.path("feeds/seaworthy-manifest.json"), folder.join("seaworthy-manifest.json"))
        .expect("copied");
    folder
}

#[test]
fn a_mirror() {
    let lab = Lab::new();
    let (address, count) = serve(mirror(&lab), "");
    lab.run(&["db", "update", "--from", &address]).coded(0);
    assert!(count.load(Ordering::Relaxed) > 10);
    let target = holed(&lab);
    let report = lab.scan(target, &[]).coded(1).json();
    assert_eq!(ids(&report, "findings"), ["CVE-2026-10001"]);
    assert!(codes(&report, "gap").is_empty(), "{}", report["coverage"]);
    let left: Vec<_> =
        fs::read_dir(lab.path("")).expect("a folder").flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("feeds-")), "{left:?}");
}

#[test]
fn mirrors_that_fail() {
    let (cut, dead) = (Lab::with_data(), Lab::with_data());
    holed(&cut);
    let target = holed(&dead);
    let bare = timeless(dead.report(target, &[]));
    // Both try several times, with pauses: they do it together. One file of the first is cut short.
    let (address, _) = serve(mirror(&cut), "osv/npm");
    let from_cut = cut.start(&["db", "update", "--from", &address]);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let from_dead = dead.start(&["db", "update", "--quiet", "--from", &format!("http://{nobody}")]);
    let ended = |child: std::process::Child| Ran::of(child.wait_with_output().expect("ended"));

    // A gap, and the old data of that feed stay.
    let ran = ended(from_cut).coded(3);
    assert!(ran.out.contains("feed-failed") && ran.err.contains("osv/npm/all.zip"), "{}{}", ran.out, ran.err);
    assert_eq!(ids(&cut.report(target, &[]), "findings"), ["CVE-2026-10001"]);

    ended(from_dead).refused(&["stays as it is"]);
    fs::create_dir(dead.path("void")).expect("made");
    let (address, _) = serve(dead.path("void"), "");
    dead.run(&["db", "update", "--from", &address]).refused(&["stays as it is"]);
    assert_eq!(timeless(dead.report(target, &[])), bare);
}

#[test]
fn a_scan_opens_no_socket() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    // Not even when it is known where data could be fetched.
    lab.file("seaworthy.toml", "[database]\nsources = [\"http://127.0.0.1:9\"]\n");
    let strace = lab.around(Command::new("strace")).arg("-V").output();
    if strace.is_err() {
        return eprintln!("SKIPPED: strace is not installed: that a scan opens no socket was not tested");
    }
    let log = lab.path("trace");
    let mut command = lab.around(Command::new("strace"));
    command.args(["-f", "-qq", "-e", "trace=socket,connect,bind,listen", "-o"]).arg(&log);
    let output = command.args([PROGRAM, "scan", target, "-f", "json"]).output().expect("started");
    if output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("ptrace") {
        return eprintln!("SKIPPED: strace may not trace here: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ran::of(output).coded(1);
    let text = fs::read_to_string(&log).expect("a log");
    let calls: Vec<&str> = text.lines().filter(|line| line.contains('(')).collect();
    assert!(calls.iter().all(|line| line.contains("AF_UNIX")), "{calls:?}");
}

/// Runs an update in which the system call fails or kills, the `when`-th time it is made.
fn update_with_fault(lab: &Lab, calls: &str, fault: &str, when: u32) -> Option<std::process::Output> {
    let mut command = lab.around(Command::new("strace"));
    let inject = format!("inject={calls}:{fault}:when={when}");
    command.args([
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &inject,
        PROGRAM,
        "db",
        "update",
        "--from",
        "../other",
    ]);
    let output = command.output().ok()?;
    (!String::from_utf8_lossy(&output.stderr).contains("ptrace")).then_some(output)
}

#[test]
fn an_update_may_fail_at_any_step() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    let bare = timeless(lab.report(target, &[]));
    other_feeds(&lab.path("other"), 20);
    let index = fs::read(lab.path("db/index.json")).expect("there");
    let mut failed = 0;
    for (calls, steps) in
        [("/^rename", 6), ("fsync,fdatasync", 5), ("/^write", 3), ("ftruncate,chmod,fchmod", 2)]
    {
        for fault in ["signal=KILL", "error=ENOSPC"] {
            for when in 1..=steps {
                let Some(output) = update_with_fault(&lab, calls, fault, when) else {
                    return eprintln!("SKIPPED: strace cannot be used here: no fault was injected");
                };
                let what = format!("{calls} {fault} {when}: {}", String::from_utf8_lossy(&output.stderr));
                lab.run(&["db", "verify"]).coded(0);
                if fs::read(lab.path("db/index.json")).expect("there") == index {
                    assert!(!output.status.success(), "{what}");
                    assert_eq!(timeless(lab.report(target, &[])), bare, "{what}");
                    failed += 1;
                } else {
                    // The new data were in place already: whole, and the old ones for the next round.
                    assert_eq!(ids(&lab.report(target, &[]), "findings"), Vec::<String>::new(), "{what}");
                    fs::remove_dir_all(lab.path("db")).expect("removed");
                    lab.run(&["db", "update", "--from", "../feeds"]).coded(0);
                    return_to(&lab, &index);
                }
                if fault.starts_with("error") {
                    let left =
                        lab.files("db").into_iter().filter(|(name, _)| name.contains("/.build-")).count();
                    assert_eq!(left, 0, "{what}");
                }
            }
        }
    }
    assert!(failed > 8, "{failed}");
}

/// Puts the index of an earlier build of the same feeds back: only its time differs.
fn return_to(lab: &Lab, index: &[u8]) {
    fs::write(lab.path("db/index.json"), index).expect("written");
    lab.run(&["db", "verify"]).coded(0);
}
