//! Logins as people already have them: the caller's, the environment's, and the credential files of
//! Docker (`config.json`) and Podman (`auth.json`, containers-auth.json(5)) with their helpers. Finds, does
//! not send, and never writes.

use super::error::{Error, clip};
use super::options::Options;
use super::secret::{Credential, Secret};
use super::world::World;
use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 4 << 20;
/// What Docker calls its own registry in its files.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A login, or where one was looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) credential: Option<Credential>,
    /// For the message when it is refused or missing.
    pub(super) tried: String,
}

impl Found {
    fn from(credential: Credential, whence: impl std::fmt::Display) -> Self {
        Self { credential: Some(credential), tried: format!("the login from {whence} was refused") }
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: Option<BTreeMap<String, Entry>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Finds the login for a registry. `is_named` says that the user named this registry: the environment's
/// login is for it alone, never for a mirror.
pub(super) fn find(
    options: &Options,
    world: &dyn World,
    registry: &str,
    repository: &str,
    is_named: bool,
) -> Result<Found, Error> {
    if let Some(given) = options.logins.get(registry) {
        return Ok(Found::from(given.clone(), "the command line or configuration"));
    }
    if options.is_anonymous {
        return Ok(Found { credential: None, tried: "logins are switched off".into() });
    }
    if is_named && let Some(found) = from_environment(world, registry)? {
        return Ok(found);
    }
    let paths = files(world);
    for path in &paths {
        if let Some(found) = from_file(world, path, registry, repository)? {
            return Ok(found);
        }
    }
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let tried = format!("no login was found in SEAWORTHY_REGISTRY_USER, {}", shown.join(", "));
    Ok(Found { credential: None, tried: tried.trim_end_matches(", ").to_owned() })
}

fn from_environment(world: &dyn World, registry: &str) -> Result<Option<Found>, Error> {
    let of_another = |only: String| !only.eq_ignore_ascii_case(registry);
    if world.variable("SEAWORTHY_REGISTRY_HOST").is_some_and(of_another) {
        return Ok(None);
    }
    if let Some(token) = world.variable("SEAWORTHY_REGISTRY_TOKEN") {
        return Ok(Some(Found::from(Credential::Token(Secret::new(token)), "SEAWORTHY_REGISTRY_TOKEN")));
    }
    let user = world.variable("SEAWORTHY_REGISTRY_USER");
    let password = world.variable("SEAWORTHY_REGISTRY_PASSWORD");
    match (user, password) {
        (Some(user), Some(password)) => {
            let login = Credential::Password { user, password: Secret::new(password) };
            Ok(Some(Found::from(login, "SEAWORTHY_REGISTRY_USER")))
        }
        (None, None) => Ok(None),
        _ => Err(Error::Option(
            "only one of SEAWORTHY_REGISTRY_USER and SEAWORTHY_REGISTRY_PASSWORD is set; set both or none"
                .into(),
        )),
    }
}

/// Podman's files, then Docker's, in the order in which Podman reads them.
fn files(world: &dyn World) -> Vec<PathBuf> {
    let home = world.variable("HOME");
    let below_home = |rest: &str| home.as_ref().map(|home| Path::new(home).join(rest));
    let docker = match world.variable("DOCKER_CONFIG") {
        Some(folder) => Some(Path::new(&folder).join("config.json")),
        None => below_home(".docker/config.json"),
    };
    if let Some(only) = world.variable("REGISTRY_AUTH_FILE") {
        return std::iter::once(PathBuf::from(only)).chain(docker).collect();
    }
    let run = world.variable("XDG_RUNTIME_DIR").map(|run| Path::new(&run).join("containers/auth.json"));
    let config = match world.variable("XDG_CONFIG_HOME") {
        Some(folder) => Some(Path::new(&folder).join("containers/auth.json")),
        None => below_home(".config/containers/auth.json"),
    };
    [run, config, docker].into_iter().flatten().collect()
}

fn from_file(
    world: &dyn World,
    path: &Path,
    registry: &str,
    repository: &str,
) -> Result<Option<Found>, Error> {
    let fault = |detail: String| Error::File { path: path.display().to_string(), detail };
    let bytes = match world.read(path, FILE_BYTES_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(None),
        Err(error) => return Err(fault(clip(&error.to_string()))),
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // The message of a JSON error may quote what stands there: only its place is shown.
    let file: File = serde_json::from_slice(&bytes).map_err(|error| {
        fault(format!(
            "it is not the JSON of a credential file (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    let wanted = keys(registry, repository);
    let helper = best(file.cred_helpers.as_ref(), &wanted).or(file.creds_store.as_ref());
    if let Some(name) = helper.filter(|name| !name.is_empty())
        && let Some(found) = from_helper(world, name, registry)?
    {
        return Ok(Some(found));
    }
    let Some(entry) = best(file.auths.as_ref(), &wanted) else { return Ok(None) };
    let login = read_entry(entry).map_err(fault)?;
    Ok(login.map(|login| Found::from(login, path.display())))
}

/// The keys that may mean a repository, the most special first.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = format!("{registry}/{repository}");
    while let Some(at) = path.rfind('/') {
        keys.push(path.clone());
        path.truncate(at);
    }
    keys.push(path);
    if registry == "docker.io" {
        keys.extend(["index.docker.io", "registry-1.docker.io"].map(str::to_owned));
    }
    keys
}

/// The value of the first wanted key. Keys may be written as addresses with `/v1/` or `/v2/` behind.
fn best<'m, T>(map: Option<&'m BTreeMap<String, T>>, wanted: &[String]) -> Option<&'m T> {
    let bare = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        key.trim_end_matches("/v1").trim_end_matches("/v2").to_owned()
    };
    let map = map?;
    wanted.iter().find_map(|wanted| map.iter().find(|(key, _)| bare(key) == *wanted).map(|(_, value)| value))
}

fn read_entry(entry: &Entry) -> Result<Option<Credential>, String> {
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(token) = filled(&entry.registrytoken) {
        return Ok(Some(Credential::Token(Secret::new(token))));
    }
    if let Some(token) = filled(&entry.identitytoken) {
        return Ok(Some(Credential::Identity(Secret::new(token))));
    }
    if let Some(auth) = filled(&entry.auth) {
        let engine = base64::engine::general_purpose::STANDARD;
        let decoded = engine.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_ref().and_then(|text| text.split_once(':'));
        let (user, password) = pair.ok_or("an `auth` in it is not base64 of user:password")?;
        let password = Secret::new(password.trim_end_matches('\0'));
        return Ok(Some(Credential::Password { user: user.to_owned(), password }));
    }
    Ok(filled(&entry.username)
        .zip(filled(&entry.password))
        .map(|(user, password)| Credential::Password { user, password: Secret::new(password) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Spoken {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

fn from_helper(world: &dyn World, name: &str, registry: &str) -> Result<Option<Found>, Error> {
    let program = format!("docker-credential-{name}");
    let fault = |detail: String| Error::Helper { program: clip(&program), registry: registry.into(), detail };
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(fault("its name has characters that no helper's name has".into()));
    }
    let key = if registry == "docker.io" { HUB_KEY } else { registry };
    let said = world.helper(&program, key).map_err(|error| fault(clip(&error.to_string())))?;
    if !said.is_success {
        let text = clip(&String::from_utf8_lossy(&said.output));
        // The protocol's words for "nothing here".
        if text.contains("credentials not found") {
            return Ok(None);
        }
        // What looks like an answer may hold a secret.
        let is_shown = !text.is_empty() && !text.contains('{');
        return Err(fault(if is_shown { text } else { "it ended with an error".into() }));
    }
    let spoken: Spoken = serde_json::from_slice(&said.output)
        .map_err(|_| fault("its answer is not the JSON of a login".into()))?;
    let secret = Secret::new(spoken.secret);
    let credential = match spoken.username.as_str() {
        _ if secret.reveal().is_empty() => return Ok(None),
        "<token>" => Credential::Identity(secret),
        user => Credential::Password { user: user.to_owned(), password: secret },
    };
    Ok(Some(Found::from(credential, program)))
}
