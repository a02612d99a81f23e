//! Output formats: a small report with hostile strings in it goes through every format. The input is a
//! list of edits: two bytes choose a leaf of the report, the text up to the next 0xFF replaces it; an
//! edit after which it is no report any more is dropped. JSON formats must give JSON.

use seaworthy_report::Options;
use seaworthy_report::format::ALL;
use seaworthy_types::Report;
use serde_json::Value;

const BASE: &str = include_str!("../../crates/report/cases/json/hostile.json");
const EDITS_MAX: usize = 4;

/// The report that inputs change.
pub fn base() -> Report {
    serde_json::from_str(BASE).expect("the case of the JSON format is a report")
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
    let mut document: Value = serde_json::from_str(BASE).expect("the case is JSON");
    let mut report = base();
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
        assert_eq!(bytes, write().expect("it was written before"), "{name}: the same bytes again");
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
