//! Where manifests and blobs lie: members of a tar, or files beneath a folder.

use super::Folder;
use crate::source::read_full;
use crate::tar::index::{Index, index};
use crate::{Blobs, Error, FileSource, Source};
use rustix::fd::OwnedFd;
use seaworthy_types::{Digest, Note};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where stored bytes lie.
#[derive(Clone)]
pub(crate) enum Place {
    /// A piece of a source.
    Slice { source: Arc<dyn Source>, offset: u64, len: u64 },
    /// A file beneath a folder.
    File { folder: Arc<Folder>, path: String },
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Slice { offset, len, .. } => write!(f, "Slice({offset}+{len})"),
            Self::File { path, .. } => write!(f, "File({path})"),
        }
    }
}

impl Place {
    pub fn open(&self, what: &str) -> Result<(Arc<dyn Source>, u64, u64), Error> {
        match self {
            Self::Slice { source, offset, len } => Ok((Arc::clone(source), *offset, *len)),
            Self::File { folder, path } => {
                let file = folder.open_file(path).map_err(|error| Error::io(what, error))?;
                let source = FileSource::new(file).map_err(|error| Error::io(what, error))?;
                let len = source.len();
                Ok((Arc::new(source), 0, len))
            }
        }
    }
}

/// All parts of an image by path.
pub(crate) enum Store {
    Archive {
        source: Arc<dyn Source>,
        index: Index,
    },
    Folder(Arc<Folder>),
    /// The blobs that one manifest names, with their sizes.
    Elsewhere {
        blobs: Arc<dyn Blobs>,
        named: BTreeMap<String, (Digest, u64)>,
    },
}

impl Store {
    pub fn archive(source: Arc<dyn Source>) -> Result<Self, Error> {
        if source.is_empty() {
            let detail = "it is empty; save the image again".to_owned();
            return Err(Error::NotAnImage { what: "the archive".into(), detail });
        }
        let index = index(&*source, "the archive")?;
        Ok(Self::Archive { source, index })
    }

    pub fn folder(fd: OwnedFd) -> Self {
        Self::Folder(Arc::new(Folder::new(fd)))
    }

    /// Blobs that lie elsewhere.
    pub fn elsewhere(blobs: Arc<dyn Blobs>, named: impl Iterator<Item = (Digest, u64)>) -> Self {
        let named = named.map(|(digest, size)| (blob_path(digest), (digest, size))).collect();
        Self::Elsewhere { blobs, named }
    }

    pub fn has(&self, path: &str) -> bool {
        match self {
            Self::Elsewhere { named, .. } => named.contains_key(path),
            Self::Archive { index, .. } => index.has(path),
            Self::Folder(folder) => folder.open_file(path).is_ok(),
        }
    }

    /// Finds a part that something lists.
    pub fn find(&self, path: &str, what: &str) -> Result<(Place, u64), Error> {
        match self {
            Self::Archive { source, index } => {
                let missing = || match index.truncated {
                    Some(at) => {
                        format!("no `{path}`; the archive ends too early, at byte {at}: save it again")
                    }
                    None => format!("no `{path}` in the archive; save the image again"),
                };
                let (offset, len) = index.find(path).ok_or_else(|| Error::missing(what, missing()))?;
                if offset.checked_add(len).is_none_or(|end| end > source.len()) {
                    let detail = format!(
                        "the archive ends at byte {} but `{path}` needs {len} bytes from {offset}; save it again",
                        source.len()
                    );
                    return Err(Error::broken(what, detail));
                }
                Ok((Place::Slice { source: Arc::clone(source), offset, len }, len))
            }
            Self::Folder(folder) => {
                let file = folder.open_file(path).map_err(|error| {
                    let detail = format!("cannot open `{path}` beneath the folder ({error})");
                    Error::missing(what, detail)
                })?;
                let len = file.metadata().map_err(|error| Error::io(what, error))?.len();
                Ok((Place::File { folder: Arc::clone(folder), path: path.to_owned() }, len))
            }
            Self::Elsewhere { blobs, named } => {
                let missing = || Error::missing(what, format!("the manifest does not name `{path}`"));
                let (digest, len) = *named.get(path).ok_or_else(missing)?;
                Ok((Place::Slice { source: blobs.blob(digest, len), offset: 0, len }, len))
            }
        }
    }

    /// Reads a manifest or configuration whole, at most `bytes_max` bytes.
    pub fn read(&self, path: &str, what: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let (place, len) = self.find(path, what)?;
        if len > bytes_max {
            return Err(Error::limit(what, "manifest_bytes_max", bytes_max));
        }
        let (source, offset, _) = place.open(what)?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let count = read_full(&*source, offset, &mut bytes).map_err(|error| Error::io(what, error))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Reads a blob by digest and verifies it.
    pub fn read_blob(&self, digest: Digest, what: &str, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let bytes = self.read(&blob_path(digest), what, bytes_max)?;
        let found = digest_of(&bytes);
        if found != digest {
            return Err(Error::DigestMismatch { what: what.into(), claimed: digest, found });
        }
        Ok(bytes)
    }

    /// A remark when the archive ends too early although all that is listed was there.
    pub fn remark(&self) -> Option<Note> {
        let Self::Archive { index, .. } = self else { return None };
        let detail = format!(
            "the archive ends too early, at byte {}, but nothing listed is missing",
            index.truncated?
        );
        Some(Note::info("archive-truncated", "image", "", detail))
    }

    /// Why this is no image.
    pub fn no_image(&self) -> Error {
        let (what, detail) = match self {
            Self::Archive { index, .. } => {
                let looks_unpacked = index.paths().any(|path| path.starts_with("etc/"));
                let truncated = index.truncated.is_some();
                let detail = match (looks_unpacked, truncated) {
                    (true, _) => {
                        "it holds files of a root file system and no manifest.json or index.json; unpack it and scan it as dir:FOLDER"
                    }
                    (_, true) => "it has no manifest.json or index.json and ends too early; save it again",
                    _ => "it has no manifest.json or index.json; make it with `docker save` or `skopeo copy`",
                };
                ("the archive", detail)
            }
            Self::Elsewhere { .. } => ("the manifest", "it names no image"),
            Self::Folder(_) => ("the folder", "it has no index.json; scan a plain folder as dir:FOLDER"),
        };
        Error::NotAnImage { what: what.into(), detail: detail.into() }
    }
}

/// Where an OCI layout keeps a blob (OCI image-spec, image-layout.md).
pub(crate) fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
