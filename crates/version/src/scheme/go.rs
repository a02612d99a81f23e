//! Go module versions (go.dev/ref/mod#versions) and the versions of the Go toolchain and standard
//! library (go.dev/doc/toolchain#version), which share one order: `1.21rc2` is read as
//! `1.21.0-rc.2`, as the Go vulnerability database writes it. The leading `v` or `go` is optional.
//! Build metadata (`+incompatible`, `+dirty`), experiments (`X:jsonv2`), vendors' suffixes after
//! the toolchain's version and the `b4` of the BoringCrypto releases do not count. A toolchain
//! built between releases (`devel go1.27-abcdef`) is a pre-release of the version it names.
//! `(devel)` is no version.

use super::{Invalid, Scheme, never};
use crate::semantic::{self, Semantic};
use crate::text;
use std::cmp::Ordering;

/// Versions of Go modules and of Go itself.
pub const SCHEME: Scheme =
    Scheme { name: NAME, compare, is_valid, decided: semantic::decided, falls_back: never };

const NAME: &str = "go";

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, semantic::order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Semantic<'_>> {
    let version = version.trim_ascii().as_bytes();
    if let Some(rest) = version.strip_prefix(b"devel ") {
        return development(rest.trim_ascii_start().strip_prefix(b"go")?);
    }
    // Whatever follows a space is an experiment or a vendor's remark.
    let (version, _) = text::split_run(version, |byte| !byte.is_ascii_whitespace());
    if let Some(toolchain) = version.strip_prefix(b"go") {
        return toolchain_version(toolchain);
    }
    let version = version.strip_prefix(b"v").unwrap_or(version);
    let (core, rest) = text::split_dotted(version);
    match rest {
        [b'-', b'X', b':', ..] => semantic::parse(core),
        [byte, ..] if byte.is_ascii_alphabetic() => toolchain_version(version),
        _ => semantic::parse(version),
    }
}

/// `1.21rc2`, `1.20.3`, each with any suffix.
fn toolchain_version(version: &[u8]) -> Option<Semantic<'_>> {
    let (core, rest) = text::split_dotted(version);
    let mut semantic = semantic::parse(core)?;
    let (word, rest) = text::split_letters(rest);
    let (number, rest) = text::split_digits(rest);
    if !matches!(rest, [] | [b'-' | b'+' | b'.' | b'_' | b'(' | b'~', ..]) || !rest.is_ascii() {
        return None;
    }
    match word {
        b"" | b"b" => Some(semantic),
        _ => {
            (semantic.pre_release, semantic.pre_release_rest) = (word, number);
            Some(semantic)
        }
    }
}

/// `1.27-abcdef Tue ...`
fn development(version: &[u8]) -> Option<Semantic<'_>> {
    let mut semantic = semantic::parse(text::split_dotted(version).0)?;
    // After `1.27.0-0`, the first that advisories write, and before the betas.
    (semantic.pre_release, semantic.pre_release_rest) = (b"0", b"devel");
    Some(semantic)
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn modules() {
        check(
            "go",
            "v0.0.0-20190101000000-aaaaaaaaaaaa < v0.0.0-20200101000000-000000000000 < 0.0.0 \
             < v1.2.3-pre.0.20200101000000-abcdefabcdef < v1.2.3 = 1.2.3 < v1.2.4-0.20200101000000-abcdefabcdef \
             < v1.2.4 < v2.0.0+incompatible = v2 = v2.0.0+dirty < v2.0.1",
        );
    }

    #[test]
    fn toolchains() {
        check(
            "go",
            "1.20.3 = go1.20.3 = go1.20.3-fips = go1.20.3 (Red Hat 1.20.3-1.el9) = go1.20.3b4 = 1.20.3 X:boringcrypto \
             < 1.21.0-0 < devel go1.21-abcdef Tue Jan 2 < 1.21beta1 < 1.21rc2 = go1.21rc2 = 1.21.0-rc.2 < 1.21rc10 \
             < 1.21 = go1.21.0 < 1.26.8-X:jsonv2 = go1.26.8-X:jsonv2 = 1.26.8 = go1.26.8+auto < 1.26.9-0",
        );
    }

    #[test]
    fn refuses() {
        check_invalid(
            "go",
            &["", "(devel)", "devel", "go", "v", "devel +abc", "v1.2.3-é", "1.2rc1é", "unknown"],
        );
    }
}
