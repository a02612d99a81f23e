//! Content digests as in the OCI image specification, section "Descriptor / Digests".

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A `sha256:<hex>` digest. Other algorithms are refused with a clear error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no digest we can use.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum DigestError {
    /// The algorithm is not sha256.
    #[error("digest algorithm of `{0}` is not supported (only sha256)")]
    Algorithm(String),
    /// The hexadecimal part is malformed.
    #[error("`{0}` is not 64 lower-case hexadecimal digits")]
    Hex(String),
}

impl Digest {
    /// A digest from its 32 raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// Parses `sha256:<64 hex digits>`.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        match text.split_once(':') {
            Some(("sha256", hex)) => Self::from_hex(hex),
            _ => Err(DigestError::Algorithm(clip(text))),
        }
    }
    /// Parses 64 hexadecimal digits.
    pub fn from_hex(hex: &str) -> Result<Self, DigestError> {
        let error = || DigestError::Hex(clip(hex));
        let raw = hex.as_bytes();
        if raw.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0u8; 32];
        for (out, pair) in bytes.iter_mut().zip(raw.chunks_exact(2)) {
            let [high, low] = [nibble(pair[0]), nibble(pair[1])];
            *out = high.ok_or_else(error)? << 4 | low.ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }
    /// The 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }
}

fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        let text = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(Digest::parse(&text).expect("valid").to_string(), text);
    }

    #[test]
    fn refuses_broken_and_hostile() {
        for bad in ["", "sha256:", "sha512:00", "sha256:zz", "md5:x", "sha256:é"] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
        assert!(Digest::from_hex(&"A".repeat(64)).is_err());
        assert!(Digest::from_hex(&"é".repeat(32)).is_err());
    }
}
