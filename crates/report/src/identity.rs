//! Identifiers derived from content, so that the same report gives the same bytes: no randomness.

use sha2::{Digest as _, Sha256};

/// SHA-256 of the parts in hexadecimal; each part is preceded by its length.
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    seaworthy_types::Digest::from_bytes(hasher.finalize().into()).hex()
}

/// A UUID of version 8 (RFC 9562, section 5.8: custom) out of a SHA-256 over the content.
pub fn uuid(content: &[u8]) -> String {
    let hex = digest(&[content]);
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or("0000").to_owned();
    // The variant's two bits are `10`, so that its digit is one of 8, 9, a, b.
    let variant = match hex.as_bytes().get(16).copied().unwrap_or(b'0') % 4 {
        0 => '8',
        1 => '9',
        2 => 'a',
        _ => 'b',
    };
    format!("{}-{}-8{}-{variant}{}-{}", part(0..8), part(8..12), part(13..16), part(17..20), part(20..32))
}

#[cfg(test)]
mod tests {
    #[test]
    fn identifiers_are_well_formed_and_differ() {
        let (a, b) = (super::uuid(b"a"), super::uuid(b"b"));
        assert_ne!(a, b);
        assert_eq!((a.len(), a.as_bytes()[14], a.matches('-').count()), (36, b'8', 4));
        assert_ne!(super::digest(&[b"ab", b"c"]), super::digest(&[b"a", b"bc"]));
    }
}
