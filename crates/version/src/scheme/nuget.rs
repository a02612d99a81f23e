//! The order of NuGet's `VersionComparer`: Semantic Versioning with up to four numbers (missing
//! ones are zero) and pre-releases compared without regard to case. Reads numbers of any size,
//! while NuGet takes an identifier beyond 32 bits for a word.

use super::{Invalid, Scheme, never};
use crate::semantic::{self, Semantic};
use crate::text;
use std::cmp::Ordering;

/// Versions of NuGet packages.
pub const SCHEME: Scheme =
    Scheme { name: NAME, compare, is_valid, decided: semantic::decided, falls_back: never };

const NAME: &str = "nuget";

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, semantic::order_caseless)
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
        check("nuget", "1.0.0-BETA = 1.0.0-beta+AA < 1.0.0-beta.1 < 1.0.0-Beta2 < 1.0 = 1.0.0.0 = 1.0.00+x");
        check("nuget", "1.0.0 < 1.0.0.1-alpha < 1.0.0.1-PRE < 1.0.0.1 < 1.0.1");
    }

    #[test]
    fn refuses() {
        check_invalid("nuget", &["", "*", "[1.0,2.0)", "1.0.*", "1.0-a..b", "1.0.0-é"]);
    }
}
