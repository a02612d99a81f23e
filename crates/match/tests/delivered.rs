//! Fetched data: same findings as data built here; what was published and not installed, and data that
//! have expired, are gaps.

mod common;

use common::{database, debian, events, osv, package};
use seaworthy_advisory::Database;
use seaworthy_advisory::deliver::{
    Choice, Expired, Fetch, Folder, MAIN, PrivateKey, Publish, Trusted, Unsigned,
};
use seaworthy_match::{Matches, Options, match_inventory};
use seaworthy_types::{Date, Grade, Inventory, Outcome, Timestamp};
use std::path::Path;

const NOW: Timestamp = Timestamp(1_795_500_000);

fn files() -> Vec<(&'static str, String)> {
    let range = events("ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"2.0"}"#);
    vec![
        ("osv/npm/GHSA-1.json", osv("GHSA-1", "npm", "left", &range, "")),
        ("osv/PyPI/PYSEC-1.json", osv("PYSEC-1", "PyPI", "right", &range, "")),
        ("prioritisation/epss_scores-2026-11-20.csv", "#x\ncve,epss,percentile\nCVE-2020-1,0.5,1.0\n".into()),
    ]
}

fn publish(built: &Path, depot: &Folder, key: &PrivateKey) {
    let publish = Publish {
        database: built,
        earlier: None,
        depot,
        keys: &[key],
        trusted: &Trusted::default(),
        publication: MAIN,
        now: NOW,
        lifetime_seconds: 7 * 86_400,
        earlier_days: 7,
        work: built,
    };
    publish.run(&mut |_| {}).expect("published");
}

fn fetch(folder: &Path, depot: &Folder, key: &PrivateKey, shards: &[String]) -> Database {
    let fetch = Fetch {
        stores: &[depot],
        database: folder,
        choice: Choice::Needed(shards),
        trusted: &Trusted::new(&[key.public()]).expect("a key"),
        unsigned: Unsigned::Refuse,
        expired: Expired::Refuse,
        now: NOW,
    };
    fetch.run(&mut |_| {}).expect("fetched");
    Database::open(folder).expect("opened").value
}

fn scan(data: &Database, day: &str) -> Outcome<Matches> {
    let packages = vec![package("npm", "left", "1.0"), package("pypi", "right", "1.0")];
    let inventory = Inventory { os: Some(debian()), packages, ..Inventory::default() };
    let today = Date::parse(day).expect("a day");
    match_inventory(&inventory, data, &Options { today, data_age_days_max: 36_500 })
}

fn gaps(outcome: &Outcome<Matches>) -> Vec<(String, String)> {
    let gaps = outcome.notes.iter().filter(|note| note.grade == Grade::Gap);
    gaps.map(|note| (note.code.clone(), note.subject.clone())).filter(|gap| gap.0 != "data-partial").collect()
}

#[test]
fn what_is_not_installed_and_what_has_expired_are_gaps() {
    let owned = files();
    let listed: Vec<(&str, &str)> = owned.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let (folder, built) = database(&listed);
    let key = PrivateKey::from_seed(&[3; 32]).expect("a key");
    let depot = Folder::new(&folder.path().join("depot"));
    publish(&folder.path().join("db"), &depot, &key);
    let both = ["npm".to_owned(), "pypi".to_owned()];
    let whole = fetch(&folder.path().join("whole"), &depot, &key, &both);
    let (here, there) = (scan(&built, "2026-11-24"), scan(&whole, "2026-11-24"));
    assert_eq!(here.value.findings.len(), 2);
    assert_eq!(gaps(&there), []);
    assert_eq!((here.value.findings, here.notes), (there.value.findings, there.notes));

    let part = fetch(&folder.path().join("part"), &depot, &key, &both[..1]);
    let outcome = scan(&part, "2026-11-24");
    assert_eq!(gaps(&outcome), [("data-not-installed".to_owned(), "pypi".to_owned())]);
    assert!(outcome.notes.iter().any(|note| note.detail.contains("db pull --shard pypi")));

    let late = scan(&whole, "2026-12-24");
    assert_eq!(gaps(&late), [("data-expired".to_owned(), String::new())]);
    assert_eq!(gaps(&scan(&built, "2026-12-24")), [], "nobody promised anything of data built here");
}
