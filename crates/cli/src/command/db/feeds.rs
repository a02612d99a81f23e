//! Feeds from their servers: kept in the cache folder with what the servers said of their versions, so that
//! the next build asks only for what changed. A feed that cannot be had is replaced by its last good copy,
//! and blocks no other. What it does not do: read feeds (`advisory`).
//!
//! Layout below the cache's folder: `feeds/<key>/` for each place (upstream itself, or a mirror), in it
//! `lock`, `state.json` and `files/`, laid out as upstream serves them.

use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::feed::{Address, Feed};
use seaworthy_advisory::import::Arrival;
use seaworthy_advisory::import::manifest::MANIFEST_FILE;
use seaworthy_net::registry::{Options, System};
use seaworthy_net::{Client, Downloaded, Error, Validator, WebError};
use seaworthy_scan::Progress as _;
use seaworthy_types::{Note, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// No feed's file is larger.
const DOWNLOAD_BYTES_MAX: u64 = 8 << 30;
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
const STATE_BYTES_MAX: u64 = 16 << 20;
const STATE_FILE: &str = "state.json";
/// Folder below the cache's.
pub const FOLDER: &str = "feeds";

/// Where feeds are fetched from.
pub struct Place<'a> {
    /// The cache's folder.
    pub cache: &'a Path,
    /// A mirror's address; without it every feed's own.
    pub mirror: Option<&'a str>,
    /// Certificate authorities besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// The present.
    pub now: Timestamp,
}

/// Feeds that are here now, held against other downloads.
pub struct Fetched {
    /// Where their files are.
    pub folder: PathBuf,
    /// How each came.
    pub arrivals: BTreeMap<String, Arrival>,
    /// What could not be had, in words.
    pub notes: Vec<Note>,
    /// How many files are new, and how many their servers called unchanged.
    pub counts: (usize, usize),
    // Held for its lock.
    _lock: File,
}

/// What is known of the files of one place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    files: BTreeMap<String, Known>,
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    url: String,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
    /// When the server last said that this is the present version.
    confirmed: Timestamp,
}

/// Downloads every feed's files that changed.
pub fn fetch(place: &Place<'_>, feeds: &[&'static dyn Feed], bar: &Bar, quiet: bool) -> Result<Fetched> {
    let mut work = Work::begin(place, bar, quiet)?;
    let addresses =
        |feed: &&'static dyn Feed| feed.addresses().into_iter().map(|address| (feed.about().name, address));
    let all: Vec<(&str, Address)> = feeds.iter().flat_map(addresses).collect();
    for (feed, address) in &all {
        let url = match place.mirror {
            Some(base) => format!("{}/{}", base.trim_end_matches('/'), encoded(&address.path)),
            None => address.url.clone(),
        };
        work.one(feed, &address.path, &url)?;
    }
    if let Some(base) = place.mirror {
        work.manifest(&format!("{}/{MANIFEST_FILE}", base.trim_end_matches('/')))?;
    }
    bar.finish();
    let Work { root, lock, arrivals, notes, counts, .. } = work;
    if arrivals.values().all(|arrival| !arrival.is_here) {
        bail!(
            "none of {} feed files could be had: is there a network, and does it let you through (HTTPS_PROXY)? \
             The database that is installed stays as it is. `--from FOLDER` imports feeds that are already here.",
            all.len()
        );
    }
    Ok(Fetched { folder: root.join("files"), arrivals, notes, counts, _lock: lock })
}

struct Work<'a> {
    place: &'a Place<'a>,
    root: PathBuf,
    lock: File,
    client: Client,
    state: State,
    arrivals: BTreeMap<String, Arrival>,
    notes: Vec<Note>,
    counts: (usize, usize),
    /// Servers that could not be reached.
    dead: BTreeSet<String>,
    bar: &'a Bar,
    quiet: bool,
}

impl<'a> Work<'a> {
    fn begin(place: &'a Place<'a>, bar: &'a Bar, quiet: bool) -> Result<Self> {
        let key = match place.mirror {
            Some(base) => seaworthy_scan::Cache::key(&[base.trim_end_matches('/').as_bytes()]),
            None => "upstream".to_owned(),
        };
        let root = place.cache.join(FOLDER).join(key.get(..16).unwrap_or(&key));
        let what = || format!("making `{}` for downloaded feeds", root.display());
        fs::create_dir_all(root.join("files")).with_context(what)?;
        let lock = File::create(root.join("lock")).with_context(what)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another program is downloading feeds to `{}`; try again when it has finished",
                root.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error).with_context(what),
        }
        let options = Options { ca_files: place.ca_files.clone(), ..Options::default() };
        let client = Client::new(options, Arc::new(System));
        let state = State::read(&root);
        Ok(Self {
            place,
            root,
            lock,
            client,
            state,
            arrivals: BTreeMap::new(),
            notes: Vec::new(),
            counts: (0, 0),
            dead: BTreeSet::new(),
            bar,
            quiet,
        })
    }

    /// What is known of a file that lies there whole, for this address.
    fn known(&self, path: &str, url: &str) -> Option<Known> {
        let known = self.state.files.get(path).filter(|known| known.url == url)?;
        let facts = fs::metadata(self.root.join("files").join(path)).ok()?;
        (facts.is_file() && facts.len() == known.bytes).then(|| known.clone())
    }

    /// Gets one file, or says why not. `Err` only for faults of this machine.
    fn one(&mut self, feed: &str, path: &str, url: &str) -> Result<()> {
        let known = self.known(path, url);
        let failure = if self.dead.contains(host(url)) {
            format!("{url} was not tried: {} could not be reached before", host(url))
        } else {
            self.bar.stage(&format!("downloading {path}"), 0);
            match self.download(path, url, known.as_ref(), DOWNLOAD_BYTES_MAX) {
                Ok(()) => return self.arrived(path),
                // A mirror may carry a part of the feeds.
                Err(Error::Web(WebError::NotFound { .. })) if self.place.mirror.is_some() => {
                    return self.forget(path);
                }
                Err(Error::Io { source, .. }) if is_local(&source) => return Err(self.local(source, url)),
                Err(error) => {
                    if matches!(&error, Error::Web(error) if error.is_an_outage()) {
                        self.dead.insert(host(url).to_owned());
                    }
                    let text = crate::exit::error_text(&anyhow::Error::from(error));
                    text.replacen("seaworthy: ", "", 1)
                }
            }
        };
        self.failed(feed, path, known, failure);
        Ok(())
    }

    fn failed(&mut self, feed: &str, path: &str, known: Option<Known>, failure: String) {
        let note = match &known {
            Some(copy) => {
                let day = copy.confirmed.date();
                let detail = format!("{failure} Its last good copy, of {day}, is used.");
                Note::info("feed-copy", feed, path, detail)
            }
            None => Note::gap("feed-failed", feed, path, failure.clone()),
        };
        if !self.quiet {
            self.bar.finish();
            eprintln!("seaworthy: {}", note.detail);
        }
        // The gap of a file that is not there is made where it is missed: at import.
        self.notes.extend(known.is_some().then_some(note));
        let as_of = known.as_ref().map(|copy| copy.confirmed);
        let arrival = Arrival { is_here: known.is_some(), as_of, failure: Some(failure) };
        self.arrivals.insert(path.to_owned(), arrival);
    }

    fn download(
        &mut self,
        path: &str,
        url: &str,
        known: Option<&Known>,
        bytes_max: u64,
    ) -> Result<(), Error> {
        let target = self.root.join("files").join(path);
        let made = fs::create_dir_all(target.parent().unwrap_or(&self.root));
        made.map_err(|source| Error::Io { url: url.to_owned(), path: target.clone(), source })?;
        let validator = known.map_or_else(Validator::default, |known| Validator {
            etag: known.etag.clone(),
            last_modified: known.last_modified.clone(),
        });
        let bar = self.bar;
        let got =
            self.client.download(url, &target, &validator, bytes_max, &mut |bytes| bar.advance(bytes))?;
        let confirmed = self.place.now;
        let fresh = match (got, known) {
            (Downloaded::New { bytes, validator: Validator { etag, last_modified } }, _) => {
                self.counts.0 += 1;
                Known { url: url.to_owned(), bytes, etag, last_modified, confirmed }
            }
            (Downloaded::Same, Some(known)) => {
                self.counts.1 += 1;
                Known { confirmed, ..known.clone() }
            }
            // Nobody says so of a version that was not named.
            (Downloaded::Same, None) => return Ok(()),
        };
        self.state.files.insert(path.to_owned(), fresh);
        Ok(())
    }

    fn arrived(&mut self, path: &str) -> Result<()> {
        // That a mirror has a file now does not say how old the file is.
        let as_of = self.place.mirror.is_none().then_some(self.place.now);
        self.arrivals.insert(path.to_owned(), Arrival { is_here: true, as_of, failure: None });
        self.save()
    }

    fn forget(&mut self, path: &str) -> Result<()> {
        let _ = fs::remove_file(self.root.join("files").join(path));
        match self.state.files.remove(path) {
            Some(_) => self.save(),
            None => Ok(()),
        }
    }

    /// A mirror need not have a manifest; then its feeds count as complete.
    fn manifest(&mut self, url: &str) -> Result<()> {
        let known = self.known(MANIFEST_FILE, url);
        match self.download(MANIFEST_FILE, url, known.as_ref(), MANIFEST_BYTES_MAX) {
            Ok(()) => self.save(),
            Err(Error::Web(WebError::NotFound { .. })) => self.forget(MANIFEST_FILE),
            Err(Error::Io { source, .. }) if is_local(&source) => Err(self.local(source, url)),
            Err(_) => Ok(()),
        }
    }

    fn save(&self) -> Result<()> {
        let path = self.root.join(STATE_FILE);
        let write = || {
            let bytes = serde_json::to_vec_pretty(&self.state).map_err(io::Error::other)?;
            let aside = self.root.join("state.part");
            fs::write(&aside, bytes)?;
            fs::rename(&aside, &path)
        };
        write().with_context(|| format!("writing `{}`", path.display()))
    }

    /// No fault of the network, and the next file would fare no better.
    fn local(&self, source: io::Error, url: &str) -> anyhow::Error {
        let what = format!(
            "saving {url} in `{}`; the database that is installed stays as it is",
            self.root.display()
        );
        anyhow::Error::from(source).context(what)
    }
}

impl State {
    /// What cannot be read counts as unknown: then everything is downloaded anew.
    fn read(root: &Path) -> Self {
        let mut bytes = Vec::new();
        let read = File::open(root.join(STATE_FILE))
            .and_then(|file| file.take(STATE_BYTES_MAX).read_to_end(&mut bytes));
        read.ok().and_then(|_| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
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
