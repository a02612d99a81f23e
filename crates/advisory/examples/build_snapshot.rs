//! Measures building and looking up: `build_snapshot FEEDS DATABASE [MANIFEST]`,
//! `build_snapshot --synthetic COUNT DATABASE` for made-up records in one shard, or
//! `build_snapshot --look-up DATABASE` for a database that is there.

use seaworthy_advisory::feed::{self, Address, Feed, FeedError, ReadSeek, Sink};
use seaworthy_advisory::import::{Import, Others};
use seaworthy_advisory::{Database, Lookup};
use seaworthy_types::{
    About, Advisory, Affected, Enrichment, Epss, Event, Range, RangeKind, Rating, Reads, Severity, Timestamp,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp(1_795_500_000);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--synthetic", count, database] => synthetic(count, Path::new(database)),
        ["--look-up", database] => look_up(Path::new(database)),
        [feeds, database] => real(feeds, Path::new(database), None),
        [feeds, database, manifest] => real(feeds, Path::new(database), Some(Path::new(manifest))),
        _ => {
            Err("arguments: FEEDS DATABASE [MANIFEST], --synthetic COUNT DATABASE, or --look-up DATABASE"
                .into())
        }
    }
}

fn real(feeds: &str, database: &Path, manifest: Option<&Path>) -> Result<(), Failure> {
    import(&[PathBuf::from(feeds)], feed::ALL, database, manifest)?;
    let (opened, processor) = (Instant::now(), processor_time());
    let loaded = Database::open(database)?.value;
    println!("open: {:?} ({:?} of processor time)", opened.elapsed(), processor_time() - processor);
    for facts in loaded.installed() {
        let source = facts.source();
        println!(
            "{:<16} {:>8} records {:>7} names {:>9} bytes {:?} {} {}",
            source.shard,
            source.records,
            facts.packages,
            facts.bytes,
            source.completeness,
            source.as_of.map(|time| time.date().to_string()).unwrap_or_default(),
            source.remark.chars().take(60).collect::<String>(),
        );
    }
    look_up(database)
}

fn synthetic(count: &str, database: &Path) -> Result<(), Failure> {
    static FEED: Synthetic = Synthetic;
    let folder = database.with_extension("feeds");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{count}.synthetic")), "x")?;
    import(&[folder], &[&FEED], database, None)?;
    look_up(database)
}

fn import(
    sources: &[PathBuf],
    feeds: &[&'static dyn Feed],
    database: &Path,
    manifest: Option<&Path>,
) -> Result<(), Failure> {
    let start = Instant::now();
    let import =
        Import { sources, database, feeds, now: NOW, manifest, others: Others::Remove, arrivals: None };
    let mut read = None;
    let outcome = import.run(&mut |progress| {
        if progress.path.is_empty() {
            read = Some(start.elapsed());
        }
    })?;
    for note in &outcome.notes {
        println!("{:?} {} {} {}: {}", note.grade, note.code, note.unit, note.subject, note.detail);
    }
    let value = &outcome.value;
    println!(
        "build: {:?} (feeds read after {read:?}), {} files, {} records, {} bytes, peak {} kB",
        start.elapsed(),
        value.files,
        value.records,
        value.bytes,
        peak_kilobytes(),
    );
    Ok(())
}

/// A thousand look-ups of names spread over all shards, one in five of them unknown.
fn look_up(database: &Path) -> Result<(), Failure> {
    let all = Database::open(database)?.value;
    let shards: Vec<String> =
        all.installed().filter(|facts| facts.kind == "packages").map(|facts| facts.shard.clone()).collect();
    let mut names = Vec::new();
    for shard in &shards {
        names.extend(all.names(shard)?.into_iter().map(|name| (shard.clone(), name)));
    }
    let mut state = 88_172_645_463_325_252_u64;
    let mut wanted = Vec::new();
    for number in 0..1_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (shard, name) = &names[(state % names.len() as u64) as usize];
        let name = if number % 5 == 0 { format!("{name}-unknown") } else { name.clone() };
        wanted.push((shard.clone(), name));
    }
    let rounds = [("statements, first time", false), ("statements, again", false), ("whole records", true)];
    let cold = Database::open(database)?.value;
    for (round, whole) in rounds {
        let (start, processor) = (Instant::now(), processor_time());
        let mut statements = 0;
        for (shard, name) in &wanted {
            cold.records_where(shard, name, &mut |_| {
                statements += 1;
                whole
            })?;
        }
        let used = processor_time() - processor;
        println!(
            "1000 look-ups, {round}: {:?} ({used:?} of processor time), {statements} statements",
            start.elapsed()
        );
    }
    let start = Instant::now();
    all.verify()?;
    println!("verify: {:?}", start.elapsed());
    Ok(())
}

/// Time this thread ran: the machine may be shared.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn peak_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Makes as many records as its file's name says.
struct Synthetic;

impl Feed for Synthetic {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "synthetic",
            version: 1,
            ecosystem: "npm",
            reads: Reads::Any,
            coverage: "Made-up records for measuring.",
        };
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        path.strip_suffix(".synthetic").map(str::to_owned)
    }
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }
    fn read(&self, part: &str, _input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        for number in 0..part.parse::<u64>().unwrap_or(0) {
            sink.advisory(made_up(number));
            let share = (number % 1_000) as f32 / 1_000.0;
            let epss = Some(Epss { probability: share, percentile: share });
            sink.enrichment(&cve(number), Enrichment { epss, ..Enrichment::default() });
        }
        Ok(())
    }
}

fn cve(number: u64) -> String {
    format!("CVE-{}-{:05}", 2000 + number % 25, number / 25 + 1_000)
}

fn made_up(number: u64) -> Advisory {
    let word = |salt: u64| format!("{:x}", (number ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let version = |part: u64| format!("{}.{}.{}", number % 7, part, number % 13);
    let range = |low, high| Range {
        kind: RangeKind::Semver,
        events: vec![Event::Introduced(version(low)), Event::Fixed(version(high))],
    };
    let affected = |place: u64| Affected {
        shard: "npm".into(),
        package: format!("@scope{}/package-{}", number % 97, (number * 3 + place * 7) % 200_000),
        ranges: vec![range(1, 5), range(7, 9)],
        ..Affected::default()
    };
    Advisory {
        id: format!("GHSA-{}", word(1)),
        source: "ghsa".into(),
        aliases: vec![cve(number), format!("PYSEC-{number}")],
        summary: format!("Made-up weakness {} in package {}", word(2), number % 200_000),
        details: (3..40).map(word).collect::<Vec<_>>().join(" and then "),
        ratings: vec![Rating {
            source: "ghsa".into(),
            severity: Severity::High,
            vector: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:N".into(),
            score_tenths: Some(91),
        }],
        modified: Some(Timestamp(1_700_000_000 + number as i64)),
        references: vec![format!("https://example.org/{}", word(50))],
        affected: (0..3).map(affected).collect(),
        ..Advisory::default()
    }
}
