//! Puts a built database into place: all or nothing, whatever happens meanwhile.
//!
//! Files are built in a folder of their own beside the ones in use, named after their content, and
//! moved in one by one: nothing refers to them yet. Then the index is replaced by one rename. A
//! crash at any point leaves the old index with all its files. What it does not do: build (`build`).

use crate::Error;
use crate::database::index::INDEX_FILE;
use crate::database::{Index, IndexShard};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const PREVIOUS_FILE: &str = "index.previous.json";
/// Ending of signed indexes as they were received.
const RECEIVED_SUFFIX: &str = ".swi";
const BUILD_PREFIX: &str = ".build-";

/// The right to change a database folder, and a place to build in. Dropping it removes what was
/// built and not committed.
pub struct Installation {
    folder: PathBuf,
    building: PathBuf,
    // Held for its lock, which the system releases even when the program is killed.
    _lock: File,
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { what, path: path.to_owned(), source }
}

impl Installation {
    /// Takes the lock, removes what dead builders left and makes a folder to build in.
    pub fn begin(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(failed("making", folder))?;
        let path = folder.join(LOCK_FILE);
        let options = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = options.map_err(failed("opening", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed("locking", &path)(source)),
        }
        for entry in std::fs::read_dir(folder).map_err(failed("listing", folder))? {
            let entry = entry.map_err(failed("listing", folder))?;
            if entry.file_name().to_string_lossy().starts_with(BUILD_PREFIX) {
                std::fs::remove_dir_all(entry.path()).map_err(failed("removing", &entry.path()))?;
            }
        }
        let building = folder.join(format!("{BUILD_PREFIX}{}", std::process::id()));
        std::fs::create_dir(&building).map_err(failed("making", &building))?;
        Ok(Self { folder: folder.to_owned(), building, _lock: lock })
    }
    /// Where to build.
    pub fn building(&self) -> &Path {
        &self.building
    }
    /// Makes the built shards, and no others, the database.
    pub fn commit(self, index: &Index) -> Result<(), Error> {
        let old = Index::read(&self.folder).ok().flatten();
        for shard in &index.shards {
            let built = self.building.join(&shard.file);
            if !shard.file.is_empty() && built.exists() {
                let target = self.folder.join(&shard.file);
                std::fs::rename(&built, &target).map_err(failed("moving into place", &target))?;
            }
        }
        if let Some(publication) = &index.publication {
            let built = self.building.join(&publication.file);
            if publication.file_is_sound() && built.exists() {
                let target = self.folder.join(&publication.file);
                std::fs::rename(&built, &target).map_err(failed("moving into place", &target))?;
            }
        }
        check_files(&self.folder, index)?;
        self.sync()?;
        if let Some((_, bytes)) = &old {
            self.replace(PREVIOUS_FILE, bytes)?;
        }
        let mut bytes = serde_json::to_vec_pretty(index)
            .map_err(io::Error::other)
            .map_err(failed("writing", &self.folder))?;
        bytes.push(b'\n');
        self.replace(INDEX_FILE, &bytes)?;
        self.sync()?;
        self.sweep(index, old.map(|(index, _)| index));
        Ok(())
    }
    /// Remembers something in a file of the folder, whether or not data are committed later.
    pub(crate) fn remember(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.replace(name, bytes)?;
        self.sync()
    }
    /// The database's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (built, target) = (self.building.join(name), self.folder.join(name));
        let write = || {
            let mut file = File::create_new(&built)?;
            file.write_all(bytes)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.sync_all()?;
            std::fs::rename(&built, &target)
        };
        write().map_err(failed("writing", &target))
    }
    fn sync(&self) -> Result<(), Error> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed("synchronising", &self.folder))
    }
    /// Removes data files that neither the index nor the one before it names. Failing is harmless: the
    /// next update tries again.
    fn sweep(&self, index: &Index, old: Option<Index>) {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for index in std::iter::once(index).chain(&old) {
            used.extend(index.shards.iter().map(|shard| shard.file.as_str()));
            used.extend(index.publication.iter().map(|publication| publication.file.as_str()));
        }
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_data = name.ends_with(".sw") || name.ends_with(RECEIVED_SUFFIX);
            if is_data && !used.contains(name.as_str()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Refuses to commit an index that names a file that is not there whole.
fn check_files(folder: &Path, index: &Index) -> Result<(), Error> {
    for IndexShard { file, bytes, .. } in index.shards.iter().filter(|shard| !shard.file.is_empty()) {
        let path = folder.join(file);
        let facts = std::fs::metadata(&path).map_err(failed("checking", &path))?;
        if facts.len() != *bytes {
            let source = io::Error::other("its size is not the one that was built");
            return Err(failed("checking", &path)(source));
        }
    }
    Ok(())
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.building);
    }
}
