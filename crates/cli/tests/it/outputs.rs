//! What is printed and written: formats, several at once, explain, list, completions, manual pages.

use crate::data::{DEBIAN, dpkg, npm};
use crate::lab::Lab;
use std::fs;

fn target(lab: &Lab) -> &'static str {
    lab.image("app.tar", &format!("image app:1\nlayer\n{}", npm(&["sound", "holed", "scratched"])))
}

#[test]
fn several_outputs_at_once() {
    let lab = Lab::with_data();
    let target = target(&lab);
    let names =
        ["json", "sarif", "cyclonedx", "spdx", "html", "markdown", "csv", "junit", "gitlab", "github"];
    let options: Vec<String> =
        names.iter().flat_map(|name| ["-o".into(), format!("{name}=out.{name}")]).collect();
    let mut arguments = vec!["scan", target];
    arguments.extend(options.iter().map(String::as_str));
    let ran = lab.run(&arguments).coded(1);
    assert!(ran.out.contains("holed") && ran.out.contains("CVE-2026-10001"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no colours into a pipe");
    for name in names {
        let path = lab.path("work").join(format!("out.{name}"));
        let text = fs::read_to_string(path).expect(name);
        // These two hold packages alone.
        let packages = ["spdx", "github"].contains(&name);
        assert!(text.contains(if packages { "holed" } else { "CVE-2026-10001" }), "{name}");
        if ["json", "sarif", "cyclonedx", "spdx", "gitlab", "github"].contains(&name) {
            serde_json::from_str::<serde_json::Value>(&text).expect(name);
        }
        // The same as printed.
        let printed = lab.run(&["scan", target, "-f", name]).coded(1).out;
        assert_eq!(dateless(&printed), dateless(&text), "{name}");
    }
    let left = lab.files("work").into_iter().filter(|(name, _)| name.contains(".part")).count();
    assert_eq!(left, 0);
    let coloured = lab.run(&["scan", target, "--color", "always"]).out;
    assert!(coloured.contains('\u{1b}'));
}

/// Hexadecimal digits go: times and serial numbers made of them differ from second to second.
fn dateless(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_hexdigit() && *letter != '-').collect()
}

#[test]
fn an_existing_file_is_whole_or_untouched() {
    let lab = Lab::with_data();
    let target = target(&lab);
    lab.file("out.json", "precious");
    let ran = lab.run_limited("ulimit -f 1", &["scan", target, "--no-cache", "-o", "json=out.json"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("out.json"), "{}", ran.err);
    assert_eq!(fs::read_to_string(lab.path("work/out.json")).expect("there"), "precious");
    assert_eq!(lab.files("work").len(), 2, "{:?}", lab.files("work"));
    lab.run(&["scan", target, "-o", "json=out.json"]).coded(1);
    assert!(fs::read_to_string(lab.path("work/out.json")).expect("there").starts_with('{'));
    lab.run(&["scan", target, "-o", "json=absent/out.json"]).refused(&["absent/out.json"]);
    lab.run(&["scan", target, "-o", "nonsense=x"]).refused(&["nonsense", "sarif"]);
    lab.run(&["scan", target, "-o", "json"]).refused(&["json"]);
    lab.run(&["scan", target, "-f", "nonsense"]).refused(&["nonsense", "sarif"]);
}

#[test]
fn template() {
    let lab = Lab::with_data();
    let target = target(&lab);
    let file = lab.file("t.txt", "{% for f in findings %}{{ f.vulnerability }};{% endfor %}");
    let ran = lab.run(&["scan", target, "-f", "template", "--template", file]).coded(1);
    assert_eq!(ran.out.trim(), "CVE-2026-10001;CVE-2026-10002;");
    lab.file("t.txt", "{% for");
    lab.run(&["scan", target, "-f", "template", "--template", file]).refused(&["template", "syntax error"]);
    lab.run(&["scan", target, "-f", "template", "--template", "absent"]).refused(&["absent"]);
}

/// Each of these is said before anything is read: the target is not even there.
#[test]
fn what_can_be_known_to_fail_is_said_before_the_work() {
    let lab = Lab::with_data();
    lab.file("plain", "");
    lab.file("bad.txt", "{{ target.name }}\n{% for f in findings %}\n{{ f.id }\n");
    for (output, words) in [
        ("json=nowhere/out.json", ["nowhere/out.json", "`nowhere` does not exist"]),
        ("json=plain/out.json", ["plain/out.json", "`plain` is no folder"]),
        ("json=..", ["..", "it is a folder"]),
        ("nonsense=out", ["nonsense", "there are csv"]),
        ("json", ["`json`", "-o sarif=scan.sarif"]),
        ("json=", ["`json=`", "name is missing"]),
        ("template=out", ["template", "--template FILE"]),
    ] {
        let ran = lab.run(&["scan", "absent.tar", "-o", output]).refused(&words);
        assert!(!ran.err.contains("absent.tar"), "{}", ran.err);
    }
    lab.run(&["scan", "absent.tar", "-o", "json=a", "-o", "csv=a"]).refused(&["`a`", "two outputs"]);
    lab.run(&["scan", "absent.tar", "-f", "template"]).refused(&["--template FILE"]);
    lab.run(&["scan", "absent.tar", "--template", "bad.txt"]).refused(&["-f template"]);
    for arguments in [["-f", "template"], ["-o", "template=out"]] {
        let all = [&["scan", "absent.tar", "--template", "bad.txt"][..], &arguments].concat();
        lab.run(&all).refused(&["line 3", "`{{ f.id }`", "syntax error"]);
    }
    assert_eq!(lab.files("work").len(), 2, "nothing was made: {:?}", lab.files("work"));
}

#[test]
fn a_template_that_fails_at_the_end_gives_no_half_report() {
    let lab = Lab::with_data();
    let target = target(&lab);
    let file = lab.file("t.txt", "begun\n{% for f in findings %}{{ f.no_such_field }}{% endfor %}");
    lab.run(&["scan", target, "-f", "template", "--template", file]).refused(&["line 2", "no_such_field"]);
}

/// Full disks: of standard output, and of a file.
#[test]
fn no_room_for_the_result() {
    let lab = Lab::with_data();
    let target = target(&lab);
    lab.run(&["scan", target, "-o", "json=/dev/full", "-f", "csv"]).refused(&["/dev/full", "No space left"]);
    let mut command = lab.command();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there");
    command.args(["scan", target]).stdout(full);
    crate::lab::Ran::of(command.output().expect("started")).refused(&["standard output", "No space left"]);
}

#[test]
fn explain() {
    let lab = Lab::with_data();
    let packages = dpkg(&[("hull", "1.0-2"), ("mast", "1.0-1")]);
    let more = npm(&["holed"]);
    let target = lab.image("app.tar", &format!("image app:1\nlayer\n{DEBIAN}{packages}{more}"));
    let text = lab.run(&["explain", "cve-2026-10001", target]).coded(0).out;
    for part in ["is reported", "holed 1.0.0", "fixed in 2.0.0", "71.23 %", "usr/lib/node_modules/holed"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = lab.run(&["explain", "CVE-2026-10013", target]).coded(0).out;
    assert!(text.contains("is not reported: data speak of packages"), "{text}");
    assert!(text.contains("hull") && text.contains("1.0-2"), "{text}");
    let text = lab.run(&["explain", "CVE-1999-1", target]).coded(0).out;
    assert!(text.contains("is not reported: no data speak of it"), "{text}");
    lab.run(&["explain", "CVE-1999-1", "absent.tar"]).refused(&["absent.tar"]);
    // Shipped in a distribution package: the language's data do not count.
    let owned = lab.image("owned.tar", &crate::roundtrip::owned_module());
    let text = lab.run(&["explain", "CVE-2026-10006", owned]).coded(0).out;
    assert!(text.contains("matches, but does not count"), "{text}");
    assert!(text.contains("owned-by-os-package"), "{text}");
}

#[test]
fn lists_completions_and_manual() {
    let lab = Lab::new();
    let all = lab.run(&["list", "--json"]).coded(0).json();
    let names = |list: &str| -> Vec<String> {
        let rows = all[list].as_array().expect(list).iter();
        rows.map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
    };
    for (list, name) in [
        ("cataloguers", "dpkg"),
        ("ecosystems", "npm"),
        ("distributions", "debian"),
        ("schemes", "pep440"),
        ("feeds", "osv"),
        ("sboms", "cyclonedx"),
        ("formats", "sarif"),
    ] {
        assert!(names(list).contains(&name.to_owned()), "{list} {:?}", names(list));
        let one = lab.run(&["list", list]).coded(0).out;
        assert!(one.contains(name) && one.lines().count() > names(list).len(), "{one}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(lab.run(&["completions", shell]).coded(0).out.contains("seaworthy"));
    }
    lab.run(&["man", "manual"]).coded(0);
    let page = fs::read_to_string(lab.path("work/manual/seaworthy-scan.1")).expect("a page");
    assert!(page.contains(".TH") && page.contains("fail\\-on"), "{page}");
    lab.file("plain", "");
    lab.run(&["man", "plain/x"]).refused(&["plain/x"]);
    let folder = lab.run(&["cache", "path"]).coded(0).out;
    assert_eq!(folder.trim(), lab.path("cache/seaworthy").to_string_lossy());
    assert!(lab.run(&["--version"]).coded(0).out.starts_with("seaworthy "));
    let help = lab.run(&["--help"]).coded(0).out;
    assert!(!help.contains("__read"), "{help}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let lab = Lab::with_data();
    let target = target(&lab);
    let mut command = lab.around(std::process::Command::new("sh"));
    command.args(["-c", &format!("{} scan {target} -f json --full | true", crate::lab::PROGRAM)]);
    let ran = crate::lab::Ran::of(command.output().expect("started"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
