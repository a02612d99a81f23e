//! The reading half, seen from the parent: what is cached is not read again, everything else is read
//! by the child; nothing is believed before its digest is verified.

use crate::cache::Kind;
use crate::lanes::{self, Desk, Elsewhere, Made};
use crate::protocol::{self, Hello, LayerReply, Reply, Resolved, Sbom, Task, frame_bytes_max};
use crate::reader::{self, Lock};
use crate::{Cache, Error, Isolation, Opened, Progress, Request, open};
use seaworthy_analyze::LayerFacts;
use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{fingerprint, units_for};
use seaworthy_types::{Digest, ImageFacts, Inventory, LayerFactsSummary, Note, TargetKind};
use serde::{Deserialize, Serialize};
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What reading gives.
pub(crate) struct Read {
    pub kind: TargetKind,
    pub image: Option<ImageFacts>,
    /// Facts, lowest layer first.
    pub layers: Vec<LayerFacts>,
    /// How the facts are to be assembled.
    pub target: Target,
    /// The inventory, when the target is an SBOM.
    pub inventory: Option<Inventory>,
    pub notes: Vec<Note>,
}

impl Read {
    fn of_sbom(content: Sbom, notes: Vec<Note>) -> Self {
        Self {
            kind: TargetKind::Sbom,
            image: content.image,
            layers: Vec::new(),
            target: Target::Image,
            inventory: Some(content.inventory),
            notes,
        }
    }
}

/// A layer as cached.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedLayer {
    bytes: u64,
    entries: u64,
    facts: LayerFacts,
}

/// An archive seen before, everything in it verified then.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedTarget {
    kind: TargetKind,
    image: ImageFacts,
    notes: Vec<Note>,
}

/// An SBOM seen before.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedSbom {
    content: Sbom,
    notes: Vec<Note>,
}

/// A disk seen before.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CachedDisk {
    facts: LayerFacts,
    is_source: bool,
    notes: Vec<Note>,
}

impl CachedDisk {
    fn into_read(self, kind: TargetKind) -> Read {
        let target = if self.is_source { Target::Source } else { Target::Image };
        Read { kind, image: None, layers: vec![self.facts], target, inventory: None, notes: self.notes }
    }
}

/// A file that changed less than this before it was read may change again within one tick of its
/// clock, unnoticed (git's racy rule).
const RACY_NS: i128 = 2_000_000_000;

/// Reads a target, by the cache where it can.
pub(crate) fn read(request: &Request<'_>, progress: &dyn Progress) -> Result<Read, Error> {
    let mut read = read_here(request, progress)?;
    // These are of today and not kept.
    read.notes.extend(request.image.iter().flat_map(|image| image.notes()));
    if let Some(archive) = &request.archive {
        read.kind = TargetKind::Engine;
        read.notes.extend(archive.notes());
    }
    Ok(read)
}

fn read_here(request: &Request<'_>, progress: &dyn Progress) -> Result<Read, Error> {
    let mut opened = match (&request.image, &request.archive) {
        (Some(image), _) => Opened::elsewhere(image.manifest().1).map_err(Talk::broken)?,
        (None, Some(archive)) => Opened::to_come(&archive.identity()).map_err(Talk::broken)?,
        (None, None) => open(request.spec)?,
    };
    let keys = Keys::new(request, &opened);
    let seen = known_sbom(request, &keys).or_else(|| known(request, &keys));
    if let Some(read) = seen.or_else(|| known_disk(request, &keys)) {
        return Ok(read);
    }
    if let (None, Some(archive)) = (&request.image, &request.archive) {
        progress.stage("fetching", 0);
        let failed =
            |error: io::Error| Error::Read { path: request.spec.path.clone(), what: error.to_string() };
        opened.file = archive.file().map_err(failed)?;
        opened.bytes = opened.file.metadata().map_or(0, |meta| meta.len());
    }
    let mut talk = Talk::start(request, opened, progress)?;
    let read = talk.target(&keys);
    let walked = std::mem::take(&mut talk.walked);
    let ended = talk.end(read.is_ok());
    let read = read?;
    ended?;
    for (index, blob) in walked {
        remember_walked(request, &read, index, blob, &keys);
    }
    if let (Some(cache), Some(image)) = (request.cache.filter(|_| !read.layers.is_empty()), &read.image) {
        // A cache that cannot be written makes the next scan slower and nothing else.
        if let Some(key) = &keys.target {
            let _ = cache.put(
                Kind::Target,
                key,
                &CachedTarget { kind: read.kind, image: image.clone(), notes: read.notes.clone() },
            );
        }
        cache.trim();
    }
    Ok(read)
}

/// Keys of everything this scan may find in the cache.
///
/// A file that may change unnoticed has no key of its own: nothing is looked up or stored under it.
struct Keys {
    units: Vec<u8>,
    target: Option<String>,
    sbom: Option<String>,
    disk: Option<String>,
}

impl Keys {
    fn new(request: &Request<'_>, opened: &Opened) -> Self {
        let limits = postcard::to_stdvec(&request.limits).unwrap_or_default();
        let mut units = fingerprint(&units_for(Target::Image)).into_bytes();
        units.extend_from_slice(&limits);
        let name = request.image.as_ref().map(|image| image.name());
        let wish = format!("{:?} {:?} {:?} {name:?}", request.platform, request.reference, opened.forced);
        let identity = opened.identity.as_deref().filter(|_| racy_free(opened, request));
        let target = identity.map(|identity| Cache::key(&[identity.as_bytes(), wish.as_bytes()]));
        let readers = seaworthy_analyze::sbom::fingerprint();
        let parts = [wish.as_bytes(), readers.as_bytes(), &limits];
        let sbom = identity.map(|identity| Cache::key(&[&[identity.as_bytes()], &parts[..]].concat()));
        let all_units = fingerprint(&units_for(Target::Source));
        let parts = [wish.as_bytes(), all_units.as_bytes(), &units, b"disk"];
        let disk = identity.map(|identity| Cache::key(&[&[identity.as_bytes()], &parts[..]].concat()));
        Self { units, target, sbom, disk }
    }
    fn layer(&self, diff_id: &Digest) -> String {
        Cache::key(&[diff_id.as_bytes(), &self.units])
    }
}

fn racy_free(opened: &Opened, request: &Request<'_>) -> bool {
    i128::from(request.now.0) * 1_000_000_000 - opened.changed_ns > RACY_NS
}

/// What an SBOM said when it was read before.
fn known_sbom(request: &Request<'_>, keys: &Keys) -> Option<Read> {
    let CachedSbom { content, notes } = request.cache?.get(Kind::Sbom, keys.sbom.as_ref()?)?;
    Some(Read::of_sbom(content, notes))
}

/// What was found in a disk when it was read before.
fn known_disk(request: &Request<'_>, keys: &Keys) -> Option<Read> {
    let disk: CachedDisk = request.cache?.get(Kind::Disk, keys.disk.as_ref()?)?;
    Some(disk.into_read(TargetKind::Disk))
}

/// The whole result from the cache, when the archive and all its layers are known.
fn known(request: &Request<'_>, keys: &Keys) -> Option<Read> {
    let cache = request.cache?;
    let target: CachedTarget = cache.get(Kind::Target, keys.target.as_ref()?)?;
    let layers: Option<Vec<LayerFacts>> = target
        .image
        .layers
        .iter()
        .map(|layer| {
            cache.get::<CachedLayer>(Kind::Layer, &keys.layer(&layer.diff_id)).map(|cached| cached.facts)
        })
        .collect();
    Some(Read {
        kind: target.kind,
        image: Some(target.image),
        layers: layers?,
        target: Target::Image,
        inventory: None,
        notes: target.notes,
    })
}

/// The conversation with the parsing process.
struct Talk<'r> {
    request: &'r Request<'r>,
    progress: &'r dyn Progress,
    control: UnixStream,
    replies: BufReader<UnixStream>,
    other: Other,
    /// Where blobs are handed out, for an image that lies elsewhere.
    desk: Option<Arc<Desk>>,
    /// Those who hand them out.
    lanes: Vec<JoinHandle<()>>,
    /// Layers of it that were walked, with the digests of their blobs: cached when all is known to be right.
    walked: Vec<(usize, Option<Digest>)>,
}

/// All that the child finds in its environment: the program's allocator gives memory back at once, so
/// that the child's peak is what it holds and not what it has held.
const ENVIRONMENT: [(&str, &str); 1] = [("MIMALLOC_PURGE_DELAY", "0")];

/// Puts a layer into the cache: under its own digest, and that under the digest of its blob.
fn remember(request: &Request<'_>, layer: &CachedLayer, diff_id: Digest, blob: Option<Digest>, keys: &Keys) {
    let Some(cache) = request.cache else { return };
    // A cache that cannot be written makes the next scan slower and nothing else.
    let _ = cache.put(Kind::Layer, &keys.layer(&diff_id), layer);
    if let Some(blob) = blob {
        let _ = cache.put(Kind::Blob, &blob.hex(), &diff_id);
    }
}

fn remember_walked(request: &Request<'_>, read: &Read, index: usize, blob: Option<Digest>, keys: &Keys) {
    let summary = read.image.as_ref().and_then(|image| image.layers.get(index));
    if let (Some(summary), Some(facts)) = (summary, read.layers.get(index)) {
        let layer = CachedLayer { bytes: summary.bytes, entries: summary.entries, facts: facts.clone() };
        remember(request, &layer, summary.diff_id, blob, keys);
    }
}

fn resolved(image: &dyn Elsewhere) -> Resolved {
    let (manifest, digest) = image.manifest();
    Resolved {
        manifest: manifest.to_vec(),
        digest,
        name: image.name(),
        kind: image.kind(),
        is_near: image.is_near(),
    }
}

/// The parsing process.
enum Other {
    Child(Child),
    Thread(JoinHandle<io::Result<()>>),
}

impl<'r> Talk<'r> {
    fn start(request: &'r Request<'r>, opened: Opened, progress: &'r dyn Progress) -> Result<Self, Error> {
        let Opened { file, forced, is_folder, bytes, .. } = opened;
        let source = OwnedFd::from(file);
        let failed = |what: &str| {
            let what = what.to_owned();
            move |source: io::Error| Error::Child { what, source }
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed("no channel to it could be made"))?;
        let other = match &request.isolation {
            Isolation::Child(program) => {
                let child = Command::new(program)
                    .arg("__read")
                    .env_clear()
                    .envs(ENVIRONMENT)
                    .stdin(Stdio::from(OwnedFd::from(theirs)))
                    .stdout(Stdio::from(source))
                    .stderr(Stdio::inherit())
                    .spawn()
                    .map_err(failed("it could not be started"))?;
                Other::Child(child)
            }
            Isolation::InProcess => {
                Other::Thread(std::thread::spawn(move || reader::serve(theirs, source, Lock::No)))
            }
        };
        let replies =
            BufReader::with_capacity(256 << 10, ours.try_clone().map_err(failed("its channel broke"))?);
        let mut talk = Self {
            request,
            progress,
            control: ours,
            replies,
            other,
            desk: None,
            lanes: Vec::new(),
            walked: Vec::new(),
        };
        progress.stage("reading", if is_folder { 0 } else { bytes });
        let name = request.spec.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hello = Hello {
            forced,
            is_folder,
            name,
            platform: request.platform.clone(),
            reference: request.reference.clone(),
            limits: request.limits.clone(),
            threads: request.threads,
            image: request.image.as_ref().map(|image| resolved(&**image)),
        };
        talk.tell(&hello)?;
        if let Some(image) = &request.image {
            talk.open_desk(Arc::clone(image)).map_err(failed("no lanes to it could be made"))?;
        }
        Ok(talk)
    }

    /// Hands out blobs over lanes. Their threads end with the child.
    fn open_desk(&mut self, image: Arc<dyn Elsewhere>) -> io::Result<()> {
        // A layer that is read by one thread may be read again by it; others go on meanwhile.
        let (ours, theirs) = lanes::pairs(self.request.threads.saturating_mul(2))?;
        let desk = Arc::new(Desk::new(image));
        for lane in ours {
            let desk = Arc::clone(&desk);
            let lane = std::thread::Builder::new().name("lane".into()).spawn(move || desk.serve(lane))?;
            self.lanes.push(lane);
        }
        lanes::hand_over(&self.control, &theirs)?;
        self.desk = Some(desk);
        Ok(())
    }

    fn broken(source: io::Error) -> Error {
        let what = "it stopped in the middle of its work (out of memory, or a bug: please report the target)";
        Error::Child { what: what.into(), source }
    }

    fn tell<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        protocol::send(&mut self.control, value).map_err(Self::broken)
    }

    /// The next reply that is not progress.
    fn hear(&mut self) -> Result<Reply, Error> {
        loop {
            let bytes_max = frame_bytes_max(&self.request.limits);
            match protocol::receive(&mut self.replies, bytes_max).map_err(Self::broken)? {
                // Of an image that lies elsewhere the totals are those of its blobs as they come.
                Reply::Progress(bytes) => {
                    self.progress.advance(self.desk.as_ref().map_or(bytes, |desk| desk.news()));
                }
                Reply::Failed(what) => {
                    return Err(Error::Read { path: self.request.spec.path.clone(), what });
                }
                reply => return Ok(reply),
            }
        }
    }

    fn unexpected<T>() -> Result<T, Error> {
        Err(Self::broken(io::Error::new(io::ErrorKind::InvalidData, "an unexpected message")))
    }

    fn target(&mut self, keys: &Keys) -> Result<Read, Error> {
        let Reply::Kind(kind) = self.hear()? else { return Self::unexpected() };
        match kind {
            TargetKind::Folder | TargetKind::RootFs | TargetKind::File | TargetKind::Disk => {
                self.single(kind, keys)
            }
            TargetKind::Sbom => self.sbom(keys),
            TargetKind::DockerArchive
            | TargetKind::OciArchive
            | TargetKind::OciLayout
            | TargetKind::Registry
            | TargetKind::Engine
            | TargetKind::Container => self.image(kind, keys),
        }
    }

    fn image(&mut self, kind: TargetKind, keys: &Keys) -> Result<Read, Error> {
        let Reply::Opened(image, mut notes) = self.hear()? else { return Self::unexpected() };
        let mut image = *image;
        if image.layers.len() as u64 > self.request.limits.layers_max {
            return Self::unexpected();
        }
        let made = self.request.image.as_ref().map_or(Made::Nothing, |image| image.made());
        if made != Made::Nothing {
            image.manifest_digest = None;
        }
        if made == Made::Configuration {
            image.config_digest = None;
        }
        let plan: Vec<Option<CachedLayer>> =
            image.layers.iter().map(|layer| self.cached(layer, keys)).collect();
        // What a verified manifest names is what its digest says, wherever its bytes are.
        let known = if self.desk.is_some() { Task::Known } else { Task::Verify };
        let tasks: Vec<Task> =
            plan.iter().map(|cached| if cached.is_some() { known } else { Task::Walk }).collect();
        if self.desk.is_some() {
            let wanted = image.layers.iter().zip(&plan).filter(|(_, cached)| cached.is_none());
            self.progress.stage("reading", wanted.map(|(layer, _)| layer.stored_bytes).sum());
        }
        self.tell(&tasks)?;
        let mut layers: Vec<Option<LayerFacts>> = vec![None; plan.len()];
        let mut plan = plan;
        loop {
            match self.hear()? {
                Reply::Layer(reply) => self.layer(*reply, &mut image, &mut plan, &mut layers, keys)?,
                Reply::Done(more) => {
                    notes.extend(more);
                    break;
                }
                _ => return Self::unexpected(),
            }
        }
        let Some(layers) = layers.into_iter().collect::<Option<Vec<LayerFacts>>>() else {
            return Self::unexpected();
        };
        Ok(Read { kind, image: Some(image), layers, target: Target::Image, inventory: None, notes })
    }

    /// Facts under the digest the layer claims; they count once the child has verified the claim. A
    /// compressed layer is proven by its blob only when the pair is known from an earlier proof.
    fn cached(&self, layer: &LayerFactsSummary, keys: &Keys) -> Option<CachedLayer> {
        let cache = self.request.cache?;
        // A compressed layer without a digest of its own is walked again: the child sees that.
        if let Some(blob) = layer.blob_digest {
            let proven: Digest = cache.get(Kind::Blob, &blob.hex())?;
            if proven != layer.diff_id {
                return None;
            }
        }
        cache.get(Kind::Layer, &keys.layer(&layer.diff_id))
    }

    fn layer(
        &mut self,
        reply: LayerReply,
        image: &mut ImageFacts,
        plan: &mut [Option<CachedLayer>],
        layers: &mut [Option<LayerFacts>],
        keys: &Keys,
    ) -> Result<(), Error> {
        let index = usize::try_from(reply.index).unwrap_or(usize::MAX);
        let (Some(summary), Some(planned), Some(slot)) =
            (image.layers.get_mut(index), plan.get_mut(index), layers.get_mut(index))
        else {
            return Self::unexpected();
        };
        let digests_fit = reply.diff_id.is_none_or(|digest| digest == summary.diff_id)
            && reply
                .blob_digest
                .is_none_or(|digest| summary.blob_digest.is_none_or(|claimed| claimed == digest));
        if !digests_fit || slot.is_some() {
            return Self::unexpected();
        }
        let layer = match (reply.facts, planned.take()) {
            (Some(facts), _) => {
                let layer = CachedLayer { bytes: reply.bytes, entries: reply.entries, facts };
                match self.desk {
                    Some(_) => self.walked.push((index, reply.blob_digest)),
                    None => remember(self.request, &layer, summary.diff_id, reply.blob_digest, keys),
                }
                layer
            }
            (None, Some(cached)) => cached,
            (None, None) => return Self::unexpected(),
        };
        summary.bytes = layer.bytes;
        summary.entries = layer.entries;
        *slot = Some(layer.facts);
        Ok(())
    }

    fn single(&mut self, kind: TargetKind, keys: &Keys) -> Result<Read, Error> {
        let Reply::Target(is_source) = self.hear()? else { return Self::unexpected() };
        let Reply::Layer(reply) = self.hear()? else { return Self::unexpected() };
        let Reply::Done(notes) = self.hear()? else { return Self::unexpected() };
        let Some(facts) = reply.facts else { return Self::unexpected() };
        let found = CachedDisk { facts, is_source, notes };
        let key = keys.disk.as_ref().filter(|_| kind == TargetKind::Disk);
        if let (Some(cache), Some(key)) = (self.request.cache, key) {
            // A cache that cannot be written makes the next scan slower and nothing else.
            let _ = cache.put(Kind::Disk, key, &found);
            cache.trim();
        }
        Ok(found.into_read(kind))
    }

    fn sbom(&mut self, keys: &Keys) -> Result<Read, Error> {
        let Reply::Sbom(content) = self.hear()? else { return Self::unexpected() };
        let Reply::Done(notes) = self.hear()? else { return Self::unexpected() };
        let cached = CachedSbom { content: *content, notes };
        if let (Some(cache), Some(key)) = (self.request.cache, &keys.sbom) {
            // A cache that cannot be written makes the next scan slower and nothing else.
            let _ = cache.put(Kind::Sbom, key, &cached);
            cache.trim();
        }
        Ok(Read::of_sbom(cached.content, cached.notes))
    }

    /// Waits for the other side; a child that has more to say is ended. What was read again elsewhere
    /// counts only when its bytes were the same.
    fn end(self, is_read: bool) -> Result<(), Error> {
        drop(self.control);
        drop(self.replies);
        match self.other {
            Other::Child(mut child) => {
                let status = child.wait().map_err(Self::broken)?;
                if !status.success() {
                    return Err(Self::broken(io::Error::other(format!("it ended with {status}"))));
                }
            }
            Other::Thread(thread) => match thread.join() {
                Ok(result) => result.map_err(Self::broken)?,
                Err(_) => return Err(Self::broken(io::Error::other("a thread failed"))),
            },
        }
        let Some(desk) = self.desk.filter(|_| is_read) else { return Ok(()) };
        for lane in self.lanes {
            lane.join().map_err(|_| Self::broken(io::Error::other("a lane failed")))?;
        }
        match desk.complaint() {
            Some(what) => Err(Error::Read { path: self.request.spec.path.clone(), what }),
            None => Ok(()),
        }
    }
}
