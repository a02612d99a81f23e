//! An HTTP server on loopback whose answers are whatever a test writes.

use rustix::net::sockopt::set_socket_linger;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub bytes: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
    /// First byte of a `Range`.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes="));
        range.and_then(|range| range.strip_suffix('-')?.parse().ok()).unwrap_or(0)
    }
}

pub struct Server {
    pub authority: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// Every request goes to `answer`, which writes to the connection; it is closed then.
    pub fn new(answer: impl Fn(&Seen, &mut Wire) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let authority = listener.local_addr().expect("address").to_string();
        let (seen, is_over) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::<AtomicBool>::default());
        let (noted, over, answer) = (Arc::clone(&seen), Arc::clone(&is_over), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (noted, over, answer) = (Arc::clone(&noted), Arc::clone(&over), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(request) = read(&stream) else { return };
                    noted.lock().expect("no panic").push(request.clone());
                    // The client may have gone: that is often what is tested.
                    let _ = answer(&request, &mut Wire { stream, over });
                });
            }
        });
        Self { authority, seen, is_over }
    }
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
    /// How many requests had this in their target.
    pub fn count(&self, part: &str) -> usize {
        self.seen().iter().filter(|seen| seen.target.contains(part)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.authority);
    }
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    if headers.get("expect").is_some_and(|value: &String| value == "100-continue") {
        let mut output = stream;
        output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).ok()?;
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Some(Seen { method, target, headers, body, bytes })
}

/// The connection to the client.
pub struct Wire {
    stream: TcpStream,
    over: Arc<AtomicBool>,
}

impl Wire {
    /// A whole answer; lines are `name: value`.
    pub fn answer(&mut self, status: u16, lines: &[&str], body: &[u8]) -> io::Result<()> {
        self.head(status, lines, Some(body.len()))?;
        self.stream.write_all(body)
    }
    pub fn head(&mut self, status: u16, lines: &[&str], length: Option<usize>) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        for line in lines {
            head.push_str(&format!("{line}\r\n"));
        }
        if let Some(length) = length {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        self.stream.write_all(format!("{head}\r\n").as_bytes())
    }
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }
    pub fn manifest(&mut self, body: &[u8]) -> io::Result<()> {
        self.answer(200, &["content-type: application/vnd.oci.image.manifest.v1+json"], body)
    }
    /// Says nothing until the test is over.
    pub fn hang(&mut self) {
        while !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    /// Resets instead of closing.
    pub fn reset(&mut self) {
        let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
        // What was sent must have arrived; a reset may throw it away else.
        std::thread::sleep(Duration::from_millis(30));
    }
}
