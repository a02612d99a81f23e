//! An OCI registry: `oci://registry/repository:tag`. One artifact manifest (image-spec 1.1, "Guidelines for
//! Artifact Usage") names the index and every file as layers with media types of their own. Files are
//! fetched by the digest in their name, so that only what is needed is transferred; what is pushed goes
//! blob by blob, the manifest last. What it does not do: remove what no manifest names any more (a registry
//! collects that itself).

use super::{Carrier, Names, Spool, Taker};
use crate::registry::{Client, Descriptor, Error, media};
use seaworthy_types::{Digest, ImageRef, Timestamp};
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
/// Second (since 1970) at which a publication last referred to a file.
const NEEDED: &str = "seaworthy.data.needed";
const DAY_SECONDS: i64 = 86_400;
/// A manifest is never larger: the OCI specification asks registries for 4 MiB.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// Published data in a registry.
pub struct Oci {
    client: Arc<Client>,
    image: ImageRef,
    names: Names,
    /// The present second, and how many days files are kept that are no longer referred to: the next
    /// publication makes deltas from them.
    keep: (i64, u32),
    /// Files that the manifest at hand names; `None` before it was asked for.
    there: Mutex<Option<BTreeMap<String, Layer>>>,
    /// Files that the next manifest is to name, and their lengths.
    next: Mutex<BTreeMap<String, u64>>,
}

/// A file in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layer {
    bytes: u64,
    needed: i64,
}

/// What one manifest names.
struct Found {
    index: Option<Descriptor>,
    files: BTreeMap<String, Layer>,
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
        let keep = (0, 0);
        Self { client, image, names, keep, there: Mutex::default(), next: Mutex::default() }
    }

    /// The same to be published to: what no publication refers to is kept for some days.
    #[must_use]
    pub fn keeping(mut self, now: Timestamp, days: u32) -> Self {
        self.keep = (now.0, days);
        self
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
                    let needed = layer.annotations.get(NEEDED).and_then(|text| text.parse().ok());
                    let file = Layer { bytes: layer.size, needed: needed.unwrap_or_default() };
                    found.files.insert(name, file);
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
        Ok(there.as_ref().and_then(|files| files.get(name)).map(|file| file.bytes))
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

    /// What the next manifest names: what is referred to, and what was until a short while ago.
    fn files(&self) -> BTreeMap<String, Layer> {
        let (now, days) = self.keep;
        let oldest = now.saturating_sub(i64::from(days).saturating_mul(DAY_SECONDS));
        let mut files = locked(&self.there).clone().unwrap_or_default();
        files.retain(|_, file| file.needed >= oldest);
        let next = locked(&self.next).clone();
        files.extend(next.into_iter().map(|(name, bytes)| (name, Layer { bytes, needed: now })));
        files
    }

    fn push(&self, index: &[u8]) -> Result<(), Error> {
        let Some(tag) = self.image.tag() else {
            return Err(Error::Option(format!("{}: name a tag to push to", self.image)));
        };
        for blob in [EMPTY, index] {
            let size = blob.len() as u64;
            self.client.push_blob(&self.image, digest_of(blob), size, &mut Cursor::new(blob))?;
        }
        let files = self.files();
        let layer = |kind: &str, digest: Digest, size: u64, annotations: Value| json!({ "mediaType": kind, "digest": digest.to_string(), "size": size, "annotations": annotations });
        let title = json!({ TITLE: self.names.index });
        let mut layers: Vec<Value> = vec![layer(INDEX_TYPE, digest_of(index), index.len() as u64, title)];
        for (name, Layer { bytes, needed }) in &files {
            let about = json!({ TITLE: name, NEEDED: needed.to_string() });
            layers.extend(self.digest(name).map(|digest| layer(FILE_TYPE, digest, *bytes, about)));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": ARTIFACT_TYPE,
            "config": { "mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY).to_string(), "size": EMPTY.len() },
            "layers": layers,
        });
        let bytes = manifest.to_string().into_bytes();
        if bytes.len() > MANIFEST_BYTES_MAX {
            let why = format!(
                "{}: {} files are too many for one manifest; publish fewer deltas",
                self.image,
                files.len()
            );
            return Err(Error::Option(why));
        }
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
