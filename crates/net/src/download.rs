//! Downloads of feeds to files: conditional (RFC 9110, section 13), taken up again where they broke, size
//! bounded; a half-written file never stays. What it does not do: remember validators (the caller keeps
//! them beside the files).

use crate::registry::url::Url;
use crate::registry::{Options, World};
use crate::web::{Answer, Attempt, Transfer, Validator, Wanted, Web, WebError};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How often a transfer that cannot be taken up again is begun anew.
const BEGINNINGS: u32 = 3;

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, could not be reached or sent what is not wanted.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The file could not be written.
    #[error("saving {url} as `{path}` failed")]
    Io {
        /// Which address.
        url: String,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a download gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Downloaded {
    /// The file that is there is still the present one.
    Same,
    /// A new file.
    New {
        /// Bytes written.
        bytes: u64,
        /// What to ask with the next time.
        validator: Validator,
    },
}

/// Downloads files; proxies come from the usual environment variables.
pub struct Client {
    web: Arc<Web>,
}

impl Client {
    /// A client; of the options those hold that are not about logins.
    pub fn new(options: Options, world: Arc<dyn World>) -> Self {
        Self { web: Arc::new(Web::new(options, world)) }
    }

    /// Downloads `url` to `path` unless the server says that what is `known` is the present version; calls
    /// `progress` with the number of bytes of each piece.
    pub fn download(
        &self,
        url: &str,
        path: &Path,
        known: &Validator,
        bytes_max: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Downloaded, Error> {
        for _ in 1..BEGINNINGS {
            match self.begin(url, path, known, bytes_max, progress) {
                Err(Error::Web(WebError::Malformed { .. })) => {}
                other => return other,
            }
        }
        self.begin(url, path, known, bytes_max, progress)
    }

    fn begin(
        &self,
        url: &str,
        path: &Path,
        known: &Validator,
        bytes_max: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Downloaded, Error> {
        let url = Web::url(url)?;
        let mut wanted = Wanted::get(url.clone());
        wanted.headers.extend(encoding(&url));
        wanted.headers.extend(known.etag.clone().map(|etag| ("if-none-match", etag)));
        wanted.headers.extend(known.last_modified.clone().map(|day| ("if-modified-since", day)));
        let answer = self.web.persist(|| self.web.ask(&wanted))?;
        match answer.status {
            304 if !known.is_empty() => return Ok(Downloaded::Same),
            200 => {}
            status @ (404 | 410) => return Err(WebError::NotFound { url: url.shown(), status }.into()),
            status => {
                return Err(WebError::Status { url: url.shown(), status, said: String::new() }.into());
            }
        }
        let again = url.clone();
        let reopen = move |web: &Web, done: u64, etag: Option<&str>| reopen(web, &again, done, etag);
        let web = Arc::clone(&self.web);
        let mut transfer = Transfer::new(web, &url, answer, 0, (bytes_max, false), Box::new(reopen))?;
        let aside = Aside(path.with_added_extension("part"));
        let failed = |source| Error::Io { url: url.shown(), path: path.to_owned(), source };
        let mut file = fs::File::create(&aside.0).map_err(failed)?;
        let bytes = save(&mut transfer, &mut file, progress, &failed)?;
        file.sync_all().and_then(|()| fs::rename(&aside.0, path)).map_err(failed)?;
        Ok(Downloaded::New { bytes, validator: transfer.validator().clone() })
    }
}

/// Text is a tenth of its size on the way when the server compresses it; archives are small already.
fn encoding(url: &Url) -> Option<(&'static str, String)> {
    let is_packed = [".zip", ".gz", ".zst", ".xz", ".bz2"].iter().any(|ending| url.path().ends_with(ending));
    (!is_packed).then(|| ("accept-encoding", "gzip".to_owned()))
}

fn reopen(web: &Web, url: &Url, done: u64, etag: Option<&str>) -> Result<Answer, Attempt> {
    let mut wanted = Wanted::get(url.clone());
    wanted.headers.extend(encoding(url));
    if let Some(etag) = etag.filter(|_| done > 0) {
        wanted.headers.push(("range", format!("bytes={done}-")));
        wanted.headers.push(("if-range", etag.to_owned()));
    }
    web.ask(&wanted)
}

fn save(
    transfer: &mut Transfer,
    file: &mut fs::File,
    progress: &mut dyn FnMut(u64),
    failed: &dyn Fn(io::Error) -> Error,
) -> Result<u64, Error> {
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0u64;
    loop {
        let count = transfer.next(&mut buffer)?;
        if count == 0 {
            return Ok(total);
        }
        file.write_all(buffer.get(..count).unwrap_or_default()).map_err(failed)?;
        total = total.saturating_add(count as u64);
        progress(count as u64);
    }
}

/// A file that goes unless it was renamed.
struct Aside(PathBuf);

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::testing::{Fake, Seen, Server, Wire, options};

    fn get(
        answer: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
        bytes_max: u64,
    ) -> (Result<Downloaded, Error>, Option<Vec<u8>>, Vec<Seen>) {
        let server = Server::new(answer);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("all.zip");
        let client = Client::new(options(), Arc::new(Fake::new()));
        let url = format!("http://{}/all.zip", server.authority);
        let result = client.download(&url, &path, &Validator::default(), bytes_max, &mut |_| ());
        let left = fs::read_dir(folder.path()).expect("folder").count();
        let content = fs::read(&path).ok();
        assert_eq!(left, usize::from(content.is_some()), "nothing half-written stays");
        (result, content, server.seen())
    }

    fn error(result: Result<Downloaded, Error>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn saves_and_tries_again_when_told() {
        let first = std::sync::atomic::AtomicBool::new(true);
        let (result, content, seen) = get(
            move |_, wire| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                true => wire.answer(429, &["retry-after: 7"], b""),
                false => wire.answer(200, &["etag: \"a\""], b"hello"),
            },
            100,
        );
        let validator = Validator { etag: Some("\"a\"".into()), last_modified: None };
        assert_eq!(result.expect("second try"), Downloaded::New { bytes: 5, validator });
        assert_eq!((content.as_deref(), seen.len()), (Some(&b"hello"[..]), 2));
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let server = Server::new(|seen, wire| match seen.header("if-none-match") {
            Some("\"a\"") => wire.answer(304, &[], b""),
            _ => wire.answer(200, &[], b"new"),
        });
        let folder = tempfile::tempdir().expect("folder");
        let client = Client::new(options(), Arc::new(Fake::new()));
        let ask = |etag: &str| {
            let known = Validator { etag: Some(etag.into()), last_modified: Some("x".into()) };
            let url = format!("http://{}/a", server.authority);
            client.download(&url, &folder.path().join("a"), &known, 100, &mut |_| ()).expect("served")
        };
        assert_eq!(ask("\"a\""), Downloaded::Same);
        assert!(matches!(ask("\"b\""), Downloaded::New { bytes: 3, .. }));
        assert_eq!(server.seen()[0].header("if-modified-since"), Some("x"));
    }

    fn body() -> Vec<u8> {
        (0..200_000_u32).map(|n| (n % 251) as u8).collect()
    }

    /// Breaks after half; what comes then is up to `second`.
    fn broken(
        head: &'static [&'static str],
        second: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> (Result<Downloaded, Error>, Option<Vec<u8>>, Vec<Seen>) {
        let first = std::sync::atomic::AtomicBool::new(true);
        get(
            move |seen, wire| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                true => {
                    wire.head(200, head, Some(200_000))?;
                    wire.raw(&body()[..100_000])
                }
                false => second(seen, wire),
            },
            1 << 20,
        )
    }

    #[test]
    fn a_broken_transfer_is_taken_up_where_it_broke() {
        let (result, content, seen) = broken(&["etag: \"a\""], |seen, wire| {
            let from = seen.from();
            let range = format!("content-range: bytes {from}-199999/200000");
            wire.answer(206, &["etag: \"a\"", &range], &body()[from..])
        });
        assert!(matches!(result, Ok(Downloaded::New { bytes: 200_000, .. })));
        assert_eq!(
            (content, seen[1].from(), seen[1].header("if-range")),
            (Some(body()), 100_000, Some("\"a\""))
        );
        // A weak tag: everything comes again, and what is known is passed over.
        let (result, content, seen) =
            broken(&["etag: W/\"a\""], |_, wire| wire.answer(200, &["etag: W/\"a\""], &body()));
        assert!(result.is_ok());
        assert_eq!((content, seen[1].from(), seen.len()), (Some(body()), 0, 2));
        // No tag, or another version meanwhile: from the beginning.
        for head in [&[][..], &["etag: \"a\""][..]] {
            let (result, content, _) = broken(head, |_, wire| wire.answer(200, &["etag: \"b\""], b"other"));
            assert!(matches!(result, Ok(Downloaded::New { bytes: 5, .. })), "{head:?}");
            assert_eq!(content.as_deref(), Some(&b"other"[..]));
        }
    }

    /// `hello`, compressed.
    const PACKED: [u8; 25] =
        [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 203, 72, 205, 201, 201, 7, 0, 134, 166, 16, 54, 5, 0, 0, 0];

    #[test]
    fn what_is_compressed_on_the_way_comes_whole() {
        let server = Server::new(|seen, wire| {
            assert_eq!(seen.header("accept-encoding"), Some("gzip"));
            wire.answer(200, &["content-encoding: gzip", "etag: \"a\""], &PACKED)
        });
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("feed.json");
        let client = Client::new(options(), Arc::new(Fake::new()));
        let url = format!("http://{}/feed.json", server.authority);
        let got = client.download(&url, &path, &Validator::default(), 100, &mut |_| ()).expect("served");
        assert!(matches!(got, Downloaded::New { bytes: 5, .. }), "{got:?}");
        assert_eq!(fs::read(&path).expect("there"), b"hello");
        // Cut on the way: never half of it, and never a part of the compressed form.
        let first = std::sync::atomic::AtomicBool::new(true);
        let server = Server::new(move |seen, wire| {
            assert!(seen.header("range").is_none());
            match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
                true => {
                    wire.head(200, &["content-encoding: gzip", "etag: \"a\""], Some(25))?;
                    wire.raw(&PACKED[..18])
                }
                false => wire.answer(200, &["content-encoding: gzip", "etag: \"a\""], &PACKED),
            }
        });
        let url = format!("http://{}/feed.json", server.authority);
        client.download(&url, &path, &Validator::default(), 100, &mut |_| ()).expect("served");
        assert_eq!(fs::read(&path).expect("there"), b"hello");
        assert_eq!(server.seen().len(), 2);
    }

    #[test]
    fn failures_are_named_and_leave_nothing() {
        let (result, ..) = get(|_, wire| wire.answer(404, &[], b""), 100);
        assert!(matches!(result, Err(Error::Web(WebError::NotFound { status: 404, .. }))));
        let (result, ..) = get(|_, wire| wire.answer(200, &[], b"hello"), 4);
        assert!(error(result).contains("larger than 4"));
        // Without a length, and without an end.
        let (result, ..) = get(
            |_, wire| {
                wire.head(200, &[], None)?;
                loop {
                    wire.raw(&[b'x'; 4096])?;
                }
            },
            100_000,
        );
        assert!(error(result).contains("larger than 100000"));
        let (result, _, seen) = get(|_, wire| wire.answer(503, &["retry-after: 3600"], b""), 100);
        assert!(error(result).contains("3600 s"));
        assert_eq!(seen.len(), 1, "nobody waits for an hour");
        let (result, _, seen) = get(|_, wire| wire.answer(500, &[], b""), 100);
        assert!(error(result).contains("HTTP 500, 5 tries"));
        assert_eq!(seen.len(), 5);
        let (result, ..) = get(|_, wire| wire.answer(302, &["location: http://169.254.169.254/x"], b""), 100);
        assert!(error(result).contains("beside this machine"));
        let (result, ..) = get(|_, wire| wire.answer(302, &["location: /all.zip"], b""), 100);
        assert!(error(result).contains("circle"));
        let (result, ..) = get(|_, wire| wire.answer(200, &["content-type: text/html"], b"<html>"), 100);
        assert!(error(result).contains("web page"));
        let (result, ..) = get(
            |_, wire| {
                wire.hang();
                Ok(())
            },
            100,
        );
        assert!(error(result).contains("did not answer in time"));
    }
}
