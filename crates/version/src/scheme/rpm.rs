//! RPM's order of `[epoch:]version[-release]`: rpm-version(7) and `rpmvercmp`. A missing epoch is
//! zero; a missing release sorts before any release, as in `rpmVersionCompare`. Characters other
//! than ASCII letters, digits, `~` and `^` only separate.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of RPM packages.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "rpm";

struct Version<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

fn parse(version: &str) -> Option<Version<'_>> {
    let version = version.trim_ascii();
    if version.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let version = version.as_bytes();
    let (epoch, rest) = match text::split_digits(version) {
        (epoch, [b':', rest @ ..]) => (epoch, rest),
        _ => (b"".as_slice(), version),
    };
    let (version, release) = text::cut_last(rest, b'-');
    (!rest.is_empty()).then_some(Version { epoch, version, release })
}

fn order(a: &Version, b: &Version) -> Ordering {
    text::compare_numbers(a.epoch, b.epoch).then_with(|| order_part(a.version, b.version)).then_with(
        || match (a.release, b.release) {
            (Some(left), Some(right)) => order_part(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        },
    )
}

/// What a position of a version holds, in ascending order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    Tilde,
    End,
    Caret,
    Letters,
    Digits,
}

/// Orders versions or releases.
fn order_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (kind, left);
        (kind, left, a) = next(a);
        let (other, right);
        (other, right, b) = next(b);
        let order = kind.cmp(&other).then_with(|| match kind {
            Kind::Digits => text::compare_numbers(left, right),
            Kind::Letters => left.cmp(right),
            Kind::Tilde | Kind::Caret | Kind::End => Ordering::Equal,
        });
        if order != Ordering::Equal || kind == Kind::End {
            return order;
        }
    }
}

/// The next segment and what follows it.
fn next(text: &[u8]) -> (Kind, &[u8], &[u8]) {
    let separates = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^';
    let (_, rest) = text::split_run(text, separates);
    match rest {
        [] => (Kind::End, rest, rest),
        [b'~', after @ ..] => (Kind::Tilde, b"", after),
        [b'^', after @ ..] => (Kind::Caret, b"", after),
        [byte, ..] if byte.is_ascii_digit() => {
            let (digits, after) = text::split_digits(rest);
            (Kind::Digits, digits, after)
        }
        _ => {
            let (letters, after) = text::split_letters(rest);
            (Kind::Letters, letters, after)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "rpm",
            "1.0~rc1~git1 < 1.0~rc1 < 1.0 = 1_0 = 1.0. < 1.0^ < 1.0^git1 < 1.0^git2 < 1.0a < 1.0aa < 1.0.1",
        );
        check(
            "rpm",
            "0:3.10.0-229.1.2.ael7b < 3.10.0-229.1.2.el7 < 3.10.0-229.4.2.ael7b < 1:1 = 01:01 < 1:1-0",
        );
        check("rpm", "1.1 = 1.1é = 1.1α < 1.1.a < 1.1.1");
        check("rpm", "xyz.4 < 2 < 10xyz < 10.0001 = 10.1");
        check("rpm", "a:1 < b:1 < 0 < 1-1 = :1-1 < 1-2 < 1-123");
    }

    #[test]
    fn refuses() {
        check_invalid("rpm", &["", " ", "1:", "1 0", "1\n0"]);
    }
}
