//! What parent and parsing child say to one another: frames of a four-byte little-endian length and
//! a postcard value. The parent trusts nothing of it: lengths are bounded, indices checked.

use seaworthy_analyze::LayerFacts;
use seaworthy_types::{Digest, ImageFacts, Inventory, Limits, Note, Platform, TargetKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// Parent to child, first: what to open.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// What the user says the target is; without that the child looks.
    pub forced: Option<TargetKind>,
    /// Whether the descriptor is a folder.
    pub is_folder: bool,
    /// Name of a single file, for `file:` targets.
    pub name: String,
    /// Wished platform.
    pub platform: Option<Platform>,
    /// Wished image of an archive that holds several.
    pub reference: Option<String>,
    /// Bounds.
    pub limits: Limits,
    /// Threads to use.
    pub threads: usize,
    /// The image, when it lies elsewhere: lanes follow this message.
    pub image: Option<Resolved>,
}

/// One manifest of an image that lies elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolved {
    /// As it came.
    pub manifest: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// What it was asked for as.
    pub name: String,
    /// Where it lies.
    pub kind: TargetKind,
    /// Whether going back in a blob costs nothing.
    pub is_near: bool,
}

/// Parent to child, second: what to do with each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Walk it and run the units.
    Walk,
    /// Only prove that the stored bytes have the digest they claim; the facts are cached.
    Verify,
    /// Nothing: the facts are cached under the digest that the verified manifest names.
    Known,
}

/// Child to parent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// What the target is; said first.
    Kind(TargetKind),
    /// The image is open; digests of layers in here are claims.
    Opened(Box<ImageFacts>, Vec<Note>),
    /// Bytes of layers that are done since the last such reply.
    Progress(u64),
    /// A layer, its digests verified.
    Layer(Box<LayerReply>),
    /// Whether a folder holds source code rather than installed software.
    Target(bool),
    /// What an SBOM says.
    Sbom(Box<Sbom>),
    /// A stage could not run: one paragraph for people.
    Failed(String),
    /// Everything is said.
    Done(Vec<Note>),
}

/// What an SBOM says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sbom {
    /// Packages, operating system, evidence.
    #[serde(with = "crate::wire")]
    pub inventory: Inventory,
    /// The image it was made from.
    pub image: Option<ImageFacts>,
}

/// One layer, verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerReply {
    /// Index of the layer.
    pub index: u32,
    /// Digest of the uncompressed bytes; `None` when only stored bytes were hashed.
    pub diff_id: Option<Digest>,
    /// Digest of the stored bytes, when compressed.
    pub blob_digest: Option<Digest>,
    /// Uncompressed bytes, 0 when not inflated.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
    /// What was found; `None` after `Verify`.
    pub facts: Option<LayerFacts>,
}

/// Writes one frame.
pub fn send<T: Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    let bytes = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&bytes)
}

/// Reads one frame of at most `bytes_max`.
pub fn receive<T: DeserializeOwned>(input: &mut impl Read, bytes_max: u64) -> io::Result<T> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a message of the parsing process exceeds its bound",
        ));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

/// Bound of one frame: facts of a layer and its path table.
pub fn frame_bytes_max(limits: &Limits) -> u64 {
    limits
        .facts_bytes_max
        .saturating_add(limits.layer_entries_max.saturating_mul(64))
        .min(u64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip_and_are_bounded() {
        let mut wire = Vec::new();
        send(&mut wire, &Task::Walk).expect("send");
        assert_eq!(receive::<Task>(&mut wire.as_slice(), 16).expect("receive"), Task::Walk);
        assert!(receive::<Task>(&mut wire.as_slice(), 0).is_err());
        assert!(receive::<Task>(&mut &b"\xff\xff\xff\xff"[..], u64::MAX).is_err());
        assert!(receive::<Task>(&mut &b""[..], 16).is_err());
    }
}
