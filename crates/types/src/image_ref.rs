//! Names of images in registries, by the reference grammar of the distribution project
//! (`distribution/reference`: `[domain/]path[:tag][@digest]`) with Docker's defaults: `docker.io`,
//! `library/`, `latest`. Only sha256 digests are known, as everywhere here.

use crate::{Digest, DigestError};
use core::net::Ipv6Addr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const HUB: &str = "docker.io";
const NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// An image in a registry: where, which, and at what tag or digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ImageRefError {
    /// Nothing, or nothing before the tag.
    #[error("`{0}` names no repository; write for instance `alpine:3.20` or `registry.example/team/app:1`")]
    Empty(String),
    /// An address instead of a name.
    #[error("`{0}` is an address; leave out `http://` or `https://` (plain HTTP is an option of its own)")]
    Scheme(String),
    /// The registry's name or port is malformed.
    #[error("`{0}` is no registry host: letters, digits, `.` and `-`, then perhaps `:port` (1 to 65535)")]
    Registry(String),
    /// Upper-case letters in the path.
    #[error("`{0}` has upper-case letters; repository names are lower-case")]
    UpperCase(String),
    /// A part of the path is malformed.
    #[error("`{0}` is no repository name: lower-case letters and digits, joined by `.`, `_`, `__` or `-`")]
    Repository(String),
    /// The path has the form of an image id.
    #[error("`{0}` looks like an image id, which registries do not know; name the repository")]
    Id(String),
    /// Too long.
    #[error("the repository name is longer than 255 characters")]
    TooLong,
    /// The tag is malformed.
    #[error("`{0}` is no tag: letters, digits, `_`, `.` and `-`, at most 128, not beginning with `.` or `-`")]
    Tag(String),
    /// The digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ImageRef {
    /// Parses a name as people write it; what is left out takes Docker's defaults.
    pub fn parse(text: &str) -> Result<Self, ImageRefError> {
        if text.contains("://") {
            return Err(ImageRefError::Scheme(clip(text)));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        let path_start = name.rfind('/').map_or(0, |at| at + 1);
        let tag_at = name[path_start..].find(':').map(|at| path_start + at);
        let (name, tag) = match tag_at {
            Some(at) => (&name[..at], Some(&name[at + 1..])),
            None => (name, None),
        };
        if let Some(bad) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ImageRefError::Tag(clip(bad)));
        }
        let (registry, path) = split(name);
        if path.is_empty() {
            return Err(ImageRefError::Empty(clip(text)));
        }
        if !is_host(registry) {
            return Err(ImageRefError::Registry(clip(registry)));
        }
        check_path(path)?;
        if registry == HUB && digest.is_none() && tag.is_none() && is_id(path) {
            return Err(ImageRefError::Id(clip(path)));
        }
        let is_official = registry == HUB && !path.contains('/');
        let repository = if is_official { format!("library/{path}") } else { path.to_owned() };
        if repository.len() > NAME_BYTES_MAX {
            return Err(ImageRefError::TooLong);
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        // A bare upper-case word is a registry only because of its case.
        let is_marked = registry.contains(['.', ':']);
        let registry = if is_marked { registry.to_ascii_lowercase() } else { registry.to_owned() };
        Ok(Self { registry, repository, tag, digest })
    }
    /// Host and perhaps port, `docker.io` for Docker's own.
    pub fn registry(&self) -> &str {
        &self.registry
    }
    /// The path in the registry, with `library/` where Docker leaves it out.
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// The tag, when there is one. A digest beside it decides.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// The digest, when there is one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
    /// What a registry is asked for: the digest if there is one, else the tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
    /// The same image, pinned.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
    /// Another tag of the same repository.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ImageRefError> {
        if !is_tag(tag) {
            return Err(ImageRefError::Tag(clip(tag)));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }
}

/// Parts the registry from the path as Docker does: the first part is a host if it has a dot, a port or
/// an upper-case letter, or is `localhost`.
fn split(name: &str) -> (&str, &str) {
    let is_registry = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
    };
    match name.split_once('/') {
        Some(("index.docker.io", path)) => (HUB, path),
        Some((first, path)) if is_registry(first) => (first, path),
        _ => (HUB, name),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port > 0)
        }
        None => port.is_empty(),
    };
    is_port && host.len() <= NAME_BYTES_MAX && host.split('.').all(is_label)
}

fn check_path(path: &str) -> Result<(), ImageRefError> {
    if path.len() > NAME_BYTES_MAX {
        return Err(ImageRefError::TooLong);
    }
    for part in path.split('/') {
        if !is_part(part) {
            let has_upper = is_part(&part.to_ascii_lowercase());
            let shown = clip(path);
            return Err(if has_upper {
                ImageRefError::UpperCase(shown)
            } else {
                ImageRefError::Repository(shown)
            });
        }
    }
    Ok(())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_part(part: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_joint = |joint: &str| {
        matches!(joint, "." | "_" | "__") || (!joint.is_empty() && joint.bytes().all(|b| b == b'-'))
    };
    let ends_well = |byte: Option<u8>| byte.is_some_and(is_word);
    let (first, last) = (part.bytes().next(), part.bytes().next_back());
    ends_well(first)
        && ends_well(last)
        && part
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .filter(|joint| !joint.is_empty())
            .all(is_joint)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_BYTES_MAX
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

fn is_id(path: &str) -> bool {
    path.len() == 64 && path.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_defaults() {
        let hex = "ab".repeat(32);
        let at = |text: &str| text.replace("DIGEST", &format!("sha256:{hex}"));
        for (input, canonical) in [
            ("alpine", "docker.io/library/alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("library/alpine", "docker.io/library/alpine:latest"),
            ("docker.io/alpine", "docker.io/library/alpine:latest"),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest"),
            ("grafana/grafana:11", "docker.io/grafana/grafana:11"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a:b", "localhost:5000/a:b"),
            ("host:5000/a", "host:5000/a:latest"),
            ("HOST/a", "HOST/a:latest"),
            ("Host.Example/a", "host.example/a:latest"),
            ("ghcr.io/o/r/deep/er:v1_2.3-4", "ghcr.io/o/r/deep/er:v1_2.3-4"),
            ("127.0.0.1:5443/x", "127.0.0.1:5443/x:latest"),
            ("[::1]:5000/x:1", "[::1]:5000/x:1"),
            ("[fd00::2]/x", "[fd00::2]/x:latest"),
            ("a__b/c--d/e.f_g", "docker.io/a__b/c--d/e.f_g:latest"),
            ("alpine@DIGEST", "docker.io/library/alpine@DIGEST"),
            ("alpine:3@DIGEST", "docker.io/library/alpine:3@DIGEST"),
            ("quay.io:443/a/b@DIGEST", "quay.io:443/a/b@DIGEST"),
            ("host/a", "docker.io/host/a:latest"),
        ] {
            let image = ImageRef::parse(&at(input)).unwrap_or_else(|error| panic!("{input}: {error}"));
            assert_eq!(image.to_string(), at(canonical), "{input}");
            assert_eq!(ImageRef::parse(&image.to_string()).as_ref(), Ok(&image), "{input}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        let long = "a".repeat(256);
        let tag = format!("a:{}", "t".repeat(129));
        let id = "0".repeat(64);
        for (input, part) in [
            ("", "names no repository"),
            (":tag", "names no repository"),
            ("host.example/", "names no repository"),
            ("https://ghcr.io/a", "leave out"),
            ("Alpine", "upper-case"),
            ("ghcr.io/Owner/x", "upper-case"),
            ("a//b", "no repository name"),
            ("/a", "no repository name"),
            ("a/../b", "no repository name"),
            ("a_-b", "no repository name"),
            ("a___b", "no repository name"),
            ("-a", "no repository name"),
            ("a.", "no repository name"),
            ("é", "no repository name"),
            ("a b", "no repository name"),
            ("a\r\nx", "no repository name"),
            ("a:", "no tag"),
            ("a:-b", "no tag"),
            ("a:b c", "no tag"),
            (&tag, "no tag"),
            ("a:b:c", "no tag"),
            ("host.example:0/a", "no registry host"),
            ("host.example:65536/a", "no registry host"),
            ("host.example:+5/a", "no registry host"),
            ("-x.example/a", "no registry host"),
            ("user:pw/a", "no registry host"),
            ("x..example/a", "no registry host"),
            ("[::1/a", "no registry host"),
            ("[zz]:1/a", "no registry host"),
            ("a@sha256:00", "hexadecimal"),
            ("a@sha512:00", "only sha256"),
            ("a@", "only sha256"),
            ("a@b@c", "only sha256"),
            (&id, "image id"),
            (&long, "longer than"),
        ] {
            let error = ImageRef::parse(input).expect_err(input).to_string();
            assert!(error.contains(part), "{input:?}: {error}");
        }
    }

    #[test]
    fn the_digest_decides() {
        let digest = Digest::from_bytes([1; 32]);
        let image = ImageRef::parse("a:1").expect("valid");
        assert_eq!(image.selector(), "1");
        assert_eq!(image.with_digest(digest).selector(), digest.to_string());
        assert_eq!(image.with_tag("2").expect("valid").to_string(), "docker.io/library/a:2");
        assert!(image.with_tag("../x").is_err());
    }
}
