//! Blobs as a stream: each byte once, hashed on the way, taken up again with `Range` (RFC 9110, section 14)
//! where a connection broke. The last bytes are handed over only after digest and length were found right,
//! so that nobody can take a wrong blob for a whole one (a reader may take over the digest). Writes nothing to
//! disk.

use super::cause::Cause;
use super::client::Client;
use super::error::Error;
use super::place::Place;
use super::send::{Answer, Rights, Wanted};
use super::url::Url;
use seaworthy_types::{Digest, ImageRef};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Method;

/// Progress between two breaks that makes them unrelated.
const PROGRESS_BYTES: u64 = 64 << 10;

/// Most other addresses of a blob that are tried.
const URLS_MAX: usize = 4;

/// Called with the number of bytes of each piece.
pub type Progress = Box<dyn FnMut(u64) + Send>;

/// A blob being read.
pub struct BlobReader {
    client: Arc<Client>,
    image: ImageRef,
    places: Arc<Vec<Place>>,
    place_at: usize,
    digest: Digest,
    size: u64,
    /// Other addresses of it, for when the registry does not have it.
    urls: Vec<String>,
    body: Option<ureq::BodyReader<'static>>,
    /// Bytes to pass over because a server does not know ranges.
    skip: u64,
    /// `None` when who reads verifies the digest.
    hasher: Option<Sha256>,
    done: u64,
    breaks: u32,
    since_break: u64,
    spent: Duration,
    bytes_in_spent: u64,
    progress: Option<Progress>,
    failed: Option<Error>,
    mirrors_failed: Vec<String>,
}

impl Client {
    /// Opens a blob of an image's repository. Of a descriptor only digest and size count.
    pub fn blob(self: &Arc<Self>, image: &ImageRef, digest: Digest, size: u64) -> Result<BlobReader, Error> {
        self.blob_at(image, digest, size, &[])
    }

    /// The same; where the registry does not have it, `urls` of its descriptor are asked: over https, without
    /// a login, and not on or beside this machine.
    pub fn blob_at(
        self: &Arc<Self>,
        image: &ImageRef,
        digest: Digest,
        size: u64,
        urls: &[String],
    ) -> Result<BlobReader, Error> {
        self.blob_after(image, digest, size, urls, &mut io::empty())
    }

    /// The same from where another attempt ended: `here` is read first, as the blob's beginning. The digest
    /// that is verified at the end is that of the whole; a wrong beginning shows only there.
    pub fn blob_after(
        self: &Arc<Self>,
        image: &ImageRef,
        digest: Digest,
        size: u64,
        urls: &[String],
        here: &mut dyn Read,
    ) -> Result<BlobReader, Error> {
        let mut reader = BlobReader {
            client: Arc::clone(self),
            image: image.clone(),
            places: self.places(image)?,
            place_at: 0,
            digest,
            size,
            urls: urls.iter().take(URLS_MAX).cloned().collect(),
            body: None,
            skip: 0,
            hasher: Some(Sha256::new()),
            done: 0,
            breaks: 0,
            since_break: 0,
            spent: Duration::ZERO,
            bytes_in_spent: 0,
            progress: None,
            failed: None,
            mirrors_failed: Vec::new(),
        };
        reader.begin_with(here)?;
        // An empty blob is asked for all the same: it must be there.
        if reader.done < size || size == 0 {
            reader.open()?;
        }
        if reader.done == size {
            reader.verify()?;
        }
        Ok(reader)
    }
}

/// The registry's error inside an I/O error of a reader.
pub fn error_of(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl BlobReader {
    /// Calls `progress` with the number of bytes of each piece.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }
    /// Leaves the digest to the reader, who must read to the end and verify it before anything is believed:
    /// hashing twice would be half of what such a scan costs. Lengths are checked all the same.
    #[must_use]
    pub fn verified_by_reader(mut self) -> Self {
        self.hasher = None;
        self
    }
    /// Bytes handed over so far.
    pub fn done(&self) -> u64 {
        self.done
    }
    /// First lines of what mirrors answered that were given up.
    pub fn mirrors_failed(&self) -> &[String] {
        &self.mirrors_failed
    }

    fn begin_with(&mut self, here: &mut dyn Read) -> Result<(), Error> {
        let mut piece = vec![0; 64 << 10];
        let mut here = here.take(self.size);
        loop {
            let count = match here.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let detail = super::error::clip(&error.to_string());
                    return Err(Error::Source { what: self.what(), detail });
                }
            };
            if let Some(hasher) = &mut self.hasher {
                hasher.update(piece.get(..count).unwrap_or_default());
            }
            self.done += count as u64;
        }
    }

    fn what(&self) -> String {
        format!("the blob {} of {}/{}", self.digest, self.image.registry(), self.image.repository())
    }

    fn host(&self) -> String {
        self.places.get(self.place_at).map(|place| place.base.authority()).unwrap_or_default()
    }

    /// Opens at the place that is due, from where we are; goes to the next place when this one fails.
    fn open(&mut self) -> Result<(), Error> {
        let places = Arc::clone(&self.places);
        loop {
            let Some(place) = places.get(self.place_at) else {
                return Err(Error::Option(format!("no place is known for {}", self.image.registry())));
            };
            if !place.suits(true) {
                self.place_at += 1;
                continue;
            }
            if let Some(resting) = place.resting(self.client.world.clock()) {
                self.mirrors_failed.push(resting);
                self.place_at += 1;
                continue;
            }
            match self.open_at(place, place.url(&format!("blobs/{}", self.digest))) {
                Ok(()) => return Ok(()),
                Err(error @ Error::NotFound { .. }) if !self.urls.is_empty() && !place.is_mirror => {
                    return self.open_elsewhere(place, error);
                }
                Err(error) => self.next_place(place, error)?,
            }
        }
    }

    /// From a mirror that failed to the next place; from the registry itself nowhere.
    fn next_place(&mut self, place: &Place, error: Error) -> Result<(), Error> {
        if place.is_mirror && error.is_of_the_place() {
            place.note(&error, self.client.world.clock());
            self.mirrors_failed.push(error.headline());
            self.place_at += 1;
            (self.breaks, self.since_break) = (0, 0);
            return Ok(());
        }
        if self.mirrors_failed.is_empty() {
            return Err(error);
        }
        Err(Error::Everywhere { mirrors: self.mirrors_failed.clone(), last: Box::new(error) })
    }

    /// At the other addresses; the registry's own answer stays the error when none has it.
    fn open_elsewhere(&mut self, place: &Place, error: Error) -> Result<(), Error> {
        for text in self.urls.clone() {
            let Some(url) = Url::parse(&text).filter(|url| url.is_https || !place.base.is_https) else {
                self.mirrors_failed.push("an address of the blob is no https address".into());
                continue;
            };
            match self.open_at(place, url) {
                Ok(()) => return Ok(()),
                Err(error) => self.mirrors_failed.push(error.headline()),
            }
        }
        Err(Error::Everywhere { mirrors: self.mirrors_failed.clone(), last: Box::new(error) })
    }

    fn open_at(&mut self, place: &Place, url: Url) -> Result<(), Error> {
        let from = (self.done > 0).then(|| ("range", format!("bytes={}-", self.done)));
        let headers = from.into_iter().collect();
        let wanted = Wanted {
            what: self.what(),
            place,
            method: Method::GET,
            url,
            accept: "*/*",
            headers,
            rights: Rights::Pull,
        };
        let client = Arc::clone(&self.client);
        let answer = client.persist(&place.base.authority(), &wanted, || client.ask(&wanted))?;
        self.skip = self.check_head(&answer)?;
        self.body = Some(answer.response.into_body().into_reader());
        Ok(())
    }

    /// Length and range must be those that were asked for. Gives the bytes to pass over.
    fn check_head(&self, answer: &Answer) -> Result<u64, Error> {
        let start = if answer.status == 206 && self.done > 0 { self.done } else { 0 };
        if start > 0 {
            let range = answer.header("content-range").unwrap_or_default();
            let begins = range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok());
            if begins != Some(start) {
                let detail =
                    format!("asked for bytes from {start}, it sends `{}`", super::error::clip(&range));
                return Err(Error::Malformed { what: self.what(), host: answer.url.authority(), detail });
            }
        }
        let offered = answer.response.body().content_length();
        match offered.map(|length| length.saturating_add(start)) {
            Some(found) if found != self.size => {
                let (what, host) = (self.what(), answer.url.authority());
                Err(Error::Length { what, host, wanted: self.size, found })
            }
            _ => Ok(self.done - start),
        }
    }

    /// After a break: a pause, then open again, as often as allowed.
    fn resume(&mut self, cause: Cause) -> Result<(), Error> {
        self.body = None;
        if self.since_break >= PROGRESS_BYTES {
            self.breaks = 0;
        }
        (self.since_break, self.spent, self.bytes_in_spent) = (0, Duration::ZERO, 0);
        self.breaks += 1;
        let patience = &self.client.options.patience;
        let is_final = !cause.may_pass() || self.breaks > patience.breaks;
        // A server that goes silent costs the whole patience each time.
        let is_silent = matches!(cause, Cause::Timeout(_) | Cause::Slow) && self.breaks > 2;
        if is_final || is_silent {
            let error = Error::Unreachable { what: self.what(), host: self.host(), cause };
            let places = Arc::clone(&self.places);
            let Some(place) = places.get(self.place_at) else { return Err(error) };
            self.next_place(place, error)?;
        } else {
            let pause = Duration::from_millis(250) * 2u32.saturating_pow(self.breaks.min(8));
            self.client.world.sleep(pause.min(patience.pause_max));
        }
        self.open()
    }

    /// One read from the connection; `Err` is a break of it.
    fn piece(&mut self, buffer: &mut [u8]) -> Result<usize, Cause> {
        let Some(body) = self.body.as_mut() else { return Err(Cause::Connection("it is closed".into())) };
        let start = self.client.world.clock();
        let count = match body.read(buffer) {
            Ok(0) => return Err(Cause::Connection("it ended too early".into())),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(Cause::from(error)),
        };
        // Only time spent waiting for the server counts, not what the consumer does between.
        self.spent += self.client.world.clock().saturating_sub(start);
        self.bytes_in_spent += count as u64;
        let patience = &self.client.options.patience;
        if self.spent >= patience.stall {
            if self.bytes_in_spent < patience.bytes_min_per_stall {
                return Err(Cause::Slow);
            }
            (self.spent, self.bytes_in_spent) = (Duration::ZERO, 0);
        }
        Ok(count)
    }

    fn advance(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            let left = if self.skip > 0 { self.skip } else { self.size - self.done };
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(target) = buffer.get_mut(..room) else { return Ok(0) };
            let count = match self.piece(target) {
                Ok(0) => continue,
                Ok(count) => count,
                Err(cause) => {
                    self.resume(cause)?;
                    continue;
                }
            };
            if self.skip > 0 {
                self.skip = self.skip.saturating_sub(count as u64);
                continue;
            }
            if let Some(hasher) = &mut self.hasher {
                hasher.update(buffer.get(..count).unwrap_or_default());
            }
            self.done += count as u64;
            self.since_break += count as u64;
            if self.done == self.size {
                self.verify()?;
            }
            if let Some(progress) = &mut self.progress {
                progress(count as u64);
            }
            return Ok(count);
        }
    }

    /// All bytes are there: are they the right ones, and are there no more?
    fn verify(&mut self) -> Result<(), Error> {
        let mut more = [0; 1];
        // Also hands the connection back for reuse. A break here costs nothing: the bytes are complete.
        if let Some(mut body) = self.body.take()
            && body.read(&mut more).is_ok_and(|count| count > 0)
        {
            let (what, host) = (self.what(), self.host());
            return Err(Error::Length { what, host, wanted: self.size, found: self.size.saturating_add(1) });
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        let found = Digest::from_bytes(hasher.finalize().into());
        if found != self.digest {
            return Err(Error::Digest { what: self.what(), host: self.host(), wanted: self.digest, found });
        }
        Ok(())
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(as_io(error.clone()));
        }
        if buffer.is_empty() || self.done == self.size {
            return Ok(0);
        }
        self.advance(buffer).map_err(|error| {
            self.body = None;
            self.failed = Some(error.clone());
            as_io(error)
        })
    }
}

fn as_io(error: Error) -> io::Error {
    let kind = match &error {
        Error::Digest { .. } | Error::Length { .. } | Error::Malformed { .. } => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
