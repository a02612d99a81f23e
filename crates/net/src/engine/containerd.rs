//! What containerd keeps (its layout since 1.0): names in `io.containerd.metadata.v1.bolt/meta.db`
//! (`metadata/buckets.go`), blobs in `io.containerd.content.v1.content/blobs/sha256/`, unpacked layers and
//! what containers have written in `io.containerd.snapshotter.v1.overlayfs/{metadata.db, snapshots/<id>/fs}`.
//!
//! Where the blobs of layers were thrown away after unpacking (a setting of Kubernetes nodes), layers are
//! made anew of their unpacked files; then their digests are others, which is said.

use super::Engine;
use super::beneath::Folder;
use super::bolt::{Bolt, Bucket, Entry, look};
use super::docker;
use super::error::Error;
use super::held::{Blob, Held, Layer, Made, Place, digest_of};
use super::names::{Listed, short};
use super::store::{Parts, Store, UNIT, cannot, json, named_so, one_container, rebuilt};
use super::upper::{Lower, Upper};
use crate::registry::Descriptor;
use seaworthy_types::{Digest, Note, Platform};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

const DATABASE: &str = "io.containerd.metadata.v1.bolt/meta.db";
const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";
/// Snapshotters whose folders can be read.
pub(crate) const SNAPSHOTTERS: [(&str, &str); 2] = [
    ("overlayfs", "io.containerd.snapshotter.v1.overlayfs"),
    ("fuse-overlayfs", "io.containerd.snapshotter.v1.fuse-overlayfs"),
];
/// Bytes of a manifest or configuration.
const RECORD_BYTES_MAX: u64 = 8 << 20;
/// Docker's namespace.
const DOCKERS: &[u8] = b"moby";
/// Layers of one image.
const LAYERS_MAX: usize = 512;
/// Indexes within indexes.
const DEPTH_MAX: u32 = 4;

/// One storage.
pub(crate) struct Containerd {
    /// Whose images these are: Docker keeps its own in a containerd since version 29.
    engine: Engine,
    /// Docker's folder, which knows its containers.
    docker: Option<Folder>,
    root: Folder,
    blobs: Arc<Folder>,
    database: File,
    wanted: Option<Platform>,
}

#[derive(Deserialize)]
struct RawManifest {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(default)]
    rootfs: RawRootfs,
}

#[derive(Deserialize, Default)]
struct RawRootfs {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// A container as the database has it.
#[derive(Debug, Default)]
struct Record {
    namespace: String,
    id: String,
    image: String,
    snapshotter: String,
    key: String,
    names: Vec<String>,
    mounts: Vec<String>,
}

/// An image that was chosen: its manifest and configuration.
struct Chosen {
    manifest: Vec<u8>,
    config: Descriptor,
    config_json: Vec<u8>,
    layers: Vec<Descriptor>,
    diff_ids: Vec<Digest>,
}

impl Containerd {
    /// The storage in a folder, when it is one.
    pub fn open(path: &Path, wanted: Option<Platform>) -> io::Result<Option<Self>> {
        Self::open_for(Engine::Containerd, path, None, wanted)
    }

    /// The images that Docker keeps in a containerd: its own, in Docker's folder, or the machine's.
    pub fn open_of_docker(path: &Path, docker: &Path, wanted: Option<Platform>) -> io::Result<Option<Self>> {
        let docker = Folder::open(docker).ok();
        let store = Self::open_for(Engine::Docker, path, docker, wanted)?;
        // A containerd that Docker does not use has nothing of it.
        let has = |store: &Self| {
            store.asked(|bolt| bolt.bucket(&[b"v1", DOCKERS, b"images"])).is_ok_and(|it| it.is_some())
        };
        Ok(store.filter(has))
    }

    fn open_for(
        engine: Engine,
        path: &Path,
        docker: Option<Folder>,
        wanted: Option<Platform>,
    ) -> io::Result<Option<Self>> {
        let missing =
            |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        let opened = Folder::open(path).and_then(|root| {
            let (blobs, database) = (root.folder(BLOBS)?, root.file(DATABASE)?);
            Ok(Self { engine, docker, root, blobs: Arc::new(blobs), database, wanted })
        });
        match opened {
            Ok(store) => Ok(Some(store)),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn asked<T>(&self, read: impl Fn(&Bolt<'_>) -> io::Result<T>) -> Result<T, Error> {
        look(&self.database, read).map_err(|error| cannot(self.engine, &self.root, DATABASE, &error))
    }

    fn strange(&self, what: &str, why: impl std::fmt::Display) -> Error {
        let what = what.chars().take(200).collect();
        Error::Storage { engine: self.engine.name(), what, why: why.to_string() }
    }

    /// Names and buckets of the namespaces that count.
    fn namespaces(&self, bolt: &Bolt<'_>) -> io::Result<Vec<(String, Bucket)>> {
        let Some(root) = bolt.bucket(&[b"v1"])? else { return Ok(Vec::new()) };
        let entries = bolt.entries(&root)?.into_iter();
        let is_wanted = |name: &[u8]| self.engine == Engine::Containerd || name == DOCKERS;
        Ok(entries
            .filter_map(|(name, entry)| match entry {
                Entry::Bucket(bucket) if is_wanted(&name) => {
                    Some((String::from_utf8_lossy(&name).into_owned(), bucket))
                }
                _ => None,
            })
            .collect())
    }

    /// Name and digest of every image of every namespace.
    fn targets(&self) -> Result<Vec<(String, Digest)>, Error> {
        self.asked(|bolt| {
            let mut all = Vec::new();
            for (_, namespace) in self.namespaces(bolt)? {
                let Some(images) = bolt.below(&namespace, &[b"images"])? else { continue };
                for (name, entry) in bolt.entries(&images)? {
                    let Entry::Bucket(image) = entry else { continue };
                    let Some(target) = bolt.below(&image, &[b"target"])? else { continue };
                    let digest = bolt.text(&target, "digest")?.and_then(|text| Digest::parse(&text).ok());
                    all.extend(digest.map(|digest| (String::from_utf8_lossy(&name).into_owned(), digest)));
                }
            }
            Ok(all)
        })
    }

    fn records(&self) -> Result<Vec<Record>, Error> {
        if self.engine != Engine::Containerd {
            return self.records_of_docker();
        }
        self.asked(|bolt| {
            let mut all = Vec::new();
            for (namespace, bucket) in self.namespaces(bolt)? {
                let Some(containers) = bolt.below(&bucket, &[b"containers"])? else { continue };
                for (id, entry) in bolt.entries(&containers)? {
                    let Entry::Bucket(container) = entry else { continue };
                    let text =
                        |key: &str| Ok::<_, io::Error>(bolt.text(&container, key)?.unwrap_or_default());
                    let mut names = Vec::new();
                    if let Some(labels) = bolt.below(&container, &[b"labels"])? {
                        for label in ["nerdctl/name", "io.kubernetes.container.name"] {
                            names.extend(bolt.text(&labels, label)?);
                        }
                    }
                    all.push(Record {
                        namespace: namespace.clone(),
                        id: String::from_utf8_lossy(&id).into_owned(),
                        image: text("image")?,
                        snapshotter: text("snapshotter")?,
                        key: text("snapshotKey")?,
                        names,
                        mounts: Vec::new(),
                    });
                }
            }
            Ok(all)
        })
    }

    /// Docker's containers: a snapshot has the id of its container.
    fn records_of_docker(&self) -> Result<Vec<Record>, Error> {
        let Some(docker) = &self.docker else { return Ok(Vec::new()) };
        let of = |one: docker::Container| Record {
            namespace: String::from_utf8_lossy(DOCKERS).into_owned(),
            names: one.names(),
            key: one.id.clone(),
            id: one.id,
            image: one.image,
            snapshotter: one.driver,
            mounts: one.mounts.unwrap_or_default().into_keys().collect(),
        };
        let is_here = |one: &docker::Container| SNAPSHOTTERS.iter().any(|(name, _)| *name == one.driver);
        Ok(docker::containers(docker)?.into_iter().filter(is_here).map(of).collect())
    }

    fn blob(&self, digest: Digest, what: &str) -> Result<Vec<u8>, Error> {
        let read = self.blobs.read(digest.hex(), RECORD_BYTES_MAX);
        let bytes = read.map_err(|error| cannot(self.engine, &self.blobs, &digest.hex(), &error))?;
        named_so(self.engine, &digest.hex(), bytes).map_err(|error| self.strange(what, error))
    }

    fn has(&self, digest: Digest) -> bool {
        self.blobs.file(digest.hex()).is_ok()
    }

    /// From an image's target to the manifest for the wished platform.
    fn choose(&self, name: &str, target: Digest) -> Result<Chosen, Error> {
        let mut digest = target;
        for _ in 0..DEPTH_MAX {
            let manifest = self.blob(digest, name)?;
            let raw: RawManifest = json(self.engine, name, &manifest)?;
            match (raw.manifests, raw.config) {
                (Some(all), None) => digest = self.fitting(name, &all)?,
                (None, Some(config)) => {
                    let config_json = self.blob(config.digest, name)?;
                    let read: RawConfig = json(self.engine, name, &config_json)?;
                    let diff_ids = read.rootfs.diff_ids.unwrap_or_default();
                    let layers = raw.layers.unwrap_or_default();
                    if layers.len() > LAYERS_MAX || layers.len() != diff_ids.len() {
                        return Err(
                            self.strange(name, "manifest and configuration do not list the same layers")
                        );
                    }
                    return Ok(Chosen { manifest, config, config_json, layers, diff_ids });
                }
                _ => return Err(self.strange(name, "its manifest is of no known kind")),
            }
        }
        Err(self.strange(name, "indexes within indexes"))
    }

    /// The manifest of an index that is wanted, of those whose bytes are here.
    fn fitting(&self, name: &str, all: &[Descriptor]) -> Result<Digest, Error> {
        let images: Vec<&Descriptor> = all.iter().filter(|one| !one.is_attestation()).take(1_000).collect();
        let fits = |one: &&&Descriptor| match (&self.wanted, &one.platform) {
            (Some(wanted), Some(offered)) => wanted.accepts(offered),
            _ => images.len() == 1,
        };
        let fitting: Vec<&&Descriptor> = images.iter().filter(fits).collect();
        let here = fitting.iter().find(|one| self.has(one.digest)).or(fitting.first());
        here.map(|one| one.digest).ok_or_else(|| {
            let offered: Vec<String> =
                images.iter().filter_map(|one| one.platform.as_ref()).map(Platform::to_string).collect();
            let wanted = self.wanted.as_ref().map(Platform::to_string).unwrap_or_default();
            self.strange(
                name,
                format!("it has nothing for {wanted}; there is: {} (--platform)", offered.join(", ")),
            )
        })
    }

    fn stored(&self, name: &str, chosen: Chosen) -> Held {
        let mut blobs = BTreeMap::new();
        for one in &chosen.layers {
            let place = Place::File(Arc::clone(&self.blobs), one.digest.hex());
            blobs.insert(one.digest, Blob { size: one.size, place });
        }
        let config = Blob { size: chosen.config.size, place: Place::Bytes(chosen.config_json.into()) };
        blobs.insert(chosen.config.digest, config);
        Held::stored(name.to_owned(), chosen.manifest, blobs)
    }

    fn compressed(&self, stored: &Descriptor, diff_id: Digest) -> Layer {
        let place = Place::File(Arc::clone(&self.blobs), stored.digest.hex());
        Layer { diff_id, stored: Some(stored.digest), blob: Blob { size: stored.size, place } }
    }

    /// Folders of a snapshot and those below it, the top one first, of every snapshotter that has it.
    fn snapshots(&self, namespace: &str, snapshotter: &str, key: &str) -> Result<Vec<Arc<Folder>>, Error> {
        let place = SNAPSHOTTERS.iter().find(|(name, _)| *name == snapshotter).map(|(_, place)| *place);
        let place = place.ok_or_else(|| {
            self.strange(
                key,
                format!("the snapshotter `{snapshotter}` keeps its files in a way that is not known here"),
            )
        })?;
        let way: [&[u8]; 5] =
            [b"v1", namespace.as_bytes(), b"snapshots", snapshotter.as_bytes(), key.as_bytes()];
        let name = self.asked(|bolt| match bolt.bucket(&way)? {
            Some(bucket) => bolt.text(&bucket, "name"),
            None => Ok(None),
        })?;
        let mut name = name.ok_or_else(|| self.strange(key, "its snapshot is not there"))?;
        let folder =
            self.root.folder(place).map_err(|error| cannot(self.engine, &self.root, place, &error))?;
        let wrong = |error: &io::Error| cannot(self.engine, &folder, "metadata.db", error);
        let database = folder.file("metadata.db").map_err(|error| wrong(&error))?;
        let mut folders = Vec::new();
        while !name.is_empty() {
            let (id, parent) = look(&database, |bolt| {
                let bucket = bolt.bucket(&[b"v1", b"snapshots", name.as_bytes()])?;
                let bucket =
                    bucket.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "a snapshot is not there"))?;
                let id = match bolt.get(&bucket, b"id")? {
                    Some(Entry::Value(bytes)) => varint(&bytes),
                    _ => None,
                };
                Ok((id, bolt.text(&bucket, "parent")?.unwrap_or_default()))
            })
            .map_err(|error| wrong(&error))?;
            let id = id.ok_or_else(|| self.strange(key, "a snapshot without a number"))?;
            let way = format!("snapshots/{id}/fs");
            let files = folder.folder(&way).map_err(|error| cannot(self.engine, &folder, &way, &error))?;
            folders.push(Arc::new(files));
            if folders.len() > LAYERS_MAX {
                return Err(self.strange(key, "more than 512 snapshots below one another"));
            }
            name = parent;
        }
        Ok(folders)
    }

    /// Layers made anew of unpacked files; the lowest first.
    fn unpacked(&self, chain: &str) -> Result<(Vec<Layer>, Vec<Note>), Error> {
        let namespaces: Vec<String> =
            self.asked(|bolt| Ok(self.namespaces(bolt)?.into_iter().map(|(name, _)| name).collect()))?;
        let mut last = None;
        for namespace in &namespaces {
            for (snapshotter, _) in SNAPSHOTTERS {
                match self.snapshots(namespace, snapshotter, chain) {
                    Ok(folders) => return from_folders(&folders, self.root.is_of_user()),
                    Err(error) => last = Some(error),
                }
            }
        }
        Err(last.unwrap_or_else(|| self.strange(chain, "its snapshot is not there")))
    }
}

/// Layers made of the folders of snapshots, the top one first; given lowest first.
fn from_folders(folders: &[Arc<Folder>], is_rootless: bool) -> Result<(Vec<Layer>, Vec<Note>), Error> {
    let (mut layers, mut notes) = (Vec::with_capacity(folders.len()), Vec::new());
    for folder in folders.iter().rev() {
        let (layer, more) = rebuilt(folder, is_rootless)?;
        layers.push(layer);
        notes.extend(more);
    }
    Ok((layers, notes))
}

/// A number of seven bits a byte, as Go writes it.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(u32::try_from(at).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The name of each layer and all below it (OCI image-spec, config.md, "ChainID").
fn chains(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chains.last() {
            None => *diff_id,
            Some(before) => digest_of(format!("{before} {diff_id}").as_bytes()),
        };
        chains.push(next);
    }
    chains
}

impl Store for Containerd {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn place(&self) -> String {
        self.root.path().display().to_string()
    }

    fn images(&self) -> Result<Vec<Listed>, Error> {
        let mut all: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for (name, digest) in self.targets()? {
            let names = all.entry(digest).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let listed = all.into_iter().map(|(digest, mut names)| {
            // Kubernetes names an image by its configuration too.
            names.sort_by_key(|name| (name.starts_with("sha256:"), name.contains('@')));
            let pinned: Vec<String> = names
                .iter()
                .filter(|name| !name.contains('@') && !name.starts_with("sha256:"))
                .map(|name| {
                    format!("{}@{digest}", name.rsplit_once(':').map_or(name.as_str(), |(base, _)| base))
                })
                .collect();
            names.extend(pinned);
            Listed { id: digest.to_string(), names }
        });
        Ok(listed.collect())
    }

    fn image(&self, listed: &Listed) -> Result<Held, Error> {
        let name = listed.label();
        let digest = Digest::parse(&listed.id).map_err(|error| self.strange(&name, error))?;
        let chosen = self.choose(&name, digest)?;
        let missing = chosen.layers.iter().filter(|one| !self.has(one.digest)).count();
        if missing == 0 {
            return Ok(self.stored(&name, chosen));
        }
        let Some(top) = chains(&chosen.diff_ids).last().copied() else {
            return Ok(self.stored(&name, chosen));
        };
        let (layers, notes) = self.unpacked(&top.to_string())?;
        if layers.len() != chosen.diff_ids.len() {
            return Err(self.strange(&name, "there are not as many snapshots as layers"));
        }
        let config = with_layers(&chosen.config_json, &layers);
        let mut held = Held::made(name.clone(), config, &layers, Made::Configuration);
        let detail = format!(
            "{missing} of {} blobs of layers are not in the content store: all layers were made anew of their \
             unpacked files, so their digests are not the image's",
            layers.len()
        );
        held.notes = notes;
        held.notes.push(Note::info("engine-layers-made", UNIT, name, detail));
        Ok(held)
    }

    fn containers(&self) -> Result<Vec<Listed>, Error> {
        let records = self.records()?;
        Ok(records.into_iter().map(|one| Listed { id: one.id, names: one.names }).collect())
    }

    fn container(&self, listed: &Listed) -> Result<Held, Error> {
        let one = self.records()?.into_iter().find(|one| one.id == listed.id);
        let one = one.ok_or_else(|| self.strange(&listed.label(), "the container is gone"))?;
        let mut folders = self.snapshots(&one.namespace, &one.snapshotter, &one.key)?;
        if folders.is_empty() {
            return Err(self.strange(&listed.label(), "it has no snapshot"));
        }
        let upper = folders.remove(0);
        // Docker names the image by its digest.
        let is_it = |(name, digest): &(String, Digest)| *name == one.image || digest.to_string() == one.image;
        let image = self.targets()?.into_iter().find(is_it);
        let title = image.as_ref().map_or_else(|| short(&one.image), |(name, _)| name.clone());
        let chosen = image.and_then(|(name, digest)| self.choose(&name, digest).ok());
        // Docker puts a layer of mount points between.
        if self.engine == Engine::Docker
            && chosen.as_ref().is_some_and(|c| c.layers.len() + 1 == folders.len())
        {
            folders.remove(0);
        }
        let chosen = chosen.filter(|chosen| chosen.layers.len() == folders.len());
        let lowers = folders.iter().map(|folder| Lower::of(Arc::clone(folder))).collect();
        let is_rootless = self.root.is_of_user();
        let upper = Upper { folder: upper, lowers, is_rootless };
        let config = chosen.as_ref().map(|chosen| chosen.config_json.clone());
        let (layers, notes) =
            match chosen.filter(|chosen| chosen.layers.iter().all(|one| self.has(one.digest))) {
                Some(chosen) => {
                    let pairs = chosen.layers.iter().zip(&chosen.diff_ids);
                    (pairs.map(|(stored, diff_id)| self.compressed(stored, *diff_id)).collect(), Vec::new())
                }
                None => from_folders(&folders, is_rootless)?,
            };
        let parts = Parts { image: title, config, layers, upper, mounts: one.mounts, notes };
        one_container(self.engine, listed, parts)
    }
}

/// The configuration with other digests of layers.
fn with_layers(config: &[u8], layers: &[Layer]) -> Vec<u8> {
    let mut config: serde_json::Value = serde_json::from_slice(config).unwrap_or_default();
    if !config.is_object() {
        config = serde_json::json!({});
    }
    let diff_ids: Vec<String> = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    config["rootfs"] = serde_json::json!({ "type": "layers", "diff_ids": diff_ids });
    config.to_string().into_bytes()
}
