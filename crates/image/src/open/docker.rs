//! The archive of `docker save` as told by manifest.json (moby, image/spec/v1.2, "Combined Image JSON +
//! Filesystem Changeset Format"). Also written by podman, kaniko, bazel and buildkit.

use super::store::{Store, digest_of};
use super::{Image, LayerRef, Wish, config};
use crate::Error;
use crate::tar::path;
use seaworthy_types::{Digest, Limits, Note, TargetKind};
use serde::Deserialize;

const MANIFEST: &str = "manifest.json";

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Opens the wished image of manifest.json.
pub(crate) fn open(store: &Store, wish: &Wish<'_>, limits: &Limits) -> Result<Image, Error> {
    let saved = choose(read(store, limits)?, wish)?;
    let config_json =
        store.read(&safe(&saved.config), "the image configuration", limits.manifest_bytes_max)?;
    let config_digest = digest_of(&config_json);
    if let Some(claimed) = claimed_digest(&saved.config).filter(|claimed| *claimed != config_digest) {
        return Err(Error::DigestMismatch {
            what: "the image configuration".into(),
            claimed,
            found: config_digest,
        });
    }
    let config = config::parse(&config_json, limits)?;
    if let Some(wished) = wish.platform.filter(|wished| !wished.accepts(&config.image.platform)) {
        let offered = vec![config.image.platform.to_string()];
        return Err(Error::NoSuchPlatform { wished: wished.clone(), offered });
    }
    let paths = saved.layers.unwrap_or_default();
    if paths.len() != config.diff_ids.len() {
        let (listed, known) = (paths.len(), config.diff_ids.len());
        let detail = format!("it lists {listed} layers, the configuration {known}; save the image again");
        return Err(Error::broken(MANIFEST, detail));
    }
    let mut created_by = config.created_by.into_iter();
    let mut layers = Vec::with_capacity(paths.len());
    for (index, (path, diff_id)) in paths.iter().zip(config.diff_ids).enumerate() {
        let what = format!("layer {index} ({})", diff_id.short());
        let (place, stored_bytes) = store.find(&safe(path), &what)?;
        let blob_digest = path.strip_prefix("blobs/sha256/").and_then(|hex| Digest::from_hex(hex).ok());
        layers.push(LayerRef {
            index,
            diff_id,
            blob_digest,
            media_type: String::new(),
            stored_bytes,
            created_by: created_by.next().unwrap_or_default(),
            place,
        });
    }
    let mut names = saved.repo_tags.unwrap_or_default();
    names.sort();
    names.dedup();
    Ok(Image {
        kind: TargetKind::DockerArchive,
        config_digest,
        manifest_digest: None,
        names,
        config: config.image,
        config_json,
        layers,
        notes: Vec::new(),
    })
}

/// Adds what manifest.json says to an image opened by index.json, and remarks when the two disagree:
/// then it depends on the engine which image is loaded.
pub(crate) fn join(store: &Store, image: &mut Image, limits: &Limits) {
    let saved = match read(store, limits) {
        Ok(saved) => saved,
        Err(error) => {
            let note = Note::gap("archive-ambiguous", "image", MANIFEST, format!("not understood: {error}"));
            image.notes.push(note);
            return;
        }
    };
    let digest = image.config_digest;
    let same: Vec<_> =
        saved.into_iter().filter(|saved| claimed_digest(&saved.config) == Some(digest)).collect();
    if same.is_empty() {
        let detail = "index.json and manifest.json name different images; the one of index.json was scanned";
        image.notes.push(Note::gap("archive-ambiguous", "image", MANIFEST, detail));
    }
    image.names.extend(same.into_iter().flat_map(|saved| saved.repo_tags.unwrap_or_default()));
    image.names.sort();
    image.names.dedup();
}

fn read(store: &Store, limits: &Limits) -> Result<Vec<Saved>, Error> {
    let json = store.read(MANIFEST, MANIFEST, limits.manifest_bytes_max)?;
    serde_json::from_slice(&json)
        .map_err(|error| Error::broken(MANIFEST, format!("not the JSON of a docker archive ({error})")))
}

fn choose(saved: Vec<Saved>, wish: &Wish<'_>) -> Result<Saved, Error> {
    let mut offered: Vec<String> = saved.iter().flat_map(labels).collect();
    offered.sort();
    offered.dedup();
    let mut fitting: Vec<Saved> = match wish.reference {
        None => saved,
        Some(wished) => saved.into_iter().filter(|saved| answers_to(saved, wished)).collect(),
    };
    fitting.dedup_by(|a, b| a.config == b.config && a.layers == b.layers);
    match (fitting.len(), wish.reference) {
        (1, _) => fitting.pop().ok_or(Error::SeveralImages { offered }),
        (0, Some(wished)) => Err(Error::NoSuchImage { wished: wished.into(), offered }),
        (0, None) => Err(Error::broken(MANIFEST, "it lists no image")),
        _ => Err(Error::SeveralImages { offered }),
    }
}

fn labels(saved: &Saved) -> Vec<String> {
    match &saved.repo_tags {
        Some(tags) if !tags.is_empty() => tags.clone(),
        _ => vec![claimed_digest(&saved.config).map_or(saved.config.clone(), |digest| digest.to_string())],
    }
}

fn answers_to(saved: &Saved, wished: &str) -> bool {
    let tags = saved.repo_tags.as_deref().unwrap_or_default();
    tags.iter().any(|tag| super::oci::same_name(tag, wished))
        || claimed_digest(&saved.config).is_some_and(|digest| super::oci::same_digest(digest, wished))
}

/// The digest in `<hex>.json`, `sha256:<hex>` or `blobs/sha256/<hex>`.
fn claimed_digest(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".json").unwrap_or(name);
    Digest::from_hex(name.strip_prefix("sha256:").unwrap_or(name)).ok()
}

fn safe(path: &str) -> String {
    let mut out = String::new();
    path::make_safe(b"", path.as_bytes(), &mut out);
    out
}
