//! Package URLs (ECMA-427, formerly the package-url specification).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// `pkg:type/namespace/name@version?qualifiers#subpath`, decoded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Purl {
    /// Lower-case type.
    pub kind: String,
    /// Namespace with `/` between its segments.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Version.
    pub version: Option<String>,
    /// Qualifiers, sorted by key.
    pub qualifiers: BTreeMap<String, String>,
    /// Path below the package.
    pub subpath: Option<String>,
}

/// Why a text is no package URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a package URL: {why}")]
pub struct PurlError {
    /// The text, clipped.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Purl {
    /// Parses by the rules of the specification, section "How to parse a purl string".
    pub fn parse(text: &str) -> Result<Self, PurlError> {
        let error = |why| PurlError { text: text.chars().take(120).collect(), why };
        let (scheme, rest) = text.trim().split_once(':').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(error("it does not start with `pkg:`"));
        }
        let (rest, subpath) = match rest.rsplit_once('#') {
            Some((rest, subpath)) => (rest, Some(decode(subpath.trim_matches('/')))),
            None => (rest, None),
        };
        let (rest, qualifiers) = match rest.split_once('?') {
            Some((rest, qualifiers)) => (rest, parse_qualifiers(qualifiers)),
            None => (rest, BTreeMap::new()),
        };
        let (kind, rest) =
            rest.trim_start_matches('/').split_once('/').ok_or_else(|| error("it has no name"))?;
        let kind = kind.to_ascii_lowercase();
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b)) {
            return Err(error("its type has characters that are not allowed"));
        }
        // An unescaped `@` may open an npm scope: only one after the last slash starts a version.
        let name_start = rest.rfind('/').map_or(0, |at| at + 1);
        let (path, version) = match rest.get(name_start..).and_then(|name| name.rfind('@')) {
            Some(at) if at > 0 => (&rest[..name_start + at], Some(decode(&rest[name_start + at + 1..]))),
            _ => (rest, None),
        };
        let path = path.trim_matches('/');
        let (namespace, name) = match path.rsplit_once('/') {
            Some((namespace, name)) => (Some(decode(namespace.trim_matches('/'))), decode(name)),
            None => (None, decode(path)),
        };
        if name.is_empty() {
            return Err(error("it has no name"));
        }
        Ok(Self { kind, namespace, name, version: version.filter(|v| !v.is_empty()), qualifiers, subpath })
    }
    /// The same package without version, qualifiers and subpath: its identity across releases.
    pub fn without_version(&self) -> Self {
        Self { version: None, qualifiers: BTreeMap::new(), subpath: None, ..self.clone() }
    }
}

fn parse_qualifiers(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, value)| !key.is_empty() && !value.is_empty())
        .map(|(key, value)| (key.to_ascii_lowercase(), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let code = hex.filter(|_| first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(f: &mut fmt::Formatter<'_>, text: &str, also: &[u8]) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~:".contains(&byte) || also.contains(&byte) {
            write!(f, "{}", byte as char)?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        if let Some(namespace) = &self.namespace {
            encode(f, namespace, b"/")?;
            f.write_str("/")?;
        }
        encode(f, &self.name, b"")?;
        if let Some(version) = &self.version {
            f.write_str("@")?;
            encode(f, version, b"")?;
        }
        for (index, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}=", if index == 0 { '?' } else { '&' })?;
            encode(f, value, b"/")?;
        }
        if let Some(subpath) = &self.subpath {
            f.write_str("#")?;
            encode(f, subpath, b"/")?;
        }
        Ok(())
    }
}

impl Serialize for Purl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Purl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for text in [
            "pkg:npm/%40angular/animation@12.3.1",
            "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=debian-12",
            "pkg:maven/org.apache.commons/io@1.3.4",
            "pkg:golang/github.com/a/b@v1.2.3#sub/dir",
            "pkg:deb/debian/a@1%2Bb",
        ] {
            assert_eq!(Purl::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn lenient_and_hostile() {
        let scoped = Purl::parse("pkg:npm/@scope/name@1.0").expect("unescaped scope");
        assert_eq!((scoped.namespace.as_deref(), scoped.name.as_str()), (Some("@scope"), "name"));
        for bad in ["", "pkg:", "pkg:npm", "pkg:npm/", "http://x", "pkg:n pm/x"] {
            assert!(Purl::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Purl::parse("pkg:npm/%").expect("lone percent").name, "%");
        assert_eq!(Purl::parse("PKG:NPM/x").expect("any case").kind, "npm");
    }
}
