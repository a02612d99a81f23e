//! An inventory written as a bill of materials and read again is the same, with its notes.

mod common;

use seaworthy_analyze::sbom;
use seaworthy_report::{Options, by_name};
use seaworthy_types::{Limits, Note, Report};
use std::time::Instant;

fn written(format: &str, report: &Report) -> Vec<u8> {
    let mut bytes = Vec::new();
    by_name(format).expect(format).write(report, &Options::default(), &mut bytes).expect("writes");
    bytes
}

#[test]
fn everything_comes_back() {
    for format in ["cyclonedx", "spdx"] {
        for (name, report) in common::all() {
            let bytes = written(format, &report);
            let outcome = sbom::read(&bytes, &Limits::default()).expect("reads its own document");
            let what = format!("{format} of {name}");
            assert_eq!(outcome.value.inventory, report.inventory, "inventory: {what}");
            assert_eq!(outcome.value.image, report.image, "image: {what}");
            assert_eq!(outcome.value.target_name.as_deref(), Some(report.target.name.as_str()), "{what}");
            assert_eq!(outcome.value.target_kind, Some(report.target.kind), "{what}");
            let mut expected: Vec<Note> = report
                .coverage
                .iter()
                .chain(report.accepted.iter().map(|(note, _)| note))
                .filter(|note| note.unit != "match")
                .cloned()
                .collect();
            expected.sort();
            expected.dedup();
            assert_eq!(outcome.notes, expected, "notes: {what}");
        }
    }
}

#[test]
fn an_empty_inventory_comes_back_without_notes() {
    let mut report = common::clean();
    report.inventory = Default::default();
    for format in ["cyclonedx", "spdx"] {
        let outcome = sbom::read(&written(format, &report), &Limits::default()).expect("reads");
        assert_eq!(outcome.value.inventory, report.inventory, "{format}");
        assert_eq!(outcome.notes, [], "{format}");
    }
}

/// Prints sizes and times of 2,000 packages; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a test"]
fn measure() {
    let mut report = common::busy();
    let template = report.inventory.packages[0].clone();
    for index in report.inventory.packages.len()..2_000 {
        let mut package = template.clone();
        package.name = format!("example-package-{index}");
        package.licences = vec!["GPL-2.0-or-later".into()];
        report.inventory.packages.push(package);
    }
    report.inventory.normalise();
    for findings in [true, false] {
        if !findings {
            report.findings.clear();
        }
        for format in ["cyclonedx", "spdx"] {
            let bytes = written(format, &report);
            let start = Instant::now();
            for _ in 0..20 {
                written(format, &report);
            }
            let write = start.elapsed() / 20;
            let start = Instant::now();
            for _ in 0..20 {
                sbom::read(&bytes, &Limits::default()).expect("reads");
            }
            let read = start.elapsed() / 20;
            println!(
                "{format}: {} packages, {} findings: {} bytes, write {write:?}, read {read:?}",
                report.inventory.packages.len(),
                report.findings.len(),
                bytes.len()
            );
        }
    }
}
