//! A natural order for software that follows no known scheme, such as unpackaged binaries: rows of
//! numbers and words, with any other character as separator. Missing numbers are zero, words that
//! name a pre-release (`alpha`, `rc`, or a tilde) sort before the release, other words after it
//! (`1.1.1w`). A leading `v` does not count, nor does case.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of anything else.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "generic";

struct Version<'a> {
    numbers: &'a [u8],
    rest: &'a [u8],
}

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Version<'_>> {
    let version = version.trim_ascii().as_bytes();
    let version = match text::strip_prefix_caseless(version, b"v") {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        _ => version,
    };
    let readable = version.iter().any(u8::is_ascii_alphanumeric)
        && version.iter().all(|&byte| byte.is_ascii_graphic() || byte == b' ');
    let (numbers, rest) = text::split_dotted(version);
    readable.then_some(Version { numbers, rest })
}

fn order(a: &Version, b: &Version) -> Ordering {
    text::compare_dotted(a.numbers, b.numbers).then_with(|| order_rest(a.rest, b.rest))
}

/// What a position of the rest holds, in ascending order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    Tilde,
    Development,
    Alpha,
    Beta,
    Milestone,
    Candidate,
    End,
    Word,
    Number,
}

/// Words of the kinds before `End`.
const PRE_RELEASES: &[(&[u8], Kind)] = &[
    (b"dev", Kind::Development),
    (b"devel", Kind::Development),
    (b"snapshot", Kind::Development),
    (b"nightly", Kind::Development),
    (b"alpha", Kind::Alpha),
    (b"beta", Kind::Beta),
    (b"milestone", Kind::Milestone),
    (b"pre", Kind::Milestone),
    (b"preview", Kind::Milestone),
    (b"rc", Kind::Candidate),
    (b"cr", Kind::Candidate),
];

fn order_rest(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (kind, left);
        (kind, left, a) = next(a);
        let (other, right);
        (other, right, b) = next(b);
        let order = kind.cmp(&other).then_with(|| match kind {
            Kind::Number => text::compare_numbers(left, right),
            Kind::Word => text::compare_caseless(left, right),
            _ => Ordering::Equal,
        });
        if order != Ordering::Equal || kind == Kind::End {
            return order;
        }
    }
}

/// The part at the start and what follows it.
fn next(text: &[u8]) -> (Kind, &[u8], &[u8]) {
    let (_, text) = text::split_run(text, |byte| !byte.is_ascii_alphanumeric() && byte != b'~');
    match text {
        [] => (Kind::End, text, text),
        [b'~', rest @ ..] => (Kind::Tilde, b"", rest),
        [byte, ..] if byte.is_ascii_digit() => {
            let (digits, rest) = text::split_digits(text);
            (Kind::Number, digits, rest)
        }
        _ => {
            let (word, rest) = text::split_letters(text);
            let found = PRE_RELEASES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name));
            (found.map_or(Kind::Word, |(_, kind)| *kind), word, rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "generic",
            "1.1.1~a < 1.1.1-dev < 1.1.1-ALPHA1 = v1.1.1alpha.1 < 1.1.1-beta < 1.1.1-rc1 < 1.1.1-rc2 \
             < 1.1.1 = 1.1.1.0 < 1.1.1a < 1.1.1w = 1.1.1W < 1.1.2 < 1.10",
        );
        check("generic", "8.0.0 < 8u202 < 8u362-b09 < 8u362-b10 < 9");
        check("generic", "9 < 2024-01-02 < 2024-01-10 < 2024-02-01");
    }

    #[test]
    fn refuses() {
        check_invalid("generic", &["", " ", "-", "...", "1\n2", "1.é"]);
    }
}
