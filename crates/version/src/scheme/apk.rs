//! Alpine's order: apk-package(5), "Versions", as apk-tools 3 compares
//! (`1.2.3b_alpha2_p1~abcdef-r4`). Differs from apk-tools 2 in runs of several leading zeros only.
//! A text that begins with a digit is read even if it is malformed further on: the malformed rest
//! sorts before everything else, as in apk-tools, so that such a version is rather taken for old
//! than for new.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Alpine packages.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "apk";

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<&[u8]> {
    let version = version.trim_ascii().as_bytes();
    let numbered = version.first().is_some_and(u8::is_ascii_digit);
    (numbered && text::is_graphic(version)).then_some(version)
}

/// What a position of a version holds, in ascending order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    /// A suffix that stands for a pre-release.
    PreSuffix,
    Malformed,
    End,
    Revision,
    Commit,
    SuffixNumber,
    /// A suffix that stands for a patch.
    PostSuffix,
    Letter,
    /// A number after a letter.
    NumberAfterLetter,
    Number,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    /// Digits, a letter or a hash.
    text: &'a [u8],
    /// Place of a suffix among its like.
    suffix: usize,
}

/// Suffixes of pre-releases, ascending.
const PRE: &[&[u8]] = &[b"alpha", b"beta", b"pre", b"rc"];
/// Suffixes of later states, ascending.
const POST: &[&[u8]] = &[b"cvs", b"svn", b"git", b"hg", b"p"];

fn order(a: &&[u8], b: &&[u8]) -> Ordering {
    let (mut left, mut rest_a) = first(a);
    let (mut right, mut rest_b) = first(b);
    // The number at the start is compared by value even with leading zeros.
    let mut order = text::compare_numbers(left.text, right.text);
    while order == Ordering::Equal && !matches!(left.kind, Kind::End | Kind::Malformed) {
        (left, rest_a) = next(left.kind, rest_a);
        (right, rest_b) = next(right.kind, rest_b);
        order = left.kind.cmp(&right.kind).then_with(|| order_values(left, right));
    }
    order
}

fn order_values(a: Token, b: Token) -> Ordering {
    match a.kind {
        Kind::Number if a.text.first() == Some(&b'0') || b.text.first() == Some(&b'0') => a.text.cmp(b.text),
        Kind::Number | Kind::NumberAfterLetter | Kind::SuffixNumber | Kind::Revision => {
            text::compare_numbers(a.text, b.text)
        }
        Kind::Letter | Kind::Commit => a.text.cmp(b.text),
        Kind::PreSuffix | Kind::PostSuffix => a.suffix.cmp(&b.suffix),
        Kind::End | Kind::Malformed => Ordering::Equal,
    }
}

fn first(text: &[u8]) -> (Token<'_>, &[u8]) {
    let (digits, rest) = text::split_digits(text);
    (Token { kind: Kind::Number, text: digits, suffix: 0 }, rest)
}

/// The token after one of kind `previous`, and what follows it.
fn next(previous: Kind, text: &[u8]) -> (Token<'_>, &[u8]) {
    let malformed = (Token { kind: Kind::Malformed, text: b"", suffix: 0 }, b"".as_slice());
    let numeric = matches!(previous, Kind::Number | Kind::NumberAfterLetter);
    let suffix = matches!(previous, Kind::PreSuffix | Kind::PostSuffix);
    let with_digits = |kind, digits_and_rest| match text::split_digits(digits_and_rest) {
        ([], _) => malformed,
        (digits, rest) => (Token { kind, text: digits, suffix: 0 }, rest),
    };
    match text {
        [] => (Token { kind: Kind::End, text, suffix: 0 }, text),
        // apk-tools 2 takes missing digits for zero.
        [b'.', rest @ ..] if numeric => {
            let (digits, rest) = text::split_digits(rest);
            (Token { kind: Kind::Number, text: digits, suffix: 0 }, rest)
        }
        [b'-', b'r', rest @ ..] if previous != Kind::Revision && matches!(rest, [] | [b'-', ..]) => {
            (Token { kind: Kind::Revision, text: b"", suffix: 0 }, rest)
        }
        [b'a'..=b'z', rest @ ..] if numeric => {
            (Token { kind: Kind::Letter, text: text.get(..1).unwrap_or_default(), suffix: 0 }, rest)
        }
        [b'0'..=b'9', ..] if previous == Kind::Letter => with_digits(Kind::NumberAfterLetter, text),
        [b'0'..=b'9', ..] if suffix => with_digits(Kind::SuffixNumber, text),
        [b'_', rest @ ..] if numeric || suffix || matches!(previous, Kind::Letter | Kind::SuffixNumber) => {
            suffix_token(rest).unwrap_or(malformed)
        }
        [b'~', rest @ ..] if !matches!(previous, Kind::Commit | Kind::Revision) => {
            match text::split_run(rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                ([], _) => malformed,
                (hash, rest) => (Token { kind: Kind::Commit, text: hash, suffix: 0 }, rest),
            }
        }
        [b'-', b'r', rest @ ..] if previous != Kind::Revision => with_digits(Kind::Revision, rest),
        _ => malformed,
    }
}

/// The suffix at the start of the text, and what follows it.
fn suffix_token(text: &[u8]) -> Option<(Token<'_>, &[u8])> {
    let (word, rest) = text::split_run(text, |byte| byte.is_ascii_lowercase());
    let place = |list: &[&[u8]]| list.iter().position(|suffix| *suffix == word);
    let (kind, suffix) = match (place(PRE), place(POST)) {
        (Some(suffix), _) => (Kind::PreSuffix, suffix),
        (None, Some(suffix)) => (Kind::PostSuffix, suffix),
        (None, None) => return None,
    };
    Some((Token { kind, text: b"", suffix }, rest))
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "apk",
            "1.2_alpha < 1.2_alpha2 < 1.2_beta < 1.2_pre < 1.2_rc1 < 1.2_blah < 1.2 < 1.2-r0 < 1.2-r1 < 1.2~abc-r0 \
             < 1.2_cvs1 < 1.2_svn1 < 1.2_git20240101-r0 < 1.2_hg < 1.2_p1 < 1.2_p16 < 1.2a < 1.2b < 1.2.1",
        );
        check("apk", "6.6.2_p1 < 6.6.2_p2 < 6.6.2p1 < 6.6.2p2 < 6.6.2p10");
        check("apk", "1 < 1-r = 1-r0 = 1-r00 < 1-r1");
        check("apk", "0...8 < 0..8 < 0.0 < 0.1");
        check("apk", "1.01 < 1.06-r6 < 1.2 < 1.10 < 2 < 006");
    }

    #[test]
    fn refuses() {
        check_invalid("apk", &["", "a", ".1", "-r1", "1 2", "1.0é"]);
    }
}
