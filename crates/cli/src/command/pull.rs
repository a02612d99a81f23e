//! `seaworthy pull`: an image from a registry into an OCI layout (OCI image-spec 1.1,
//! `image-layout.md`). Everything is verified by digest while it comes; the folder appears whole or not
//! at all. A pull that was killed leaves what it has in `.FOLDER.part`; the next one to the same folder goes on
//! from there. One that fails leaves nothing.

use super::registry;
use super::setup::platform;
use crate::arguments::{Arguments, PullArguments};
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::{Context, Error, Result, bail};
use rustix::fs::OFlags;
use seaworthy_net::registry::{Client, Descriptor, Error as Fault, Manifest, Names, error_of, media};
use seaworthy_scan::Progress as _;
use seaworthy_types::{Digest, ImageRef};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Blobs that come at a time.
const STREAMS: usize = 4;
/// Name of the file in a growing layout that one pull holds.
const LOCK: &str = "lock";
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
    let (mut blobs, mut manifests) = (BTreeSet::new(), BTreeSet::new());
    gather(&client, &root, &folder, (&mut blobs, &mut manifests), 0)?;
    let bytes = blobs.iter().map(|blob| blob.size).sum();
    let mut kept = manifests;
    kept.extend(blobs.iter().map(|blob| blob.digest.hex()));
    bar.stage("pulling", bytes);
    fetch(&client, &root.image, &folder, blobs.into_iter().collect(), &bar)?;
    folder.finish(&root, &image, &kept)?;
    bar.finish();
    if !arguments.quiet {
        let name = options.folder.display();
        println!("{} is in {name}, {bytes} bytes; next: seaworthy scan {name}", root.image);
    }
    Ok(Code::Clean)
}

/// A blob to fetch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Blob {
    size: u64,
    digest: Digest,
    urls: Vec<String>,
}

/// Keeps a manifest and all that it names by manifests; adds the blobs to fetch, and the names of the manifests.
fn gather(
    client: &Client,
    manifest: &Manifest,
    folder: &Staged,
    (blobs, manifests): (&mut BTreeSet<Blob>, &mut BTreeSet<String>),
    depth: usize,
) -> Result<()> {
    if depth > DEPTH_MAX {
        bail!("{}: an index that names indexes deeper than {DEPTH_MAX} levels is not pulled", manifest.image);
    }
    let place = folder.blob(&manifest.digest);
    fs::write(&place, &manifest.bytes).with_context(|| writing(&place))?;
    manifests.insert(manifest.digest.hex());
    let blob = |one: &Descriptor| Blob { size: one.size, digest: one.digest, urls: one.urls.clone() };
    match &manifest.names {
        Names::Index(all) => {
            for one in all {
                let inner = client.manifest_of(&manifest.image, one)?;
                gather(client, &inner, folder, (&mut *blobs, &mut *manifests), depth + 1)?;
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
            if let Err(error) = one(client, image, folder, &blob, bar) {
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

fn one(client: &Arc<Client>, image: &ImageRef, folder: &Staged, blob: &Blob, bar: &Arc<Bar>) -> Result<()> {
    let place = folder.blob(&blob.digest);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&place)
        .with_context(|| writing(&place))?;
    let here = file.metadata().with_context(|| writing(&place))?.len();
    if here > blob.size {
        file.set_len(0).with_context(|| writing(&place))?;
    }
    match rest(client, image, blob, &mut file, &place, bar) {
        // What an earlier attempt left was wrong: once more from the beginning.
        Err(Failure::Digest(_)) if here > 0 => {
            file.set_len(0).and_then(|()| file.rewind()).with_context(|| writing(&place))?;
            let again = rest(client, image, blob, &mut file, &place, bar);
            again.map_err(Failure::into_error)
        }
        other => other.map_err(Failure::into_error),
    }
}

/// Why a blob did not come.
enum Failure {
    /// Other bytes than those that were named.
    Digest(Error),
    Other(Error),
}

impl Failure {
    fn of(error: &Fault) -> Self {
        let told = Error::msg(error.to_string());
        match error {
            Fault::Digest { .. } => Self::Digest(told),
            _ => Self::Other(told),
        }
    }
    fn into_error(self) -> Error {
        match self {
            Self::Digest(error) | Self::Other(error) => error,
        }
    }
}

/// Fetches what is not in the file.
fn rest(
    client: &Arc<Client>,
    image: &ImageRef,
    blob: &Blob,
    file: &mut File,
    place: &Path,
    bar: &Arc<Bar>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Other(Error::new(error).context(writing(place)));
    file.rewind().map_err(failed)?;
    let reader = client.blob_after(image, blob.digest, blob.size, &blob.urls, &mut *file);
    let reader = reader.map_err(|error| Failure::of(&error))?;
    bar.advance(reader.done());
    let shown = Arc::clone(bar);
    let mut reader = reader.with_progress(Box::new(move |bytes| shown.advance(bytes)));
    let at = file.seek(SeekFrom::Start(reader.done())).map_err(failed)?;
    file.set_len(at).map_err(failed)?;
    match io::copy(&mut reader, file) {
        Ok(_) => file.flush().map_err(failed),
        Err(error) => match error_of(&error) {
            Some(said) => Err(Failure::of(said)),
            None => Err(failed(error)),
        },
    }
}

fn writing(place: &Path) -> String {
    format!("writing `{}`", place.display())
}

/// Makes the folder or takes over the one that a killed pull left; one pull at a time. Somebody else's folder
/// or link is not trusted.
fn take(aside: &Path) -> Result<File> {
    match DirBuilder::new().recursive(true).create(aside.parent().unwrap_or(Path::new(""))) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    match DirBuilder::new().mode(0o755).create(aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    let meta = fs::symlink_metadata(aside)?;
    let is_ours =
        meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0;
    if !is_ours {
        bail!("it is there and not a folder that only you can write: remove it");
    }
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(aside.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another pull to the same folder is at work"),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A layout that grows beside its place; what is not finished is removed.
struct Staged {
    /// Held as long as this pull works there.
    _lock: File,
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
        aside.push(".part");
        let aside = place.with_file_name(aside);
        let lock = take(&aside).with_context(|| writing(&aside))?;
        let staged = Self { _lock: lock, aside, place: place.to_owned() };
        let blobs = staged.aside.join("blobs/sha256");
        fs::create_dir_all(&blobs).with_context(|| writing(&blobs))?;
        Ok(staged)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.aside.join("blobs/sha256").join(digest.hex())
    }

    /// Takes away what an earlier pull left of another image.
    fn tidy(&self, kept: &BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(self.aside.join("blobs/sha256"))? {
            let entry = entry?;
            if !kept.contains(&*entry.file_name().to_string_lossy()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// Writes what makes it a layout and puts it in its place.
    fn finish(&self, root: &Manifest, image: &ImageRef, kept: &BTreeSet<String>) -> Result<()> {
        self.tidy(kept).with_context(|| writing(&self.aside))?;
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
        fs::remove_file(self.aside.join(LOCK)).with_context(|| writing(&self.aside))?;
        fs::rename(&self.aside, &self.place).with_context(|| writing(&self.place))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.aside);
    }
}
