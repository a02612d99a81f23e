//! The little of URLs (RFC 3986) that redirects and login servers need: absolute http(s) addresses, joining
//! a `Location`, and an address that may be shown (no user, no query: signed ones are secrets).

/// An absolute http or https address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_https: bool,
    /// Lower-case, with brackets when it is an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Begins with `/`.
    path_and_query: String,
}

impl Url {
    /// From parts that are known to be valid.
    pub(crate) fn new(is_https: bool, host: &str, port: u16, path: &str) -> Self {
        Self { is_https, host: host.to_ascii_lowercase(), port, path_and_query: path.to_owned() }
    }
    /// Parses an absolute address; user and fragment are refused and dropped, respectively.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = encoded(text.split('#').next().unwrap_or_default().trim());
        let uri: ureq::http::Uri = text.parse().ok()?;
        let is_https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        let has_port = authority.as_str().len() > authority.host().len();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if has_port => return None,
            None => default_port(is_https),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self { is_https, host, port, path_and_query: format!("{slash}{path}") })
    }
    /// Where a `Location` leads from here.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        let location = location.trim();
        if location.is_empty() || location.len() > 16 << 10 {
            return None;
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        let has_scheme = location.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
        if has_scheme {
            return Self::parse(location);
        }
        let path = self.path_and_query.split('?').next().unwrap_or("/");
        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            _ => format!("{folder}{location}"),
        };
        Self::parse(&format!("{}{target}", self.origin()))
    }
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }
    /// Host, with the port when it is not the usual one.
    pub(crate) fn authority(&self) -> String {
        if self.port == default_port(self.is_https) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority())
    }
    /// The whole address, for sending only.
    pub(crate) fn whole(&self) -> String {
        format!("{}{}", self.origin(), self.path_and_query)
    }
    /// The address without its query.
    pub(crate) fn shown(&self) -> String {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        super::error::clip(&format!("{}{path}", self.origin()))
    }
    /// The path, as it is sent.
    pub(crate) fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or("/")
    }
    /// The query, as it is sent; empty when there is none.
    pub(crate) fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }
    /// With more of a query.
    pub(crate) fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut url = self.clone();
        for (key, value) in pairs {
            let joint = if url.path_and_query.contains('?') { '&' } else { '?' };
            url.path_and_query.push_str(&format!("{joint}{key}={}", escape(value)));
        }
        url
    }
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

/// Percent-encodes all but unreserved characters.
pub(crate) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Encodes what servers forget to encode.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        let base = Url::parse("https://Reg.Example/v2/a/blobs/x?y=1").expect("valid");
        for (location, whole) in [
            ("https://cdn.example:443/b?sig=a%2Fb#f", Some("https://cdn.example/b?sig=a%2Fb")),
            ("http://cdn.example", Some("http://cdn.example/")),
            ("//cdn.example:8443/z", Some("https://cdn.example:8443/z")),
            ("/v2/other", Some("https://reg.example/v2/other")),
            ("sibling?n=1", Some("https://reg.example/v2/a/blobs/sibling?n=1")),
            ("?n=1", Some("https://reg.example/v2/a/blobs/x?n=1")),
            ("https://cdn.example/a b|c é", Some("https://cdn.example/a%20b%7Cc%20%C3%A9")),
            ("https://[::1]:5000/x", Some("https://[::1]:5000/x")),
            ("https://user:pw@cdn.example/", None),
            ("https://cdn.example:99999/", None),
            ("file:///etc/passwd", None),
            ("gopher://x/", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(base.join(location).map(|url| url.whole()).as_deref(), whole, "{location}");
        }
        assert_eq!(base.shown(), "https://reg.example/v2/a/blobs/x");
        assert_eq!(
            base.with_query(&[("scope", "a:b c")]).whole(),
            "https://reg.example/v2/a/blobs/x?y=1&scope=a%3Ab%20c"
        );
    }
}
