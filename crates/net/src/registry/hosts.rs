//! What the tools on this machine were told about registries: mirrors, moved and blocked ones in
//! containers-registries.conf(5) version 2 (Podman, Skopeo, CRI-O) and `registry-mirrors` of Docker's
//! `daemon.json`. `insecure` there counts only together with our own word for plain HTTP. Aliases and search
//! lists of short names are not followed: `alpine` means the same image on every machine.

use super::error::{Error, clip};
use super::world::World;
use seaworthy_types::ImageRef;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 4 << 20;
const DAEMON: &str = "/etc/docker/daemon.json";

/// Everything that was read.
#[derive(Debug, Default, Clone)]
pub(super) struct Hosts {
    /// By their prefix; a later file replaces an earlier one's.
    rules: BTreeMap<String, Rule>,
    /// Docker's mirrors of its own registry.
    hub_mirrors: Vec<String>,
}

/// What holds for images whose name begins so.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// The file that says so.
    pub(super) file: PathBuf,
    pub(super) is_blocked: bool,
    /// In their order, then the registry itself.
    pub(super) mirrors: Vec<Target>,
    pub(super) itself: Target,
}

/// Where an image is asked for instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host[:port]/path` of the image.
    pub(super) name: String,
    pub(super) is_insecure: bool,
    pub(super) only: Only,
}

/// For which names a mirror is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Only {
    #[default]
    All,
    /// Names with a digest.
    Digests,
    /// Names without one.
    Tags,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    registry: Vec<RawRule>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct RawRule {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<RawMirror>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct RawMirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    registry_mirrors: Vec<String>,
}

/// Reads all files that there are.
pub(super) fn read(world: &dyn World) -> Result<Hosts, Error> {
    let mut hosts = Hosts::default();
    for path in files(world) {
        let Some(bytes) = world.read(&path, FILE_BYTES_MAX).map_err(|error| fault(&path, error))? else {
            continue;
        };
        let text = String::from_utf8(bytes).map_err(|_| fault(&path, "it is not text"))?;
        let file: File = toml::from_str(&text).map_err(|error| fault(&path, error.message()))?;
        for raw in file.registry {
            let prefix = if raw.prefix.is_empty() { raw.location.clone() } else { raw.prefix.clone() };
            let prefix = prefix.trim_end_matches('/').to_owned();
            if prefix.is_empty() {
                return Err(fault(&path, "a [[registry]] has neither `prefix` nor `location`"));
            }
            hosts.rules.insert(prefix, rule(raw, path.clone()));
        }
    }
    let daemon = Path::new(DAEMON);
    if let Some(bytes) = world.read(daemon, FILE_BYTES_MAX).map_err(|error| fault(daemon, error))? {
        let read: Daemon = serde_json::from_slice(&bytes).map_err(|error| fault(daemon, error))?;
        hosts.hub_mirrors = read.registry_mirrors;
    }
    Ok(hosts)
}

fn fault(path: &Path, detail: impl ToString) -> Error {
    Error::File { path: path.display().to_string(), detail: clip(&detail.to_string()) }
}

/// The main file, then the drop-ins, in the order in which they count.
fn files(world: &dyn World) -> Vec<PathBuf> {
    let system = Path::new("/etc/containers");
    let config = world.variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || world.variable("HOME").map(|home| Path::new(&home).join(".config"));
    let user = config.or_else(home).map(|config| config.join("containers"));
    let main = match world.variable("CONTAINERS_REGISTRIES_CONF") {
        Some(named) => PathBuf::from(named),
        None => {
            let own = user.as_ref().map(|user| user.join("registries.conf"));
            let is_there = |path: &PathBuf| matches!(world.read(path, FILE_BYTES_MAX), Ok(Some(_)) | Err(_));
            own.filter(is_there).unwrap_or_else(|| system.join("registries.conf"))
        }
    };
    let mut all = vec![main];
    for folder in std::iter::once(system.to_owned()).chain(user) {
        let files = world.list(&folder.join("registries.conf.d"));
        all.extend(files.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "conf")));
    }
    all
}

fn rule(raw: RawRule, file: PathBuf) -> Rule {
    let target = |location: &str, is_insecure, only| Target {
        name: location.trim_end_matches('/').to_owned(),
        is_insecure,
        only,
    };
    let mirrors = raw.mirror.iter().filter(|mirror| !mirror.location.is_empty()).map(|mirror| {
        let only = match mirror.pull_from_mirror.as_str() {
            "digest-only" => Only::Digests,
            "tag-only" => Only::Tags,
            _ if raw.mirror_by_digest_only => Only::Digests,
            _ => Only::All,
        };
        target(&mirror.location, mirror.insecure, only)
    });
    let mirrors = mirrors.collect();
    let itself = target(&raw.location, raw.insecure, Only::All);
    Rule { file, is_blocked: raw.blocked, mirrors, itself }
}

/// How much of a name a prefix takes; `*.` stands for any subdomain.
fn matched(name: &str, prefix: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let host = name.split('/').next().unwrap_or_default();
        let bare = host.split(':').next().unwrap_or_default();
        let is_below = [host, bare]
            .iter()
            .any(|host| host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')));
        return is_below.then_some(host.len());
    }
    let rest = name.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

impl Hosts {
    /// What holds for an image, with the names it has elsewhere.
    pub(super) fn of(&self, image: &ImageRef) -> Option<Rule> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let fits =
            self.rules.iter().filter_map(|(prefix, rule)| Some((matched(&name, prefix)?, prefix, rule)));
        // A name of its own is more special than all below a domain.
        let best = fits.max_by_key(|(length, prefix, _)| (!prefix.starts_with("*."), *length, prefix.len()));
        let (length, _, rule) = best?;
        let rest = name.get(length..).unwrap_or_default();
        let moved = |target: &Target| Target { name: format!("{}{rest}", target.name), ..target.clone() };
        let itself = match rule.itself.name.is_empty() {
            true => Target { name: name.clone(), ..rule.itself.clone() },
            false => moved(&rule.itself),
        };
        Some(Rule { mirrors: rule.mirrors.iter().map(moved).collect(), itself, ..rule.clone() })
    }

    /// Docker's mirrors, for its own registry.
    pub(super) fn hub_mirrors(&self) -> &[String] {
        &self.hub_mirrors
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::world::Fake;
    use super::*;

    const MAIN: &str = r#"
unqualified-search-registries = ["example.org"]
short-name-mode = "enforcing"
[[registry]]
prefix = "reg.example/team"
location = "inner.example:5000/x"
insecure = true
mirror-by-digest-only = true
[[registry.mirror]]
location = "one.example"
[[registry.mirror]]
location = "two.example/p"
insecure = true
pull-from-mirror = "tag-only"
[[registry]]
location = "reg.example"
[[registry]]
prefix = "*.cloud.example"
blocked = true
[aliases]
"alpine" = "other.example/alpine"
"#;

    fn name(hosts: &Hosts, image: &str) -> Option<String> {
        hosts.of(&ImageRef::parse(image).expect("valid")).map(|rule| rule.itself.name)
    }

    #[test]
    fn rules_of_podman() {
        let world = Fake::new()
            .variable("HOME", "/home/x")
            .file("/etc/containers/registries.conf", MAIN)
            .file("/etc/containers/registries.conf.d/a.conf", "[[registry]]\nlocation = 'late.example'\n")
            .file("/etc/containers/registries.conf.d/b.txt", "nothing read")
            .file(
                "/home/x/.config/containers/registries.conf.d/c.conf",
                "[[registry]]\nprefix = 'late.example'\nlocation = 'later.example'\n",
            )
            .file(DAEMON, r#"{"registry-mirrors":["https://hub.example/"],"debug":true}"#);
        let hosts = read(&world).expect("readable");
        let rule = hosts.of(&ImageRef::parse("reg.example/team/app:1").expect("valid")).expect("a rule");
        assert_eq!(rule.itself.name, "inner.example:5000/x/app");
        let all: Vec<_> =
            rule.mirrors.iter().map(|one| (one.name.as_str(), one.is_insecure, one.only)).collect();
        assert_eq!(all, [("one.example/app", false, Only::Digests), ("two.example/p/app", true, Only::Tags)]);
        for (image, expected) in [
            ("reg.example/team:1", Some("inner.example:5000/x")),
            ("reg.example/teams/app", Some("reg.example/teams/app")),
            ("a.cloud.example:5000/app", Some("a.cloud.example:5000/app")),
            ("cloud.example/app", None),
            ("xcloud.example/app", None),
            ("late.example/app", Some("later.example/app")),
            ("alpine", None),
        ] {
            assert_eq!(name(&hosts, image).as_deref(), expected, "{image}");
        }
        assert!(
            hosts
                .of(&ImageRef::parse("a.cloud.example/app").expect("valid"))
                .is_some_and(|rule| rule.is_blocked)
        );
        assert_eq!(hosts.hub_mirrors(), ["https://hub.example/"]);
    }

    #[test]
    fn the_users_file_stands_for_the_systems_and_broken_ones_are_named() {
        let world = Fake::new()
            .variable("HOME", "/home/x")
            .file("/etc/containers/registries.conf", MAIN)
            .file("/home/x/.config/containers/registries.conf", "");
        assert_eq!(name(&read(&world).expect("readable"), "reg.example/team/app"), None);
        let world = world.variable("CONTAINERS_REGISTRIES_CONF", "/named").file("/named", MAIN);
        assert!(name(&read(&world).expect("readable"), "reg.example/team/app").is_some());
        for (path, text) in [
            ("/named", "[[registry]]\nblocked = true\n"),
            ("/named", "registry = 7"),
            ("/named", "[[registry"),
            (DAEMON, "{"),
        ] {
            let world = Fake::new().variable("CONTAINERS_REGISTRIES_CONF", "/named").file(path, text);
            let said = read(&world).expect_err(text).to_string();
            assert!(said.contains(path) && said.contains("Try:"), "{said}");
        }
        assert!(read(&Fake::new()).expect("nothing").of(&ImageRef::parse("a").expect("valid")).is_none());
    }
}
