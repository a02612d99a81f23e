//! Opening images: docker archives, OCI layouts in a tar or a folder. Nothing is unpacked; layers are
//! only located.

mod beneath;
mod config;
mod docker;
mod oci;
mod store;

pub(crate) use beneath::Folder;
use store::{Place, Store};

use crate::{Blobs, Error, Source};
use rustix::fd::OwnedFd;
use seaworthy_types::{
    Digest, ImageConfig, ImageFacts, LayerFactsSummary, Limits, Note, Platform, TargetKind,
};
use std::sync::Arc;

/// What is wished of a target that may hold several images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'w> {
    /// Platform; without one that of this machine, or the only one there is.
    pub platform: Option<&'w Platform>,
    /// Name, tag or digest of the image, when there are several.
    pub reference: Option<&'w str>,
}

/// An image whose manifests are verified and whose layers are located.
#[derive(Debug)]
pub struct Image {
    /// How it is stored.
    pub kind: TargetKind,
    /// Digest of the configuration, verified where one is claimed.
    pub config_digest: Digest,
    /// Digest of the manifest, verified; none in a legacy docker archive.
    pub manifest_digest: Option<Digest>,
    /// Names that the archive gives it, sorted.
    pub names: Vec<String>,
    /// What other stages need of the configuration.
    pub config: ImageConfig,
    /// The configuration as stored.
    pub config_json: Vec<u8>,
    /// Layers, lowest first. Their digests are claims until they are walked.
    pub layers: Vec<LayerRef>,
    /// What was odd.
    pub notes: Vec<Note>,
}

impl Image {
    /// The facts of the image, with what the walks of its layers gave, lowest first.
    pub fn facts(&self, layers: Vec<LayerFactsSummary>) -> ImageFacts {
        ImageFacts {
            config_digest: Some(self.config_digest),
            manifest_digest: self.manifest_digest,
            names: self.names.clone(),
            config: self.config.clone(),
            layers,
        }
    }
}

/// A layer as the image lists it.
#[derive(Debug, Clone)]
pub struct LayerRef {
    /// Position, counted from 0 at the bottom.
    pub index: usize,
    /// Claimed digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Claimed digest of the stored blob.
    pub blob_digest: Option<Digest>,
    /// Media type, or empty.
    pub media_type: String,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// `created_by` of the history entry that made it, or empty.
    pub created_by: String,
    place: Place,
}

impl LayerRef {
    /// A layer that is a source of its own, as a registry client has it.
    pub fn from_source(source: Arc<dyn Source>, diff_id: Digest, blob_digest: Option<Digest>) -> Self {
        let stored_bytes = source.len();
        let place = Place::Slice { source, offset: 0, len: stored_bytes };
        Self {
            index: 0,
            diff_id,
            blob_digest,
            media_type: String::new(),
            stored_bytes,
            created_by: String::new(),
            place,
        }
    }

    /// Source, offset and length of the stored bytes.
    pub fn open(&self) -> Result<(Arc<dyn Source>, u64, u64), Error> {
        self.place.open(&self.describe())
    }

    /// The layer for messages.
    pub fn describe(&self) -> String {
        format!("layer {} ({})", self.index, self.diff_id.short())
    }
}

/// Opens a docker archive or an OCI layout in a tar.
pub fn open_archive(source: Arc<dyn Source>, wish: &Wish<'_>, limits: &Limits) -> Result<Image, Error> {
    let store = Store::archive(source)?;
    if store.has("index.json") {
        let mut image = oci::open(&store, wish, limits)?;
        image.kind = TargetKind::OciArchive;
        if store.has("manifest.json") {
            image.kind = TargetKind::DockerArchive;
            docker::join(&store, &mut image, limits);
        }
        image.notes.extend(store.remark());
        return Ok(image);
    }
    if store.has("manifest.json") {
        let mut image = docker::open(&store, wish, limits)?;
        image.notes.extend(store.remark());
        return Ok(image);
    }
    Err(store.no_image())
}

/// Opens an OCI layout in a folder. Only what lies beneath the folder is opened.
pub fn open_layout(folder: OwnedFd, wish: &Wish<'_>, limits: &Limits) -> Result<Image, Error> {
    let store = Store::folder(folder);
    if !store.has("index.json") {
        return Err(store.no_image());
    }
    oci::open(&store, wish, limits)
}

/// Opens the image of one manifest (OCI image-spec manifest.md, Docker's manifest v2 schema 2) whose blobs
/// lie elsewhere: its configuration is fetched here, its layers when they are read.
pub fn open_elsewhere(
    manifest: &[u8],
    digest: Digest,
    blobs: Arc<dyn Blobs>,
    limits: &Limits,
) -> Result<Image, Error> {
    oci::open_elsewhere(manifest, digest, blobs, limits)
}

/// The platform of this machine, for a Linux image.
pub fn host_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    };
    Platform { os: "linux".into(), architecture: architecture.into(), variant: String::new() }
}
