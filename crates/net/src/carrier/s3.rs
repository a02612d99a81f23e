//! An object store with the S3 API: `s3://bucket/prefix`. Endpoint, region and keys come from the usual
//! variables and the profiles of `~/.aws`; without keys nothing is signed. What it does not do: ask metadata
//! services or login servers for keys, follow redirects of requests that write.

use super::http::{range, transfer};
use super::signature::{Keys, Unsigned, sha256_hex, sign, stamp};
use super::{Carrier, Names, Rest, Spool, Taker, listing};
use crate::registry::World;
use crate::registry::url::{Url, escape};
use crate::web::{Answer, Attempt, Content, Wanted, Web, WebError};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::http::Method;

const PROFILE_BYTES_MAX: u64 = 1 << 20;
const REGION_DEFAULT: &str = "us-east-1";
const PAGE_BYTES_MAX: u64 = 8 << 20;
/// A page has up to 1,000 keys.
const PAGES_MAX: usize = 1_000;

/// Published data in a bucket.
pub struct S3 {
    web: Arc<Web>,
    pub(super) place: Arc<Place>,
    shown: String,
    names: Names,
    rest: Rest,
}

/// Where and how requests go.
pub(super) struct Place {
    /// Address of the bucket and prefix, without a slash at its end.
    base: String,
    /// Address of the bucket alone.
    bucket: String,
    /// The prefix, with a slash at its end unless it is empty.
    prefix: String,
    region: String,
    keys: Option<Keys>,
}

impl S3 {
    /// Data in `s3://bucket[/prefix]`; nothing is sent yet.
    pub fn new(web: Arc<Web>, address: &str, names: Names) -> Result<Self, WebError> {
        let refuse = |why: &str| WebError::Option(format!("`{address}`: {why}; write s3://bucket/prefix"));
        let rest = address.strip_prefix("s3://").ok_or_else(|| refuse("it is no address of a bucket"))?;
        let (bucket, prefix) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
        let bucket = bucket.trim_end_matches('/');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if bucket.len() < 3 || bucket.len() > 63 || !bucket.bytes().all(allowed) {
            return Err(refuse("that is no name of a bucket"));
        }
        if prefix
            .split('/')
            .any(|part| part == "." || part == ".." || (part.is_empty() && !prefix.is_empty()))
        {
            return Err(refuse("the prefix has an empty or dotted part"));
        }
        let profile = Profile::of(&*web.world)?;
        let place = Arc::new(place(&*web.world, &profile, bucket, prefix)?);
        Ok(Self { web, place, shown: address.trim_end_matches('/').to_owned(), names, rest: Rest::default() })
    }

    fn head(&self, name: &str) -> Result<Option<u64>, WebError> {
        let url = self.place.url(name)?;
        let place = Arc::clone(&self.place);
        let now = || self.web.world.wall();
        let signer = move |method: &Method, url: &Url| place.signed(method, url, &sha256_hex(b""), now());
        let wanted = Wanted { method: Method::HEAD, signer: &signer, ..Wanted::get(url) };
        let asked = self.web.persist(|| self.web.ask(&wanted));
        match asked {
            Ok(answer) if answer.status == 200 => {
                Ok(answer.header("content-length").and_then(|length| length.parse().ok()))
            }
            Ok(_) => Ok(None),
            // Who may not list is told this of what is not there.
            Err(WebError::Denied { status: 403, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for a page of the keys of files.
    fn page(&self, after: Option<&str>) -> Result<listing::Page, WebError> {
        let prefix = format!("{}{}", self.place.prefix, self.names.files);
        let mut url = Web::url(&self.place.bucket)?.with_query(&[("list-type", "2"), ("prefix", &prefix)]);
        if let Some(token) = after {
            url = url.with_query(&[("continuation-token", token)]);
        }
        let now = || self.web.world.wall();
        let signer = |method: &Method, url: &Url| self.place.signed(method, url, &sha256_hex(b""), now());
        let wanted = Wanted { signer: &signer, ..Wanted::get(url.clone()) };
        let bytes = self.web.persist(|| {
            let answer = self.web.ask(&wanted)?;
            match answer.status {
                200 => self.web.whole(&wanted, answer, PAGE_BYTES_MAX),
                status => {
                    let said = "the bucket was not listed".to_owned();
                    Err(Attempt::Final(WebError::Status { url: url.shown(), status, said }))
                }
            }
        })?;
        let malformed = |detail| WebError::Malformed { url: url.shown(), detail };
        listing::read(&String::from_utf8_lossy(&bytes)).map_err(malformed)
    }

    fn listed(&self) -> Result<Vec<String>, WebError> {
        let (mut names, mut after) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let page = self.page(after.as_deref())?;
            let ours = page.keys.iter().filter_map(|key| key.strip_prefix(&self.place.prefix));
            names.extend(ours.filter(|name| self.names.sha256(name).is_some()).map(str::to_owned));
            after = page.next;
            if after.is_none() {
                names.sort();
                names.dedup();
                return Ok(names);
            }
        }
        Err(WebError::Option(format!("{}: its list of keys does not end", self.shown)))
    }

    fn delete(&self, name: &str) -> Result<(), WebError> {
        let url = self.place.url(name)?;
        let now = || self.web.world.wall();
        let signer = |method: &Method, url: &Url| self.place.signed(method, url, &sha256_hex(b""), now());
        let wanted = Wanted { method: Method::DELETE, signer: &signer, ..Wanted::get(url.clone()) };
        let answer = self.web.persist(|| self.web.ask(&wanted))?;
        match answer.status {
            200..=299 | 404 => Ok(()),
            status => Err(WebError::Status { url: url.shown(), status, said: String::new() }),
        }
    }

    fn send(&self, name: &str, bytes: u64, sha256: &str, content: &Content<'_>) -> Result<(), WebError> {
        let url = self.place.url(name)?;
        let place = Arc::clone(&self.place);
        let now = || self.web.world.wall();
        let signer = move |method: &Method, url: &Url| place.signed(method, url, sha256, now());
        let kind = ("content-type", "application/octet-stream".to_owned());
        // For whatever serves the bucket to others: only the index changes.
        let kept = match self.names.sha256(name) {
            Some(_) => "public, max-age=31536000, immutable",
            None => "no-cache",
        };
        let wanted = Wanted {
            method: Method::PUT,
            headers: vec![kind, ("cache-control", kept.to_owned())],
            signer: &signer,
            content: Some((content, bytes)),
            ..Wanted::get(url.clone())
        };
        let answer = self.web.persist(|| self.web.ask(&wanted))?;
        match answer.status {
            200..=299 => Ok(()),
            404 => {
                let said = "there is no such bucket: make it first".to_owned();
                Err(WebError::Status { url: url.shown(), status: 404, said })
            }
            status => Err(WebError::Status { url: url.shown(), status, said: String::new() }),
        }
    }
}

impl Carrier for S3 {
    fn name(&self) -> String {
        self.shown.clone()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + Send + '_>>> {
        self.names.check(name)?;
        let url = self.place.url(name).map_err(io::Error::other)?;
        let (place, again) = (Arc::clone(&self.place), url.clone());
        let ask = move |web: &Web, done: u64, etag: Option<&str>| place.get(web, &again, done, etag);
        let begun = self.rest.unless(&self.web, || transfer(&self.web, &url, bytes_max, Box::new(ask)));
        begun.map_err(|error| self.explained(error))
    }
}

impl Taker for S3 {
    fn has(&self, name: &str, bytes: u64) -> io::Result<bool> {
        self.names.check(name)?;
        Ok(self.head(name).map_err(|error| self.explained(error))? == Some(bytes))
    }
    fn put(&self, name: &str, bytes: u64, content: &mut dyn Read) -> io::Result<()> {
        let Some(sha256) = self.names.sha256(name) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of a published file"));
        };
        if self.has(name, bytes)? {
            return Ok(());
        }
        let spool = Spool::new(bytes, content)?;
        let sent = self.send(name, bytes, sha256, &|| spool.reader());
        sent.map_err(|error| self.explained(error))
    }
    fn replace_index(&self, bytes: &[u8]) -> io::Result<()> {
        let open = || Ok(Box::new(io::Cursor::new(bytes.to_vec())) as Box<dyn Read>);
        let sent = self.send(self.names.index, bytes.len() as u64, &sha256_hex(bytes), &open);
        sent.map_err(|error| self.explained(error))
    }
    fn list(&self) -> io::Result<Option<Vec<String>>> {
        self.listed().map(Some).map_err(|error| self.explained(error))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        match self.names.sha256(name) {
            Some(_) => self.delete(name).map_err(|error| self.explained(error)),
            None => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a name of a published file")),
        }
    }
}

impl S3 {
    /// With a word on keys where there were none.
    fn explained(&self, error: WebError) -> io::Error {
        match error {
            WebError::Denied { url, status, said } if self.place.keys.is_none() => {
                let hint = "no keys were found (AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or a profile in ~/.aws/credentials)";
                let said = if said.is_empty() { hint.to_owned() } else { format!("{said}; {hint}") };
                io::Error::other(WebError::Denied { url, status, said })
            }
            other => io::Error::other(other),
        }
    }
}

impl Place {
    pub(super) fn url(&self, name: &str) -> Result<Url, WebError> {
        Web::url(&format!("{}/{name}", self.base))
    }
    fn get(&self, web: &Web, url: &Url, done: u64, etag: Option<&str>) -> Result<Answer, Attempt> {
        let signer =
            |method: &Method, url: &Url| self.signed(method, url, &sha256_hex(b""), web.world.wall());
        web.ask(&Wanted { headers: range(done, etag), signer: &signer, ..Wanted::get(url.clone()) })
    }
    /// Headers that sign a request; none without keys.
    fn signed(
        &self,
        method: &Method,
        url: &Url,
        payload: &str,
        now: seaworthy_types::Timestamp,
    ) -> Vec<(String, String)> {
        let Some(keys) = &self.keys else { return Vec::new() };
        let (host, stamp) = (url.authority(), stamp(now));
        let mut headers =
            vec![("host", host.as_str()), ("x-amz-content-sha256", payload), ("x-amz-date", &stamp)];
        headers.extend(keys.token.as_deref().map(|token| ("x-amz-security-token", token)));
        let unsigned = Unsigned {
            method: method.as_str(),
            path: url.path(),
            query: url.query(),
            headers: &headers,
            payload,
        };
        let value = sign(&unsigned, keys, &self.region, now);
        let sent = headers.iter().filter(|(name, _)| *name != "host");
        let mut all: Vec<(String, String)> =
            sent.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.push(("authorization".into(), value));
        all
    }
}

fn place(world: &dyn World, profile: &Profile, bucket: &str, prefix: &str) -> Result<Place, WebError> {
    let variable = |names: &[&str]| names.iter().find_map(|name| world.variable(name));
    let region = variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
    let region = region.or_else(|| profile.get("region")).unwrap_or_else(|| REGION_DEFAULT.to_owned());
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !region.bytes().all(is_word) {
        return Err(WebError::Option(format!("`{region}` is no region (AWS_REGION, or the profile)")));
    }
    let named =
        variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]).or_else(|| profile.get("endpoint_url"));
    let mut base = match named {
        Some(endpoint) => format!("{}/{bucket}", Web::url(&endpoint)?.whole().trim_end_matches('/')),
        // A certificate's `*` stands for no dot.
        None if bucket.contains(['.', '_']) || bucket.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            format!("https://s3.{region}.amazonaws.com/{bucket}")
        }
        None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
    };
    let bucket = format!("{base}/");
    for part in prefix.split('/').filter(|part| !part.is_empty()) {
        base.push('/');
        base.push_str(&escape(part));
    }
    let from_variables = || {
        let id = world.variable("AWS_ACCESS_KEY_ID")?;
        let secret = world.variable("AWS_SECRET_ACCESS_KEY")?;
        Some(Keys { id, secret, token: world.variable("AWS_SESSION_TOKEN") })
    };
    let from_profile = || {
        let (id, secret) = (profile.get("aws_access_key_id")?, profile.get("aws_secret_access_key")?);
        Some(Keys { id, secret, token: profile.get("aws_session_token") })
    };
    // A profile that is named counts before variables that happen to be set.
    let keys = match profile.is_named {
        true => from_profile().or_else(from_variables),
        false => from_variables().or_else(from_profile),
    };
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok(Place { base, bucket, prefix, region, keys })
}

/// The chosen profile of the two files of `~/.aws`.
#[derive(Default)]
struct Profile {
    is_named: bool,
    values: BTreeMap<String, String>,
}

impl Profile {
    fn of(world: &dyn World) -> Result<Self, WebError> {
        let named = world.variable("AWS_PROFILE");
        let name = named.clone().unwrap_or_else(|| "default".into());
        let home = world.variable("HOME").map(PathBuf::from).unwrap_or_default();
        let file = |variable: &str, name: &str| {
            world.variable(variable).map_or_else(|| home.join(".aws").join(name), PathBuf::from)
        };
        let config = read(world, &file("AWS_CONFIG_FILE", "config"))?;
        let credentials = read(world, &file("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?;
        let mut values = section(&config, &format!("profile {name}"));
        if name == "default" {
            values.extend(section(&config, "default"));
        }
        values.extend(section(&credentials, &name));
        if named.is_some() && values.is_empty() {
            let why =
                format!("there is no profile `{name}` (AWS_PROFILE) in ~/.aws/config or ~/.aws/credentials");
            return Err(WebError::Option(why));
        }
        Ok(Self { is_named: named.is_some(), values })
    }
    fn get(&self, key: &str) -> Option<String> {
        self.values.get(key).filter(|value| !value.is_empty()).cloned()
    }
}

fn read(world: &dyn World, path: &Path) -> Result<String, WebError> {
    match world.read(path, PROFILE_BYTES_MAX) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()),
        Err(error) => Err(WebError::Option(format!("reading `{}` failed: {error}", path.display()))),
    }
}

/// Keys and values of one section; settings within settings (indented) are stepped over.
fn section(text: &str, name: &str) -> BTreeMap<String, String> {
    let mut is_inside = false;
    let mut values = BTreeMap::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(title) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_inside = title.split_whitespace().collect::<Vec<_>>().join(" ") == name;
            continue;
        }
        let is_setting = is_inside && !line.starts_with([' ', '\t', '#', ';']);
        if let Some((key, value)) = trimmed.split_once('=').filter(|_| is_setting) {
            values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    values
}
