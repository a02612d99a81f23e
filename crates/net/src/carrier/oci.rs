//! An OCI registry: `oci://registry/repository:tag`. One artifact manifest (image-spec 1.1, "Guidelines for
//! Artifact Usage") names the index and every file as layers with media types of their own. Files are
//! fetched by the digest in their name, so that only what is needed is transferred; what is pushed goes
//! blob by blob, the manifest last. What it does not do: remove what no manifest names any more (a registry
//! collects that itself).

use super::{Carrier, Names, Spool, Taker};
use crate::registry::{Client, Descriptor, Error, media};
use seaworthy_types::{Digest, ImageRef};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// `artifactType` of the manifest.
pub const ARTIFACT_TYPE: &str = "application/vnd.seaworthy.data.v1";
/// Media type of the index.
pub const INDEX_TYPE: &str = "application/vnd.seaworthy.data.index.v1";
/// Media type of all other files.
pub const FILE_TYPE: &str = "application/vnd.seaworthy.data.file.v1";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
const TITLE: &str = "org.opencontainers.image.title";

/// Published data in a registry.
pub struct Oci {
    client: Arc<Client>,
    image: ImageRef,
    names: Names,
    /// Files that the manifest at hand names, and their lengths; `None` before it was asked for.
    there: Mutex<Option<BTreeMap<String, u64>>>,
    /// Files that the next manifest is to name.
    next: Mutex<BTreeMap<String, u64>>,
}

/// What one manifest names.
struct Found {
    index: Option<Descriptor>,
    files: BTreeMap<String, u64>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

impl Oci {
    /// Data in a repository; nothing is sent yet.
    pub fn new(client: Arc<Client>, image: ImageRef, names: Names) -> Self {
        Self { client, image, names, there: Mutex::default(), next: Mutex::default() }
    }

    /// Asks for the manifest; nothing when there is none.
    fn ask(&self) -> Result<Option<Found>, Error> {
        let manifest = match self.client.manifest(&self.image) {
            Ok(manifest) => manifest,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let foreign = |detail: &str| Error::Malformed {
            what: format!("the manifest of {}", self.image),
            host: manifest.host.clone(),
            detail: format!("{detail}: are these published data of seaworthy?"),
        };
        let crate::registry::Names::Image { layers, .. } = &manifest.names else {
            return Err(foreign("it is an index of images"));
        };
        let mut found = Found { index: None, files: BTreeMap::new() };
        for layer in layers {
            match layer.media_type.as_str() {
                INDEX_TYPE => found.index = Some(layer.clone()),
                FILE_TYPE => {
                    let name = format!("{}{}", self.names.files, layer.digest.hex());
                    found.files.insert(name, layer.size);
                }
                // Something that later programs add.
                _ => {}
            }
        }
        match found.index {
            Some(_) => Ok(Some(found)),
            None => Err(foreign("it names no index of data")),
        }
    }

    /// Length of a file that the manifest names.
    fn length(&self, name: &str) -> Result<Option<u64>, Error> {
        let mut there = locked(&self.there);
        if there.is_none() {
            *there = Some(self.ask()?.map(|found| found.files).unwrap_or_default());
        }
        Ok(there.as_ref().and_then(|files| files.get(name)).copied())
    }

    fn blob(
        &self,
        digest: Digest,
        bytes: u64,
        bytes_max: u64,
    ) -> Result<Option<Box<dyn Read + Send>>, Error> {
        if bytes > bytes_max {
            let (what, host) =
                (format!("the blob {digest} of {}", self.image), self.image.registry().to_owned());
            return Err(Error::TooLarge { what, host, bytes_max });
        }
        match self.client.blob(&self.image, digest, bytes) {
            Ok(reader) => Ok(Some(Box::new(reader))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn find(&self, name: &str, bytes_max: u64) -> Result<Option<Box<dyn Read + Send>>, Error> {
        if name == self.names.index {
            let Some(found) = self.ask()? else { return Ok(None) };
            *locked(&self.there) = Some(found.files);
            return match found.index {
                Some(index) => self.blob(index.digest, index.size, bytes_max),
                None => Ok(None),
            };
        }
        let (Some(bytes), Some(digest)) = (self.length(name)?, self.digest(name)) else { return Ok(None) };
        self.blob(digest, bytes, bytes_max)
    }

    fn digest(&self, name: &str) -> Option<Digest> {
        Digest::parse(&format!("sha256:{}", self.names.sha256(name)?)).ok()
    }

    fn push(&self, index: &[u8]) -> Result<(), Error> {
        let Some(tag) = self.image.tag() else {
            return Err(Error::Option(format!("{}: name a tag to push to", self.image)));
        };
        for blob in [EMPTY, index] {
            let size = blob.len() as u64;
            self.client.push_blob(&self.image, digest_of(blob), size, &mut Cursor::new(blob))?;
        }
        let layer = |kind: &str, digest: Digest, size: u64, name: &str| json!({ "mediaType": kind, "digest": digest.to_string(), "size": size, "annotations": { TITLE: name } });
        let files = locked(&self.next).clone();
        let mut layers: Vec<Value> =
            vec![layer(INDEX_TYPE, digest_of(index), index.len() as u64, self.names.index)];
        for (name, bytes) in &files {
            layers.extend(self.digest(name).map(|digest| layer(FILE_TYPE, digest, *bytes, name)));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": { "mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY).to_string(), "size": EMPTY.len() },
            "layers": layers,
        });
        let bytes = manifest.to_string().into_bytes();
        self.client.push_manifest(&self.image, Some(tag), media::OCI_MANIFEST, &bytes)?;
        *locked(&self.there) = Some(files);
        Ok(())
    }
}

impl Carrier for Oci {
    fn name(&self) -> String {
        format!("oci://{}", self.image)
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + Send + '_>>> {
        self.names.check(name)?;
        Ok(self.find(name, bytes_max).map_err(io::Error::other)?.map(|reader| reader as _))
    }
}

impl Taker for Oci {
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool> {
        self.names.check(name)?;
        let is_there = self.length(name).map_err(io::Error::other)? == Some(bytes);
        if is_there {
            locked(&self.next).insert(name.to_owned(), bytes);
        }
        Ok(is_there)
    }
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        let Some(digest) = self.digest(name) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of a published file"));
        };
        if !self.has(name, bytes)? {
            let mut spool = Spool::new(bytes, content)?.into_file()?;
            self.client.push_blob(&self.image, digest, bytes, &mut spool).map_err(io::Error::other)?;
            locked(&self.next).insert(name.to_owned(), bytes);
        }
        Ok(())
    }
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes).map_err(io::Error::other)
    }
}
