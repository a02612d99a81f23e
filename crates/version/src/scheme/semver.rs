//! Semantic Versioning 2.0 (semver.org), as crates, Hex and Swift packages use it. Reads more than
//! the specification allows: a leading `v`, missing or additional numbers (missing ones are zero),
//! leading zeros, numbers beyond 64 bits. Build metadata never counts.

use super::{Invalid, Scheme, never};
use crate::semantic::{self, Semantic};
use crate::text;
use std::cmp::Ordering;

/// Semantic Versioning.
pub const SCHEME: Scheme =
    Scheme { name: NAME, compare, is_valid, decided: semantic::decided, falls_back: never };

const NAME: &str = "semver";

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, semantic::order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Semantic<'_>> {
    let version = version.trim_ascii();
    semantic::parse(version.strip_prefix(['v', 'V']).unwrap_or(version).as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "semver",
            "1.0.0-alpha < 1.0.0-alpha.1 < 1.0.0-alpha.beta < 1.0.0-beta < 1.0.0-beta.2 \
             < 1.0.0-beta.11 < 1.0.0-rc.1 < 1.0.0 = 1.0.0+build = v1 = 1.0 < 1.0.0.1 < 1.0.1 \
             < 1.0.18446744073709551615 < 1.0.18446744073709551616",
        );
        check("semver", "1.0.0-4 < 1.0.0-4-foo < 1.0.0-R2 < 1.0.0-r100 < 1.0.0-r2");
        check("semver", "1.0.0-18446744073709551616 < 1.0.0-18446744073709551617 < 1.0.0-0a");
    }

    #[test]
    fn refuses() {
        check_invalid("semver", &["", " ", "v", "x", "1..0", "1.0.0-a..b", "1.0.a", "1.0 0", "1.0.0-é"]);
    }
}
