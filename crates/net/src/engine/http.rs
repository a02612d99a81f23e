//! One question to an engine's socket: HTTP/1.1 (RFC 9112) over a Unix socket, one connection each. Only
//! GET, no redirects, no compression. What the other side says is bounded and never waited for without
//! end; a body that ends before its time is an error.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes of the status line and all headers.
const HEAD_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one line within a chunked body.
const LINE_BYTES_MAX: u64 = 4 << 10;

/// An answer whose body is still to be read.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Body,
}

/// A body on its way.
pub(crate) struct Body {
    input: BufReader<UnixStream>,
    left: Left,
}

enum Left {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of this chunk, more chunks behind it.
    Chunk(u64),
    /// As long as the connection lasts.
    Connection,
    Nothing,
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("its answer is not the HTTP of an engine: {what}"))
}

/// Asks.
pub(crate) fn get(socket: &Path, path: &str, patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let host = "engine";
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seaworthy\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )?;
    let mut input = BufReader::with_capacity(64 << 10, stream);
    let mut room = HEAD_BYTES_MAX;
    let status = line(&mut input, &mut room)?;
    let mut words = status.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status =
        words.next().and_then(|word| word.parse::<u16>().ok()).filter(|code| (200..600).contains(code));
    let status = status.filter(|_| is_http).ok_or_else(|| wrong("no status line"))?;
    let (mut length, mut is_chunked) = (None, false);
    loop {
        let header = line(&mut input, &mut room)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or_else(|| wrong("a header without a colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            let said = value.parse::<u64>().map_err(|_| wrong("an odd length"))?;
            if length.replace(said).is_some_and(|before| before != said) {
                return Err(wrong("two lengths"));
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(wrong("an unknown transfer encoding"));
            }
            is_chunked = true;
        }
    }
    let left = match (status, is_chunked, length) {
        (204 | 304, ..) => Left::Nothing,
        (_, true, None) => Left::Chunk(0),
        (_, true, Some(_)) => return Err(wrong("a length and chunks at once")),
        (_, false, Some(length)) => Left::Bytes(length),
        (_, false, None) => Left::Connection,
    };
    let is_first = matches!(left, Left::Chunk(_));
    let mut body = Body { input, left };
    if is_first {
        body.next_chunk(true)?;
    }
    Ok(Answer { status, body })
}

fn line(input: &mut BufReader<UnixStream>, room: &mut u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let count = input.take(*room).read_until(b'\n', &mut bytes)? as u64;
    *room -= count;
    if bytes.pop() != Some(b'\n') {
        return Err(match *room {
            0 => wrong("a head without end"),
            _ => io::Error::new(
                ErrorKind::UnexpectedEof,
                "it ended the connection in the middle of its answer",
            ),
        });
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| wrong("a head that is no text"))
}

impl Body {
    fn next_chunk(&mut self, is_first: bool) -> io::Result<()> {
        let mut room = LINE_BYTES_MAX;
        if !is_first && !line(&mut self.input, &mut room)?.is_empty() {
            return Err(wrong("a chunk that does not end where it should"));
        }
        let size = line(&mut self.input, &mut room)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let is_number =
            !size.is_empty() && size.len() <= 15 && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| is_number);
        self.left = match size.ok_or_else(|| wrong("an odd size of a chunk"))? {
            0 => Left::Nothing,
            size => Left::Chunk(size),
        };
        Ok(())
    }

    /// The whole body, of at most so many bytes.
    pub fn whole(mut self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.by_ref().take(bytes_max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(wrong(&format!("more than {bytes_max} bytes")));
        }
        Ok(bytes)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = match self.left {
            Left::Nothing | Left::Bytes(0) => return Ok(0),
            Left::Bytes(left) | Left::Chunk(left) => left,
            Left::Connection => u64::MAX,
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.input.read(buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            return match self.left {
                Left::Connection => Ok(0),
                _ => {
                    let what = format!("it ended the connection {left} bytes too early");
                    Err(io::Error::new(ErrorKind::UnexpectedEof, what))
                }
            };
        }
        let rest = left - count as u64;
        match &mut self.left {
            Left::Bytes(left) => *left = rest,
            Left::Chunk(left) => *left = rest,
            _ => {}
        }
        if matches!(self.left, Left::Chunk(0)) {
            self.next_chunk(false)?;
        }
        Ok(count)
    }
}

/// A name as part of a path.
pub(crate) fn encode(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b'@' => {
                text.push(char::from(byte));
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    /// An engine that answers each path with bytes as they are, and remembers what it was asked.
    pub(crate) struct Fake {
        _folder: tempfile::TempDir,
        pub socket: PathBuf,
        pub asked: Arc<Mutex<Vec<String>>>,
    }

    impl Fake {
        pub(crate) fn new(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let socket = folder.path().join("s");
            let listener = UnixListener::bind(&socket).expect("bound");
            let asked = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&asked);
            std::thread::spawn(move || {
                let mut kept = Vec::new();
                for mut stream in listener.incoming().flatten() {
                    let mut lines =
                        BufReader::new(stream.try_clone().expect("a copy")).lines().map_while(Result::ok);
                    let path = lines.next().and_then(|line| Some(line.split(' ').nth(1)?.to_owned()));
                    for _ in lines.take_while(|line| !line.is_empty()) {}
                    let path = path.unwrap_or_default();
                    log.lock().expect("sound").push(path.clone());
                    match answer(&path) {
                        Some(bytes) => drop(stream.write_all(&bytes)),
                        // It hangs.
                        None => kept.push(stream),
                    }
                }
            });
            Self { _folder: folder, socket, asked }
        }
    }

    /// An answer with a body.
    pub(crate) fn answered(status: u16, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    const PATIENCE: Duration = Duration::from_millis(300);

    fn asked(answer: &'static [u8]) -> io::Result<(u16, Vec<u8>)> {
        let fake = Fake::new(move |_| Some(answer.to_vec()));
        let answer = get(&fake.socket, "/x", PATIENCE)?;
        Ok((answer.status, answer.body.whole(100)?))
    }

    #[test]
    fn bodies_of_all_kinds() {
        let good: [(&[u8], u16, &[u8]); 6] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", 200, b"hi"),
            (b"HTTP/1.0 404 No\r\n\r\nhi", 404, b"hi"),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=y\r\nyou\r\n0\r\n\r\n",
                200,
                b"hiyou",
            ),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 200, b""),
            (b"HTTP/1.1 204 Empty\r\n\r\n", 204, b""),
            (b"HTTP/1.1 500 Bad\nContent-Length: 0\n\n", 500, b""),
        ];
        for (answer, status, body) in good {
            assert_eq!(asked(answer).expect("answered"), (status, body.to_vec()));
        }
        let bad: [&[u8]; 14] = [
            b"",
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 999 X\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhi",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n                                                                                                                    ",
        ];
        for answer in bad {
            assert!(asked(answer).is_err(), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[test]
    fn one_that_hangs_or_never_ends_its_head() {
        let fake = Fake::new(|_| None);
        let error = get(&fake.socket, "/x", PATIENCE).err().expect("no answer");
        assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        let fake =
            Fake::new(|_| Some([b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(20_000)].concat()));
        let error = get(&fake.socket, "/x", PATIENCE).err().expect("no end");
        assert!(error.to_string().contains("head without end"), "{error}");
        assert!(get(Path::new("/no/such/socket"), "/x", PATIENCE).is_err());
        assert_eq!(encode("lab/go:1@sha256:a b?\r\n"), "lab/go:1@sha256:a%20b%3F%0D%0A");
    }
}
