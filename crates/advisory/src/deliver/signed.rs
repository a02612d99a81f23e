//! The signed index: one file, so that index and signature are never of different generations.
//!
//! ```text
//! seaworthy-index 1\n
//! <key id> <base64 of the signature>\n      one line for each key; none in an unsigned one
//! \n
//! payload                                    JSON, or one zstd frame of it
//! ```
//!
//! Signatures are over the exact bytes of the payload as they stand in the file; nothing of it is read
//! before one of them is found good. What it does not do: judge age and order (`trust`).

use super::fault::{Fault, damaged};
use super::key::{PrivateKey, PublicKey, Trusted};
use super::payload::{FORMAT, Payload};
use super::trust::Refusal;
use crate::database::container::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::io::Read;

/// The index file is never larger.
pub const INDEX_BYTES_MAX: u64 = 8 << 20;
/// Its payload is never larger when it is unpacked.
const PAYLOAD_BYTES_MAX: u64 = 64 << 20;
const WORD: &str = "seaworthy-index ";
const HEAD_BYTES_MAX: usize = 16 << 10;
const SIGNATURES_MAX: usize = 16;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The index is made once a day and read by everybody.
const LEVEL: i32 = 19;

/// Whether an index without signatures is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// It is refused.
    Refuse,
    /// It is taken when it has no signature at all: the caller vouches for it.
    Allow,
}

/// An index whose signature was found good, or that was allowed to have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIndex {
    /// What it says.
    pub payload: Payload,
    /// Ids of the trusted keys that signed it, sorted; empty for an unsigned one.
    pub signers: Vec<String>,
    /// SHA-256 of the payload's bytes, in hex.
    pub digest: String,
}

impl SignedIndex {
    /// Reads a file and checks its signatures.
    pub fn open(file: &[u8], trusted: &Trusted, unsigned: Unsigned) -> Result<Self, Fault> {
        let (signatures, payload) = split(file)?;
        let signers = signers(&signatures, payload, trusted, unsigned)?;
        let digest = hex(&Sha256::digest(payload));
        Ok(Self { payload: Payload::parse(&unpacked(payload)?)?, signers, digest })
    }
}

/// Makes the file.
pub fn seal(payload: &Payload, keys: &[&PrivateKey]) -> Result<Vec<u8>, Fault> {
    let json = serde_json::to_vec(payload).map_err(|error| damaged(error.to_string()))?;
    let packed = zstd::bulk::compress(&json, LEVEL)?;
    let mut file = format!("{WORD}{FORMAT}\n").into_bytes();
    for key in keys {
        let line = format!("{} {}\n", key.public().id(), STANDARD.encode(key.sign(&packed)));
        file.extend_from_slice(line.as_bytes());
    }
    file.push(b'\n');
    file.extend_from_slice(&packed);
    Ok(file)
}

/// What an index says, whoever signed it: for data that were judged before.
pub(super) fn peek(file: &[u8]) -> Result<Payload, Fault> {
    let (_, payload) = split(file)?;
    Payload::parse(&unpacked(payload)?)
}

/// Key id and signature.
type Signature = (String, Vec<u8>);

/// Head and payload.
fn split(file: &[u8]) -> Result<(Vec<Signature>, &[u8]), Fault> {
    if file.len() as u64 > INDEX_BYTES_MAX {
        return Err(Fault::TooLarge { what: "the index", bytes_max: INDEX_BYTES_MAX });
    }
    let mut rest = file;
    let mut line = || -> Option<&str> {
        let end = rest.iter().take(HEAD_BYTES_MAX).position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..)?;
        std::str::from_utf8(line).ok()
    };
    let cut = || damaged("it is no index of published data, or cut short");
    let version = line().and_then(|line| line.strip_prefix(WORD)).ok_or_else(cut)?;
    let version: u32 = version.parse().map_err(|_| cut())?;
    if version != FORMAT {
        return Err(Fault::Newer { found: version, known: FORMAT });
    }
    let mut signatures = Vec::new();
    loop {
        let line = line().ok_or_else(cut)?;
        if line.is_empty() {
            return Ok((signatures, rest));
        }
        // A line with more words is a kind of signature that this program does not know.
        if let [id, signature] = line.split(' ').collect::<Vec<_>>().as_slice() {
            let signature = STANDARD.decode(signature).map_err(|_| damaged("a signature is no base64"))?;
            signatures.push(((*id).to_owned(), signature));
        }
        if signatures.len() > SIGNATURES_MAX {
            return Err(damaged("it has too many signatures"));
        }
    }
}

/// The trusted keys that signed the payload.
fn signers(
    signatures: &[Signature],
    payload: &[u8],
    trusted: &Trusted,
    unsigned: Unsigned,
) -> Result<Vec<String>, Refusal> {
    if signatures.is_empty() {
        return match unsigned {
            Unsigned::Allow => Ok(Vec::new()),
            Unsigned::Refuse => Err(Refusal::Unsigned),
        };
    }
    let good = |key: &&PublicKey| {
        let id = key.id();
        signatures.iter().any(|(name, signature)| *name == id && key.verifies(payload, signature))
    };
    let mut signers: Vec<String> = trusted.keys().iter().filter(good).map(PublicKey::id).collect();
    signers.sort();
    signers.dedup();
    if !signers.is_empty() {
        return Ok(signers);
    }
    let found: Vec<String> = signatures.iter().map(|(id, _)| id.chars().take(16).collect()).collect();
    let named = |key: &PublicKey| found.contains(&key.id());
    Err(match trusted.keys() {
        [] => Refusal::NoKeys,
        keys if keys.iter().any(named) => Refusal::BadSignature,
        keys => Refusal::UnknownKey { found, trusted: keys.iter().map(PublicKey::id).collect() },
    })
}

fn unpacked(payload: &[u8]) -> Result<Vec<u8>, Fault> {
    if !payload.starts_with(&ZSTD_MAGIC) {
        return Ok(payload.to_vec());
    }
    let mut json = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(payload)?.single_frame();
    let read = decoder.take(PAYLOAD_BYTES_MAX.saturating_add(1)).read_to_end(&mut json);
    read.map_err(|_| damaged("its payload cannot be unpacked"))?;
    if json.len() as u64 > PAYLOAD_BYTES_MAX {
        return Err(Fault::TooLarge { what: "the index's payload", bytes_max: PAYLOAD_BYTES_MAX });
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_types::Timestamp;

    fn payload() -> Payload {
        Payload {
            seaworthy_index: FORMAT,
            publication: "main".into(),
            sequence: 3,
            made: Timestamp(1),
            expires: Timestamp(2),
            shards: Vec::new(),
            history: None,
        }
    }

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32]).expect("a key")
    }

    fn trusted(seeds: &[u8]) -> Trusted {
        Trusted::new(&seeds.iter().map(|seed| key(*seed).public()).collect::<Vec<_>>()).expect("keys")
    }

    fn open(file: &[u8], seeds: &[u8]) -> Result<SignedIndex, Fault> {
        SignedIndex::open(file, &trusted(seeds), Unsigned::Refuse)
    }

    #[test]
    fn one_trusted_signature_suffices() {
        let file = seal(&payload(), &[&key(1), &key(2)]).expect("sealed");
        for seeds in [[1].as_slice(), &[2], &[9, 2]] {
            let index = open(&file, seeds).expect("opened");
            assert_eq!((index.payload.clone(), index.signers.len()), (payload(), 1));
        }
        assert_eq!(open(&file, &[1, 2]).expect("opened").signers.len(), 2);
        let refused = open(&file, &[3]).expect_err("nobody's").to_string();
        assert!(
            refused.contains(&key(1).public().id()) && refused.contains(&key(3).public().id()),
            "{refused}"
        );
        let nobody = SignedIndex::open(&file, &Trusted::default(), Unsigned::Allow);
        assert!(matches!(nobody, Err(Fault::Refused(Refusal::NoKeys))), "a signature is never ignored");
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let file = seal(&payload(), &[&key(1)]).expect("sealed");
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x20;
            assert!(open(&bad, &[1]).is_err(), "byte {at}");
        }
        for length in 0..file.len() {
            assert!(open(&file[..length], &[1]).is_err(), "cut at {length}");
        }
        let longer = [file.as_slice(), b"x"].concat();
        assert!(matches!(open(&longer, &[1]), Err(Fault::Refused(Refusal::BadSignature))));
    }

    #[test]
    fn unsigned_is_for_those_who_say_so() {
        let file = seal(&payload(), &[]).expect("sealed");
        assert!(matches!(open(&file, &[1]), Err(Fault::Refused(Refusal::Unsigned))));
        let index = SignedIndex::open(&file, &trusted(&[1]), Unsigned::Allow).expect("opened");
        assert_eq!(index.signers, Vec::<String>::new());
    }

    #[test]
    fn plain_payloads_and_unknown_signatures_are_read() {
        let json = br#"{"seaworthy_index":1,"sequence":1,"made":"2026-11-24T00:00:00Z","expires":"2026-11-25T00:00:00Z","shards":[],"new":{}}"#;
        let signature = STANDARD.encode(key(1).sign(json));
        let id = key(1).public().id();
        let head = format!("{WORD}1\n{id} {signature}\nother-kind of signature\n\n");
        let file = [head.as_bytes(), json].concat();
        assert_eq!(open(&file, &[1]).expect("opened").payload.publication, "main");
    }

    #[test]
    fn later_formats_and_bombs_are_refused() {
        let later = format!("{WORD}2\n\n");
        assert!(matches!(open(later.as_bytes(), &[1]), Err(Fault::Newer { found: 2, known: 1 })));
        let bomb = zstd::bulk::compress(&vec![b' '; PAYLOAD_BYTES_MAX as usize + 1], 1).expect("packed");
        let line = format!("{WORD}1\n{} {}\n\n", key(1).public().id(), STANDARD.encode(key(1).sign(&bomb)));
        let file = [line.as_bytes(), &bomb].concat();
        assert!(matches!(open(&file, &[1]), Err(Fault::TooLarge { .. })));
    }
}
