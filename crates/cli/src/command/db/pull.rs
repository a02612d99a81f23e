//! `seaworthy db pull`, `update` and `import`: from published data to the installed database. And
//! `scan --update`: the same in the middle of a scan, once it is known what is needed.

use super::keys;
use super::places::Ways;
use crate::arguments::{Arguments, RegistryArguments, TrustArguments};
use crate::command::setup::{database_folder, now};
use crate::config::Config;
use crate::exit::{Code, error_text};
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::deliver::{
    Bundle, Choice, DeliverError, Expired, Fetch, FetchProgress, Fetched, How, Store, Trusted, Unsigned,
};
use seaworthy_advisory::{Database, Error, Index};
use seaworthy_report::text::{bytes, clean, count};
use seaworthy_scan::{Fresh, Progress, Refresh};
use seaworthy_types::{DataStatus, Note, Outcome, Timestamp};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a scan waits for another program that updates the same data.
const BUSY_WAIT: Duration = Duration::from_secs(120);
const BUSY_PAUSE: Duration = Duration::from_millis(200);

/// What is wanted of which places.
pub struct Wanted<'a> {
    /// Places as typed; empty for the configured ones.
    pub sources: &'a [String],
    /// Shards as typed.
    pub shards: &'a [String],
    /// Whether everything is added when no shard is named.
    pub is_all: bool,
}

/// Fetches and installs.
pub fn run(
    arguments: &Arguments,
    config: &Config,
    wanted: &Wanted<'_>,
    trust: &TrustArguments,
) -> Result<Code> {
    let folder = database_folder(arguments, config);
    let ways = Ways::new(arguments, config, &trust.registry);
    let stores = stores(wanted.sources, config, &ways)?;
    let trusted = keys::trusted(&trust.key, config)?;
    let choice = match (wanted.shards.is_empty(), wanted.is_all) {
        (false, _) => Choice::Named(wanted.shards),
        (true, true) => Choice::All,
        (true, false) if is_empty(&folder) => Choice::All,
        (true, false) => Choice::Installed,
    };
    let stores: Vec<&dyn Store> = stores.iter().map(|store| &**store).collect();
    let (unsigned, expired) = (Unsigned::Refuse, Expired::Refuse);
    let fetch = Fetch {
        stores: &stores,
        database: &folder,
        choice,
        trusted: &trusted,
        unsigned,
        expired,
        now: now(),
    };
    fetched(arguments, &fetch)
}

/// Installs from a file.
pub fn import(
    arguments: &Arguments,
    config: &Config,
    file: &Path,
    key: &[String],
    unsigned: Unsigned,
) -> Result<Code> {
    let folder = database_folder(arguments, config);
    let bundle = Bundle::open(file).with_context(|| format!("opening `{}`", file.display()))?;
    let trusted = keys::trusted(key, config)?;
    let shards = bundle.shards();
    let fetch = Fetch {
        stores: &[&bundle],
        database: &folder,
        choice: Choice::Needed(&shards),
        trusted: &trusted,
        unsigned,
        // Whoever carries a file by hand has no newer one; scans say how old it is.
        expired: Expired::Install,
        now: now(),
    };
    fetched(arguments, &fetch)
}

fn stores(typed: &[String], config: &Config, ways: &Ways) -> Result<Vec<Box<dyn Store>>> {
    let names = if typed.is_empty() { &config.database.sources } else { typed };
    if names.is_empty() {
        bail!(
            "no place of published data is named or configured: write one, or in seaworthy.toml \
             `[database]` with `sources = [\"https://…\"]` and `keys = [\"seaworthy-key-1 …\"]`; \
             `seaworthy db build` needs none and builds from upstream feeds"
        );
    }
    ways.stores(names)
}

fn is_empty(folder: &Path) -> bool {
    Index::read(folder).ok().flatten().is_none_or(|(index, _)| index.shards.is_empty())
}

fn fetched(arguments: &Arguments, fetch: &Fetch<'_>) -> Result<Code> {
    let bar = Bar::new(arguments.quiet);
    let mut shown = Shown::default();
    let result = fetch.run(&mut |progress| shown.show(&bar, progress));
    bar.finish();
    let what = || format!("updating the database in `{}`, which stays as it was", fetch.database.display());
    let Outcome { value, notes } = result.with_context(what)?;
    if !arguments.quiet {
        told(&value, fetch.database)?;
    }
    Ok(super::noted(arguments.quiet, &notes))
}

/// What of a fetch's progress is on the bar.
#[derive(Default)]
struct Shown {
    shard: String,
    bytes: u64,
}

impl Shown {
    fn show(&mut self, bar: &dyn Progress, progress: FetchProgress<'_>) {
        if self.shard != progress.shard || self.bytes == 0 {
            let number = (progress.done + 1).min(progress.total.max(1));
            let text = format!("fetching {} ({number} of {})", clean(progress.shard), progress.total);
            bar.stage(&text, 0);
            progress.shard.clone_into(&mut self.shard);
        }
        bar.advance(progress.bytes.saturating_sub(self.bytes));
        self.bytes = progress.bytes;
    }
}

fn told(fetched: &Fetched, folder: &Path) -> Result<()> {
    let mut out = crate::output::stdout();
    let of = |how: How| fetched.shards.iter().filter(|shard| shard.how == how).count();
    writeln!(
        out,
        "publication {} of {} from {}: {} whole, {} by deltas, {} unchanged; {} with {} fetched",
        fetched.sequence,
        fetched.made,
        clean(&fetched.store),
        count(of(How::Full) as u64, "shard"),
        of(How::Delta),
        of(How::Unchanged) + of(How::Facts),
        count(u64::from(fetched.files), "file"),
        bytes(fetched.bytes),
    )?;
    let publication = Index::read(folder)?.and_then(|(index, _)| index.publication);
    let missing = publication.map(|publication| publication.missing).unwrap_or_default();
    if !missing.is_empty() {
        let missing = count(missing.len() as u64, "shard");
        writeln!(
            out,
            "{missing} of it not installed (`seaworthy db status` lists them, `seaworthy db pull` adds them, \
             `seaworthy scan --update` adds what is needed)"
        )?;
    }
    Ok(())
}

/// Brings data up to date for scans.
pub struct Refresher {
    database: PathBuf,
    stores: Vec<Box<dyn Store>>,
    trusted: Trusted,
    now: Timestamp,
    done: Mutex<Done>,
}

/// What was fetched in this run; several targets share it.
#[derive(Default)]
struct Done {
    shards: BTreeSet<String>,
    opened: Option<(Arc<Database>, DataStatus, Vec<Note>)>,
}

impl Refresher {
    /// From the configured places. Of what was typed about the target's registry only its authorities count:
    /// that one image comes in plain HTTP is no word on data.
    pub fn new(arguments: &Arguments, config: &Config, registry: &RegistryArguments) -> Result<Self> {
        if config.database.sources.is_empty() {
            bail!(
                "--update needs places of published data: name them in seaworthy.toml, `[database]` with \
                 `sources = [\"https://…\"]` and `keys = [\"seaworthy-key-1 …\"]`; without them \
                 `seaworthy db update` builds from upstream feeds"
            );
        }
        Ok(Self {
            database: database_folder(arguments, config),
            stores: stores(&[], config, &Ways::configured(arguments, config, &registry.ca))?,
            trusted: keys::trusted(&[], config)?,
            now: now(),
            done: Mutex::default(),
        })
    }

    /// The data as they are after the last scan.
    pub fn database(&self) -> Option<Arc<Database>> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.opened.as_ref().map(|(database, ..)| Arc::clone(database))
    }

    /// Waits for its turn when another program updates the same data.
    fn fetch(&self, shards: &[String], progress: &dyn Progress) -> Result<Outcome<Fetched>, DeliverError> {
        let stores: Vec<&dyn Store> = self.stores.iter().map(|store| &**store).collect();
        let fetch = Fetch {
            stores: &stores,
            database: &self.database,
            choice: Choice::Needed(shards),
            trusted: &self.trusted,
            unsigned: Unsigned::Refuse,
            expired: Expired::Refuse,
            now: self.now,
        };
        let start = Instant::now();
        let mut shown = Shown::default();
        loop {
            match fetch.run(&mut |at| shown.show(progress, at)) {
                Err(DeliverError::Database(Error::Busy { .. })) if start.elapsed() < BUSY_WAIT => {
                    std::thread::sleep(BUSY_PAUSE);
                }
                other => return other,
            }
        }
    }

    /// Opens what is installed now.
    fn open(&self, notes: &mut Vec<Note>) -> (Arc<Database>, DataStatus) {
        let database = match Database::open(&self.database) {
            Ok(outcome) => outcome.take(notes),
            Err(error) => {
                let detail = format!("the installed data cannot be used: {error}");
                notes.push(Note::gap("database-index", "database", "", detail));
                Database::starter_only()
            }
        };
        let status =
            DataStatus { built: database.built(), digest: database.digest().to_owned(), sources: Vec::new() };
        (Arc::new(database), status)
    }
}

impl Refresh for Refresher {
    fn refresh(&self, shards: &[String], progress: &dyn Progress) -> Fresh {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = done.opened.is_some() && shards.iter().all(|shard| done.shards.contains(shard));
        if !is_known {
            let mut notes = Vec::new();
            match self.fetch(shards, progress) {
                Ok(outcome) => notes.extend(outcome.notes),
                // Judged by what is here: better than not at all, and the result says so.
                Err(error) => {
                    let text = error_text(&anyhow::Error::from(error)).replacen("seaworthy: ", "", 1);
                    let detail = format!(
                        "the vulnerability data could not be updated, those installed were used: {text}"
                    );
                    notes.push(Note::gap("data-update-failed", "update", "", detail));
                }
            }
            let (database, status) = self.open(&mut notes);
            done.shards.extend(shards.iter().cloned());
            done.opened = Some((database, status, notes));
        }
        match &done.opened {
            Some((database, status, notes)) => {
                Fresh { data: Arc::clone(database) as _, status: status.clone(), notes: notes.clone() }
            }
            None => {
                let mut notes = Vec::new();
                let (database, status) = self.open(&mut notes);
                Fresh { data: database as _, status, notes }
            }
        }
    }
}
