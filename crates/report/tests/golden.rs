//! Every format over every report: golden bytes, schemas, and that nothing hostile gets through.
//! `UPDATE_EXPECT=1` rewrites `cases/<format>/<report>.<ending>`; read what it wrote.

mod common;

use seaworthy_report::{Options, by_name, format};
use seaworthy_types::Report;
use std::fs;
use std::path::PathBuf;

const TEMPLATE: &str = "{{ target.name }} has {{ findings | length }} findings\n\
    {% for f in findings %}{{ f.vulnerability }} {{ f.severity }}\n{% endfor %}";

fn options() -> Options {
    Options { colour: false, width: 80, full: false, template: Some(TEMPLATE.into()) }
}

fn written(name: &str, report: &Report, options: &Options) -> String {
    let mut bytes = Vec::new();
    let format = by_name(name).unwrap_or_else(|| panic!("no format {name}"));
    format.write(report, options, &mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    String::from_utf8(bytes).expect("formats write UTF-8")
}

fn expect(path: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases").join(path);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes the folder");
        fs::write(&path, actual).expect("writes the snapshot");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; UPDATE_EXPECT=1 rewrites it", path.display());
}

#[test]
fn snapshots() {
    for unit in format::ALL {
        let name = unit.about().name;
        for (report_name, report) in common::all() {
            // Large reports are golden where people read them, and checked by schema elsewhere.
            let people = matches!(name, "table" | "markdown");
            let large = report_name == "busy"
                || report_name == "incomplete" && matches!(name, "json" | "cyclonedx" | "spdx");
            if large && !people {
                continue;
            }
            let actual = written(name, &report, &options());
            expect(&format!("{name}/{report_name}.{}", unit.extension()), &actual);
        }
    }
}

#[test]
fn table_variants() {
    let busy = common::busy();
    expect("table/busy-120.txt", &written("table", &busy, &Options { width: 120, ..options() }));
    expect(
        "table/sbom-full.txt",
        &written("table", &common::sbom(), &Options { full: true, width: 100, ..options() }),
    );
    expect(
        "table/incomplete-colour.txt",
        &written("table", &common::incomplete(), &Options { colour: true, ..options() }),
    );
}

#[test]
fn terminal_lines_fit_and_hold_no_control_characters() {
    for (name, report) in common::all() {
        for width in (40..=60).chain([80, 120]) {
            for full in [false, true] {
                let text = written("table", &report, &Options { width, full, ..options() });
                for line in text.lines() {
                    assert!(!line.chars().any(char::is_control), "{name}: {line:?}");
                    // Wide characters count twice for the terminal; none is counted less than once.
                    let fits = line.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).count() <= width;
                    assert!(fits, "{name} at {width}: {line:?}");
                }
            }
        }
    }
}

#[test]
fn same_report_same_bytes() {
    for unit in format::ALL {
        let name = unit.about().name;
        for (_, report) in common::all() {
            assert_eq!(written(name, &report, &options()), written(name, &report, &options()), "{name}");
        }
    }
}

/// Every tag of a page with its attributes, outside of the style and the script.
fn tags(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let inside = &rest[at + 1..end];
        let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let names = attributes.split('"').step_by(2).flat_map(|part| part.split([' ', '=']));
        found.push((name.to_owned(), names.filter(|n| !n.is_empty()).map(str::to_owned).collect()));
        rest = &rest[end + 1..];
        if matches!(name, "style" | "script") {
            rest = &rest[rest.find("</").expect("an end")..];
        }
    }
    found
}

/// No hostile text makes an element or an attribute.
#[test]
fn html_holds_only_our_elements() {
    let ours = |report: &Report| tags(&written("html", report, &options()));
    let mut known: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> =
        Default::default();
    for report in [common::clean(), common::busy(), common::incomplete(), common::sbom()] {
        for (name, attributes) in ours(&report) {
            known.entry(name).or_default().extend(attributes);
        }
    }
    for (name, attributes) in ours(&common::hostile()) {
        let allowed = known.get(&name).unwrap_or_else(|| panic!("element {name}"));
        for attribute in attributes {
            assert!(allowed.contains(&attribute), "attribute {attribute} of {name}");
        }
    }
    for name in ["img", "iframe", "object", "link", "base", "form", "svg"] {
        assert!(!known.contains_key(name), "{name}");
    }
    assert!(known.values().flatten().all(|attribute| attribute != "src" && !attribute.starts_with("on")));
}

#[test]
fn markup_is_escaped() {
    for name in ["html", "markdown", "junit"] {
        let text = written(name, &common::hostile(), &options());
        let bad =
            ["<script>alert", "<img", "<b>d</b>", "[e](javascript:", "href=\"javascript:", "@evil", "`c`"];
        for bad in bad.iter().filter(|bad| name != "html" && name != "junit" || bad.starts_with(['<', 'h'])) {
            assert!(!text.contains(bad), "{name} holds {bad}");
        }
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{name} holds control characters");
    }
}

#[test]
fn html_asks_nobody() {
    for (name, report) in common::all() {
        let text = written("html", &report, &options());
        for bad in ["@import", "url(", "<link", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
            assert!(!text.contains(bad), "{name} holds {bad}");
        }
        assert_eq!(text.matches("<script").count(), 1, "{name}");
    }
}

#[test]
fn csv_starts_no_formula() {
    let text = written("csv", &common::hostile(), &options());
    for cell in text.split("\r\n").flat_map(|line| line.split("\",\"")) {
        let cell = cell.trim_start_matches('"');
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
    }
}

/// Writes everything into the folder `GALLERY`, to look at.
#[test]
#[ignore = "for looking at"]
fn gallery() {
    let folder = PathBuf::from(std::env::var_os("GALLERY").expect("GALLERY names a folder"));
    for unit in format::ALL {
        for (name, report) in common::all() {
            let text = written(unit.about().name, &report, &options());
            fs::write(folder.join(format!("{name}.{}", unit.extension())), text).expect("writes");
        }
    }
}
