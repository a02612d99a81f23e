//! The layer cache: results by verified content, bounded, shared by any number of processes.
//!
//! Layout below the cache's folder (format version in the folder names):
//! - `layers-1/<key>`: facts of a layer; key = SHA-256 over diffID × unit versions × limits.
//! - `blobs-1/<digest>`: compressed digest → diffID, verified pairs only.
//! - `targets-1/<key>`: an archive seen before (device, inode, size, mtime, ctime) → its verified image.
//! - `sboms-1/<key>`: an SBOM seen before, by the same signs → what it says.
//! - `disks-1/<key>`: a disk seen before, by the same signs × unit versions × limits → its facts. A disk is
//!   not hashed: that would read all of it, while a walk reads what is wanted.
//!
//! Each file is `SWC1`, the CRC-32 and length of the payload, then zstd of a postcard value. Files
//! are written aside and renamed, so a reader sees a whole file or none, whenever a writer dies.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

const MAGIC: &[u8; 4] = b"SWC1";
/// A payload never inflates to more than this.
const ENTRY_BYTES_MAX: u64 = 512 << 20;
/// Files that a dead writer left are removed after this time.
const STALE: Duration = Duration::from_secs(3_600);
/// An entry's time of use is renewed at most this often.
const TOUCH: Duration = Duration::from_secs(3_600);

/// Kinds of entries, one folder each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Facts of a layer.
    Layer,
    /// Compressed digest to diffID.
    Blob,
    /// A known archive.
    Target,
    /// A known SBOM.
    Sbom,
    /// A known disk.
    Disk,
}

const KINDS: [Kind; 5] = [Kind::Layer, Kind::Blob, Kind::Target, Kind::Sbom, Kind::Disk];

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Layer => "layers-1",
            Self::Blob => "blobs-1",
            Self::Target => "targets-1",
            Self::Sbom => "sboms-1",
            Self::Disk => "disks-1",
        }
    }
}

/// An opened cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    bytes_max: u64,
}

impl Cache {
    /// Opens or makes the cache below `root`, holding at most `bytes_max` bytes.
    pub fn open(root: &Path, bytes_max: u64) -> io::Result<Self> {
        for kind in KINDS {
            fs::create_dir_all(root.join(kind.folder()))?;
        }
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(root, fs::Permissions::from_mode(0o700))?;
        Ok(Self { root: root.to_owned(), bytes_max })
    }

    /// A key from the parts of what it stands for.
    pub fn key(parts: &[&[u8]]) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        seaworthy_types::Digest::from_bytes(hash.finalize().into()).hex()
    }

    fn path(&self, kind: Kind, key: &str) -> PathBuf {
        self.root.join(kind.folder()).join(key)
    }

    /// The entry, when there is a sound one; a damaged one is removed.
    pub fn get<T: DeserializeOwned>(&self, kind: Kind, key: &str) -> Option<T> {
        let path = self.path(kind, key);
        let mut file = File::open(&path).ok()?;
        let value = decode(&mut file);
        if value.is_none() {
            let _ = fs::remove_file(&path);
            return None;
        }
        let used = file.metadata().and_then(|meta| meta.modified());
        if used.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > TOUCH)) {
            let _ = file.set_modified(SystemTime::now());
        }
        value
    }

    /// Stores an entry. A failure (full disk, no permission) loses the entry and nothing else.
    pub fn put<T: Serialize>(&self, kind: Kind, key: &str, value: &T) -> io::Result<()> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let aside = self.path(kind, &format!("tmp-{}-{number}", std::process::id()));
        let written = encode(value).and_then(|bytes| {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&aside)?;
            file.write_all(&bytes)
        });
        match written.and_then(|()| fs::rename(&aside, self.path(kind, key))) {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = fs::remove_file(&aside);
                Err(error)
            }
        }
    }

    /// Removes what dead writers left, then the entries used longest ago until the bound holds.
    pub fn trim(&self) {
        let now = SystemTime::now();
        let mut files = Vec::new();
        let mut total = 0u64;
        for kind in KINDS {
            let Ok(entries) = fs::read_dir(self.root.join(kind.folder())) else { continue };
            for entry in entries.flatten() {
                let Ok(meta) = entry.metadata() else { continue };
                let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let aside = entry.file_name().to_string_lossy().starts_with("tmp-");
                if aside {
                    if now.duration_since(used).is_ok_and(|age| age > STALE) {
                        let _ = fs::remove_file(entry.path());
                    }
                    continue;
                }
                // A file takes a block at least.
                let bytes = meta.len().next_multiple_of(4_096);
                total += bytes;
                files.push((used, bytes, entry.path()));
            }
        }
        if total <= self.bytes_max {
            return;
        }
        files.sort();
        for (_, bytes, path) in files {
            if total <= self.bytes_max / 10 * 9 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
    }

    /// Removes every entry; gives the number of bytes freed.
    pub fn clear(&self) -> io::Result<u64> {
        let mut freed = 0;
        for kind in KINDS {
            for entry in fs::read_dir(self.root.join(kind.folder()))? {
                let entry = entry?;
                freed += entry.metadata().map_or(0, |meta| meta.len());
                fs::remove_file(entry.path())?;
            }
        }
        Ok(freed)
    }
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let plain = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let payload = zstd::bulk::compress(&plain, 1)?;
    let mut bytes = Vec::with_capacity(payload.len() + 20);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&(plain.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(file: &mut File) -> Option<T> {
    let mut bytes = Vec::new();
    file.take(ENTRY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (length, payload) = rest.split_first_chunk::<8>()?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let length = u64::from_le_bytes(*length);
    if length > ENTRY_BYTES_MAX {
        return None;
    }
    let plain = zstd::bulk::decompress(payload, usize::try_from(length).ok()?).ok()?;
    postcard::from_bytes(&plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(bytes_max: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("folder");
        let cache = Cache::open(folder.path(), bytes_max).expect("cache");
        (folder, cache)
    }

    #[test]
    fn stores_and_finds() {
        let (_folder, cache) = cache(1 << 20);
        let key = Cache::key(&[b"a", b"bc"]);
        assert_ne!(key, Cache::key(&[b"ab", b"c"]));
        assert_eq!(cache.get::<String>(Kind::Layer, &key), None);
        cache.put(Kind::Layer, &key, &"facts".to_owned()).expect("put");
        assert_eq!(cache.get::<String>(Kind::Layer, &key).as_deref(), Some("facts"));
        assert_eq!(cache.get::<String>(Kind::Blob, &key), None);
    }

    #[test]
    fn damage_is_a_miss_and_is_removed() {
        let (_folder, cache) = cache(1 << 20);
        cache.put(Kind::Layer, "k", &"x".repeat(5_000)).expect("put");
        let path = cache.path(Kind::Layer, "k");
        let sound = fs::read(&path).expect("read");
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).expect("write");
            assert_ne!(cache.get::<String>(Kind::Layer, "k").as_deref(), Some(""));
        }
        fs::write(&path, &sound[..sound.len() - 1]).expect("write");
        assert_eq!(cache.get::<String>(Kind::Layer, "k"), None);
        assert!(!path.exists());
    }

    #[test]
    fn is_bounded_and_forgets_the_oldest() {
        let (_folder, cache) = cache(10 * 4_096);
        for index in 0..20u64 {
            let key = format!("{index:02}");
            cache.put(Kind::Layer, &key, &index).expect("put");
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + index);
            File::open(cache.path(Kind::Layer, &key)).expect("open").set_modified(time).expect("time");
        }
        let aside = cache.path(Kind::Layer, "tmp-1-1");
        fs::write(&aside, b"left by a dead writer").expect("write");
        File::open(&aside).expect("open").set_modified(SystemTime::UNIX_EPOCH).expect("time");
        cache.trim();
        assert!(!aside.exists());
        assert_eq!(cache.get::<u64>(Kind::Layer, "00"), None);
        assert_eq!(cache.get::<u64>(Kind::Layer, "19"), Some(19));
        let left = fs::read_dir(cache.root.join("layers-1")).expect("folder").count();
        assert_eq!(left, 9);
    }
}
