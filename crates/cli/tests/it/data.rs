//! Tiny feeds in the real formats, complete by their manifest, and records of installed packages.

use crate::lab::{day, now};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// CVSS vectors with known severities.
const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
const LOW: &str = "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N";

/// One record each: ecosystem, package, id, vector or nothing, fixed version or nothing.
const RECORDS: &[(&str, &str, &str, &str, &str)] = &[
    ("npm", "holed", "CVE-2026-10001", CRITICAL, "2.0.0"),
    ("npm", "scratched", "CVE-2026-10002", LOW, "2.0.0"),
    ("npm", "unrated", "CVE-2026-10003", "", "2.0.0"),
    ("npm", "unfixed", "CVE-2026-10004", HIGH, ""),
    ("npm", "exploited", "CVE-2026-10005", LOW, ""),
    ("PyPI", "owned-module", "CVE-2026-10006", CRITICAL, "2.0.0"),
    ("PyPI", "own-module", "CVE-2026-10007", HIGH, "2.0.0"),
    ("Maven", "org.example.lib:widget", "CVE-2026-10008", HIGH, "2.0.0"),
    ("Go", "example.org/tool", "CVE-2026-10009", HIGH, "2.0.0"),
    ("Go", "stdlib", "CVE-2026-10010", HIGH, "1.99.0"),
    ("crates.io", "barnacle", "CVE-2026-10011", LOW, "2.0.0"),
    ("RubyGems", "anchor", "CVE-2026-10012", LOW, "2.0.0"),
    ("Debian:12", "hull", "CVE-2026-10013", HIGH, "1.0-2"),
    ("Debian:12", "mast", "CVE-2026-10014", HIGH, ""),
    ("Alpine:v3.22", "sail", "CVE-2026-10015", HIGH, "1.0-r5"),
];

fn record(&(ecosystem, package, id, vector, fixed): &(&str, &str, &str, &str, &str)) -> Value {
    let mut events = vec![json!({"introduced": "0"})];
    if !fixed.is_empty() {
        events.push(json!({ "fixed": fixed }));
    }
    let mut record = json!({
        "schema_version": "1.7.0",
        "id": id,
        "summary": format!("A hole in {package}"),
        "modified": now().to_string(),
        "published": "2026-01-05T00:00:00Z",
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": package },
            "ranges": [{ "type": "ECOSYSTEM", "events": events }],
        }],
        "references": [{ "type": "ADVISORY", "url": "https://example.org/advisory" }],
    });
    if !vector.is_empty() {
        record["severity"] = json!([{ "type": "CVSS_V3", "score": vector }]);
    }
    record
}

/// Writes the feeds and a manifest that calls them complete and of today.
pub fn write_feeds(folder: &Path) {
    for entry in RECORDS {
        let ecosystem = entry.0.split(':').next().unwrap_or(entry.0);
        write(folder, &format!("osv/{ecosystem}/{}.json", entry.2), &record(entry).to_string());
    }
    let kev = json!({
        "catalogVersion": "2026.01.01", "dateReleased": now().to_string(), "count": 1,
        "vulnerabilities": [{
            "cveID": "CVE-2026-10005", "vendorProject": "p", "product": "exploited",
            "vulnerabilityName": "exploited", "dateAdded": "2026-01-06", "shortDescription": "",
            "requiredAction": "", "dueDate": "2026-02-01", "knownRansomwareCampaignUse": "Unknown",
            "notes": "", "cwes": ["CWE-77"],
        }],
    });
    write(folder, "kev/known_exploited_vulnerabilities.json", &kev.to_string());
    let epss = format!(
        "#model_version:v1,score_date:{}T00:00:00+0000\ncve,epss,percentile\nCVE-2026-10001,0.71234,0.98765\n",
        day(0)
    );
    write(folder, &format!("epss/epss_scores-{}.csv", day(0)), &epss);
    let manifest = json!({
        "seaworthy_manifest": 1, "as_of": day(0),
        "entries": [{ "shards": ["*"], "completeness": "complete" }],
    });
    write(folder, "seaworthy-manifest.json", &manifest.to_string());
}

/// Writes a text file below a folder.
pub fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}

/// More feeds than before, so that an update takes its time; the finding goes.
pub fn other_feeds(folder: &Path, records: u32) {
    for number in 0..records {
        let text = format!(
            r#"{{"id":"CVE-2026-{}","modified":"2026-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"npm","name":"p{number}"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}}]}}]}}]}}"#,
            20_000 + number
        );
        write(folder, &format!("osv/npm/{number}.json"), &text);
    }
}

/// Lines of a description: installed npm packages at version 1.0.0.
pub fn npm(names: &[&str]) -> String {
    let line = |name: &&str| {
        format!(
            "file usr/lib/node_modules/{name}/package.json {{\"name\":\"{name}\",\"version\":\"1.0.0\"}}\n"
        )
    };
    names.iter().map(line).collect()
}

/// Lines of a description: Debian 12.
pub const DEBIAN: &str = "file etc/os-release ID=debian\\nVERSION_ID=\"12\"\\nVERSION_CODENAME=bookworm\\nPRETTY_NAME=\"Debian 12\"\\n\n";

/// A line of a description: dpkg's database with these source packages at these versions, a binary
/// package `libNAME` for each.
pub fn dpkg(packages: &[(&str, &str)]) -> String {
    let entry = |(name, version): &(&str, &str)| {
        format!(
            "Package: lib{name}\\nStatus: install ok installed\\nArchitecture: amd64\\n\
             Maintainer: Debian <debian@lists.debian.org>\\nSource: {name}\\nVersion: {version}\\n\
             Description: x\\n\\n"
        )
    };
    let lists: String = packages
        .iter()
        .map(|(name, _)| format!("file var/lib/dpkg/info/lib{name}.list /.\\n/usr/share/{name}\\n\n"))
        .collect();
    let status: String = packages.iter().map(entry).collect();
    format!("file var/lib/dpkg/status {status}\n{lists}")
}
