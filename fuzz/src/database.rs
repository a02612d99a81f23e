//! The database: the first byte chooses a shard that was built at the start, or one kind of stored
//! record. Then come edits of the shard's file (two bytes offset, one byte value) after which all
//! checksums are set right, so that damage reaches what lies behind them; or the record itself.

use seaworthy_advisory::database::container::{Container, Kind};
use seaworthy_advisory::database::shard::Shard;
use seaworthy_advisory::database::{Index, epss, stored};
use seaworthy_advisory::feed::{Address, Feed, FeedError, ReadSeek, Sink};
use seaworthy_advisory::import::{Import, Others};
use seaworthy_types::{
    About, Advisory, Affected, Enrichment, Epss, Event, Range, RangeKind, Reads, Timestamp,
};
use std::sync::OnceLock;

const EDITS_MAX: usize = 64;

struct Made;

impl Feed for Made {
    fn about(&self) -> &'static About {
        static ABOUT: About =
            About { name: "made", version: 1, ecosystem: "", reads: Reads::Any, coverage: "For fuzzing." };
        &ABOUT
    }
    fn claims(&self, path: &str) -> Option<String> {
        path.ends_with(".made").then(String::new)
    }
    fn addresses(&self) -> Vec<Address> {
        Vec::new()
    }
    fn read(&self, _: &str, _: &mut dyn ReadSeek, sink: &mut dyn Sink) -> Result<(), FeedError> {
        for number in 0..12 {
            for shard in ["npm", "maven"] {
                let events = vec![Event::Introduced("0".into()), Event::Fixed(format!("{number}.1"))];
                let affected = Affected {
                    shard: shard.into(),
                    package: format!("group-{}:name-{}", number % 3, number % 5),
                    ranges: vec![Range { kind: RangeKind::Ecosystem, events }],
                    ..Affected::default()
                };
                sink.advisory(Advisory {
                    id: format!("GHSA-{shard}-{number}"),
                    source: "made".into(),
                    aliases: vec![format!("CVE-2021-{:04}", number + 1)],
                    summary: "something is wrong".into(),
                    modified: Some(Timestamp(number)),
                    affected: vec![affected],
                    ..Advisory::default()
                });
            }
            let epss = Some(Epss { probability: 0.25, percentile: 0.5 });
            let summary = "said apart".to_owned();
            let id = format!("CVE-2021-{:04}", number + 1);
            sink.enrichment(&id, Enrichment { epss, summary, ..Enrichment::default() });
        }
        Ok(())
    }
}

struct File {
    bytes: Vec<u8>,
    kind: Kind,
}

fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (source, database) = (folder.path().join("feeds"), folder.path().join("db"));
        std::fs::create_dir(&source).expect("a folder");
        std::fs::write(source.join("x.made"), "x").expect("a file");
        let import = Import {
            sources: &[source],
            database: &database,
            feeds: &[&Made],
            now: Timestamp(1_795_500_000),
            manifest: None,
            others: Others::Remove,
            arrivals: None,
        };
        import.run(&mut |_| {}).expect("imported");
        let (index, _) = Index::read(&database).expect("an index").expect("an index");
        let file = |shard: &seaworthy_advisory::database::IndexShard| {
            let kind = match shard.kind.as_str() {
                "packages" => Kind::Packages,
                "vulnerabilities" => Kind::Vulnerabilities,
                "epss" => Kind::Epss,
                _ => return None,
            };
            Some(File { bytes: std::fs::read(database.join(&shard.file)).expect("a file"), kind })
        };
        let files: Vec<File> = index.shards.iter().filter_map(file).collect();
        assert!(files.len() > 3, "two shards of packages, one of vulnerabilities, one of scores");
        files
    })
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    usize::try_from(bytes.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte))).ok()
}

/// Sets checksums of blocks, sections and table right, where the numbers still lead somewhere.
fn repair(bytes: &mut [u8]) -> Option<()> {
    let foot = bytes.len().checked_sub(24)?;
    let (table, count) = (number(bytes, foot, 8)?, number(bytes, foot + 8, 4)?.min(64));
    let sections: Vec<(usize, usize, usize)> = (0..count)
        .filter_map(|index| {
            let at = table.checked_add(index * 24)?;
            Some((at, number(bytes, at + 8, 8)?, number(bytes, at + 16, 8)?))
        })
        .collect();
    let named = |bytes: &[u8], name: &[u8]| {
        sections.iter().copied().find(|(at, ..)| bytes.get(*at..).is_some_and(|b| b.starts_with(name)))
    };
    if let (Some((_, data, _)), Some((_, blocks, length))) = (named(bytes, b"DATA"), named(bytes, b"BLOX")) {
        for block in 0..(length / 20).min(64) {
            let at = blocks.checked_add(block * 20)?;
            let start = data.checked_add(number(bytes, at, 8)?)?;
            let end = start.checked_add(number(bytes, at + 8, 4)?)?;
            let sum = bytes.get(start..end).map(crc32fast::hash)?;
            bytes.get_mut(at + 16..at + 20)?.copy_from_slice(&sum.to_le_bytes());
        }
    }
    for (at, start, length) in sections {
        if number(bytes, at + 4, 4)? != 0 {
            let sum = crc32fast::hash(bytes.get(start..start.checked_add(length)?)?);
            bytes.get_mut(at + 4..at + 8)?.copy_from_slice(&sum.to_le_bytes());
        }
    }
    let sum = crc32fast::hash(bytes.get(table..table.checked_add(count * 24)?)?);
    bytes.get_mut(foot + 12..foot + 16)?.copy_from_slice(&sum.to_le_bytes());
    Some(())
}

fn look_up(bytes: Vec<u8>, kind: Kind) {
    let Ok(container) = Container::from_bytes(bytes, kind) else { return };
    if let Kind::Epss = kind {
        let _ = epss::verify(&container);
        for id in ["CVE-2021-0001", "CVE-2021-0012", "CVE-1999-0001", "CVE-2099-99999"] {
            let _ = epss::find(&container, id);
        }
        return;
    }
    let Ok(shard) = Shard::new(container, "fuzzed") else { return };
    let _ = shard.verify(kind);
    let names: Vec<String> = (0..shard.name_count().min(64))
        .filter_map(|at| shard.name(at).ok().map(str::to_owned))
        .chain(["", "group-1:name-1", "CVE-2021-0001", "zzz"].map(str::to_owned))
        .collect();
    for name in &names {
        let _ = shard.records(name, &mut |_| true);
        let _ = shard.enrichment(name);
        let _ = shard.names_ending(name);
    }
    let _ = shard.names_ending("name-1");
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let files = files();
    let choice = usize::from(*first) % (files.len() * 2 + 3);
    let Some(file) = files.get(choice / 2) else {
        match choice - files.len() * 2 {
            0 => drop(stored::decode_advisory(rest)),
            1 => drop(stored::decode_package(rest, "shard", "package", &mut |_, _| {})),
            _ => drop(stored::decode_enrichment(rest)),
        }
        return;
    };
    let mut bytes = file.bytes.clone();
    for edit in rest.chunks_exact(3).take(EDITS_MAX) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
        bytes[at] = edit[2];
    }
    if choice % 2 == 1 {
        let _ = repair(&mut bytes);
    }
    look_up(bytes, file.kind);
}
