//! An image or container that an engine on this machine holds: one manifest, and where the bytes of
//! each blob come from. Where the engine keeps no manifest, one is made of what it says.

use super::beneath::Folder;
use super::tarsplit::{Assembled, Split};
use seaworthy_types::{Digest, Note};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// What of a held image was made here and says nothing about the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Manifest and configuration are the image's own.
    Nothing,
    /// The manifest: the engine keeps none.
    Manifest,
    /// The manifest and the configuration: a layer was added, or its digest is another one.
    Configuration,
}

/// What is held.
#[derive(Debug)]
pub struct Held {
    /// Its name for people.
    pub name: String,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its digest.
    pub digest: Digest,
    /// What was made here.
    pub made: Made,
    /// Whether it is a container.
    pub is_container: bool,
    /// What people should know.
    pub notes: Vec<Note>,
    blobs: BTreeMap<Digest, Blob>,
}

/// A blob, and where its bytes come from.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    pub size: u64,
    pub place: Place,
}

/// Where bytes come from.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Memory.
    Bytes(Arc<[u8]>),
    /// A file beneath a folder.
    File(Arc<Folder>, String),
    /// Pieces and files.
    Split(Split),
    /// A file without a name.
    Spool(Arc<File>),
}

/// A layer for a made manifest.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub diff_id: Digest,
    /// Digest of the bytes as they are kept, when that is another one.
    pub stored: Option<Digest>,
    pub blob: Blob,
}

impl Layer {
    /// A layer that is kept as the tar it is.
    pub fn plain(diff_id: Digest, size: u64, place: Place) -> Self {
        Self { diff_id, stored: None, blob: Blob { size, place } }
    }

    fn digest(&self) -> Digest {
        self.stored.unwrap_or(self.diff_id)
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

impl Held {
    /// An image whose manifest is the engine's.
    pub(crate) fn stored(name: String, manifest: Vec<u8>, blobs: BTreeMap<Digest, Blob>) -> Self {
        let digest = digest_of(&manifest);
        Self { name, manifest, digest, made: Made::Nothing, is_container: false, notes: Vec::new(), blobs }
    }

    /// An image of a configuration and layers, lowest first.
    pub(crate) fn made(name: String, config: Vec<u8>, layers: &[Layer], made: Made) -> Self {
        let config_digest = digest_of(&config);
        let described: Vec<_> = layers
            .iter()
            .map(|layer| json!({ "digest": layer.digest().to_string(), "size": layer.blob.size }))
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "config": { "digest": config_digest.to_string(), "size": config.len() },
            "layers": described,
        });
        let manifest = manifest.to_string().into_bytes();
        let mut blobs: BTreeMap<Digest, Blob> =
            layers.iter().map(|layer| (layer.digest(), layer.blob.clone())).collect();
        let size = config.len() as u64;
        blobs.insert(config_digest, Blob { size, place: Place::Bytes(config.into()) });
        let mut held = Self::stored(name, manifest, blobs);
        held.made = made;
        held
    }

    /// The blobs: digest and size.
    pub fn blobs(&self) -> Vec<(Digest, u64)> {
        self.blobs.iter().map(|(digest, blob)| (*digest, blob.size)).collect()
    }

    /// A blob that can be passed over without being read: it lies on this machine, and its bytes are as sure
    /// as those of any file.
    pub fn near(&self, digest: Digest) -> io::Result<NearReader> {
        let blob = self.blobs.get(&digest);
        let blob = blob.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such blob"))?;
        Ok(NearReader(match &blob.place {
            Place::Bytes(bytes) => Way::Bytes(io::Cursor::new(Arc::clone(bytes))),
            Place::File(folder, name) => Way::File(folder.file(name)?),
            Place::Split(split) => Way::Split(Box::new(split.read()?)),
            Place::Spool(file) => Way::Spool(Spooled { file: Arc::clone(file), at: 0 }),
        }))
    }

    /// A blob from its beginning; when it `verifies`, with an error instead of its last bytes if the
    /// digest is another one.
    pub fn read(&self, digest: Digest, verifies: bool) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.blobs.get(&digest);
        let blob = blob.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such blob"))?;
        let reader: Box<dyn Read + Send> = match &blob.place {
            Place::Bytes(bytes) => Box::new(io::Cursor::new(Arc::clone(bytes))),
            Place::File(folder, name) => Box::new(folder.file(name)?),
            Place::Split(split) => Box::new(split.read()?),
            Place::Spool(file) => Box::new(Spooled { file: Arc::clone(file), at: 0 }),
        };
        match verifies {
            true => Ok(Box::new(Verified { reader, left: blob.size, hash: Sha256::new(), digest })),
            false => Ok(reader),
        }
    }
}

/// A blob on this machine.
pub struct NearReader(Way);

enum Way {
    Bytes(io::Cursor<Arc<[u8]>>),
    File(File),
    Split(Box<Assembled>),
    Spool(Spooled),
}

impl NearReader {
    /// Passes over bytes.
    pub fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match &mut self.0 {
            Way::Bytes(reader) => reader.set_position(reader.position().saturating_add(bytes)),
            Way::File(file) => {
                let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
                file.seek(SeekFrom::Current(bytes))?;
            }
            Way::Split(reader) => reader.skip(bytes)?,
            Way::Spool(reader) => reader.at = reader.at.saturating_add(bytes),
        }
        Ok(())
    }
}

impl Read for NearReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Way::Bytes(reader) => reader.read(buffer),
            Way::File(reader) => reader.read(buffer),
            Way::Split(reader) => reader.read(buffer),
            Way::Spool(reader) => reader.read(buffer),
        }
    }
}

/// A file that several read at once.
struct Spooled {
    file: Arc<File>,
    at: u64,
}

impl Read for Spooled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Holds the last bytes back until the digest is known to be right.
struct Verified {
    reader: Box<dyn Read + Send>,
    left: u64,
    hash: Sha256,
    digest: Digest,
}

impl Read for Verified {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.left -= count as u64;
        if self.left == 0 && count > 0 {
            let found = Digest::from_bytes(std::mem::take(&mut self.hash).finalize().into());
            if found != self.digest {
                let what = format!("a layer changed while it was scanned: {} became {found}", self.digest);
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_verified_when_asked() {
        let good = Layer::plain(digest_of(b"layer"), 5, Place::Bytes((*b"layer").into()));
        let bad = Layer::plain(digest_of(b"other"), 5, Place::Bytes((*b"layer").into()));
        let held = Held::made("x".into(), b"{}".to_vec(), &[good, bad], Made::Manifest);
        assert_eq!(held.blobs().len(), 3);
        let read = |digest, verifies| -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            held.read(digest, verifies)?.read_to_end(&mut bytes).map(|_| bytes)
        };
        assert_eq!(read(digest_of(b"layer"), true).expect("right"), b"layer");
        assert_eq!(read(digest_of(b"other"), false).expect("unverified"), b"layer");
        assert!(read(digest_of(b"other"), true).expect_err("wrong").to_string().contains("changed"));
        assert!(read(digest_of(b"none"), false).is_err());
        let mut near = held.near(digest_of(b"layer")).expect("there");
        near.skip(3).expect("passed over");
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).expect("read");
        assert_eq!(rest, b"er");
    }
}
