//! Debian's order: deb-version(7), section "Sorting algorithm". Reads more than dpkg: any printable
//! ASCII in the version, an empty revision and epochs of any size, because a database may hold
//! what a lax tool wrote there.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Debian packages.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "dpkg";

struct Version<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Version<'_>> {
    let version = version.trim_ascii().as_bytes();
    let (epoch, rest) = match text::cut(version, b':') {
        (epoch, Some(rest)) if text::is_number(epoch) => (epoch, rest),
        (_, Some(_)) => return None,
        (_, None) => (b"".as_slice(), version),
    };
    let (upstream, revision) = text::cut_last(rest, b'-');
    let known = text::is_graphic(rest) && !upstream.is_empty();
    known.then_some(Version { epoch, upstream, revision: revision.unwrap_or_default() })
}

fn order(a: &Version, b: &Version) -> Ordering {
    text::compare_numbers(a.epoch, b.epoch)
        .then_with(|| order_part(a.upstream, b.upstream))
        .then_with(|| order_part(a.revision, b.revision))
}

/// Orders upstream versions or revisions: turn by turn a run of non-digits and a run of digits.
fn order_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        loop {
            let (x, y) = (weight(a.first()), weight(b.first()));
            if x != y {
                return x.cmp(&y);
            }
            if x == END {
                break;
            }
            (a, b) = (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default());
        }
        let (left, right);
        (left, a) = text::split_digits(a);
        (right, b) = text::split_digits(b);
        let order = text::compare_numbers(left, right);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Weight of the end of a run of non-digits.
const END: u16 = 1;

/// The tilde sorts before the end, letters before everything else.
fn weight(byte: Option<&u8>) -> u16 {
    match byte {
        None => END,
        Some(byte) if byte.is_ascii_digit() => END,
        Some(b'~') => 0,
        Some(&byte) if byte.is_ascii_alphabetic() => u16::from(byte),
        Some(&byte) => u16::from(byte).saturating_add(256),
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "dpkg",
            "1.0~~ < 1.0~~a < 1.0~ < 1.0 = 0:1.0 = 1.0-0 = 1.0- < 1.0-0a < 1.0-1~deb7u1 < 1.0-1 < 1.0a < 1.0+ < 1.0.0",
        );
        check("dpkg", "2.7.4+reloaded2-13 < 2.7.4+reloaded2-13ubuntu1 < 2.7.4+reloaded2-13+deb9u1");
        check("dpkg", "9 < 1:1-a < 1:1-a-1 < 10:0 = 010:00");
        check("dpkg", "1. = 1.0 = 1.- < 1.1 < 1.a < 1.+");
    }

    #[test]
    fn refuses() {
        check_invalid("dpkg", &["", " ", "a:1", ":1", "1:", "-1", "1 2", "1.0é", "1\u{0}"]);
    }
}
