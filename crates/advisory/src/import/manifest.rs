//! `seaworthy-manifest.json`: how complete a folder of feeds is, said by whoever made the folder.
//!
//! ```json
//! {
//!   "seaworthy_manifest": 1,
//!   "as_of": "2026-08-22",
//!   "ignore": ["osv/_format-samples/*"],
//!   "entries": [
//!     { "shards": ["npm"], "completeness": "partial", "remark": "…", "as_of": "2026-08-01" },
//!     { "paths": ["debian/*"], "completeness": "partial", "remark": "…" }
//!   ]
//! }
//! ```
//!
//! In a pattern `*` stands for any characters, also `/`. Of entries with `shards` the one with the most
//! particular pattern holds for a shard (a name without `*` first, then the longest). Entries with
//! `paths` hold for every shard that got records from such a file; several are joined, and one
//! `partial` makes the shard partial. Unknown keys are stepped over.

use crate::Error;
use seaworthy_types::{Completeness, Timestamp};
use serde::Deserialize;
use std::io::Read;
use std::path::Path;

/// Name of the manifest in a folder of feeds.
pub const MANIFEST_FILE: &str = "seaworthy-manifest.json";
const MANIFEST_BYTES_MAX: u64 = 8 << 20;

/// What the maker of a folder says of it.
#[derive(Debug, Default, Deserialize)]
pub struct Manifest {
    #[serde(default)]
    seaworthy_manifest: u32,
    /// The day the whole folder stands for.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// Files that are not to be read.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// What is known of parts.
    #[serde(default)]
    pub entries: Vec<ManifestEntry>,
}

/// What is known of some shards or files.
#[derive(Debug, Deserialize)]
pub struct ManifestEntry {
    /// Patterns of shard names.
    #[serde(default)]
    pub shards: Vec<String>,
    /// Patterns of file paths below the folder.
    #[serde(default)]
    pub paths: Vec<String>,
    /// How complete.
    pub completeness: Completeness,
    /// Why it is not complete.
    #[serde(default)]
    pub remark: String,
    /// The day the data stand for.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|source| Error::Io { what: "reading", path: path.to_owned(), source })?;
        let invalid = |why: String| Error::Manifest { path: path.to_owned(), why };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if manifest.seaworthy_manifest != 1 {
            return Err(invalid(format!("`seaworthy_manifest` is {}, not 1", manifest.seaworthy_manifest)));
        }
        Ok(manifest)
    }
    /// Whether a file is not to be read.
    pub fn ignores(&self, path: &str) -> bool {
        self.ignore.iter().any(|pattern| fits(pattern, path))
    }
    /// The entry that speaks of a shard by name.
    pub fn of_shard(&self, shard: &str) -> Option<&ManifestEntry> {
        let weight = |pattern: &String| fits(pattern, shard).then(|| (!pattern.contains('*'), pattern.len()));
        let best = |entry: &&ManifestEntry| entry.shards.iter().filter_map(weight).max();
        self.entries.iter().filter(|entry| best(entry).is_some()).max_by_key(best)
    }
    /// The entries that speak of a file.
    pub fn of_path<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a ManifestEntry> {
        self.entries.iter().filter(move |entry| entry.paths.iter().any(|pattern| fits(pattern, path)))
    }
}

/// Whether a pattern fits a text; linear in both.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let middle: Vec<&str> = parts.collect();
    let Some((last, middle)) = middle.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("npm", "npm", true),
            ("npm", "npm2", false),
            ("*", "", true),
            ("debian:*", "debian:12", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("ab*ba", "aba", false),
            ("osv/*/all.zip", "osv/Alma:8/all.zip", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn the_most_particular_entry_holds() {
        let text = r#"{"seaworthy_manifest":1,"future":[],"entries":[
            {"shards":["debian:*"],"completeness":"partial","remark":"some"},
            {"shards":["*"],"completeness":"partial","remark":"all"},
            {"shards":["debian:12"],"completeness":"complete","new":1}]}"#;
        let manifest: Manifest = serde_json::from_str(text).expect("sound");
        assert_eq!(manifest.of_shard("debian:12").map(|e| e.completeness), Some(Completeness::Complete));
        assert_eq!(manifest.of_shard("debian:11").map(|e| e.remark.as_str()), Some("some"));
        assert_eq!(manifest.of_shard("npm").map(|e| e.remark.as_str()), Some("all"));
    }
}
