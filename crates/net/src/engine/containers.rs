//! What Podman and CRI-O keep (containers/storage): `overlay-images/images.json` and `overlay-images/
//! <image>/`, `overlay-layers/layers.json` and `<layer>.tar-split.gz`, `overlay-containers/
//! containers.json`; files of layers in `overlay/<layer>/diff`. Also the `vfs` driver's.

use super::Engine;
use super::beneath::Folder;
use super::error::Error;
use super::held::{Held, Layer, Made, Place};
use super::names::{Listed, short};
use super::store::{Parts, Store, cannot, json, named_so, one_container};
use super::tarsplit::Split;
use super::upper::{Lower, Upper};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_types::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Bytes of one record.
const RECORD_BYTES_MAX: u64 = 256 << 20;
/// Layers of one image.
const LAYERS_MAX: usize = 512;

/// Drivers whose files can be read, and where those of a layer are.
const DRIVERS: [(&str, &str, &str); 2] = [("overlay", "overlay/", "/diff"), ("vfs", "vfs/dir/", "")];

/// One storage.
pub(crate) struct Containers {
    engine: Engine,
    root: Folder,
    driver: (&'static str, &'static str, &'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawImage {
    id: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    layer: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawLayer {
    id: String,
    #[serde(default)]
    parent: String,
    #[serde(default)]
    diff_digest: String,
    #[serde(default)]
    diff_size: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawContainer {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: String,
    layer: String,
    #[serde(default)]
    metadata: String,
}

/// What CRI-O and Podman note of a container.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Metadata {
    image_name: String,
    /// CRI-O: the name of the container within its pod.
    name: String,
}

impl Containers {
    /// The storage in a folder, when it is one.
    pub fn open(engine: Engine, path: &Path) -> std::io::Result<Option<Self>> {
        let root = match Folder::open(path) {
            Ok(root) => root,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        for driver in DRIVERS {
            match root.folder(format!("{}-layers", driver.0)) {
                Ok(_) => return Ok(Some(Self { engine, root, driver })),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    fn records<T: serde::de::DeserializeOwned>(&self, kind: &str) -> Result<Vec<T>, Error> {
        let way = format!("{}-{kind}/{kind}.json", self.driver.0);
        match self.root.read(&way, RECORD_BYTES_MAX) {
            Ok(bytes) => Ok(json::<Option<Vec<T>>>(self.engine, &way, &bytes)?.unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(cannot(self.engine, &self.root, &way, &error)),
        }
    }

    fn strange(&self, what: &str, why: impl std::fmt::Display) -> Error {
        let what: String = what.chars().take(200).collect();
        Error::Storage { engine: self.engine.name(), what, why: why.to_string() }
    }

    fn plain<'n>(&self, name: &'n str) -> Result<&'n str, Error> {
        let is_plain =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if is_plain { Ok(name) } else { Err(self.strange(name, "no id")) }
    }

    fn files(&self, layer: &str) -> Result<Arc<Folder>, Error> {
        let way = format!("{}{}{}", self.driver.1, self.plain(layer)?, self.driver.2);
        let files = self.root.folder(&way).map_err(|error| cannot(self.engine, &self.root, &way, &error))?;
        Ok(Arc::new(files))
    }

    /// A layer and all below it, lowest first.
    fn layers(&self, top: &str) -> Result<Vec<(Layer, Arc<Folder>)>, Error> {
        let all: Vec<RawLayer> = self.records("layers")?;
        let all: BTreeMap<&str, &RawLayer> = all.iter().map(|layer| (layer.id.as_str(), layer)).collect();
        let record = format!("{}-layers", self.driver.0);
        let folder =
            self.root.folder(&record).map_err(|error| cannot(self.engine, &self.root, &record, &error))?;
        let folder = Arc::new(folder);
        let mut layers = Vec::new();
        let mut at = top;
        while !at.is_empty() {
            let raw = all.get(at).ok_or_else(|| self.strange(at, "the layer is listed and not there"))?;
            let diff_id = Digest::parse(&raw.diff_digest).map_err(|error| self.strange(at, error))?;
            let files = self.files(at)?;
            let split = Split {
                folder: Arc::clone(&folder),
                pieces: format!("{}.tar-split.gz", self.plain(at)?),
                files: Arc::clone(&files),
            };
            let size = match u64::try_from(raw.diff_size) {
                Ok(size) if size > 0 => size,
                _ => split
                    .size()
                    .map_err(|error| self.strange(&format!("layer {}", diff_id.short()), error))?,
            };
            layers.push((Layer::plain(diff_id, size, Place::Split(split)), files));
            if layers.len() > LAYERS_MAX {
                return Err(self.strange(top, "more than 512 layers below one another"));
            }
            at = &raw.parent;
        }
        layers.reverse();
        Ok(layers)
    }

    /// The image's configuration: its file's name is its digest, written as base64 behind `=`.
    fn config(&self, id: &str) -> Result<Vec<u8>, Error> {
        let key = format!("sha256:{}", self.plain(id)?);
        let way = format!("{}-images/{id}/={}", self.driver.0, STANDARD.encode(key));
        let read = self.root.read(&way, 8 << 20);
        let bytes = read.map_err(|error| cannot(self.engine, &self.root, &way, &error))?;
        named_so(self.engine, id, bytes)
    }

    fn upper(&self, container: &RawContainer) -> Result<(Vec<Layer>, Upper), Error> {
        if self.driver.2 != "/diff" {
            let why = format!("the storage driver `{}` keeps no layer of its own", self.driver.0);
            return Err(self.strange(&container.id, why));
        }
        let all: Vec<RawLayer> = self.records("layers")?;
        let own = all.iter().find(|layer| layer.id == container.layer);
        let own = own.ok_or_else(|| self.strange(&container.id, "its layer is not there"))?;
        let below = self.layers(&own.parent)?;
        let (layers, folders): (Vec<Layer>, Vec<Arc<Folder>>) = below.into_iter().unzip();
        let folder = self.files(&own.id)?;
        let lowers = folders.into_iter().rev().map(Lower::of).collect();
        Ok((layers, Upper { folder, lowers, is_rootless: self.root.is_of_user() }))
    }
}

fn metadata(container: &RawContainer) -> Metadata {
    serde_json::from_str(&container.metadata).unwrap_or_default()
}

impl Store for Containers {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn place(&self) -> String {
        self.root.path().display().to_string()
    }

    fn images(&self) -> Result<Vec<Listed>, Error> {
        let images: Vec<RawImage> = self.records("images")?;
        let listed = |image: RawImage| {
            let mut names = image.names.unwrap_or_default();
            if !image.digest.is_empty() {
                let of = |name: &String| {
                    let last = name.rsplit('/').next().unwrap_or(name);
                    let tag = last.split_once(':').map_or(0, |(_, tag)| tag.len() + 1);
                    format!("{}@{}", name.get(..name.len() - tag).unwrap_or(name), image.digest)
                };
                let pinned: Vec<String> = names.iter().filter(|name| !name.contains('@')).map(of).collect();
                names.extend(pinned);
                names.push(image.digest);
            }
            Listed { id: image.id, names }
        };
        Ok(images.into_iter().filter(|image| !image.layer.is_empty()).map(listed).collect())
    }

    fn image(&self, listed: &Listed) -> Result<Held, Error> {
        let images: Vec<RawImage> = self.records("images")?;
        let image = images.iter().find(|image| image.id == listed.id);
        let image = image.ok_or_else(|| self.strange(&listed.label(), "the image is gone"))?;
        let config = self.config(&image.id)?;
        let layers: Vec<Layer> = self.layers(&image.layer)?.into_iter().map(|(layer, _)| layer).collect();
        Ok(Held::made(listed.label(), config, &layers, Made::Manifest))
    }

    fn containers(&self) -> Result<Vec<Listed>, Error> {
        let containers: Vec<RawContainer> = self.records("containers")?;
        let listed = |one: RawContainer| {
            let own = metadata(&one).name;
            let mut names = one.names.unwrap_or_default();
            if !own.is_empty() && !names.contains(&own) {
                names.push(own);
            }
            Listed { id: one.id, names }
        };
        Ok(containers.into_iter().map(listed).collect())
    }

    fn container(&self, listed: &Listed) -> Result<Held, Error> {
        let containers: Vec<RawContainer> = self.records("containers")?;
        let one = containers.into_iter().find(|one| one.id == listed.id);
        let one = one.ok_or_else(|| self.strange(&listed.label(), "the container is gone"))?;
        let (layers, upper) = self.upper(&one)?;
        let config = if one.image.is_empty() { None } else { self.config(&one.image).ok() };
        let known = metadata(&one).image_name;
        let image = if known.is_empty() { short(&one.image) } else { known };
        one_container(
            self.engine,
            listed,
            Parts { image, config, layers, upper, mounts: Vec::new(), notes: Vec::new() },
        )
    }
}
