//! Measures delivery of data: `deliver_figures FEEDS MANIFEST WORK [first | days | scores]`.
//!
//! Builds the database of a snapshot, and others without the records of its newest days; publishes the one
//! after the other; fetches from the publication what a first scan of an Alpine image needs, everything,
//! and a day's changes. Scores of a second day are made up, and told apart.

use seaworthy_advisory::database::container::{Container, Kind};
use seaworthy_advisory::database::epss;
use seaworthy_advisory::deliver::{
    BundleChoice, Choice, Expired, Fetch, Fetched, Folder, How, MAIN, PrivateKey, Publish, Published,
    Trusted, Unsigned, export,
};
use seaworthy_advisory::feed::{self, Address, Feed, FeedError, ReadSeek, Sink};
use seaworthy_advisory::import::{Import, Others};
use seaworthy_advisory::{Database, Index, Lookup as _};
use seaworthy_types::{About, Advisory, Date, Enrichment, Note, Timestamp};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NOW: Timestamp = Timestamp(1_795_500_000);
const DAY: i64 = 86_400;
/// The release of the Alpine image that is scanned first.
const ALPINE: &str = "alpine:3.20";
/// How many of the newest days are left out.
const DAYS: [i32; 3] = [1, 2, 7];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [feeds, manifest, work, part @ ..] = arguments.as_slice() else {
        return Err("arguments: FEEDS MANIFEST WORK [first | days | scores]".into());
    };
    let wants = |name: &str| part.is_empty() || part.iter().any(|part| part == name);
    let (feeds, manifest, work) = (PathBuf::from(feeds), Path::new(manifest), Path::new(work));
    std::fs::create_dir_all(work)?;
    let today = work.join("today");
    build(&feeds, manifest, &today, i32::MAX)?;
    if wants("first") {
        first_scan(work, &today)?;
    }
    for days in DAYS.into_iter().filter(|_| wants("days")) {
        // The last day of the snapshot is 2026-08-22: records of that day and later are the newest day's.
        let first = Date::parse("2026-08-22").ok_or("a day")?.0 - days + 1;
        let before = work.join(format!("without-{days}"));
        build(&feeds, manifest, &before, first)?;
        day(work, &before, &today, days)?;
    }
    if wants("scores") {
        scores(work, &today)?;
    }
    Ok(())
}

/// Builds a database without records that were changed on or after a day, when it is not there.
fn build(feeds: &Path, manifest: &Path, database: &Path, first: i32) -> Result<(), Failure> {
    if database.join("index.json").exists() {
        return Ok(());
    }
    let wrapped: Vec<&'static dyn Feed> = feed::ALL
        .iter()
        .map(|inner| {
            let boxed: Box<dyn Feed> = Box::new(Older { inner: *inner, first });
            &*Box::leak(boxed)
        })
        .collect();
    let import = Import {
        sources: &[feeds.to_owned()],
        database,
        feeds: &wrapped,
        now: NOW,
        manifest: Some(manifest),
        others: Others::Remove,
        arrivals: None,
    };
    let value = import.run(&mut |_| {})?.value;
    println!("{}: {} records", database.display(), value.records);
    Ok(())
}

/// A feed without what was changed on or after a day.
struct Older {
    inner: &'static dyn Feed,
    first: i32,
}

impl Feed for Older {
    fn about(&self) -> &'static About {
        self.inner.about()
    }
    fn claims(&self, path: &str) -> Option<String> {
        self.inner.claims(path)
    }
    fn addresses(&self) -> Vec<Address> {
        self.inner.addresses()
    }
    fn read(&self, part: &str, input: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        self.inner.read(part, input, &mut Sieve { inner: sink, first: self.first })
    }
}

struct Sieve<'a> {
    inner: &'a mut dyn Sink,
    first: i32,
}

impl Sink for Sieve<'_> {
    fn advisory(&mut self, advisory: Advisory) {
        let changed = advisory.modified.max(advisory.published);
        if changed.is_none_or(|time| time.date().0 < self.first) {
            self.inner.advisory(advisory);
        }
    }
    fn enrichment(&mut self, id: &str, mut enrichment: Enrichment) {
        enrichment.kev = enrichment.kev.filter(|kev| kev.added.0 < self.first);
        self.inner.enrichment(id, enrichment);
    }
    fn note(&mut self, note: Note) {
        self.inner.note(note);
    }
}

fn key() -> Result<PrivateKey, Failure> {
    Ok(PrivateKey::from_seed(&[7; 32])?)
}

fn publish(work: &Path, database: &Path, depot: &Folder, day: i64) -> Result<Published, Failure> {
    let key = key()?;
    let start = Instant::now();
    let publish = Publish {
        database,
        earlier: Some(depot),
        depot,
        keys: &[&key],
        trusted: &Trusted::default(),
        publication: MAIN,
        now: Timestamp(NOW.0 + day * DAY),
        lifetime_seconds: 7 * DAY,
        earlier_days: 7,
        work,
    };
    let outcome = publish.run(&mut |_| {})?;
    for note in &outcome.notes {
        println!("  {} {}: {}", note.code, note.subject, note.detail);
    }
    let published = outcome.value;
    println!(
        "publish {}: {:?}, {} files put with {} bytes, index {} bytes",
        database.display(),
        start.elapsed(),
        published.files,
        published.bytes,
        published.index_bytes
    );
    Ok(published)
}

/// Fetches with peak memory measured anew (where the system lets us).
fn fetch(folder: &Path, depot: &Folder, choice: Choice<'_>, day: i64) -> Result<Fetched, Failure> {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = kilobytes("VmRSS:");
    let start = Instant::now();
    let fetch = Fetch {
        stores: &[depot],
        database: folder,
        choice,
        trusted: &Trusted::new(&[key()?.public()])?,
        unsigned: Unsigned::Refuse,
        expired: Expired::Refuse,
        now: Timestamp(NOW.0 + day * DAY),
    };
    let fetched = fetch.run(&mut |_| {})?.value;
    println!(
        "fetch: {:?}, {} files, {} bytes, peak {} kB above {before} kB",
        start.elapsed(),
        fetched.files,
        fetched.bytes,
        kilobytes("VmHWM:").saturating_sub(before)
    );
    Ok(fetched)
}

fn tell(fetched: &Fetched, at_least: u64) {
    for shard in fetched.shards.iter().filter(|shard| shard.bytes >= at_least && shard.files > 0) {
        println!("  {:<16} {:?} {:>8} bytes", shard.shard, shard.how, shard.bytes);
    }
}

fn first_scan(work: &Path, today: &Path) -> Result<(), Failure> {
    println!("== first scan of an image of {ALPINE}, and everything");
    let depot = Folder::new(&clean(work, "depot")?);
    let published = publish(work, today, &depot, 0)?;
    let full: u64 = published.shards.iter().map(|shard| shard.full.bytes).sum();
    println!("{} shards, {full} bytes in all", published.shards.len());
    let fetched = fetch(&clean(work, "alpine")?, &depot, Choice::Needed(&[ALPINE.to_owned()]), 0)?;
    tell(&fetched, 0);
    let all = work.join("all");
    fetch(&clean(work, "all")?, &depot, Choice::All, 0)?;
    let start = Instant::now();
    let bundled = export(&all, BundleChoice::All, &work.join("bundle.tar"), NOW)?;
    println!("bundle of everything: {:?}, {} bytes", start.elapsed(), bundled.bytes);
    same(today, &all)
}

/// Every record of the built database and of the fetched one, and how long both take to look them up.
fn same(built: &Path, fetched: &Path) -> Result<(), Failure> {
    let (built, fetched) = (Database::open(built)?.value, Database::open(fetched)?.value);
    let (mut records, mut names, mut times) = (0, 0, [Duration::ZERO; 2]);
    for shard in built.installed().filter(|shard| shard.kind == "packages") {
        for name in built.names(&shard.shard)? {
            let mut found = Vec::new();
            for (database, time) in [&built, &fetched].into_iter().zip(&mut times) {
                let start = Instant::now();
                found.push(database.records(&shard.shard, &name)?);
                *time += start.elapsed();
            }
            if found.first() != found.get(1) {
                return Err(format!("{} {name}: other records", shard.shard).into());
            }
            (records, names) = (records + found.first().map_or(0, Vec::len), names + 1);
        }
    }
    println!("{names} names with {records} records: the same; built {:?}, fetched {:?}", times[0], times[1]);
    Ok(())
}

fn day(work: &Path, before: &Path, today: &Path, days: i32) -> Result<(), Failure> {
    println!("== the newest {days} days of records, scores unchanged");
    let depot = Folder::new(&clean(work, "depot")?);
    publish(work, before, &depot, 0)?;
    let folder = clean(work, "fetched")?;
    fetch(&folder, &depot, Choice::All, 0)?;
    publish(work, today, &depot, 1)?;
    let fetched = fetch(&folder, &depot, Choice::All, 1)?;
    let deltas: u64 = fetched.shards.iter().map(|shard| shard.bytes).sum();
    let whole = fetched.shards.iter().filter(|shard| shard.how == How::Full).count();
    println!("deltas of all shards: {deltas} bytes; {whole} shards came whole");
    tell(&fetched, 1);
    Ok(())
}

/// A made-up second day of scores: two in three stay, most others move by a few per cent, a few jump, and
/// three hundred are new.
fn scores(work: &Path, today: &Path) -> Result<(), Failure> {
    println!("== scores of a made-up second day");
    let depot = Folder::new(&clean(work, "depot")?);
    publish(work, today, &depot, 0)?;
    let folder = clean(work, "fetched")?;
    fetch(&folder, &depot, Choice::Named(&["epss".to_owned()]), 0)?;
    let second = clean(work, "second")?;
    copy_with_scores(today, &second)?;
    publish(work, &second, &depot, 1)?;
    let fetched = fetch(&folder, &depot, Choice::Named(&["epss".to_owned()]), 1)?;
    tell(&fetched, 1);
    Ok(())
}

fn copy_with_scores(today: &Path, second: &Path) -> Result<(), Failure> {
    let (mut index, _) = Index::read(today)?.ok_or("a database")?;
    for shard in index.shards.iter().filter(|shard| !shard.file.is_empty()) {
        std::fs::copy(today.join(&shard.file), second.join(&shard.file))?;
    }
    let shard = index.shards.iter_mut().find(|shard| shard.kind == "epss").ok_or("scores")?;
    let opened = Container::open(&today.join(&shard.file), shard.bytes, Kind::Epss);
    let mut entries = epss::entries(&opened.map_err(|error| format!("{error:?}"))?)?;
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut moved = 0;
    for (_, score, _) in &mut entries {
        let before = *score;
        *score = match random(100) {
            0..=65 => *score,
            66..=98 => (f64::from(*score) * (0.97 + random(60) as f64 / 1_000.0)) as u32 / 10 * 10,
            _ => (random(20_000) * 10) as u32,
        };
        *score = (*score).min(1_000_000);
        moved += u32::from(before != *score);
    }
    let last = entries.last().map_or(0, |entry| entry.0);
    entries.extend((1..=300).map(|number| (last + number * 2, (random(90) * 10 + 20) as u32, 0)));
    let percentiles = epss::percentiles(&entries);
    entries.iter_mut().zip(percentiles).for_each(|(entry, percentile)| entry.2 = percentile);
    println!("{moved} of {} scores moved, 300 are new", entries.len());
    let file = second.join("epss-second.sw");
    let (_, sha256, bytes) = epss::write(std::fs::File::create(&file)?, &entries)?;
    (shard.file, shard.sha256, shard.bytes) = ("epss-second.sw".into(), sha256, bytes);
    shard.records = entries.len() as u64;
    std::fs::write(second.join("index.json"), serde_json::to_vec(&index)?)?;
    Ok(())
}

/// An empty folder of that name.
fn clean(work: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = work.join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn kilobytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
