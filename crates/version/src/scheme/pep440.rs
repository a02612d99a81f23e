//! Python's order: "Version specifiers" of the Python packaging user guide (PEP 440), with epochs,
//! pre-, post- and development releases and local versions, in any spelling that the specification
//! normalises.
//!
//! Fall-back: any other printable text is a legacy version. It sorts before every proper version
//! (so that it is rather taken for old than for new) and among its like as `LegacyVersion` of
//! `packaging` 21 and setuptools did: numbers after words, `dev` first, `pre` and `rc` as `c`,
//! trailing zeros ignored. Numbers are compared by value; `LegacyVersion` did so to 8 digits only.

use super::{Invalid, Scheme, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Python distributions.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back };

const NAME: &str = "pep440";

enum Version<'a> {
    Legacy(Vec<Part<'a>>),
    Standard(Standard<'a>),
}

#[derive(Default)]
struct Standard<'a> {
    epoch: &'a [u8],
    release: &'a [u8],
    pre: Option<(u8, &'a [u8])>,
    post: Option<&'a [u8]>,
    development: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
}

/// Part of a legacy version.
#[derive(Clone, Copy)]
enum Part<'a> {
    Word(&'a [u8]),
    Number(&'a [u8]),
}

/// Spellings of pre-releases with their place; of two that share a start, the longer first.
const PRE: &[(&[u8], u8)] =
    &[(b"alpha", 1), (b"a", 1), (b"beta", 2), (b"b", 2), (b"preview", 3), (b"pre", 3), (b"c", 3), (b"rc", 3)];
const POST: &[(&[u8], u8)] = &[(b"post", 0), (b"rev", 0), (b"r", 0)];
const DEVELOPMENT: &[(&[u8], u8)] = &[(b"dev", 0)];

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    text::compare_parsed(NAME, a, b, parse, order)
}

fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

/// A legacy version.
fn falls_back(text: &str) -> bool {
    matches!(parse(text), Some(Version::Legacy(_)))
}

fn parse(version: &str) -> Option<Version<'_>> {
    let version = version.trim();
    if version.is_empty() || version.contains(char::is_control) {
        return None;
    }
    Some(match standard(version.as_bytes()) {
        Some(standard) => Version::Standard(standard),
        None => Version::Legacy(legacy(version.as_bytes())),
    })
}

fn standard(version: &[u8]) -> Option<Standard<'_>> {
    let mut result = Standard::default();
    let mut rest = text::strip_prefix_caseless(version, b"v").unwrap_or(version);
    if let (epoch, [b'!', after @ ..]) = text::split_digits(rest)
        && !epoch.is_empty()
    {
        (result.epoch, rest) = (epoch, after);
    }
    (result.release, rest) = text::split_dotted(rest);
    if result.release.is_empty() {
        return None;
    }
    if let Some((place, number, after)) = labelled(rest, PRE) {
        (result.pre, rest) = (Some((place, number)), after);
    }
    if let Some((number, after)) = post(rest) {
        (result.post, rest) = (Some(number), after);
    }
    if let Some((_, number, after)) = labelled(rest, DEVELOPMENT) {
        (result.development, rest) = (Some(number), after);
    }
    match rest {
        [] => Some(result),
        [b'+', local @ ..] if local_parts(local).all(is_local_part) => {
            result.local = Some(local);
            Some(result)
        }
        _ => None,
    }
}

/// `.post1`, `-r2`, or `-1`: the number and what follows.
fn post(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'-', after @ ..] = text
        && let (number, after) = text::split_digits(after)
        && !number.is_empty()
    {
        return Some((number, after));
    }
    labelled(text, POST).map(|(_, number, after)| (number, after))
}

/// A separator or none, one of the words, a separator or none, a number or none: the word's place,
/// the number and what follows.
fn labelled<'a>(text: &'a [u8], words: &[(&[u8], u8)]) -> Option<(u8, &'a [u8], &'a [u8])> {
    let text = skip_separator(text);
    let (after, place) = words
        .iter()
        .find_map(|(word, place)| text::strip_prefix_caseless(text, word).map(|after| (after, *place)))?;
    let (number, rest) = text::split_digits(skip_separator(after));
    Some((place, number, rest))
}

fn skip_separator(text: &[u8]) -> &[u8] {
    match text {
        [b'-' | b'_' | b'.', after @ ..] => after,
        _ => text,
    }
}

fn local_parts(local: &[u8]) -> impl Iterator<Item = &[u8]> {
    local.split(|byte| matches!(byte, b'-' | b'_' | b'.'))
}

fn is_local_part(part: &[u8]) -> bool {
    !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric)
}

fn order(a: &Version, b: &Version) -> Ordering {
    match (a, b) {
        (Version::Standard(a), Version::Standard(b)) => order_standard(a, b),
        (Version::Standard(_), Version::Legacy(_)) => Ordering::Greater,
        (Version::Legacy(_), Version::Standard(_)) => Ordering::Less,
        (Version::Legacy(a), Version::Legacy(b)) => order_legacy(a, b),
    }
}

fn order_standard(a: &Standard, b: &Standard) -> Ordering {
    text::compare_numbers(a.epoch, b.epoch)
        .then_with(|| text::compare_dotted(a.release, b.release))
        .then_with(|| {
            let ((place_a, number_a), (place_b, number_b)) = (pre_key(a), pre_key(b));
            place_a.cmp(&place_b).then_with(|| text::compare_numbers(number_a, number_b))
        })
        .then_with(|| match (a.post, b.post) {
            (Some(x), Some(y)) => text::compare_numbers(x, y),
            (x, y) => x.is_some().cmp(&y.is_some()),
        })
        .then_with(|| match (a.development, b.development) {
            (Some(x), Some(y)) => text::compare_numbers(x, y),
            (x, y) => x.is_none().cmp(&y.is_none()),
        })
        .then_with(|| match (a.local, b.local) {
            (Some(x), Some(y)) => order_local(x, y),
            (x, y) => x.is_some().cmp(&y.is_some()),
        })
}

/// Place and number of the pre-release; a bare development release comes before all, a release
/// after all.
fn pre_key<'a>(version: &Standard<'a>) -> (u8, &'a [u8]) {
    match version.pre {
        Some(pre) => pre,
        None if version.post.is_none() && version.development.is_some() => (0, b""),
        None => (4, b""),
    }
}

fn order_local(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (local_parts(a), local_parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (text::is_number(x), text::is_number(y)) {
                (true, true) => text::compare_numbers(x, y),
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => text::compare_caseless(x, y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// What ends every legacy version; a hyphen is the same with `-` added.
const FINAL: &[u8] = b"final";
const HYPHEN: &[u8] = b"final-";

fn legacy(version: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = version;
    while let Some((&first, after_first)) = rest.split_first() {
        let class = class_of(first);
        let (piece, after) = match class {
            Class::Separator => (rest.get(..1).unwrap_or_default(), after_first),
            _ => text::split_run(rest, |byte| class_of(byte) == class),
        };
        rest = after;
        let lower = |name: &[u8]| piece.eq_ignore_ascii_case(name);
        match class {
            Class::Digit => parts.push(Part::Number(piece)),
            Class::Separator if first == b'.' => {}
            Class::Separator => push_word(&mut parts, HYPHEN),
            Class::Letter if lower(b"pre") || lower(b"preview") || lower(b"rc") => {
                push_word(&mut parts, b"c")
            }
            Class::Letter if lower(b"dev") => push_word(&mut parts, b"@"),
            Class::Letter | Class::Other => push_word(&mut parts, piece),
        }
    }
    push_word(&mut parts, FINAL);
    parts
}

#[derive(PartialEq, Clone, Copy)]
enum Class {
    Digit,
    Letter,
    Separator,
    Other,
}

fn class_of(byte: u8) -> Class {
    match byte {
        b'0'..=b'9' => Class::Digit,
        b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
        b'.' | b'-' => Class::Separator,
        _ => Class::Other,
    }
}

/// Adds a word and removes what does not count before it.
fn push_word<'a>(parts: &mut Vec<Part<'a>>, word: &'a [u8]) {
    if text::compare_caseless(word, FINAL) == Ordering::Less {
        while matches!(parts.last(), Some(Part::Word(last)) if *last == HYPHEN) {
            parts.pop();
        }
    }
    while matches!(parts.last(), Some(Part::Number(digits)) if text::is_zero(digits)) {
        parts.pop();
    }
    parts.push(Part::Word(word));
}

fn order_legacy(a: &[Part], b: &[Part]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        let order = match (x, y) {
            (Part::Number(x), Part::Number(y)) => text::compare_numbers(x, y),
            (Part::Word(x), Part::Word(y)) => text::compare_caseless(x, y),
            (Part::Word(_), Part::Number(_)) => Ordering::Less,
            (Part::Number(_), Part::Word(_)) => Ordering::Greater,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};

    #[test]
    fn orders() {
        check(
            "pep440",
            "1.dev0 < 1.0a1.dev1 < 1.0a1 = 1.0-ALPHA.1 = v1a01 < 1.0a1.post1 < 1.0b2 = 1.0_beta_2 < 1.0rc1 = 1.0c1 = 1.0pre1 \
             < 1.0 = 1 = 1.0.0 < 1.0+abc < 1.0+abc.1 = 1.0+ABC-01 < 1.0+5 < 1.0.post1.dev2 < 1.0.post1 = 1.0-1 = 1.0r1 \
             < 1.0.post2 < 1.1 < 0!2 < 1!0.1",
        );
        check("pep440", "1.0a = 1.0a0 = 1.0a. < 1.0a--1 < 1.0a-1 < 1.0.post = 1.0.post0");
    }

    #[test]
    fn legacy_versions_sort_first() {
        check("pep440", "0.1-bulbasaur < 0.1-charmander < 0.9-doduo < 0.0.dev0 < 0");
        check("pep440", "foo-dev < foo-a < foo-rc1 = foo-c1 < foo = foo.0 < foo-0 < foo.1 < 0");
    }

    #[test]
    fn legacy_versions_are_a_guess() {
        let guess = super::SCHEME.falls_back;
        assert!(guess("0.1-bulbasaur") && guess("unknown"));
        assert!(!guess("1.0.dev0") && !guess("1.0") && !guess(""));
    }

    #[test]
    fn refuses() {
        check_invalid("pep440", &["", " ", "1\u{0}", "1\n2"]);
    }
}
