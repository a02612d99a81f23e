//! What the registry client takes from its surroundings: environment, small files, the clock, pauses,
//! chance and credential helpers. One trait, so that tests bring their own world.

use seaworthy_types::Timestamp;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// The surroundings of a client.
pub trait World: Send + Sync {
    /// An environment variable; empty ones count as absent.
    fn variable(&self, name: &str) -> Option<String>;
    /// A file of at most `bytes_max` bytes; `None` when there is none.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>>;
    /// The files of a folder, sorted; none when there is no folder.
    fn list(&self, folder: &Path) -> Vec<PathBuf>;
    /// Runs `program get` with `input` on its standard input (the protocol of Docker's credential
    /// helpers).
    fn helper(&self, program: &str, input: &str) -> io::Result<HelperOutput>;
    /// Time that only grows, from any start.
    fn clock(&self) -> Duration;
    /// The time of day.
    fn wall(&self) -> Timestamp;
    /// Pauses.
    fn sleep(&self, pause: Duration);
    /// Chance, for spreading tries over time; nothing secret depends on it.
    fn random(&self) -> u64;
}

/// What a credential helper said.
#[derive(Clone)]
pub struct HelperOutput {
    /// Whether it ended with 0.
    pub is_success: bool,
    /// What it wrote: secrets.
    pub output: Vec<u8>,
}

/// The real world.
#[derive(Debug, Default, Clone, Copy)]
pub struct System;

impl World for System {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max {
            return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
        }
        Ok(Some(bytes))
    }

    fn list(&self, folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).take(1_000).collect();
        paths.sort();
        paths
    }

    fn helper(&self, program: &str, input: &str) -> io::Result<HelperOutput> {
        super::helper::run(program, input, super::helper::PATIENCE)
    }

    fn clock(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn wall(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }

    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}
