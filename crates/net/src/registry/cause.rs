//! Why a connection failed, in words of ours: ureq's own errors may hold whole addresses with signed
//! queries, so they never leave this file.

use std::fmt;
use std::io;
use std::net::IpAddr;

/// Why there was no answer, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The name is not known.
    Name,
    /// Nobody answered in time.
    Timeout(&'static str),
    /// The connection was refused, reset or closed.
    Connection(String),
    /// The certificate is not trusted.
    Certificate(String),
    /// TLS failed otherwise.
    Tls(String),
    /// The address is one that is not dialled from there.
    Forbidden(IpAddr),
    /// What came is no HTTP.
    Protocol(String),
    /// The proxy did not connect.
    Proxy(String),
    /// The body stalled or dripped.
    Slow,
}

impl Cause {
    /// Whether trying again may help.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_) | Self::Connection(_) | Self::Slow | Self::Proxy(_) | Self::Protocol(_)
        )
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::Name => {
                "Try: check the registry's name; is there a network, does it need a proxy (HTTPS_PROXY)?"
            }
            Self::Certificate(_) => {
                "Try: is it signed by an authority of your own, or by itself? Then --ca FILE with that certificate (PEM), or put it into /etc/docker/certs.d/HOST/ca.crt as for Docker; check the clock too."
            }
            Self::Tls(_) => "Try: does the registry speak plain HTTP? Then --insecure; else check the proxy.",
            Self::Forbidden(_) => "Try: tell the registry's operator; this is a wrong setting or an attack.",
            Self::Proxy(_) => "Try: check HTTPS_PROXY and NO_PROXY.",
            Self::Connection(_) => {
                "Try: again later, check the network and proxy settings, or name a mirror; a registry in plain HTTP needs --insecure."
            }
            _ => "Try: again later, check the network and proxy settings, or name a mirror.",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("is a name that nobody knows"),
            Self::Timeout(phase) => write!(f, "did not answer in time ({phase})"),
            Self::Connection(detail) => write!(f, "broke the connection ({detail})"),
            Self::Certificate(detail) => {
                write!(f, "shows an x509 certificate that is not trusted ({detail})")
            }
            Self::Tls(detail) => write!(f, "does not speak TLS with us ({detail})"),
            Self::Forbidden(address) => {
                write!(f, "leads to {address}, which a registry elsewhere may not lead to")
            }
            Self::Protocol(detail) => write!(f, "sent what is not HTTP ({detail})"),
            Self::Proxy(detail) => write!(f, "was not reached through the proxy ({detail})"),
            Self::Slow => f.write_str("sends so slowly that it was given up"),
        }
    }
}

/// Carried through ureq by our resolver.
#[derive(Debug)]
pub(crate) struct ForbiddenAddress(pub(super) IpAddr);

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not dialled", self.0)
    }
}

impl std::error::Error for ForbiddenAddress {}

impl From<ureq::Error> for Cause {
    fn from(error: ureq::Error) -> Self {
        match error {
            ureq::Error::Io(error) => Self::from(error),
            ureq::Error::Timeout(phase) => Self::Timeout(match phase {
                ureq::Timeout::Resolve => "looking up its name",
                ureq::Timeout::Connect => "connecting",
                ureq::Timeout::RecvResponse => "waiting for the answer",
                _ => "waiting for data",
            }),
            ureq::Error::HostNotFound => Self::Name,
            ureq::Error::Rustls(error) => from_tls(&error),
            ureq::Error::Tls(detail) => Self::Tls(detail.into()),
            ureq::Error::ConnectProxyFailed(_) => Self::Proxy("it refused to connect".into()),
            ureq::Error::InvalidProxyUrl => Self::Proxy("its address is malformed".into()),
            ureq::Error::ConnectionFailed => Self::Connection("connection failed".into()),
            ureq::Error::LargeResponseHeader(..) => Self::Protocol("headers without end".into()),
            ureq::Error::Decompress(..) => Self::Protocol("broken compression".into()),
            ureq::Error::Other(error) => match error.downcast_ref::<ForbiddenAddress>() {
                Some(forbidden) => Self::Forbidden(forbidden.0),
                None => Self::Protocol("unknown fault".into()),
            },
            ureq::Error::Protocol(error) => Self::Protocol(super::error::clip(&error.to_string())),
            _ => Self::Protocol("request refused".into()),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return from_tls(tls);
        }
        let is_ureq = error.get_ref().is_some_and(|inner| inner.is::<ureq::Error>());
        if is_ureq {
            let inner = error.into_inner().and_then(|inner| inner.downcast::<ureq::Error>().ok());
            return inner.map_or(Self::Protocol("unknown fault".into()), |inner| Self::from(*inner));
        }
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout("waiting for data"),
            io::ErrorKind::UnexpectedEof => Self::Connection("it ended too early".into()),
            _ => {
                let text = super::error::clip(&error.to_string());
                let is_name = text.contains("failed to lookup address");
                if is_name { Self::Name } else { Self::Connection(text) }
            }
        }
    }
}

fn from_tls(error: &rustls::Error) -> Cause {
    let text = super::error::clip(&error.to_string());
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Cause::Certificate(text)
        }
        _ => Cause::Tls(text),
    }
}
