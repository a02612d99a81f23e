//! Canonical records: what a shard says, whatever numbers, blocks and compression its file has.
//!
//! A shard is a list of records (kind, key, value), sorted by kind and then key, no key twice. Its
//! content digest is the SHA-256 over `seaworthy-canonical-1\n`, kind and name of the shard, each followed
//! by `\n`, and then for each record: kind, length of the key, key, length of the value, value; numbers as
//! in postcard (little-endian base 128).
//!
//! | kind | key | value |
//! |---|---|---|
//! | 1 statement | package 0 id 0 source 0 place (u32, big-endian): the place among the words of one advisory | ordinal of the advisory, then what is said (`stored`) |
//! | 2 advisory | id 0 source 0 ordinal (u32, big-endian): several of one id and source in the order of their bytes | vulnerabilities and advisory (`stored`) |
//! | 3 enrichment | id of the vulnerability | enrichment (`stored`) |
//! | 4 scale | empty | digits after the point; 0: percentiles are derived, 1: they are carried |
//! | 5 score | CVE id as in `database::epss` (u32, big-endian) | score; carried percentile in millionths |
//!
//! Advisories have names, not numbers, so that a new one changes no other record. Values are carried
//! verbatim, also what a program does not know of them; records of kinds that it does not know are kept as
//! they are (section `MORE` of a shard's file).

use super::fault::{Fault, damaged};
use crate::database::container::hex;
use sha2::{Digest as _, Sha256};

/// What an advisory says of one package.
pub const STATEMENT: u32 = 1;
/// An advisory.
pub const ADVISORY: u32 = 2;
/// What is known of a vulnerability besides packages.
pub const ENRICHMENT: u32 = 3;
/// How scores are written.
pub const SCALE: u32 = 4;
/// The score of a CVE.
pub const SCORE: u32 = 5;
/// The last kind that this program knows.
pub const LAST_KNOWN: u32 = SCORE;

/// No key is longer.
pub const KEY_BYTES_MAX: u64 = 8 << 10;
/// No value is longer.
pub const VALUE_BYTES_MAX: u64 = 16 << 20;
/// No shard's records take more.
pub const SHARD_BYTES_MAX: u64 = 4 << 30;
/// No shard has more records.
pub const RECORDS_MAX: u64 = 64_000_000;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is.
    pub kind: u32,
    /// Its name within the shard and kind.
    pub key: &'a [u8],
    /// What it says.
    pub value: &'a [u8],
}

/// Records one after the other, sorted.
pub trait Records {
    /// The next one.
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault>;
}

/// A record that owns its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// What it is.
    pub kind: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
}

impl Owned {
    /// Takes over a record's bytes.
    pub fn set(&mut self, record: Record<'_>) {
        self.kind = record.kind;
        self.key.clear();
        self.key.extend_from_slice(record.key);
        self.value.clear();
        self.value.extend_from_slice(record.value);
    }
    /// The same, borrowed.
    pub fn get(&self) -> Record<'_> {
        Record { kind: self.kind, key: &self.key, value: &self.value }
    }
}

/// A number in little-endian base 128.
pub fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A record in canonical form.
pub fn put_record(bytes: &mut Vec<u8>, record: Record<'_>) {
    put_number(bytes, u64::from(record.kind));
    put_number(bytes, record.key.len() as u64);
    bytes.extend_from_slice(record.key);
    put_number(bytes, record.value.len() as u64);
    bytes.extend_from_slice(record.value);
}

/// What all records of a shard come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 over the canonical form, in hex.
    pub digest: String,
    /// Bytes of the records in canonical form.
    pub bytes: u64,
    /// Number of records.
    pub records: u64,
}

/// Checks records for order and bounds and hashes them.
pub struct Canonical {
    hash: Sha256,
    buffer: Vec<u8>,
    bytes: u64,
    records: u64,
    last: Option<(u32, Vec<u8>)>,
}

impl Canonical {
    /// Starts a shard.
    pub fn new(shard: &str, kind: &str) -> Self {
        let buffer = format!("seaworthy-canonical-1\n{kind}\n{shard}\n").into_bytes();
        Self { hash: Sha256::new_with_prefix(buffer), buffer: Vec::new(), bytes: 0, records: 0, last: None }
    }
    /// Adds a record; gives its canonical form.
    pub fn add(&mut self, record: Record<'_>) -> Result<&[u8], Fault> {
        for (what, length, bytes_max) in [
            ("a record's key", record.key.len() as u64, KEY_BYTES_MAX),
            ("a record", record.value.len() as u64, VALUE_BYTES_MAX),
        ] {
            if length > bytes_max {
                return Err(Fault::TooLarge { what, bytes_max });
            }
        }
        let after = |(kind, key): &(u32, Vec<u8>)| (*kind, key.as_slice()) < (record.kind, record.key);
        if record.kind == 0 || !self.last.as_ref().is_none_or(after) {
            return Err(damaged("its records are unsorted, or one of them stands there twice"));
        }
        let (kind, key) = self.last.get_or_insert_default();
        *kind = record.kind;
        key.clear();
        key.extend_from_slice(record.key);
        self.buffer.clear();
        put_record(&mut self.buffer, record);
        self.hash.update(&self.buffer);
        self.bytes = self.bytes.saturating_add(self.buffer.len() as u64);
        self.records = self.records.saturating_add(1);
        if self.bytes > SHARD_BYTES_MAX || self.records > RECORDS_MAX {
            return Err(Fault::TooLarge { what: "all its records together", bytes_max: SHARD_BYTES_MAX });
        }
        Ok(&self.buffer)
    }
    /// What was added.
    pub fn finish(self) -> Content {
        Content { digest: hex(&self.hash.finalize()), bytes: self.bytes, records: self.records }
    }
}

/// Reads all records and says what they come to.
pub fn content_of(shard: &str, kind: &str, records: &mut dyn Records) -> Result<Content, Fault> {
    let mut canonical = Canonical::new(shard, kind);
    while let Some(record) = records.next()? {
        canonical.add(record)?;
    }
    Ok(canonical.finish())
}

/// The parts of a statement's key: package, the advisory's key without its ordinal, place.
pub fn statement_parts(key: &[u8]) -> Option<(&str, &[u8], u32)> {
    let (rest, place) = key.split_last_chunk::<4>()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let (package, advisory) = rest.split_at_checked(end)?;
    let package = std::str::from_utf8(package).ok()?;
    Some((package, advisory.get(1..)?, u32::from_be_bytes(*place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_bounds() {
        let record = |kind, key| Record { kind, key, value: b"" };
        let mut canonical = Canonical::new("npm", "packages");
        for (kind, key, sound) in [
            (0, b"a".as_slice(), false),
            (1, b"a", true),
            (1, b"a", false),
            (1, b"", false),
            (1, b"a\0", true),
            (9, b"", true),
            (2, b"z", false),
        ] {
            assert_eq!(canonical.add(record(kind, key)).is_ok(), sound, "{kind} {key:?}");
        }
        let long = vec![0; KEY_BYTES_MAX as usize + 1];
        assert!(canonical.add(record(10, &long)).is_err());
        assert_eq!(canonical.finish().records, 3);
    }

    #[test]
    fn the_digest_is_that_of_the_description() {
        let mut canonical = Canonical::new("npm", "packages");
        canonical.add(Record { kind: 300, key: b"k", value: b"vv" }).expect("sound");
        let bytes = b"seaworthy-canonical-1\npackages\nnpm\n\xac\x02\x01k\x02vv";
        assert_eq!(canonical.finish().digest, hex(&Sha256::digest(bytes)));
    }

    #[test]
    fn keys_of_statements_have_parts() {
        assert_eq!(statement_parts(b"p\0ID\0s\0\0\0\0\x07"), Some(("p", b"ID\0s\0".as_slice(), 7)));
        assert_eq!(statement_parts(b"p\0\0\0"), None);
        assert_eq!(statement_parts(b"\xff\0\0\0\0\0"), None);
    }
}
