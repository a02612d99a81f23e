//! One request to a place: permission, redirects, verdict on the answer, tries. The permission goes to the
//! place itself only; once a redirect has led elsewhere it is never sent again.

use super::cause::Cause;
use super::client::Client;
use super::error::{Error, clip};
use super::keyring::with_authorization;
use super::place::Place;
use super::redirect::{Astray, Trail};
use super::secret::Secret;
use super::url::Url;
use seaworthy_types::{Date, Timestamp};
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;
use ureq::http::{Method, Request, Response};

/// From this size on a body waits for the word that it is wanted.
const EXPECT_BYTES: u64 = 1 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A server that hangs is asked again once only: each time costs the whole patience.
const TRIES_OF_TIMEOUTS: u32 = 2;

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// For messages.
    pub(super) what: String,
    pub(super) place: &'a Place,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'a str,
    /// More headers.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) rights: Rights,
}

/// What a permission is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rights {
    Pull,
    /// And to take a blob over from another repository of the registry, perhaps.
    Push {
        from: Option<String>,
    },
}

impl Rights {
    pub(super) fn is_push(&self) -> bool {
        *self != Self::Pull
    }
}

/// A part of something that can be read again, on its way to a registry.
pub(super) struct Part<'a> {
    source: &'a mut dyn Rewind,
    start: u64,
    length: u64,
    /// What our own source failed with: not the registry's fault.
    fault: Option<io::Error>,
}

/// What can be read again.
pub(super) trait Rewind: Read + Seek {}

impl<T: Read + Seek> Rewind for T {}

impl<'a> Part<'a> {
    pub(super) fn new(source: &'a mut dyn Rewind, start: u64, length: u64) -> Self {
        Self { source, start, length, fault: None }
    }
}

/// Reads exactly the part, once.
struct Once<'p, 'a> {
    part: &'p mut Part<'a>,
    left: u64,
}

impl Read for Once<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(target) = buffer.get_mut(..room).filter(|target| !target.is_empty()) else { return Ok(0) };
        let read = match self.part.source.read(target) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        match read {
            Ok(count) => {
                self.left = self.left.saturating_sub(count as u64);
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.part.fault = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// An answer whose body was not read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) response: Response<ureq::Body>,
    pub(super) url: Url,
    /// Whether it comes from the place itself.
    pub(super) is_home: bool,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
    pub(super) fn media_type(&self) -> String {
        super::media::bare(&self.header("content-type").unwrap_or_default())
    }
}

/// How a try failed.
pub(super) enum Attempt {
    Final(Error),
    Again { error: Box<Error>, wait: Option<Duration>, is_timeout: bool },
}

impl Client {
    /// Tries again as long as that may help: pauses grow and are spread, `Retry-After` is honoured. A mirror
    /// has less patience to expect: after it comes another place.
    pub(super) fn persist<T>(
        &self,
        host: &str,
        wanted: &Wanted<'_>,
        mut attempt: impl FnMut() -> Result<T, Attempt>,
    ) -> Result<T, Error> {
        let patience = &self.options.patience;
        let (tries_max, wait_max) = match wanted.place.is_mirror {
            true => (patience.tries.min(2), Duration::from_secs(1)),
            false => (patience.tries, patience.pause_max),
        };
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let (error, wait, is_timeout) = match attempt() {
                Ok(value) => return Ok(value),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again { error, wait, is_timeout }) => (*error, wait, is_timeout),
            };
            let tries_max = if is_timeout { tries_max.div_ceil(2).min(TRIES_OF_TIMEOUTS) } else { tries_max };
            if tries >= tries_max || wait.is_some_and(|wait| wait > wait_max) {
                return Err(match error {
                    Error::Trouble { status, wait, .. } => {
                        let (what, host) = (wanted.what.clone(), host.to_owned());
                        Error::Trouble { what, host, status, tries, wait }
                    }
                    other => other,
                });
            }
            let spread = pause.mul_f64((self.world.random() % 1_000) as f64 / 2_000.0);
            self.world.sleep(wait.map_or(pause + spread, |wait| wait + spread).min(patience.pause_max));
            pause = (pause * 2).min(patience.pause_max);
        }
    }

    /// Asks with the permission at hand, gets one when it is refused, asks once more.
    pub(super) fn ask(&self, wanted: &Wanted<'_>) -> Result<Answer, Attempt> {
        self.ask_with(wanted, None)
    }

    /// The same with something to send.
    pub(super) fn ask_with(
        &self,
        wanted: &Wanted<'_>,
        mut part: Option<&mut Part<'_>>,
    ) -> Result<Answer, Attempt> {
        let used = self.pass(wanted);
        let answer = self.follow(wanted, used.as_ref(), part.as_deref_mut())?;
        if answer.status != 401 || !answer.is_home {
            return self.judge(wanted, answer);
        }
        let values = answer.response.headers().get_all("www-authenticate").iter();
        let challenges: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        drain(answer);
        let fresh = self.renew(wanted, &challenges, used.as_ref()).map_err(Attempt::Final)?;
        let answer = self.follow(wanted, Some(&fresh), part)?;
        self.judge(wanted, answer)
    }

    fn follow(
        &self,
        wanted: &Wanted<'_>,
        pass: Option<&Secret>,
        mut part: Option<&mut Part<'_>>,
    ) -> Result<Answer, Attempt> {
        let mut url = wanted.url.clone();
        // An upload may go elsewhere from its beginning.
        let mut trail = Trail::new(wanted.place, &url);
        loop {
            let mut builder = Request::builder().method(wanted.method.clone()).uri(url.whole());
            if !wanted.accept.is_empty() {
                builder = builder.header("accept", wanted.accept);
            }
            for (name, value) in &wanted.headers {
                builder = builder.header(*name, value);
            }
            let is_home = trail.is_home();
            let header = pass.filter(|_| is_home).cloned();
            let builder = with_authorization(builder, header);
            let answer = match part.as_deref_mut() {
                None => self.send(wanted, &url, is_home, builder.body(()).map_err(unsendable)?)?,
                Some(part) => self.send_part(wanted, &url, is_home, builder, part)?,
            };
            let is_redirect = match part {
                None => matches!(answer.status, 301 | 302 | 303 | 307 | 308),
                // The others would turn it into a question.
                Some(_) => matches!(answer.status, 307 | 308),
            };
            if !is_redirect {
                return Ok(answer);
            }
            let location = answer.header("location").unwrap_or_default();
            let next = trail.next(&url, &location).map_err(|Astray { to, reason }| {
                let (what, host) = (wanted.what.clone(), url.authority());
                Attempt::Final(Error::Redirect { what, host, to, reason })
            })?;
            drain(answer);
            url = next;
        }
    }

    /// Sends a part of something. Large ones wait for the registry's word that it takes them (RFC 9110,
    /// section 10.1.1), so that a refusal is seen and not a broken connection.
    fn send_part(
        &self,
        wanted: &Wanted<'_>,
        url: &Url,
        is_home: bool,
        builder: ureq::http::request::Builder,
        part: &mut Part<'_>,
    ) -> Result<Answer, Attempt> {
        let (start, left) = (part.start, part.length);
        let local = |error: io::Error| {
            let detail = clip(&error.to_string());
            Attempt::Final(Error::Source { what: wanted.what.clone(), detail })
        };
        part.source.seek(SeekFrom::Start(start)).map_err(local)?;
        let mut builder = builder.header("content-length", left.to_string());
        if left > EXPECT_BYTES {
            builder = builder.header("expect", "100-continue");
        }
        let mut once = Once { part, left };
        let request = builder.body(ureq::SendBody::from_reader(&mut once)).map_err(unsendable)?;
        let sent = self.send(wanted, url, is_home, request);
        match once.part.fault.take() {
            Some(error) => Err(local(error)),
            None => sent,
        }
    }

    /// Sends one request, follows nothing.
    pub(super) fn send<B: ureq::AsSendBody>(
        &self,
        wanted: &Wanted<'_>,
        url: &Url,
        is_home: bool,
        request: Request<B>,
    ) -> Result<Answer, Attempt> {
        let fail = |cause: Cause| {
            let is_timeout = matches!(cause, Cause::Timeout(_));
            let may_pass = cause.may_pass();
            let error = Error::Unreachable { what: wanted.what.clone(), host: url.authority(), cause };
            if may_pass {
                Attempt::Again { error: Box::new(error), wait: None, is_timeout }
            } else {
                Attempt::Final(error)
            }
        };
        if !is_home && let Err(address) = wanted.place.permit.check_literal(&url.host) {
            return Err(fail(Cause::Forbidden(address)));
        }
        let agent = wanted.place.agent(&self.options, &self.proxies, &*self.world, url, is_home);
        let agent = agent.map_err(Attempt::Final)?;
        let response = agent.run(request).map_err(|error| fail(Cause::from(error)))?;
        Ok(Answer { status: response.status().as_u16(), response, url: url.clone(), is_home })
    }

    /// What a status means.
    pub(super) fn judge(&self, wanted: &Wanted<'_>, mut answer: Answer) -> Result<Answer, Attempt> {
        let (what, host) = (wanted.what.clone(), answer.url.authority());
        let is_page = matches!(answer.media_type().as_str(), "text/html" | "application/xhtml+xml");
        let is_push = wanted.rights.is_push();
        let again = |error, wait| Attempt::Again { error: Box::new(error), wait, is_timeout: false };
        match answer.status {
            200..=299 if is_page => Err(Attempt::Final(Error::Browser { what, url: answer.url.shown() })),
            200..=299 => Ok(answer),
            401 if answer.is_home => Err(Attempt::Final(self.refused(wanted, host))),
            401 | 403 if is_push => {
                let said = said(&mut answer);
                Err(Attempt::Final(Error::PushDenied { what, host, said }))
            }
            401 | 403 => Err(Attempt::Final(Error::Denied { what, host })),
            404 if is_push && wanted.method != Method::HEAD && wanted.method != Method::GET => {
                let said = said(&mut answer);
                Err(Attempt::Final(Error::NoRepository { what, host, said }))
            }
            405 if is_push => Err(Attempt::Final(Error::ReadOnly { what, host })),
            413 if is_push => Err(Attempt::Final(Error::TooLargeThere { what, host })),
            404 => Err(Attempt::Final(Error::NotFound { what, host })),
            429 => {
                let wait = self.wait(&answer);
                Err(again(Error::TooMany { what, host, wait }, wait))
            }
            408 => Err(again(Error::Trouble { what, host, status: 408, tries: 1, wait: None }, None)),
            status @ (500 | 502 | 503 | 504) => {
                let wait = self.wait(&answer);
                let error = Error::Trouble { what, host, status, tries: 1, wait };
                Err(again(error, wait))
            }
            status if is_push => {
                let said = said(&mut answer);
                Err(Attempt::Final(Error::Rejected { what, host, status, said }))
            }
            status => {
                let said = said(&mut answer);
                Err(Attempt::Final(Error::Status { what, host, status, said }))
            }
        }
    }

    fn wait(&self, answer: &Answer) -> Option<Duration> {
        retry_after(&answer.header("retry-after")?, self.world.wall())
    }

    /// Reads a whole small body.
    pub(super) fn body(
        &self,
        wanted: &Wanted<'_>,
        answer: Answer,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Attempt> {
        let (what, host) = (wanted.what.clone(), answer.url.authority());
        let mut body = answer.response.into_body();
        if body.content_length().is_some_and(|length| length > bytes_max) {
            return Err(Attempt::Final(Error::TooLarge { what, host, bytes_max }));
        }
        let end = self.world.clock().saturating_add(self.options.patience.document);
        let mut reader = body.as_reader();
        let mut bytes = Vec::new();
        let mut piece = vec![0; 16 << 10];
        let cause = loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(bytes),
                Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) => break Cause::from(error),
            }
            if bytes.len() as u64 > bytes_max {
                return Err(Attempt::Final(Error::TooLarge { what, host, bytes_max }));
            }
            if self.world.clock() > end {
                break Cause::Slow;
            }
        };
        let is_timeout = matches!(cause, Cause::Timeout(_) | Cause::Slow);
        let error = Box::new(Error::Unreachable { what, host, cause });
        Err(Attempt::Again { error, wait: None, is_timeout })
    }
}

fn unsendable(_: ureq::http::Error) -> Attempt {
    Attempt::Final(Error::Option("the login or address cannot be sent".into()))
}

/// Reads the rest of a small body, so that the connection can be used again.
pub(super) fn drain(answer: Answer) {
    let mut body = answer.response.into_body();
    if body.content_length().is_some_and(|length| length <= 16 << 10) {
        let _ = std::io::copy(&mut body.as_reader(), &mut std::io::sink());
    }
}

/// The first words of an error, from JSON (`errors` of the distribution specification) or plain text.
fn said(answer: &mut Answer) -> String {
    let media_type = answer.media_type();
    if !media_type.contains("json") && media_type != "text/plain" {
        return String::new();
    }
    let mut bytes = Vec::new();
    let _ = answer.response.body_mut().as_reader().take(4 << 10).read_to_end(&mut bytes);
    let parsed = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let first = parsed.as_ref().and_then(|json| json.get("errors")?.get(0));
    let field = |key: &str| first.and_then(|error| error.get(key)?.as_str()).unwrap_or_default();
    clip(format!("{} {}", field("code"), field("message")).trim())
}

/// Seconds or a date (RFC 9110, section 10.2.3; of the date forms the only one that may be sent).
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let parts: Vec<&str> = value.split_whitespace().take(7).collect();
    let [_, day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| name == month)? as u32 + 1;
    let date = Date::new(year.parse().ok()?, month, day.parse().ok()?)?;
    let moment = Timestamp::parse(&format!("{date}T{time}Z"))?;
    Some(Duration::from_secs(u64::try_from(moment.0.saturating_sub(now.0)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let now = Timestamp::parse("2026-11-24T10:00:00Z").expect("valid");
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Tue, 24 Nov 2026 10:01:30 GMT", Some(90)),
            ("Tue, 24 Nov 2020 10:01:30 GMT", Some(0)),
            ("Tue, 24 Nov 2026 10:01:30 CET", None),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
