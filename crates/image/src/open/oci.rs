//! OCI image layouts (OCI image-spec: image-layout.md, image-index.md, manifest.md), and the archives
//! of `docker save` since Docker 25, which are such layouts with a manifest.json beside.

use super::store::{Store, blob_path, digest_of};
use super::{Image, LayerRef, Wish, config, host_platform};
use crate::{Blobs, Error};
use seaworthy_types::{Digest, Limits, Platform, TargetKind};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Indexes within indexes.
const DEPTH_MAX: u32 = 4;
/// Descriptors of all indexes together.
const DESCRIPTORS_MAX: usize = 4_096;

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: Option<u64>,
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    artifact_type: Option<String>,
}

#[derive(Deserialize, Debug, Clone)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
struct RawIndex {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct RawManifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// One image manifest that may be meant.
#[derive(Debug, Clone)]
struct Candidate {
    digest: Digest,
    /// Descriptor of index.json it came from.
    root: Digest,
    platform: Option<Platform>,
    names: BTreeSet<String>,
}

/// Opens the wished image of index.json.
pub(crate) fn open(store: &Store, wish: &Wish<'_>, limits: &Limits) -> Result<Image, Error> {
    let json = store.read("index.json", "index.json", limits.manifest_bytes_max)?;
    let mut candidates = Vec::new();
    let mut seen = 0;
    for descriptor in parse_index(&json, "index.json")? {
        let digest = parse_digest(&descriptor, "index.json")?;
        let names = names_of(&descriptor);
        collect(store, &descriptor, (digest, &names), 0, &mut seen, &mut candidates, limits)?;
    }
    let chosen = choose(store, join(candidates), wish, limits)?;
    let manifest = read_manifest(store, chosen.digest, limits)?;
    let mut image = locate(store, &manifest, limits)?;
    image.manifest_digest = Some(chosen.digest);
    image.names = chosen.names.into_iter().collect();
    Ok(image)
}

/// Opens the image of one manifest whose blobs lie elsewhere.
pub(crate) fn open_elsewhere(
    manifest: &[u8],
    digest: Digest,
    blobs: Arc<dyn Blobs>,
    limits: &Limits,
) -> Result<Image, Error> {
    let what = format!("manifest {}", digest.short());
    if manifest.len() as u64 > limits.manifest_bytes_max {
        return Err(Error::limit(what, "manifest_bytes_max", limits.manifest_bytes_max));
    }
    let found = digest_of(manifest);
    if found != digest {
        return Err(Error::DigestMismatch { what, claimed: digest, found });
    }
    let manifest = parse_manifest(manifest, &what)?;
    let mut named = Vec::with_capacity(manifest.layers.len() + 1);
    for descriptor in manifest.layers.iter().chain([&manifest.config]) {
        let size =
            descriptor.size.ok_or_else(|| Error::broken(&what, "it does not say the size of a blob"))?;
        named.push((parse_digest(descriptor, &what)?, size));
    }
    let store = Store::elsewhere(blobs, named.into_iter());
    let mut image = locate(&store, &manifest, limits)?;
    image.kind = TargetKind::Registry;
    image.manifest_digest = Some(digest);
    Ok(image)
}

fn parse_index(json: &[u8], what: &str) -> Result<Vec<Descriptor>, Error> {
    let raw: RawIndex = serde_json::from_slice(json)
        .map_err(|error| Error::broken(what, format!("not the JSON of an index ({error})")))?;
    Ok(raw.manifests.unwrap_or_default())
}

fn parse_digest(descriptor: &Descriptor, what: &str) -> Result<Digest, Error> {
    Digest::parse(&descriptor.digest).map_err(|error| Error::broken(what, error.to_string()))
}

fn is_index(descriptor: &Descriptor) -> bool {
    descriptor.media_type.contains("image.index") || descriptor.media_type.contains("manifest.list")
}

/// Attestations of buildkit, signatures and other things beside images.
fn is_no_image(descriptor: &Descriptor) -> bool {
    let unknown = descriptor
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    let attests = descriptor
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key("vnd.docker.reference.digest"));
    unknown || attests || descriptor.artifact_type.as_ref().is_some_and(|kind| !kind.is_empty())
}

fn names_of(descriptor: &Descriptor) -> BTreeSet<String> {
    let annotation = |key| descriptor.annotations.as_ref().and_then(|annotations| annotations.get(key));
    // The full name is better than the bare tag.
    let name =
        annotation("io.containerd.image.name").or_else(|| annotation("org.opencontainers.image.ref.name"));
    name.into_iter().cloned().collect()
}

/// Gathers the image manifests under a descriptor. The depth is bounded, so cycles end.
fn collect(
    store: &Store,
    descriptor: &Descriptor,
    root: (Digest, &BTreeSet<String>),
    depth: u32,
    seen: &mut usize,
    candidates: &mut Vec<Candidate>,
    limits: &Limits,
) -> Result<(), Error> {
    *seen += 1;
    if *seen > DESCRIPTORS_MAX {
        return Err(Error::limit("the indexes of the image", "descriptors", DESCRIPTORS_MAX as u64));
    }
    if is_no_image(descriptor) {
        return Ok(());
    }
    let what = format!("manifest {}", short(&descriptor.digest));
    let digest = parse_digest(descriptor, &what)?;
    if !is_index(descriptor) {
        let platform = descriptor.platform.as_ref().map(to_platform);
        candidates.push(Candidate { digest, root: root.0, platform, names: root.1.clone() });
        return Ok(());
    }
    if depth >= DEPTH_MAX {
        return Err(Error::limit("the nesting of indexes", "depth", u64::from(DEPTH_MAX)));
    }
    let json = store.read_blob(digest, &what, limits.manifest_bytes_max)?;
    for inner in parse_index(&json, &what)? {
        collect(store, &inner, root, depth + 1, seen, candidates, limits)?;
    }
    Ok(())
}

fn to_platform(raw: &RawPlatform) -> Platform {
    Platform {
        os: raw.os.clone(),
        architecture: raw.architecture.clone(),
        variant: raw.variant.clone().unwrap_or_default(),
    }
}

/// Joins descriptors of the same manifest: one image may have several names.
fn join(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut joined: Vec<Candidate> = Vec::new();
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    for candidate in candidates {
        match places.get(&candidate.digest).and_then(|at| joined.get_mut(*at)) {
            Some(first) => first.names.extend(candidate.names),
            None => {
                places.insert(candidate.digest, joined.len());
                joined.push(candidate);
            }
        }
    }
    joined
}

fn choose(
    store: &Store,
    mut candidates: Vec<Candidate>,
    wish: &Wish<'_>,
    limits: &Limits,
) -> Result<Candidate, Error> {
    let offered = labels(&candidates);
    if let Some(wished) = wish.reference {
        candidates.retain(|candidate| {
            candidate.names.iter().any(|name| same_name(name, wished))
                || same_digest(candidate.digest, wished)
                || same_digest(candidate.root, wished)
        });
        if candidates.is_empty() {
            return Err(Error::NoSuchImage { wished: wished.into(), offered });
        }
    }
    let names: BTreeSet<_> = candidates.iter().map(|candidate| &candidate.names).collect();
    if names.len() > 1 {
        return Err(Error::SeveralImages { offered: labels(&candidates) });
    }
    if candidates.is_empty() {
        return Err(Error::broken("index.json", "it lists no image"));
    }
    if let (1, None, Some(only)) = (candidates.len(), wish.platform, candidates.first()) {
        return Ok(only.clone());
    }
    for candidate in &mut candidates {
        if candidate.platform.is_none() {
            candidate.platform = Some(platform_of(store, candidate.digest, limits)?);
        }
    }
    let wished = wish.platform.cloned().unwrap_or_else(host_platform);
    let fits = |candidate: &&Candidate| candidate.platform.as_ref().is_some_and(|p| wished.accepts(p));
    let fitting: Vec<_> = candidates.iter().filter(fits).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            let mut offered: Vec<String> = candidates
                .iter()
                .flat_map(|candidate| &candidate.platform)
                .map(Platform::to_string)
                .collect();
            offered.sort();
            offered.dedup();
            Err(Error::NoSuchPlatform { wished, offered })
        }
        several => best_variant(several).ok_or(Error::SeveralImages { offered }),
    }
}

/// Of several variants (arm v5, v6, v7) the highest, when they differ in that alone.
fn best_variant(several: &[&Candidate]) -> Option<Candidate> {
    let variant =
        |candidate: &Candidate| candidate.platform.as_ref().map(|platform| platform.variant.clone());
    let distinct: BTreeSet<_> = several.iter().map(|candidate| variant(candidate)).collect();
    if distinct.len() != several.len() {
        return None;
    }
    several.iter().max_by_key(|candidate| variant(candidate)).map(|candidate| (*candidate).clone())
}

fn labels(candidates: &[Candidate]) -> Vec<String> {
    let label = |candidate: &Candidate| {
        if candidate.names.is_empty() {
            vec![candidate.digest.to_string()]
        } else {
            candidate.names.iter().cloned().collect()
        }
    };
    let labels: BTreeSet<String> = candidates.iter().flat_map(label).collect();
    labels.into_iter().collect()
}

/// Whether a stored name is the wished one: whole, without Docker Hub's implied parts, or by tag.
pub(crate) fn same_name(name: &str, wished: &str) -> bool {
    let plain = |text: &str| {
        let text = text.strip_prefix("docker.io/").unwrap_or(text);
        let text = text.strip_prefix("library/").unwrap_or(text);
        text.strip_suffix(":latest").unwrap_or(text).to_owned()
    };
    let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
    name == wished || plain(name) == plain(wished) || tag == Some(wished)
}

/// Whether a digest is the wished one: whole or at least 12 digits of it.
pub(crate) fn same_digest(digest: Digest, wished: &str) -> bool {
    let hex = wished.rsplit_once('@').map_or(wished, |(_, digest)| digest);
    let hex = hex.strip_prefix("sha256:").unwrap_or(hex);
    hex.len() >= 12 && digest.hex().starts_with(hex)
}

fn platform_of(store: &Store, digest: Digest, limits: &Limits) -> Result<Platform, Error> {
    let manifest = read_manifest(store, digest, limits)?;
    let digest = parse_digest(&manifest.config, "the manifest")?;
    let json = store.read_blob(digest, "the image configuration", limits.manifest_bytes_max)?;
    Ok(config::parse(&json, limits)?.image.platform)
}

fn read_manifest(store: &Store, digest: Digest, limits: &Limits) -> Result<RawManifest, Error> {
    let what = format!("manifest {}", digest.short());
    let json = store.read_blob(digest, &what, limits.manifest_bytes_max)?;
    parse_manifest(&json, &what)
}

fn parse_manifest(json: &[u8], what: &str) -> Result<RawManifest, Error> {
    serde_json::from_slice(json)
        .map_err(|error| Error::broken(what, format!("not the JSON of an image manifest ({error})")))
}

/// Reads the configuration and finds the layers.
fn locate(store: &Store, manifest: &RawManifest, limits: &Limits) -> Result<Image, Error> {
    let config_digest = parse_digest(&manifest.config, "the manifest")?;
    let config_json = store.read_blob(config_digest, "the image configuration", limits.manifest_bytes_max)?;
    let config = config::parse(&config_json, limits)?;
    if manifest.layers.len() != config.diff_ids.len() {
        let (listed, known) = (manifest.layers.len(), config.diff_ids.len());
        let detail = format!("it lists {listed} layers, the configuration {known}; is it an image?");
        return Err(Error::broken("the manifest", detail));
    }
    let mut created_by = config.created_by.into_iter();
    let mut layers = Vec::with_capacity(manifest.layers.len());
    for (index, (descriptor, diff_id)) in manifest.layers.iter().zip(config.diff_ids).enumerate() {
        let what = format!("layer {index} ({})", diff_id.short());
        let blob_digest = parse_digest(descriptor, &what)?;
        let (place, stored_bytes) = store.find(&blob_path(blob_digest), &what)?;
        if let Some(claimed) = descriptor.size.filter(|claimed| *claimed != stored_bytes) {
            let detail =
                format!("the manifest says {claimed} bytes, there are {stored_bytes}; fetch it again");
            return Err(Error::broken(what, detail));
        }
        layers.push(LayerRef {
            index,
            diff_id,
            blob_digest: Some(blob_digest),
            media_type: descriptor.media_type.clone(),
            stored_bytes,
            created_by: created_by.next().unwrap_or_default(),
            place,
        });
    }
    Ok(Image {
        kind: TargetKind::OciLayout,
        config_digest,
        manifest_digest: None,
        names: Vec::new(),
        config: config.image,
        config_json,
        layers,
        notes: Vec::new(),
    })
}

fn short(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).chars().take(12).collect()
}
