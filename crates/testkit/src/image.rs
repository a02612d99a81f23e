//! Images from layers: docker archives of both kinds, OCI layouts in a tar or a folder.

use crate::Tar;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{self, Write as _};
use std::path::Path;

/// How a layer is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// As is.
    #[default]
    Plain,
    /// One gzip member.
    Gzip,
    /// A gzip member for each 64 KiB.
    GzipMembers,
    /// One zstd frame.
    Zstd,
    /// A zstd frame for each 64 KiB, a skippable frame before them.
    ZstdFrames,
}

/// One layer.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Uncompressed tar.
    pub tar: Vec<u8>,
    /// How it is stored.
    pub packing: Packing,
}

impl Layer {
    /// The stored bytes.
    pub fn blob(&self) -> Vec<u8> {
        let members = |pack: fn(&[u8]) -> Vec<u8>| self.tar.chunks(64 << 10).flat_map(pack).collect();
        match self.packing {
            Packing::Plain => self.tar.clone(),
            Packing::Gzip => gzip(&self.tar),
            Packing::GzipMembers => members(gzip),
            Packing::Zstd => zstd(&self.tar),
            Packing::ZstdFrames => {
                let frames: Vec<u8> = members(zstd);
                [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'][..], &frames].concat()
            }
        }
    }

    fn media_type(&self) -> &'static str {
        match self.packing {
            Packing::Plain => "application/vnd.oci.image.layer.v1.tar",
            Packing::Gzip | Packing::GzipMembers => "application/vnd.oci.image.layer.v1.tar+gzip",
            Packing::Zstd | Packing::ZstdFrames => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).expect("compressing in memory cannot fail")
}

/// An image to be written in any form.
#[derive(Debug, Clone)]
pub struct TestImage {
    /// Names, as `app:1.0`.
    pub names: Vec<String>,
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v8`, or empty.
    pub variant: String,
    /// The `config` object of the configuration.
    pub run: Value,
    /// Lowest first.
    pub layers: Vec<Layer>,
}

impl Default for TestImage {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: String::new(),
            run: json!({}),
            layers: Vec::new(),
        }
    }
}

impl TestImage {
    /// An image of plain layers.
    pub fn of(tars: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let layers = tars.into_iter().map(|tar| Layer { tar, packing: Packing::Plain }).collect();
        Self { layers, names: vec!["test:1".into()], ..Self::default() }
    }

    /// The same image with all layers stored so.
    pub fn packed(mut self, packing: Packing) -> Self {
        self.layers.iter_mut().for_each(|layer| layer.packing = packing);
        self
    }

    /// The configuration.
    pub fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(&layer.tar)).collect();
        let mut history: Vec<Value> =
            (0..self.layers.len()).map(|at| json!({ "created_by": format!("step {at}") })).collect();
        history.insert(history.len().min(1), json!({ "created_by": "ENV A=b", "empty_layer": true }));
        let mut config = json!({
            "os": self.os,
            "architecture": self.architecture,
            "created": "2026-01-02T03:04:05Z",
            "config": self.run,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": history,
        });
        if !self.variant.is_empty() {
            config["variant"] = json!(self.variant);
        }
        config.to_string().into_bytes()
    }

    /// `docker save` before version 25: a folder for each layer, manifest.json at the end.
    pub fn docker_legacy_parts(&self) -> Vec<(String, Vec<u8>)> {
        let config = self.config();
        let config_name = format!("{}.json", hex(&config));
        let mut parts = Vec::new();
        let mut paths = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let id = hex(format!("{at} {}", digest(&layer.tar)).as_bytes());
            parts.push((format!("{id}/VERSION"), b"1.0".to_vec()));
            parts.push((format!("{id}/json"), format!("{{\"id\":\"{id}\"}}").into_bytes()));
            parts.push((format!("{id}/layer.tar"), layer.blob()));
            paths.push(format!("{id}/layer.tar"));
        }
        parts.push((config_name.clone(), config));
        let manifest = json!([{ "Config": config_name, "RepoTags": self.names, "Layers": paths }]);
        parts.push(("manifest.json".into(), manifest.to_string().into_bytes()));
        parts
    }

    /// The same as a tar.
    pub fn docker_legacy(&self) -> Vec<u8> {
        parts_to_tar(&self.docker_legacy_parts())
    }

    /// `docker save` since version 25: an OCI layout with a manifest.json.
    pub fn docker_oci(&self) -> Vec<u8> {
        let mut parts = oci_parts(std::slice::from_ref(self));
        let layers: Vec<String> = self.layers.iter().map(|layer| blob_path(&layer.blob())).collect();
        let manifest =
            json!([{ "Config": blob_path(&self.config()), "RepoTags": self.names, "Layers": layers }]);
        parts.push(("manifest.json".into(), manifest.to_string().into_bytes()));
        parts_to_tar(&parts)
    }

    /// The image manifest of an OCI layout.
    pub fn manifest(&self) -> Vec<u8> {
        let config = self.config();
        let layers: Vec<Value> =
            self.layers.iter().map(|layer| descriptor(layer.media_type(), &layer.blob())).collect();
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": layers,
        })
        .to_string()
        .into_bytes()
    }
}

/// The files of an OCI layout with these images, each entry of index.json with its platform and name.
pub fn oci_parts(images: &[TestImage]) -> Vec<(String, Vec<u8>)> {
    let mut parts = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut manifests = Vec::new();
    for image in images {
        let blobs = image.layers.iter().map(Layer::blob).chain([image.config(), image.manifest()]);
        parts.extend(blobs.map(|blob| (blob_path(&blob), blob)));
        let entry = |name: Option<&String>| {
            let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &image.manifest());
            entry["platform"] = json!({ "os": image.os, "architecture": image.architecture });
            if !image.variant.is_empty() {
                entry["platform"]["variant"] = json!(image.variant);
            }
            if let Some(name) = name {
                entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            }
            entry
        };
        match image.names.as_slice() {
            [] => manifests.push(entry(None)),
            names => manifests.extend(names.iter().map(|name| entry(Some(name)))),
        }
    }
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    parts.push(("index.json".into(), index.to_string().into_bytes()));
    parts
}

/// An OCI layout in a tar.
pub fn oci_archive(images: &[TestImage]) -> Vec<u8> {
    parts_to_tar(&oci_parts(images))
}

/// A tar of these files.
pub fn parts_to_tar(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Tar::new();
    for (path, bytes) in parts {
        tar.file(path, bytes);
    }
    tar.finish()
}

/// Writes these files beneath a folder.
pub fn write_parts(folder: &Path, parts: &[(String, Vec<u8>)]) -> io::Result<()> {
    for (path, bytes) in parts {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, bytes)?;
    }
    Ok(())
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn blob_path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(blob))
}

/// `sha256:<hex>` of bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
