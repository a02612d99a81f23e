//! Maven's order: `ComparableVersion` of the Maven 3.9 line
//! (maven.apache.org/pom.html#version-order-specification), with its quirks. Only ASCII digits are
//! digits and only ASCII case is ignored; Maven does both for all of Unicode.
//!
//! Maven's order is not transitive for odd texts: `1-0-alpha` < `1` and `1` < `1-sp`, but `1-sp` <
//! `1-0-alpha`, because a word sorts before a nested list whatever the list holds.

use super::{Invalid, Scheme, never, undecided};
use crate::text;
use std::cmp::Ordering;

/// Versions of Maven artifacts.
pub const SCHEME: Scheme = Scheme { name: NAME, compare, is_valid, decided: undecided, falls_back: never };

const NAME: &str = "maven";

/// Maven nests lists, but each list is the last item of the one around it. So a version is a flat
/// row in which `Open` begins the next inner list, and nothing recurses.
#[derive(Clone, Copy)]
enum Item<'a> {
    Number(&'a [u8]),
    Word(Word<'a>),
    Open,
}

/// A qualifier: its place among the known ones, or its text if unknown.
#[derive(Clone, Copy)]
struct Word<'a> {
    place: usize,
    text: &'a [u8],
}

/// Known qualifiers in ascending order; the empty one is the release.
const QUALIFIERS: &[&[u8]] = &[b"alpha", b"beta", b"milestone", b"rc", b"snapshot", b"", b"sp"];
/// Place of the release.
const RELEASE: usize = 5;

fn compare(a: &str, b: &str) -> Result<Ordering, Invalid> {
    let left = readable(a).ok_or_else(|| text::invalid(NAME, a))?;
    let right = readable(b).ok_or_else(|| text::invalid(NAME, b))?;
    // Most versions are plain numbers, and these need no list.
    let plain = |version| text::split_dotted(version).1.is_empty();
    if plain(left) && plain(right) {
        return Ok(text::compare_dotted(left, right));
    }
    Ok(order(&parse(left), &parse(right)))
}

fn is_valid(text: &str) -> bool {
    readable(text).is_some()
}

/// Maven reads every text. An empty one, or one with spaces or control characters, is none that an
/// artifact can have.
fn readable(version: &str) -> Option<&[u8]> {
    let version = version.trim_ascii();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    (!version.is_empty() && !version.contains(odd)).then_some(version.as_bytes())
}

fn parse(version: &[u8]) -> Vec<Item<'_>> {
    let mut items = Vec::with_capacity(12);
    let mut rest = version;
    loop {
        let part = text::split_run(rest, |byte| byte != b'.' && byte != b'-').0;
        let after = rest.get(part.len()..).unwrap_or_default();
        let last = after.is_empty();
        if part.is_empty() && !last {
            items.push(Item::Number(b""));
        } else {
            push_part(&mut items, part, last);
        }
        let Some((separator, following)) = after.split_first() else { break };
        if *separator == b'-' {
            items.push(Item::Open);
        }
        rest = following;
    }
    trim(&items)
}

/// Adds what stands between two separators: runs of digits and of other characters, with an inner
/// list at each change.
fn push_part<'a>(items: &mut Vec<Item<'a>>, mut part: &'a [u8], last: bool) {
    while !part.is_empty() {
        let (digits, rest) = text::split_digits(part);
        if digits.is_empty() {
            let (word, rest) = text::split_run(part, |byte| !byte.is_ascii_digit());
            let digit_follows = !rest.is_empty();
            // Maven reads `.X1` and a last `.X` as `-X`, but not an `.X` in the middle.
            if (digit_follows || last) && !matches!(items.last(), None | Some(Item::Open)) {
                items.push(Item::Open);
            }
            items.push(Item::Word(qualifier(word, digit_follows)));
            part = rest;
        } else {
            items.push(Item::Number(digits));
            part = rest;
        }
        if !part.is_empty() {
            items.push(Item::Open);
        }
    }
}

fn qualifier(text: &[u8], digit_follows: bool) -> Word<'_> {
    let is = |name: &[u8]| text.eq_ignore_ascii_case(name);
    let known = match text {
        [b'a' | b'A'] if digit_follows => Some(0),
        [b'b' | b'B'] if digit_follows => Some(1),
        [b'm' | b'M'] if digit_follows => Some(2),
        _ if is(b"cr") => Some(3),
        _ if is(b"ga") || is(b"final") || is(b"release") => Some(RELEASE),
        _ => QUALIFIERS.iter().position(|name| is(name)),
    };
    Word { place: known.unwrap_or(QUALIFIERS.len()), text: if known.is_some() { b"" } else { text } }
}

/// Removes from the end of each list, also from before its inner list, what says nothing (zero, the
/// release), and empty lists.
fn trim<'a>(items: &[Item<'a>]) -> Vec<Item<'a>> {
    let mut kept = Vec::with_capacity(items.len());
    let mut at_end = true;
    for item in items.iter().rev() {
        match item {
            Item::Open => {
                // Nothing kept so far means that the inner list is empty.
                if !kept.is_empty() {
                    kept.push(*item);
                }
                at_end = true;
            }
            Item::Number(_) | Item::Word(_) if at_end && is_null(item) => {}
            Item::Number(_) | Item::Word(_) => {
                kept.push(*item);
                at_end = false;
            }
        }
    }
    kept.reverse();
    kept
}

fn is_null(item: &Item) -> bool {
    order_with_nothing(item) == Ordering::Equal
}

/// Orders an item against the end of the other list.
fn order_with_nothing(item: &Item) -> Ordering {
    match item {
        Item::Number(digits) if text::is_zero(digits) => Ordering::Equal,
        Item::Number(_) => Ordering::Greater,
        Item::Word(word) => word.place.cmp(&RELEASE),
        // The items of the list follow in the row and decide.
        Item::Open => Ordering::Equal,
    }
}

fn order(a: &[Item], b: &[Item]) -> Ordering {
    let (mut left, mut right) = (a.iter(), b.iter());
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (Some(item), None) => order_with_nothing(item),
            (None, Some(item)) => order_with_nothing(item).reverse(),
            (Some(x), Some(y)) => order_items(x, y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn order_items(a: &Item, b: &Item) -> Ordering {
    match (a, b) {
        (Item::Number(x), Item::Number(y)) => text::compare_numbers(x, y),
        (Item::Word(x), Item::Word(y)) => {
            x.place.cmp(&y.place).then_with(|| text::compare_caseless(x.text, y.text))
        }
        (Item::Open, Item::Open) => Ordering::Equal,
        // Words sort before lists, lists before numbers.
        (Item::Number(_), _) | (Item::Open, Item::Word(_)) => Ordering::Greater,
        (Item::Word(_), _) | (Item::Open, Item::Number(_)) => Ordering::Less,
    }
}

#[cfg(test)]
mod tests {
    use crate::scheme::cases::{check, check_invalid};
    use std::cmp::Ordering;

    #[test]
    fn orders() {
        check(
            "maven",
            "1-alpha-1 = 1a1 = 1.0.ALPHA1 < 1.0-b2 = 1-beta-2 < 1-m3 < 1-rc = 1cr = 1.0.CR < 1-SNAPSHOT \
             < 1 = 1.0 = 1.ga = 1-0 = 1.0.0-FINAL = 1. = 1- = 1.0.0.RELEASE < 1-sp < 1-foo = 1.0.0-foo.0.0 < 1-xyz \
             < 1-1 < 1-2 < 1.0.1 < 1.10",
        );
        check("maven", "31.1-android < 31.1-jre < 32.0.0-android < 32.0.0-jre");
        check(
            "maven",
            "20190126.230843 < 1234567890.12345 < 123456789012345.1H.5-beta < 12345678901234567890.1H.5-beta",
        );
    }

    #[test]
    fn is_not_transitive_as_maven_is_not() {
        check("maven", "1-0-alpha < 1");
        check("maven", "1 < 1-sp");
        assert_eq!(super::compare("1-sp", "1-0-alpha"), Ok(Ordering::Less));
    }

    #[test]
    fn refuses() {
        check_invalid("maven", &["", " ", "1 0", "1.\t0", "1\u{0}", "[1.0, 2.0)"]);
    }
}
