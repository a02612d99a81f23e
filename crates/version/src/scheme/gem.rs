//! RubyGems' order: `Gem::Version` (docs.ruby-lang.org). Numbers and words alternate with or
//! without dots, a word makes a pre-release, `-` stands for `.pre.`, missing parts are zero.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Ruby gems.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "gem";

/// The numbers before the first word, and everything from it on.
struct Version<'a> {
    release: &'a [u8],
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
    let (numbers, suffix) = text::cut(version, b'-');
    let parts_are = |text: &[u8], known: fn(u8) -> bool| {
        text.split(|&byte| byte == b'.').all(|part| !part.is_empty() && part.iter().all(|&byte| known(byte)))
    };
    // RubyGems wants digits alone before the first dot, but versions such as `1beta` exist in data.
    let valid = version.first().is_some_and(u8::is_ascii_digit)
        && parts_are(numbers, |byte| byte.is_ascii_alphanumeric())
        && suffix.is_none_or(|suffix| parts_are(suffix, |byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    if !valid {
        return None;
    }
    let (release, rest) = text::split_dotted(version);
    Some(Version { release, rest })
}

fn order(a: &Version, b: &Version) -> Ordering {
    text::compare_dotted(a.release, b.release).then_with(|| order_rest(a.rest, b.rest))
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Number(&'a [u8]),
    Word(&'a [u8]),
}

fn order_rest(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let (left, right);
        (left, a) = next(a);
        (right, b) = next(b);
        let order = match (left, right) {
            (Segment::Number(x), Segment::Number(y)) => text::compare_numbers(x, y),
            (Segment::Word(x), Segment::Word(y)) => x.cmp(y),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The segment at the start (zero at the end) and what follows it.
fn next(text: &[u8]) -> (Segment<'_>, &[u8]) {
    let (_, text) = text::split_run(text, |byte| byte == b'.');
    match text {
        [] => (Segment::Number(b""), text),
        [b'-', rest @ ..] => (Segment::Word(b"pre"), rest),
        [byte, ..] if byte.is_ascii_digit() => {
            let (digits, rest) = text::split_digits(text);
            (Segment::Number(digits), rest)
        }
        _ => {
            let (letters, rest) = text::split_letters(text);
            (Segment::Word(letters), rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "gem",
            "1.0.a2 = 1.0.a.2 = 1.a.2.0 < 1.0.a10 < 1.0.b1 < 1.0.pre.1 = 1.0-1 < 1 = 1.0 = 1.0.0 < 1.0.1.a < 1.0.1",
        );
        check("gem", "1.0.B < 1.0.a < 1.0.a.1 < 1.0");
    }

    #[test]
    fn refuses() {
        check_invalid("gem", &["", "a", "1..0", "1.", "1.0_1", "1.0-", "1.0.é", "1.0 0", "1.0+1"]);
    }
}
