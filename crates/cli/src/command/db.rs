//! `seaworthy db`: update, status, verify. The only command that may use the network.

use super::setup::{database_folder, now};
use crate::arguments::{Arguments, DbCommand};
use crate::config::Config;
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::feed::{ALL, Address, Feed};
use seaworthy_advisory::import::manifest::MANIFEST_FILE;
use seaworthy_advisory::import::{Import, Imported, Others};
use seaworthy_advisory::install::Installation;
use seaworthy_advisory::{Database, Lookup as _};
use seaworthy_net::Client;
use seaworthy_report::text::{bytes, clean, thousands};
use seaworthy_scan::Progress as _;
use seaworthy_types::{Completeness, DataStatus, Grade, Note, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// No feed's file is larger.
const DOWNLOAD_BYTES_MAX: u64 = 8 << 30;

/// Runs one of the database's commands.
pub fn run(arguments: &Arguments, config: &Config, command: &DbCommand) -> Result<Code> {
    let folder = database_folder(arguments, config);
    match command {
        DbCommand::Update { from, manifest, only } => {
            let feeds = chosen(only)?;
            update(arguments.quiet, &folder, from.as_deref(), manifest.as_deref(), &feeds)
        }
        DbCommand::Status { json } => status(&folder, *json),
        DbCommand::Verify => verify(&folder),
    }
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

fn update(
    quiet: bool,
    folder: &Path,
    from: Option<&str>,
    manifest: Option<&Path>,
    feeds: &[&'static dyn Feed],
) -> Result<Code> {
    let bar = Bar::new(quiet);
    let local = from.filter(|from| !is_address(from));
    if let Some(path) = local.filter(|path| !Path::new(path).exists()) {
        bail!("`{path}` does not exist: name a folder or file of feeds, or the address of a mirror");
    }
    // Before anything is downloaded: of two updates at once the second one ends here. What it makes goes
    // with it, and what a killed one left is swept by the next.
    let installation = Installation::begin(folder)?;
    let (source, mut notes) = match local {
        Some(path) => (PathBuf::from(path), Vec::new()),
        None => {
            let staging = installation.building().join("feeds");
            let notes = download(&staging, from, feeds, &bar, quiet)?;
            (staging, notes)
        }
    };
    let import = Import {
        sources: &[source],
        database: folder,
        feeds,
        now: now(),
        manifest,
        others: if local.is_some() && feeds.len() == ALL.len() { Others::Remove } else { Others::Keep },
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
    let Outcome { value, notes: more } = result?;
    notes.extend(more);
    if !quiet {
        summary(&value, &notes)?;
    }
    let failed = notes.iter().any(|note| note.grade == Grade::Gap && note.code == "feed-failed");
    Ok(if failed { Code::Incomplete } else { Code::Clean })
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Downloads every feed's files, from a mirror or from their own addresses. A feed that cannot be had is
/// a gap and blocks no other.
fn download(
    staging: &Path,
    mirror: Option<&str>,
    feeds: &[&'static dyn Feed],
    bar: &Bar,
    quiet: bool,
) -> Result<Vec<Note>> {
    std::fs::create_dir_all(staging).with_context(|| format!("making `{}`", staging.display()))?;
    let client = Client::new(concat!("seaworthy/", env!("CARGO_PKG_VERSION")));
    let mut notes = Vec::new();
    let mut had = 0;
    let mut dead = BTreeSet::new();
    let addresses =
        |feed: &&'static dyn Feed| feed.addresses().into_iter().map(|address| (feed.about().name, address));
    let all: Vec<(&str, Address)> = feeds.iter().flat_map(addresses).collect();
    for (feed, address) in &all {
        let url = match mirror {
            Some(base) => format!("{}/{}", base.trim_end_matches('/'), encoded(&address.path)),
            None => address.url.clone(),
        };
        let path = staging.join(&address.path);
        std::fs::create_dir_all(path.parent().unwrap_or(staging))?;
        if dead.contains(host(&url)) {
            let detail = format!("{url} was not tried: {} could not be reached before", host(&url));
            notes.push(Note::gap("feed-failed", feed, &address.path, detail));
            continue;
        }
        bar.stage(&format!("downloading {}", address.path), 0);
        match client.download(&url, &path, DOWNLOAD_BYTES_MAX, &mut |bytes| bar.advance(bytes)) {
            Ok(_) => had += 1,
            // A mirror may carry a part of the feeds; what it lacks is told once, below.
            Err(seaworthy_net::Error::Status { status: 404, .. }) if mirror.is_some() => {}
            // No fault of the network, and the next file would fare no better.
            Err(seaworthy_net::Error::Io { source, .. }) if is_local(&source) => {
                let what = format!(
                    "saving {url} in `{}`; the database that is installed stays as it is",
                    staging.display()
                );
                return Err(anyhow::Error::from(source).context(what));
            }
            Err(error) => {
                if matches!(error, seaworthy_net::Error::Request { .. }) {
                    dead.insert(host(&url).to_owned());
                }
                let detail =
                    crate::exit::error_text(&anyhow::Error::from(error)).replacen("seaworthy: ", "", 1);
                if !quiet {
                    bar.finish();
                    eprintln!("seaworthy: {detail}");
                }
                notes.push(Note::gap("feed-failed", feed, &address.path, detail));
            }
        }
    }
    if let Some(base) = mirror {
        let url = format!("{}/{MANIFEST_FILE}", base.trim_end_matches('/'));
        // A mirror need not have one; then its feeds count as complete.
        let _ = client.download(&url, &staging.join(MANIFEST_FILE), 1 << 20, &mut |_| ());
    }
    bar.finish();
    if had == 0 {
        bail!(
            "none of {} feed files could be had: is there a network, and does it let you through (HTTPS_PROXY)? \
             The database that is installed stays as it is. `--from FOLDER` imports feeds that are already here.",
            all.len()
        );
    }
    Ok(notes)
}

/// Whether saving failed because of this machine's disk.
fn is_local(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// The part of an address between its scheme and its path.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// Path of an address: colons and spaces of ecosystem names are percent-encoded.
fn encoded(path: &str) -> String {
    path.replace('%', "%25").replace(' ', "%20").replace(':', "%3A")
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

fn status(folder: &Path, json: bool) -> Result<Code> {
    let Outcome { value: database, notes } = Database::open(folder)?;
    let status = database.status();
    let mut out = crate::output::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&with_losses(&status, &database)?)?)?;
        return Ok(Code::Clean);
    }
    print_status(&mut out, folder, &status)?;
    print_losses(&mut out, &database)?;
    for note in notes {
        writeln!(out, "{}: {}", note.code, clean(&note.detail))?;
    }
    Ok(Code::Clean)
}

/// The status with what import lost of each shard beside it.
fn with_losses(status: &DataStatus, database: &Database) -> Result<serde_json::Value> {
    let mut value = serde_json::to_value(status)?;
    for source in value.get_mut("sources").and_then(|list| list.as_array_mut()).into_iter().flatten() {
        let lost = source.get("shard").and_then(|name| name.as_str()).map(|name| database.lost(name));
        let lost = serde_json::to_value(lost.unwrap_or_default())?;
        if let Some(source) = source.as_object_mut() {
            source.insert("lost".into(), lost);
        }
    }
    Ok(value)
}

/// One line for each shard and kind of loss.
fn print_losses(out: &mut impl Write, database: &Database) -> Result<()> {
    const NAMES_MAX: usize = 5;
    let mut first = true;
    for facts in database.installed() {
        for loss in &facts.lost {
            if std::mem::take(&mut first) {
                writeln!(out, "\nlost when the data were imported")?;
            }
            let mut names: Vec<String> = loss
                .packages
                .iter()
                .map(|(name, of)| {
                    format!("{} ({})", clean(name), clean(of.records.first().map_or("", String::as_str)))
                })
                .collect();
            let more = names.len().saturating_sub(NAMES_MAX);
            names.truncate(NAMES_MAX);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            if loss.unnamed > 0 {
                names.push(format!("{} on packages that are not known", thousands(loss.unnamed)));
            }
            let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
            let count = thousands(loss.count);
            writeln!(out, "{:24} {count:>9}  {} ({}){names}", facts.shard, loss.code, clean(&loss.detail))?;
        }
    }
    Ok(())
}

fn print_status(out: &mut impl Write, folder: &Path, status: &DataStatus) -> Result<()> {
    match status.built {
        Some(built) => writeln!(out, "database in {}, built {built}\n", folder.display())?,
        None => writeln!(out, "no database in {}: the built-in starter set is used\n", folder.display())?,
    }
    writeln!(out, "{:24} {:>9}  {:10}  {:8}", "shard", "records", "as of", "complete")?;
    for source in &status.sources {
        let day = source.as_of.map(|time| time.date().to_string()).unwrap_or_else(|| "unknown".into());
        let complete = match source.completeness {
            Completeness::Complete => "yes",
            Completeness::Partial => "partly",
            Completeness::Starter => "starter",
        };
        let remark =
            if source.completeness == Completeness::Partial { clean(&source.remark) } else { String::new() };
        let line =
            format!("{:24} {:>9}  {day:10}  {complete:8} {remark}", source.shard, thousands(source.records));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn verify(folder: &Path) -> Result<Code> {
    let Outcome { value: database, .. } = Database::open(folder)?;
    if database.built().is_none() {
        bail!("there is no database in `{}`: `seaworthy db update` installs one", folder.display());
    }
    database.verify()?;
    println!("every block of the database in {} is sound", folder.display());
    Ok(Code::Clean)
}
