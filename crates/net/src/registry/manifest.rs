//! Manifests as they came, with the little of them that a client needs: which other manifests, blobs and
//! platforms they name (OCI image-spec 1.1 `manifest.md`, `image-index.md`). What an image means is not
//! known here.

use super::error::Error;
use super::media;
use seaworthy_types::{Digest, ImageRef, Platform};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// A blob or manifest by digest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type, or empty.
    #[serde(default)]
    pub media_type: String,
    /// What its bytes hash to.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
    /// Where else the bytes lie (of layers that may not be handed on, mostly of Windows).
    #[serde(default, deserialize_with = "null_is_empty")]
    pub urls: Vec<String>,
    /// In an index: what it runs on.
    #[serde(default, deserialize_with = "platform")]
    pub platform: Option<Platform>,
    /// In answers about referrers: what it is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Key and value.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Of a manifest that is here.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            media_type: manifest.media_type.clone(),
            digest: manifest.digest,
            size: manifest.bytes.len() as u64,
            urls: Vec::new(),
            platform: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
    /// Whether it is no image but a statement about one (BuildKit's attestations).
    pub fn is_attestation(&self) -> bool {
        let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        let says_so = self
            .annotations
            .get("vnd.docker.reference.type")
            .is_some_and(|kind| kind == "attestation-manifest");
        says_so || self.platform.as_ref().is_some_and(is_unknown)
    }
}

/// A manifest or index: verified bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The image, pinned to the digest.
    pub image: ImageRef,
    /// Media type.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What it names.
    pub names: Names,
    /// The host it came from.
    pub host: String,
    /// First lines of what mirrors before it answered.
    pub mirrors_failed: Vec<String>,
}

/// What a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// An index: manifests, mostly one per platform.
    Index(Vec<Descriptor>),
    /// One image: configuration and layers, lowest first.
    Image {
        /// Configuration.
        config: Box<Descriptor>,
        /// Layers.
        layers: Vec<Descriptor>,
        /// What it is, when it is an artifact.
        artifact_type: Option<String>,
        /// The manifest it is about, if it is an artifact about another one.
        subject: Option<Box<Descriptor>>,
    },
}

impl Manifest {
    /// The manifests of an index that are images, in its order; attestations are left out.
    pub fn images(&self) -> Vec<&Descriptor> {
        match &self.names {
            Names::Index(all) => all.iter().filter(|one| !one.is_attestation()).collect(),
            Names::Image { .. } => Vec::new(),
        }
    }
    /// What it is when it is an artifact and no image: neither its configuration nor any layer is one of an
    /// image (OCI image-spec 1.1, `manifest.md`, "Guidelines for Artifact Usage").
    pub fn kind_of_artifact(&self) -> Option<String> {
        let Names::Image { config, layers, artifact_type, .. } = &self.names else { return None };
        let is_of_image = |kind: &str| {
            media::is_config(kind) || kind.contains(".image.layer.") || kind.contains(".image.rootfs.")
        };
        let own = artifact_type.as_deref().filter(|kind| !kind.is_empty());
        let kind = own.unwrap_or(&config.media_type);
        let is_image = match config.media_type.as_str() {
            // From before media types were taken seriously.
            "" | "application/octet-stream" | "application/json" => own.is_none(),
            _ => is_of_image(&config.media_type),
        };
        let has_layer = layers.iter().any(|layer| is_of_image(&layer.media_type));
        (!is_image && !has_layer).then(|| super::error::clip(kind))
    }
    /// The first manifest of an index made for `wanted`; one without platform counts when it is alone.
    pub fn choose(&self, wanted: &Platform) -> Result<&Descriptor, Error> {
        let images = self.images();
        let fits = |one: &&&Descriptor| one.platform.as_ref().is_some_and(|offered| wanted.accepts(offered));
        if let Some(found) = images.iter().find(fits) {
            return Ok(found);
        }
        match images.as_slice() {
            [only] if only.platform.is_none() => Ok(only),
            _ => Err(Error::Platform {
                what: self.image.to_string(),
                wanted: wanted.to_string(),
                offered: offered(&images),
            }),
        }
    }
}

fn offered(images: &[&Descriptor]) -> String {
    let mut names: Vec<String> =
        images.iter().filter_map(|one| one.platform.as_ref()).map(Platform::to_string).collect();
    names.sort();
    names.dedup();
    names.truncate(30);
    if names.is_empty() { "no platform at all".into() } else { names.join(", ") }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Box<Descriptor>>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    subject: Option<Box<Descriptor>>,
    #[serde(default)]
    artifact_type: Option<String>,
}

/// Media type and contents of a manifest; `Err` is the detail, with the media type when that is the fault.
pub(super) fn read(bytes: &[u8], said: &str) -> Result<(String, Names), Fault> {
    if media::DOCKER_SCHEMA_1.contains(&said) {
        return Err(Fault::MediaType(said.into()));
    }
    // serde would read an array as the fields in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Fault::Malformed("not the JSON of a manifest (no object)".into()));
    }
    let raw: Raw = serde_json::from_slice(bytes)
        .map_err(|error| Fault::Malformed(format!("not the JSON of a manifest ({error})")))?;
    if raw.schema_version == 1 {
        return Err(Fault::MediaType(media::DOCKER_SCHEMA_1[0].into()));
    }
    // Some registries answer with a general type; then the document's own word or its form counts. When
    // both are given and differ, the one could be taken for the other: refused, as the specification asks.
    let is_known = |kind: &str| media::is_index(kind) || media::is_manifest(kind);
    let own = raw.media_type.clone().filter(|own| !own.is_empty());
    let media_type = match own {
        Some(own) if is_known(said) && own != said => {
            return Err(Fault::Malformed(format!("the server calls it `{said}`, it calls itself `{own}`")));
        }
        Some(own) => own,
        None if is_known(said) => said.to_owned(),
        None if matches!(said, "" | "application/json" | "application/octet-stream" | "text/plain") => {
            if raw.manifests.is_some() { media::OCI_INDEX } else { media::OCI_MANIFEST }.to_owned()
        }
        None => return Err(Fault::MediaType(said.into())),
    };
    if media::is_index(&media_type) {
        if raw.config.is_some() || raw.layers.is_some() {
            return Err(Fault::Malformed("it is index and image at once".into()));
        }
        let Some(manifests) = raw.manifests else {
            return Err(Fault::Malformed("an index without `manifests`".into()));
        };
        return Ok((media_type, Names::Index(manifests)));
    }
    if !media::is_manifest(&media_type) {
        return Err(Fault::MediaType(media_type));
    }
    if raw.manifests.is_some() {
        return Err(Fault::Malformed("it is index and image at once".into()));
    }
    let Some(config) = raw.config else {
        return Err(Fault::Malformed("an image manifest without `config`".into()));
    };
    let layers = raw.layers.unwrap_or_default();
    Ok((media_type, Names::Image { config, layers, artifact_type: raw.artifact_type, subject: raw.subject }))
}

/// Why bytes are no manifest.
pub(super) enum Fault {
    MediaType(String),
    Malformed(String),
}

impl Fault {
    pub(super) fn of(self, what: String, host: String) -> Error {
        match self {
            Self::MediaType(kind) => Error::MediaType { what, host, media_type: super::error::clip(&kind) },
            Self::Malformed(detail) => Error::Malformed { what, host, detail: super::error::clip(&detail) },
        }
    }
}

fn platform<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Platform>, D::Error> {
    #[derive(Deserialize)]
    struct RawPlatform {
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
        #[serde(default)]
        variant: Option<String>,
    }
    let raw = Option::<RawPlatform>::deserialize(deserializer)?;
    Ok(raw.map(|raw| Platform {
        os: raw.os,
        architecture: raw.architecture,
        variant: raw.variant.unwrap_or_default(),
    }))
}

fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
