//! The built-in starter set against CISA's catalogue of exploited vulnerabilities: days and the
//! word about ransomware must be those of the catalogue. Skipped loudly where it is absent.

use seaworthy_advisory::{Lookup, Starter};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[test]
fn exploited_ones_are_those_of_the_catalogue() {
    let Some(path) = shared("advisories/prioritisation/known_exploited_vulnerabilities.json") else { return };
    let data = std::fs::read_to_string(path).expect("the catalogue");
    let catalogue: Value = serde_json::from_str(&data).expect("JSON");
    let entries: BTreeMap<&str, &Value> = catalogue["vulnerabilities"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| Some((entry["cveID"].as_str()?, entry)))
        .collect();
    let starter = Starter::new();
    let mut exploited = 0;
    let set = include_str!("../starter/starter.jsonl");
    for line in set.lines().skip(1) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let id = line["id"].as_str().expect("an id");
        let ours = starter.enrichment(id).expect("enrichment").kev;
        let ours = ours.map(|kev| (kev.added.to_string(), kev.ransomware));
        let theirs = entries.get(id).map(|entry| {
            let day = entry["dateAdded"].as_str().expect("a day");
            (day.to_owned(), entry["knownRansomwareCampaignUse"] == "Known")
        });
        assert_eq!(ours, theirs, "{id}");
        exploited += u32::from(theirs.is_some());
    }
    println!("{exploited} of {} in the catalogue", set.lines().count() - 1);
    assert!(exploited >= 160, "only {exploited}");
}

fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEAWORTHY_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set SEAWORTHY_SHARED", path.display());
    None
}
