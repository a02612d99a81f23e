//! Pushing (OCI distribution 1.1, `spec.md`, "Push"): a blob whole with one `PUT`, in pieces where a registry
//! or a proxy before it does not take it whole, not at all when it is there already; manifests by tag or
//! digest; and the tag that lists referrers where a registry does not do it itself. Only the registry
//! itself is pushed to, never a mirror.

use super::client::{Client, digest_of};
use super::error::Error;
use super::place::Place;
use super::send::{Answer, Attempt, Part, Rewind, Rights, Wanted, drain};
use super::url::Url;
use seaworthy_types::{Digest, ImageRef};
use serde_json::{Map, Value, json};
use std::io::{Cursor, Read, Seek};
use std::sync::Arc;
use ureq::http::Method;

/// Bytes of a piece, unless a registry wants larger ones.
const PIECE_BYTES: u64 = 8 << 20;
const PIECE_BYTES_MAX: u64 = 1 << 30;
/// How often the tag of the referrers is written when somebody else writes it too.
const REFERRER_TRIES: usize = 4;

/// How a blob came to be in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobPushed {
    /// It was there.
    Present,
    /// The registry took it over from another repository of its own.
    Mounted,
    /// It was sent.
    Sent,
}

/// A manifest in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPushed {
    /// Its digest.
    pub digest: Digest,
    /// What became of its `subject`.
    pub subject: Subject,
}

/// Who keeps the list of what refers to a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// It has none.
    None,
    /// The registry itself.
    Registry,
    /// A tag, which was written.
    Tag,
}

/// What is pushed and where.
struct Push<'a> {
    client: &'a Client,
    place: &'a Place,
    what: String,
    from: Option<String>,
}

impl Client {
    /// Pushes a blob to an image's repository, when it is not there already. `reader` begins with the blob;
    /// it may be read several times.
    pub fn push_blob(
        &self,
        image: &ImageRef,
        digest: Digest,
        size: u64,
        reader: &mut (impl Read + Seek),
    ) -> Result<BlobPushed, Error> {
        self.push_blob_from(image, digest, size, reader, None)
    }

    /// The same; `from` names another repository of the registry that may have the blob.
    pub fn push_blob_from(
        &self,
        image: &ImageRef,
        digest: Digest,
        size: u64,
        reader: &mut (impl Read + Seek),
        from: Option<&str>,
    ) -> Result<BlobPushed, Error> {
        let places = self.places(image)?;
        let what = format!("the upload of the blob {digest} to {}/{}", image.registry(), image.repository());
        let push = Push::new(self, &places, image, what, from)?;
        if push.has(digest)? {
            return Ok(BlobPushed::Present);
        }
        if from.is_some() && push.mount(digest)? {
            return Ok(BlobPushed::Mounted);
        }
        match push.whole(digest, size, reader) {
            Ok(()) => {}
            Err(error) if is_about_size(&error, size) => push.in_pieces(digest, size, reader)?,
            Err(error) => return Err(error),
        }
        Ok(BlobPushed::Sent)
    }

    /// Pushes a manifest, by tag or without one by its digest. What it names must be there already. When it
    /// is about another one (`subject`), it is found among that one's referrers afterwards.
    pub fn push_manifest(
        &self,
        image: &ImageRef,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<ManifestPushed, Error> {
        let digest = digest_of(bytes);
        let named = match tag {
            Some(tag) => image.with_tag(tag).map_err(|error| Error::Option(error.to_string()))?,
            None => image.with_digest(digest),
        };
        let places = self.places(image)?;
        let what = format!("the upload of the manifest {named}");
        let push = Push::new(self, &places, &named, what, None)?;
        let keeps_referrers = push.manifest(&named.selector(), media_type, bytes, digest)?;
        let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let subject = match subject_of(&document) {
            None => Subject::None,
            Some(_) if keeps_referrers => Subject::Registry,
            Some(subject) => {
                let entry = referrer(&document, media_type, bytes, digest);
                push.list_referrer(image, subject, &entry, digest)?;
                Subject::Tag
            }
        };
        Ok(ManifestPushed { digest, subject })
    }
}

fn is_about_size(error: &Error, size: u64) -> bool {
    match error {
        Error::TooLargeThere { .. } | Error::Rejected { status: 411, .. } => true,
        Error::Unreachable { cause, .. } => size > PIECE_BYTES && cause.may_pass(),
        _ => false,
    }
}

/// The digest in the `subject` of a manifest.
fn subject_of(document: &Value) -> Option<Digest> {
    document.get("subject")?.get("digest")?.as_str().and_then(|text| Digest::parse(text).ok())
}

/// The descriptor of a manifest in a list of referrers (`spec.md`, "Pushing Manifests with Subject").
fn referrer(document: &Value, media_type: &str, bytes: &[u8], digest: Digest) -> Value {
    let kind = text(document, "/artifactType").or_else(|| text(document, "/config/mediaType"));
    let mut entry = Map::new();
    entry.insert("mediaType".into(), media_type.into());
    entry.insert("digest".into(), digest.to_string().into());
    entry.insert("size".into(), (bytes.len() as u64).into());
    if let Some(kind) = kind {
        entry.insert("artifactType".into(), kind.into());
    }
    if let Some(annotations) = document.get("annotations").filter(|value| value.is_object()) {
        entry.insert("annotations".into(), annotations.clone());
    }
    Value::Object(entry)
}

fn text<'v>(document: &'v Value, pointer: &str) -> Option<&'v str> {
    document.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

impl<'a> Push<'a> {
    fn new(
        client: &'a Client,
        places: &'a Arc<Vec<Place>>,
        image: &'a ImageRef,
        what: String,
        from: Option<&str>,
    ) -> Result<Self, Error> {
        let place = places.iter().find(|place| !place.is_mirror);
        let place =
            place.ok_or_else(|| Error::Option(format!("no place is known for {}", image.registry())))?;
        Ok(Self { client, place, what, from: from.map(str::to_owned) })
    }

    fn wanted(&self, method: Method, url: Url) -> Wanted<'a> {
        Wanted {
            what: self.what.clone(),
            place: self.place,
            method,
            url,
            accept: "",
            headers: Vec::new(),
            rights: Rights::Push { from: self.from.clone() },
        }
    }

    fn host(&self) -> String {
        self.place.base.authority()
    }

    fn malformed(&self, detail: String) -> Error {
        Error::Malformed { what: self.what.clone(), host: self.host(), detail }
    }

    fn url(&self, rest: &str) -> Url {
        self.place.url(rest)
    }

    fn has(&self, digest: Digest) -> Result<bool, Error> {
        let wanted = self.wanted(Method::HEAD, self.url(&format!("blobs/{digest}")));
        match self.client.persist(&self.host(), &wanted, || self.client.ask(&wanted)) {
            Ok(_) => Ok(true),
            // Who may not look may be allowed to push all the same.
            Err(Error::NotFound { .. } | Error::PushDenied { .. } | Error::ReadOnly { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `POST` that begins an upload or ends it at once.
    fn post(&self, url: Url) -> Result<Answer, Attempt> {
        let wanted = self.wanted(Method::POST, url);
        self.client.ask_with(&wanted, Some(&mut Part::new(&mut Cursor::new([]), 0, 0)))
    }

    fn begin(&self) -> Result<(Url, u64), Attempt> {
        let answer = self.post(self.url("blobs/uploads/"))?;
        let least = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
        let to = self.location(&answer)?;
        drain(answer);
        Ok((to, least.unwrap_or(0)))
    }

    /// Where an upload goes on.
    fn location(&self, answer: &Answer) -> Result<Url, Attempt> {
        let named = answer.header("location").unwrap_or_default();
        let refuse = |to: String, reason| {
            let (what, host) = (self.what.clone(), answer.url.authority());
            Attempt::Final(Error::Redirect { what, host, to, reason })
        };
        let to = answer.url.join(&named);
        let to = to.ok_or_else(|| refuse("nowhere".into(), "it names no http(s) address"))?;
        if self.place.base.is_https && !to.is_https {
            return Err(refuse(to.shown(), "it leads from https to plain http"));
        }
        Ok(to)
    }

    fn mount(&self, digest: Digest) -> Result<bool, Error> {
        let digest = digest.to_string();
        let from = self.from.as_deref().unwrap_or_default();
        let url = self.url("blobs/uploads/").with_query(&[("mount", &digest), ("from", from)]);
        let wanted = self.wanted(Method::POST, url.clone());
        match self.client.persist(&self.host(), &wanted, || self.post(url.clone())) {
            // 202 is an upload that nobody goes on with; the registry forgets it.
            Ok(answer) => Ok(answer.status == 201),
            Err(Error::NoRepository { .. } | Error::PushDenied { .. } | Error::Rejected { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One `PUT`; each try is an upload of its own.
    fn whole(&self, digest: Digest, size: u64, reader: &mut dyn Rewind) -> Result<(), Error> {
        let wanted = self.wanted(Method::PUT, self.url("blobs/uploads/"));
        let answer = self.client.persist(&self.host(), &wanted, || {
            let (to, _) = self.begin()?;
            self.put(&to, digest, &mut Part::new(reader, 0, size))
        })?;
        self.check(&answer, digest)
    }

    fn put(&self, to: &Url, digest: Digest, part: &mut Part<'_>) -> Result<Answer, Attempt> {
        let mut wanted = self.wanted(Method::PUT, to.with_query(&[("digest", &digest.to_string())]));
        wanted.headers.push(("content-type", "application/octet-stream".into()));
        self.client.ask_with(&wanted, Some(part))
    }

    /// `PATCH` by `PATCH`, from where the registry says it stands.
    fn in_pieces(&self, digest: Digest, size: u64, reader: &mut dyn Rewind) -> Result<(), Error> {
        let wanted = self.wanted(Method::PATCH, self.url("blobs/uploads/"));
        let host = self.host();
        let (mut to, least) = self.client.persist(&host, &wanted, || self.begin())?;
        let piece = PIECE_BYTES.max(least.min(PIECE_BYTES_MAX));
        let mut done = 0;
        while done < size {
            let mut is_again = false;
            (to, done) = self.client.persist(&host, &wanted, || {
                let (to, done) = match std::mem::replace(&mut is_again, true) {
                    true => self.stands(&to)?,
                    false => (to.clone(), done),
                };
                if done >= size {
                    return Ok((to, size));
                }
                self.patch(&to, done, piece.min(size - done), reader)
            })?;
        }
        let answer = self
            .client
            .persist(&host, &wanted, || self.put(&to, digest, &mut Part::new(&mut Cursor::new([]), 0, 0)))?;
        self.check(&answer, digest)
    }

    fn patch(
        &self,
        to: &Url,
        start: u64,
        length: u64,
        reader: &mut dyn Rewind,
    ) -> Result<(Url, u64), Attempt> {
        let end = start.saturating_add(length);
        let mut wanted = self.wanted(Method::PATCH, to.clone());
        wanted.headers.push(("content-type", "application/octet-stream".into()));
        wanted.headers.push(("content-range", format!("{start}-{}", end.saturating_sub(1))));
        let answer = self.client.ask_with(&wanted, Some(&mut Part::new(reader, start, length)));
        // It stands elsewhere: perhaps a piece that was given up came in after all. It is asked where.
        let answer = answer.map_err(|attempt| match attempt {
            Attempt::Final(error @ Error::Rejected { status: 416, .. }) => {
                Attempt::Again { error: Box::new(error), wait: None, is_timeout: false }
            }
            other => other,
        })?;
        let done = range_end(&answer).unwrap_or(end);
        if done <= start || done > end {
            let detail = format!("{length} bytes from {start} were sent, it says that it has {done}");
            return Err(Attempt::Final(self.malformed(detail)));
        }
        let next = self.location(&answer)?;
        drain(answer);
        Ok((next, done))
    }

    /// How far an upload came, after something broke.
    fn stands(&self, at: &Url) -> Result<(Url, u64), Attempt> {
        let answer = self.client.ask(&self.wanted(Method::GET, at.clone()))?;
        let done = range_end(&answer).unwrap_or(0);
        let to = if answer.header("location").is_some() { self.location(&answer)? } else { at.clone() };
        drain(answer);
        Ok((to, done))
    }

    /// A registry that names another digest than ours has something else.
    fn check(&self, answer: &Answer, digest: Digest) -> Result<(), Error> {
        let named = answer.header("docker-content-digest").and_then(|text| Digest::parse(text.trim()).ok());
        match named.filter(|named| *named != digest) {
            Some(found) => {
                Err(Error::Digest { what: self.what.clone(), host: self.host(), wanted: digest, found })
            }
            None if answer.status / 100 == 2 => Ok(()),
            None => Err(self.malformed(format!("it answers HTTP {}", answer.status))),
        }
    }

    /// Gives whether the registry keeps the list of referrers itself.
    fn manifest(
        &self,
        selector: &str,
        media_type: &str,
        bytes: &[u8],
        digest: Digest,
    ) -> Result<bool, Error> {
        let mut wanted = self.wanted(Method::PUT, self.url(&format!("manifests/{selector}")));
        wanted.headers.push(("content-type", media_type.to_owned()));
        let mut source = Cursor::new(bytes);
        let answer = self.client.persist(&self.host(), &wanted, || {
            let mut part = Part::new(&mut source, 0, bytes.len() as u64);
            self.client.ask_with(&wanted, Some(&mut part))
        })?;
        self.check(&answer, digest)?;
        let keeps = answer.header("oci-subject").is_some();
        drain(answer);
        Ok(keeps)
    }

    /// Adds an entry to the tag that lists the referrers of `subject`, and looks whether it stayed there:
    /// others may write it at the same time, and registries know no lock.
    fn list_referrer(
        &self,
        image: &ImageRef,
        subject: Digest,
        entry: &Value,
        digest: Digest,
    ) -> Result<(), Error> {
        let tagged = image.with_tag(&format!("sha256-{}", subject.hex()));
        let tagged = tagged.map_err(|error| Error::Option(error.to_string()))?;
        for _ in 0..REFERRER_TRIES {
            let mut entries = self.referrers(&tagged)?;
            if entries.iter().any(|entry| digest_in(entry) == Some(digest)) {
                return Ok(());
            }
            entries.push(entry.clone());
            let index = json!({
                "schemaVersion": 2,
                "mediaType": super::media::OCI_INDEX,
                "manifests": entries,
            });
            let bytes = index.to_string().into_bytes();
            let selector = tagged.selector();
            self.manifest(&selector, super::media::OCI_INDEX, &bytes, digest_of(&bytes))?;
        }
        let entries = self.referrers(&tagged)?;
        if entries.iter().any(|entry| digest_in(entry) == Some(digest)) {
            return Ok(());
        }
        Err(self.malformed(format!(
            "its list of referrers `{}` does not stay as it was written",
            tagged.selector()
        )))
    }

    /// The entries of the tag as they stand there.
    fn referrers(&self, tagged: &ImageRef) -> Result<Vec<Value>, Error> {
        let found = match self.client.manifest_at(self.place, tagged) {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let document: Value = serde_json::from_slice(&found.bytes).unwrap_or_default();
        let entries = document.get("manifests").and_then(Value::as_array).cloned();
        entries.ok_or_else(|| self.malformed("the tag that lists referrers is no index".into()))
    }
}

fn digest_in(entry: &Value) -> Option<Digest> {
    entry.get("digest")?.as_str().and_then(|text| Digest::parse(text).ok())
}

/// The number of bytes that a `Range: 0-N` of an upload tells.
fn range_end(answer: &Answer) -> Option<u64> {
    let range = answer.header("range")?;
    let range = range.trim();
    let (_, end) = range.strip_prefix("bytes=").unwrap_or(range).split_once('-')?;
    end.trim().parse::<u64>().ok()?.checked_add(1)
}
