//! The schemes. Each file names the specification it follows.

use std::cmp::Ordering;

// tidy:begin
pub mod apk;
pub mod composer;
pub mod dpkg;
pub mod gem;
pub mod generic;
pub mod go;
pub mod maven;
pub mod npm;
pub mod nuget;
pub mod pep440;
pub mod rpm;
pub mod semver;

/// Every scheme, sorted by name.
pub const ALL: &[&Scheme] = &[
    &apk::SCHEME,
    &composer::SCHEME,
    &dpkg::SCHEME,
    &gem::SCHEME,
    &generic::SCHEME,
    &go::SCHEME,
    &maven::SCHEME,
    &npm::SCHEME,
    &nuget::SCHEME,
    &pep440::SCHEME,
    &rpm::SCHEME,
    &semver::SCHEME,
];
// tidy:end

/// One version order.
pub struct Scheme {
    /// Stable name: `dpkg`, `rpm`, `pep440`.
    pub name: &'static str,
    /// Compares two versions; `Err` names the text that the scheme cannot read.
    pub compare: fn(&str, &str) -> Result<Ordering, Invalid>,
    /// Whether the scheme can read the text.
    pub is_valid: fn(&str) -> bool,
    /// The order of two texts that `compare` refuses, when what can be read of them decides before the
    /// part that cannot: `1.3.0` is above `1.0.0.beta.3`, whatever the latter means.
    pub decided: fn(&str, &str) -> Option<Ordering>,
    /// Whether the scheme reads the text, but only by a fall-back: its place in the order is a guess.
    pub falls_back: fn(&str) -> bool,
}

impl Scheme {
    /// Compares two versions as far as they can be read; `Err` when an unreadable part would decide.
    pub fn compare_readable(&self, a: &str, b: &str) -> Result<Ordering, Invalid> {
        (self.compare)(a, b).or_else(|invalid| (self.decided)(a, b).ok_or(invalid))
    }
}

/// [`Scheme::decided`] of schemes whose texts are read whole or not at all.
pub fn undecided(_: &str, _: &str) -> Option<Ordering> {
    None
}

/// [`Scheme::falls_back`] of schemes without a fall-back.
pub fn never(_: &str) -> bool {
    false
}

/// A text that is no version of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {scheme} version")]
pub struct Invalid {
    /// The text, clipped to 120 characters.
    pub text: String,
    /// Name of the scheme.
    pub scheme: &'static str,
}

/// The scheme with this name.
pub fn by_name(name: &str) -> Option<&'static Scheme> {
    ALL.iter().copied().find(|scheme| scheme.name == name)
}

#[cfg(test)]
mod cases {
    //! Tables of cases for the tests of each scheme.

    use super::by_name;
    use std::cmp::Ordering;

    /// Checks each pair, both ways, of a row of versions: `1.0 < 1.1 = 1.01`.
    pub fn check(scheme: &str, row: &str) {
        let compare = by_name(scheme).expect("known scheme").compare;
        let mut ranked = Vec::new();
        for (rank, equals) in row.split(" < ").enumerate() {
            ranked.extend(equals.split(" = ").map(|version| (rank, version)));
        }
        assert!(ranked.len() > 1, "a row of at least two versions");
        for (rank_a, a) in &ranked {
            for (rank_b, b) in &ranked {
                let order = compare(a, b).expect("valid versions");
                assert_eq!(order, rank_a.cmp(rank_b), "{scheme}: `{a}` against `{b}`");
            }
        }
    }

    /// Checks that the scheme refuses each text, on either side.
    pub fn check_invalid(scheme: &str, texts: &[&str]) {
        let scheme = by_name(scheme).expect("known scheme");
        for text in texts {
            assert!(!(scheme.is_valid)(text), "{}: `{text}` is refused", scheme.name);
            for (a, b) in [(*text, "1.0"), ("1.0", *text), (*text, *text)] {
                let error = (scheme.compare)(a, b).expect_err(text);
                assert_eq!((error.text.as_str(), error.scheme), (*text, scheme.name));
            }
        }
        assert_eq!((scheme.compare)("1.0", "1.0"), Ok(Ordering::Equal));
    }
}
