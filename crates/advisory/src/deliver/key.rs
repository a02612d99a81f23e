//! Ed25519 keys (RFC 8032) of publications: public ones as one line of text, private ones as PKCS#8 PEM
//! (RFC 8410, what `openssl genpkey -algorithm ed25519` writes; version 2 of RFC 5958 too).
//!
//! The cryptography is `ring`'s. What it does not do: find randomness (`PrivateKey::from_seed` takes it),
//! or decide whom to trust ([`Trusted`] only lists).

use super::fault::DeliverError;
use crate::database::container::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

const PUBLIC_WORD: &str = "seaworthy-key-1";
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";
/// PKCS#8 version 1 around a seed of 32 bytes (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// A key file is never longer.
const PEM_BYTES_MAX: usize = 16 << 10;
const PINNED: &str = include_str!("../../keys/pinned.txt");
const PINNED_AT_BUILD: Option<&str> = option_env!("SEAWORTHY_DATA_KEYS");

fn refused<T>(why: impl Into<String>) -> Result<T, DeliverError> {
    Err(DeliverError::Key(why.into()))
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads `seaworthy-key-1 <base64 of 32 bytes> [comment]`.
    pub fn parse(line: &str) -> Result<Self, DeliverError> {
        let mut words = line.split_whitespace();
        if words.next() != Some(PUBLIC_WORD) {
            return refused(format!("a public key is a line `{PUBLIC_WORD} <base64 of 32 bytes> [comment]`"));
        }
        let bytes = words.next().and_then(|word| STANDARD.decode(word).ok());
        match bytes.map(<[u8; 32]>::try_from) {
            Some(Ok(bytes)) => Ok(Self(bytes)),
            _ => refused("a public key is 32 bytes in base64"),
        }
    }
    /// Reads lines of keys, or keys with `;` between; empty lines and those that start with `#` are comments.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, DeliverError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let keys = lines.flat_map(|line| line.split(';')).map(str::trim);
        keys.filter(|key| !key.is_empty()).map(Self::parse).collect()
    }
    /// Short name: the first 16 hexadecimal digits of the SHA-256 of its bytes.
    pub fn id(&self) -> String {
        hex(Sha256::digest(self.0).get(..8).unwrap_or_default())
    }
    /// Whether a signature over these bytes is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_WORD} {}", STANDARD.encode(self.0))
    }
}

/// A key that signs. It is never printed.
pub struct PrivateKey {
    pair: Ed25519KeyPair,
}

impl PrivateKey {
    /// A key out of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, DeliverError> {
        match Ed25519KeyPair::from_seed_unchecked(seed) {
            Ok(pair) => Ok(Self { pair }),
            Err(error) => refused(error.to_string()),
        }
    }
    /// Reads PKCS#8 in PEM.
    pub fn parse_pem(text: &str) -> Result<Self, DeliverError> {
        let body = text.get(..PEM_BYTES_MAX.min(text.len())).and_then(|text| text.split_once(PEM_BEGIN));
        let Some((body, _)) = body.and_then(|(_, rest)| rest.split_once(PEM_END)) else {
            return refused(format!("a private key is PKCS#8 in PEM (`{PEM_BEGIN}`)"));
        };
        let digits: String = body.split_whitespace().collect();
        let Ok(bytes) = STANDARD.decode(digits) else { return refused("the private key is no base64") };
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes) {
            Ok(pair) => Ok(Self { pair }),
            Err(error) => refused(format!("the private key is no Ed25519 key in PKCS#8 ({error})")),
        }
    }
    /// The key that checks what this one signs.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(bytes)
    }
    /// Signs bytes: 64 bytes, the same each time.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// A new key out of 32 random bytes: the private key as PKCS#8 PEM, and the public one.
pub fn make_key(seed: &[u8; 32]) -> Result<(String, PublicKey), DeliverError> {
    let public = PrivateKey::from_seed(seed)?.public();
    let body = STANDARD.encode([PKCS8_HEAD.as_slice(), seed].concat());
    Ok((format!("{PEM_BEGIN}\n{body}\n{PEM_END}\n"), public))
}

/// The keys that are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trusted {
    keys: Vec<PublicKey>,
}

impl Trusted {
    /// Those built into the program, or those that the user configured in their place.
    pub fn new(configured: &[PublicKey]) -> Result<Self, DeliverError> {
        if !configured.is_empty() {
            return Ok(Self { keys: configured.to_vec() });
        }
        let mut keys = PublicKey::parse_all(PINNED)?;
        keys.extend(PublicKey::parse_all(PINNED_AT_BUILD.unwrap_or_default())?);
        Ok(Self { keys })
    }
    /// All of them.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back() {
        let (pem, public) = make_key(&[7; 32]).expect("made");
        let private = PrivateKey::parse_pem(&pem).expect("read");
        assert_eq!(private.public(), public);
        assert_eq!(PublicKey::parse(&format!("{public} of the tests")).expect("read"), public);
        let signature = private.sign(b"message");
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!public.verifies(b"message", &signature[..63]));
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn the_signature_of_the_standard() {
        let seed = *b"\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
        let key = PrivateKey::from_seed(&seed).expect("a key");
        assert_eq!(
            hex(&key.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    /// Version 1 as `openssl genpkey -algorithm ed25519` writes it (the key of RFC 8410, section 10.3), and
    /// version 2 of RFC 5958 with the public key beside it, in today's tag and in an older one.
    #[test]
    fn keys_of_others_are_read() {
        let one = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let public = PrivateKey::parse_pem(one).expect("read").public();
        assert_eq!(public.to_string(), "seaworthy-key-1 Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
        let (seed, public) = ([7; 32], PrivateKey::from_seed(&[7; 32]).expect("a key").public());
        for tagged in [[0x51, 0x81, 0x21, 0].as_slice(), &[0x53, 0xa1, 0x23, 0x03, 0x21, 0]] {
            let (length, tag) = (tagged[0], &tagged[1..]);
            let mut der = vec![0x30, length, 0x02, 0x01, 0x01];
            der.extend_from_slice(&PKCS8_HEAD[5..]);
            der.extend([seed.as_slice(), tag, &public.0].concat());
            let pem = format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(&der));
            assert_eq!(PrivateKey::parse_pem(&pem).expect("version 2").public(), public);
            // A public key that is not the private one's.
            *der.last_mut().expect("bytes") ^= 1;
            let pem = format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(&der));
            assert!(PrivateKey::parse_pem(&pem).is_err());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for bad in ["", "seaworthy-key-1", "seaworthy-key-1 AAAA", "seaworthy-key-2 x", "seaworthy-key-1 é"]
        {
            assert!(PublicKey::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", &"é".repeat(9_000)] {
            assert!(PrivateKey::parse_pem(bad).is_err());
        }
        assert_eq!(Trusted::new(&[]).expect("the pinned file is sound").keys(), []);
    }
}
