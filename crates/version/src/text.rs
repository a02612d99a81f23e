//! Small pieces of text work that the schemes share. All of it works on bytes, in linear time and
//! without allocating. It does not know any scheme.

use crate::scheme::Invalid;
use std::cmp::Ordering;

/// Longest excerpt of an unreadable version, in characters.
const EXCERPT_CHARACTERS_MAX: usize = 120;

/// The error for a text that the scheme cannot read.
pub fn invalid(scheme: &'static str, text: &str) -> Invalid {
    Invalid { text: text.chars().take(EXCERPT_CHARACTERS_MAX).collect(), scheme }
}

/// Parses both texts and orders the results; the first that does not parse is the error.
pub fn compare_parsed<'a, T>(
    scheme: &'static str,
    a: &'a str,
    b: &'a str,
    parse: fn(&'a str) -> Option<T>,
    order: fn(&T, &T) -> Ordering,
) -> Result<Ordering, Invalid> {
    let left = parse(a).ok_or_else(|| invalid(scheme, a))?;
    let right = parse(b).ok_or_else(|| invalid(scheme, b))?;
    Ok(order(&left, &right))
}

/// Splits after the longest start whose bytes all satisfy `keep`.
pub fn split_run(text: &[u8], keep: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let length = text.iter().position(|&byte| !keep(byte)).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((text, b""))
}

/// Splits after the digits at the start.
pub fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    split_run(text, |byte| byte.is_ascii_digit())
}

/// Splits after the ASCII letters at the start.
pub fn split_letters(text: &[u8]) -> (&[u8], &[u8]) {
    split_run(text, |byte| byte.is_ascii_alphabetic())
}

/// Splits around the first of this byte; the second half is `None` when there is none.
pub fn cut(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let (before, rest) = split_run(text, |byte| byte != separator);
    (before, rest.split_first().map(|(_, after)| after))
}

/// Splits around the last of this byte; the second half is `None` when there is none.
pub fn cut_last(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let found = text.iter().rposition(|&byte| byte == separator);
    match found.and_then(|position| text.split_at_checked(position)) {
        Some((before, rest)) => (before, rest.split_first().map(|(_, after)| after)),
        None => (text, None),
    }
}

/// Whether the text is one or more digits.
pub fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Whether the text is one or more ASCII characters, none of them a space or control character.
pub fn is_graphic(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_graphic)
}

/// Whether a run of digits has the value zero; an empty run has.
pub fn is_zero(digits: &[u8]) -> bool {
    digits.iter().all(|&byte| byte == b'0')
}

/// Orders two runs of digits by value, whatever their length; an empty run is zero.
pub fn compare_numbers(a: &[u8], b: &[u8]) -> Ordering {
    let a = split_run(a, |byte| byte == b'0').1;
    let b = split_run(b, |byte| byte == b'0').1;
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Orders two dotted rows of numbers; missing numbers are zero.
pub fn compare_dotted(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a.split(|&byte| byte == b'.'), b.split(|&byte| byte == b'.'));
    loop {
        let (x, y) = (left.next(), right.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        let order = compare_numbers(x.unwrap_or_default(), y.unwrap_or_default());
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Orders two texts without regard to ASCII case.
pub fn compare_caseless(a: &[u8], b: &[u8]) -> Ordering {
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    a.iter().map(lower).cmp(b.iter().map(lower))
}

/// Splits after the dotted row of numbers at the start (`1.20.3`); a dot that no digit follows is
/// left to the rest.
pub fn split_dotted(text: &[u8]) -> (&[u8], &[u8]) {
    let mut length = split_digits(text).0.len();
    if length == 0 {
        return (b"", text);
    }
    while let Some([b'.', after @ ..]) = text.get(length..) {
        let digits = split_digits(after).0.len();
        if digits == 0 {
            break;
        }
        length = length.saturating_add(digits).saturating_add(1);
    }
    text.split_at_checked(length).unwrap_or((text, b""))
}

/// The text without this start, compared without regard to ASCII case.
pub fn strip_prefix_caseless<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_rows() {
        let cases: &[(&[u8], &[u8], &[u8])] = &[
            (b"1.2.3-a", b"1.2.3", b"-a"),
            (b"1..2", b"1", b"..2"),
            (b"1.", b"1", b"."),
            (b"", b"", b""),
            (b".1", b"", b".1"),
        ];
        for (text, row, rest) in cases {
            assert_eq!(split_dotted(text), (*row, *rest));
        }
        assert_eq!(compare_dotted(b"1.0", b"1"), Ordering::Equal);
        assert_eq!(compare_dotted(b"1.0.1", b"1"), Ordering::Greater);
    }

    #[test]
    fn excerpts_are_clipped_between_characters() {
        assert_eq!(invalid("x", &"é".repeat(500)).text.chars().count(), 120);
    }
}
