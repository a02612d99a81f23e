//! Downloads to files, as a good citizen: few tries, growing pauses, `Retry-After` honoured
//! (RFC 9110, section 10.2.3), size bounded, a half-written file never left behind.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const TRIES: u32 = 4;
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused or could not be reached.
    #[error("downloading {url} failed")]
    Request {
        /// Which address.
        url: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The server answered with an error status.
    #[error("{url} answered {status}")]
    Status {
        /// Which address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer is larger than allowed.
    #[error("{url} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Which address.
        url: String,
        /// Bound.
        bytes_max: u64,
    },
    /// The file could not be written or the connection broke.
    #[error("saving {url} failed")]
    Io {
        /// Which address.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a download gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// Bytes written.
    pub bytes: u64,
}

/// Makes requests; proxies come from the usual environment variables.
pub struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// A client that names itself `user_agent`.
    pub fn new(user_agent: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .user_agent(user_agent)
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(Duration::from_secs(1_800)))
            .build();
        Self { agent: config.into() }
    }

    /// Downloads `url` to `path`, calling `progress` with the number of bytes of each piece.
    pub fn download(
        &self,
        url: &str,
        path: &Path,
        bytes_max: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Downloaded, Error> {
        let mut pause = Duration::from_secs(1);
        for attempt in 1..=TRIES {
            match self.attempt(url, path, bytes_max, progress) {
                Ok(bytes) => return Ok(Downloaded { bytes }),
                Err(failure) if attempt < TRIES && failure.may_pass => {
                    sleep(failure.retry_after.unwrap_or(pause).min(PAUSE_MAX));
                    pause *= 3;
                }
                Err(failure) => return Err(failure.error),
            }
        }
        unreachable!("the last try returns")
    }

    fn attempt(
        &self,
        url: &str,
        path: &Path,
        bytes_max: u64,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, Failure> {
        let mut response = self.agent.get(url).call().map_err(|error| Failure {
            may_pass: !matches!(error, ureq::Error::BadUri(_) | ureq::Error::HostNotFound),
            retry_after: None,
            error: Error::Request { url: url.into(), source: Box::new(error) },
        })?;
        let status = response.status().as_u16();
        if status != 200 {
            let seconds =
                response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.trim().parse().ok());
            return Err(Failure {
                may_pass: matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
                retry_after: seconds.map(Duration::from_secs),
                error: Error::Status { url: url.into(), status },
            });
        }
        let aside = path.with_extension("part");
        let written = save(&mut response.body_mut().as_reader(), &aside, bytes_max, progress);
        match written.and_then(|bytes| {
            if bytes.is_some() { fs::rename(&aside, path).map(|()| bytes) } else { Ok(None) }
        }) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => {
                let _ = fs::remove_file(&aside);
                Err(Failure::final_one(Error::TooLarge { url: url.into(), bytes_max }))
            }
            Err(source) => {
                let _ = fs::remove_file(&aside);
                let may_pass =
                    !matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::PermissionDenied);
                Err(Failure { may_pass, retry_after: None, error: Error::Io { url: url.into(), source } })
            }
        }
    }
}

struct Failure {
    may_pass: bool,
    retry_after: Option<Duration>,
    error: Error,
}

impl Failure {
    fn final_one(error: Error) -> Self {
        Self { may_pass: false, retry_after: None, error }
    }
}

/// Copies to a file; `None` when there is more than `bytes_max`.
fn save(
    input: &mut impl Read,
    path: &Path,
    bytes_max: u64,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Option<u64>> {
    let mut file = fs::File::create(path)?;
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0u64;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        total += count as u64;
        if total > bytes_max {
            return Ok(None);
        }
        file.write_all(&buffer[..count])?;
        progress(count as u64);
    }
    file.sync_all()?;
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// Answers one request after the other with these raw answers; gives the address.
    fn server(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().expect("accept");
                let mut lines = BufReader::new(&stream).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|text| !text.is_empty())) {}
                (&stream).write_all(answer.as_bytes()).expect("answer");
            }
        });
        address
    }

    fn get(url: &str, bytes_max: u64) -> (Result<Downloaded, Error>, Option<String>, usize) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("all.zip");
        let result = Client::new("test").download(url, &path, bytes_max, &mut |_| ());
        let content = fs::read_to_string(&path).ok();
        (result, content, fs::read_dir(folder.path()).expect("folder").count())
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

    #[test]
    fn saves_and_tries_again_when_told() {
        let busy = "HTTP/1.1 429 Slow\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (result, content, _) = get(&server(vec![busy, GOOD]), 100);
        assert_eq!(result.expect("second try").bytes, 5);
        assert_eq!(content.as_deref(), Some("hello"));
    }

    #[test]
    fn failures_are_named_and_leave_nothing() {
        let missing = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (result, content, left) = get(&server(vec![missing]), 100);
        assert!(matches!(result, Err(Error::Status { status: 404, .. })));
        assert_eq!((content, left), (None, 0));
        let (result, _, left) = get(&server(vec![GOOD]), 4);
        assert!(matches!(result, Err(Error::TooLarge { .. })));
        assert_eq!(left, 0);
    }
}
