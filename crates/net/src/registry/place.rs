//! Places where an image may be fetched: the registry and its mirrors, and the connections to each.

use super::error::Error;
use super::guard::{AwayResolver, HomeResolver, Permit};
use super::hosts::{Hosts, Only};
use super::options::{Options, Proxies};
use super::trust::{self, Trust};
use super::url::Url;
use super::world::World;
use seaworthy_types::ImageRef;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;

/// Docker's registry by the name people know.
const HUB: &str = "docker.io";
/// Docker's registry answers under another name than people write.
const HUB_HOST: &str = "registry-1.docker.io";

/// How long a mirror that failed is left alone.
const REST: Duration = Duration::from_secs(60);

/// One registry or mirror.
pub(crate) struct Place {
    /// The name people log in with.
    pub(super) registry: String,
    /// The image's repository there.
    pub(super) repository: String,
    pub(super) is_mirror: bool,
    /// Whether the user named it, and no setting.
    pub(super) is_named: bool,
    only: Only,
    /// Why it is not asked at all.
    never: Option<String>,
    /// Its address without path.
    pub(crate) base: Url,
    pub(crate) permit: Arc<Permit>,
    /// Until when (clock of the world) a mirror that failed is not asked.
    rests_until: Mutex<Duration>,
    trust: OnceLock<Trust>,
    agents: Mutex<BTreeMap<(bool, &'static str, bool), ureq::Agent>>,
}

/// What kind of place a name is.
struct Kind {
    is_mirror: bool,
    /// Whether the user named it.
    is_named: bool,
    /// Whether it is to be spoken to in plain HTTP, if that is allowed at all.
    is_plain: bool,
    only: Only,
}

impl Place {
    /// The mirrors of an image's registry in order, then the registry: the caller's word first, else what the
    /// tools on this machine were told.
    pub(super) fn all(options: &Options, hosts: &Hosts, image: &ImageRef) -> Result<Vec<Self>, Error> {
        let rule = hosts.of(image);
        if let Some(rule) = rule.as_ref().filter(|rule| rule.is_blocked) {
            return Err(Error::Blocked { image: image.to_string(), file: rule.file.display().to_string() });
        }
        let repository = image.repository();
        let own = options.mirrors.get(image.registry()).map(Vec::as_slice).unwrap_or_default();
        let of_rule = rule.as_ref().map(|rule| rule.mirrors.as_slice()).unwrap_or_default();
        let mut places = Vec::new();
        if own.is_empty() {
            for mirror in of_rule {
                let is_plain = mirror.is_insecure && options.allows_plain;
                let kind = Kind { is_mirror: true, is_named: false, is_plain, only: mirror.only };
                places.push(Self::new(options, &mirror.name, kind)?);
            }
        }
        let is_hub = image.registry() == HUB;
        let daemons = if own.is_empty() && places.is_empty() && is_hub { hosts.hub_mirrors() } else { &[] };
        for mirror in own.iter().chain(daemons) {
            let (bare, is_plain) = match mirror.strip_prefix("http://") {
                Some(bare) => (bare, true),
                None => (mirror.trim_start_matches("https://"), false),
            };
            let name = format!("{}/{repository}", bare.trim_end_matches('/'));
            let kind = Kind { is_mirror: true, is_named: false, is_plain, only: Only::All };
            places.push(Self::new(options, &name, kind)?);
        }
        let name = format!("{}/{repository}", image.registry());
        let itself = match rule.map(|rule| rule.itself).filter(|itself| itself.name != name) {
            Some(moved) => {
                let is_plain = moved.is_insecure && options.allows_plain;
                let kind = Kind { is_mirror: false, is_named: false, is_plain, only: Only::All };
                Self::new(options, &moved.name, kind)?
            }
            None => {
                let kind = Kind { is_mirror: false, is_named: true, is_plain: false, only: Only::All };
                Self::at(options, image.registry(), repository, kind)?
            }
        };
        places.push(itself);
        Ok(places)
    }

    /// At a name that stands in a setting.
    fn new(options: &Options, name: &str, kind: Kind) -> Result<Self, Error> {
        let refuse = || {
            Error::Option(format!(
                "`{}` is no place of a registry or mirror; write host[:port][/prefix]",
                super::error::clip(name)
            ))
        };
        let named = ImageRef::parse(name).map_err(|_| refuse())?;
        if !name.to_ascii_lowercase().starts_with(&format!("{}/", named.registry().to_ascii_lowercase())) {
            return Err(refuse());
        }
        Self::at(options, named.registry(), named.repository(), kind)
    }

    fn at(options: &Options, registry: &str, repository: &str, kind: Kind) -> Result<Self, Error> {
        let is_insecure = options.insecure_all || options.insecure.contains(registry);
        let Kind { is_mirror, is_named, is_plain, only } = kind;
        let is_https = !(is_insecure || is_plain && options.allows_plain);
        let host = if registry == HUB { HUB_HOST } else { registry };
        let scheme = if is_https { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://{host}/"))
            .ok_or_else(|| Error::Option(format!("`{host}` is no registry host")))?;
        let never = (is_plain && is_https)
            .then(|| format!("{host} is named with http://, which only --insecure allows"));
        let permit = Arc::default();
        let (trust, agents) = (OnceLock::new(), Mutex::default());
        let (registry, rests_until) = (registry.to_owned(), Mutex::default());
        let repository = repository.to_owned();
        Ok(Self {
            registry,
            repository,
            is_mirror,
            is_named,
            only,
            never,
            base,
            permit,
            rests_until,
            trust,
            agents,
        })
    }

    /// Whether it is asked for an image with or without a digest.
    pub(super) fn suits(&self, has_digest: bool) -> bool {
        match self.only {
            Only::All => true,
            Only::Digests => has_digest,
            Only::Tags => !has_digest,
        }
    }

    /// A plain web server: no registry, but guarded, trusted and reached through proxies in the same way.
    pub(crate) fn of_web(url: &Url) -> Self {
        Self {
            registry: url.authority(),
            repository: String::new(),
            is_mirror: false,
            is_named: true,
            only: Only::All,
            never: None,
            base: Url::new(url.is_https, &url.host, url.port, "/"),
            permit: Arc::default(),
            rests_until: Mutex::default(),
            trust: OnceLock::new(),
            agents: Mutex::default(),
        }
    }

    /// The word for a mirror that is left alone for a while, so that not every blob waits for it anew.
    pub(super) fn resting(&self, now: Duration) -> Option<String> {
        if self.never.is_some() {
            return self.never.clone();
        }
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        (self.is_mirror && now < until).then(|| format!("{} failed a moment ago", self.base.authority()))
    }

    /// Notes how a mirror failed.
    pub(super) fn note(&self, error: &Error, now: Duration) {
        if self.is_mirror && error.is_an_outage() {
            *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = now.saturating_add(REST);
        }
    }

    /// The address of something in the image's repository.
    pub(super) fn url(&self, rest: &str) -> Url {
        let path = format!("/v2/{}/{rest}", self.repository);
        Url::new(self.base.is_https, &self.base.host, self.base.port, &path)
    }

    /// Connections to the registry itself, or to where it leads.
    pub(crate) fn agent(
        &self,
        options: &Options,
        proxies: &Proxies,
        world: &dyn World,
        url: &Url,
        is_home: bool,
    ) -> Result<ureq::Agent, Error> {
        let proxy = proxies.of(url.scheme(), &url.host, url.port)?;
        let key = (is_home, url.scheme(), proxy.is_some());
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let trust = match self.trust.get() {
            Some(trust) => trust,
            None => {
                let read = trust::of(options, world, &self.registry)?;
                self.trust.get_or_init(|| read)
            }
        };
        let patience = &options.patience;
        let config = ureq::Agent::config_builder()
            .user_agent(options.user_agent.clone())
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(8)
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_send_request(Some(patience.answer))
            .timeout_recv_response(Some(patience.answer))
            .timeout_per_read(Some(patience.stall))
            .timeout_per_write(Some(patience.stall))
            .tls_config(if is_home { trust.home.clone() } else { trust.away.clone() });
        let is_proxied = proxy.is_some();
        let config = config.proxy(proxy).build();
        let connector = DefaultConnector::default();
        // Behind a proxy only the proxy's own name is resolved here: SOCKS is told to resolve too, so that
        // names of the inside are found, as with HTTP proxies.
        let agent = if is_proxied {
            ureq::Agent::with_parts(config, connector, DefaultResolver::default())
        } else if is_home {
            ureq::Agent::with_parts(config, connector, HomeResolver(Arc::clone(&self.permit)))
        } else {
            ureq::Agent::with_parts(config, connector, AwayResolver(Arc::clone(&self.permit)))
        };
        agents.insert(key, agent.clone());
        Ok(agent)
    }
}
