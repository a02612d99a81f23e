//! Where engines keep their storage: as told, as their configuration says, or where they do by default.

use super::Engine;
use super::containerd::Containerd;
use super::containers::Containers;
use super::docker::Docker;
use super::error::Error;
use super::store::{Store, denied};
use seaworthy_types::Platform;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What the person and the environment say.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The storage to read, instead of where the engine keeps it by default.
    pub root: Option<PathBuf>,
    /// The socket to ask, instead of reading storage.
    pub socket: Option<PathBuf>,
    /// The user's folder.
    pub home: Option<PathBuf>,
    /// The user's folder for sockets (XDG_RUNTIME_DIR).
    pub runtime: Option<PathBuf>,
    /// DOCKER_HOST.
    pub docker_host: Option<String>,
    /// CONTAINER_HOST, which is Podman's.
    pub container_host: Option<String>,
    /// Wished platform.
    pub platform: Option<Platform>,
}

/// What was found of an engine, and why there is not more.
pub(crate) struct Found {
    pub stores: Vec<Box<dyn Store>>,
    pub error: Option<Error>,
}

/// Nothing is there.
pub(crate) fn nothing(engine: Engine, around: &Surroundings) -> Error {
    Error::NotFound { engine: engine.name(), looked: looked(&[engine], around) }
}

/// No engine at all.
pub(crate) fn no_engine(around: &Surroundings) -> Error {
    Error::NotFound { engine: "a container engine", looked: looked(&Engine::ALL, around) }
}

fn looked(engines: &[Engine], around: &Surroundings) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for engine in engines {
        let places = match &around.root {
            Some(root) => vec![root.clone()],
            None => places(*engine, around.home.as_deref()),
        };
        all.extend(places.iter().map(|place| place.display().to_string()));
    }
    all.sort();
    all.dedup();
    all
}

/// The storages of an engine that this user may read.
pub(crate) fn stores(engine: Engine, around: &Surroundings) -> Found {
    let places = match &around.root {
        Some(root) => vec![root.clone()],
        None => places(engine, around.home.as_deref()),
    };
    let mut found = Found { stores: Vec::new(), error: None };
    for place in &places {
        match open(engine, place, around) {
            Ok(stores) => found.stores.extend(stores),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                found.error = Some(denied(engine, place.display().to_string()));
            }
            Err(source) => {
                found.error = Some(Error::Io { what: format!("opening `{}`", place.display()), source });
            }
        }
    }
    if found.stores.is_empty() && found.error.is_none() {
        found.error = Some(nothing(engine, around));
    }
    found
}

fn open(engine: Engine, place: &Path, around: &Surroundings) -> io::Result<Vec<Box<dyn Store>>> {
    fn boxed<S: Store + 'static>(store: Option<S>) -> Option<Box<dyn Store>> {
        store.map(|store| Box::new(store) as Box<dyn Store>)
    }
    let wanted = || around.platform.clone();
    let mut all = Vec::new();
    match engine {
        Engine::Docker => {
            all.extend(boxed(Docker::open(place)?));
            // Docker's images lie in a containerd where it is told so, and by default since version 29.
            let own = place.join("containerd/daemon");
            let shared =
                (place == Path::new("/var/lib/docker")).then(|| PathBuf::from("/var/lib/containerd"));
            for folder in [own].into_iter().chain(shared) {
                all.extend(boxed(Containerd::open_of_docker(&folder, place, wanted())?));
            }
        }
        Engine::Podman | Engine::Crio => all.extend(boxed(Containers::open(engine, place)?)),
        Engine::Containerd => all.extend(boxed(Containerd::open(place, wanted())?)),
    }
    Ok(all)
}

/// Where an engine's storage may be.
fn places(engine: Engine, home: Option<&Path>) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    let mut add = |place: PathBuf| {
        if !places.contains(&place) {
            places.push(place);
        }
    };
    match engine {
        Engine::Docker => {
            if let Some(root) = docker_root(Path::new("/etc/docker/daemon.json")) {
                add(root);
            }
            add("/var/lib/docker".into());
            home.into_iter().for_each(|home| add(home.join(".local/share/docker")));
        }
        Engine::Podman => {
            if let Some(home) = home.filter(|home| *home != Path::new("/root")) {
                let told = storage_conf(&home.join(".config/containers/storage.conf"));
                told.into_iter().for_each(&mut add);
                add(home.join(".local/share/containers/storage"));
            }
            storage_conf(Path::new("/etc/containers/storage.conf")).into_iter().for_each(&mut add);
            add("/var/lib/containers/storage".into());
        }
        Engine::Crio => {
            storage_conf(Path::new("/etc/containers/storage.conf")).into_iter().for_each(&mut add);
            add("/var/lib/containers/storage".into());
        }
        Engine::Containerd => {
            add("/var/lib/containerd".into());
            add("/var/lib/rancher/k3s/agent/containerd".into());
        }
    }
    places
}

/// `data-root` of dockerd's configuration.
fn docker_root(file: &Path) -> Option<PathBuf> {
    let bytes = small(file)?;
    let read: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let root = read.get("data-root").or_else(|| read.get("graph"))?.as_str()?;
    Some(PathBuf::from(root))
}

/// `graphroot` of a storage.conf (containers-storage.conf(5)), when it is written plainly.
fn storage_conf(file: &Path) -> Option<PathBuf> {
    let bytes = small(file)?;
    let text = std::str::from_utf8(&bytes).ok()?;
    text.lines().find_map(|line| {
        let value = line.trim().strip_prefix("graphroot")?.trim_start().strip_prefix('=')?.trim();
        let path = value.strip_prefix('"')?.split('"').next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    })
}

fn small(file: &Path) -> Option<Vec<u8>> {
    let meta = std::fs::metadata(file).ok()?;
    if meta.is_file() && meta.len() <= 1 << 20 { std::fs::read(file).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configured_places() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("conf");
        let write = |text: &str| std::fs::write(&file, text).expect("written");
        write("[storage]\n# graphroot = \"/no\"\n  graphroot = \"/srv/pods\" # here\n");
        assert_eq!(storage_conf(&file), Some("/srv/pods".into()));
        for odd in ["graphroot = pods", "graphroot", "graphroot = \"$HOME/x\"", "\u{0}", ""] {
            write(odd);
            assert_eq!(storage_conf(&file), None, "{odd}");
        }
        write("{\"data-root\": \"/srv/docker\"}");
        assert_eq!(docker_root(&file), Some("/srv/docker".into()));
        for odd in ["{\"data-root\": 1}", "{", "[]"] {
            write(odd);
            assert_eq!(docker_root(&file), None, "{odd}");
        }
        assert_eq!(docker_root(Path::new("/no/such")), None);
    }
}
