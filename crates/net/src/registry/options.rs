//! What a caller may set about registries, and what the environment says about proxies and trust.

use super::error::Error;
use super::secret::Credential;
use super::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a client. The default asks nothing unusual: HTTPS, no mirrors, the system's trust.
#[derive(Debug, Clone)]
pub struct Options {
    /// How we name ourselves.
    pub user_agent: String,
    /// Hosts (`host[:port]`) spoken to in plain HTTP; loopback has no privilege.
    pub insecure: BTreeSet<String>,
    /// Every registry in plain HTTP.
    pub insecure_all: bool,
    /// Registry to its mirrors (`host[:port][/prefix]`, with `http://` before it in plain HTTP), asked in this order before the registry.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Whether plain HTTP was asked for: then it also holds for mirrors that are named so.
    pub allows_plain: bool,
    /// Whether registries.conf and Docker's daemon.json are read for mirrors, moved and blocked registries.
    pub reads_settings_of_others: bool,
    /// More certificate authorities (PEM).
    pub ca_files: Vec<PathBuf>,
    /// Certificate chain and key (PEM) that we show to registries, never to others.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Logins given by the caller: registry to login. Stronger than environment and files.
    pub logins: BTreeMap<String, Credential>,
    /// Whether credential files, helpers and the environment are asked.
    pub is_anonymous: bool,
    /// Proxies; `None` takes them from the environment.
    pub proxies: Option<Proxies>,
    /// Bounds in time.
    pub patience: Patience,
    /// Largest manifest (the OCI specification asks registries for 4 MiB at least).
    pub manifest_bytes_max: u64,
    /// Most tags or referrers listed.
    pub listed_max: usize,
}

/// Bounds in time and number.
#[derive(Debug, Clone)]
pub struct Patience {
    /// For name, connection and TLS.
    pub connect: Duration,
    /// For the head of an answer.
    pub answer: Duration,
    /// For the next bytes of a body.
    pub stall: Duration,
    /// For a whole small document (manifest, token, list).
    pub document: Duration,
    /// Fewest bytes of a blob in each `stall` period.
    pub bytes_min_per_stall: u64,
    /// Tries of one request.
    pub tries: u32,
    /// Longest pause between tries; a longer `Retry-After` ends the tries.
    pub pause_max: Duration,
    /// How often a blob's broken connection is taken up again without 64 KiB of progress between.
    pub breaks: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            document: Duration::from_secs(60),
            bytes_min_per_stall: 4 << 10,
            tries: 5,
            pause_max: Duration::from_secs(60),
            breaks: 5,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("seaworthy/", env!("CARGO_PKG_VERSION")).to_owned(),
            insecure: BTreeSet::new(),
            insecure_all: false,
            mirrors: BTreeMap::new(),
            allows_plain: false,
            reads_settings_of_others: true,
            ca_files: Vec::new(),
            client_certificate: None,
            logins: BTreeMap::new(),
            is_anonymous: false,
            proxies: None,
            patience: Patience::default(),
            manifest_bytes_max: 4 << 20,
            listed_max: 100_000,
        }
    }
}

/// Proxies as the usual variables name them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `HTTP_PROXY`.
    pub http: Option<String>,
    /// `NO_PROXY`.
    pub none_for: String,
}

impl std::fmt::Debug for Proxies {
    // Addresses of proxies may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (https, http) = (self.https.is_some(), self.http.is_some());
        f.debug_struct("Proxies").field("https", &https).field("http", &http).finish_non_exhaustive()
    }
}

impl Proxies {
    /// From `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either case.
    pub fn from_world(world: &dyn World) -> Self {
        let variable =
            |name: &str| world.variable(name).or_else(|| world.variable(&name.to_ascii_lowercase()));
        let all = variable("ALL_PROXY");
        Self {
            https: variable("HTTPS_PROXY").or_else(|| all.clone()),
            http: variable("HTTP_PROXY").or(all),
            none_for: variable("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for a host, if any. Loopback is never asked through one, as in Go and curl's practice.
    pub(super) fn of(&self, scheme: &str, host: &str, port: u16) -> Result<Option<ureq::Proxy>, Error> {
        let Some(address) = (if scheme == "https" { &self.https } else { &self.http }) else {
            return Ok(None);
        };
        if super::guard::is_loopback_name(host) || self.is_excluded(host, port) {
            return Ok(None);
        }
        let refuse = |_| {
            Error::Option(
                "the proxy's address is malformed; write http://host:port or socks5://host:port".into(),
            )
        };
        // The proxy resolves: it stands where the names are known, and ours need not be able to.
        let address = match address.strip_prefix("socks5://").or_else(|| address.strip_prefix("socks://")) {
            Some(rest) => format!("socks5h://{rest}"),
            None => address.clone(),
        };
        ureq::Proxy::new(&address).map(Some).map_err(refuse)
    }

    fn is_excluded(&self, host: &str, port: u16) -> bool {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        self.none_for.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
            let entry = entry.to_ascii_lowercase();
            if entry == "*" {
                return true;
            }
            if let Some(is_inside) = in_network(&host, &entry) {
                return is_inside;
            }
            let (name, wanted) = match entry.rsplit_once(':') {
                Some((name, digits)) if !name.contains(':') => (name, digits.parse::<u16>().ok()),
                _ => (entry.as_str(), None),
            };
            let name = name.trim_start_matches('*').trim_start_matches('.').trim_matches(['[', ']']);
            let is_name = host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
            is_name && wanted.is_none_or(|wanted| wanted == port)
        })
    }
}

/// Whether an address lies in `network/bits`; `None` when the entry is no network.
fn in_network(host: &str, entry: &str) -> Option<bool> {
    let (network, bits) = entry.split_once('/')?;
    let (network, bits): (std::net::IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
    let Ok(address) = host.parse::<std::net::IpAddr>() else { return Some(false) };
    let wide = |address: std::net::IpAddr| match address {
        std::net::IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        std::net::IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((left, width), (right, other)) = (wide(address), wide(network));
    let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
    Some(width == other && bits <= width && left & mask == right & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_proxy() {
        let proxies = Proxies {
            https: Some("http://proxy.example:3128".into()),
            http: None,
            none_for: "a.example, .b.example,*.c.example 10.0.0.0/8,d.example:5000,fd00::/8".into(),
        };
        for (host, port, is_proxied) in [
            ("x.example", 443, true),
            ("a.example", 443, false),
            ("sub.a.example", 443, false),
            ("xa.example", 443, true),
            ("b.example", 443, false),
            ("x.b.example", 443, false),
            ("x.c.example", 443, false),
            ("10.1.2.3", 443, false),
            ("11.1.2.3", 443, true),
            ("[fd00::1]", 443, false),
            ("d.example", 443, true),
            ("d.example", 5000, false),
            ("localhost", 443, false),
            ("127.0.0.2", 443, false),
            ("[::1]", 443, false),
        ] {
            let proxy = proxies.of("https", host, port).expect("valid");
            assert_eq!(proxy.is_some(), is_proxied, "{host}:{port}");
        }
        assert!(proxies.of("http", "x.example", 80).expect("valid").is_none());
        let everything = Proxies { none_for: "*".into(), ..proxies };
        assert!(everything.of("https", "x.example", 443).expect("valid").is_none());
        let broken = Proxies { https: Some("::".into()), ..Proxies::default() };
        assert!(broken.of("https", "x.example", 443).is_err());
        let secret = Proxies { https: Some("http://u:geheim@p.example".into()), ..Proxies::default() };
        assert!(!format!("{secret:?}").contains("geheim"));
    }
}
