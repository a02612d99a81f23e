//! Container engines of this machine: the images and containers that Docker, Podman, containerd and CRI-O
//! hold. Their storage is read where this user may read it; else the sockets of Docker and Podman are
//! asked. Nothing is written, started, pulled or changed.
//!
//! Layers come as the bytes their digests name: put together again from unpacked files
//! ([`tarsplit`]) or out of a content store. What they mean is not known here.

mod beneath;
mod containers;
mod crc64;
mod docker;
mod error;
mod held;
mod names;
mod place;
mod spool;
mod store;
mod tar;
mod tarsplit;
mod upper;

pub use error::Error;
pub use held::{Held, Made};
pub use names::Listed;
pub use place::Surroundings;

use place::Found;
use store::Store;

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// dockerd.
    Docker,
    /// podman.
    Podman,
    /// containerd.
    Containerd,
    /// CRI-O.
    Crio,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Docker, Self::Podman, Self::Containerd, Self::Crio];

    /// Its name, also in front of a target: `docker:alpine`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "containerd",
            Self::Crio => "crio",
        }
    }

    /// The program that people work with.
    const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Containerd => "ctr",
            Self::Crio => "skopeo",
        }
    }
}

/// The image that a name means.
pub fn image(engine: Engine, name: &str, around: &Surroundings) -> Result<Held, Error> {
    let stores = place::stores(engine, around).found()?;
    let mut listed = Vec::new();
    for (at, store) in stores.iter().enumerate() {
        listed.extend(store.images()?.into_iter().map(|one| (at, one)));
    }
    let all: Vec<Listed> = listed.iter().map(|(_, one)| one.clone()).collect();
    let chosen = names::image(engine, &all, name)?;
    let place = all.iter().position(|one| std::ptr::eq(one, chosen)).unwrap_or(0);
    let at = listed.get(place).map_or(0, |(at, _)| *at);
    let store = stores.get(at).ok_or_else(|| place::nothing(engine))?;
    let mut held = store.image(chosen)?;
    if let Some(first) = chosen.names.iter().find(|one| names::is_name(one, name)) {
        held.name = first.clone();
    }
    Ok(held)
}

/// Every image, each by a name or id that [`image`] understands.
pub fn images(engine: Engine, around: &Surroundings) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for store in place::stores(engine, around).found()? {
        all.extend(store.images()?.iter().map(Listed::label));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// The container that a name or id means; of any engine when none is named.
pub fn container(engine: Option<Engine>, name: &str, around: &Surroundings) -> Result<Held, Error> {
    let engines: Vec<Engine> = engine.map_or_else(|| Engine::ALL.to_vec(), |one| vec![one]);
    let mut places: Vec<String> = Vec::new();
    let mut known: Vec<(Box<dyn Store>, Vec<Listed>)> = Vec::new();
    let mut failed = None;
    for engine in engines {
        let Found { stores, error } = place::stores(engine, around);
        failed = failed.or(error.filter(|error| matches!(error, Error::Denied { .. })));
        for store in stores {
            // Podman and CRI-O may share one storage.
            if !places.contains(&store.place()) {
                places.push(store.place());
                let listed = store.containers()?;
                known.push((store, listed));
            }
        }
    }
    if known.is_empty() {
        return Err(failed.unwrap_or_else(|| match engine {
            Some(engine) => place::nothing(engine),
            None => place::no_engine(),
        }));
    }
    let engines = known.iter().map(|(store, _)| store.engine().name()).collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    let mut missed = None;
    for (store, listed) in &known {
        match names::container(store.engine().name().to_owned(), listed, name) {
            Ok(one) => found.push((store, one)),
            Err(error @ Error::Ambiguous { .. }) => return Err(error),
            Err(error) => missed = Some(error),
        }
    }
    match (found.as_slice(), missed) {
        ([(store, one)], _) => store.container(one),
        ([], Some(Error::NoSuch { .. })) => {
            let all: Vec<Listed> = known.iter().flat_map(|(_, listed)| listed.iter().cloned()).collect();
            names::container(engines, &all, name).map(|_| ()).map_or_else(Err, |()| Err(place::no_engine()))
        }
        ([], missed) => Err(missed.unwrap_or_else(place::no_engine)),
        (several, _) => {
            let offered = several
                .iter()
                .map(|(store, one)| format!("{}-container:{}", store.engine().name(), one.label()))
                .collect();
            Err(Error::Ambiguous { engine: engines, what: "container", name: name.to_owned(), offered })
        }
    }
}

/// Every container, each by an id that [`container`] understands.
pub fn containers(engine: Engine, around: &Surroundings) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for store in place::stores(engine, around).found()? {
        all.extend(store.containers()?.iter().map(Listed::label));
    }
    all.sort();
    all.dedup();
    Ok(all)
}
