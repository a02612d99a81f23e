//! Several targets in one run: the summary, the list of reports, a file of each, the worst exit code.

use crate::data::npm;
use crate::lab::{Lab, timeless};
use serde_json::Value;
use std::fs;

fn lab() -> Lab {
    let lab = Lab::with_data();
    let image = |number, packages: &[&str]| {
        format!(
            "image app:{number}\nlayer gzip\nfile etc/base x\nlayer gzip\nfile etc/number {number}\n{}",
            npm(packages)
        )
    };
    lab.image("sound.tar", &image(1, &["sound"]));
    lab.image("holed.tar", &image(2, &["sound", "holed"]));
    lab
}

#[test]
fn a_summary_tells_each_and_the_worst_code_counts() {
    let lab = lab();
    let ran = lab.run(&["scan", "sound.tar", "sound.tar"]).coded(0);
    assert!(ran.out.contains("2 targets: 2 may sail."), "{}", ran.out);
    let ran = lab.run(&["scan", "sound.tar", "holed.tar"]).coded(1);
    assert!(ran.out.contains("✔ sound.tar") && ran.out.contains("✘ holed.tar"), "{}", ran.out);
    assert!(ran.out.contains("1 may sail, 1 must not sail"), "{}", ran.out);
    lab.file("empty/x", "");
    let ran = lab.run(&["scan", "sound.tar", "dir:empty"]).coded(3);
    assert!(ran.out.contains("1 not seen whole"), "{}", ran.out);
    // One that cannot be scanned keeps no other back, and is not forgotten.
    let ran = lab.run(&["scan", "./none.tar", "holed.tar", "sound.tar"]).coded(2);
    assert!(ran.out.contains("none.tar") && ran.out.contains("could not be scanned"), "{}", ran.out);
    assert!(ran.out.contains("1 must not sail") && ran.out.contains("No such file"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn json_is_a_list_of_the_reports() {
    let lab = lab();
    let alone = timeless(lab.report("holed.tar", &["--no-cache"]));
    let all = lab.run(&["scan", "sound.tar", "./none.tar", "holed.tar", "-f", "json"]).coded(2).json();
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 3);
    assert_eq!(timeless(all[2].clone()), alone);
    assert_eq!(all[1]["target"]["name"], "./none.tar");
    assert!(all[1]["error"].as_str().is_some_and(|why| why.contains("No such file")), "{}", all[1]);
}

#[test]
fn each_gets_a_file_of_its_own() {
    let lab = lab();
    lab.run(&["scan", "sound.tar", "holed.tar", "./holed.tar", "-o", "json=out", "-o", "html=out/html/"])
        .coded(1);
    let mut names: Vec<String> = lab.files("work/out").into_iter().map(|(name, _)| name).collect();
    names.iter_mut().for_each(|name| *name = name.rsplit_once("out/").expect("within").1.to_owned());
    let expected = [
        "holed.tar-2.json",
        "holed.tar.json",
        "html/holed.tar-2.html",
        "html/holed.tar.html",
        "html/sound.tar.html",
        "sound.tar.json",
    ];
    assert_eq!(names, expected);
    let bytes = fs::read(lab.path("work/out/holed.tar.json")).expect("written");
    let report: Value = serde_json::from_slice(&bytes).expect("a report");
    assert_eq!(timeless(report), timeless(lab.report("holed.tar", &[])));
}

#[test]
fn what_will_not_do_is_said_before_the_work() {
    let lab = lab();
    lab.run(&["scan", "sound.tar", "holed.tar", "-f", "sarif"]).refused(&["`-o sarif=FOLDER/`"]);
    lab.file("there", "");
    lab.run(&["scan", "sound.tar", "holed.tar", "-o", "json=there"]).refused(&["there", "must be a folder"]);
}
