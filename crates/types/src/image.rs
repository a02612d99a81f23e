//! Facts about the scanned artifact itself.

use crate::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What kind of thing a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// `docker save` archive, legacy or OCI-flavoured.
    DockerArchive,
    /// OCI image layout in a tar.
    OciArchive,
    /// OCI image layout in a folder.
    OciLayout,
    /// Unpacked root file system or source folder (`dir:`).
    Folder,
    /// One file (`file:`).
    File,
    /// Software bill of materials (`sbom:`).
    Sbom,
    /// Image in a registry.
    Registry,
    /// Image that a container engine of this machine holds.
    Engine,
    /// Container, running or not, with what it has written.
    Container,
    /// Disk of a virtual machine (`disk:`).
    Disk,
    /// Folder that must be a root file system (`rootfs:`).
    RootFs,
}

/// `os/architecture[/variant]` as in the OCI image index.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64`, as Go names them.
    pub architecture: String,
    /// `v8`, or empty.
    #[serde(default)]
    pub variant: String,
}

impl Platform {
    /// Parses `linux/amd64` or `linux/arm64/v8`; a lone word is an architecture on Linux.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').map(str::to_ascii_lowercase);
        let (first, second) = (parts.next().filter(|p| !p.is_empty())?, parts.next());
        let variant = parts.next().unwrap_or_default();
        if parts.next().is_some() {
            return None;
        }
        match second {
            Some(architecture) if !architecture.is_empty() => Some(Self { os: first, architecture, variant }),
            Some(_) => None,
            None => Some(Self { os: "linux".into(), architecture: first, variant }),
        }
    }
    /// Whether an image made for `offered` satisfies this wish: an unnamed variant accepts any.
    pub fn accepts(&self, offered: &Platform) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && (self.variant.is_empty() || self.variant == offered.variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

/// The parts of the image configuration that other stages need (OCI image-spec, `config.md`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Platform the image was made for.
    pub platform: Platform,
    /// RFC 3339 creation time as written, or empty.
    pub created: String,
    /// `config.User`.
    pub user: String,
    /// `config.Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `config.Cmd`.
    pub cmd: Vec<String>,
    /// `config.ExposedPorts`, sorted.
    pub exposed_ports: Vec<String>,
    /// `config.Labels`.
    pub labels: BTreeMap<String, String>,
    /// Names of `config.Env`; values may be secrets and are not kept here.
    pub env_names: Vec<String>,
}

/// An image as verified: nothing here is a mere claim.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Digest of the configuration: the image id that Docker shows.
    pub config_digest: Option<Digest>,
    /// Digest of the manifest, in OCI layouts.
    pub manifest_digest: Option<Digest>,
    /// Tags the archive gives it.
    pub names: Vec<String>,
    /// Configuration.
    pub config: ImageConfig,
    /// Layers, lowest first.
    pub layers: Vec<LayerFactsSummary>,
}

/// One layer in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFactsSummary {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Digest of the blob as stored, when compressed.
    pub blob_digest: Option<Digest>,
    /// Media type as stored, or empty.
    pub media_type: String,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// Entries of the tar.
    pub entries: u64,
    /// `created_by` of the history entry that made it, or empty.
    pub created_by: String,
}
