//! Composer's order: the normalisation of `composer/semver` followed by PHP's `version_compare`.
//! Missing numbers are zero (`1.0` is `1.0.0.0`), as Composer has it and plain `version_compare`
//! has not; `x` in a branch's version (`1.x-dev`) is larger than any real number; build metadata,
//! an alias (`1.0 as 2.0`) and a stability flag (`@dev`) do not count. Dates get missing zeros too, other than in Composer. A named branch (`dev-main`)
//! sorts before every number, so that it is rather taken for old than for new.

use super::{Invalid, Scheme, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Composer packages.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back };

const NAME: &str = "composer";

/// What Composer writes for the `x` of a branch.
const BRANCH_NUMBER: &[u8] = b"9999999";
/// Numbers in a normalised version.
const NUMBERS: usize = 4;

struct Version<'a> {
    /// The numbers at the start.
    numbers: &'a [u8],
    /// Whether `x` followed the numbers and stands for all missing ones.
    branch: Branch,
    rest: &'a [u8],
}

#[derive(Clone, Copy, PartialEq)]
enum Branch {
    No,
    Numbered,
}

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

/// A branch with a name (`dev-main`) has no number to be placed by.
fn falls_back(text: &str) -> bool {
    parse(text).is_some_and(|version| version.numbers.is_empty())
}

fn parse(version: &str) -> Option<Version<'_>> {
    let version = version.trim_ascii().as_bytes();
    let version = split_word(version, b" as ");
    let version = text::cut(version, b'@').0;
    if !text::is_graphic(version) {
        return None;
    }
    let version = match text::strip_prefix_caseless(version, b"v") {
        Some(rest) if rest.first().is_some_and(u8::is_ascii_digit) => rest,
        _ => version,
    };
    let version =
        if version.first().is_some_and(u8::is_ascii_digit) { text::cut(version, b'+').0 } else { version };
    let (numbers, rest) = text::split_dotted(version);
    let after = text::split_run(rest, |byte| matches!(byte, b'.' | b'x' | b'X' | b'*')).1;
    let wild = matches!(rest, [b'.', b'x' | b'X' | b'*', ..]) && matches!(after, [] | [b'-', ..]);
    let (branch, rest) = if wild { (Branch::Numbered, after) } else { (Branch::No, rest) };
    Some(Version { numbers, branch, rest })
}

/// What stands before the first of this word.
fn split_word<'a>(text: &'a [u8], word: &[u8]) -> &'a [u8] {
    let found = text.windows(word.len()).position(|window| window == word);
    found.and_then(|position| text.get(..position)).unwrap_or(text)
}

fn order(a: &Version, b: &Version) -> Ordering {
    order_numbers(a, b).then_with(|| order_rest(a.rest, b.rest))
}

fn order_numbers(a: &Version, b: &Version) -> Ordering {
    // A text without numbers sorts by its words alone, before all that have some.
    match (a.numbers.is_empty(), b.numbers.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.numbers.split(|&b| b == b'.'), b.numbers.split(|&b| b == b'.'));
    let mut place = 0_usize;
    loop {
        let (x, y) = (left.next(), right.next());
        let done = x.is_none() && y.is_none();
        if done && place >= NUMBERS {
            return Ordering::Equal;
        }
        let filler = |branch| match branch {
            Branch::Numbered if place < NUMBERS => BRANCH_NUMBER,
            _ => b"".as_slice(),
        };
        let order = text::compare_numbers(
            x.unwrap_or_else(|| filler(a.branch)),
            y.unwrap_or_else(|| filler(b.branch)),
        );
        if order != Ordering::Equal {
            return order;
        }
        place = place.saturating_add(1);
    }
}

/// What a position of the rest holds, in ascending order.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kind {
    Unknown,
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number,
    Patch,
}

fn order_rest(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (kind, left);
        (kind, left, a) = next(a);
        let (other, right);
        (other, right, b) = next(b);
        let order = kind.cmp(&other).then_with(|| match kind {
            Kind::Number => text::compare_numbers(left, right),
            _ => Ordering::Equal,
        });
        if order != Ordering::Equal || kind == Kind::End {
            return order;
        }
    }
}

/// The part at the start and what follows it.
fn next(text: &[u8]) -> (Kind, &[u8], &[u8]) {
    let (_, text) = text::split_run(text, is_separator);
    let (digits, rest) = text::split_digits(text);
    if !digits.is_empty() {
        return (Kind::Number, digits, rest);
    }
    let (word, rest) = text::split_run(text, |byte| !byte.is_ascii_digit() && !is_separator(byte));
    // Composer drops `stable` and what follows it.
    if word.is_empty() || word.eq_ignore_ascii_case(b"stable") {
        return (Kind::End, b"", b"");
    }
    (kind_of(word), word, rest)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_' | b'+')
}

/// PHP looks at the start of a word only; Composer ignores case.
fn kind_of(word: &[u8]) -> Kind {
    let starts = |prefix: &[u8]| text::strip_prefix_caseless(word, prefix).is_some();
    match () {
        () if starts(b"dev") => Kind::Dev,
        () if starts(b"a") => Kind::Alpha,
        () if starts(b"b") => Kind::Beta,
        () if starts(b"rc") => Kind::Candidate,
        () if starts(b"p") => Kind::Patch,
        () => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "composer",
            "dev-main < 1.0-dev < 1.0a1 = 1.0.0-alpha1 < 1.0b1 = v1.0-beta.1 < 1.0RC1 = 1.0.0.0-rc1 \
             < 1.0 = 1.0.0 = V1 = 1.0.0-stable = 1.0+build = 1.0@dev = 1.0 as 2.0 < 1.0pl1 = 1.0-patch1 \
             < 1.0.1 < 1.2 < 1.10.5 < 1.x-dev < 2.0-dev < 2.0",
        );
        check("composer", "1.2.x-dev < 1.3-dev < 1.3 < 1.x-dev = 1.x.x-dev < 2");
        check("composer", "20100102 < 20100103 < 2010010300.1");
    }

    #[test]
    fn named_branches_are_a_guess() {
        let guess = super::SCHEME.falls_back;
        assert!(guess("dev-main") && guess("feature-x"));
        assert!(!guess("1.x-dev") && !guess("v1.0") && !guess("1.0-dev") && !guess(""));
    }

    #[test]
    fn refuses() {
        check_invalid("composer", &["", " ", "1 0", "1.0é", "@dev"]);
    }
}
