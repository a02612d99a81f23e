//! Feeds kept in the cache: asked for only when they changed, replaced by their last good copy, and what
//! scans say of it.

use crate::data::{npm, write, write_feeds};
use crate::lab::{Lab, Ran, codes, ids, timeless};
use crate::web::{Answer, Web};
use std::fs;

/// A mirror of the feeds of `data`, every file with an entity tag of its content.
fn mirror(lab: &Lab) -> Web {
    write_feeds(&lab.path("feeds"));
    // The addresses of the upstream feeds.
    let folder = lab.path("mirror");
    for ecosystem in ["npm", "Debian"] {
        let mut files = Vec::new();
        for entry in fs::read_dir(lab.path("feeds/osv").join(ecosystem)).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, fs::read(entry.path()).expect("read")));
        }
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
        let path = folder.join("osv").join(ecosystem).join("all.zip");
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, crate::roundtrip::jar(&files)).expect("written");
    }
    let kev = fs::read_to_string(lab.path("feeds/kev/known_exploited_vulnerabilities.json")).expect("read");
    write(&folder, "prioritisation/known_exploited_vulnerabilities.json", &kev);
    Web::folder(&folder)
}

fn update(lab: &Lab, web: &Web) -> Ran {
    lab.run(&["db", "build", "--from", &web.address])
}

const TARGET: &str = "app.tar";

fn target(lab: &Lab) {
    lab.image(TARGET, &format!("image app:1\nlayer\n{}", npm(&["sound", "holed", "exploited"])));
}

#[test]
fn only_what_changed_is_downloaded() {
    let lab = Lab::new();
    let web = mirror(&lab);
    target(&lab);
    update(&lab, &web).coded(0);
    assert_eq!(web.take_bodies(), 3, "three files");
    let first = timeless(lab.report(TARGET, &[]));
    let ran = update(&lab, &web).coded(0);
    assert!(ran.out.contains("0 feed files downloaded, 3 unchanged"), "{}", ran.out);
    assert_eq!(web.take_bodies(), 0);
    assert_eq!(timeless(lab.report(TARGET, &[]))["findings"], first["findings"]);
    // One changes.
    write(
        &lab.path("mirror"),
        "prioritisation/known_exploited_vulnerabilities.json",
        "{\"vulnerabilities\":[]}",
    );
    let ran = update(&lab, &web).coded(0);
    assert!(ran.out.contains("1 feed files downloaded, 2 unchanged"), "{}", ran.out);
    // A file of the cache that was damaged is downloaded anew.
    let kept =
        lab.files("cache").into_iter().find(|(name, _)| name.ends_with("npm/all.zip")).expect("kept").0;
    fs::write(&kept, "x").expect("written");
    let ran = update(&lab, &web).coded(0);
    assert!(ran.out.contains("1 feed files downloaded"), "{}", ran.out);
    assert!(lab.files("cache").iter().all(|(name, _)| !name.ends_with(".part")));
    // The cache can be emptied.
    lab.run(&["cache", "clear"]).coded(0);
    assert!(lab.files("cache").iter().all(|(name, _)| !name.contains("/feeds/")));
}

#[test]
fn a_dead_feed_is_replaced_by_its_last_good_copy() {
    let lab = Lab::new();
    let web = mirror(&lab);
    target(&lab);
    update(&lab, &web).coded(0);
    let first = lab.report(TARGET, &[]);
    web.fault("npm", Answer::Status(403, ""));
    let ran = update(&lab, &web).coded(3);
    assert!(ran.out.contains("feed-copy") && ran.out.contains("last good copy"), "{}{}", ran.out, ran.err);
    let report = lab.report(TARGET, &[]);
    assert_eq!(report["findings"], first["findings"]);
    assert!(codes(&report, "info").contains(&"feed-failed".to_owned()), "{}", report["coverage"]);
    assert_eq!(codes(&report, "gap"), codes(&first, "gap"), "nothing is missing");
    let status = lab.run(&["db", "status"]).coded(0);
    assert!(status.out.contains("feed-failed") && status.out.contains("npm/all.zip"), "{}", status.out);
    // The copy is as old as the server's last word, and its age counts.
    let state =
        lab.files("cache").into_iter().find(|(name, _)| name.ends_with("state.json")).expect("kept").0;
    let text = fs::read_to_string(&state).expect("read");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["files"]["osv/npm/all.zip"]["confirmed"] = "2026-01-02T00:00:00Z".into();
    fs::write(&state, value.to_string()).expect("written");
    update(&lab, &web).coded(3);
    let report = lab.report(TARGET, &[]);
    assert!(codes(&report, "gap").contains(&"data-old".to_owned()), "{}", report["coverage"]);
    // It comes back.
    web.fault("npm", Answer::Normal);
    update(&lab, &web).coded(0);
    let report = lab.report(TARGET, &[]);
    assert_eq!(codes(&report, "gap"), codes(&first, "gap"));
    assert!(!codes(&report, "info").contains(&"feed-failed".to_owned()), "{}", report["coverage"]);
}

#[test]
fn a_feed_that_never_came_is_a_gap_of_every_scan() {
    let lab = Lab::new();
    let web = mirror(&lab);
    target(&lab);
    web.fault("npm", Answer::Status(503, "Retry-After: 9999\r\n"));
    web.fault("exploited", Answer::Status(403, ""));
    let ran = update(&lab, &web).coded(3);
    assert!(ran.err.contains("9999 s") && ran.err.contains("HTTP 403"), "{}", ran.err);
    let report = lab.scan(TARGET, &[]).coded(3).json();
    let gaps = codes(&report, "gap");
    // Of packages: no data. Of what is exploited: nobody knows.
    assert!(
        gaps.contains(&"data-starter-only".to_owned()) || gaps.contains(&"data-missing".to_owned()),
        "{gaps:?}"
    );
    assert!(gaps.contains(&"feed-failed".to_owned()), "{gaps:?}");
    assert!(report["coverage"].to_string().contains("known_exploited_vulnerabilities.json"));
    assert_eq!(ids(&report, "findings"), Vec::<String>::new());
    web.fault("npm", Answer::Normal);
    web.fault("exploited", Answer::Normal);
    update(&lab, &web).coded(0);
    let report = lab.report(TARGET, &[]);
    assert_eq!(ids(&report, "findings"), ["CVE-2026-10001", "CVE-2026-10005"]);
    assert!(!codes(&report, "gap").contains(&"feed-failed".to_owned()));
}

#[test]
fn downloads_that_go_wrong_leave_nothing_half() {
    let lab = Lab::new();
    let web = mirror(&lab);
    target(&lab);
    for fault in [
        Answer::Loop,
        Answer::To("http://169.254.169.254/x"),
        Answer::Page,
        Answer::Status(429, "Retry-After: 4000\r\n"),
    ] {
        web.fault("npm", fault);
        update(&lab, &web).coded(3);
        assert!(lab.files("cache").iter().all(|(name, _)| !name.ends_with(".part")), "{fault:?}");
        assert!(!lab.files("cache").iter().any(|(name, _)| name.ends_with("npm/all.zip")), "{fault:?}");
    }
    web.fault("npm", Answer::CutOnce(100));
    update(&lab, &web).coded(0);
}
