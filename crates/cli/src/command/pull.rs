//! `seaworthy pull`: an image from a registry into an OCI layout (OCI image-spec 1.1,
//! `image-layout.md`). Everything is verified by digest while it comes; the folder appears whole or not
//! at all.

use super::registry;
use super::setup::platform;
use crate::arguments::{Arguments, PullArguments};
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::{Context, Error, Result, bail};
use seaworthy_net::registry::{Client, Descriptor, Manifest, Names, error_of, media};
use seaworthy_scan::Progress as _;
use seaworthy_types::{Digest, ImageRef};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Blobs that come at a time.
const STREAMS: usize = 4;
/// An index that names indexes that name indexes is refused.
const DEPTH_MAX: usize = 3;

/// Pulls and says what came.
pub fn run(arguments: &Arguments, options: &PullArguments) -> Result<Code> {
    let image = ImageRef::parse(&options.image)?;
    let platform = options.platform.as_deref().map(platform).transpose()?;
    let folder = Staged::new(&options.folder)?;
    let client = registry::client(&options.registry, &image);
    let bar = Arc::new(Bar::new(arguments.quiet));
    bar.stage("asking the registry", 0);
    let root = match options.all_platforms {
        true => client.manifest(&image)?,
        false => registry::manifest(&client, &image, platform)?,
    };
    let mut blobs = BTreeSet::new();
    gather(&client, &root, &folder, &mut blobs, 0)?;
    let bytes = blobs.iter().map(|blob| blob.size).sum();
    bar.stage("pulling", bytes);
    fetch(&client, &root.image, &folder, blobs.into_iter().collect(), &bar)?;
    folder.finish(&root, &image)?;
    bar.finish();
    if !arguments.quiet {
        let name = options.folder.display();
        println!("{} is in {name}, {bytes} bytes; next: seaworthy scan {name}", root.image);
    }
    Ok(Code::Clean)
}

/// A blob to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Blob {
    size: u64,
    digest: Digest,
}

/// Keeps a manifest and all that it names by manifests; adds the blobs to fetch.
fn gather(
    client: &Client,
    manifest: &Manifest,
    folder: &Staged,
    blobs: &mut BTreeSet<Blob>,
    depth: usize,
) -> Result<()> {
    if depth > DEPTH_MAX {
        bail!("{}: an index that names indexes deeper than {DEPTH_MAX} levels is not pulled", manifest.image);
    }
    let place = folder.blob(&manifest.digest);
    fs::write(&place, &manifest.bytes).with_context(|| writing(&place))?;
    let blob = |one: &Descriptor| Blob { size: one.size, digest: one.digest };
    match &manifest.names {
        Names::Index(all) => {
            for one in all {
                gather(client, &client.manifest_of(&manifest.image, one)?, folder, blobs, depth + 1)?;
            }
        }
        Names::Image { config, layers, .. } => {
            blobs.insert(blob(config));
            blobs.extend(layers.iter().map(blob));
        }
    }
    Ok(())
}

/// Fetches the blobs, the largest first, several at a time.
fn fetch(
    client: &Arc<Client>,
    image: &ImageRef,
    folder: &Staged,
    blobs: Vec<Blob>,
    bar: &Arc<Bar>,
) -> Result<()> {
    // Sorted by size: the largest are taken from the end.
    let left = Mutex::new(blobs);
    let take = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<()> {
        while let Some(blob) = take() {
            if let Err(error) = one(client, image, folder, blob, bar) {
                left.lock().unwrap_or_else(PoisonError::into_inner).clear();
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..STREAMS).map(|_| scope.spawn(work)).collect();
        let mut result = work();
        for other in others {
            let finished = other.join().unwrap_or_else(|_| Err(Error::msg("a downloading thread failed")));
            result = result.and(finished);
        }
        result
    })
}

fn one(client: &Arc<Client>, image: &ImageRef, folder: &Staged, blob: Blob, bar: &Arc<Bar>) -> Result<()> {
    let place = folder.blob(&blob.digest);
    let shown = Arc::clone(bar);
    let reader = client.blob(image, blob.digest, blob.size)?;
    let mut reader = reader.with_progress(Box::new(move |bytes| shown.advance(bytes)));
    let mut file = File::create(&place).with_context(|| writing(&place))?;
    match io::copy(&mut reader, &mut file) {
        Ok(_) => file.flush().with_context(|| writing(&place)),
        Err(error) => match error_of(&error) {
            Some(said) => Err(Error::msg(said.to_string())),
            None => Err(error).with_context(|| writing(&place)),
        },
    }
}

fn writing(place: &Path) -> String {
    format!("writing `{}`", place.display())
}

/// A layout that grows beside its place; what is not finished is removed.
struct Staged {
    aside: PathBuf,
    place: PathBuf,
}

impl Staged {
    fn new(place: &Path) -> Result<Self> {
        let Some(name) = place.file_name() else { bail!("`{}`: name a new folder", place.display()) };
        // An empty folder is taken over, nothing else.
        if place.exists() && fs::read_dir(place).map_or(true, |mut entries| entries.next().is_some()) {
            bail!("`{}` exists already: name a new folder, or remove it first", place.display());
        }
        let mut aside = std::ffi::OsString::from(".");
        aside.push(name);
        aside.push(format!(".{}.part", std::process::id()));
        let aside = place.with_file_name(aside);
        let blobs = aside.join("blobs/sha256");
        let staged = Self { aside, place: place.to_owned() };
        fs::create_dir_all(&blobs).with_context(|| writing(&blobs))?;
        Ok(staged)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.aside.join("blobs/sha256").join(digest.hex())
    }

    /// Writes what makes it a layout and puts it in its place.
    fn finish(&self, root: &Manifest, image: &ImageRef) -> Result<()> {
        let mut descriptor = json!({
            "mediaType": root.media_type,
            "digest": root.digest.to_string(),
            "size": root.bytes.len(),
        });
        if let Some(tag) = image.tag() {
            descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        let index = json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": [descriptor] });
        let files: [(&str, Value); 2] =
            [("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })), ("index.json", index)];
        for (name, content) in files {
            let place = self.aside.join(name);
            fs::write(&place, content.to_string()).with_context(|| writing(&place))?;
        }
        fs::rename(&self.aside, &self.place).with_context(|| writing(&self.place))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.aside);
    }
}
