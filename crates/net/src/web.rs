//! Files from web servers, as a good citizen: few tries, growing pauses, `Retry-After` honoured (RFC 9110,
//! section 10.2.3), conditional requests, broken transfers taken up again where they broke. Guard, trust
//! and proxies are those of registries: no redirect leads from https to http or from outside to an address
//! on or beside this machine, and what is sent to a server never goes with a redirect to another one.

use crate::registry::cause::Cause;
use crate::registry::error::clip;
use crate::registry::place::Place;
use crate::registry::redirect::{Astray, Trail};
use crate::registry::send::retry_after;
use crate::registry::url::Url;
use crate::registry::{Options, Proxies, World};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use ureq::http::{Method, Request, Response};
use ureq::{Body, SendBody};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A server that hangs costs the whole patience each time.
const TRIES_OF_TIMEOUTS: u32 = 2;
/// So much progress makes a transfer a new one: its breaks count anew.
const PROGRESS_BYTES: u64 = 64 << 10;

/// Why a web server gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// No connection, or it broke or stalled.
    #[error(
        "{url}: {host} {cause}\nTry: again later; is there a network, and does it need a proxy (HTTPS_PROXY) or another certificate authority?"
    )]
    Unreachable {
        /// What was wanted.
        url: String,
        /// From where.
        host: String,
        /// Why.
        cause: Cause,
    },
    /// 401 or 403.
    #[error(
        "{url} is refused (HTTP {status}){}\nTry: check the address and the right to read it.",
        quoted(said)
    )]
    Denied {
        /// What was wanted.
        url: String,
        /// HTTP status.
        status: u16,
        /// First words of the answer.
        said: String,
    },
    /// 404 or 410, where something had to be there.
    #[error("{url} is not there (HTTP {status})\nTry: check the address.")]
    NotFound {
        /// What was wanted.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// 429 and 5xx after all tries.
    #[error("{url} answered HTTP {status}, {tries} tries{}\nTry: again later, or name another mirror.", wait_text(*wait))]
    Trouble {
        /// What was wanted.
        url: String,
        /// HTTP status.
        status: u16,
        /// How often it was asked.
        tries: u32,
        /// What it told us to wait.
        wait: Option<Duration>,
    },
    /// Any other status.
    #[error("{url} answered HTTP {status}{}", quoted(said))]
    Status {
        /// What was wanted.
        url: String,
        /// HTTP status.
        status: u16,
        /// First words of the answer.
        said: String,
    },
    /// A web page instead of data.
    #[error(
        "{url} answered with a web page instead of data\nTry: a login in a browser or a proxy's page may stand before it; check the address and the proxy settings."
    )]
    Page {
        /// What was wanted.
        url: String,
    },
    /// A redirect that is not followed.
    #[error(
        "{url} redirects to {to}, which is not followed: {reason}\nTry: tell the server's operator; this is a wrong setting or an attack."
    )]
    Redirect {
        /// What was wanted.
        url: String,
        /// Where to.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// More bytes than allowed.
    #[error("{url} is larger than {bytes_max} bytes and was not read further")]
    TooLarge {
        /// What was wanted.
        url: String,
        /// Bound.
        bytes_max: u64,
    },
    /// What came is not what the server announced.
    #[error("{url}: {detail}\nTry: again; if it stays, the server or a proxy between changes data.")]
    Malformed {
        /// What was wanted.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The address or an option cannot be.
    #[error("{0}")]
    Option(String),
}

impl WebError {
    /// The first line.
    pub fn headline(&self) -> String {
        self.to_string().lines().next().unwrap_or_default().to_owned()
    }
    /// Whether the server could not be reached, whatever is asked for.
    pub fn is_an_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
    /// Whether asking it for other things would only take time.
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Trouble { .. })
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn wait_text(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!("; it says to wait {} s", wait.as_secs()))
}

/// What a server says of a version of a file (RFC 9110, section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validator {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

impl Validator {
    /// Whether there is anything to ask with.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
    /// What `If-Range` may hold: only a strong entity tag says that bytes are the same.
    pub(crate) fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }
    fn of(answer: &Answer) -> Self {
        Self { etag: answer.header("etag"), last_modified: answer.header("last-modified") }
    }
}

/// Headers of a request, made anew for each try and only for the server that was named: signatures hold
/// for one moment and one address.
pub(crate) type Signer<'a> = dyn Fn(&Method, &Url) -> Vec<(String, String)> + 'a;

/// What is sent with a request, opened anew for each try.
pub(crate) type Content<'a> = dyn Fn() -> io::Result<Box<dyn Read>> + 'a;

/// What is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) signer: &'a Signer<'a>,
    pub(crate) content: Option<(&'a Content<'a>, u64)>,
}

impl Wanted<'_> {
    pub(crate) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), signer: &|_, _| Vec::new(), content: None }
    }
    fn shown(&self) -> String {
        self.url.shown()
    }
}

/// An answer whose body was not read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    response: Response<Body>,
    pub(crate) host: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| text.len() <= 1 << 10)
    }
    pub(crate) fn validator(&self) -> Validator {
        Validator::of(self)
    }
    pub(crate) fn length(&self) -> Option<u64> {
        self.response.body().content_length()
    }
    fn into_reader(self) -> Box<dyn Read + Send> {
        Box::new(self.response.into_body().into_reader())
    }
}

/// How a try failed.
pub(crate) enum Attempt {
    Final(WebError),
    Again { error: WebError, wait: Option<Duration>, is_timeout: bool },
}

/// Speaks with web servers. Usable from several threads.
pub struct Web {
    pub(crate) options: Options,
    pub(crate) world: Arc<dyn World>,
    proxies: Proxies,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
}

impl Web {
    /// A client; of the options those hold that are not about logins. Nothing is read or sent yet.
    pub fn new(options: Options, world: Arc<dyn World>) -> Self {
        let proxies = options.proxies.clone().unwrap_or_else(|| Proxies::from_world(&*world));
        Self { options, world, proxies, places: Mutex::default() }
    }

    pub(crate) fn url(text: &str) -> Result<Url, WebError> {
        let refuse = || WebError::Option(format!("`{}` is no http(s) address", clip(text)));
        Url::parse(text).ok_or_else(refuse)
    }

    fn place(&self, url: &Url) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(places.entry(url.origin()).or_insert_with(|| Arc::new(Place::of_web(url))))
    }

    /// Tries again as long as that may help.
    pub(crate) fn persist<T>(&self, mut attempt: impl FnMut() -> Result<T, Attempt>) -> Result<T, WebError> {
        let patience = &self.options.patience;
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, wait, is_timeout) = match attempt() {
                Ok(value) => return Ok(value),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again { error, wait, is_timeout }) => (error, wait, is_timeout),
            };
            let tries_max = if is_timeout { patience.tries.min(TRIES_OF_TIMEOUTS) } else { patience.tries };
            if tries >= tries_max || wait.is_some_and(|wait| wait > patience.pause_max) {
                return Err(match error {
                    WebError::Trouble { url, status, wait, .. } => {
                        WebError::Trouble { url, status, tries, wait }
                    }
                    other => other,
                });
            }
            let spread = pause.mul_f64((self.world.random() % 1_000) as f64 / 2_000.0);
            self.world.sleep(wait.map_or(pause + spread, |wait| wait + spread).min(patience.pause_max));
            pause = (pause * 2).min(patience.pause_max);
        }
    }

    /// One try: sent, redirects followed, status judged. 304, 404, 410, 412 and 416 are answers.
    pub(crate) fn ask(&self, wanted: &Wanted<'_>) -> Result<Answer, Attempt> {
        let place = self.place(&wanted.url);
        let mut url = wanted.url.clone();
        let mut trail = Trail::new(&place, &url);
        let is_write = !matches!(wanted.method, Method::GET | Method::HEAD);
        loop {
            let answer = self.send(wanted, &place, &url, trail.is_home())?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return self.judge(wanted, answer);
            }
            let location = answer.header("location").unwrap_or_default();
            let next = match url.join(&location).filter(|_| is_write) {
                Some(next) => Err(Astray::new(&next, "what is written goes to the address that was named")),
                None => trail.next(&url, &location),
            };
            url = next.map_err(|Astray { to, reason }| {
                Attempt::Final(WebError::Redirect { url: wanted.shown(), to, reason })
            })?;
        }
    }

    fn send(&self, wanted: &Wanted<'_>, place: &Place, url: &Url, is_home: bool) -> Result<Answer, Attempt> {
        let mut builder = Request::builder().method(wanted.method.clone()).uri(url.whole());
        for (name, value) in &wanted.headers {
            builder = builder.header(*name, value);
        }
        let signed = if is_home { (wanted.signer)(&wanted.method, url) } else { Vec::new() };
        for (name, value) in &signed {
            builder = builder.header(name, value);
        }
        let unsendable = |_| {
            Attempt::Final(WebError::Option(format!(
                "{} cannot be asked for: its address or a key has odd characters",
                wanted.shown()
            )))
        };
        let agent = place.agent(&self.options, &self.proxies, &*self.world, url, is_home);
        let agent = agent.map_err(|error| Attempt::Final(WebError::Option(error.to_string())))?;
        let sent = match wanted.content {
            Some((open, length)) => {
                let mut content = open().map_err(|error| {
                    Attempt::Final(WebError::Option(format!(
                        "what is to be sent to {} cannot be read: {error}",
                        wanted.shown()
                    )))
                })?;
                let request = builder.header("content-length", length.to_string());
                agent.run(request.body(SendBody::from_reader(&mut *content)).map_err(unsendable)?)
            }
            None => agent.run(builder.body(()).map_err(unsendable)?),
        };
        let response = sent.map_err(|error| self.failed(wanted, url.authority(), Cause::from(error)))?;
        Ok(Answer { status: response.status().as_u16(), response, host: url.authority() })
    }

    fn failed(&self, wanted: &Wanted<'_>, host: String, cause: Cause) -> Attempt {
        let is_timeout = matches!(cause, Cause::Timeout(_) | Cause::Slow);
        let may_pass = cause.may_pass();
        let error = WebError::Unreachable { url: wanted.shown(), host, cause };
        match may_pass {
            true => Attempt::Again { error, wait: None, is_timeout },
            false => Attempt::Final(error),
        }
    }

    fn judge(&self, wanted: &Wanted<'_>, mut answer: Answer) -> Result<Answer, Attempt> {
        let url = wanted.shown();
        let is_page = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        match answer.status {
            200..=299 if is_page && wanted.method == Method::GET => {
                Err(Attempt::Final(WebError::Page { url }))
            }
            200..=299 | 304 | 404 | 410 | 412 | 416 => Ok(answer),
            status @ (401 | 403) => {
                Err(Attempt::Final(WebError::Denied { url, status, said: said(&mut answer) }))
            }
            status @ (408 | 429 | 500 | 502 | 503 | 504) => {
                let header = answer.header("retry-after");
                let wait = header.and_then(|value| retry_after(&value, self.world.wall()));
                let error = WebError::Trouble { url, status, tries: 1, wait };
                Err(Attempt::Again { error, wait, is_timeout: false })
            }
            status => Err(Attempt::Final(WebError::Status { url, status, said: said(&mut answer) })),
        }
    }

    /// Reads a whole small body.
    pub(crate) fn whole(
        &self,
        wanted: &Wanted<'_>,
        answer: Answer,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Attempt> {
        let too_large = || Attempt::Final(WebError::TooLarge { url: wanted.shown(), bytes_max });
        if answer.length().is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let (host, length) = (answer.host.clone(), answer.length());
        let mut body = Paced::new(answer.into_reader(), self);
        let mut bytes = Vec::new();
        let mut piece = vec![0; 16 << 10];
        let end = self.world.clock().saturating_add(self.options.patience.document);
        loop {
            match body.piece(&mut piece) {
                Ok(0) if length.is_some_and(|length| (bytes.len() as u64) < length) => {
                    let cause = Cause::Connection("it ended too early".into());
                    return Err(self.failed(wanted, host, cause));
                }
                Ok(0) => return Ok(bytes),
                Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(cause) => return Err(self.failed(wanted, host, cause)),
            }
            if bytes.len() as u64 > bytes_max {
                return Err(too_large());
            }
            if self.world.clock() > end {
                return Err(self.failed(wanted, host, Cause::Slow));
            }
        }
    }
}

/// The first words of an error, when it is text: what XML and JSON wrap around them goes.
fn said(answer: &mut Answer) -> String {
    let mut bytes = Vec::new();
    let _ = answer.response.body_mut().as_reader().take(4 << 10).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    // An object store's words: `<Error><Code>…</Code><Message>…</Message>`.
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        Some(rest.split('<').next().unwrap_or_default().to_owned())
    };
    let is_plain = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    match (within("Code"), within("Message")) {
        (Some(code), message) => clip(&format!("{code} {}", message.unwrap_or_default())),
        _ if is_plain => clip(&text),
        _ => String::new(),
    }
}

/// A body whose server must send a fair number of bytes in each while.
pub(crate) struct Paced {
    body: Box<dyn Read + Send>,
    world: Arc<dyn World>,
    stall: Duration,
    bytes_min: u64,
    spent: Duration,
    bytes: u64,
}

impl Paced {
    fn new(body: Box<dyn Read + Send>, web: &Web) -> Self {
        let patience = &web.options.patience;
        let (stall, bytes_min) = (patience.stall, patience.bytes_min_per_stall);
        Self { body, world: Arc::clone(&web.world), stall, bytes_min, spent: Duration::ZERO, bytes: 0 }
    }
    /// One read; only time spent waiting for the server counts.
    fn piece(&mut self, buffer: &mut [u8]) -> Result<usize, Cause> {
        loop {
            let start = self.world.clock();
            let count = match self.body.read(buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Cause::from(error)),
            };
            self.spent += self.world.clock().saturating_sub(start);
            self.bytes = self.bytes.saturating_add(count as u64);
            if self.spent >= self.stall {
                if self.bytes < self.bytes_min && count > 0 {
                    return Err(Cause::Slow);
                }
                (self.spent, self.bytes) = (Duration::ZERO, 0);
            }
            return Ok(count);
        }
    }
}

/// Asks for a file from some byte on; gives the answer and whether it begins there.
pub(crate) type Reopen = dyn Fn(&Web, u64, Option<&str>) -> Result<Answer, Attempt> + Send;

/// A file that is read as it comes; a broken connection is taken up again where it broke. Bounded.
pub(crate) struct Transfer {
    web: Arc<Web>,
    url: String,
    reopen: Box<Reopen>,
    body: Option<Paced>,
    validator: Validator,
    host: String,
    done: u64,
    /// Bytes to pass over after a server sent all again.
    skip: u64,
    length: Option<u64>,
    bytes_max: u64,
    /// Whether somebody checks the bytes against a digest: else only what the server calls the same
    /// version is joined.
    is_checked: bool,
    /// Parts of what is compressed on the way cannot be asked for.
    is_encoded: bool,
    breaks: u32,
    since_break: u64,
}

impl Transfer {
    /// From an answer whose body begins at byte `done`.
    pub(crate) fn new(
        web: Arc<Web>,
        url: &Url,
        answer: Answer,
        done: u64,
        (bytes_max, is_checked): (u64, bool),
        reopen: Box<Reopen>,
    ) -> Result<Self, WebError> {
        let length = answer.length().map(|length| length.saturating_add(done));
        let url = url.shown();
        if length.is_some_and(|length| length > bytes_max) {
            return Err(WebError::TooLarge { url, bytes_max });
        }
        let (validator, host) = (answer.validator(), answer.host.clone());
        let body = Some(Paced::new(answer.into_reader(), &web));
        Ok(Self {
            web,
            url,
            reopen,
            body,
            validator,
            host,
            done,
            skip: 0,
            length,
            bytes_max,
            is_checked,
            // What ureq unpacks has no known length and lacks the header that would say so.
            is_encoded: length.is_none(),
            breaks: 0,
            since_break: 0,
        })
    }

    /// What the server said of this version.
    pub(crate) fn validator(&self) -> &Validator {
        &self.validator
    }

    /// The next bytes; 0 at the end.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Result<usize, WebError> {
        loop {
            let Some(body) = self.body.as_mut() else { return Ok(0) };
            let count = match body.piece(buffer) {
                Ok(0) if self.length.is_some_and(|length| self.done < length) => {
                    self.resume(Cause::Connection("it ended too early".into()))?;
                    continue;
                }
                Ok(0) => {
                    self.body = None;
                    return Ok(0);
                }
                Ok(count) => count,
                Err(cause) => {
                    self.resume(cause)?;
                    continue;
                }
            };
            self.since_break = self.since_break.saturating_add(count as u64);
            if self.skip > 0 {
                let passed = self.skip.min(count as u64);
                self.skip -= passed;
                let passed = usize::try_from(passed).unwrap_or(count);
                if passed == count {
                    continue;
                }
                buffer.copy_within(passed..count, 0);
                return self.gained(count - passed);
            }
            return self.gained(count);
        }
    }

    fn gained(&mut self, count: usize) -> Result<usize, WebError> {
        self.done = self.done.saturating_add(count as u64);
        if self.done > self.bytes_max {
            self.body = None;
            return Err(WebError::TooLarge { url: self.url.clone(), bytes_max: self.bytes_max });
        }
        Ok(count)
    }

    /// After a break: a pause, then open again, as often as allowed.
    fn resume(&mut self, cause: Cause) -> Result<(), WebError> {
        self.body = None;
        if self.since_break >= PROGRESS_BYTES {
            self.breaks = 0;
        }
        self.since_break = 0;
        self.breaks += 1;
        let patience = &self.web.options.patience;
        let is_silent = matches!(cause, Cause::Timeout(_) | Cause::Slow) && self.breaks > 1;
        if !cause.may_pass() || self.breaks > patience.breaks || is_silent {
            return Err(WebError::Unreachable { url: self.url.clone(), host: self.host.clone(), cause });
        }
        let pause = Duration::from_millis(250) * 2u32.saturating_pow(self.breaks.min(8));
        self.web.world.sleep(pause.min(patience.pause_max));
        let web = Arc::clone(&self.web);
        let etag = self.validator.strong().map(str::to_owned);
        let from = if self.is_encoded { 0 } else { self.done };
        let answer = web.persist(|| (self.reopen)(&web, from, etag.as_deref()))?;
        let malformed = |detail: String| WebError::Malformed { url: self.url.clone(), detail };
        if !self.is_checked && self.validator.is_empty() {
            return Err(malformed(format!("{cause}, and the server does not say which version it sends")));
        }
        self.skip = match answer.status {
            206 => {
                let range = answer.header("content-range").unwrap_or_default();
                if range_start(&range) != Some(self.done) {
                    let asked = self.done;
                    return Err(malformed(format!(
                        "asked for bytes from {asked}, it sends `{}`",
                        clip(&range)
                    )));
                }
                0
            }
            200 => self.done,
            status => return Err(malformed(format!("it broke off, and then answered HTTP {status}"))),
        };
        let validator = answer.validator();
        let start = self.done.saturating_sub(self.skip);
        let length = answer.length().map(|length| length.saturating_add(start));
        if validator != self.validator || (length.is_some() && self.length.is_some() && length != self.length)
        {
            return Err(malformed("it changed while it was read".into()));
        }
        self.body = Some(Paced::new(answer.into_reader(), &web));
        Ok(())
    }
}

fn range_start(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

impl Read for Transfer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(|error| {
            self.body = None;
            io::Error::other(error)
        })
    }
}
