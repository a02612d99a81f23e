//! `seaworthy db build`: from feeds to the database.

use super::feeds::{self, Place};
use crate::arguments::Arguments;
use crate::command::setup::{cache_folder, database_folder, now};
use crate::config::Config;
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::feed::{ALL, Feed};
use seaworthy_advisory::import::{FAILED, Import, Imported, Others};
use seaworthy_advisory::install::Installation;
use seaworthy_report::text::{bytes, clean, thousands};
use seaworthy_scan::Progress as _;
use seaworthy_types::{Grade, Note, Outcome};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to build from.
pub struct From<'a> {
    /// A folder, a file or a mirror's address; without it, every feed's own address.
    pub from: Option<&'a str>,
    /// A manifest in place of the one beside the feeds.
    pub manifest: Option<&'a Path>,
    /// Names of feeds; empty for all.
    pub only: &'a [String],
}

fn chosen(only: &[String]) -> Result<Vec<&'static dyn Feed>> {
    if only.is_empty() {
        return Ok(ALL.to_vec());
    }
    let by_name = |name: &String| {
        let found = ALL.iter().copied().find(|feed| feed.about().name == name);
        found.with_context(|| format!("there is no feed `{name}`: see `seaworthy list feeds`"))
    };
    only.iter().map(by_name).collect()
}

/// Builds the database and puts it in place.
pub fn run(arguments: &Arguments, config: &Config, source: &From<'_>) -> Result<Code> {
    let (folder, quiet) = (database_folder(arguments, config), arguments.quiet);
    let feeds = chosen(source.only)?;
    let bar = Bar::new(quiet);
    let local = source.from.filter(|from| !is_address(from));
    if let Some(path) = local.filter(|path| !Path::new(path).exists()) {
        bail!("`{path}` does not exist: name a folder or file of feeds, or the address of a mirror");
    }
    // Before anything is downloaded: of two updates at once the second one ends here. What it makes goes
    // with it, and what a killed one left is swept by the next.
    let installation = Installation::begin(&folder)?;
    let fetched = match local {
        Some(_) => None,
        None => {
            let cache = cache_folder(arguments, config);
            let ca_files = config.database.ca.clone();
            let place = Place { cache: &cache, mirror: source.from, ca_files, now: now() };
            Some(feeds::fetch(&place, &feeds, &bar, quiet)?)
        }
    };
    let import = Import {
        sources: &[fetched
            .as_ref()
            .map_or_else(|| PathBuf::from(local.unwrap_or_default()), |f| f.folder.clone())],
        database: &folder,
        feeds: &feeds,
        now: now(),
        manifest: source.manifest,
        others: if local.is_some() && feeds.len() == ALL.len() { Others::Remove } else { Others::Keep },
        arrivals: fetched.as_ref().map(|fetched| &fetched.arrivals),
    };
    let mut shown = String::new();
    let result = import.run_in(installation, &mut |progress| {
        let stage = match progress.path {
            "" => "building the database".to_owned(),
            path => format!("reading {path} ({} of {})", progress.done + 1, progress.total),
        };
        if stage != shown {
            bar.stage(&stage, 0);
            shown = stage;
        }
    });
    bar.finish();
    let Outcome { value, mut notes } = result?;
    let (mut new, mut same) = (0, 0);
    if let Some(fetched) = fetched {
        (new, same) = fetched.counts;
        notes.extend(fetched.notes);
    }
    if !quiet {
        if new + same > 0 {
            let mut out = crate::output::stdout();
            writeln!(out, "{new} feed files downloaded, {same} unchanged since the last time")?;
        }
        summary(&value, &notes)?;
    }
    let failed = notes
        .iter()
        .any(|note| note.code == "feed-copy" || (note.grade == Grade::Gap && note.code == FAILED));
    Ok(if failed { Code::Incomplete } else { Code::Clean })
}

/// Whether a text is the address of a mirror.
fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

fn summary(imported: &Imported, notes: &[Note]) -> Result<()> {
    let mut out = crate::output::stdout();
    writeln!(
        out,
        "{} records from {} files: {} shards, {}",
        thousands(imported.records),
        imported.files,
        imported.status.sources.len(),
        bytes(imported.bytes)
    )?;
    let mut counts: BTreeMap<(Grade, &str, &str), (usize, &Note)> = BTreeMap::new();
    for note in notes {
        counts.entry((note.grade, &note.code, &note.unit)).or_insert((0, note)).0 += 1;
    }
    for ((grade, code, unit), (count, first)) in counts.iter().rev() {
        let word = if *grade == Grade::Gap { "gap" } else { "note" };
        let more = if *count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        writeln!(out, "  {word} {code} [{unit}] {}: {}{more}", clean(&first.subject), clean(&first.detail))?;
    }
    Ok(())
}
