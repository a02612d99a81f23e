//! Version schemes: first byte the scheme, then up to three versions, one a line. Nothing may panic;
//! a comparison succeeds exactly when both texts are valid; the order is reflexive, antisymmetric and
//! transitive.

use seaworthy_version::Scheme;
use seaworthy_version::scheme::ALL;
use std::cmp::Ordering;

/// Maven's own order is not transitive between qualifiers and numbers, as its file says.
const NOT_TRANSITIVE: &[&str] = &["maven"];

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((scheme, rest)) = crate::choose(ALL, data) else { return };
    let text = String::from_utf8_lossy(rest);
    let versions: Vec<&str> = text.split('\n').take(3).collect();
    for a in &versions {
        for b in &versions {
            pair(scheme, a, b);
        }
    }
    if let [a, b, c] = versions.as_slice()
        && !NOT_TRANSITIVE.contains(&scheme.name)
    {
        triple(scheme, a, b, c);
    }
}

fn pair(scheme: &Scheme, a: &str, b: &str) {
    let valid = (scheme.is_valid)(a) && (scheme.is_valid)(b);
    let there = (scheme.compare)(a, b);
    assert_eq!(there.is_ok(), valid, "{}: `{a}` and `{b}`", scheme.name);
    let back = (scheme.compare)(b, a);
    assert_eq!(there.ok(), back.ok().map(Ordering::reverse), "{}: `{a}` and `{b}`", scheme.name);
    if a == b && valid {
        assert_eq!((scheme.compare)(a, b), Ok(Ordering::Equal), "{}: `{a}`", scheme.name);
    }
}

fn triple(scheme: &Scheme, a: &str, b: &str, c: &str) {
    let mut sorted = [a, b, c];
    if !sorted.iter().all(|text| (scheme.is_valid)(text)) {
        return;
    }
    let order = |x: &str, y: &str| (scheme.compare)(x, y).expect("both are valid");
    // Not `sort_by`: it may panic on an order that is none, and say less than we do.
    for (i, j) in [(0, 1), (1, 2), (0, 1)] {
        if order(sorted[i], sorted[j]) == Ordering::Greater {
            sorted.swap(i, j);
        }
    }
    let [low, middle, high] = sorted;
    let below = [order(low, middle), order(middle, high), order(low, high)];
    let strict = below[..2].contains(&Ordering::Less);
    let expected = if strict { Ordering::Less } else { Ordering::Equal };
    assert_eq!(below[2], expected, "{}: `{low}` `{middle}` `{high}`: {below:?}", scheme.name);
}
