//! Places where an image may be fetched: the registry and its mirrors, and the connections to each.

use super::error::Error;
use super::guard::{AwayResolver, HomeResolver, Permit};
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

/// Docker's registry answers under another name than people write.
const HUB_HOST: &str = "registry-1.docker.io";

/// How long a mirror that failed is left alone.
const REST: Duration = Duration::from_secs(60);

/// One registry or mirror.
pub(crate) struct Place {
    /// The name people log in with.
    pub(super) registry: String,
    /// Path before the repository, with a slash at its end, or empty.
    pub(super) prefix: String,
    pub(super) is_mirror: bool,
    /// Its address without path.
    pub(crate) base: Url,
    pub(crate) permit: Arc<Permit>,
    /// Until when (clock of the world) a mirror that failed is not asked.
    rests_until: Mutex<Duration>,
    trust: OnceLock<Trust>,
    agents: Mutex<BTreeMap<(bool, &'static str, bool), ureq::Agent>>,
}

impl Place {
    /// The mirrors of a registry in order, then the registry.
    pub(super) fn all(options: &Options, registry: &str) -> Result<Vec<Self>, Error> {
        let mirrors = options.mirrors.get(registry).map(Vec::as_slice).unwrap_or_default();
        let mut places = Vec::with_capacity(mirrors.len() + 1);
        for mirror in mirrors {
            let bare = mirror.trim_start_matches("https://").trim_end_matches('/');
            let refuse = || {
                Error::Option(format!(
                    "`{bare}` is no mirror; write host[:port][/prefix] (plain HTTP is an option of its own)"
                ))
            };
            let named = ImageRef::parse(&format!("{bare}/x")).map_err(|_| refuse())?;
            let prefix = named.repository().strip_suffix('x').unwrap_or_default().to_owned();
            if !bare.to_ascii_lowercase().starts_with(&named.registry().to_ascii_lowercase()) {
                return Err(refuse());
            }
            places.push(Self::new(options, named.registry(), prefix, true)?);
        }
        places.push(Self::new(options, registry, String::new(), false)?);
        Ok(places)
    }

    fn new(options: &Options, registry: &str, prefix: String, is_mirror: bool) -> Result<Self, Error> {
        let is_insecure = options.insecure_all || options.insecure.contains(registry);
        let host = if registry == "docker.io" { HUB_HOST } else { registry };
        let scheme = if is_insecure { "http" } else { "https" };
        let base = Url::parse(&format!("{scheme}://{host}/"))
            .ok_or_else(|| Error::Option(format!("`{host}` is no registry host")))?;
        let permit = Arc::default();
        let (trust, agents) = (OnceLock::new(), Mutex::default());
        let (registry, rests_until) = (registry.to_owned(), Mutex::default());
        Ok(Self { registry, prefix, is_mirror, base, permit, rests_until, trust, agents })
    }

    /// A plain web server: no registry, but guarded, trusted and reached through proxies in the same way.
    pub(crate) fn of_web(url: &Url) -> Self {
        Self {
            registry: url.authority(),
            prefix: String::new(),
            is_mirror: false,
            base: Url::new(url.is_https, &url.host, url.port, "/"),
            permit: Arc::default(),
            rests_until: Mutex::default(),
            trust: OnceLock::new(),
            agents: Mutex::default(),
        }
    }

    /// The word for a mirror that is left alone for a while, so that not every blob waits for it anew.
    pub(super) fn resting(&self, now: Duration) -> Option<String> {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        (self.is_mirror && now < until).then(|| format!("{} failed a moment ago", self.base.authority()))
    }

    /// Notes how a mirror failed.
    pub(super) fn note(&self, error: &Error, now: Duration) {
        if self.is_mirror && error.is_an_outage() {
            *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = now.saturating_add(REST);
        }
    }

    /// The address of something in a repository.
    pub(super) fn url(&self, repository: &str, rest: &str) -> Url {
        let path = format!("/v2/{}{repository}/{rest}", self.prefix);
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
        // Behind a proxy only the proxy's own name is resolved here.
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
