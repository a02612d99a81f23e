//! Whether a signed index may be installed: order, age, clock. Pure functions over what was read.
//!
//! For each key and publication the highest sequence number ever seen is kept in the database's folder
//! (`trust.json`). Another key starts anew: that is how a key is changed. An index signed by two trusted
//! keys is judged by what is known of both, so that a change with both signatures leaves no gap.

use super::payload::Payload;
use super::signed::SignedIndex;
use crate::Error;
use seaworthy_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Name of the file in a database's folder.
pub const TRUST_FILE: &str = "trust.json";
const TRUST_BYTES_MAX: u64 = 1 << 20;
/// Keys and publications remembered.
const SEEN_MAX: usize = 1_024;
/// Clocks may differ by so much.
const CLOCK_SECONDS_MAX: i64 = 86_400;

/// Why an index is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is trusted.
    #[error(
        "no key for published data is built in or configured: name the publisher's public key (`seaworthy-key-1 …`)"
    )]
    NoKeys,
    /// It has no signature.
    #[error("it is not signed")]
    Unsigned,
    /// It is signed, but by nobody who is trusted.
    #[error("it is signed by {}, and trusted are {} only", found.join(", "), trusted.join(", "))]
    UnknownKey {
        /// Ids of keys that it names.
        found: Vec<String>,
        /// Ids of keys that are trusted.
        trusted: Vec<String>,
    },
    /// A trusted key is named, and the signature is not its.
    #[error("its signature is wrong: the index was changed after it was signed")]
    BadSignature,
    /// It is older than what was seen before.
    #[error(
        "it goes back in time: it has the number {sequence}, and {seen} of the same publisher was seen before. The place is out of date or somebody plays old data back"
    )]
    Rollback {
        /// Its sequence number.
        sequence: u64,
        /// The highest seen.
        seen: u64,
    },
    /// There are two of that number.
    #[error(
        "it has the number {sequence} of an index seen before and says something else: the publisher signed two, one of them may be false"
    )]
    TwoFaced {
        /// The sequence number.
        sequence: u64,
    },
    /// It is no longer fresh.
    #[error(
        "it expired at {expires} and it is {now} now: the place is out of date or keeps newer data back (or this machine's clock is wrong)"
    )]
    Expired {
        /// When it expired.
        expires: Timestamp,
        /// The present.
        now: Timestamp,
    },
    /// It comes from the future.
    #[error(
        "it was made at {made}, and this machine's clock says {now}: the clock or the index is wrong. Set the clock right and try again"
    )]
    Clock {
        /// When it was made.
        made: Timestamp,
        /// The present.
        now: Timestamp,
    },
}

/// What becomes of an index that has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// It is refused.
    Refuse,
    /// It is installed, and scans say that it has expired: for machines that are updated by hand.
    Install,
}

/// The highest index seen of a key and publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Highest {
    /// Its sequence number.
    pub sequence: u64,
    /// SHA-256 of its payload.
    pub digest: String,
}

/// What was seen before; kept in the database's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// By `<key id>/<publication>`.
    #[serde(default)]
    pub seen: BTreeMap<String, Highest>,
}

fn name(key: &str, payload: &Payload) -> String {
    format!("{key}/{}", payload.publication)
}

impl Seen {
    /// Reads a folder's file; without one nothing was seen.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(TRUST_FILE);
        let mut bytes = Vec::new();
        match std::fs::File::open(&path) {
            Ok(file) => file.take(TRUST_BYTES_MAX).read_to_end(&mut bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => Err(error),
        }
        .map_err(|source| Error::Io { what: "reading", path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Index { path, why: error.to_string() })
    }
    /// What was seen, with an index that was judged and found good.
    #[must_use]
    pub fn with(mut self, index: &SignedIndex) -> Self {
        let highest = Highest { sequence: index.payload.sequence, digest: index.digest.clone() };
        for key in &index.signers {
            let name = name(key, &index.payload);
            if self.seen.len() < SEEN_MAX || self.seen.contains_key(&name) {
                self.seen.insert(name, highest.clone());
            }
        }
        self
    }
}

/// Whether an index may be installed now.
pub fn judge(index: &SignedIndex, seen: &Seen, now: Timestamp, expired: Expired) -> Result<(), Refusal> {
    let payload = &index.payload;
    let known = index.signers.iter().filter_map(|key| seen.seen.get(&name(key, payload)));
    if let Some(highest) = known.max_by_key(|highest| highest.sequence) {
        if payload.sequence < highest.sequence {
            return Err(Refusal::Rollback { sequence: payload.sequence, seen: highest.sequence });
        }
        if payload.sequence == highest.sequence && index.digest != highest.digest {
            return Err(Refusal::TwoFaced { sequence: payload.sequence });
        }
    }
    if now.0.saturating_add(CLOCK_SECONDS_MAX) < payload.made.0 {
        return Err(Refusal::Clock { made: payload.made, now });
    }
    if now >= payload.expires && expired == Expired::Refuse {
        return Err(Refusal::Expired { expires: payload.expires, now });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_500_000;
    const DAY: i64 = 86_400;

    fn index(sequence: u64, digest: &str, signers: &[&str]) -> SignedIndex {
        let payload = Payload {
            seaworthy_index: 1,
            publication: "main".into(),
            sequence,
            made: Timestamp(NOW),
            expires: Timestamp(NOW + 7 * DAY),
            shards: Vec::new(),
            history: None,
        };
        let signers = signers.iter().map(|&key| key.to_owned()).collect();
        SignedIndex { payload, signers, digest: digest.into() }
    }

    fn at(index: &SignedIndex, seen: &Seen, seconds: i64) -> Result<(), Refusal> {
        judge(index, seen, Timestamp(NOW + seconds), Expired::Refuse)
    }

    #[test]
    fn order() {
        let seen = Seen::default().with(&index(5, "five", &["k1"]));
        assert_eq!(at(&index(5, "five", &["k1"]), &seen, 0), Ok(()), "the same again");
        assert_eq!(at(&index(6, "six", &["k1"]), &seen, 0), Ok(()));
        let rollback = Refusal::Rollback { sequence: 4, seen: 5 };
        assert_eq!(at(&index(4, "four", &["k1"]), &seen, 0), Err(rollback.clone()));
        assert_eq!(at(&index(5, "other", &["k1"]), &seen, 0), Err(Refusal::TwoFaced { sequence: 5 }));
        // Another publication of the same key counts for itself.
        let mut other = index(1, "one", &["k1"]);
        other.payload.publication = "beta".into();
        assert_eq!(at(&other, &seen, 0), Ok(()));
        // Who could play back old data cannot hide behind an expired index.
        assert_eq!(at(&index(4, "four", &["k1"]), &seen, 30 * DAY), Err(rollback));
    }

    #[test]
    fn keys_change() {
        let seen = Seen::default().with(&index(5, "five", &["k1"]));
        assert_eq!(at(&index(1, "one", &["k2"]), &seen, 0), Ok(()), "another key starts anew");
        let both = index(6, "six", &["k1", "k2"]);
        assert_eq!(at(&both, &seen, 0), Ok(()));
        let seen = seen.with(&both);
        assert!(at(&index(5, "five", &["k2"]), &seen, 0).is_err(), "and then counts");
        let behind = index(4, "four", &["k1", "k2"]);
        assert_eq!(at(&behind, &seen, 0), Err(Refusal::Rollback { sequence: 4, seen: 6 }));
    }

    #[test]
    fn age_and_clock() {
        let fresh = index(1, "one", &["k1"]);
        let seen = Seen::default();
        for (seconds, refused) in [
            (-2 * DAY, "made at"),
            (-DAY - 1, "made at"),
            (-DAY, ""),
            (0, ""),
            (7 * DAY - 1, ""),
            (7 * DAY, "expired"),
            (900 * DAY, "expired"),
        ] {
            let text =
                at(&fresh, &seen, seconds).err().map(|refusal| refusal.to_string()).unwrap_or_default();
            assert_eq!(
                (text.contains(refused), text.is_empty()),
                (true, refused.is_empty()),
                "{seconds} {text}"
            );
        }
        assert_eq!(judge(&fresh, &seen, Timestamp(NOW + 30 * DAY), Expired::Install), Ok(()));
        let mut absurd = fresh;
        (absurd.payload.made, absurd.payload.expires) = (Timestamp(i64::MAX), Timestamp(i64::MIN));
        assert!(at(&absurd, &seen, 0).is_err());
    }
}
