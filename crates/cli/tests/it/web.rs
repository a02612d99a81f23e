//! A web server of a folder on the loopback that answers conditional and partial requests, and misbehaves
//! where it is told to.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Normal,
    /// This status and these lines.
    Status(u16, &'static str),
    /// So many bytes, then the end, although more were announced.
    Cut(usize),
    /// The same, the first time.
    CutOnce(usize),
    /// A redirect to itself.
    Loop,
    /// A redirect to there.
    To(&'static str),
    /// A web page.
    Page,
    /// Bytes without end.
    Endless,
    /// The first byte is another one.
    Flip,
    /// Nothing; the connection is closed.
    Reset,
}

#[derive(Default)]
struct State {
    faults: BTreeMap<&'static str, Answer>,
    asked: Vec<String>,
    bodies: usize,
}

/// The server.
pub struct Web {
    /// Its address, without a slash at its end.
    pub address: String,
    state: Arc<Mutex<State>>,
}

impl Web {
    /// Serves a folder for as long as the test runs.
    pub fn folder(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::<Mutex<State>>::default();
        let (ours, folder) = (Arc::clone(&state), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, folder) = (Arc::clone(&ours), folder.clone());
                std::thread::spawn(move || answer(stream, &state, &folder));
            }
        });
        Self { address, state }
    }
    /// Paths that hold this are answered so from now on.
    pub fn fault(&self, part: &'static str, answer: Answer) {
        self.state.lock().expect("sound").faults.insert(part, answer);
    }
    /// Files sent whole or in part since the last time.
    pub fn take_bodies(&self) -> usize {
        std::mem::take(&mut self.state.lock().expect("sound").bodies)
    }
    /// Paths asked for since the last time.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("sound").asked)
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>, folder: &Path) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let path = first
        .split(' ')
        .nth(1)
        .unwrap_or("/")
        .trim_start_matches('/')
        .replace("%20", " ")
        .replace("%3A", ":");
    let how = {
        let mut state = state.lock().expect("sound");
        state.asked.push(path.clone());
        let found = state.faults.iter_mut().find(|(part, _)| path.contains(**part));
        found.map_or(Answer::Normal, |(_, answer)| match answer {
            Answer::CutOnce(_) => std::mem::replace(answer, Answer::Normal),
            other => *other,
        })
    };
    let mut stream = stream;
    let (status, more) = match how {
        Answer::Status(status, lines) => (status, lines.to_owned()),
        Answer::Loop => (302, format!("Location: /{path}\r\n")),
        Answer::To(to) => (302, format!("Location: {to}\r\n")),
        Answer::Page => (200, "Content-Type: text/html\r\n".to_owned()),
        Answer::Reset => return Ok(()),
        Answer::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 65_536])?;
            }
        }
        _ => return file(stream, state, &folder.join(&path), &headers, how),
    };
    write!(stream, "HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

fn file(
    mut stream: TcpStream,
    state: &Mutex<State>,
    path: &PathBuf,
    headers: &BTreeMap<String, String>,
    how: Answer,
) -> io::Result<()> {
    let Ok(mut body) = fs::read(path) else {
        return write!(stream, "HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let tag = format!("\"{}\"", seaworthy_types::Digest::from_bytes(Sha256::digest(&body).into()).hex());
    if headers.get("if-none-match") == Some(&tag) {
        return write!(stream, "HTTP/1.1 304 X\r\nETag: {tag}\r\nConnection: close\r\n\r\n");
    }
    state.lock().expect("sound").bodies += 1;
    if let (Answer::Flip, Some(byte)) = (how, body.first_mut()) {
        *byte ^= 1;
    }
    let from =
        headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from = from.filter(|from: &usize| *from < body.len()).unwrap_or(0);
    let (status, range) = match from {
        0 => (200, String::new()),
        _ => (206, format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len())),
    };
    let rest = &body[from..];
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nETag: {tag}\r\n{range}Content-Length: {}\r\nConnection: close\r\n\r\n",
        rest.len()
    )?;
    let sent = match how {
        Answer::Cut(bytes) | Answer::CutOnce(bytes) => rest.get(..bytes).unwrap_or(rest),
        _ => rest,
    };
    stream.write_all(sent)
}
