//! What dockerd keeps (its layout since 1.10; the classic image store, not containerd's):
//! `image/<driver>/{repositories.json, imagedb/content/sha256/<image>, layerdb/sha256/<chain>/{cache-id,
//! tar-split.json.gz}, layerdb/mounts/<container>/{mount-id, parent}}` and `containers/<id>/
//! config.v2.json`; files of layers in `<driver>/<cache-id>/diff`.

use super::Engine;
use super::beneath::Folder;
use super::containerd::SNAPSHOTTERS;
use super::error::Error;
use super::held::{Held, Layer, Made, Place, digest_of};
use super::names::{Listed, short};
use super::store::{Parts, Store, cannot, json, named_so, one_container};
use super::tarsplit::Split;
use super::upper::{Lower, Upper};
use seaworthy_types::Digest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Bytes of one record.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// Layers of one image.
const LAYERS_MAX: usize = 512;

/// Drivers whose files can be read, and where those of a layer are.
const DRIVERS: [(&str, &str, &str); 5] = [
    ("overlay2", "overlay2/", "/diff"),
    ("fuse-overlayfs", "fuse-overlayfs/", "/diff"),
    ("overlay", "overlay/", "/root"),
    ("vfs", "vfs/dir/", ""),
    ("btrfs", "btrfs/subvolumes/", ""),
];

/// The storage of one dockerd.
pub(crate) struct Docker {
    root: Arc<Folder>,
    drivers: Vec<(&'static str, &'static str, &'static str)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    #[serde(default)]
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: Rootfs,
}

#[derive(Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// A container, as dockerd notes it.
#[derive(Deserialize)]
pub(crate) struct Container {
    #[serde(rename = "ID")]
    pub id: String,
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Image", default)]
    pub image: String,
    #[serde(rename = "Driver", default)]
    pub driver: String,
    #[serde(rename = "MountPoints", default)]
    pub mounts: Option<BTreeMap<String, serde_json::Value>>,
}

impl Docker {
    /// The storage in a folder, when it is one.
    pub fn open(path: &Path) -> std::io::Result<Option<Self>> {
        let root = match Folder::open(path) {
            Ok(root) => root,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut drivers = Vec::new();
        for driver in DRIVERS {
            match root.folder(format!("image/{}/imagedb", driver.0)) {
                Ok(_) => drivers.push(driver),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
                Err(_) => {}
            }
        }
        Ok((!drivers.is_empty()).then(|| Self { root: Arc::new(root), drivers }))
    }

    fn config(&self, driver: &str, id: &str) -> Result<Vec<u8>, Error> {
        let digits = id.strip_prefix("sha256:").unwrap_or(id);
        let way = format!("image/{driver}/imagedb/content/sha256/{digits}");
        let read = self.root.read(&way, 8 << 20);
        let bytes = read.map_err(|error| cannot(Engine::Docker, &self.root, &way, &error))?;
        named_so(Engine::Docker, digits, bytes)
    }

    fn layer(&self, driver: (&str, &str, &str), chain: Digest) -> Result<(Arc<Folder>, Arc<Folder>), Error> {
        let way = format!("image/{}/layerdb/sha256/{}", driver.0, chain.hex());
        let wrong = |way: &str, error: &std::io::Error| cannot(Engine::Docker, &self.root, way, error);
        let record = self.root.folder(&way).map_err(|error| wrong(&way, &error))?;
        let cache = record.line("cache-id").map_err(|error| wrong(&format!("{way}/cache-id"), &error))?;
        let way = format!("{}{}{}", driver.1, plain(&cache)?, driver.2);
        let files = self.root.folder(&way).map_err(|error| wrong(&way, &error))?;
        Ok((Arc::new(record), Arc::new(files)))
    }

    /// Layers of a chain of digests, lowest first.
    fn layers(
        &self,
        driver: (&str, &str, &str),
        diff_ids: &[Digest],
    ) -> Result<Vec<(Layer, Arc<Folder>)>, Error> {
        let mut chain: Option<Digest> = None;
        let mut layers = Vec::with_capacity(diff_ids.len());
        for diff_id in diff_ids {
            let this = match chain {
                None => *diff_id,
                Some(before) => digest_of(format!("{before} {diff_id}").as_bytes()),
            };
            chain = Some(this);
            let (folder, files) = self.layer(driver, this)?;
            let split = Split { folder, pieces: "tar-split.json.gz".into(), files: Arc::clone(&files) };
            let size = split.size().map_err(|error| Error::Storage {
                engine: Engine::Docker.name(),
                what: format!("layer {}", diff_id.short()),
                why: error.to_string(),
            })?;
            layers.push((Layer::plain(*diff_id, size, Place::Split(split)), files));
        }
        Ok(layers)
    }

    /// The digests of the layers below one, lowest first: what is known when the image is gone.
    fn chain(&self, driver: &str, top: &str) -> Result<Vec<Digest>, Error> {
        let mut diff_ids = Vec::new();
        let mut at = Some(top.to_owned());
        while let Some(chain) = at {
            let digits = plain(chain.strip_prefix("sha256:").unwrap_or(&chain))?.to_owned();
            let way = format!("image/{driver}/layerdb/sha256/{digits}");
            let line = |name: &str| self.root.line(format!("{way}/{name}"));
            let diff = line("diff").map_err(|error| cannot(Engine::Docker, &self.root, &way, &error))?;
            diff_ids.push(Digest::parse(&diff).map_err(|error| strange(&way, error))?);
            if diff_ids.len() > LAYERS_MAX {
                return Err(strange(&way, "more than 512 layers below one another"));
            }
            at = line("parent").ok();
        }
        diff_ids.reverse();
        Ok(diff_ids)
    }

    fn containers_read(&self) -> Result<Vec<Container>, Error> {
        containers(&self.root)
    }
}

/// What dockerd notes of its containers, in its folder.
pub(crate) fn containers(root: &Folder) -> Result<Vec<Container>, Error> {
    let folder = match root.folder("containers") {
        Ok(folder) => folder,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(Engine::Docker, root, "containers", &error)),
    };
    let names = folder.names().map_err(|error| cannot(Engine::Docker, root, "containers", &error))?;
    let mut all = Vec::new();
    for name in names.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
        // One that is being removed has none any more.
        if let Ok(bytes) = folder.read(format!("{name}/config.v2.json"), RECORD_BYTES_MAX) {
            all.push(json::<Container>(Engine::Docker, &format!("containers/{name}"), &bytes)?);
        }
    }
    Ok(all)
}

impl Container {
    /// Its name, if it has one.
    pub fn names(&self) -> Vec<String> {
        let name = self.name.trim_start_matches('/');
        if name.is_empty() { Vec::new() } else { vec![name.to_owned()] }
    }
}

/// A name out of a record that becomes part of a path.
fn plain(name: &str) -> Result<&str, Error> {
    let is_plain =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_plain { Ok(name) } else { Err(strange(name, "no name of a layer")) }
}

fn strange(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Storage { engine: Engine::Docker.name(), what: what.to_owned(), why: why.to_string() }
}

impl Store for Docker {
    fn engine(&self) -> Engine {
        Engine::Docker
    }

    fn place(&self) -> String {
        self.root.path().display().to_string()
    }

    fn images(&self) -> Result<Vec<Listed>, Error> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut parents = BTreeSet::new();
        for (driver, ..) in &self.drivers {
            let base = format!("image/{driver}");
            match self.root.read(format!("{base}/repositories.json"), RECORD_BYTES_MAX) {
                Ok(bytes) => {
                    let read: Repositories = json(Engine::Docker, "repositories.json", &bytes)?;
                    for (name, id) in read.repositories.into_values().flatten() {
                        all.entry(id).or_default().insert(name);
                    }
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(cannot(Engine::Docker, &self.root, "repositories.json", &error)),
            }
            let folder = |name: &str| self.root.folder(format!("{base}/imagedb/{name}/sha256"));
            let names = folder("content").and_then(|folder| folder.names()).unwrap_or_default();
            for id in names.iter().filter_map(|name| Digest::from_hex(std::str::from_utf8(name).ok()?).ok()) {
                all.entry(id.to_string()).or_default();
            }
            // Steps of a build: images below others, without names.
            if let Ok(folder) = folder("metadata") {
                let names = folder.names().unwrap_or_default();
                let parent = |name: &Vec<u8>| folder.line([name.as_slice(), b"/parent"].concat()).ok();
                parents.extend(names.iter().filter_map(parent));
            }
        }
        let is_whole = |id: &String, names: &BTreeSet<String>| !names.is_empty() || !parents.contains(id);
        all.retain(|id, names| is_whole(id, names));
        let listed = all.into_iter().map(|(id, names)| Listed { id, names: names.into_iter().collect() });
        Ok(listed.collect())
    }

    fn image(&self, listed: &Listed) -> Result<Held, Error> {
        let mut last = None;
        for driver in &self.drivers {
            match self.config(driver.0, &listed.id) {
                Ok(config) => {
                    let read: Config = json(Engine::Docker, "the image configuration", &config)?;
                    let diff_ids = read.rootfs.diff_ids.unwrap_or_default();
                    if diff_ids.len() > LAYERS_MAX {
                        return Err(strange(&listed.id, "it has more than 512 layers"));
                    }
                    let layers: Vec<Layer> =
                        self.layers(*driver, &diff_ids)?.into_iter().map(|(layer, _)| layer).collect();
                    return Ok(Held::made(listed.label(), config, &layers, Made::Manifest));
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| strange(&listed.id, "there is no image store")))
    }

    fn containers(&self) -> Result<Vec<Listed>, Error> {
        let listed = |one: Container| Listed { names: one.names(), id: one.id };
        // Those of a containerd are told by its storage.
        let is_own = |one: &Container| {
            self.drivers.iter().any(|driver| driver.0 == one.driver)
                || !SNAPSHOTTERS.iter().any(|s| s.0 == one.driver)
        };
        Ok(self.containers_read()?.into_iter().filter(is_own).map(listed).collect())
    }

    fn container(&self, listed: &Listed) -> Result<Held, Error> {
        let found = self.containers_read()?.into_iter().find(|one| one.id == listed.id);
        let found = found.ok_or_else(|| strange(&listed.id, "the container is gone"))?;
        let driver = self.drivers.iter().find(|driver| driver.0 == found.driver);
        let driver = driver.filter(|driver| driver.2 == "/diff").ok_or_else(|| {
            strange(
                &listed.label(),
                format!("its storage driver `{}` keeps no layer of its own", found.driver),
            )
        })?;
        let way = format!("image/{}/layerdb/mounts/{}", driver.0, plain(&found.id)?);
        let mount =
            self.root.folder(&way).map_err(|error| cannot(Engine::Docker, &self.root, &way, &error))?;
        let line = |name: &str| {
            let way = format!("{way}/{name}");
            mount.line(name).map_err(|error| cannot(Engine::Docker, &self.root, &way, &error))
        };
        let upper = format!("{}{}{}", driver.1, plain(&line("mount-id")?)?, driver.2);
        let upper =
            self.root.folder(&upper).map_err(|error| cannot(Engine::Docker, &self.root, &upper, &error))?;
        let diff_ids = match mount.line("parent") {
            Ok(top) => self.chain(driver.0, &top)?,
            Err(_) => Vec::new(),
        };
        let layers = self.layers(*driver, &diff_ids)?;
        let (layers, folders): (Vec<Layer>, Vec<Arc<Folder>>) = layers.into_iter().unzip();
        let lowers = folders.into_iter().rev().map(Lower::of).collect();
        let upper = Upper { folder: Arc::new(upper), lowers, is_rootless: self.root.is_of_user() };
        let config = self.config(driver.0, &found.image).ok();
        let image = self.images()?.into_iter().find(|one| one.id == found.image);
        let image = image.map_or_else(|| short(&found.image), |one| one.label());
        let mounts = found.mounts.unwrap_or_default().into_keys().collect();
        one_container(
            Engine::Docker,
            listed,
            Parts { image, config, layers, upper, mounts, notes: Vec::new() },
        )
    }
}
