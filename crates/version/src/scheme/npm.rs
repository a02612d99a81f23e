//! The order of node-semver in its loose mode: Semantic Versioning with tolerated `v`, `=` and
//! spaces before the version. Differs from node-semver in reading numbers of any size (node-semver
//! refuses those above 2^53) and missing numbers (they are zero).

use super::{Invalid, Scheme, never};
use crate::semantic::{self, Semantic};
use crate::text;
use std::cmp::Ordering;

/// Versions of npm packages.
pub const SCHEME: Scheme =
    Scheme { name: NAME, compare, is_valid, decided: semantic::decided, falls_back: never };

const NAME: &str = "npm";

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, semantic::order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Semantic<'_>> {
    let is_decoration = |c: char| c.is_ascii_whitespace() || matches!(c, 'v' | 'V' | '=');
    semantic::parse(version.trim_ascii_end().trim_start_matches(is_decoration).as_bytes())
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check("npm", "1.2.3-0 < 1.2.3-beta < 1.2.3 = v1.2.3 = =v1.2.3 = 1.2.3+x < 1.2.4-a < 1.10.0");
        check("npm", "1.2.3beta = 1.2.3-beta < 1.2.3-beta.2 < 1.2.3-beta.10 < 1.2.3");
        check("npm", "=v 2.0.0 = v=2 < 99999999999999999999.0.0");
    }

    #[test]
    fn refuses() {
        check_invalid("npm", &["", "v", "latest", "file:../x", "1.2.x", "1.2.3-ü", "^1.2.3", "1.2.3 - 2"]);
    }
}
