//! Exit codes and their precedence, rules, filters, decisions, configuration.

use crate::data::{DEBIAN, dpkg, npm};
use crate::lab::{Lab, codes, day, ids};

fn image(lab: &Lab, name: &'static str, packages: &[&str]) -> &'static str {
    lab.image(name, &format!("image app:1\nlayer gzip\n{}", npm(packages)))
}

#[test]
fn each_exit_code() {
    let lab = Lab::with_data();
    let clean = image(&lab, "clean.tar", &["sound"]);
    let report = lab.scan(clean, &[]).coded(0).json();
    assert_eq!(report["verdict"]["decision"], "allow");
    assert_eq!(report["verdict"]["incomplete"], false, "{}", report["coverage"]);
    assert_eq!(report["coverage"].as_array().map(Vec::len), Some(0), "{}", report["coverage"]);

    let holed = image(&lab, "holed.tar", &["sound", "holed"]);
    let report = lab.scan(holed, &[]).coded(1).json();
    assert_eq!(report["verdict"]["decision"], "deny");
    assert_eq!(ids(&report, "findings"), ["CVE-2026-10001"]);
    let finding = &report["findings"][0];
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["fixed_version"], "2.0.0");
    assert_eq!(finding["epss"]["probability"], 0.71234);
    assert_eq!(finding["reasons"][0]["comparison"]["scheme"], "npm");

    lab.scan("absent.tar", &[]).refused(&["absent.tar", "No such file"]);

    // A gap: a distribution that data do not speak of.
    let gap = format!(
        "layer\nfile etc/os-release ID=debian\\nVERSION_ID=\"11\"\\n\n{}",
        dpkg(&[("hull", "1.0-1")])
    );
    let gap = lab.image("gap.tar", &gap);
    let report = lab.scan(gap, &[]).coded(3).json();
    assert_eq!(report["verdict"]["decision"], "warn");
    assert_eq!(report["verdict"]["incomplete"], true);
    assert!(codes(&report, "gap").contains(&"distribution-end-of-life".to_owned()), "{}", report["coverage"]);
    let report = lab.scan(gap, &["--strict"]).coded(1).json();
    assert_eq!(report["verdict"]["decision"], "deny");

    // Findings come before incomplete, an error before both.
    let both = format!(
        "layer\nfile etc/os-release ID=debian\\nVERSION_ID=\"11\"\\n\n{}{}",
        dpkg(&[("hull", "1.0-1")]),
        npm(&["holed"])
    );
    let both = lab.image("both.tar", &both);
    let report = lab.scan(both, &[]).coded(1).json();
    assert_eq!(report["verdict"]["incomplete"], true);
    lab.run(&["scan", both, "-o", "json=/proc/no/such.json"]).refused(&["/proc/no/such.json"]);
}

#[test]
fn rules() {
    let lab = Lab::with_data();
    let scratched = image(&lab, "scratched.tar", &["scratched"]);
    let unrated = image(&lab, "unrated.tar", &["unrated"]);
    let unfixed = image(&lab, "unfixed.tar", &["unfixed"]);
    let exploited = image(&lab, "exploited.tar", &["exploited"]);
    let clean = image(&lab, "clean.tar", &["sound"]);
    for (target, rule, code) in [
        (scratched, "default", 0),
        (scratched, "medium", 0),
        (scratched, "low", 1),
        (scratched, "any", 1),
        (scratched, "exploited", 0),
        (unrated, "default", 1),
        (unrated, "critical", 1),
        (unrated, "exploited", 0),
        (unrated, "never", 0),
        (unfixed, "default", 0),
        (unfixed, "high", 1),
        (unfixed, "critical", 0),
        (exploited, "default", 1),
        (exploited, "critical", 1),
        (exploited, "exploited", 1),
        (exploited, "never", 0),
        (clean, "any", 0),
    ] {
        let ran = lab.scan(target, &["--fail-on", rule]);
        assert_eq!(ran.code, code, "{target} {rule}\n{}", ran.err);
    }
    for (value, code) in [("low", 0), ("high", 1)] {
        lab.scan(unrated, &["--fail-on", "high", "--unknown-as", value]).coded(code);
    }
    lab.scan(clean, &["--fail-on", "sometimes"]).refused(&["sometimes", "critical"]);
    lab.scan(clean, &["--severity", "awful"]).refused(&["awful"]);
    lab.scan(clean, &["--max-memory", "lots"]).refused(&["lots"]);
    lab.scan(clean, &["--platform", "linux/"]).refused(&["linux/"]);
    assert_eq!(lab.run(&["scan"]).code, 2);
    assert_eq!(lab.run(&["sail"]).code, 2);
}

#[test]
fn filters() {
    let lab = Lab::with_data();
    let all = ["holed", "scratched", "unrated", "unfixed", "exploited"];
    let target = image(&lab, "all.tar", &all);
    let number = |n: u32| format!("CVE-2026-1000{n}");
    for (options, left) in [
        (&[][..], &[1, 2, 3, 4, 5][..]),
        (&["--only-fixed"], &[1, 2, 3]),
        (&["--severity", "low"], &[2, 5]),
        (&["--severity", "critical,high"], &[1, 4]),
        (&["--severity", "unknown"], &[3]),
        (&["--only", "CVE-2026-10004"], &[4]),
        (&["--ignore", "cve-2026-10004", "--ignore", "CVE-2026-10005"], &[1, 2, 3]),
        (&["--only-fixed", "--severity", "critical", "--ignore", "CVE-2026-10001"], &[]),
    ] {
        let report = lab.report(target, options);
        let wanted: Vec<String> = left.iter().map(|n| number(*n)).collect();
        assert_eq!(ids(&report, "findings"), wanted, "{options:?}");
        let both = ids(&report, "findings").len() + ids(&report, "suppressed").len();
        assert_eq!(both, all.len(), "what is filtered keeps its reason: {options:?}");
        for finding in report["suppressed"].as_array().expect("suppressed") {
            assert_eq!(finding["suppression"]["by"], "filter");
        }
    }
    lab.scan(target, &["--only", "CVE-2026-10002"]).coded(0);
}

#[test]
fn decisions_of_people() {
    let lab = Lab::with_data();
    let target = image(&lab, "holed.tar", &["holed"]);
    let entry = |expires: &str| {
        format!(
            "[[ignore]]\nid = \"CVE-2026-10001\"\npackage = \"holed\"\nreason = \"not reachable\"\nexpires = \"{expires}\"\n"
        )
    };
    let named = lab.file("decisions.toml", entry(&day(1)));
    let report = lab.scan(target, &["--ignore-file", named]).coded(0).json();
    assert_eq!(ids(&report, "suppressed"), ["CVE-2026-10001"]);
    let suppression = &report["suppressed"][0]["suppression"];
    assert_eq!(suppression["by"], "ignore-file");
    assert_eq!(suppression["reason"], "not reachable");
    assert_eq!(suppression["expires"], day(1));

    lab.file("decisions.toml", entry(&day(-2)));
    let report = lab.scan(target, &["--ignore-file", named]).coded(1).json();
    assert_eq!(codes(&report, "info"), ["ignore-expired"]);

    // The file of the project is found by itself; one for another package says nothing.
    lab.file(".seaworthy-ignore.toml", entry(&day(1)));
    lab.scan(target, &[]).coded(0);
    lab.file(".seaworthy-ignore.toml", entry(&day(1)).replace("\"holed\"", "\"other\""));
    lab.scan(target, &[]).coded(1);

    lab.file("decisions.toml", "[[ignore]]\nid = \"CVE-2026-10001\"\nreason = \" \"\n");
    lab.scan(target, &["--ignore-file", named]).refused(&["decisions.toml", "reason"]);
    lab.file("decisions.toml", "[[ignore]]\nid = \"CVE-2026-10001\"\n");
    lab.scan(target, &["--ignore-file", named]).refused(&["decisions.toml", "missing field `reason`"]);
    lab.scan(target, &["--ignore-file", "absent.toml"]).refused(&["absent.toml"]);
}

#[test]
fn gaps_are_accepted_by_name() {
    let lab = Lab::with_data();
    let gap = format!("layer\n{DEBIAN}{}", dpkg(&[("mast", "1.0-1")]));
    let target = lab.image("gap.tar", &gap.replace("\"12\"", "\"11\""));
    let accept = |code: &str, expires: &str| {
        format!("[[accept]]\ngap = \"{code}\"\nreason = \"known\"\nexpires = \"{expires}\"\n")
    };
    let gaps = codes(&lab.scan(target, &[]).coded(3).json(), "gap");
    assert!(gaps.contains(&"distribution-end-of-life".to_owned()), "{gaps:?}");
    let all = |expires: &str| gaps.iter().map(|code| accept(code, expires)).collect::<String>();
    let file = lab.file("accept.toml", all(&day(1)));
    let report = lab.scan(target, &["--ignore-file", file, "--strict"]).coded(0).json();
    assert_eq!(report["verdict"]["incomplete"], false);
    assert_eq!(report["accepted"].as_array().map(Vec::len), Some(gaps.len()));
    lab.file("accept.toml", all(&day(-2)));
    let report = lab.scan(target, &["--ignore-file", file]).coded(3).json();
    assert_eq!(codes(&report, "info"), ["acceptance-expired"]);
    lab.file("accept.toml", accept("something-else", &day(1)));
    lab.scan(target, &["--ignore-file", file]).coded(3);
}

#[test]
fn configuration() {
    let lab = Lab::with_data();
    let target = image(&lab, "scratched.tar", &["scratched"]);
    lab.run(&["scan", target]).coded(0);
    lab.file("seaworthy.toml", "fail-on = \"low\"\nformat = \"json\"\n");
    let report = lab.run(&["scan", target]).coded(1).json();
    assert_eq!(ids(&report, "findings"), ["CVE-2026-10002"]);
    lab.run(&["scan", target, "--fail-on", "high"]).coded(0);
    let other = lab.file("other/other.toml", "only-fixed = true\nignore-files = [\"rules.toml\"]\n");
    lab.file("other/rules.toml", "[[ignore]]\nid = \"CVE-2026-10002\"\nreason = \"in the tests\"\n");
    let report = lab.scan(target, &["--config", other]).coded(0).json();
    assert_eq!(ids(&report, "suppressed"), ["CVE-2026-10002"]);
    lab.file("seaworthy.toml", "fail_on = \"low\"\n");
    lab.run(&["scan", target]).refused(&["seaworthy.toml", "line 1", "unknown field `fail_on`"]);
    std::fs::remove_file(lab.path("work/seaworthy.toml")).expect("removed");
    let folder = lab.path("config/seaworthy");
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("config.toml"), "fail-on = \"any\"\n").expect("written");
    lab.run(&["scan", target]).coded(1);
}
