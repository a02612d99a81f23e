//! Images in registries: which words name one, and how their bytes come into a scan.

use crate::arguments::RegistryArguments;
use anyhow::{Context, Result, bail};
use seaworthy_image::host_platform;
use seaworthy_net::registry::{Client, Manifest, Names, Options, System};
use seaworthy_scan::{Elsewhere, TargetSpec};
use seaworthy_types::{Digest, ImageRef, Platform};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Forces a target to be an image in a registry.
const PREFIX: &str = "registry:";

/// Endings that name a file and no image: a slip of the pen must not ask a registry.
const FILE_ENDINGS: [&str; 14] = [
    ".tar", ".gz", ".tgz", ".zst", ".zip", ".json", ".xml", ".spdx", ".jar", ".lock", ".toml", ".yaml",
    ".yml", ".txt",
];

/// The image that a target names: by its prefix, or when there is no such file and it can be nothing
/// else. Nothing is sent.
pub fn named(target: &str) -> Result<Option<ImageRef>> {
    if let Some(name) = target.strip_prefix(PREFIX) {
        return Ok(Some(ImageRef::parse(name).with_context(|| format!("`{target}`"))?));
    }
    let is_path = target.starts_with(['/', '.', '~']) || FILE_ENDINGS.iter().any(|end| target.ends_with(end));
    let is_forced = TargetSpec::parse(target).forced.is_some();
    if is_path || is_forced || std::fs::symlink_metadata(Path::new(target)).is_ok() {
        return Ok(None);
    }
    Ok(ImageRef::parse(target).ok())
}

/// A client as the arguments say.
pub fn client(arguments: &RegistryArguments, image: &ImageRef) -> Arc<Client> {
    let mut settings = Options { ca_files: arguments.ca.clone(), ..Options::default() };
    settings.is_anonymous = arguments.anonymous;
    if arguments.insecure {
        settings.insecure.insert(image.registry().to_owned());
    }
    Arc::new(Client::new(settings, Arc::new(System)))
}

/// The manifest of one image; of an index the one for the wished platform or this machine's.
pub fn manifest(client: &Client, image: &ImageRef, platform: Option<Platform>) -> Result<Manifest> {
    let top = client.manifest(image)?;
    match &top.names {
        Names::Index(_) => {
            let wanted = platform.unwrap_or_else(host_platform);
            Ok(client.manifest_of(&top.image, top.choose(&wanted)?)?)
        }
        Names::Image { .. } => Ok(top),
    }
}

/// An image in a registry whose manifest is known.
pub struct Remote {
    client: Arc<Client>,
    name: String,
    manifest: Manifest,
}

/// Asks the registry what an image is; its layers are not fetched.
pub fn resolve(
    arguments: &RegistryArguments,
    target: &str,
    image: &ImageRef,
    platform: Option<Platform>,
) -> Result<Arc<dyn Elsewhere>> {
    let client = client(arguments, image);
    let found = manifest(&client, image, platform);
    let manifest = match target.starts_with(PREFIX) {
        true => found?,
        // Whoever meant a file should learn that there is none.
        false => found.with_context(|| {
            format!(
                "there is no file `{target}` (one that an engine holds: docker:{target}), and in a registry"
            )
        })?,
    };
    if let Names::Index(_) = manifest.names {
        bail!("{image}: the index names another index where an image should be");
    }
    Ok(Arc::new(Remote { client, name: image.to_string(), manifest }))
}

impl Elsewhere for Remote {
    fn manifest(&self) -> (&[u8], Digest) {
        (&self.manifest.bytes, self.manifest.digest)
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn blobs(&self) -> Vec<(Digest, u64)> {
        match &self.manifest.names {
            Names::Image { config, layers, .. } => {
                layers.iter().chain([&**config]).map(|one| (one.digest, one.size)).collect()
            }
            Names::Index(_) => Vec::new(),
        }
    }
    fn read(&self, digest: Digest, size: u64, verifies: bool) -> io::Result<Box<dyn Read + Send>> {
        let reader = self.client.blob(&self.manifest.image, digest, size).map_err(io::Error::other)?;
        Ok(Box::new(if verifies { reader } else { reader.verified_by_reader() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_images_name_images() {
        let name = |target: &str| named(target).expect("readable").map(|image| image.to_string());
        for target in
            ["/no/such", "./alpine", "../x", "~/x.img", "image.tar", "a.oci.tar.gz", "bom.json", "Cargo.toml"]
        {
            assert_eq!(name(target), None, "{target}");
        }
        assert_eq!(name("alpine:3.20").as_deref(), Some("docker.io/library/alpine:3.20"));
        assert_eq!(name("registry:image.tar").as_deref(), Some("docker.io/library/image.tar:latest"));
        assert!(named("registry:UPPER/x!").is_err());
    }
}
