//! The parsing process: opens the descriptor it was given, walks what it is told to walk, and answers
//! with facts. Reads nothing else, writes nothing else.

use crate::jail::{self, Files};
use crate::lanes::{self, Asked, Lanes};
use crate::protocol::{self, Hello, LayerReply, Reply, Resolved, Sbom, Task};
use crate::root;
use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerReader, sbom};
use seaworthy_image::{
    BufferPool, Content, Entry, FileSource, Image, LayerRef, Pair, ROOT_SIGNS, Source, Visitor, WalkMode,
    Want, Wish, is_provable_stored, open_archive, open_disk, open_elsewhere, open_layout, read_full,
    recognise_file, recognise_folder, verify_stored, walk_disk, walk_file, walk_folder, walk_layer_with,
    walks_max,
};
use seaworthy_types::{Digest, ImageFacts, LayerFactsSummary, Limits, Note, TargetKind};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Progress is told in steps of this many bytes.
const PROGRESS_STEP: u64 = 4 << 20;
/// Bounds a `Hello` (which may hold a manifest) or a list of tasks.
const REQUEST_BYTES_MAX: u64 = 16 << 20;

/// Whether the process locks itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// As a child process: for good.
    Yes,
    /// As a thread of a larger program, which would be locked with it.
    No,
}

/// The child's main function: control channel on standard input, the target on standard output.
pub fn child_main() -> io::Result<()> {
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let source = io::stdout().as_fd().try_clone_to_owned()?;
    serve(control, source, Lock::Yes)
}

/// Answers one request on `control` about `source`.
pub fn serve(control: UnixStream, source: OwnedFd, lock: Lock) -> io::Result<()> {
    let mut requests = control.try_clone()?;
    let hello: Hello = protocol::receive(&mut requests, REQUEST_BYTES_MAX)?;
    let lanes = match hello.image {
        Some(_) => lanes::take_over(&requests)?,
        None => Vec::new(),
    };
    let mut notes = Vec::new();
    if lock == Lock::Yes {
        let files = if hello.is_folder { Files::Beneath(source.as_fd()) } else { Files::None };
        notes = jail::lock(files);
    }
    let channel = Channel { control: Mutex::new(control), unsaid: Mutex::new(0) };
    let result = match &hello.image {
        Some(image) => elsewhere(&channel, &mut requests, &hello, image, lanes),
        None => answer(&channel, &mut requests, &hello, source),
    };
    match result {
        Ok(more) => {
            notes.extend(more);
            channel.say(&Reply::Done(notes))
        }
        Err(Failure::Said(text)) => channel.say(&Reply::Failed(text)),
        Err(Failure::Channel(error)) => Err(error),
    }
}

/// Reads an image whose blobs come over lanes.
fn elsewhere(
    channel: &Channel,
    requests: &mut UnixStream,
    hello: &Hello,
    resolved: &Resolved,
    lanes: Vec<UnixStream>,
) -> Result<Vec<Note>, Failure> {
    channel.tell(&Reply::Kind(resolved.kind))?;
    let blobs = Arc::new(Asked(Arc::new(Lanes::new(lanes, resolved.is_near))));
    let mut image = open_elsewhere(&resolved.manifest, resolved.digest, blobs, &hello.limits)?;
    image.names = vec![resolved.name.clone()];
    read_image(channel, requests, hello, &image)
}

fn answer(
    channel: &Channel,
    requests: &mut UnixStream,
    hello: &Hello,
    source: OwnedFd,
) -> Result<Vec<Note>, Failure> {
    let kind = match hello.forced {
        Some(kind) => kind,
        None if hello.is_folder => recognise_folder(source.as_fd()),
        None => {
            let copy = source.try_clone().map_err(|error| Failure::Said(error.to_string()))?;
            let bytes: Arc<dyn Source> = Arc::new(file_source(copy)?);
            match recognise_file(&bytes)? {
                TargetKind::File if is_sbom(&*bytes)? => TargetKind::Sbom,
                kind => kind,
            }
        }
    };
    channel.tell(&Reply::Kind(kind))?;
    match kind {
        TargetKind::Folder => read_folder(channel, source, hello, folder_target),
        TargetKind::RootFs => read_folder(channel, source, hello, |_| Target::Image),
        TargetKind::Disk => read_disk(channel, hello, source),
        TargetKind::File => read_file(channel, hello, source),
        TargetKind::Sbom => read_sbom(channel, hello, source),
        TargetKind::OciLayout => {
            let image = open_layout(source, &wish(hello), &hello.limits)?;
            read_image(channel, requests, hello, &image)
        }
        TargetKind::Registry | TargetKind::Engine | TargetKind::Container => {
            Err(Failure::Said("the image was not resolved".into()))
        }
        TargetKind::DockerArchive | TargetKind::OciArchive => {
            let image = open_archive(Arc::new(file_source(source)?), &wish(hello), &hello.limits)?;
            read_image(channel, requests, hello, &image)
        }
    }
}

fn is_sbom(source: &dyn Source) -> Result<bool, Failure> {
    let mut head = vec![0; sbom::HEAD_BYTES];
    let count = read_full(source, 0, &mut head)
        .map_err(|error| Failure::Said(format!("reading the file failed: {error}")))?;
    head.truncate(count);
    Ok(sbom::looks_like(&head))
}

fn wish(hello: &Hello) -> Wish<'_> {
    Wish { platform: hello.platform.as_ref(), reference: hello.reference.as_deref() }
}

/// Why a request ended early.
enum Failure {
    /// For people.
    Said(String),
    /// Nobody listens any more.
    Channel(io::Error),
}

impl From<seaworthy_image::Error> for Failure {
    fn from(error: seaworthy_image::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            cause = source.source();
        }
        Self::Said(text)
    }
}

/// The way to the parent, shared by all threads.
struct Channel {
    control: Mutex<UnixStream>,
    unsaid: Mutex<u64>,
}

impl Channel {
    fn say(&self, reply: &Reply) -> io::Result<()> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        protocol::send(&mut *control, reply)
    }
    fn tell(&self, reply: &Reply) -> Result<(), Failure> {
        self.say(reply).map_err(Failure::Channel)
    }
    /// Progress is lossy: an unheard step is heard with the next one.
    fn advance(&self, bytes: u64) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        *unsaid += bytes;
        if *unsaid >= PROGRESS_STEP && self.say(&Reply::Progress(*unsaid)).is_ok() {
            *unsaid = 0;
        }
    }
}

fn claims(image: &Image) -> ImageFacts {
    let layers = image.layers.iter().map(|layer| LayerFactsSummary {
        diff_id: layer.diff_id,
        blob_digest: layer.blob_digest.filter(|digest| *digest != layer.diff_id),
        media_type: layer.media_type.clone(),
        stored_bytes: layer.stored_bytes,
        bytes: 0,
        entries: 0,
        created_by: layer.created_by.clone(),
    });
    image.facts(layers.collect())
}

fn read_image(
    channel: &Channel,
    requests: &mut UnixStream,
    hello: &Hello,
    image: &Image,
) -> Result<Vec<Note>, Failure> {
    channel.tell(&Reply::Opened(Box::new(claims(image)), image.notes.clone()))?;
    let tasks: Vec<Task> = protocol::receive(requests, REQUEST_BYTES_MAX).map_err(Failure::Channel)?;
    if tasks.len() != image.layers.len() {
        return Err(Failure::Said("the list of tasks does not fit the image".into()));
    }
    let matcher = Matcher::new(units_for(Target::Image));
    let work =
        Work { channel, limits: &hello.limits, matcher: &matcher, pool: BufferPool::new(&hello.limits) };
    work.all(&image.layers, &tasks, hello.threads)?;
    Ok(Vec::new())
}

fn file_source(source: OwnedFd) -> Result<FileSource, Failure> {
    FileSource::new(File::from(source))
        .map_err(|error| Failure::Said(format!("reading the target failed: {error}")))
}

/// What every worker needs.
struct Work<'w> {
    channel: &'w Channel,
    limits: &'w Limits,
    matcher: &'w Matcher,
    pool: BufferPool,
}

impl Work<'_> {
    /// Largest layers first, as many at a time as there are threads and memory for.
    fn all(&self, layers: &[LayerRef], tasks: &[Task], threads: usize) -> Result<(), Failure> {
        let mut order: Vec<(&LayerRef, Task)> = layers.iter().zip(tasks.iter().copied()).collect();
        order.sort_by_key(|(layer, _)| std::cmp::Reverse(layer.stored_bytes));
        let total: u64 = order.iter().map(|(layer, _)| layer.stored_bytes).sum();
        let threads = threads.clamp(1, walks_max(self.limits)).min(order.len().max(1));
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let run = || -> Result<(), Failure> {
            while !stop.load(Ordering::Relaxed) {
                let Some((layer, task)) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                // A layer that outweighs all others together would keep one core idle.
                let alone = layer.stored_bytes > total - layer.stored_bytes;
                let mode = if alone { WalkMode::Piped } else { WalkMode::Inline };
                if let Err(failure) = self.one(layer, *task, mode) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(failure);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
            let mut result = run();
            for other in others {
                let finished =
                    other.join().unwrap_or_else(|_| Err(Failure::Said("a parsing thread failed".into())));
                result = result.and(finished);
            }
            result
        })
    }

    fn one(&self, layer: &LayerRef, task: Task, mode: WalkMode) -> Result<(), Failure> {
        let reply = match task {
            Task::Known => without_facts(layer, None, None),
            Task::Verify if is_provable_stored(layer)? => self.verify(layer)?,
            Task::Verify | Task::Walk => self.walk(layer, mode)?,
        };
        self.channel.tell(&Reply::Layer(Box::new(reply)))
    }

    fn verify(&self, layer: &LayerRef) -> Result<LayerReply, Failure> {
        verify_stored(layer, &mut |bytes| self.channel.advance(bytes))?;
        let plain = layer.blob_digest.is_none_or(|digest| digest == layer.diff_id);
        Ok(without_facts(layer, plain.then_some(layer.diff_id), layer.blob_digest.filter(|_| !plain)))
    }

    fn walk(&self, layer: &LayerRef, mode: WalkMode) -> Result<LayerReply, Failure> {
        let mut reader = LayerReader::new(self.matcher, self.limits);
        let mut visitor = Watched { reader: &mut reader, channel: self.channel, since: 0 };
        let walked = walk_layer_with(layer, self.limits, &mut visitor, mode, &self.pool)?;
        Ok(LayerReply {
            index: index_of(layer),
            diff_id: Some(walked.diff_id),
            blob_digest: walked.blob_digest.filter(|digest: &Digest| *digest != walked.diff_id),
            bytes: walked.bytes,
            entries: walked.entries,
            facts: Some(reader.finish(walked.notes)),
        })
    }
}

/// A layer that was not walked, with the digests that were proven.
fn without_facts(layer: &LayerRef, diff_id: Option<Digest>, blob_digest: Option<Digest>) -> LayerReply {
    LayerReply { index: index_of(layer), diff_id, blob_digest, bytes: 0, entries: 0, facts: None }
}

fn index_of(layer: &LayerRef) -> u32 {
    u32::try_from(layer.index).unwrap_or(u32::MAX)
}

/// Tells progress by the sizes of entries as they pass.
struct Watched<'v, 'm> {
    reader: &'v mut LayerReader<'m>,
    channel: &'v Channel,
    since: u64,
}

impl Visitor for Watched<'_, '_> {
    fn entry(&mut self, entry: &Entry<'_>, head: &[u8]) -> Want {
        self.since = self.since.saturating_add(entry.size).saturating_add(512);
        if self.since >= PROGRESS_STEP {
            self.channel.advance(self.since);
            self.since = 0;
        }
        self.reader.entry(entry, head)
    }
    fn content(&mut self, index: u32, content: Content<'_>) {
        self.reader.content(index, content);
    }
    fn pairs(&mut self) -> Vec<Pair> {
        self.reader.pairs()
    }
    fn pair(&mut self, pair: &Pair, file: Content<'_>, companion: Content<'_>) {
        self.reader.pair(pair, file, companion);
    }
}

fn read_folder(
    channel: &Channel,
    source: OwnedFd,
    hello: &Hello,
    judge: impl FnOnce(&OwnedFd) -> Target,
) -> Result<Vec<Note>, Failure> {
    let target = judge(&source);
    let mut notes = Vec::new();
    if hello.forced == Some(TargetKind::RootFs) {
        notes = root::expectations(&hello.name, |path| is_there(&source, path));
    }
    let matcher = Matcher::new(units_for(target));
    let mut reader = LayerReader::new(&matcher, &hello.limits);
    let mut visitor = Watched { reader: &mut reader, channel, since: 0 };
    let walked = walk_folder(source, &hello.limits, &mut visitor)?;
    tell_single(channel, reader.finish(walked.notes), walked.bytes, walked.entries, target)?;
    Ok(notes)
}

fn read_disk(channel: &Channel, hello: &Hello, source: OwnedFd) -> Result<Vec<Note>, Failure> {
    let disk = open_disk(Arc::new(file_source(source)?), hello.reference.as_deref(), &hello.limits)?;
    let (target, notes) = match disk.has_root() {
        true => (Target::Image, root::expectations(&hello.name, |path| disk.has(path))),
        // That it holds no operating system is noted where that was found.
        false => (Target::Source, Vec::new()),
    };
    let matcher = Matcher::new(units_for(target));
    let mut reader = LayerReader::new(&matcher, &hello.limits);
    let mut visitor = Watched { reader: &mut reader, channel, since: 0 };
    let walked = walk_disk(&disk, &hello.limits, &mut visitor)?;
    tell_single(channel, reader.finish(walked.notes), walked.bytes, walked.entries, target)?;
    Ok(notes)
}

fn read_file(channel: &Channel, hello: &Hello, source: OwnedFd) -> Result<Vec<Note>, Failure> {
    let matcher = Matcher::new(units_for(Target::Source));
    let mut reader = LayerReader::new(&matcher, &hello.limits);
    let source = file_source(source)?;
    let walked = walk_file(Arc::new(source), &hello.name, &hello.limits, &mut reader)?;
    tell_single(channel, reader.finish(walked.notes), walked.bytes, walked.entries, Target::Source)
}

fn tell_single(
    channel: &Channel,
    facts: seaworthy_analyze::LayerFacts,
    bytes: u64,
    entries: u64,
    target: Target,
) -> Result<Vec<Note>, Failure> {
    channel.tell(&Reply::Target(target == Target::Source))?;
    let reply = LayerReply { index: 0, diff_id: None, blob_digest: None, bytes, entries, facts: Some(facts) };
    channel.tell(&Reply::Layer(Box::new(reply)))?;
    Ok(Vec::new())
}

/// A folder that looks like a root file system holds installed software; any other holds source code.
fn folder_target(folder: &OwnedFd) -> Target {
    if ROOT_SIGNS.iter().any(|path| is_there(folder, path)) { Target::Image } else { Target::Source }
}

fn is_there(folder: &OwnedFd, path: &str) -> bool {
    rustix::fs::statat(folder, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

fn read_sbom(channel: &Channel, hello: &Hello, source: OwnedFd) -> Result<Vec<Note>, Failure> {
    let source = file_source(source)?;
    let mut bytes =
        vec![0; usize::try_from(source.len().min(hello.limits.record_bytes_max + 1)).unwrap_or(0)];
    let count = read_full(&source, 0, &mut bytes)
        .map_err(|error| Failure::Said(format!("reading the SBOM failed: {error}")))?;
    bytes.truncate(count);
    let outcome = sbom::read(&bytes, &hello.limits).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Failure::Said(format!("{error}{cause}"))
    })?;
    let content = Sbom { inventory: outcome.value.inventory, image: outcome.value.image };
    channel.tell(&Reply::Sbom(Box::new(content)))?;
    Ok(outcome.notes)
}
