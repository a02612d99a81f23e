//! Images and containers that engines on this machine hold: which words name one, and how their bytes
//! come into a scan.

use super::setup::Chosen;
use super::targets::Planned;
use crate::arguments::EngineArguments;
use anyhow::{Result, bail};
use seaworthy_image::host_platform;
use seaworthy_net::engine::{self, Engine, Found, Held, NearReader, Saved, Surroundings};
use seaworthy_scan::{Archive, Elsewhere, Made, Near, TargetSpec};
use seaworthy_types::{Digest, Note, Platform, TargetKind};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// What is wanted of engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// An image by name, or all when it is empty.
    Image(Engine, String),
    /// A container by name or id, of one engine or of any.
    Container(Option<Engine>, String),
}

/// What a target names in an engine: by its prefix and nothing else. Nothing is opened.
pub fn named(target: &str) -> Option<Wanted> {
    let (prefix, name) = target.split_once(':')?;
    let name = name.to_owned();
    if prefix == "container" {
        return Some(Wanted::Container(None, name));
    }
    Engine::ALL.into_iter().find_map(|engine| {
        if prefix == engine.name() {
            return Some(Wanted::Image(engine, name.clone()));
        }
        let of_engine = prefix.strip_suffix("-container")? == engine.name();
        of_engine.then(|| Wanted::Container(Some(engine), name.clone()))
    })
}

/// What the environment and the arguments say about engines.
pub fn surroundings(arguments: &EngineArguments, platform: Option<Platform>) -> Surroundings {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Surroundings {
        root: arguments.engine_root.clone(),
        socket: arguments.socket.clone(),
        home: folder("HOME"),
        runtime: folder("XDG_RUNTIME_DIR"),
        docker_host: std::env::var("DOCKER_HOST").ok(),
        container_host: std::env::var("CONTAINER_HOST").ok(),
        platform: Some(platform.unwrap_or_else(host_platform)),
    }
}

/// The targets of one word: all images or containers of an engine with `--all`, else the named one.
pub fn planned(
    arguments: &EngineArguments,
    text: &str,
    wanted: Wanted,
    platform: Option<Platform>,
) -> Result<Vec<Planned>> {
    let around = surroundings(arguments, platform);
    let one = |text: String, wanted: Wanted| {
        let around = around.clone();
        Planned::new(text.clone(), move || find(&text, &wanted, &around))
    };
    if !arguments.all {
        let (Wanted::Image(_, name) | Wanted::Container(_, name)) = &wanted;
        if name.is_empty() {
            bail!("`{text}` names nothing: write a name behind it, or --all for everything it holds");
        }
        return Ok(vec![one(text.to_owned(), wanted)]);
    }
    Ok(match wanted {
        Wanted::Image(engine, name) if name.is_empty() => engine::images(engine, &around)?
            .into_iter()
            .map(|name| one(format!("{}:{name}", engine.name()), Wanted::Image(engine, name)))
            .collect(),
        Wanted::Container(Some(engine), name) if name.is_empty() => engine::containers(engine, &around)?
            .into_iter()
            .map(|name| {
                one(format!("{}-container:{name}", engine.name()), Wanted::Container(Some(engine), name))
            })
            .collect(),
        _ => bail!(
            "--all wants an engine alone: `docker:`, `podman:`, `containerd:`, `crio:`, or `docker-container:` and so on for its containers"
        ),
    })
}

fn find(text: &str, wanted: &Wanted, around: &Surroundings) -> Result<Chosen> {
    let found = match wanted {
        Wanted::Image(engine, name) => engine::image(*engine, name, around)?,
        Wanted::Container(engine, name) => Found::Held(Box::new(engine::container(*engine, name, around)?)),
    };
    // The engine was asked by platform; nothing is left to choose.
    let mut chosen = Chosen { spec: TargetSpec::parse(text), image: None, archive: None, platform: None };
    match found {
        Found::Held(held) => chosen.image = Some(Arc::new(Local(*held))),
        Found::Saved(saved) => chosen.archive = Some(Arc::new(Remote(*saved))),
    }
    Ok(chosen)
}

/// An image that an engine gives as an archive.
struct Remote(Saved);

impl Archive for Remote {
    fn identity(&self) -> String {
        self.0.identity.clone()
    }
    fn notes(&self) -> Vec<Note> {
        self.0.notes.clone()
    }
    fn file(&self) -> io::Result<File> {
        self.0.file()
    }
}

/// An image or container that an engine holds.
struct Local(Held);

impl Elsewhere for Local {
    fn manifest(&self) -> (&[u8], Digest) {
        (&self.0.manifest, self.0.digest)
    }
    fn name(&self) -> String {
        self.0.name.clone()
    }
    fn blobs(&self) -> Vec<(Digest, u64)> {
        self.0.blobs()
    }
    fn read(&self, digest: Digest, _: u64, verifies: bool) -> io::Result<Box<dyn Read + Send>> {
        self.0.read(digest, verifies)
    }
    fn near(&self, digest: Digest) -> Option<io::Result<Box<dyn Near>>> {
        Some(self.0.near(digest).map(|reader| Box::new(Here(reader)) as Box<dyn Near>))
    }
    fn is_near(&self) -> bool {
        true
    }
    fn kind(&self) -> TargetKind {
        if self.0.is_container { TargetKind::Container } else { TargetKind::Engine }
    }
    fn made(&self) -> Made {
        match self.0.made {
            engine::Made::Nothing => Made::Nothing,
            engine::Made::Manifest => Made::Manifest,
            engine::Made::Configuration => Made::Configuration,
        }
    }
    fn notes(&self) -> Vec<Note> {
        self.0.notes.clone()
    }
}

/// A blob of it.
struct Here(NearReader);

impl Read for Here {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Near for Here {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.0.skip(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_nothing_else() {
        assert_eq!(named("docker:alpine:3"), Some(Wanted::Image(Engine::Docker, "alpine:3".into())));
        assert_eq!(named("crio:"), Some(Wanted::Image(Engine::Crio, String::new())));
        assert_eq!(named("container:web"), Some(Wanted::Container(None, "web".into())));
        let of_podman = Wanted::Container(Some(Engine::Podman), "web".into());
        assert_eq!(named("podman-container:web"), Some(of_podman));
        for other in ["docker", "docker-archive:x", "dockers:x", "alpine:3", "x-container:y", "dir:docker:x"]
        {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
