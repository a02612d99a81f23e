//! How complete each shard is, from what was read, what failed and what the manifest says.
//!
//! A shard is complete only when data of its own were read: an advisory in npm's data that also names
//! a Maven artifact does not make the Maven shard complete.

use super::manifest::{Manifest, ManifestEntry};
use crate::Loss;
use crate::build::{SHARD_EPSS, SHARD_KEV, SHARD_SSVC, SHARD_VULNERABILITIES, entry};
use crate::database::IndexShard;
use crate::database::index::{FILE_KIND_PACKAGES, FILE_KIND_STATUS};
use crate::loss::Losses;
use seaworthy_types::{Completeness, Date, Note, Timestamp, distribution, ecosystem};
use std::collections::{BTreeMap, BTreeSet};

const STRAYS: &str = "only records that stand in other ecosystems' data; its own data were not imported";

/// `code` of what is remembered of feeds that an update could not have.
pub const FAILED: &str = "feed-failed";

/// How a file of a feed came over the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Whether there is a copy, of now or of an earlier time.
    pub is_here: bool,
    /// When its server last said that the copy is the present version; empty when that says nothing of the
    /// age (a mirror's word).
    pub as_of: Option<Timestamp>,
    /// Why it could not be had now.
    pub failure: Option<String>,
}

/// A file and how reading it went.
pub(super) struct ReadFile {
    pub feed: &'static str,
    pub ecosystem: &'static str,
    pub part: String,
    pub path: String,
    pub error: Option<String>,
    pub arrival: Option<Arrival>,
}

impl ReadFile {
    fn is_absent(&self) -> bool {
        self.arrival.as_ref().is_some_and(|arrival| !arrival.is_here)
    }
    /// Why an earlier copy was read.
    fn is_copy(&self) -> Option<&str> {
        self.arrival.as_ref().filter(|arrival| arrival.is_here)?.failure.as_deref()
    }
    fn confirmed(&self) -> Option<Timestamp> {
        self.arrival.as_ref()?.as_of
    }
    fn trouble(&self) -> String {
        let what = if self.is_absent() { "downloaded" } else { "read" };
        format!("`{}` could not be {what}", self.path)
    }
    /// The gap of a file that could not be read.
    pub fn note(&self) -> Option<Note> {
        let error = self.error.as_ref()?;
        let what = if self.is_absent() { "downloaded" } else { "read" };
        let detail = format!("this file could not be {what} and its data are missing ({error})");
        Some(Note::gap(FAILED, self.feed, &self.path, detail))
    }
    /// Whether this file is where a shard's data come from.
    fn is_home_of(&self, shard: &str) -> bool {
        if let Some(record) = ecosystem::by_osv(&self.part).filter(|_| self.ecosystem.is_empty()) {
            return shard == record.id;
        }
        if let Some(exact) = distribution::shard_of_osv(&self.part) {
            return shard == exact;
        }
        let of_shard = distribution::of_shard(shard);
        if let Some(record) = distribution::ALL.iter().find(|d| d.osv.contains(&self.part.as_str())) {
            return of_shard.is_some_and(|own| own.id == record.id);
        }
        if !self.ecosystem.is_empty() {
            return shard == self.ecosystem || of_shard.is_some_and(|own| own.ecosystem == self.ecosystem);
        }
        self.part.is_empty()
    }
    /// Whether the path names the shard's release: `v3.20/main.json` and `alpine:3.20`.
    fn names_release_of(&self, shard: &str) -> bool {
        let release = shard.split_once(':').map_or(shard, |(_, release)| release);
        self.path
            .split(['/', '-', '_', ':'])
            .any(|part| part == release || part.strip_prefix('v') == Some(release))
    }
}

/// Judges shards.
pub(super) struct Judge<'a> {
    pub files: &'a [ReadFile],
    pub manifest: &'a Manifest,
}

impl Judge<'_> {
    /// Puts what was lost to the shards that it was to be in.
    pub fn attach(
        &self,
        losses: Vec<(u32, String, Loss)>,
        shards: &mut [IndexShard],
        from: &BTreeMap<String, BTreeSet<u32>>,
    ) {
        let mut all: BTreeMap<String, Losses> = BTreeMap::new();
        for (number, shard, loss) in losses {
            if !shard.is_empty() {
                all.entry(shard.clone()).or_default().join("", loss);
                continue;
            }
            let Some(file) = self.files.get(number as usize) else { continue };
            // Other shards only hold strays of that file. A file that names one ecosystem is its home
            // although nothing came of it.
            let of_file = |shard: &&IndexShard| {
                let came = from.get(&shard.shard).is_some_and(|numbers| numbers.contains(&number));
                let home = file.is_home_of(&shard.shard);
                match shard.kind == FILE_KIND_PACKAGES {
                    true => home && (came || (file.ecosystem.is_empty() && !file.part.is_empty())),
                    false => came,
                }
            };
            for shard in shards.iter().filter(of_file) {
                all.entry(shard.shard.clone()).or_default().join("", loss.clone());
            }
        }
        for shard in shards {
            let lost = all.remove(&shard.shard).unwrap_or_default();
            shard.lost = lost.take().map(|(_, loss)| loss).collect();
        }
    }
    /// What a failed file was to bring to shards that stay as they are.
    pub fn stay(&self, kept: &mut IndexShard) {
        kept.lost.retain(|loss| loss.code != FAILED);
        for file in self.files.iter().filter(|file| file.is_home_of(&kept.shard)) {
            if file.error.is_some() && kept.kind == FILE_KIND_PACKAGES {
                let what = if file.is_absent() { "download" } else { "read" };
                let detail =
                    format!("the last update could not {what} `{}`: these data are older", file.path);
                kept.lost.push(failed(detail));
            }
        }
    }
    /// Shards that were made from an earlier copy of a file say so.
    pub fn remember_copies(&self, shards: &mut [IndexShard], from: &BTreeMap<String, BTreeSet<u32>>) {
        for shard in shards {
            let numbers = from.get(&shard.shard).into_iter().flatten();
            for file in numbers.filter_map(|number| self.files.get(*number as usize)) {
                if let Some(why) = file.is_copy().filter(|_| file.is_home_of(&shard.shard)) {
                    let day =
                        file.confirmed().map_or("an unknown day".into(), |time| time.date().to_string());
                    let detail = format!(
                        "the last update could not download `{}` ({why}): its copy of {day} was used",
                        file.path
                    );
                    shard.lost.push(failed(detail));
                }
            }
        }
    }
    /// Knowledge about vulnerabilities that is not installed because its file did not come. (Of packages
    /// no entry is needed: a shard that is not there is a gap for whoever asks for it.)
    pub fn remember_absent(&self, shards: &mut Vec<IndexShard>) {
        for file in self.files.iter().filter(|file| file.error.is_some() && file.is_absent()) {
            if !file.part.is_empty() || !file.ecosystem.is_empty() {
                continue;
            }
            let name = match file.feed {
                SHARD_KEV => SHARD_KEV,
                SHARD_EPSS => SHARD_EPSS,
                SHARD_SSVC => SHARD_SSVC,
                _ => SHARD_VULNERABILITIES,
            };
            let lost = failed(format!("the last update could not download `{}`", file.path));
            match shards.iter_mut().find(|shard| shard.shard == name) {
                Some(there) => there.lost.push(lost),
                None => {
                    let mut absent = entry(name, FILE_KIND_STATUS);
                    (absent.completeness, absent.remark) = (Completeness::Partial, file.trouble());
                    absent.lost.push(lost);
                    shards.push(absent);
                }
            }
        }
        shards.sort_by(|one, other| one.shard.cmp(&other.shard));
    }
    /// Sets feeds, completeness, remark and day of each shard.
    pub fn judge(&self, shards: &mut [IndexShard], from: &BTreeMap<String, BTreeSet<u32>>) {
        let names: Vec<String> = shards.iter().map(|shard| shard.shard.clone()).collect();
        for shard in shards {
            let numbers = from.get(&shard.shard);
            let numbers = numbers.into_iter().flatten().filter_map(|number| self.files.get(*number as usize));
            let files: Vec<&ReadFile> = numbers.collect();
            let feeds: BTreeSet<&str> = files.iter().map(|file| file.feed).collect();
            shard.feeds = feeds.into_iter().map(str::to_owned).collect();
            let mut remarks = BTreeSet::new();
            let packages = shard.kind == FILE_KIND_PACKAGES;
            if packages && !files.iter().any(|file| file.error.is_none() && file.is_home_of(&shard.shard)) {
                remarks.insert(STRAYS.to_owned());
            }
            for file in self.files.iter().filter(|file| file.error.is_some()) {
                if self.misses(shard, file, &files, &names) {
                    remarks.insert(file.trouble());
                }
            }
            self.apply(shard, &files, remarks);
        }
    }
    /// Whether a failed file was to bring data of this shard.
    fn misses(&self, shard: &IndexShard, failed: &ReadFile, files: &[&ReadFile], names: &[String]) -> bool {
        if files.iter().any(|file| file.path == failed.path) {
            return true;
        }
        if shard.kind != FILE_KIND_PACKAGES {
            // Other files of the same feed brought some of it.
            return files.iter().any(|file| file.feed == failed.feed);
        }
        if !failed.is_home_of(&shard.shard) {
            return false;
        }
        let named = |name: &String| failed.is_home_of(name) && failed.names_release_of(name);
        failed.names_release_of(&shard.shard) || !names.iter().any(named)
    }
    /// What the manifest says, and what was found out.
    fn apply(&self, shard: &mut IndexShard, files: &[&ReadFile], mut remarks: BTreeSet<String>) {
        let mut entries: Vec<&ManifestEntry> = self.manifest.of_shard(&shard.shard).into_iter().collect();
        let by_name = entries.first().and_then(|entry| entry.as_of);
        entries.extend(files.iter().flat_map(|file| self.manifest.of_path(&file.path)));
        let mut partial = !remarks.is_empty();
        for entry in &entries {
            partial |= entry.completeness != Completeness::Complete;
            if !entry.remark.is_empty() {
                remarks.insert(entry.remark.clone());
            }
        }
        let by_path = entries.iter().filter_map(|entry| entry.as_of).max();
        // The oldest of the files where its data come from.
        let homes = || files.iter().filter(|file| file.is_home_of(&shard.shard));
        let confirmed = homes().filter_map(|file| file.confirmed()).min();
        let is_copy = homes().any(|file| file.is_copy().is_some());
        let in_path = files.iter().filter_map(|file| date_in(&file.path)).max();
        shard.as_of = by_name.or(by_path).or(self.manifest.as_of).or(confirmed).or(shard.as_of).or(in_path);
        if is_copy {
            shard.as_of = shard.as_of.into_iter().chain(confirmed).min();
        }
        shard.completeness = if partial { Completeness::Partial } else { Completeness::Complete };
        shard.remark = remarks.into_iter().collect::<Vec<_>>().join("; ");
    }
}

fn failed(detail: String) -> Loss {
    Loss { code: FAILED.into(), detail, count: 1, ..Loss::default() }
}

/// The day in a file's name: `epss_scores-2026-08-16.csv.gz`.
fn date_in(path: &str) -> Option<Timestamp> {
    let name = path.rsplit('/').next()?;
    let days = name.char_indices().filter_map(|(at, _)| Date::parse(name.get(at..)?));
    days.max().map(|day| Timestamp(i64::from(day.0) * 86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ecosystem: &'static str, part: &str, path: &str) -> ReadFile {
        ReadFile { feed: "f", ecosystem, part: part.into(), path: path.into(), error: None, arrival: None }
    }

    #[test]
    fn homes() {
        for (ecosystem, part, shard, wanted) in [
            ("", "npm", "npm", true),
            ("", "npm", "maven", false),
            ("", "AlmaLinux:8", "almalinux:8", true),
            ("", "AlmaLinux:8", "almalinux:9", false),
            ("", "Debian", "debian:12", true),
            ("", "Debian", "ubuntu:22.04", false),
            ("", "_format-samples", "debian:12", false),
            ("apk", "v3.20/main", "alpine:3.20", true),
            ("apk", "v3.20/main", "npm", false),
            ("", "", "npm", true),
        ] {
            assert_eq!(file(ecosystem, part, "").is_home_of(shard), wanted, "{ecosystem} {part} {shard}");
        }
        assert!(file("apk", "", "alpine-secdb/v3.20/main.json").names_release_of("alpine:3.20"));
        assert!(!file("apk", "", "alpine-secdb/v3.20/main.json").names_release_of("alpine:3.2"));
    }

    #[test]
    fn days_in_names() {
        let day = |path| date_in(path).map(|time| time.to_string());
        assert_eq!(day("p/epss_scores-2026-08-16.csv.gz").as_deref(), Some("2026-08-16T00:00:00Z"));
        assert_eq!(day("p-2026-08-16/é.csv"), None);
    }
}
