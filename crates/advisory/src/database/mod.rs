//! The vulnerability database: a folder of read-only files, opened without parsing.
//!
//! # Folder
//!
//! `index.json` (see [`Index`]) names one file for each shard; a file's name ends in the beginning of
//! its SHA-256, so an update never changes a file that a running scan has open. `lock` is held while
//! a database is built. `index.previous.json` is the index before the last update: its files stay
//! until the next one. Folders named `.build-…` belong to a builder at work or to a dead one.
//!
//! # File, version 1
//!
//! All numbers are little-endian. Head: `SEAWDB\r\n`, u32 version, u32 kind (1 packages,
//! 2 vulnerabilities, 3 EPSS, 4 others). Sections, aligned to 8 bytes. Table: for each section 4 bytes of name,
//! u32 CRC32 (0: its blocks are checked one by one), u64 offset, u64 length. Foot: u64 offset of the
//! table, u32 count, u32 CRC32 of the table, `SEAWEND\n`.
//!
//! | section | content |
//! |---|---|
//! | `DATA` | zstd frames, one for each block of some kilobytes |
//! | `BLOX` | for each block: u64 offset in `DATA`, u32 length, u32 length decompressed, u32 CRC32 of the frame |
//! | `DICT` | zstd dictionary (raw content) for all blocks, may be empty |
//! | `KEYS` | u32 count, count + 1 u32 offsets, then the names in byte order |
//! | `ITEM` | for each name: u32 block, u32 offset, u32 length of its item |
//! | `ADVI` | for each advisory number: the same three numbers |
//! | `TAIL` | numbers of names, sorted by last part (after `:` or `/`) and then by name; empty when no name has parts |
//! | `MORE` | canonical records of kinds that this program does not know (see `deliver`) |
//! | `EDAT`, `EKEY` | EPSS (see `epss`; `EIDX` was the index of larger blocks) |
//!
//! A package's item: count, then for each entry the number of the advisory and what it says of the
//! package. An advisory's item: its vulnerabilities, then the advisory. A vulnerability's item: its
//! enrichment. Encoding: `stored` (postcard). Packages' items and advisories fill blocks of their own:
//! whether a version is affected is known without decompressing any text.
//!
//! # Evolution
//!
//! Adding is free: new keys in `index.json`, new kinds of shards, new sections, new tags in the
//! `extra` list of stored values are stepped over by older programs. A change that older programs would
//! misread (an order, a meaning, a new status or event code) raises the version: older programs then refuse
//! the file and say so. Tags and section names are never used twice.

pub mod container;
pub mod epss;
pub mod index;
pub mod shard;
pub mod stored;
pub(crate) mod wire;

pub use index::{Index, IndexShard, Publication};

use crate::build::join;
use crate::{Error, Lookup, LookupError, Loss, Record, Starter};
use container::{Container, Kind, hex, sha256_of};
use index::{FILE_KIND_EPSS, FILE_KIND_PACKAGES, FILE_KIND_VULNERABILITIES};
use seaworthy_types::{Affected, Completeness, DataSource, DataStatus, Enrichment, Note, Outcome, Timestamp};
use sha2::{Digest as _, Sha256};
use shard::{Shard, damaged, lookup_error};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// An opened database: installed shards, and the starter set for all others.
///
/// Beside a shard that is known to be partial the starter set speaks too, but only of vulnerabilities
/// that the shard says nothing about; to a complete one it adds nothing.
pub struct Database {
    folder: PathBuf,
    built: Option<Timestamp>,
    digest: String,
    shards: BTreeMap<String, Entry>,
    publication: Option<Publication>,
    starter: Starter,
}

struct Entry {
    facts: IndexShard,
    opened: OnceLock<Result<Opened, LookupError>>,
}

enum Opened {
    Shard(Shard, Kind),
    Epss(Container),
    /// An entry of the index that has no file.
    Nothing,
}

impl Entry {
    fn is_partial(&self) -> bool {
        self.facts.completeness == Completeness::Partial
    }
}

impl Database {
    /// Opens a folder; only its index is read. Without an index the starter set speaks, and a note
    /// says so.
    pub fn open(folder: &Path) -> Result<Outcome<Self>, Error> {
        let Some((index, bytes)) = Index::read(folder)? else {
            let detail = "no vulnerability data are installed: only the built-in starter set is used; \
                          run `seaworthy db update`";
            let note = Note::info("no-database", "database", folder.display().to_string(), detail);
            return Ok(Outcome { value: Self::starter_only(), notes: vec![note] });
        };
        let mut shards = BTreeMap::new();
        let mut notes = Vec::new();
        for facts in index.shards {
            if facts.kind != index::FILE_KIND_STATUS && !facts.file_is_sound() {
                let detail = format!("its file has the impossible name `{}`; data are not used", facts.file);
                notes.push(Note::gap("database-index", "database", &facts.shard, detail));
                continue;
            }
            notes.extend(absent_knowledge(&facts));
            shards.insert(facts.shard.clone(), Entry { facts, opened: OnceLock::new() });
        }
        let value = Self {
            folder: folder.to_owned(),
            built: Some(index.built),
            digest: format!("sha256:{}", hex(&Sha256::digest(&bytes))),
            shards,
            publication: index.publication,
            starter: Starter::new(),
        };
        Ok(Outcome { value, notes })
    }
    /// The built-in starter set alone.
    pub fn starter_only() -> Self {
        Self {
            folder: PathBuf::new(),
            built: None,
            digest: String::new(),
            shards: BTreeMap::new(),
            publication: None,
            starter: Starter::new(),
        }
    }
    /// When the database was built; `None` for the starter set alone.
    pub fn built(&self) -> Option<Timestamp> {
        self.built
    }
    /// Digest over the index, or empty.
    pub fn digest(&self) -> &str {
        &self.digest
    }
    /// The publication that the data were fetched from, at least in part.
    pub fn publication(&self) -> Option<&Publication> {
        self.publication.as_ref()
    }
    /// All shards: installed ones, and those of the starter set where nothing is installed.
    pub fn status(&self) -> DataStatus {
        let starter = self.starter.shards();
        let names: BTreeSet<&String> = self.shards.keys().chain(&starter).collect();
        let sources = names.into_iter().filter_map(|name| self.source(name)).collect();
        DataStatus { built: self.built, digest: self.digest.clone(), sources }
    }
    /// What the index says of the installed shards, sorted by name.
    pub fn installed(&self) -> impl Iterator<Item = &IndexShard> {
        self.shards.values().map(|entry| &entry.facts)
    }
    /// Checks every file against its SHA-256 and reads every record.
    pub fn verify(&self) -> Result<(), LookupError> {
        for (name, entry) in &self.shards {
            match self.opened(entry)? {
                Opened::Nothing => continue,
                Opened::Epss(container) => epss::verify(container).map_err(|what| damaged(name, &what))?,
                Opened::Shard(shard, kind) => shard.verify(*kind)?,
            }
            let digest = sha256_of(&self.folder.join(&entry.facts.file))
                .map_err(|error| lookup_error(name, error.into()))?;
            if digest != entry.facts.sha256 {
                return Err(damaged(name, "the file's digest is not the installed one"));
            }
        }
        Ok(())
    }
    /// All package names of an installed shard, sorted.
    pub fn names(&self, shard: &str) -> Result<Vec<String>, LookupError> {
        match self.entry(shard)? {
            Some(Opened::Shard(shard, _)) => {
                (0..shard.name_count()).map(|at| shard.name(at).map(str::to_owned)).collect()
            }
            _ => Ok(Vec::new()),
        }
    }

    fn entry(&self, shard: &str) -> Result<Option<&Opened>, LookupError> {
        self.shards.get(shard).map(|entry| self.opened(entry)).transpose()
    }
    fn opened<'a>(&self, entry: &'a Entry) -> Result<&'a Opened, LookupError> {
        entry.opened.get_or_init(|| self.open_file(&entry.facts)).as_ref().map_err(LookupError::clone)
    }
    fn open_file(&self, facts: &IndexShard) -> Result<Opened, LookupError> {
        let path = self.folder.join(&facts.file);
        let kind = match facts.kind.as_str() {
            FILE_KIND_PACKAGES => Kind::Packages,
            FILE_KIND_VULNERABILITIES => Kind::Vulnerabilities,
            FILE_KIND_EPSS => {
                let container = Container::open(&path, facts.bytes, Kind::Epss);
                return container.map(Opened::Epss).map_err(|error| lookup_error(&facts.shard, error));
            }
            _ => return Ok(Opened::Nothing),
        };
        Ok(Opened::Shard(Shard::open(&path, facts.bytes, kind, &facts.shard)?, kind))
    }
}

/// What a scan must say of knowledge about vulnerabilities that the last update could not have. (What is
/// missing about packages is told to who asks for them.) Without the catalogue of what is exploited a
/// verdict may be milder than it should; the rest only makes severities unknown, which count.
fn absent_knowledge(facts: &IndexShard) -> Option<Note> {
    let lost = facts.lost.iter().find(|loss| loss.code == crate::import::FAILED)?;
    if facts.kind == FILE_KIND_PACKAGES {
        return None;
    }
    let is_nothing = facts.records == 0 && facts.shard != crate::build::SHARD_EPSS;
    let (code, subject) = (crate::import::FAILED, facts.shard.clone());
    Some(match is_nothing {
        true => Note::gap(code, "database", subject, format!("{}: nothing of it is known", lost.detail)),
        false => Note::info(code, "database", subject, lost.detail.clone()),
    })
}

impl Lookup for Database {
    fn source(&self, shard: &str) -> Option<DataSource> {
        match self.shards.get(shard) {
            Some(entry) => Some(entry.facts.source()),
            None => self.starter.source(shard),
        }
    }
    fn records_where(
        &self,
        shard: &str,
        package: &str,
        wanted: &mut dyn FnMut(&Affected) -> bool,
    ) -> Result<Vec<Record>, LookupError> {
        let Some(entry) = self.shards.get(shard) else {
            return self.starter.records_where(shard, package, wanted);
        };
        let Opened::Shard(installed, Kind::Packages) = self.opened(entry)? else { return Ok(Vec::new()) };
        let mut records = installed.records(package, wanted)?;
        if entry.is_partial() {
            let said = || installed.records(package, &mut |_| true);
            let more = self.starter.beside(shard, package, &records, wanted, said)?;
            records.extend(more);
        }
        Ok(records)
    }
    fn expires(&self) -> Option<Timestamp> {
        // Of data that were built here since nobody promised anything.
        let fetched = self.shards.values().any(|entry| !entry.facts.content.is_empty());
        self.publication.as_ref().filter(|_| fetched).map(|publication| publication.expires)
    }
    fn is_left_out(&self, shard: &str) -> bool {
        let missing = self.publication.as_ref().map(|publication| &publication.missing);
        missing.is_some_and(|missing| missing.iter().any(|name| name == shard))
    }
    fn lost(&self, shard: &str) -> &[Loss] {
        self.shards.get(shard).map_or(&[], |entry| &entry.facts.lost)
    }
    fn enrichment(&self, id: &str) -> Result<Enrichment, LookupError> {
        let mut found = match self.entry(crate::build::SHARD_VULNERABILITIES)? {
            Some(Opened::Shard(shard, Kind::Vulnerabilities)) => shard.enrichment(id)?,
            _ => Enrichment::default(),
        };
        if let Some(Opened::Epss(container)) = self.entry(crate::build::SHARD_EPSS)? {
            found.epss =
                epss::find(container, id).map_err(|what| damaged(crate::build::SHARD_EPSS, &what))?;
        }
        let kev = self.shards.get(crate::build::SHARD_KEV);
        if kev.is_none_or(|entry| entry.is_partial() && found.kev.is_none()) {
            let starter = self.starter.enrichment(id)?;
            match kev {
                None => join(&mut found, starter),
                // Of what is installed the catalogue alone is partial.
                Some(_) => found.kev = starter.kev,
            }
        }
        Ok(found)
    }
    fn names_ending(&self, shard: &str, name: &str) -> Result<Vec<String>, LookupError> {
        let Some(entry) = self.shards.get(shard) else { return self.starter.names_ending(shard, name) };
        let Opened::Shard(installed, Kind::Packages) = self.opened(entry)? else { return Ok(Vec::new()) };
        let mut names = installed.names_ending(name)?;
        if entry.is_partial() {
            names.extend(self.starter.names_ending(shard, name)?);
            names.sort();
            names.dedup();
        }
        Ok(names)
    }
}
