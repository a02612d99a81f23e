//! Asking Docker or Podman over their socket (Docker Engine API from 1.24 on; Podman speaks it too): for
//! those who may not read the storage. An image comes as the archive that `docker save` gives, and only
//! when its layers are not known; a container as the one layer that `docker export` gives, in which its
//! image's layers cannot be told apart.

use super::Engine;
use super::error::Error;
use super::held::{Held, Layer, Made, Place};
use super::http::{self, Body};
use super::names::{self, Listed, short};
use super::spool::{Spool, unnamed};
use super::store::{UNIT, clipped};
use seaworthy_types::Note;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long bytes of an archive are waited for: an engine may write all of it aside first.
const PATIENCE_ARCHIVE: Duration = Duration::from_secs(600);
/// Bytes of an answer that is a record.
const RECORD_BYTES_MAX: u64 = 64 << 20;
/// Bytes of an archive.
const ARCHIVE_BYTES_MAX: u64 = 64 << 30;

/// An engine behind a socket.
#[derive(Debug, Clone)]
pub(crate) struct Socket {
    pub engine: Engine,
    pub path: PathBuf,
}

/// An image that the engine gives as an archive when it is needed.
#[derive(Debug)]
pub struct Saved {
    /// Its name for people.
    pub name: String,
    /// What is another one when the image is.
    pub identity: String,
    /// What people should know.
    pub notes: Vec<Note>,
    socket: Socket,
    ask: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawImage {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawInspected {
    id: String,
    #[serde(rename = "RootFS", default)]
    root_fs: RawRootFs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawRootFs {
    layers: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawContainer {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawInspectedContainer {
    config: RawConfig,
    mounts: Option<Vec<RawMount>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawConfig {
    image: String,
    user: Option<String>,
    cmd: Option<Value>,
    entrypoint: Option<Value>,
    labels: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RawMount {
    destination: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawChange {
    #[serde(default)]
    kind: u8,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawFault {
    message: String,
}

impl Socket {
    fn failed(&self, error: &io::Error) -> Error {
        let why = match error.kind() {
            ErrorKind::PermissionDenied => {
                let advice = "run the scan as root, or as a user who may use the engine (for Docker the group `docker`).";
                return Error::Denied {
                    engine: self.engine.name(),
                    place: self.path.display().to_string(),
                    advice: advice.into(),
                };
            }
            ErrorKind::NotFound => "there is no such socket; is the engine running?".to_owned(),
            ErrorKind::ConnectionRefused => "nobody listens; the engine is not running".to_owned(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                "it does not answer in time; is the engine busy or stuck?".to_owned()
            }
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "it broke the connection off; see the engine's log".to_owned()
            }
            _ => error.to_string(),
        };
        Error::Socket { engine: self.engine.name(), socket: self.path.display().to_string(), why }
    }

    /// A body, when the engine says that all is well.
    fn ask(&self, path: &str, patience: Duration) -> Result<Body, Error> {
        let answer = http::get(&self.path, path, patience).map_err(|error| self.failed(&error))?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let body = answer.body.whole(64 << 10).unwrap_or_default();
        let said: RawFault = serde_json::from_slice(&body).unwrap_or_default();
        let said: String = said.message.chars().filter(|c| !c.is_control()).take(300).collect();
        let path = path.split('?').next().unwrap_or(path);
        let why = match said.is_empty() {
            true => format!("it answered {} when it was asked for {path}", answer.status),
            false => format!("it answered {} when it was asked for {path}: {said}", answer.status),
        };
        Err(Error::Socket { engine: self.engine.name(), socket: self.path.display().to_string(), why })
    }

    fn record<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let bytes = self.ask(path, PATIENCE)?.whole(RECORD_BYTES_MAX).map_err(|error| self.failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let why = format!(
                "its answer about {} is not what engines say ({error})",
                path.split('?').next().unwrap_or(path)
            );
            Error::Socket { engine: self.engine.name(), socket: self.path.display().to_string(), why }
        })
    }

    /// Every image.
    pub fn images(&self) -> Result<Vec<Listed>, Error> {
        let images: Vec<RawImage> = self.record("/images/json")?;
        let is_name = |name: &String| !name.contains("<none>");
        let listed = |image: RawImage| {
            let names = image.repo_tags.into_iter().chain(image.repo_digests).flatten().filter(is_name);
            Listed { id: image.id, names: names.collect() }
        };
        Ok(images.into_iter().map(listed).collect())
    }

    /// The image that a name means; its archive is not asked for yet.
    pub fn image(&self, typed: &str) -> Result<Saved, Error> {
        let all = self.images()?;
        let chosen = names::image(self.engine, &all, typed)?;
        let inspected: RawInspected = self.record(&format!("/images/{}/json", http::encode(&chosen.id)))?;
        let layers = inspected.root_fs.layers.unwrap_or_default();
        let name = chosen.names.iter().find(|name| names::is_name(name, typed)).cloned();
        let name = name.unwrap_or_else(|| chosen.label());
        let identity = format!("{} {} {name}", inspected.id, layers.join(" "));
        let detail = format!(
            "{} was asked for the image over its socket; reading its storage as root is faster",
            self.engine.name()
        );
        // By a name the archive says it too.
        let ask = if chosen.names.contains(&name) { name.clone() } else { chosen.id.clone() };
        Ok(Saved {
            notes: vec![Note::info("engine-socket", UNIT, &name, detail)],
            name,
            identity,
            socket: self.clone(),
            ask: format!("/images/{}/get", http::encode(&ask)),
        })
    }

    /// Every container, running or not.
    pub fn containers(&self) -> Result<Vec<Listed>, Error> {
        let containers: Vec<RawContainer> = self.record("/containers/json?all=1")?;
        let listed = |one: RawContainer| {
            let names = one.names.unwrap_or_default().into_iter();
            Listed { id: one.id, names: names.map(|name| name.trim_start_matches('/').to_owned()).collect() }
        };
        Ok(containers.into_iter().map(listed).collect())
    }

    /// One of them, as one layer.
    pub fn container(&self, listed: &Listed) -> Result<Held, Error> {
        let id = http::encode(&listed.id);
        let inspected: RawInspectedContainer = self.record(&format!("/containers/{id}/json"))?;
        let changes: Option<Vec<RawChange>> = self.record(&format!("/containers/{id}/changes"))?;
        let body = self.ask(&format!("/containers/{id}/export"), PATIENCE_ARCHIVE)?;
        let name = format!("{} ({}, {})", listed.label(), short(&listed.id), self.engine.name());
        let kept = Spool::new(ARCHIVE_BYTES_MAX).and_then(|mut spool| {
            io::copy(&mut body.take(ARCHIVE_BYTES_MAX + 1), &mut spool)?;
            spool.finish()
        });
        let kept = kept.map_err(|error| self.failed(&error))?;
        let RawConfig { image, user, cmd, entrypoint, labels } = inspected.config;
        let config = json!({
            "os": "linux",
            "config": { "User": user, "Cmd": cmd, "Entrypoint": entrypoint, "Labels": labels },
            "history": [{ "created_by": format!("files of container {name}") }],
            "rootfs": { "type": "layers", "diff_ids": [kept.digest.to_string()] },
        });
        let layer = Layer::plain(kept.digest, kept.size, Place::Spool(kept.file));
        let mut held =
            Held::made(name.clone(), config.to_string().into_bytes(), &[layer], Made::Configuration);
        held.is_container = true;
        let count = |kind: u8| changes.iter().flatten().filter(|change| change.kind == kind).count();
        let detail = format!(
            "since it was made from {image}: {} paths added, {} changed, {} deleted; which findings came since \
             cannot be told over the socket, reading the storage as root can",
            count(1),
            count(0),
            count(2)
        );
        held.notes.push(Note::info("container-changes", UNIT, &name, detail));
        let mounts: Vec<String> =
            inspected.mounts.into_iter().flatten().map(|mount| mount.destination).collect();
        if !mounts.is_empty() {
            let detail = format!("mounted from outside and therefore not scanned: {}", clipped(&mounts));
            held.notes.push(Note::info("container-mounts", UNIT, &name, detail));
        }
        Ok(held)
    }
}

impl Saved {
    /// The archive, in a file without a name.
    pub fn file(&self) -> io::Result<File> {
        let said = |error: Error| io::Error::other(error.to_string());
        let body = self.socket.ask(&self.ask, PATIENCE_ARCHIVE).map_err(said)?;
        let mut file = unnamed(&std::env::temp_dir())?;
        let count = io::copy(&mut body.take(ARCHIVE_BYTES_MAX + 1), &mut file)
            .map_err(|error| said(self.socket.failed(&error)))?;
        if count > ARCHIVE_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "the archive has more than 64 GB"));
        }
        Ok(file)
    }
}

/// Sockets of an engine, and whether they were named.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub all: Vec<Socket>,
    pub is_named: bool,
}

/// Where an engine listens: as told, as the environment says, or where it does by default.
pub(crate) fn sockets(
    engine: Engine,
    told: Option<&Path>,
    host: Option<&str>,
    runtime: Option<&Path>,
) -> Result<Sockets, Error> {
    let defaults: Vec<PathBuf> = match engine {
        Engine::Docker => {
            let own = runtime.map(|folder| folder.join("docker.sock"));
            own.into_iter().chain(["/var/run/docker.sock".into(), "/run/docker.sock".into()]).collect()
        }
        Engine::Podman => {
            let own = runtime.map(|folder| folder.join("podman/podman.sock"));
            own.into_iter().chain(["/run/podman/podman.sock".into()]).collect()
        }
        Engine::Containerd | Engine::Crio => Vec::new(),
    };
    let named = |path: PathBuf| Sockets { all: vec![Socket { engine, path }], is_named: true };
    if let Some(told) = told {
        return match engine {
            Engine::Docker | Engine::Podman => Ok(named(told.to_owned())),
            Engine::Containerd | Engine::Crio => Err(Error::Socket {
                engine: engine.name(),
                socket: told.display().to_string(),
                why: "its socket is not spoken to; its storage is read instead, as root (--engine-root)"
                    .into(),
            }),
        };
    }
    if let Some(host) = host.filter(|host| !host.is_empty() && !defaults.is_empty()) {
        let Some(path) = host.strip_prefix("unix://").filter(|path| path.starts_with('/')) else {
            let host: String = host.split('@').next_back().unwrap_or(host).chars().take(200).collect();
            return Err(Error::Socket {
                engine: engine.name(),
                socket: host,
                why: "only engines of this machine are asked (unix:///…); unset DOCKER_HOST or CONTAINER_HOST, or \
                      save the image there and scan the archive"
                    .into(),
            });
        };
        if !defaults.iter().any(|default| default == Path::new(path)) {
            return Ok(named(path.into()));
        }
    }
    let all = defaults.into_iter().filter(|path| std::fs::symlink_metadata(path).is_ok());
    Ok(Sockets { all: all.map(|path| Socket { engine, path }).collect(), is_named: false })
}

#[cfg(test)]
mod tests {
    use super::super::http::tests::{Fake, answered};
    use super::*;

    const IMAGES: &[u8] =
        br#"[{"Id":"sha256:aaaa","RepoTags":["lab/go:1"],"RepoDigests":["lab/go@sha256:bb"]},
        {"Id":"sha256:cccc","RepoTags":["<none>:<none>"]},{"Id":"sha256:dddd","RepoTags":null}]"#;

    fn engine(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> (Fake, Socket) {
        let fake = Fake::new(answer);
        let path = fake.socket.clone();
        (fake, Socket { engine: Engine::Docker, path })
    }

    #[test]
    fn an_image_is_saved_only_when_it_is_wanted() {
        let (fake, socket) = engine(|path| {
            Some(match path {
                "/images/json" => answered(200, IMAGES),
                "/images/sha256:aaaa/json" => {
                    answered(200, br#"{"Id":"sha256:aaaa","RootFS":{"Layers":["sha256:1"]}}"#)
                }
                "/images/lab/go:1/get" => answered(200, b"a tar"),
                _ => answered(404, br#"{"message":"no such page"}"#),
            })
        });
        let saved = socket.image("lab/go:1").expect("there");
        assert_eq!(
            (saved.name.as_str(), saved.identity.as_str()),
            ("lab/go:1", "sha256:aaaa sha256:1 lab/go:1")
        );
        assert!(!fake.asked.lock().expect("sound").iter().any(|path| path.ends_with("/get")));
        use std::io::Seek as _;
        let mut file = saved.file().expect("saved");
        let mut bytes = Vec::new();
        file.rewind().expect("back");
        file.read_to_end(&mut bytes).expect("read");
        assert_eq!(bytes, b"a tar");
        let error = socket.image("lab/no").expect_err("none").to_string();
        assert!(error.contains("lab/go:1"), "{error}");
    }

    #[test]
    fn faults_are_told() {
        for (status, body, says) in [
            (
                500,
                &br#"{"message":"on \u001b[31mfire"}"#[..],
                "it answered 500 when it was asked for /images/json: on [31mfire",
            ),
            (404, b"<html>", "it answered 404"),
            (200, b"<html>", "not what engines say"),
            (200, b"{}", "not what engines say"),
            (200, b"", "not what engines say"),
        ] {
            let (_fake, socket) = engine(move |_| Some(answered(status, body)));
            let error = socket.image("x").expect_err("a fault").to_string();
            assert!(error.contains(says), "{error}");
        }
        let (_fake, socket) = engine(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[".to_vec()));
        assert!(socket.images().expect_err("a lie").to_string().contains("too early"));
        let (_fake, socket) = engine(|_| Some(Vec::new()));
        assert!(socket.images().is_err());
        let gone = Socket { engine: Engine::Podman, path: "/no/such/s".into() };
        assert!(gone.images().expect_err("gone").to_string().contains("is the engine running"));
        // A file that is no socket.
        let file = tempfile::NamedTempFile::new().expect("a file");
        let file = Socket { engine: Engine::Docker, path: file.path().into() };
        assert!(file.images().expect_err("no socket").to_string().contains("not running"));
    }

    #[test]
    fn an_archive_that_is_cut_off() {
        let (_fake, socket) = engine(|path| {
            Some(match path {
                "/images/json" => answered(200, IMAGES),
                "/images/sha256:aaaa/json" => answered(200, br#"{"Id":"sha256:aaaa"}"#),
                _ => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec(),
            })
        });
        let saved = socket.image("lab/go:1").expect("there");
        assert!(saved.file().expect_err("cut off").to_string().contains("middle"));
    }

    #[test]
    fn a_container_is_one_layer() {
        let (_fake, socket) = engine(|path| {
            Some(match path {
                "/containers/json?all=1" => answered(200, br#"[{"Id":"ffff","Names":["/web"]}]"#),
                "/containers/ffff/json" => answered(
                    200,
                    br#"{"Config":{"Image":"lab/go:1","Cmd":["x"]},"Mounts":[{"Destination":"/data"}]}"#,
                ),
                "/containers/ffff/changes" => {
                    answered(200, br#"[{"Path":"/a","Kind":1},{"Path":"/b","Kind":2}]"#)
                }
                "/containers/ffff/export" => answered(200, b"a tar"),
                _ => answered(404, b""),
            })
        });
        let all = socket.containers().expect("listed");
        let held = socket.container(&all[0]).expect("there");
        assert!(held.is_container && held.name == "web (ffff, docker)");
        assert!(held.notes[0].detail.contains("1 paths added, 0 changed, 1 deleted"));
        assert!(held.notes[1].detail.contains("/data"));
    }

    #[test]
    fn where_engines_listen() {
        let find = |told: Option<&str>, host| sockets(Engine::Docker, told.map(Path::new), host, None);
        assert!(find(Some("/a"), Some("tcp://x")).is_ok_and(|found| found.is_named));
        assert!(find(None, Some("unix:///a/b")).is_ok_and(|found| found.all[0].path == Path::new("/a/b")));
        assert!(find(None, Some("unix:///var/run/docker.sock")).is_ok_and(|found| !found.is_named));
        for host in ["tcp://10.0.0.1:2375", "ssh://u:secret@host", "unix://relative", "garbage"] {
            let error = find(None, Some(host)).expect_err(host).to_string();
            assert!(error.contains("this machine") && !error.contains("secret"), "{error}");
        }
        let told = sockets(Engine::Containerd, Some(Path::new("/c.sock")), None, None);
        assert!(told.expect_err("unknown").to_string().contains("storage is read"));
        assert!(sockets(Engine::Crio, None, Some("tcp://x"), None).is_ok_and(|found| found.all.is_empty()));
    }
}
