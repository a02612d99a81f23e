//! The database from feed to look-up: aliases, newer records, damage, dead feeds, crashes.

use seaworthy_advisory::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use seaworthy_advisory::import::{Import, Imported, Others};
use seaworthy_advisory::install::Installation;
use seaworthy_advisory::{Database, Error, Lookup, LookupError, Record};
use seaworthy_types::{
    About, Advisory, Affected, Completeness, Date, Enrichment, Epss, Event, Grade, Kev, Outcome, Range,
    RangeKind, Reads, Timestamp,
};
use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const NOW: Timestamp = Timestamp(1_795_500_000);

/// Lines `id|aliases|upstream|modified|shard|package|fixed`, `epss|CVE|probability`, `kev|CVE|day`,
/// `broken` (the feed gives up) and `many|count`.
struct Lines;

impl Feed for Lines {
    fn about(&self) -> &'static About {
        static ABOUT: About =
            About { name: "lines", version: 1, ecosystem: "", reads: Reads::Any, coverage: "For tests." };
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        path.strip_suffix(".lines").map(|part| part.rsplit('/').next().unwrap_or(part).to_owned())
    }
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }
    fn read(&self, _part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        for line in std::io::BufReader::new(input).lines() {
            let line = line.map_err(|source| FeedError::Io { feed: "lines", source })?;
            let fields: Vec<&str> = line.split('|').collect();
            match fields.as_slice() {
                ["broken"] => return Err(FeedError::Format { feed: "lines", why: "broken".into() }),
                ["epss", id, share] => {
                    let probability = share.parse().expect("a share");
                    let epss = Some(Epss { probability, percentile: 0.5 });
                    sink.enrichment(id, Enrichment { epss, ..Enrichment::default() });
                }
                ["kev", id, day] => {
                    let kev = Kev { added: Date::parse(day).expect("a day"), due: None, ransomware: true };
                    sink.enrichment(id, Enrichment { kev: Some(kev), ..Enrichment::default() });
                    let summary = "said apart".to_owned();
                    sink.enrichment(id, Enrichment { summary, ..Enrichment::default() });
                }
                ["many", count] => {
                    for number in 0..count.parse::<u32>().expect("a count") {
                        let line = format!("X-{number}|||5|npm|package-{number}|{number}.0");
                        sink.advisory(advisory(&line.split('|').collect::<Vec<_>>()));
                    }
                }
                fields => sink.advisory(advisory(fields)),
            }
        }
        Ok(())
    }
}

fn advisory(fields: &[&str]) -> Advisory {
    let list = |field: &str| field.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let [id, aliases, upstream, modified, shard, package, fixed] = fields else { panic!("{fields:?}") };
    let events = vec![Event::Introduced("0".into()), Event::Fixed((*fixed).into())];
    Advisory {
        id: (*id).into(),
        source: "test".into(),
        aliases: list(aliases),
        upstream: list(upstream),
        summary: format!("about {id}"),
        details: format!("{id} ").repeat(40),
        modified: modified.parse().ok().map(Timestamp),
        affected: vec![Affected {
            shard: (*shard).into(),
            package: (*package).into(),
            ranges: vec![Range { kind: RangeKind::Ecosystem, events }],
            ..Affected::default()
        }],
        ..Advisory::default()
    }
}

fn import(feeds: &Path, database: &Path) -> Result<Outcome<Imported>, Error> {
    static FEED: Lines = Lines;
    let feed: &'static dyn Feed = &FEED;
    let sources = [feeds.to_owned()];
    let feeds = [feed];
    let others = Others::Keep;
    Import { sources: &sources, database, feeds: &feeds, now: NOW, manifest: None, others, arrivals: None }
        .run(&mut |_| {})
}

struct Place {
    _folder: tempfile::TempDir,
    feeds: PathBuf,
    database: PathBuf,
}

fn place(files: &[(&str, &str)]) -> Place {
    let folder = tempfile::tempdir().expect("folder");
    let (feeds, database) = (folder.path().join("feeds"), folder.path().join("db"));
    std::fs::create_dir(&feeds).expect("made");
    for (name, text) in files {
        std::fs::write(feeds.join(name), text).expect("written");
    }
    Place { _folder: folder, feeds, database }
}

fn fixed(records: &[Record]) -> Vec<String> {
    let events = records.iter().flat_map(|record| &record.affected.ranges).flat_map(|range| &range.events);
    let fixed = events.filter_map(|event| match event {
        Event::Fixed(version) => Some(version.clone()),
        _ => None,
    });
    fixed.collect()
}

const NPM: &str = "GHSA-1|CVE-2021-0001||10|npm|@a/left|1.0\nPYSEC-1|GHSA-1||11|pypi|left|2.0\n\
                   GHSA-1|CVE-2021-0001||12|maven|g:left|3.0\n";

#[test]
fn what_goes_in_comes_out() {
    let scores = "epss|CVE-2021-0001|0.25\nepss|CVE-2021-0002|0.5\nkev|CVE-2021-0001|2021-12-10\n";
    let bulletin = "ALSA-1|| CVE-2021-0001 CVE-2021-0003|10|almalinux:9|left|4.0\n";
    let at = place(&[("npm.lines", NPM), ("scores.lines", scores), ("AlmaLinux:9.lines", bulletin)]);
    import(&at.feeds, &at.database).expect("imported");
    let opened = Database::open(&at.database).expect("opened");
    assert!(opened.notes.is_empty(), "{:?}", opened.notes);
    let database = opened.value;
    let records = database.records("pypi", "left").expect("sound");
    assert_eq!(fixed(&records), ["2.0"]);
    assert_eq!((records[0].affected.shard.as_str(), records[0].affected.package.as_str()), ("pypi", "left"));
    let vulnerability = &records[0].vulnerabilities[0];
    assert_eq!(
        (vulnerability.id.as_str(), vulnerability.aliases.join(" ")),
        ("CVE-2021-0001", "GHSA-1 PYSEC-1".into())
    );
    let bulletin = database.records("almalinux:9", "left").expect("sound");
    let ids: Vec<&str> = bulletin[0].vulnerabilities.iter().map(|v| v.id.as_str()).collect();
    assert_eq!(ids, ["CVE-2021-0001", "CVE-2021-0003"]);
    assert!(database.records("npm", "@a/right").expect("sound").is_empty());
    assert_eq!(database.names_ending("npm", "left").expect("sound"), ["@a/left"]);
    assert_eq!(database.names_ending("pypi", "left").expect("sound"), ["left"]);
    assert!(database.names_ending("npm", "eft").expect("sound").is_empty());
    let enrichment = database.enrichment("CVE-2021-0001").expect("sound");
    assert_eq!(enrichment.epss, Some(Epss { probability: 0.25, percentile: 0.5 }));
    assert!(enrichment.kev.is_some_and(|kev| kev.ransomware) && enrichment.summary == "said apart");
    let only_score = database.enrichment("CVE-2021-0002").expect("sound");
    assert!(only_score.kev.is_none() && only_score.epss.is_some());
    database.verify().expect("sound");
    // npm's file is the home of npm and not of what else stands in it.
    let completeness = |shard: &str| database.source(shard).expect("known").completeness;
    assert_eq!(completeness("npm"), Completeness::Complete);
    assert_eq!(completeness("almalinux:9"), Completeness::Complete);
    assert_eq!(completeness("pypi"), Completeness::Partial);
    assert_eq!(completeness("debian:12"), Completeness::Starter);
    assert_eq!(database.source("kev").expect("known").records, 1);
    assert_eq!(database.source("npm").expect("known").as_of, Some(Timestamp(10)));
}

#[test]
fn newer_words_replace_older_ones_and_other_packages_stay() {
    let at = place(&[
        (
            "a.lines",
            "CVE-2020-0001|||5|npm|one|1.0\nCVE-2020-0001|||5|npm|two|7.0\nCVE-2020-0002|||3|npm|one|4.0\n",
        ),
        (
            "b.lines",
            "CVE-2020-0001|||9|npm|one|2.0\nCVE-2020-0002|||3|npm|one|4.0\nCVE-2020-0002|||3|npm|one|5.0\n",
        ),
    ]);
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    let mut one = fixed(&database.records("npm", "one").expect("sound"));
    one.sort();
    // 1.0 is outdated; 4.0 stands in both files and once here; 5.0 is equally new and stays beside it.
    assert_eq!(one, ["2.0", "4.0", "5.0"]);
    assert_eq!(fixed(&database.records("npm", "two").expect("sound")), ["7.0"]);
}

#[test]
fn one_dead_feed_does_not_block_the_others() {
    let at = place(&[("npm.lines", NPM), ("PyPI.lines", "broken\n")]);
    std::fs::write(at.feeds.join("packed.lines.gz"), [0x1f, 0x8b, 8, 0, 1, 2]).expect("written");
    std::fs::write(at.feeds.join("other.lines.bz2"), b"BZh91AY&SY").expect("written");
    let outcome = import(&at.feeds, &at.database).expect("imported");
    let gaps: Vec<&str> =
        outcome.notes.iter().filter(|n| n.grade == Grade::Gap).map(|n| n.subject.as_str()).collect();
    assert!(gaps.contains(&"PyPI.lines") && gaps.contains(&"packed.lines.gz"), "{:?}", outcome.notes);
    let packed = outcome.notes.iter().find(|note| note.subject == "other.lines.bz2").expect("told");
    assert!(packed.grade == Grade::Gap && packed.detail.contains("bunzip2"), "{packed:?}");
    let database = Database::open(&at.database).expect("opened").value;
    assert_eq!(database.source("npm").expect("known").completeness, Completeness::Complete);
    let pypi = database.source("pypi").expect("known");
    assert_eq!(pypi.completeness, Completeness::Partial);
    assert!(pypi.remark.contains("`PyPI.lines` could not be read"), "{}", pypi.remark);
}

#[test]
fn shards_that_are_not_imported_again_stay() {
    let at = place(&[("npm.lines", NPM)]);
    import(&at.feeds, &at.database).expect("imported");
    std::fs::write(at.feeds.join("npm.lines"), "GHSA-9|||20|npm|new|1\n").expect("written");
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    assert!(database.records("npm", "@a/left").expect("sound").is_empty());
    assert_eq!(fixed(&database.records("pypi", "left").expect("sound")), ["2.0"]);
    std::fs::remove_file(at.feeds.join("npm.lines")).expect("removed");
    assert!(matches!(import(&at.feeds, &at.database), Err(Error::NothingToImport)));
    assert_eq!(
        fixed(&Database::open(&at.database).expect("opened").value.records("npm", "new").expect("sound")),
        ["1"]
    );
}

#[test]
fn the_manifest_decides() {
    let manifest = r#"{"seaworthy_manifest":1,"ignore":["b*"],"entries":[
        {"shards":["npm"],"completeness":"partial","remark":"a part","as_of":"2026-01-02"}]}"#;
    let at = place(&[("npm.lines", NPM), ("b.lines", "broken"), ("seaworthy-manifest.json", manifest)]);
    let outcome = import(&at.feeds, &at.database).expect("imported");
    assert!(outcome.notes.is_empty(), "{:?}", outcome.notes);
    let source = Database::open(&at.database).expect("opened").value.source("npm").expect("known");
    assert_eq!((source.completeness, source.remark.as_str()), (Completeness::Partial, "a part"));
    assert_eq!(source.as_of, Timestamp::parse("2026-01-02"));
}

#[test]
fn same_input_same_bytes() {
    let (one, two) = (place(&[("npm.lines", NPM)]), place(&[("npm.lines", NPM)]));
    import(&one.feeds, &one.database).expect("imported");
    import(&two.feeds, &two.database).expect("imported");
    let index = |at: &Place| std::fs::read(at.database.join("index.json")).expect("there");
    assert_eq!(index(&one), index(&two));
}

#[test]
fn no_changed_byte_goes_unnoticed_and_none_panics() {
    let at = place(&[("npm.lines", &format!("{NPM}many|200\n"))]);
    import(&at.feeds, &at.database).expect("imported");
    let file = std::fs::read_dir(&at.database).expect("listed").flatten().map(|entry| entry.path());
    let file = file.filter(|path| path.to_string_lossy().contains("/npm-")).collect::<Vec<_>>().remove(0);
    let good = std::fs::read(&file).expect("read");
    let read = || {
        let database = Database::open(&at.database).expect("the index is sound").value;
        let records = database.records("npm", "package-77");
        (records, database.names_ending("npm", "left"), database.verify())
    };
    let (wanted, _, sound) = read();
    sound.expect("sound");
    for offset in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[offset] ^= 0x21;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("allowed");
        std::fs::write(&file, &bad).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).expect("allowed");
        let (found, _, sound) = read();
        assert!(matches!(sound, Err(LookupError::Damaged { .. })), "byte {offset}: {sound:?}");
        assert!(found == wanted || matches!(found, Err(LookupError::Damaged { .. })), "byte {offset}");
    }
    std::fs::remove_file(&file).expect("removed");
    assert!(matches!(read().0, Err(LookupError::Unreadable { .. })));
}

#[test]
fn an_unusable_index_is_an_error_and_none_is_the_starter_set() {
    let folder = tempfile::tempdir().expect("folder");
    let opened = Database::open(folder.path()).expect("starter");
    assert_eq!(opened.notes[0].code, "no-database");
    assert!(!opened.value.records("npm", "lodash").expect("sound").is_empty());
    for text in ["", "{", r#"{"format":2,"future":true}"#, r#"{"format":1}"#] {
        std::fs::write(folder.path().join("index.json"), text).expect("written");
        assert!(matches!(Database::open(folder.path()), Err(Error::Index { .. })), "{text}");
    }
    let hostile = r#"{"format":1,"built":"2026-01-01","new":1,"shards":[{"shard":"npm","kind":"packages",
        "file":"../../x.sw","sha256":"","bytes":1,"records":1,"packages":1,"as_of":null,"completeness":"complete"}]}"#;
    std::fs::write(folder.path().join("index.json"), hostile).expect("written");
    assert_eq!(Database::open(folder.path()).expect("opened").notes[0].grade, Grade::Gap);
}

#[test]
fn two_builders_exclude_each_other_and_dead_ones_are_swept() {
    let at = place(&[("npm.lines", NPM)]);
    std::fs::create_dir_all(at.database.join(".build-1/deep")).expect("made");
    let first = Installation::begin(&at.database).expect("free");
    assert!(!at.database.join(".build-1").exists());
    assert!(matches!(import(&at.feeds, &at.database), Err(Error::Busy { .. })));
    drop(first);
    import(&at.feeds, &at.database).expect("imported");
    let left = std::fs::read_dir(&at.database).expect("listed").flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".build")));
}

/// Not a test of its own: what `a_builder_that_dies_leaves_the_old_data` runs in a child process.
#[test]
#[ignore = "runs as a child process of another test"]
#[allow(clippy::disallowed_methods, reason = "the exit code is the answer, past the test runner")]
fn child() {
    let at = |name: &str| PathBuf::from(std::env::var_os(name).expect("given by the parent"));
    if let Err(error) = import(&at("SEAWORTHY_TEST_FEEDS"), &at("SEAWORTHY_TEST_DATABASE")) {
        println!("{error}");
        std::process::exit(3);
    }
    std::process::exit(0);
}

fn run_child(at: &Place, prelude: &str) -> std::process::ExitStatus {
    let program = std::env::current_exe().expect("known");
    let script = format!("{prelude} exec \"$0\" --ignored --exact child >/dev/null 2>&1");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(program);
    command.env("SEAWORTHY_TEST_FEEDS", &at.feeds).env("SEAWORTHY_TEST_DATABASE", &at.database);
    command.status().expect("started")
}

#[test]
fn a_builder_that_dies_leaves_the_old_data() {
    let at = place(&[("npm.lines", NPM)]);
    import(&at.feeds, &at.database).expect("imported");
    let index = std::fs::read(at.database.join("index.json")).expect("there");
    std::fs::write(at.feeds.join("npm.lines"), format!("{NPM}many|20000\n")).expect("written");
    let check = |what: &str| {
        assert_eq!(std::fs::read(at.database.join("index.json")).expect("there"), index, "{what}");
        let database = Database::open(&at.database).expect("opened").value;
        assert_eq!(fixed(&database.records("npm", "@a/left").expect("sound")), ["1.0"], "{what}");
        database.verify().expect(what);
    };
    // A file size limit stands for a full disk; ignored signal: an error, default: death at once.
    for blocks in [1, 8, 64, 256] {
        let refused = run_child(&at, &format!("trap '' XFSZ; ulimit -f {blocks};"));
        assert_eq!(refused.code(), Some(3), "{blocks} blocks");
        check("full disk");
        let left = std::fs::read_dir(&at.database).expect("listed").flatten();
        let names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.starts_with(".build")), "{names:?}");
        let killed = run_child(&at, &format!("ulimit -c 0; ulimit -f {blocks};"));
        assert!(!killed.success(), "{blocks} blocks");
        check("killed");
    }
    // Killed at some moments of its own time.
    for delay in ["0.02", "0.1", "0.2", "0.4"] {
        let _ = run_child(&at, &format!("(sleep {delay}; kill -9 $$) &"));
        let database = Database::open(&at.database).expect("opened").value;
        assert_eq!(fixed(&database.records("npm", "@a/left").expect("sound")), ["1.0"]);
        database.verify().expect("killed");
    }
    assert!(run_child(&at, "").success());
    let database = Database::open(&at.database).expect("opened").value;
    assert_eq!(fixed(&database.records("npm", "package-19999").expect("sound")), ["19999.0"]);
}

const LOG4J: &str = "org.apache.logging.log4j:log4j-core";

/// Main ids of what is said of log4j-core 2.14.1 by the starter set's or the test's words, with sources.
fn said(database: &Database, package: &str) -> Vec<String> {
    let records = database.records("maven", package).expect("sound");
    let mut said: Vec<String> = records
        .iter()
        .flat_map(|r| r.vulnerabilities.iter().map(|v| format!("{} {}", v.id, r.advisory.source)))
        .collect();
    said.sort();
    said
}

#[test]
fn the_starter_set_speaks_beside_partial_shards_only() {
    // Log4Shell by its alias, in data where other ecosystems' strays make the shard partial.
    let stray = format!("GHSA-jfh8-c2jp-5v3q|||12|maven|{LOG4J}|2.0\n");
    let other = "GHSA-9|CVE-2021-44228||12|maven|g:other|2.0\n";
    let at = place(&[("npm.lines", &format!("GHSA-8|||1|npm|a|1\n{stray}"))]);
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    assert_eq!(database.source("maven").expect("known").completeness, Completeness::Partial);
    let partial = said(&database, LOG4J);
    assert!(partial.contains(&"GHSA-jfh8-c2jp-5v3q test".into()), "{partial:?}");
    assert!(partial.contains(&"CVE-2021-45046 starter".into()), "{partial:?}");
    assert!(
        !partial.contains(&"CVE-2021-44228 starter".into()),
        "the installed word alone counts: {partial:?}"
    );
    assert!(
        said(&database, "org.springframework:spring-beans").iter().all(|line| line.ends_with(" starter"))
    );
    assert!(!said(&database, "org.springframework:spring-beans").is_empty());
    assert_eq!(
        database.names_ending("maven", "spring-beans").expect("sound"),
        ["org.springframework:spring-beans"]
    );

    // The same vulnerability in another package says nothing of this one.
    let at = place(&[("npm.lines", other)]);
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    assert!(said(&database, LOG4J).contains(&"CVE-2021-44228 starter".into()));

    // What the data say is fixed is not contradicted although no record is wanted.
    let fixed = format!("GHSA-9|CVE-2021-44228||12|maven|{LOG4J}|0.1\n");
    let at = place(&[("npm.lines", &fixed)]);
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    let starter = |affected: &Affected| affected.ranges.len() > 1;
    let records = database.records_where("maven", LOG4J, &mut |affected| starter(affected)).expect("sound");
    assert!(!records.is_empty() && records.iter().all(|record| record.advisory.id != "CVE-2021-44228"));

    // Complete data get nothing added.
    let at = place(&[("Maven.lines", other)]);
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    assert_eq!(database.source("maven").expect("known").completeness, Completeness::Complete);
    assert_eq!(said(&database, LOG4J), [""; 0]);
    assert_eq!(database.names_ending("maven", "spring-beans").expect("sound"), [""; 0]);
}

#[test]
fn the_starter_set_knows_exploited_ones_that_a_partial_catalogue_lacks() {
    let kev = "kev|CVE-2014-0160|2001-01-01\n";
    let partial = r#"{"seaworthy_manifest":1,"entries":[{"shards":["kev"],"completeness":"partial"}]}"#;
    for (manifest, added) in [(partial, true), (r#"{"seaworthy_manifest":1}"#, false)] {
        let at = place(&[("npm.lines", NPM), ("kev.lines", kev), ("seaworthy-manifest.json", manifest)]);
        import(&at.feeds, &at.database).expect("imported");
        let database = Database::open(&at.database).expect("opened").value;
        let day = |id: &str| database.enrichment(id).expect("sound").kev.map(|kev| kev.added.to_string());
        assert_eq!(day("CVE-2014-0160").as_deref(), Some("2001-01-01"), "the catalogue's word stands");
        assert_eq!(day("CVE-2021-44228").as_deref(), added.then_some("2021-12-10"));
    }
}

#[test]
fn a_shard_that_stays_because_its_file_failed_says_so() {
    let at = place(&[("npm.lines", NPM)]);
    import(&at.feeds, &at.database).expect("imported");
    std::fs::write(at.feeds.join("npm.lines"), "broken\n").expect("written");
    std::fs::write(at.feeds.join("PyPI.lines"), "PYSEC-7|||20|pypi|left|1\n").expect("written");
    import(&at.feeds, &at.database).expect("imported");
    let database = Database::open(&at.database).expect("opened").value;
    assert_eq!(fixed(&database.records("npm", "@a/left").expect("sound")), ["1.0"]);
    let lost = database.lost("npm");
    assert_eq!((lost.len(), lost[0].code.as_str(), lost[0].count), (1, "feed-failed", 1), "{lost:?}");
    assert!(lost[0].detail.contains("`npm.lines`") && lost[0].packages.is_empty());
    assert!(database.lost("pypi").is_empty() && database.lost("maven").is_empty());
    std::fs::write(at.feeds.join("npm.lines"), NPM).expect("written");
    import(&at.feeds, &at.database).expect("imported");
    assert!(Database::open(&at.database).expect("opened").value.lost("npm").is_empty());
}
