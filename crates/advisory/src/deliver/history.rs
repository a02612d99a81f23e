//! What earlier publications held: the next publisher makes deltas from them. A zstd frame of JSON, a file of
//! the publication like others; clients do not fetch it.

use super::fault::{Fault, damaged};
use super::payload::{FORMAT, FileRef, Payload};
use super::store::{Store, file_name, read_small};
use crate::database::container::hex;
use seaworthy_types::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::Read;

const FILE_BYTES_MAX: u64 = 16 << 20;
const JSON_BYTES_MAX: u64 = 128 << 20;
/// Publications remembered.
const PUBLICATIONS_MAX: usize = 64;

/// Earlier publications, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    seaworthy_history: u32,
    publications: Vec<Earlier>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Earlier {
    made: Timestamp,
    shards: Vec<Past>,
}

/// What an earlier publication held of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Name of the shard.
    pub shard: String,
    /// Its kind.
    pub kind: String,
    /// Content digest of its records.
    pub content: String,
    /// The file with all of them.
    pub full: FileRef,
}

impl Default for History {
    fn default() -> Self {
        Self { seaworthy_history: FORMAT, publications: Vec::new() }
    }
}

impl History {
    /// Reads the file of a publication.
    pub fn read(store: &dyn Store, file: &FileRef) -> Result<Self, Fault> {
        let bytes = read_small(store, &file_name(&file.sha256), file.bytes.min(FILE_BYTES_MAX))?;
        let bytes = bytes.ok_or(Fault::Missing)?;
        if hex(&Sha256::digest(&bytes)) != file.sha256 {
            return Err(damaged("its digest is not the published one"));
        }
        let decoder = zstd::stream::read::Decoder::with_buffer(bytes.as_slice())?;
        let mut json = Vec::new();
        decoder.take(JSON_BYTES_MAX).read_to_end(&mut json)?;
        let history: Self = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        match history.seaworthy_history {
            FORMAT => Ok(history),
            found => Err(Fault::Newer { found, known: FORMAT }),
        }
    }
    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        let json = serde_json::to_vec(self).map_err(|error| damaged(error.to_string()))?;
        Ok(zstd::bulk::compress(&json, super::body::LEVEL)?)
    }
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.publications.is_empty()
    }
    /// Adds a publication.
    pub fn push(&mut self, payload: &Payload) {
        let past = |shard: &super::payload::PublishedShard| {
            Some(Past {
                shard: shard.shard.clone(),
                kind: shard.kind.clone(),
                content: shard.content.clone(),
                full: shard.full.clone()?,
            })
        };
        let shards = payload.shards.iter().filter_map(past).collect();
        self.publications.push(Earlier { made: payload.made, shards });
    }
    /// Forgets what was made before a moment, and the oldest when there are too many.
    pub fn keep_from(&mut self, first: Timestamp) {
        self.publications.retain(|earlier| earlier.made >= first);
        let surplus = self.publications.len().saturating_sub(PUBLICATIONS_MAX);
        self.publications.drain(..surplus);
    }
    /// Distinct earlier records of a shard, others than today's, the newest first.
    pub fn of(&self, shard: &str, kind: &str, today: &str) -> Vec<Past> {
        let all = self.publications.iter().rev().flat_map(|earlier| &earlier.shards);
        let mut found: Vec<Past> = Vec::new();
        for past in all.filter(|past| past.shard == shard && past.kind == kind && past.content != today) {
            if !found.iter().any(|known| known.content == past.content) {
                found.push(past.clone());
            }
        }
        found
    }
    /// All files that deltas may still be made from.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.publications.iter().flat_map(|earlier| &earlier.shards).map(|past| &past.full)
    }
}
