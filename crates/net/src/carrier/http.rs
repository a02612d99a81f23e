//! A folder on any web server that serves static files. The index is asked for conditionally: its last
//! version and what the server said of it are kept in a file of the caller's.

use super::{Carrier, Names, Rest};
use crate::registry::url::Url;
use crate::web::{Answer, Attempt, Reopen, Transfer, Validator, Wanted, Web, WebError};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Published data on a web server.
pub struct Http {
    web: Arc<Web>,
    base: String,
    shown: String,
    names: Names,
    /// Where the last index is kept.
    kept: Option<PathBuf>,
    rest: Rest,
}

impl Http {
    /// Data below an address; nothing is sent yet. `kept` names a file for the last index.
    pub fn new(web: Arc<Web>, base: &str, names: Names, kept: Option<PathBuf>) -> Result<Self, WebError> {
        let url = Web::url(base)?;
        if !url.query().is_empty() || base.contains('#') {
            let why = format!("{}: the address of a folder has no `?` or `#`", url.shown());
            return Err(WebError::Option(why));
        }
        let base = url.whole().trim_end_matches('/').to_owned();
        let shown = url.shown().trim_end_matches('/').to_owned();
        Ok(Self { web, base, shown, names, kept, rest: Rest::default() })
    }

    fn url(&self, name: &str) -> Result<Url, WebError> {
        Web::url(&format!("{}/{name}", self.base))
    }

    fn index(&self, bytes_max: u64) -> Result<Option<Vec<u8>>, WebError> {
        let url = self.url(self.names.index)?;
        let kept = self.kept.as_deref().and_then(|path| Kept::read(path, &url, bytes_max));
        let mut wanted = Wanted::get(url.clone());
        if let Some(Kept { validator, .. }) = &kept {
            wanted.headers.extend(validator.etag.clone().map(|etag| ("if-none-match", etag)));
            wanted.headers.extend(validator.last_modified.clone().map(|day| ("if-modified-since", day)));
        }
        // A proxy between may hold an older one.
        wanted.headers.push(("cache-control", "no-cache".into()));
        let (status, validator, bytes) = self.web.persist(|| {
            let answer = self.web.ask(&wanted)?;
            let (status, validator) = (answer.status, answer.validator());
            let bytes = if status == 200 { self.web.whole(&wanted, answer, bytes_max)? } else { Vec::new() };
            Ok::<_, Attempt>((status, validator, bytes))
        })?;
        match (status, kept) {
            (200, _) => {
                if let Some(path) = self.kept.as_deref().filter(|_| !validator.is_empty()) {
                    // Kept to save a transfer; without it the next one is longer.
                    let _ = Kept { validator, bytes: bytes.clone() }.write(path, &url);
                }
                Ok(Some(bytes))
            }
            (304, Some(kept)) => Ok(Some(kept.bytes)),
            (404 | 410, _) => Ok(None),
            (status, _) => Err(WebError::Status { url: url.shown(), status, said: String::new() }),
        }
    }
}

impl Carrier for Http {
    fn name(&self) -> String {
        self.shown.clone()
    }
    fn open(&self, name: &str, bytes_max: u64) -> io::Result<Option<Box<dyn Read + Send + '_>>> {
        self.names.check(name)?;
        if name == self.names.index {
            let asked = self.rest.unless(&self.web, || self.index(bytes_max));
            let bytes = asked.map_err(io::Error::other)?;
            return Ok(bytes.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read + Send>));
        }
        let url = self.url(name).map_err(io::Error::other)?;
        let again = url.clone();
        let ask = move |web: &Web, done: u64, etag: Option<&str>| ask(web, &again, done, etag);
        let begun = self.rest.unless(&self.web, || transfer(&self.web, &url, bytes_max, Box::new(ask)));
        begun.map_err(io::Error::other)
    }
}

fn ask(web: &Web, url: &Url, done: u64, etag: Option<&str>) -> Result<Answer, Attempt> {
    let mut wanted = Wanted::get(url.clone());
    wanted.headers.extend(range(done, etag));
    web.ask(&wanted)
}

/// Asks for the rest of a file.
pub(super) fn range(done: u64, etag: Option<&str>) -> Vec<(&'static str, String)> {
    if done == 0 {
        return Vec::new();
    }
    let same = etag.map(|etag| ("if-range", etag.to_owned()));
    [("range", format!("bytes={done}-"))].into_iter().chain(same).collect()
}

/// Begins to read a file whose bytes somebody checks.
pub(super) fn transfer<'a>(
    web: &Arc<Web>,
    url: &Url,
    bytes_max: u64,
    ask: Box<Reopen>,
) -> Result<Option<Box<dyn Read + Send + 'a>>, WebError> {
    let answer = web.persist(|| ask(web, 0, None))?;
    match answer.status {
        200 => {}
        404 | 410 => return Ok(None),
        status => return Err(WebError::Status { url: url.shown(), status, said: String::new() }),
    }
    let transfer = Transfer::new(Arc::clone(web), url, answer, 0, (bytes_max, true), ask)?;
    Ok(Some(Box::new(transfer)))
}

/// The last index: a head of lines (address, tag, day), an empty line, the bytes.
struct Kept {
    validator: Validator,
    bytes: Vec<u8>,
}

impl Kept {
    /// What cannot be read, or is another address's, is as none.
    fn read(path: &Path, url: &Url, bytes_max: u64) -> Option<Self> {
        const HEAD_BYTES_MAX: u64 = 64 << 10;
        let mut bytes = Vec::new();
        let room = bytes_max.saturating_add(HEAD_BYTES_MAX);
        File::open(path).ok()?.take(room).read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(2).position(|two| two == b"\n\n")?;
        let head = String::from_utf8(bytes.get(..end)?.to_vec()).ok()?;
        let mut lines = head.lines();
        if lines.next()? != url.whole() {
            return None;
        }
        let mut said = || Some(lines.next()?.strip_prefix('=')?.to_owned()).filter(|text| !text.is_empty());
        let validator = Validator { etag: said(), last_modified: said() };
        let bytes = bytes.get(end.checked_add(2)?..)?.to_vec();
        (!validator.is_empty() && bytes.len() as u64 <= bytes_max).then_some(Self { validator, bytes })
    }

    fn write(&self, path: &Path, url: &Url) -> io::Result<()> {
        let text = |said: &Option<String>| said.clone().unwrap_or_default().replace('\n', "");
        let (etag, day) = (text(&self.validator.etag), text(&self.validator.last_modified));
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let aside = path.with_added_extension(format!("part{}", std::process::id()));
        let fill = || {
            let mut file = File::create(&aside)?;
            write!(file, "{}\n={etag}\n={day}\n\n", url.whole())?;
            file.write_all(&self.bytes)?;
            fs::rename(&aside, path)
        };
        fill().inspect_err(|_| drop(fs::remove_file(&aside)))
    }
}
