//! A world of a test: everything named by the test, pauses noted instead of made.

use super::super::{Client, HelperOutput, Options, Patience, World};
use seaworthy_types::{ImageRef, Timestamp};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Fake {
    pub variables: BTreeMap<String, String>,
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// Program to whether it succeeds and what it says.
    pub helpers: BTreeMap<String, (bool, String)>,
    pub asked: Mutex<Vec<String>>,
    pub slept: Mutex<Vec<Duration>>,
    start: Instant,
}

impl Fake {
    pub fn new() -> Self {
        Self {
            variables: BTreeMap::new(),
            files: BTreeMap::new(),
            helpers: BTreeMap::new(),
            asked: Mutex::default(),
            slept: Mutex::default(),
            start: Instant::now(),
        }
    }
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }
    pub fn helper(mut self, program: &str, is_success: bool, output: &str) -> Self {
        self.helpers.insert(program.into(), (is_success, output.into()));
        self
    }
    pub fn pauses(&self) -> Vec<Duration> {
        self.slept.lock().expect("no panic").clone()
    }
}

impl World for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
    fn read(&self, path: &Path, _bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.get(path).cloned())
    }
    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        self.files.keys().filter(|path| path.parent() == Some(folder)).cloned().collect()
    }
    fn helper(&self, program: &str, input: &str) -> io::Result<HelperOutput> {
        self.asked.lock().expect("no panic").push(format!("{program} {input}"));
        let (is_success, output) =
            self.helpers.get(program).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(HelperOutput { is_success, output: output.into_bytes() })
    }
    fn clock(&self) -> Duration {
        self.start.elapsed() + self.pauses().iter().sum::<Duration>()
    }
    fn wall(&self) -> Timestamp {
        Timestamp::parse("2026-11-24T10:00:00Z").expect("valid")
    }
    fn sleep(&self, pause: Duration) {
        self.slept.lock().expect("no panic").push(pause);
    }
    fn random(&self) -> u64 {
        0
    }
}

/// Options for a registry in plain HTTP with little patience.
pub fn options() -> Options {
    Options {
        insecure_all: true,
        patience: Patience {
            connect: Duration::from_secs(5),
            answer: Duration::from_millis(300),
            stall: Duration::from_millis(300),
            document: Duration::from_secs(2),
            ..Patience::default()
        },
        ..Options::default()
    }
}

pub fn client(world: Fake) -> (Arc<Client>, Arc<Fake>) {
    client_with(options(), world)
}

pub fn client_with(options: Options, world: Fake) -> (Arc<Client>, Arc<Fake>) {
    let world = Arc::new(world);
    (Arc::new(Client::new(options, world.clone())), world)
}

pub fn image(authority: &str) -> ImageRef {
    ImageRef::parse(&format!("{authority}/team/app:1")).expect("valid")
}
