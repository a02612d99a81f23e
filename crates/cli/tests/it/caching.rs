//! The layer cache: same results, damage, several processes, sudden death, no room.

use crate::data::npm;
use crate::lab::{Lab, Ran, children, packages, timeless, wait_for};
use seaworthy_testkit::{Packing, parse};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

fn description(number: usize) -> String {
    format!(
        "image app:{number}\nlayer gzip\nfile etc/base x\nlayer gzip\nfile etc/number {number}\n{}",
        npm(&["sound", "holed", "unrated"])
    )
}

#[test]
fn a_second_scan_says_the_same() {
    let lab = Lab::with_data();
    let image = parse(&description(1));
    let names = ["a.tar", "b.tar", "c.tar"];
    lab.file(names[0], image.docker_legacy());
    lab.file(names[1], image.docker_oci());
    lab.file(names[2], seaworthy_testkit::oci_archive(&[image]));
    lab.age(names[2]);
    for name in names {
        let bare = timeless(lab.report(name, &["--no-cache"]));
        assert_eq!(packages(&bare).len(), 3);
        for run in 0..3 {
            assert_eq!(timeless(lab.report(name, &[])), bare, "{name}, run {run}");
        }
    }
    assert!(lab.files("cache").iter().any(|(name, _)| name.contains("targets-1")));
    let freed = lab.run(&["cache", "clear"]).coded(0).out;
    assert!(!freed.starts_with("0 "), "{freed}");
    assert_eq!(lab.files("cache").len(), 0);
}

#[test]
fn a_known_archive_that_changes_is_read_anew() {
    let lab = Lab::with_data();
    let target = lab.image("a.tar", &description(1));
    lab.age(target);
    lab.scan(target, &[]).coded(1);
    let clean = description(1).replace("holed", "sound").replace("unrated", "sound");
    lab.image("a.tar", &clean);
    lab.scan(target, &[]).coded(0);
    lab.age(target);
    lab.scan(target, &[]).coded(0);
}

#[test]
fn damaged_entries_are_healed() {
    let lab = Lab::with_data();
    let target = lab.image("a.tar", &description(1));
    lab.age(target);
    let bare = timeless(lab.report(target, &["--no-cache"]));
    lab.report(target, &[]);
    let sound = lab.files("cache");
    assert!(sound.len() >= 3, "{sound:?}");
    let damages: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(10),
        |bytes| bytes.iter_mut().for_each(|byte| *byte = 0xff),
        |bytes| *bytes.last_mut().expect("a byte") ^= 1,
        |bytes| bytes[8..16].fill(0xee),
    ];
    for damage in damages {
        for (path, _) in &sound {
            let mut bytes = fs::read(path).expect("there");
            damage(&mut bytes);
            fs::write(path, bytes).expect("written");
        }
        assert_eq!(timeless(lab.report(target, &[])), bare);
        assert_eq!(lab.files("cache"), sound, "healed");
    }
}

#[test]
fn several_processes_share_one_cache() {
    let lab = Lab::with_data();
    for number in 0..3 {
        fs::write(lab.path(&format!("work/{number}.tar")), parse(&description(number)).docker_legacy())
            .expect("written");
    }
    let names: Vec<String> = (0..9).map(|number| format!("{}.tar", number % 3)).collect();
    let children: Vec<_> = names.iter().map(|name| lab.start(&["scan", name, "-f", "json"])).collect();
    let mut reports = Vec::new();
    for child in children {
        let ran = Ran::of(child.wait_with_output().expect("ended")).coded(1);
        assert_eq!(ran.err, "");
        reports.push(timeless(ran.json()));
    }
    for (name, report) in names.iter().zip(reports) {
        assert_eq!(report, timeless(lab.report(name, &["--no-cache"])));
    }
    assert!(!lab.files("cache").iter().any(|(name, _)| name.contains("/tmp-")));
}

#[test]
fn sudden_death_leaves_a_usable_cache() {
    let lab = Lab::with_data();
    // Some layers, so that there is a middle.
    let layers: String =
        (0..40).map(|number| format!("layer gzip\nfile big/{number} size=300000 x{number}\n")).collect();
    let target = lab.image("a.tar", &format!("image a:1\n{layers}layer\n{}", npm(&["holed"])));
    lab.age(target);
    let bare = timeless(lab.report(target, &["--no-cache"]));
    let mut cut = 0;
    for entries in [1, 5, 15, 30] {
        let mut child = lab.start(&["scan", target, "-f", "json"]);
        let there = || lab.path("cache/seaworthy/layers-1").read_dir().map_or(0, Iterator::count);
        assert!(wait_for(|| there() >= entries));
        let parsing = children(child.id());
        child.kill().expect("killed");
        let gone = |process: &u32| !std::path::Path::new(&format!("/proc/{process}/exe")).exists();
        assert!(wait_for(|| parsing.iter().all(gone)), "the parsing process lives on alone");
        cut += usize::from(child.wait_with_output().expect("ended").status.code().is_none());
    }
    assert!(cut > 0);
    assert_eq!(timeless(lab.report(target, &[])), bare);
    assert_eq!(timeless(lab.report(target, &[])), bare);
}

#[test]
fn without_room_or_right_the_scan_is_right_still() {
    let lab = Lab::with_data();
    let target = lab.image("a.tar", &description(1));
    let bare = timeless(lab.report(target, &["--no-cache"]));
    // No file may grow: as on a full disk.
    let ran = lab.run_limited("ulimit -f 0", &["scan", target, "-f", "json"]).coded(1);
    assert_eq!((timeless(ran.json()), ran.err.as_str()), (bare.clone(), ""));
    assert_eq!(lab.files("cache").len(), 0, "nothing half written stays");
    // A file where the folder should be.
    lab.file("plain", "");
    let ran = lab.scan(target, &["--cache", "plain"]).coded(1);
    assert_eq!((timeless(ran.json()), ran.err.as_str()), (bare.clone(), ""));
    let ran = lab.scan(target, &["--cache", "/proc/none"]).coded(1);
    assert_eq!((timeless(ran.json()), ran.err.as_str()), (bare.clone(), ""));
    // A folder that only its reader may read; means nothing to root, who stays within the test's rights.
    lab.report(target, &[]);
    let folder = lab.path("cache/seaworthy/layers-1");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("set");
    let other = lab.image("b.tar", &description(2));
    assert_eq!(packages(&lab.report(other, &[])).len(), 3);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("set");
    assert_eq!(timeless(lab.report(target, &[])), bare);
}

#[test]
fn a_full_file_system() {
    let lab = Lab::with_data();
    let target = lab.image("a.tar", &description(1));
    let bare = timeless(lab.report(target, &["--no-cache"]));
    let script = format!(
        "mount -t tmpfs -o size=16k,nr_inodes=8 none {cache} 2>/dev/null || exit 77; exec {program} scan {target} -f json",
        cache = lab.path("cache").display(),
        program = crate::lab::PROGRAM,
    );
    let mut command = lab.around(Command::new("unshare"));
    command.args(["-m", "sh", "-c", &script]);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return eprintln!("SKIPPED: no unshare here: {error}"),
    };
    let ran = Ran::of(output);
    if ran.code == 77 || ran.err.contains("unshare") {
        return eprintln!("SKIPPED: no file system may be mounted here: {}", ran.err);
    }
    let ran = ran.coded(1);
    assert_eq!((timeless(ran.json()), ran.err.as_str()), (bare, ""));
}

#[test]
fn the_bound_holds() {
    let lab = Lab::with_data();
    lab.file("seaworthy.toml", "cache-size = \"32K\"\n");
    for number in 0..12 {
        let image = parse(&description(number)).packed(Packing::Plain);
        fs::write(lab.path("work/a.tar"), image.docker_legacy()).expect("written");
        lab.scan("a.tar", &[]).coded(1);
        let bytes: u64 = lab.files("cache").iter().map(|(_, size)| size.next_multiple_of(4_096)).sum();
        assert!(bytes <= 32 << 10, "{bytes}");
    }
    assert!(!lab.files("cache").is_empty());
}
