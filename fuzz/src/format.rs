//! Output formats: a small report with hostile strings in it goes through every format. The input is a
//! list of edits: two bytes choose a leaf of the report, the text up to the next 0xFF replaces it; an
//! edit after which it is no report any more is dropped. JSON formats must give JSON.

use seaworthy_report::Options;
use seaworthy_report::format::ALL;
use seaworthy_types::Report;
use serde_json::Value;
use std::sync::OnceLock;

const BASE: &str = include_str!("../../crates/report/cases/json/hostile.json");
const EDITS_MAX: usize = 4;

/// The report that inputs change: little of everything, for speed.
pub fn base() -> Report {
    let mut report: Report = serde_json::from_str(BASE).expect("the case of the JSON format is a report");
    report.findings.truncate(2);
    report.suppressed.truncate(1);
    report.actions.truncate(1);
    report.inventory.packages.truncate(2);
    report.inventory.unidentified.truncate(1);
    report.layers.truncate(2);
    report.coverage.truncate(2);
    report.accepted.truncate(1);
    report.data.sources.truncate(2);
    if let Some(image) = &mut report.image {
        image.layers.truncate(2);
    }
    report
}

fn document() -> Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::to_value(base()).expect("a report is JSON")).clone()
}

fn leaves<'v>(value: &'v mut Value, found: &mut Vec<&'v mut String>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter_mut().for_each(|item| leaves(item, found)),
        Value::Object(map) => map.values_mut().for_each(|item| leaves(item, found)),
        _ => {}
    }
}

fn edited(data: &[u8]) -> Report {
    let mut document = document();
    let mut report = serde_json::from_value(document.clone()).expect("it was a report");
    for edit in data.split(|byte| *byte == 0xff).take(EDITS_MAX) {
        let [low, high, text @ ..] = edit else { continue };
        let number = usize::from(u16::from_le_bytes([*low, *high]));
        let before = document.clone();
        let mut found = Vec::new();
        leaves(&mut document, &mut found);
        let at = number % found.len().max(1);
        if let Some(leaf) = found.get_mut(at) {
            **leaf = String::from_utf8_lossy(text).into_owned();
        }
        match serde_json::from_value(document.clone()) {
            Ok(changed) => report = changed,
            Err(_) => document = before,
        }
    }
    report
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let report = edited(data);
    let options = Options {
        colour: data.len().is_multiple_of(2),
        width: data.first().map_or(0, |byte| usize::from(*byte)),
        full: data.len().is_multiple_of(3),
        template: Some("{{ target.name }}{% for f in findings %}{{ f.title }}{% endfor %}".into()),
    };
    for format in ALL {
        let name = format.about().name;
        let write = || {
            let mut bytes = Vec::new();
            format.write(&report, &options, &mut bytes).map(|()| bytes)
        };
        let bytes = write().unwrap_or_else(|error| panic!("{name}: {error}"));
        if data.len().is_multiple_of(5) {
            assert_eq!(bytes, write().expect("it was written before"), "{name}: the same bytes again");
        }
        let text = std::str::from_utf8(&bytes).unwrap_or_else(|_| panic!("{name}: it is UTF-8"));
        if format.media_type().ends_with("json") {
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        if name == "table" && !options.colour {
            let control = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(control, None, "{name}: no control characters reach a terminal");
        }
    }
}
