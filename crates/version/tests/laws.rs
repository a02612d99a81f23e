//! Laws that hold for every scheme, and hostile texts for every scheme.

use proptest::prelude::*;
use seaworthy_version::scheme::{ALL, Scheme};
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// Anything at all, biased towards what versions are made of.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,2}([.:_+~^-]{0,2}([0-9]{1,3}|[a-zA-Z]{1,3}|rc|dev|alpha|beta|post|pre|sp|p|x|ga)){0,5}",
        "(v|=|go|[0-9]!|[0-9]:)?[0-9]([.-]?[0-9a-z*#~^+]{0,2}){0,6}",
        ".{0,12}",
    ]
}

/// What well-behaved publishers write.
fn usual_version() -> impl Strategy<Value = String> {
    "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}(-(alpha|beta|rc|SNAPSHOT|sp|foo|jre|[0-9])([.-]?[0-9]{1,2})?)?"
}

/// Reflexive, antisymmetric, transitive, and `Err` exactly for what `is_valid` refuses.
fn holds_laws(scheme: &Scheme, texts: [&str; 3], transitive: bool) -> Result<(), TestCaseError> {
    let name = scheme.name;
    for a in texts {
        if (scheme.is_valid)(a) {
            prop_assert_eq!((scheme.compare)(a, a), Ok(Ordering::Equal), "{}: `{}` is itself", name, a);
        }
        for b in texts {
            let order = (scheme.compare)(a, b);
            prop_assert_eq!(
                order.is_ok(),
                (scheme.is_valid)(a) && (scheme.is_valid)(b),
                "{} {} {}",
                name,
                a,
                b
            );
            if let (Ok(order), Ok(reverse)) = (order, (scheme.compare)(b, a)) {
                prop_assert_eq!(order, reverse.reverse(), "{}: `{}` and `{}`", name, a, b);
            }
        }
    }
    let mut sorted: Vec<&str> = texts.into_iter().filter(|text| (scheme.is_valid)(text)).collect();
    if !transitive || sorted.len() < 3 {
        return Ok(());
    }
    // Of three, every pair must agree with the order found by sorting.
    let order = |a: &&str, b: &&str| (scheme.compare)(a, b).unwrap_or(Ordering::Equal);
    sorted.sort_by(order);
    let (low, middle, high) = (sorted[0], sorted[1], sorted[2]);
    let (first, second) = (order(&low, &middle), order(&middle, &high));
    prop_assert!(first.is_le() && second.is_le(), "{}: {} {} {}", name, low, middle, high);
    prop_assert_eq!(order(&low, &high), first.then(second), "{}: {} {} {}", name, low, middle, high);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn orders_are_orders(
        odd in [any_text(), any_text(), any_text()],
        usual in [usual_version(), usual_version(), usual_version()],
    ) {
        for scheme in ALL {
            // Maven's own order is not transitive for odd texts; see `scheme/maven.rs`.
            let transitive = scheme.name != "maven";
            holds_laws(scheme, odd.each_ref().map(String::as_str), transitive)?;
            holds_laws(scheme, usual.each_ref().map(String::as_str), true)?;
        }
    }
}

/// Texts that provoke quadratic time, deep recursion or overflow.
fn hostile_texts() -> Vec<String> {
    const LENGTH: usize = 1 << 15;
    let mut texts =
        vec!["9".repeat(LENGTH), format!("{}1", "0".repeat(LENGTH)), format!("1.{}", "0".repeat(LENGTH))];
    for piece in [
        ".",
        "-",
        ".0",
        "-0",
        "1a",
        "-a",
        "~",
        "^",
        "a",
        "_p1",
        "+",
        ":",
        "1:",
        "-r1",
        ".0.1",
        "-SNAPSHOT",
        "_",
        " ",
        "é",
        "stable",
        "x.",
        "\u{0}",
        "-dev",
        "=",
        "v",
        "rc",
    ] {
        texts.push(piece.repeat(LENGTH / piece.len()));
        texts.push(format!("1{}", piece.repeat(LENGTH / piece.len())));
        texts.push(format!("1.0-{}", piece.repeat(LENGTH / piece.len())));
    }
    texts
}

#[test]
fn hostile_texts_take_linear_time() {
    let texts = hostile_texts();
    for scheme in ALL {
        for text in &texts {
            let start = Instant::now();
            let twin = format!("{text}1");
            let order = (scheme.compare)(text, &twin);
            assert_eq!(order.is_ok(), (scheme.is_valid)(text) && (scheme.is_valid)(&twin), "{}", scheme.name);
            if let Err(error) = order {
                assert!(error.text.chars().count() <= 120, "{}: the excerpt is clipped", scheme.name);
            }
            // Linear work takes milliseconds; this leaves room for a busy machine.
            let excerpt: String = text.chars().take(12).collect();
            assert!(start.elapsed() < Duration::from_secs(2), "{}: `{excerpt}...`", scheme.name);
        }
    }
}

#[test]
fn numbers_of_any_length_compare_by_value() {
    let (small, large) = (format!("1.{}8", "9".repeat(1 << 20)), format!("1.{}9", "9".repeat(1 << 20)));
    for scheme in ALL {
        assert_eq!((scheme.compare)(&small, &large), Ok(Ordering::Less), "{}", scheme.name);
        assert_eq!((scheme.compare)(&large, "1.5"), Ok(Ordering::Greater), "{}", scheme.name);
    }
}

#[test]
fn every_scheme_refuses_nothing() {
    for scheme in ALL {
        for text in ["", " ", "\t\n"] {
            assert!(!(scheme.is_valid)(text), "{}", scheme.name);
            assert!((scheme.compare)(text, "1.0").is_err(), "{}", scheme.name);
        }
    }
}

#[test]
fn unknown_schemes_are_errors() {
    let error = seaworthy_version::compare("cobol", "1", "2").expect_err("no such scheme");
    assert_eq!(error.scheme, seaworthy_version::UNKNOWN_SCHEME);
    assert_eq!(seaworthy_version::compare("npm", "1.9.0", "1.10.0"), Ok(Ordering::Less));
    assert!(seaworthy_version::is_valid("npm", "1.9.0") && !seaworthy_version::is_valid("npm", "latest"));
}
