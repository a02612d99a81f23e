//! Images in registries: which words name one, and how their bytes come into a scan.

use crate::arguments::RegistryArguments;
use anyhow::{Context, Result, bail};
use seaworthy_image::host_platform;
use seaworthy_net::registry::{Client, Descriptor, Manifest, Names, Options, System};
use seaworthy_scan::{Elsewhere, TargetSpec};
use seaworthy_types::{Digest, ImageRef, Platform};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    let configured = &arguments.configured;
    let shown = |cert: &Option<PathBuf>, key: &Option<PathBuf>| cert.clone().zip(key.clone());
    let client_certificate = shown(&arguments.client_cert, &arguments.client_key)
        .or_else(|| shown(&configured.client_cert, &configured.client_key));
    let mut settings = Options {
        ca_files: arguments.ca.iter().chain(&configured.ca).cloned().collect(),
        client_certificate,
        is_anonymous: arguments.anonymous,
        mirrors: configured.mirrors.clone(),
        allows_plain: arguments.insecure,
        reads_settings_of_others: configured.settings_of_others.unwrap_or(true),
        ..Options::default()
    };
    let patience = &mut settings.patience;
    if let Some(tries) = arguments.tries {
        (patience.tries, patience.breaks) = (tries, tries);
    }
    if let Some(timeout) = arguments.timeout.map(Duration::from_secs) {
        (patience.answer, patience.stall) = (timeout, timeout);
        (patience.connect, patience.document) = (timeout.min(patience.connect), timeout);
    }
    if !arguments.mirror.is_empty() {
        settings.mirrors.insert(image.registry().to_owned(), arguments.mirror.clone());
    }
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
    let manifest = found_or_no_file(found, target)?;
    remote(client, image.to_string(), manifest)
}

/// A manifest as something to scan.
fn remote(client: Arc<Client>, name: String, manifest: Manifest) -> Result<Arc<dyn Elsewhere>> {
    if let Names::Index(_) = manifest.names {
        bail!("{name}: the index names another index where an image should be");
    }
    if let Some(kind) = manifest.kind_of_artifact() {
        bail!(
            "{name} is no image but an artifact of the type `{kind}` (a chart, signature or the like). \
             Try: name an image; seaworthy pull fetches artifacts too"
        );
    }
    Ok(Arc::new(Remote { client, name, manifest }))
}

fn found_or_no_file<T>(found: Result<T>, target: &str) -> Result<T> {
    match target.starts_with(PREFIX) {
        true => found,
        // Whoever meant a file should learn that there is none.
        false => found.with_context(|| {
            format!(
                "there is no file `{target}` (one that an engine holds: docker:{target}), and in a registry"
            )
        }),
    }
}

/// An image of an index that is asked for when its turn comes.
pub struct OfIndex {
    client: Arc<Client>,
    image: ImageRef,
    descriptor: Descriptor,
    /// What people call it: the image and its platform.
    pub name: String,
}

impl OfIndex {
    /// Asks for it.
    pub fn find(&self) -> Result<Arc<dyn Elsewhere>> {
        let manifest = self.client.manifest_of(&self.image, &self.descriptor)?;
        remote(Arc::clone(&self.client), self.image.to_string(), manifest)
    }
}

/// The images of every platform, in the order of the index; of an image without an index that alone.
/// Statements about images are none.
pub fn platforms(arguments: &RegistryArguments, target: &str, image: &ImageRef) -> Result<Vec<OfIndex>> {
    let client = client(arguments, image);
    let top = found_or_no_file(client.manifest(image).map_err(anyhow::Error::from), target)?;
    let alone = [Descriptor::of(&top)];
    let all: Vec<&Descriptor> = match &top.names {
        Names::Index(_) => top.images(),
        Names::Image { .. } => alone.iter().collect(),
    };
    if all.is_empty() {
        bail!("{image}: its index names no image");
    }
    let mut names = BTreeSet::new();
    let one = |descriptor: &Descriptor| {
        let platform = descriptor.platform.as_ref().map(Platform::to_string);
        let mut name = match platform {
            Some(platform) => format!("{target} {platform}"),
            None => target.to_owned(),
        };
        // Windows has several of one platform.
        if !names.insert(name.clone()) {
            name = format!("{name} {}", descriptor.digest);
        }
        OfIndex { client: Arc::clone(&client), image: image.clone(), descriptor: descriptor.clone(), name }
    };
    Ok(all.into_iter().map(one).collect())
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
        let urls = match &self.manifest.names {
            Names::Image { layers, .. } => layers.iter().find(|layer| layer.digest == digest),
            Names::Index(_) => None,
        };
        let urls = urls.map(|layer| layer.urls.as_slice()).unwrap_or_default();
        let reader =
            self.client.blob_at(&self.manifest.image, digest, size, urls).map_err(io::Error::other)?;
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
