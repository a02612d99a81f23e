//! How the locked child reads blobs that lie elsewhere: it asks the parent for pieces over lanes (socket
//! pairs), several at a time. The parent alone talks to the network and hands out only blobs that the
//! manifest names.
//!
//! A blob is read from its beginning to its end, and the child verifies it. Reading it again begins
//! anew, passes over what is not wanted and, because the bytes of another day may be others, goes on to
//! the end: its reader verifies the digest there, and a difference fails the scan.

use crate::protocol::{receive, send};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use seaworthy_image::{Blobs, Source};
use seaworthy_types::{Digest, Note, TargetKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

/// Most lanes of one scan.
const LANES_MAX: usize = 16;
/// Bytes of one piece.
const PIECE_BYTES_MAX: u32 = 1 << 20;
/// First bytes of a blob that the child keeps.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 256;
/// What reading one blob again and again may cost, in multiples of its size.
const REREADS_MAX: u64 = 8;

/// An image that lies elsewhere and is resolved: one manifest, by digest.
pub trait Elsewhere: Send + Sync {
    /// The manifest as it came; its digest.
    fn manifest(&self) -> (&[u8], Digest);
    /// What the image was asked for as.
    fn name(&self) -> String;
    /// The blobs the manifest names: digest and size.
    fn blobs(&self) -> Vec<(Digest, u64)>;
    /// A blob from its beginning. The reader gives exactly its size, and when it `verifies`, an error
    /// instead of the last bytes if the digest is another one.
    fn read(&self, digest: Digest, size: u64, verifies: bool) -> io::Result<Box<dyn Read + Send>>;
    /// A blob that lies on this machine: it can be passed over without being read, and its bytes are as sure
    /// as those of a file. `None` where that is not so; it is so for all blobs or for none.
    fn near(&self, _: Digest) -> Option<io::Result<Box<dyn Near>>> {
        None
    }
    /// Whether blobs are near.
    fn is_near(&self) -> bool {
        false
    }
    /// What kind of place it is in.
    fn kind(&self) -> TargetKind {
        TargetKind::Registry
    }
    /// What of it was made for this scan, so that its digest says nothing about the image.
    fn made(&self) -> Made {
        Made::Nothing
    }
    /// What people should know.
    fn notes(&self) -> Vec<Note> {
        Vec::new()
    }
}

/// A reader that passes over bytes without reading them.
pub trait Near: Read + Send {
    /// Passes over bytes.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

/// An archive that comes from elsewhere when it is needed.
pub trait Archive: Send + Sync {
    /// What is another text when the archive is another one.
    fn identity(&self) -> String;
    /// What people should know.
    fn notes(&self) -> Vec<Note>;
    /// The archive; asked for only when its image is not known.
    fn file(&self) -> io::Result<std::fs::File>;
}

/// What of an image that lies elsewhere was made for the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Nothing.
    Nothing,
    /// The manifest.
    Manifest,
    /// The manifest and the configuration.
    Configuration,
}

/// Child to parent: a piece of a blob.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    digest: Digest,
    offset: u64,
    bytes: u32,
}

/// Parent to child: what follows.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    /// So many bytes.
    Bytes(u32),
    /// For people.
    Failed(String),
}

/// Makes lanes: one end each for the parent and for the child.
pub(crate) fn pairs(count: usize) -> io::Result<(Vec<UnixStream>, Vec<UnixStream>)> {
    let pairs: Vec<_> =
        (0..count.clamp(1, LANES_MAX)).map(|_| UnixStream::pair()).collect::<Result<_, _>>()?;
    Ok(pairs.into_iter().unzip())
}

/// Hands the child its ends (SCM_RIGHTS, unix(7)).
pub(crate) fn hand_over(control: &UnixStream, lanes: &[UnixStream]) -> io::Result<()> {
    let descriptors: Vec<_> = lanes.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LANES_MAX))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(control, &[IoSlice::new(b"L")], &mut rights, SendFlags::empty())?;
    Ok(())
}

/// Takes the child's ends; before the lock, which does not know this call.
pub(crate) fn take_over(control: &UnixStream) -> io::Result<Vec<UnixStream>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LANES_MAX))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(control, &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let lanes: Vec<UnixStream> = descriptors.flatten().map(|fd: OwnedFd| UnixStream::from(fd)).collect();
    if lanes.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(lanes) }
}

/// The child's side: lanes that are free.
pub(crate) struct Lanes {
    free: Mutex<Vec<Lane>>,
    freed: Condvar,
    /// Whether the parent passes over bytes without reading them.
    is_near: bool,
}

struct Lane {
    stream: UnixStream,
    /// Where the parent's reader of this lane stands.
    at: Option<(Digest, u64)>,
}

impl Lanes {
    pub(crate) fn new(streams: Vec<UnixStream>, is_near: bool) -> Self {
        let free = streams.into_iter().map(|stream| Lane { stream, at: None }).collect();
        Self { free: Mutex::new(free), freed: Condvar::new(), is_near }
    }

    /// The lane that stands where reading goes on, or the one that was longest unused.
    fn take(&self, at: (Digest, u64)) -> Lane {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let place = free.iter().position(|lane| lane.at == Some(at));
            let place = place.or_else(|| self.nearest(&free, at));
            if let Some(place) = place.or(if free.is_empty() { None } else { Some(0) }) {
                return free.remove(place);
            }
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A lane of the same blob that only has to go on.
    fn nearest(&self, free: &[Lane], at: (Digest, u64)) -> Option<usize> {
        let before = |lane: &Lane| lane.at.filter(|(digest, stands)| *digest == at.0 && *stands <= at.1);
        let before = free.iter().enumerate().filter_map(|(place, lane)| Some((before(lane)?.1, place)));
        before.max().map(|(_, place)| place).filter(|_| self.is_near)
    }

    fn give_back(&self, lane: Lane) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        self.freed.notify_one();
    }

    fn ask(&self, digest: Digest, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut lane = self.take((digest, offset));
        let asked = lane.ask(digest, offset, buffer);
        lane.at = asked.as_ref().ok().map(|count| (digest, offset + *count as u64));
        self.give_back(lane);
        asked
    }
}

impl Lane {
    fn ask(&mut self, digest: Digest, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = u32::try_from(buffer.len()).unwrap_or(u32::MAX).min(PIECE_BYTES_MAX);
        send(&mut self.stream, &Question { digest, offset, bytes })?;
        match receive(&mut self.stream, 64 << 10)? {
            Answer::Failed(what) => Err(io::Error::other(what)),
            Answer::Bytes(count) => {
                let target = usize::try_from(count).ok().and_then(|count| buffer.get_mut(..count));
                let target = target.ok_or(io::ErrorKind::InvalidData)?;
                self.stream.read_exact(target)?;
                if target.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(target.len()) }
            }
        }
    }
}

/// Blobs by way of the parent.
pub(crate) struct Asked(pub Arc<Lanes>);

impl Blobs for Asked {
    fn blob(&self, digest: Digest, size: u64) -> Arc<dyn Source> {
        Arc::new(Blob { lanes: Arc::clone(&self.0), digest, size, head: OnceLock::new() })
    }
}

struct Blob {
    lanes: Arc<Lanes>,
    digest: Digest,
    size: u64,
    /// Its first bytes: they are looked at before it is read.
    head: OnceLock<Vec<u8>>,
}

impl Blob {
    /// Bytes out of the head, which is fetched when there is none.
    fn of_head(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.get().is_none() {
            let mut head = vec![0; usize::try_from(self.size).unwrap_or(usize::MAX).min(HEAD_BYTES)];
            let count = self.lanes.ask(self.digest, 0, &mut head)?;
            head.truncate(count);
            // Another thread may have been quicker.
            let _ = self.head.set(head);
        }
        let head = self.head.get().map(Vec::as_slice).unwrap_or_default();
        let rest = usize::try_from(offset).ok().and_then(|at| head.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(target), Some(bytes)) = (buffer.get_mut(..count), rest.get(..count)) {
            target.copy_from_slice(bytes);
        }
        Ok(count)
    }
}

impl Source for Blob {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset < self.size.min(HEAD_BYTES as u64) {
            return self.of_head(offset, buffer);
        }
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        match buffer.get_mut(..wanted) {
            Some(buffer) if wanted > 0 => self.lanes.ask(self.digest, offset, buffer),
            _ => Ok(0),
        }
    }
    fn len(&self) -> u64 {
        self.size
    }
    fn is_far(&self) -> bool {
        !self.lanes.is_near
    }
}

/// The parent's side: what all lanes share.
pub(crate) struct Desk {
    image: Arc<dyn Elsewhere>,
    sizes: BTreeMap<Digest, u64>,
    /// Bytes read of each blob.
    read: Mutex<BTreeMap<Digest, u64>>,
    /// Bytes handed out for the first time that nobody was told of.
    news: AtomicU64,
    /// Bytes that were others when they were read again.
    changed: Mutex<Option<String>>,
}

impl Desk {
    pub(crate) fn new(image: Arc<dyn Elsewhere>) -> Self {
        let sizes = image.blobs().into_iter().collect();
        Self { image, sizes, read: Mutex::default(), news: AtomicU64::new(0), changed: Mutex::default() }
    }

    /// Bytes that came since the last time, those that came again left out.
    pub(crate) fn news(&self) -> u64 {
        self.news.swap(0, Ordering::Relaxed)
    }

    /// What went wrong with bytes that nobody waited for.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers questions until the child closes its end.
    pub(crate) fn serve(&self, mut lane: UnixStream) {
        let mut reading: Option<Reading<'_>> = None;
        let mut buffer = Vec::new();
        while let Ok(question) = receive::<Question>(&mut lane, QUESTION_BYTES_MAX) {
            let said = match self.piece(&question, &mut reading, &mut buffer) {
                Ok(()) => Answer::Bytes(u32::try_from(buffer.len()).unwrap_or(0)),
                Err(error) => {
                    buffer.clear();
                    Answer::Failed(error.to_string())
                }
            };
            if send(&mut lane, &said).and_then(|()| lane.write_all(&buffer)).is_err() {
                break;
            }
        }
    }

    fn piece<'d>(
        &'d self,
        question: &Question,
        reading: &mut Option<Reading<'d>>,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let size =
            *self.sizes.get(&question.digest).ok_or_else(|| refused("the manifest names no such blob"))?;
        let end = question.offset.checked_add(u64::from(question.bytes.min(PIECE_BYTES_MAX)));
        let end = end
            .filter(|_| question.offset < size)
            .ok_or_else(|| refused("that lies outside the blob"))?
            .min(size);
        let goes_on =
            |reading: &Reading<'_>| reading.digest == question.digest && reading.at <= question.offset;
        let mut current = match reading.take().filter(goes_on) {
            Some(current) => current,
            None => self.open(question.digest, size)?,
        };
        // On an error the reader is gone: the next question begins anew.
        current.advance(question.offset)?;
        buffer.resize(usize::try_from(end - question.offset).unwrap_or(0), 0);
        current.fill(buffer)?;
        *reading = Some(current);
        Ok(())
    }

    fn open(&self, digest: Digest, size: u64) -> io::Result<Reading<'_>> {
        if let Some(near) = self.image.near(digest) {
            let reader = Bytes::Near(near?);
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let is_news = read.insert(digest, size).is_none();
            return Ok(Reading { desk: self, reader, digest, at: 0, size, is_again: false, is_news });
        }
        let is_again = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            let read = read.entry(digest).or_default();
            if *read > size.saturating_mul(REREADS_MAX) {
                let what = format!(
                    "it was fetched {REREADS_MAX} times already: save the image to a file and scan that"
                );
                return Err(io::Error::other(what));
            }
            *read = read.saturating_add(size);
            *read > size
        };
        // The first time the child hashes what it walks.
        let reader = Bytes::Far(self.image.read(digest, size, is_again)?);
        Ok(Reading { desk: self, reader, digest, at: 0, size, is_again, is_news: !is_again })
    }
}

/// Where the bytes of a blob come from.
enum Bytes {
    Near(Box<dyn Near>),
    Far(Box<dyn Read + Send>),
}

/// A blob on its way.
struct Reading<'d> {
    desk: &'d Desk,
    reader: Bytes,
    digest: Digest,
    at: u64,
    size: u64,
    /// The child has hashed it before and will not do so again.
    is_again: bool,
    /// Whether its bytes are told as progress.
    is_news: bool,
}

impl Reading<'_> {
    /// Goes on to where reading is wanted.
    fn advance(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.reader {
            Bytes::Near(reader) => {
                reader.skip(offset.saturating_sub(self.at))?;
                self.at = self.at.max(offset);
                Ok(())
            }
            Bytes::Far(_) => self.pass_over(offset),
        }
    }

    fn pass_over(&mut self, offset: u64) -> io::Result<()> {
        let mut scratch = [0; 64 << 10];
        while self.at < offset {
            let count = usize::try_from(offset - self.at).unwrap_or(usize::MAX).min(scratch.len());
            self.fill(scratch.get_mut(..count).unwrap_or_default())?;
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match &mut self.reader {
            Bytes::Near(reader) => reader.read_exact(buffer)?,
            Bytes::Far(reader) => reader.read_exact(buffer)?,
        }
        self.at += buffer.len() as u64;
        if self.is_news {
            self.desk.news.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if self.is_again
            && self.at < self.size
            && let Err(error) = self.pass_over(self.size)
        {
            let mut changed = self.desk.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.get_or_insert_with(|| error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// Two blobs; after the first time the end of the second one is an error.
    struct Two {
        blobs: [Vec<u8>; 2],
        times: AtomicU64,
    }

    impl Elsewhere for Two {
        fn manifest(&self) -> (&[u8], Digest) {
            (b"{}", digest(b"{}"))
        }
        fn name(&self) -> String {
            "two".into()
        }
        fn blobs(&self) -> Vec<(Digest, u64)> {
            self.blobs.iter().map(|blob| (digest(blob), blob.len() as u64)).collect()
        }
        fn read(&self, wanted: Digest, _: u64, _: bool) -> io::Result<Box<dyn Read + Send>> {
            let blob = self.blobs.iter().find(|blob| digest(blob) == wanted).cloned().expect("known");
            let is_spoilt =
                wanted == digest(&self.blobs[1]) && self.times.fetch_add(1, Ordering::Relaxed) > 0;
            let end = if is_spoilt { blob.len() - 1 } else { blob.len() };
            Ok(Box::new(io::Cursor::new(blob[..end].to_vec())))
        }
    }

    fn digest(bytes: &[u8]) -> Digest {
        Digest::from_bytes(Sha256::digest(bytes).into())
    }

    /// Both sides, joined by a real control channel.
    fn both(image: &Arc<Two>, lanes: usize) -> (Arc<Desk>, Asked, Vec<std::thread::JoinHandle<()>>) {
        let (parent, child) = UnixStream::pair().expect("a channel");
        let (ours, theirs) = pairs(lanes).expect("lanes");
        hand_over(&parent, &theirs).expect("handed over");
        drop(theirs);
        let desk = Arc::new(Desk::new(Arc::clone(image) as Arc<dyn Elsewhere>));
        let serve = |lane| {
            let desk = Arc::clone(&desk);
            std::thread::spawn(move || desk.serve(lane))
        };
        let threads = ours.into_iter().map(serve).collect();
        let taken = take_over(&child).expect("taken over");
        assert_eq!(taken.len(), lanes);
        (desk, Asked(Arc::new(Lanes::new(taken, false))), threads)
    }

    fn two() -> Arc<Two> {
        let blob = |seed: u32| (0..1_u32 << 19).flat_map(|n| (n ^ seed).to_le_bytes()).collect::<Vec<u8>>();
        Arc::new(Two { blobs: [blob(1), blob(7)], times: AtomicU64::new(0) })
    }

    fn whole(source: &dyn Source) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; source.len() as usize];
        let count = seaworthy_image::read_full(source, 0, &mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    #[test]
    fn blobs_come_by_several_lanes_at_once() {
        let image = two();
        let (desk, blobs, threads) = both(&image, 2);
        std::thread::scope(|scope| {
            for blob in &image.blobs {
                let source = blobs.blob(digest(blob), blob.len() as u64);
                scope.spawn(move || assert!(whole(&*source).expect("read") == *blob));
            }
        });
        let first = blobs.blob(digest(&image.blobs[0]), image.blobs[0].len() as u64);
        let mut piece = [0; 100];
        assert_eq!(first.read_at(1 << 20, &mut piece).expect("again"), 100);
        assert_eq!(piece[..], image.blobs[0][1 << 20..][..100]);
        drop((first, blobs));
        threads.into_iter().for_each(|thread| thread.join().expect("ended"));
        assert_eq!(desk.complaint(), None);
    }

    #[test]
    fn other_bytes_the_second_time_are_seen_although_nobody_reads_them() {
        let image = two();
        let (desk, blobs, threads) = both(&image, 1);
        let source = blobs.blob(digest(&image.blobs[1]), image.blobs[1].len() as u64);
        whole(&*source).expect("read");
        assert_eq!(source.read_at(1 << 20, &mut [0; 10]).expect("again"), 10);
        drop((source, blobs));
        threads.into_iter().for_each(|thread| thread.join().expect("ended"));
        assert!(desk.complaint().is_some());
    }

    #[test]
    fn what_the_manifest_does_not_name_is_not_handed_out() {
        let image = two();
        let (_, blobs, _) = both(&image, 1);
        let stranger = blobs.blob(digest(b"other"), 100);
        assert!(stranger.read_at(0, &mut [0; 10]).is_err());
        // A size that is not the blob's.
        let longer = blobs.blob(digest(&image.blobs[0]), 1 << 40);
        assert!(longer.read_at(1 << 30, &mut [0; 10]).is_err());
    }

    #[test]
    fn reading_again_and_again_ends() {
        let image = two();
        let (_, blobs, _) = both(&image, 1);
        let blob = &image.blobs[0];
        let source = blobs.blob(digest(blob), blob.len() as u64);
        let read =
            |_| source.read_at(1 << 20, &mut [0; 10]).and_then(|_| source.read_at(1 << 18, &mut [0; 10]));
        assert!((0..20).map(read).any(|read| read.is_err()));
    }
}
