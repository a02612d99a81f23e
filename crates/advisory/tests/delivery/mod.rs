//! What tests of delivery share: a made-up feed, a folder with a built database, a depot and a fetched one.

#![allow(dead_code)]

use seaworthy_advisory::deliver::{
    Choice, DeliverError, Expired, Fetch, Fetched, Folder, MAIN, PrivateKey, Publish, Published, Store,
    Trusted, Unsigned,
};
use seaworthy_advisory::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use seaworthy_advisory::import::{Import, Others};
use seaworthy_advisory::{Database, Lookup};
use seaworthy_types::{
    About, Advisory, Affected, Date, Enrichment, Epss, Event, Kev, Outcome, Range, RangeKind, Rating, Reads,
    Severity, Ssvc, Timestamp,
};
use std::path::{Path, PathBuf};

pub const NOW: Moment = Moment(1_795_500_000);
pub const DAY: i64 = 86_400;

/// A time that tests can add to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub i64);

impl Moment {
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0 + seconds)
    }
    pub fn time(self) -> Timestamp {
        Timestamp(self.0)
    }
}

/// Two days of a made-up feed: `one` and `two`. Some two hundred advisories on two shards of packages, of
/// which `two` changes, adds and drops a few; ratings, exploited vulnerabilities and scores.
struct Made;

impl Feed for Made {
    fn about(&self) -> &'static About {
        static ABOUT: About =
            About { name: "made", version: 1, ecosystem: "", reads: Reads::Any, coverage: "For tests." };
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        path.strip_suffix(".made").map(str::to_owned)
    }
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }
    fn read(&self, part: &str, _input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        let second = part == "two";
        for number in 0..200_u32 {
            if !(second && number % 67 == 5) {
                sink.advisory(advisory(number, second));
            }
        }
        if second {
            sink.advisory(advisory(200, true));
        }
        for number in 0..400_u32 {
            sink.enrichment(&cve(number), enrichment(number, second));
        }
        Ok(())
    }
}

fn cve(number: u32) -> String {
    format!("CVE-{}-{:04}", 2015 + number % 10, number + 1)
}

fn advisory(number: u32, second: bool) -> Advisory {
    let changed = second && number % 50 == 7;
    let shard = if number.is_multiple_of(3) { "maven" } else { "npm" };
    let package = match shard {
        "maven" => format!("group-{}:name-{}", number % 5, number % 17),
        _ => format!("name-{}", number % 23),
    };
    let fixed = if changed { "9.9" } else { "1.5" };
    let affected = |arch: &str| Affected {
        shard: shard.into(),
        package: package.clone(),
        ranges: vec![Range {
            kind: RangeKind::Semver,
            events: vec![Event::Introduced("0".into()), Event::Fixed(format!("{fixed}.{number}"))],
        }],
        conditions: vec![("arch".into(), arch.into())],
        ..Affected::default()
    };
    Advisory {
        // Some ids stand twice, from two sources and with two texts.
        id: format!("GHSA-{}", number / 2 * 2),
        source: if number % 4 == 1 { "b".into() } else { "a".into() },
        aliases: vec![cve(number)],
        summary: format!("weakness {number}{}", if changed { ", said anew" } else { "" }),
        details: format!("{number} and more ").repeat(20),
        ratings: vec![Rating {
            source: "made".into(),
            severity: Severity::High,
            vector: String::new(),
            score_tenths: Some(75),
        }],
        modified: Some(Timestamp(1_700_000_000 + i64::from(number / 2))),
        affected: if number.is_multiple_of(7) {
            vec![affected("x86_64"), affected("arm64")]
        } else {
            vec![affected("any")]
        },
        ..Advisory::default()
    }
}

fn enrichment(number: u32, second: bool) -> Enrichment {
    // In the order of scores, so that percentiles can be derived.
    let share = number as f32 / 400.0;
    let probability = if second && number.is_multiple_of(10) { share + 0.001 } else { share };
    Enrichment {
        epss: Some(Epss { probability, percentile: (number + 1) as f32 / 400.0 }),
        kev: (number % 40 == 3).then_some(Kev {
            added: Date(20_000),
            due: None,
            ransomware: number % 80 == 3,
        }),
        ssvc: (number % 9 == 2).then(|| Ssvc {
            exploitation: "poc".into(),
            automatable: "no".into(),
            technical_impact: "partial".into(),
        }),
        summary: format!("about {number}"),
        ..Enrichment::default()
    }
}

/// Folders of one test.
pub struct Place {
    _folder: Option<tempfile::TempDir>,
    root: PathBuf,
    fetched: PathBuf,
}

impl Place {
    /// With a database built from a day of the feed.
    pub fn new(day: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let root = folder.path().to_owned();
        let place = Self { fetched: root.join("fetched"), root, _folder: Some(folder) };
        place.build(day);
        place
    }
    /// The same depot, and another folder to fetch into.
    pub fn other(&self, name: &str) -> Self {
        Self { _folder: None, root: self.root.clone(), fetched: self.root.join(name) }
    }
    pub fn build(&self, day: &str) {
        self.build_into(day, &self.built_folder());
    }
    pub fn build_into(&self, day: &str, database: &Path) {
        let feeds = self.root.join(format!("feeds-{day}"));
        std::fs::create_dir_all(&feeds).expect("made");
        std::fs::write(feeds.join(format!("{day}.made")), "x").expect("written");
        static FEED: Made = Made;
        let feed: &'static dyn Feed = &FEED;
        let import = Import {
            sources: &[feeds],
            database,
            feeds: &[feed],
            now: NOW.time(),
            manifest: None,
            others: Others::Remove,
            arrivals: None,
        };
        import.run(&mut |_| {}).expect("imported");
    }
    pub fn built_folder(&self) -> PathBuf {
        self.root.join("built")
    }
    pub fn fetched_folder(&self) -> &Path {
        &self.fetched
    }
    pub fn depot_folder(&self) -> PathBuf {
        self.root.join("depot")
    }
    pub fn depot(&self) -> Folder {
        Folder::new(&self.depot_folder())
    }
    pub fn built(&self) -> Database {
        Database::open(&self.built_folder()).expect("opened").value
    }
    pub fn fetched(&self) -> Database {
        Database::open(&self.fetched).expect("opened").value
    }
    pub fn work(&self) -> &Path {
        &self.root
    }
    pub fn publish(&self, now: Moment) -> Published {
        self.publish_with(now, &[&key(1)], 7 * DAY)
    }
    pub fn publish_with(&self, now: Moment, keys: &[&PrivateKey], lifetime_seconds: i64) -> Published {
        let depot = self.depot();
        let publish = Publish {
            database: &self.built_folder(),
            earlier: Some(&depot),
            depot: &depot,
            keys,
            trusted: &trusted(&[1, 2]),
            publication: MAIN,
            now: now.time(),
            lifetime_seconds,
            earlier_days: 7,
            work: &self.root,
        };
        let outcome = publish.run(&mut |_| {}).expect("published");
        assert_eq!(outcome.notes, [], "nothing to remark");
        outcome.value
    }
    pub fn fetch(&self, choice: Choice<'_>, now: Moment) -> Result<Outcome<Fetched>, DeliverError> {
        self.fetch_from(&[&self.depot()], choice, now, &trusted(&[1]))
    }
    pub fn fetch_from(
        &self,
        stores: &[&dyn Store],
        choice: Choice<'_>,
        now: Moment,
        trusted: &Trusted,
    ) -> Result<Outcome<Fetched>, DeliverError> {
        let fetch = Fetch {
            stores,
            database: &self.fetched,
            choice,
            trusted,
            unsigned: Unsigned::Refuse,
            expired: Expired::Refuse,
            now: now.time(),
        };
        fetch.run(&mut |_| {})
    }
    /// Names of all files of the depot.
    pub fn depot_files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.depot_folder().join("files")).expect("listed");
        let names = files.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned());
        names.map(|name| format!("files/{name}")).chain(["index.seaworthy".to_owned()]).collect()
    }
    /// Names of the fetched data files: each ends in its digest.
    pub fn data_files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.fetched).expect("listed");
        let (index, _) = seaworthy_advisory::Index::read(&self.fetched).expect("read").expect("there");
        let used: Vec<String> = index.shards.into_iter().map(|shard| shard.file).collect();
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("listed").file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| used.contains(name));
        names.sort();
        names
    }
}

pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).expect("a key")
}

pub fn trusted(seeds: &[u8]) -> Trusted {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed).public()).collect();
    Trusted::new(&keys).expect("keys")
}

/// Every question that can be asked has the same answer.
pub fn same_answers(one: &Database, other: &Database) {
    other.verify().expect("sound");
    let facts = |database: &Database| {
        let strip = |shard: &seaworthy_advisory::database::IndexShard| {
            let shard = shard.clone();
            (shard.source(), shard.kind, shard.packages, shard.feeds, shard.lost)
        };
        database.installed().map(strip).collect::<Vec<_>>()
    };
    assert_eq!(facts(one), facts(other));
    for shard in one.installed() {
        let names = one.names(&shard.shard).expect("names");
        assert_eq!(names, other.names(&shard.shard).expect("names"), "{}", shard.shard);
        for name in names {
            if shard.kind == "packages" {
                assert_eq!(one.records(&shard.shard, &name), other.records(&shard.shard, &name), "{name}");
            }
        }
    }
    for number in 0..400 {
        let id = cve(number);
        let found = one.enrichment(&id).expect("read");
        assert!(found.epss.is_some());
        assert_eq!(found, other.enrichment(&id).expect("read"), "{id}");
    }
}
