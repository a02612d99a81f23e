//! Container engines of this machine: the images and containers that Docker, Podman, containerd and CRI-O
//! hold. Their storage is read where this user may read it; else the sockets of Docker and Podman are
//! asked. Nothing is written, started, pulled or changed.
//!
//! Layers come as the bytes their digests name: put together again from unpacked files
//! ([`tarsplit`]) or out of a content store. What they mean is not known here.

mod beneath;
mod bolt;
mod containerd;
mod containers;
mod crc64;
mod docker;
mod error;
mod held;
mod http;
mod names;
mod place;
mod socket;
mod spool;
mod store;
mod tar;
mod tarsplit;
#[cfg(test)]
mod tests;
mod upper;

pub use error::Error;
pub use held::{Held, Made, NearReader};
pub use names::Listed;
pub use place::Surroundings;
pub use socket::Saved;

use socket::Socket;
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

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// Where its bytes are is known.
    Held(Box<Held>),
    /// The engine gives it as an archive.
    Saved(Box<Saved>),
}

/// Where an engine can be asked.
enum Source {
    Stored(Box<dyn Store>),
    Asked(Socket),
}

impl Source {
    fn engine(&self) -> Engine {
        match self {
            Self::Stored(store) => store.engine(),
            Self::Asked(socket) => socket.engine,
        }
    }
    fn place(&self) -> String {
        match self {
            Self::Stored(store) => store.place(),
            Self::Asked(socket) => socket.path.display().to_string(),
        }
    }
    fn images(&self) -> Result<Vec<Listed>, Error> {
        match self {
            Self::Stored(store) => store.images(),
            Self::Asked(socket) => socket.images(),
        }
    }
    fn image(&self, typed: &str) -> Result<Found, Error> {
        match self {
            Self::Stored(store) => {
                let all = store.images()?;
                let chosen = names::image(store.engine(), &all, typed)?;
                let mut held = store.image(chosen)?;
                if let Some(name) = chosen.names.iter().find(|name| names::is_name(name, typed)) {
                    held.name.clone_from(name);
                }
                Ok(Found::Held(Box::new(held)))
            }
            Self::Asked(socket) => socket.image(typed).map(|saved| Found::Saved(Box::new(saved))),
        }
    }
    fn containers(&self) -> Result<Vec<Listed>, Error> {
        match self {
            Self::Stored(store) => store.containers(),
            Self::Asked(socket) => socket.containers(),
        }
    }
    fn container(&self, listed: &Listed) -> Result<Held, Error> {
        match self {
            Self::Stored(store) => store.container(listed),
            Self::Asked(socket) => socket.container(listed),
        }
    }
}

/// Everything of an engine that may be asked, the best first: storage, then sockets; a named socket alone.
fn sources(engine: Engine, around: &Surroundings) -> Result<Vec<Source>, Error> {
    let host = match engine {
        Engine::Docker => around.docker_host.as_deref(),
        Engine::Podman => around.container_host.as_deref(),
        Engine::Containerd | Engine::Crio => None,
    };
    // Storage that was named is what is meant.
    let host = host.filter(|_| around.root.is_none());
    let sockets = socket::sockets(engine, around.socket.as_deref(), host, around.runtime.as_deref())?;
    let listens = sockets.all.into_iter().map(Source::Asked);
    if sockets.is_named {
        return Ok(listens.collect());
    }
    let found = place::stores(engine, around);
    let mut all: Vec<Source> = found.stores.into_iter().map(Source::Stored).collect();
    if around.root.is_none() {
        all.extend(listens);
    }
    match (all.is_empty(), found.error) {
        (true, Some(error)) => Err(error),
        _ => Ok(all),
    }
}

/// The image that a name means.
pub fn image(engine: Engine, name: &str, around: &Surroundings) -> Result<Found, Error> {
    let mut first = None;
    for source in sources(engine, around)? {
        match source.image(name) {
            // Another storage or the engine itself may know it.
            Err(error @ (Error::NoSuch { .. } | Error::Denied { .. } | Error::Socket { .. })) => {
                let is_better =
                    matches!((&first, &error), (Some(Error::Denied { .. }), Error::NoSuch { .. }));
                if first.is_none() || is_better {
                    first = Some(error);
                }
            }
            other => return other,
        }
    }
    Err(first.unwrap_or_else(|| place::nothing(engine, around)))
}

/// Every image, each by a name or id that [`image`] understands.
pub fn images(engine: Engine, around: &Surroundings) -> Result<Vec<String>, Error> {
    every(engine, around, Source::images)
}

/// Every container, running or not, each by a name or id that [`container`] understands.
pub fn containers(engine: Engine, around: &Surroundings) -> Result<Vec<String>, Error> {
    every(engine, around, Source::containers)
}

/// Labels of everything; a socket is asked only where no storage can be read.
fn every(
    engine: Engine,
    around: &Surroundings,
    list: impl Fn(&Source) -> Result<Vec<Listed>, Error>,
) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    let (mut is_stored, mut is_asked, mut failed) = (false, false, None);
    for source in sources(engine, around)? {
        let is_socket = matches!(source, Source::Asked(_));
        if is_socket && (is_stored || is_asked) {
            break;
        }
        match list(&source) {
            Ok(listed) => {
                all.extend(listed);
                is_stored |= !is_socket;
                is_asked |= is_socket;
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) if !is_stored && !is_asked => return Err(error),
        _ => {}
    }
    Ok(names::labels(&all))
}

/// The container that a name or id means; of any engine when none is named.
pub fn container(engine: Option<Engine>, name: &str, around: &Surroundings) -> Result<Held, Error> {
    let engines: Vec<Engine> = engine.map_or_else(|| Engine::ALL.to_vec(), |one| vec![one]);
    let mut known: Vec<(Source, Vec<Listed>)> = Vec::new();
    let mut failed = None;
    for one in engines {
        let sources = match sources(one, around) {
            Ok(sources) => sources,
            Err(error) if engine.is_some() => return Err(error),
            // The other engines may know it.
            Err(error) => {
                failed = failed.or(Some(error).filter(|error| !matches!(error, Error::NotFound { .. })));
                continue;
            }
        };
        let mut is_stored = false;
        for source in sources {
            // Podman and CRI-O may share one storage.
            let is_known = known.iter().any(|(other, _)| other.place() == source.place());
            if is_known || is_stored && matches!(source, Source::Asked(_)) {
                continue;
            }
            match source.containers() {
                Ok(listed) => {
                    is_stored |= matches!(source, Source::Stored(_));
                    known.push((source, listed));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    if known.is_empty() {
        return Err(failed.unwrap_or_else(|| place::no_engine(around)));
    }
    let mut found = Vec::new();
    let mut missed = None;
    for (source, listed) in &known {
        match names::container(source.engine().name().to_owned(), listed, name) {
            Ok(one) => found.push((source, one)),
            Err(error @ Error::Ambiguous { .. }) => return Err(error),
            Err(error) => missed = Some(error),
        }
    }
    let engines = known.iter().map(|(source, _)| source.engine().name()).collect::<Vec<_>>().join(", ");
    match found.as_slice() {
        [(source, one)] => source.container(one),
        [] => {
            // One that could not be asked may be the one that has it.
            if let Some(error) = failed {
                return Err(error);
            }
            let all: Vec<Listed> = known.iter().flat_map(|(_, listed)| listed.iter().cloned()).collect();
            match names::container(engines, &all, name) {
                Err(error) => Err(error),
                Ok(_) => Err(missed.unwrap_or_else(|| place::no_engine(around))),
            }
        }
        several => {
            let label = |(source, one): &(&Source, &Listed)| {
                format!("{}-container:{}", source.engine().name(), one.label())
            };
            let offered = several.iter().map(label).collect();
            Err(Error::Ambiguous { engine: engines, what: "container", name: name.to_owned(), offered })
        }
    }
}
