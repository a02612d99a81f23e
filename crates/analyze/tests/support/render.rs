//! Inventories and notes as text, for expectations that people read.

use seaworthy_types::{Inventory, Note, Outcome};
use std::fmt::Write;

/// What came out: system, packages with everything that is not the default, evidence, notes.
pub fn render(outcome: &Outcome<Inventory>) -> String {
    let mut text = String::new();
    let inventory = &outcome.value;
    if let Some(os) = &inventory.os {
        writeln!(text, "os {} {} {}", os.id, os.version_id, os.shard().unwrap_or_default()).expect("write");
    }
    for package in &inventory.packages {
        write!(text, "package {}", package.purl(inventory.os.as_ref())).expect("write");
        if let Some(source) = &package.source {
            write!(text, " source={}@{}", source.name, source.version).expect("write");
        }
        if let Some(owner) = &package.owner {
            write!(text, " owner={owner}").expect("write");
        }
        if package.origin != Default::default() {
            write!(text, " origin=third-party").expect("write");
        }
        if package.scope != Default::default() {
            write!(text, " scope=development").expect("write");
        }
        if !package.evidence.is_empty() {
            write!(text, " evidence={:?}", package.evidence).expect("write");
        }
        if !package.licences.is_empty() {
            write!(text, " licences={:?}", package.licences).expect("write");
        }
        if !package.facts.is_empty() {
            write!(text, " facts={:?}", package.facts).expect("write");
        }
        let first = package.layer.map_or("-".into(), |l| l.to_string());
        writeln!(text, " by={} first-layer={first}", package.found_by).expect("write");
        for location in &package.locations {
            writeln!(text, "  at {}", location.path).expect("write");
        }
    }
    for evidence in &inventory.unidentified {
        writeln!(text, "unidentified {evidence:?}").expect("write");
    }
    for Note { grade, code, unit, subject, detail } in &outcome.notes {
        writeln!(text, "{grade:?} {code} {unit} {subject}: {detail}").expect("write");
    }
    text
}
