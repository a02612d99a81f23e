//! Which addresses a registry may lead us to. A registry, its redirects and its login server may not send
//! us to loopback, link-local or metadata addresses unless the registry itself stands there: else it could
//! make us ask services that only we can reach. Checked where names are resolved, so that no second
//! answer of a name server can slip in between. Private networks stay allowed: companies' stores are there.

use super::cause::ForbiddenAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// What the registry's own place makes reachable.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    loopback: AtomicBool,
    link_local: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Open,
    Loopback,
    LinkLocal,
    Never,
}

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().or_else(|| embedded(v6));
            match mapped {
                Some(v4) => class_v4(v4),
                None if v6.is_loopback() => Class::Loopback,
                None if v6.is_unicast_link_local() => Class::LinkLocal,
                // The metadata service of a large cloud has this unique-local address.
                None if v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => Class::LinkLocal,
                None if v6.is_unspecified() || v6.is_multicast() => Class::Never,
                None => Class::Open,
            }
        }
    }
}

/// NAT64 (RFC 6052) and the old IPv4-compatible form carry an IPv4 address.
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let is_nat64 = [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0];
    let is_compatible = [a, b, c, d, e, f] == [0; 6] && (high != 0 || low > 1);
    (is_nat64 || is_compatible).then(|| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

fn class_v4(v4: Ipv4Addr) -> Class {
    if v4.is_loopback() {
        Class::Loopback
    } else if v4.is_link_local() || v4 == Ipv4Addr::new(100, 100, 100, 200) {
        Class::LinkLocal
    } else if v4.octets()[0] == 0 || v4.is_broadcast() || v4.is_multicast() {
        Class::Never
    } else {
        Class::Open
    }
}

/// Whether a host is this machine by its name or address.
pub(super) fn is_loopback_name(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let is_name = bare == "localhost" || bare.ends_with(".localhost");
    is_name || bare.parse().is_ok_and(|address| class(address) == Class::Loopback)
}

impl Permit {
    /// Remembers that the registry itself is at this address.
    fn learn(&self, address: IpAddr) {
        match class(address) {
            Class::Loopback => self.loopback.store(true, Ordering::Relaxed),
            Class::LinkLocal => self.link_local.store(true, Ordering::Relaxed),
            Class::Open | Class::Never => {}
        }
    }
    fn allows(&self, address: IpAddr) -> bool {
        match class(address) {
            Class::Open => true,
            Class::Loopback => self.loopback.load(Ordering::Relaxed),
            Class::LinkLocal => self.link_local.load(Ordering::Relaxed),
            Class::Never => false,
        }
    }
    /// Checks a host that is written as an address; names are checked when they are resolved. Needed of
    /// its own where a proxy resolves.
    pub(crate) fn check_literal(&self, host: &str) -> Result<(), IpAddr> {
        let bare = host.trim_matches(['[', ']']);
        let address = match bare.parse() {
            Ok(address) => address,
            Err(_) if is_loopback_name(host) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Err(_) => return Ok(()),
        };
        if self.allows(address) { Ok(()) } else { Err(address) }
    }
}

/// Resolves the registry's own name and learns where it is.
#[derive(Debug)]
pub(super) struct HomeResolver(pub(super) Arc<Permit>);

/// Resolves names the registry leads to.
#[derive(Debug)]
pub(super) struct AwayResolver(pub(super) Arc<Permit>);

impl Resolver for HomeResolver {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        addresses.iter().for_each(|address| self.0.learn(address.ip()));
        Ok(addresses)
    }
}

impl Resolver for AwayResolver {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        match addresses.iter().find(|address| !self.0.allows(address.ip())) {
            Some(address) => Err(ureq::Error::Other(Box::new(ForbiddenAddress(address.ip())))),
            None => Ok(addresses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_their_classes() {
        for (text, expected) in [
            ("127.0.0.1", Class::Loopback),
            ("127.255.0.9", Class::Loopback),
            ("::1", Class::Loopback),
            ("::ffff:127.0.0.1", Class::Loopback),
            ("::127.0.0.1", Class::Loopback),
            ("64:ff9b::7f00:1", Class::Loopback),
            ("169.254.169.254", Class::LinkLocal),
            ("::ffff:169.254.169.254", Class::LinkLocal),
            ("64:ff9b::a9fe:a9fe", Class::LinkLocal),
            ("fe80::1", Class::LinkLocal),
            ("fd00:ec2::254", Class::LinkLocal),
            ("100.100.100.200", Class::LinkLocal),
            ("0.0.0.0", Class::Never),
            ("0.1.2.3", Class::Never),
            ("::", Class::Never),
            ("255.255.255.255", Class::Never),
            ("224.0.0.1", Class::Never),
            ("ff02::1", Class::Never),
            ("10.0.0.1", Class::Open),
            ("192.168.1.1", Class::Open),
            ("8.8.8.8", Class::Open),
            ("2001:db8::1", Class::Open),
        ] {
            assert_eq!(class(text.parse().expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn names_are_checked_where_they_are_resolved() {
        let resolve = |permit: &Arc<Permit>| {
            let uri = "https://localhost:1/x".parse().expect("valid");
            let resolver = AwayResolver(Arc::clone(permit));
            resolver.resolve(&uri, &ureq::config::Config::default(), NextTimeout::default())
        };
        let permit = Arc::<Permit>::default();
        match resolve(&permit) {
            Err(error) => {
                assert!(matches!(super::super::Cause::from(error), super::super::Cause::Forbidden(_)))
            }
            Ok(addresses) => panic!("{addresses:?}"),
        }
        let uri = "https://localhost:1/x".parse().expect("valid");
        let home = HomeResolver(Arc::clone(&permit));
        let there = home.resolve(&uri, &ureq::config::Config::default(), NextTimeout::default());
        assert!(there.is_ok_and(|addresses| !addresses.is_empty()));
        assert!(resolve(&permit).is_ok());
    }

    #[test]
    fn a_place_opens_only_its_own_class() {
        let permit = Permit::default();
        for host in ["127.0.0.1", "[::1]", "localhost", "a.localhost", "169.254.169.254", "0.0.0.0"] {
            assert!(permit.check_literal(host).is_err(), "{host}");
        }
        permit.learn("127.0.0.1".parse().expect("valid"));
        assert!(permit.check_literal("[::1]").is_ok() && permit.check_literal("localhost").is_ok());
        assert!(permit.check_literal("169.254.169.254").is_err() && permit.check_literal("0.0.0.0").is_err());
        assert!(permit.check_literal("cdn.example").is_ok());
    }
}
