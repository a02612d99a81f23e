//! What the schemes of the semver family share: a dotted row of numbers, a pre-release and build
//! metadata. Follows Semantic Versioning 2.0, section 11, for precedence, but reads more: one to
//! any number of numbers, leading zeros, numbers beyond 64 bits and a pre-release that no hyphen
//! introduces (`1.2.3beta`, the "loose" form of node-semver). Build metadata is ignored.

use crate::text;
use std::cmp::Ordering;

/// A version of the family.
pub struct Semantic<'a> {
    /// `1.2.3`
    pub core: &'a [u8],
    /// `rc.1`; empty for a release.
    pub pre_release: &'a [u8],
    /// More identifiers of the pre-release: a number glued to a word (`rc2` in Go) sits here.
    pub pre_release_rest: &'a [u8],
}

/// Reads a version. `None` when it does not begin with a digit or holds a character that no
/// version of the family has.
pub fn parse(version: &[u8]) -> Option<Semantic<'_>> {
    let (core, rest) = text::split_dotted(version);
    if core.is_empty() {
        return None;
    }
    let (before_build, build) = text::cut(rest, b'+');
    if build.is_some_and(|build| !build.is_empty() && !text::is_graphic(build)) {
        return None;
    }
    let pre_release = match before_build {
        [] => before_build,
        // Of a hyphen that introduces nothing, node-semver makes an identifier.
        [b'-', pre_release @ ..] => identifiers(pre_release).or_else(|| identifiers(before_build))?,
        _ => identifiers(before_build)?,
    };
    Some(Semantic { core, pre_release, pre_release_rest: b"" })
}

/// The text when it is dot-separated identifiers of letters, digits and hyphens.
fn identifiers(text: &[u8]) -> Option<&[u8]> {
    let is_identifier =
        |part: &[u8]| !part.is_empty() && part.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-');
    text.split(|&byte| byte == b'.').all(is_identifier).then_some(text)
}

/// Orders by the precedence of Semantic Versioning.
pub fn order(a: &Semantic, b: &Semantic) -> Ordering {
    order_by(a, b, |x, y| x.cmp(y))
}

/// Orders by the precedence of Semantic Versioning, but without regard to case.
pub fn order_caseless(a: &Semantic, b: &Semantic) -> Ordering {
    order_by(a, b, text::compare_caseless)
}

/// The order of two texts by the numbers that both begin with, when these differ. Nothing when a text
/// is no single version (`1.2 - 3`, `1 || 2`).
pub fn decided(a: &str, b: &str) -> Option<Ordering> {
    let (left, right) = (leading_numbers(a)?, leading_numbers(b)?);
    let pairs = left.split(|&byte| byte == b'.').zip(right.split(|&byte| byte == b'.'));
    let mut orders = pairs.map(|(x, y)| text::compare_numbers(x, y));
    orders.find(|order| *order != Ordering::Equal)
}

/// The dotted numbers at the start of something that looks like one version.
fn leading_numbers(version: &str) -> Option<&[u8]> {
    let version = version.trim().trim_start_matches(['v', 'V', '=']);
    if version.contains(|c: char| c.is_whitespace() || c.is_control() || "<>=|,*~^!".contains(c)) {
        return None;
    }
    let (numbers, _) = text::split_dotted(version.as_bytes());
    (!numbers.is_empty()).then_some(numbers)
}

fn order_by(a: &Semantic, b: &Semantic, words: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let order = text::compare_dotted(a.core, b.core);
    if order != Ordering::Equal {
        return order;
    }
    match (a.pre_release.is_empty(), b.pre_release.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => order_pre_releases(a, b, words),
    }
}

fn order_pre_releases(a: &Semantic, b: &Semantic, words: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let (mut left, mut right) = (parts(a), parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (text::is_number(x), text::is_number(y)) {
                (true, true) => text::compare_numbers(x, y),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => words(x, y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn parts<'a>(version: &Semantic<'a>) -> impl Iterator<Item = &'a [u8]> {
    let first = version.pre_release.split(|&byte| byte == b'.');
    let rest = version.pre_release_rest.split(|&byte| byte == b'.');
    first.chain(rest.filter(|part| !part.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_decides() {
        for (a, b, order) in [
            ("4.7.7", "1.0.0.beta.3", Some(Ordering::Greater)),
            ("0.9", "1.0.0.beta.3", Some(Ordering::Less)),
            // The part that cannot be read would decide.
            ("1.0.0", "1.0.0.beta.3", None),
            ("1.0.0-rc.1", "1.0.0.beta.3", None),
            ("1.2.5", "1.2.x", None),
            ("1.3.0", "1.2.x", Some(Ordering::Greater)),
            // No single version.
            ("9.0", "1.2.3 - 2", None),
            ("9.0", "1 || 2", None),
            ("9.0", ">=1", None),
            ("latest", "1.0", None),
            ("", "1.0", None),
        ] {
            assert_eq!(decided(a, b), order, "{a} {b}");
            assert_eq!(decided(b, a), order.map(Ordering::reverse), "{b} {a}");
        }
    }
}
