//! Builds shards: takes what feeds say record by record, spills it, works out aliases over all feeds,
//! then sorts and compresses shard by shard.
//!
//! Memory: ids of all records and an index of some forty bytes for each record and package; texts lie
//! in temporary files. What it does not do: put files into place (`install`) or read feeds (`import`).

pub mod alias;
mod intern;
mod spill;
pub(crate) mod write;

use crate::Loss;
use crate::database::container::sha256_of;
use crate::database::index::{
    FILE_KIND_EPSS, FILE_KIND_PACKAGES, FILE_KIND_STATUS, FILE_KIND_VULNERABILITIES,
};
use crate::database::{IndexShard, epss, stored};
use crate::feed::Sink;
use crate::loss::Losses;
use alias::Graph;
use intern::Interner;
use rayon::prelude::*;
use seaworthy_types::{Advisory, Affected, Completeness, Enrichment, Note, Timestamp};
use spill::{AffectedEntry, RecordEntry, Spill};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use write::Written;

/// All spill buffers together.
const BUFFER_BYTES_MAX: usize = 64 << 20;
const SHARDS_MAX: usize = 4_096;
const NOTES_MAX: usize = 10_000;
const NAME_BYTES_MAX: usize = 1_024;
const DETAILS_BYTES_MAX: usize = 4_096;
const SUMMARY_BYTES_MAX: usize = 512;
const REFERENCES_MAX: usize = 16;
/// Given and derived percentiles of a whole feed differ by no more, in millionths (0.0017 in the feed of
/// 2026-08-16: FIRST ranks scores that it then rounds to five digits).
const PERCENTILE_ERROR_MAX: u32 = 5_000;
/// Shard of what is known of vulnerabilities besides packages.
pub const SHARD_VULNERABILITIES: &str = "cve";
/// Shard of EPSS scores.
pub const SHARD_EPSS: &str = "epss";
/// Name under which the catalogue of exploited vulnerabilities is listed; its data lie in `cve`.
pub const SHARD_KEV: &str = "kev";
/// Name under which SSVC decisions are listed; their data lie in `cve`.
pub const SHARD_SSVC: &str = "ssvc";

/// Collects records; a [`Sink`] for feeds.
pub struct Builder {
    folder: PathBuf,
    now: Timestamp,
    graph: Graph,
    sources: Interner,
    shards: BTreeMap<String, Spill>,
    vulnerabilities: Spill,
    epss: Vec<(u32, u32, u32)>,
    epss_files: BTreeSet<u32>,
    buffered: usize,
    file: u32,
    records: u64,
    notes: Vec<Note>,
    notes_lost: u64,
    /// What was lost, with the number of the file it was lost in.
    losses: BTreeMap<u32, Losses>,
    failure: Option<io::Error>,
}

/// Built shards, not yet in place.
#[derive(Debug)]
pub struct Built {
    /// Entries for the index, completeness not yet judged; sorted by shard.
    pub shards: Vec<IndexShard>,
    /// For each shard the numbers of the files its records came from.
    pub files: BTreeMap<String, BTreeSet<u32>>,
    /// Remarks of feeds and of the builder.
    pub notes: Vec<Note>,
    /// What was lost: number of the file, shard (empty: those that the file is the home of), what.
    pub losses: Vec<(u32, String, Loss)>,
}

impl Builder {
    /// Spills and built files go into `folder`, which exists and belongs to this builder alone.
    pub fn new(folder: &Path, now: Timestamp) -> Self {
        Self {
            folder: folder.to_owned(),
            now,
            graph: Graph::default(),
            sources: Interner::default(),
            shards: BTreeMap::new(),
            vulnerabilities: Spill::new(folder.join("spill-vulnerabilities")),
            epss: Vec::new(),
            epss_files: BTreeSet::new(),
            buffered: 0,
            file: 0,
            records: 0,
            notes: Vec::new(),
            notes_lost: 0,
            losses: BTreeMap::new(),
            failure: None,
        }
    }
    /// Records from now on come from this file; numbers are the caller's.
    pub fn begin_file(&mut self, number: u32) {
        self.file = number;
    }
    /// Advisories and enrichments taken so far.
    pub fn records(&self) -> u64 {
        self.records
    }
    /// Whether spilling failed: there is no use in going on.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
    /// Sorts, compresses and writes all shards into the folder.
    pub fn finish(mut self) -> io::Result<Built> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.notes_lost > 0 {
            let detail = format!("{} more remarks of feeds were left out", self.notes_lost);
            self.notes.push(Note::gap("import-notes", "import", "", detail));
        }
        self.sort_sources();
        let resolved = self.graph.resolve();
        let mut files: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let folder = &self.folder;
        let made: Vec<(IndexShard, BTreeSet<u32>, Vec<String>)> = self
            .shards
            .into_par_iter()
            .map(|(shard, spill)| write_packages(folder, &shard, spill, &resolved))
            .collect::<io::Result<_>>()?;
        let mut shards = Vec::new();
        for (shard, from, lost) in made {
            self.notes.extend(too_large(&shard.shard, &lost, self.losses.entry(self.file).or_default()));
            files.insert(shard.shard.clone(), from);
            shards.push(shard);
        }
        drop(resolved);
        let from = self.vulnerabilities.files.clone();
        let losses = self.losses.entry(self.file).or_default();
        let written =
            write_vulnerabilities(folder, self.vulnerabilities, self.now, (&mut self.notes, losses))?;
        for shard in written {
            files.insert(shard.shard.clone(), from.clone());
            shards.push(shard);
        }
        if !self.epss.is_empty() {
            files.insert(SHARD_EPSS.to_owned(), self.epss_files);
            shards.push(write_epss(folder, self.epss)?);
        }
        shards.sort_by(|one, other| one.shard.cmp(&other.shard));
        let losses = self
            .losses
            .into_iter()
            .flat_map(|(file, losses)| losses.take().map(move |(shard, loss)| (file, shard, loss)));
        Ok(Built { shards, files, notes: self.notes, losses: losses.collect() })
    }

    /// Numbers sources in the order of their names: words of one id stand in the same order everywhere.
    fn sort_sources(&mut self) {
        let mut order: Vec<u32> = (0..self.sources.len() as u32).collect();
        order.sort_unstable_by_key(|number| self.sources.text(*number));
        let mut rank = vec![0; order.len()];
        for (number, place) in order.into_iter().zip(0..) {
            if let Some(slot) = rank.get_mut(number as usize) {
                *slot = place;
            }
        }
        for record in self.shards.values_mut().flat_map(|spill| &mut spill.records) {
            record.source = rank.get(record.source as usize).copied().unwrap_or(0);
        }
    }

    fn refuse(&mut self, id: &str, why: &str) {
        self.refuse_on(("", ""), id, why);
    }
    /// Refuses what a record says of a shard's package.
    fn refuse_on(&mut self, place: (&str, &str), id: &str, why: &str) {
        let id: String = id.chars().take(80).collect();
        let losses = self.losses.entry(self.file).or_default();
        losses.add(place, "record-refused", &id, || why.to_owned());
        self.note(Note::gap("record-refused", "import", id, why));
    }
    /// Refuses all that a record says.
    fn refuse_all(&mut self, affected: &[Affected], id: &str, why: &str) {
        for entry in affected {
            let sound = is_shard(&entry.shard) && is_name(&entry.package);
            let place = if sound { (entry.shard.as_str(), entry.package.as_str()) } else { ("", "") };
            self.refuse_on(place, id, why);
        }
    }
    /// Puts an advisory into one shard.
    fn place(
        &mut self,
        shard: &str,
        advisory: &Advisory,
        ids: alias::RecordIds,
        text: &[u8],
        list: &[&Affected],
    ) -> Option<()> {
        let source = self.sources.add(&advisory.source)?;
        if !self.shards.contains_key(shard) {
            let path = self.folder.join(format!("spill-{}", self.shards.len()));
            self.shards.insert(shard.to_owned(), Spill::new(path));
        }
        let file = self.file;
        let spill = self.shards.get_mut(shard)?;
        let before = spill.buffered();
        spill.files.insert(file);
        let changed = advisory.modified.or(advisory.published).map(|time| time.0);
        // Dates in the future are mistakes; they must not make data look fresh.
        spill.newest = spill.newest.max(changed.filter(|time| *time <= self.now.0));
        let record = u32::try_from(spill.records.len()).ok()?;
        let place = spill.push(text)?;
        let modified = advisory.modified.map_or(i64::MIN, |time| time.0);
        spill.records.push(RecordEntry { ids, source, modified, place });
        for affected in list {
            let package = spill.names.add(&affected.package)?;
            let place = spill.push(&stored::encode_affected(affected))?;
            spill.affected.push(AffectedEntry { package, record, place });
        }
        self.buffered += spill.buffered() - before;
        Some(())
    }
    /// Moves buffers to disk when they are too many together.
    fn relieve(&mut self) {
        if self.buffered < BUFFER_BYTES_MAX {
            return;
        }
        self.buffered = 0;
        let all = self.shards.values_mut().chain(std::iter::once(&mut self.vulnerabilities));
        for spill in all {
            if let Err(error) = spill.flush() {
                self.failure.get_or_insert(error);
            }
        }
    }
}

impl Sink for Builder {
    fn advisory(&mut self, mut advisory: Advisory) {
        self.records += 1;
        let affected = std::mem::take(&mut advisory.affected);
        if !is_name(&advisory.id) {
            return self.refuse_all(
                &affected,
                &advisory.id,
                "the id is empty, too long or holds control characters",
            );
        }
        clip(&mut advisory);
        let Some(ids) = self.graph.add(&advisory.id, &advisory.aliases, &advisory.upstream) else {
            return self.refuse_all(&affected, &advisory.id, "there are too many ids");
        };
        let mut by_shard: BTreeMap<&str, Vec<&Affected>> = BTreeMap::new();
        for entry in &affected {
            if is_shard(&entry.shard) && is_name(&entry.package) {
                by_shard.entry(&entry.shard).or_default().push(entry);
            } else {
                self.refuse(&advisory.id, "a package's name or shard is empty, too long or malformed");
            }
        }
        let text = stored::encode_advisory(&advisory);
        for (shard, list) in by_shard {
            let why = match () {
                () if !self.shards.contains_key(shard) && self.shards.len() >= SHARDS_MAX => {
                    "there are too many shards"
                }
                () if self.place(shard, &advisory, ids, &text, &list).is_none() => "it is too large",
                () => continue,
            };
            for entry in list {
                self.refuse_on((shard, &entry.package), &advisory.id, why);
            }
        }
        self.relieve();
    }
    fn enrichment(&mut self, id: &str, mut enrichment: Enrichment) {
        self.records += 1;
        if !is_name(id) {
            return self.refuse(id, "the id is empty, too long or holds control characters");
        }
        if let Some(score) = enrichment.epss.take() {
            match epss::key_of(id) {
                Some(key) => {
                    self.epss.push((
                        key,
                        epss::millionths(score.probability),
                        epss::millionths(score.percentile),
                    ));
                    self.epss_files.insert(self.file);
                }
                None => self.refuse(id, "EPSS scores are kept for CVE ids only"),
            }
        }
        if enrichment == Enrichment::default() {
            return;
        }
        clip_text(&mut enrichment.summary, SUMMARY_BYTES_MAX);
        let before = self.vulnerabilities.buffered();
        let name = self.vulnerabilities.names.add(id);
        let place = self.vulnerabilities.push(&stored::encode_enrichment(&enrichment));
        if let Some((package, place)) = name.zip(place) {
            self.vulnerabilities.affected.push(AffectedEntry { package, record: 0, place });
            self.vulnerabilities.files.insert(self.file);
        } else {
            self.refuse(id, "it is too large");
        }
        self.buffered += self.vulnerabilities.buffered() - before;
        self.relieve();
    }
    fn note(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        } else {
            self.notes_lost += 1;
        }
    }
    fn lost(&mut self, shard: &str, loss: Loss) {
        self.losses.entry(self.file).or_default().join(shard, loss);
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

pub(crate) fn is_shard(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":.-_".contains(&byte);
    !name.is_empty() && name.len() <= 64 && name.bytes().all(allowed)
}

fn clip(advisory: &mut Advisory) {
    clip_text(&mut advisory.summary, SUMMARY_BYTES_MAX);
    clip_text(&mut advisory.details, DETAILS_BYTES_MAX);
    advisory.references.truncate(REFERENCES_MAX);
}

/// Cuts a text at a character boundary and marks the cut.
fn clip_text(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
}

/// An index entry for a file that is not there yet.
pub(crate) fn entry(shard: &str, kind: &str) -> IndexShard {
    IndexShard {
        shard: shard.to_owned(),
        kind: kind.to_owned(),
        file: String::new(),
        sha256: String::new(),
        bytes: 0,
        records: 0,
        packages: 0,
        as_of: None,
        completeness: Completeness::Complete,
        remark: String::new(),
        feeds: Vec::new(),
        lost: Vec::new(),
        content: String::new(),
    }
}

fn write_packages(
    folder: &Path,
    shard: &str,
    spill: Spill,
    resolved: &alias::Resolved,
) -> io::Result<(IndexShard, BTreeSet<u32>, Vec<String>)> {
    let (files, newest) = (spill.files.clone(), spill.newest);
    let sealed = spill.seal()?;
    let mut entry = IndexShard { as_of: newest.map(Timestamp), ..entry(shard, FILE_KIND_PACKAGES) };
    let written = in_file(folder, &mut entry, |output| write::packages(output, &sealed, resolved))?;
    Ok((entry, files, written.lost))
}

/// Names of a shard whose data were not kept.
fn too_large(shard: &str, names: &[String], losses: &mut Losses) -> Vec<Note> {
    let mut note = |name: &String| {
        let detail = format!("its data in `{shard}` are too large");
        losses.add((shard, name), "record-refused", name, || detail.clone());
        Note::gap("record-refused", "import", name, detail)
    };
    names.iter().map(&mut note).collect()
}

/// Joins all that was said of each vulnerability and writes it; gives the shard and the entries that
/// only say how much of it is KEV and SSVC.
fn write_vulnerabilities(
    folder: &Path,
    spill: Spill,
    now: Timestamp,
    (notes, losses): (&mut Vec<Note>, &mut Losses),
) -> io::Result<Vec<IndexShard>> {
    if spill.affected.is_empty() {
        return Ok(Vec::new());
    }
    let sealed = spill.seal()?;
    let spill = &sealed.spill;
    let mut order = spill.affected.clone();
    order.par_sort_by_key(|entry| (spill.names.text(entry.package), entry.place.order()));
    let mut kev = entry(SHARD_KEV, FILE_KIND_STATUS);
    let mut ssvc = entry(SHARD_SSVC, FILE_KIND_STATUS);
    let mut items = Vec::with_capacity(spill.names.len());
    for group in order.chunk_by(|one, other| one.package == other.package) {
        let Some(first) = group.first() else { continue };
        let mut joined = Enrichment::default();
        for said in group {
            let read = stored::decode_enrichment(&sealed.read(said.place)?);
            join(&mut joined, read.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?);
        }
        if let Some(found) = &joined.kev {
            kev.records += 1;
            let added = Some(Timestamp(i64::from(found.added.0) * 86_400));
            kev.as_of = kev.as_of.max(added.filter(|added| *added <= now));
        }
        ssvc.records += u64::from(joined.ssvc.is_some());
        items.push((spill.names.text(first.package).to_owned(), stored::encode_enrichment(&joined)));
    }
    let mut shard = entry(SHARD_VULNERABILITIES, FILE_KIND_VULNERABILITIES);
    let written = in_file(folder, &mut shard, |output| write::enrichments(output, &items))?;
    notes.extend(too_large(SHARD_VULNERABILITIES, &written.lost, losses));
    Ok([shard, kev, ssvc].into_iter().filter(|entry| entry.records > 0).collect())
}

/// Adds what another source says; what was said first stays where only one can speak.
pub(crate) fn join(joined: &mut Enrichment, said: Enrichment) {
    joined.kev = joined.kev.take().or(said.kev);
    joined.ssvc = joined.ssvc.take().or(said.ssvc);
    joined.epss = joined.epss.take().or(said.epss);
    joined.rejected |= said.rejected;
    if joined.summary.is_empty() {
        joined.summary = said.summary;
    }
    for rating in said.ratings {
        if !joined.ratings.contains(&rating) {
            joined.ratings.push(rating);
        }
    }
    joined.cwes.extend(said.cwes);
    joined.cwes.sort();
    joined.cwes.dedup();
    joined.ratings.sort_by(|one, other| (&one.source, &one.vector).cmp(&(&other.source, &other.vector)));
}

fn write_epss(folder: &Path, mut scores: Vec<(u32, u32, u32)>) -> io::Result<IndexShard> {
    // The sort is stable: of several scores of one CVE the one that came last stands.
    scores.sort_by_key(|score| score.0);
    scores.reverse();
    scores.dedup_by_key(|score| score.0);
    scores.reverse();
    // A whole feed's percentiles follow from its scores, and are not delivered with them: the same are
    // kept here, so that built and fetched data say the same. Those of a part do not follow.
    let derived = epss::percentiles(&scores);
    let fits =
        |(score, derived): (&(u32, u32, u32), &u32)| score.2.abs_diff(*derived) <= PERCENTILE_ERROR_MAX;
    if scores.iter().zip(&derived).all(fits) {
        scores.iter_mut().zip(derived).for_each(|(score, derived)| score.2 = derived);
    }
    let mut shard = entry(SHARD_EPSS, FILE_KIND_EPSS);
    in_file(folder, &mut shard, |output| {
        let (_, sha256, bytes) = epss::write(output, &scores)?;
        let records = scores.len() as u64;
        Ok(Written { sha256, bytes, records, packages: records, lost: Vec::new() })
    })?;
    Ok(shard)
}

/// Makes a shard's file: written, synchronised, read-only, read back and compared, then named after
/// its content.
pub(crate) fn in_file(
    folder: &Path,
    entry: &mut IndexShard,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<Written>,
) -> io::Result<Written> {
    let safe: String =
        entry.shard.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let path = folder.join(format!("new-{safe}-{}", entry.shard.len()));
    let mut output = BufWriter::with_capacity(1 << 18, File::create_new(&path)?);
    let written = write(&mut output)?;
    output.flush()?;
    let file = output.into_inner().map_err(|error| error.into_error())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o444))?;
    file.sync_all()?;
    if sha256_of(&path)? != written.sha256 {
        return Err(io::Error::other("what was written to disk does not read back the same"));
    }
    entry.file = format!("{safe}-{}.sw", written.sha256.get(..16).unwrap_or_default());
    entry.sha256.clone_from(&written.sha256);
    (entry.bytes, entry.records, entry.packages) = (written.bytes, written.records, written.packages);
    std::fs::rename(&path, folder.join(&entry.file))?;
    Ok(written)
}
