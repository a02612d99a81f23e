//! Records in their upstream formats go through import into a small database, and a small inventory is
//! matched against it.
#![allow(dead_code, reason = "each test program uses its part")]

use seaworthy_advisory::import::{Import, Others};
use seaworthy_advisory::{Database, feed};
use seaworthy_match::{Matches, Options, match_inventory};
use seaworthy_types::{Date, Inventory, OsRelease, Outcome, Package, Timestamp};
use std::path::Path;

const NOW: Timestamp = Timestamp(1_795_500_000);

/// Debian 12.
pub fn debian() -> OsRelease {
    OsRelease {
        id: "debian".into(),
        version_id: "12".into(),
        codename: "bookworm".into(),
        pretty_name: "Debian GNU/Linux 12 (bookworm)".into(),
        ..OsRelease::default()
    }
}

/// Matches packages of Debian 12 against files of feeds, given as path and text.
pub fn matched(files: &[(&str, &str)], packages: Vec<Package>) -> Outcome<Matches> {
    matched_on(debian(), files, packages)
}

/// Matches packages of a system against files of feeds, given as path and text.
pub fn matched_on(os: OsRelease, files: &[(&str, &str)], packages: Vec<Package>) -> Outcome<Matches> {
    let (_folder, database) = database(files);
    let inventory = Inventory { os: Some(os), packages, ..Inventory::default() };
    let today = Date::parse("2026-11-24").expect("a day");
    match_inventory(&inventory, &database, &Options { today, data_age_days_max: 36_500 })
}

/// A database of files of feeds, given as path and text.
pub fn database(files: &[(&str, &str)]) -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().expect("folder");
    let (sources, database) = ([folder.path().join("feeds")], folder.path().join("db"));
    for (path, text) in files {
        let file = sources[0].join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    }
    import(&sources, &database);
    let opened = Database::open(&database).expect("opened").value;
    (folder, opened)
}

fn import(sources: &[std::path::PathBuf], database: &Path) {
    let import = Import {
        sources,
        database,
        feeds: feed::ALL,
        now: NOW,
        manifest: None,
        others: Others::Keep,
        arrivals: None,
    };
    import.run(&mut |_| {}).expect("imported");
}

/// `id name version` of all findings, sorted.
pub fn found(outcome: &Outcome<Matches>) -> Vec<String> {
    let line = |finding: &seaworthy_types::Finding| {
        format!("{} {} {}", finding.vulnerability, finding.subject.name, finding.subject.version)
    };
    let mut lines: Vec<String> = outcome.value.findings.iter().map(line).collect();
    lines.sort();
    lines
}

/// A package without a source.
pub fn package(ecosystem: &str, name: &str, version: &str) -> Package {
    Package::new(ecosystem, name, version, "test")
}

/// An OSV record on one package.
pub fn osv(id: &str, ecosystem: &str, name: &str, ranges: &str, versions: &str) -> String {
    format!(
        r#"{{"id":"{id}","modified":"2026-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{ranges}],"versions":[{versions}]}}]}}"#
    )
}

/// One range of an OSV record.
pub fn events(kind: &str, events: &str) -> String {
    format!(r#"{{"type":"{kind}","events":[{events}]}}"#)
}
