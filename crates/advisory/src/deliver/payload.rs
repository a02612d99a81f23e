//! What the signed index says: which shards a publication has, what is known of each, and which files
//! bring them. JSON; unknown keys are stepped over.

use super::fault::{Fault, damaged};
use crate::Loss;
use crate::database::IndexShard;
use seaworthy_types::{Completeness, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

/// Version of the published format; raised only for changes that older programs would misread.
pub const FORMAT: u32 = 1;
/// Name of a publication that was given none.
pub const MAIN: &str = "main";
/// No publication has more shards.
pub(crate) const SHARDS_MAX: usize = 8_192;
/// No shard has more deltas.
const DELTAS_MAX: usize = 512;

/// What the signed index says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Version of the published format.
    pub seaworthy_index: u32,
    /// Which of its key's publications this is: each counts for itself.
    #[serde(default = "main")]
    pub publication: String,
    /// Grows with each publication.
    pub sequence: u64,
    /// When it was made.
    pub made: Timestamp,
    /// From then on it is not to be taken as fresh.
    pub expires: Timestamp,
    /// Shards, sorted by name.
    pub shards: Vec<PublishedShard>,
    /// What earlier publications held, for the next publisher; clients do not fetch it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<FileRef>,
}

fn main() -> String {
    MAIN.to_owned()
}

/// A file of the publication: its name is made of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRef {
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// A file that leads from other records to today's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaRef {
    /// Content digest of the records it starts from.
    pub from: String,
    /// The file.
    #[serde(flatten)]
    pub file: FileRef,
}

/// One shard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedShard {
    /// `debian:12`, `npm`, `cve`, `epss`, `kev`.
    pub shard: String,
    /// As in the index of a database's folder.
    pub kind: String,
    /// SHA-256 over its canonical records, in hex; empty for entries without records of their own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Bytes of its canonical records.
    #[serde(default)]
    pub canonical_bytes: u64,
    /// Number of its canonical records.
    #[serde(default)]
    pub canonical_records: u64,
    /// Distinct advisories or vulnerabilities.
    #[serde(default)]
    pub records: u64,
    /// Names.
    #[serde(default)]
    pub packages: u64,
    /// Newest record or the snapshot's day.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
    /// How complete. A word that this program does not know counts as partial.
    #[serde(default, deserialize_with = "completeness")]
    pub completeness: Completeness,
    /// Why it is not complete, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remark: String,
    /// Feeds that it was made from, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<String>,
    /// What import lost of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Loss>,
    /// The file with all its records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<FileRef>,
    /// Files that lead to them from earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<DeltaRef>,
}

fn completeness<'de, D: Deserializer<'de>>(input: D) -> Result<Completeness, D::Error> {
    let word = String::deserialize(input)?;
    let known = serde_json::from_value(serde_json::Value::String(word));
    Ok(known.unwrap_or(Completeness::Partial))
}

impl PublishedShard {
    /// What is known of it, in the words of an installed database's index; without a file.
    pub fn facts(&self) -> IndexShard {
        IndexShard {
            shard: self.shard.clone(),
            kind: self.kind.clone(),
            file: String::new(),
            sha256: String::new(),
            bytes: 0,
            records: self.records,
            packages: self.packages,
            as_of: self.as_of,
            completeness: self.completeness,
            remark: self.remark.clone(),
            feeds: self.feeds.clone(),
            lost: self.lost.clone(),
            content: self.content.clone(),
        }
    }
    /// The entry for an installed shard; its files are not yet known.
    pub fn of(facts: &IndexShard) -> Self {
        Self {
            shard: facts.shard.clone(),
            kind: facts.kind.clone(),
            records: facts.records,
            packages: facts.packages,
            as_of: facts.as_of,
            completeness: facts.completeness,
            remark: facts.remark.clone(),
            feeds: facts.feeds.clone(),
            lost: facts.lost.clone(),
            ..Self::default()
        }
    }
}

impl Payload {
    /// Reads the JSON; a later format is refused before anything else of it is read.
    pub fn parse(json: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Format {
            seaworthy_index: u32,
        }
        let broken =
            |error: serde_json::Error| damaged(format!("the index is not what it should be ({error})"));
        let format: Format = serde_json::from_slice(json).map_err(broken)?;
        if format.seaworthy_index != FORMAT {
            return Err(Fault::Newer { found: format.seaworthy_index, known: FORMAT });
        }
        let payload: Self = serde_json::from_slice(json).map_err(broken)?;
        payload.check()?;
        Ok(payload)
    }
    fn check(&self) -> Result<(), Fault> {
        if self.shards.len() > SHARDS_MAX {
            return Err(damaged("the index lists too many shards"));
        }
        let mut last: Option<&str> = None;
        for shard in &self.shards {
            let name = shard.shard.as_str();
            if !crate::build::is_shard(name) || last.is_some_and(|last| last >= name) {
                return Err(damaged("the index's shards are unsorted or have impossible names"));
            }
            last = Some(name);
            let files = shard.full.iter().chain(shard.deltas.iter().map(|delta| &delta.file));
            let digests = files.map(|file| &file.sha256).chain(shard.deltas.iter().map(|delta| &delta.from));
            let content = Some(&shard.content).filter(|content| !content.is_empty());
            let sound = digests.chain(content).all(|digest| super::store::is_sha256(digest));
            if !sound || shard.deltas.len() > DELTAS_MAX || content.is_some() != shard.full.is_some() {
                return Err(damaged(format!("what the index says of the files of `{name}` cannot be")));
            }
        }
        Ok(())
    }
    /// All files that it refers to.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.shards
            .iter()
            .flat_map(|shard| shard.full.iter().chain(shard.deltas.iter().map(|delta| &delta.file)))
            .chain(&self.history)
    }
    /// The entry of a shard.
    pub fn shard(&self, name: &str) -> Option<&PublishedShard> {
        let at = self.shards.binary_search_by(|shard| shard.shard.as_str().cmp(name)).ok()?;
        self.shards.get(at)
    }
}
