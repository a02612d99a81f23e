//! Updates of the database beside other programs: a second update, a scan, sudden death, a full disk.

use crate::data::{npm, other_feeds};
use crate::lab::{Lab, PROGRAM, Ran, ids, timeless, wait_for};
use std::fs;
use std::net::TcpListener;
use std::process::Command;

fn holed(lab: &Lab) -> &'static str {
    lab.image("app.tar", &format!("image app:1\nlayer\n{}", npm(&["sound", "holed"])))
}

/// What an update that is not finished has made.
fn building(lab: &Lab) -> usize {
    let entries = fs::read_dir(lab.path("db")).expect("a folder").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".build-")).count()
}

#[test]
fn a_second_update_says_that_there_is_a_first() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    let bare = timeless(lab.report(target, &[]));
    // A mirror that takes calls and never answers: the first update waits for it.
    let mirror = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", mirror.local_addr().expect("an address"));
    let mut first = lab.start(&["db", "update", "--from", &address]);
    assert!(wait_for(|| building(&lab) == 1), "the first update begins");
    let called = mirror.accept().expect("it calls");

    let before = lab.files("db");
    for from in ["../feeds", address.as_str()] {
        let words = ["another program is updating", "try again when it has finished"];
        lab.run(&["db", "update", "--from", from]).refused(&words);
    }
    assert_eq!(lab.files("db"), before, "the second changes nothing");
    // Everybody else goes on.
    assert_eq!(timeless(lab.report(target, &[])), bare);
    lab.run(&["db", "verify"]).coded(0);
    lab.run(&["db", "status", "--json"]).coded(0);

    // Killed while it downloads: its lock is gone, what it left goes with the next update.
    first.kill().expect("killed");
    first.wait().expect("ended");
    drop(called);
    assert_eq!(building(&lab), 1);
    assert_eq!(timeless(lab.report(target, &[])), bare);
    lab.run(&["db", "update", "--from", "../feeds"]).coded(0);
    assert_eq!(building(&lab), 0);
    let beside: Vec<String> = fs::read_dir(lab.path(""))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("feeds-"))
        .collect();
    assert_eq!(beside, Vec::<String>::new());
    lab.scan(target, &[]).coded(1);
}

/// Scans see the old data or the new ones, never something between.
#[test]
fn scans_while_the_data_change() {
    let lab = Lab::with_data();
    let target = holed(&lab);
    other_feeds(&lab.path("other"), 400);
    let mut seen = [false; 2];
    for round in 0..6 {
        let from = if round % 2 == 0 { "../other" } else { "../feeds" };
        let mut update = lab.start(&["db", "update", "--from", from]);
        loop {
            let ended = update.try_wait().expect("asked").is_some();
            let ran = lab.scan(target, &["--no-cache"]);
            let found = ids(&ran.json(), "findings");
            match found.as_slice() {
                [one] if one == "CVE-2026-10001" => seen[0] = true,
                [] => seen[1] = true,
                other => panic!("{other:?}"),
            }
            assert!([0, 1, 3].contains(&ran.code), "{}", ran.err);
            if ended {
                break;
            }
        }
        assert!(Ran::of(update.wait_with_output().expect("ended")).code != 2);
    }
    assert_eq!(seen, [true; 2]);
}

/// Runs a script with a small file system of its own on `small`; `None`, said loudly, where that is not
/// allowed.
fn on_a_small_disk(lab: &Lab, bytes: &str, script: &str) -> Option<Ran> {
    fs::create_dir(lab.path("small")).expect("made");
    let script = format!(
        "mount -t tmpfs -o size={bytes} none ../small 2>/dev/null || exit 77\n\
         fill() {{ dd if=/dev/zero of=../small/filler bs=1k 2>/dev/null; truncate -s -\"$1\" ../small/filler; }}\n\
         program={PROGRAM}\n{script}"
    );
    let output = lab.around(Command::new("unshare")).args(["-m", "sh", "-c", &script]).output();
    let ran = match output {
        Ok(output) => Ran::of(output),
        Err(error) => {
            eprintln!("SKIPPED: no unshare here, a full disk was not tested: {error}");
            return None;
        }
    };
    if ran.code == 77 || ran.err.contains("unshare") {
        eprintln!("SKIPPED: no file system may be mounted here, a full disk was not tested: {}", ran.err);
        return None;
    }
    Some(ran)
}

#[test]
fn an_update_on_a_full_disk() {
    let lab = Lab::with_data();
    holed(&lab);
    other_feeds(&lab.path("other"), 1_500);
    // Room is left for the lock and a beginning, not for the new data.
    let script = "cp -a ../db/. ../small/; fill 8k; ls -A ../small >before\n\
        $program db update --from ../other --db ../small; echo \"update $?\"\n\
        ls -A ../small >after; cmp before after && echo clean\n\
        $program db verify --db ../small\n\
        $program scan app.tar --db ../small -f csv; echo \"scan $?\"\n\
        rm ../small/filler; $program db update --from ../other --db ../small; echo \"again $?\"";
    let Some(ran) = on_a_small_disk(&lab, "4m", script) else { return };
    for word in ["update 2", "clean", "is sound", "CVE-2026-10001", "scan 1", "again 0"] {
        assert!(ran.out.contains(word), "{word}: {}{}", ran.out, ran.err);
    }
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.starts_with("seaworthy: ") && ran.err.contains("No space left"), "{}", ran.err);
}

/// A disk that fills while feeds are downloaded is no fault of the network.
#[test]
fn a_download_on_a_full_disk() {
    let lab = Lab::with_data();
    let address = crate::database::serve_mirror(&lab);
    let script = format!(
        "cp -a ../db/. ../small/; fill 4k; ls -A ../small >before\n\
         $program db update --from {address} --db ../small; echo \"update $?\"\n\
         ls -A ../small >after; cmp before after && echo clean; $program db verify --db ../small"
    );
    let Some(ran) = on_a_small_disk(&lab, "4m", &script) else { return };
    for word in ["update 2", "clean", "is sound"] {
        assert!(ran.out.contains(word), "{word}: {}{}", ran.out, ran.err);
    }
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.contains("No space left"), "{}", ran.err);
}

#[test]
fn a_result_on_a_full_disk() {
    let lab = Lab::with_data();
    holed(&lab);
    let script = "echo precious >../small/out.json; fill 4k\n\
        $program scan app.tar -o json=../small/out.json -o html=../small/new.html; echo \"scan $?\"\n\
        cat ../small/out.json; ls -A ../small | tr '\\n' ' '";
    let Some(ran) = on_a_small_disk(&lab, "256k", script) else { return };
    assert_eq!(ran.out, "scan 2\nprecious\nfiller out.json ", "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    assert!(ran.err.contains("out.json") && ran.err.contains("No space left"), "{}", ran.err);
}
