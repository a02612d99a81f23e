//! Whether a version is affected: OSV schema, section "Evaluation", on events that import has
//! sorted. Enumerated versions are equal alternatives to ranges.

use seaworthy_types::{Affected, Event, Range, Status};
use seaworthy_version::Scheme;
use std::cmp::Ordering;

/// What a record says of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Affected, with what decided.
    Affected(Hit),
    /// The record speaks of the package but not of this version.
    Unaffected,
    /// A version could not be read; the text says which.
    Unreadable(String),
}

/// What decided that a version is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The range or version, for people: `>= 1.0, < 1.2.3`.
    pub range: String,
    /// The version that ends this very range, if one does.
    pub fixed: Option<String>,
}

/// Judges one version by one record.
pub fn judge(affected: &Affected, version: &str, scheme: &Scheme) -> Judgement {
    if affected.ranges.is_empty() && affected.versions.is_empty() {
        let hit = Hit { range: "every version".into(), fixed: None };
        return match affected.status {
            // A fixed package without versions says nothing that could be compared.
            Status::Fixed => Judgement::Unaffected,
            _ => Judgement::Affected(hit),
        };
    }
    let mut unreadable = None;
    for range in &affected.ranges {
        match within(range, version, scheme) {
            Ok(Some(hit)) => return Judgement::Affected(hit),
            Ok(None) => {}
            Err(text) => unreadable = Some(text),
        }
    }
    let listed = affected.versions.iter().find(|listed| same(listed, version, scheme));
    match (listed, unreadable) {
        (Some(listed), _) => {
            let fixed = first_fix_above(affected, version, scheme);
            Judgement::Affected(Hit { range: format!("= {listed}"), fixed })
        }
        (None, Some(text)) => Judgement::Unreadable(text),
        (None, None) => Judgement::Unaffected,
    }
}

fn same(listed: &str, version: &str, scheme: &Scheme) -> bool {
    // Two branches with names are not one because nobody can order them.
    if (scheme.falls_back)(version) || (scheme.falls_back)(listed) {
        return listed.trim().eq_ignore_ascii_case(version.trim());
    }
    listed == version || (scheme.compare)(listed, version) == Ok(Ordering::Equal)
}

/// For versions that are listed one by one: the smallest fix above, over all ranges.
fn first_fix_above(affected: &Affected, version: &str, scheme: &Scheme) -> Option<String> {
    let fixes = affected.ranges.iter().flat_map(Range::fixes);
    fixes
        .filter(|fixed| (scheme.compare)(fixed, version) == Ok(Ordering::Greater))
        .min_by(|a, b| (scheme.compare)(a, b).unwrap_or(Ordering::Equal))
        .map(str::to_owned)
}

/// The window of the range that holds the version.
fn within(range: &Range, version: &str, scheme: &Scheme) -> Result<Option<Hit>, String> {
    let compare =
        |bound: &str| scheme.compare_readable(version, bound).map_err(|invalid| invalid.to_string());
    let mut opened: Option<&str> = None;
    for (at, event) in range.events.iter().enumerate() {
        match event {
            Event::Introduced(bound) => {
                if bound == "0" || compare(bound)? != Ordering::Less {
                    opened = opened.or(Some(bound));
                } else if opened.is_some() {
                    break;
                }
            }
            Event::Fixed(bound) => {
                if compare(bound)? != Ordering::Less {
                    opened = None;
                } else if let Some(start) = opened {
                    let fixed = range.fix(at).map(str::to_owned);
                    return Ok(Some(Hit { range: window(start, "<", bound), fixed }));
                }
            }
            Event::LastAffected(bound) => {
                if compare(bound)? == Ordering::Greater {
                    opened = None;
                } else if let Some(start) = opened {
                    let fixed = next_fix(range, bound, scheme);
                    return Ok(Some(Hit { range: window(start, "<=", bound), fixed }));
                }
            }
        }
    }
    Ok(opened.map(|start| Hit { range: open_window(start), fixed: None }))
}

/// A fix that follows a `last_affected` bound before the next window opens.
fn next_fix(range: &Range, bound: &str, scheme: &Scheme) -> Option<String> {
    range
        .events
        .iter()
        .enumerate()
        .skip_while(|(_, event)| !matches!(event, Event::LastAffected(last) if last == bound))
        .skip(1)
        .take_while(|(_, event)| !matches!(event, Event::Introduced(_)))
        .filter_map(|(at, _)| range.fix(at))
        .find(|fixed| (scheme.compare)(fixed, bound) == Ok(Ordering::Greater))
        .map(str::to_owned)
}

fn window(start: &str, sign: &str, end: &str) -> String {
    match start {
        "0" => format!("{sign} {end}"),
        start => format!(">= {start}, {sign} {end}"),
    }
}

fn open_window(start: &str) -> String {
    match start {
        "0" => "every version".into(),
        start => format!(">= {start}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_types::RangeKind;

    fn scheme() -> &'static Scheme {
        seaworthy_version::by_name("semver").expect("semver")
    }

    fn affected(events: &[(&str, &str)], versions: &[&str]) -> Affected {
        let event = |(kind, version): &(&str, &str)| match *kind {
            "i" => Event::Introduced((*version).into()),
            "f" => Event::Fixed((*version).into()),
            _ => Event::LastAffected((*version).into()),
        };
        let ranges = match events {
            [] => Vec::new(),
            events => vec![Range { kind: RangeKind::Semver, events: events.iter().map(event).collect() }],
        };
        Affected { ranges, versions: versions.iter().map(|v| (*v).into()).collect(), ..Affected::default() }
    }

    fn hit(range: &str, fixed: Option<&str>) -> Judgement {
        Judgement::Affected(Hit { range: range.into(), fixed: fixed.map(Into::into) })
    }

    #[test]
    fn windows() {
        let two = affected(&[("i", "0"), ("f", "1.2.0"), ("i", "2.0.0"), ("f", "2.1.0")], &[]);
        let cases = [
            ("1.0.0", hit("< 1.2.0", Some("1.2.0"))),
            ("1.2.0", Judgement::Unaffected),
            ("2.0.0", hit(">= 2.0.0, < 2.1.0", Some("2.1.0"))),
            ("2.1.0", Judgement::Unaffected),
        ];
        for (version, expected) in cases {
            assert_eq!(judge(&two, version, scheme()), expected, "{version}");
        }
        let last = affected(&[("i", "1.0.0"), ("l", "1.5.0")], &[]);
        assert_eq!(judge(&last, "1.5.0", scheme()), hit(">= 1.0.0, <= 1.5.0", None));
        assert_eq!(judge(&last, "1.5.1", scheme()), Judgement::Unaffected);
        assert_eq!(judge(&last, "0.9.0", scheme()), Judgement::Unaffected);
        let open = affected(&[("i", "3.0.0")], &[]);
        assert_eq!(judge(&open, "4.0.0", scheme()), hit(">= 3.0.0", None));
    }

    #[test]
    fn a_bound_that_is_no_fix_ends_the_range_and_is_not_offered() {
        let mut bound = affected(&[("i", "0")], &["3.0.0"]);
        bound.ranges[0].events.extend(Range::bound("2.0.0"));
        assert_eq!(judge(&bound, "1.0.0", scheme()), hit("< 2.0.0", None));
        assert_eq!(judge(&bound, "2.0.0", scheme()), Judgement::Unaffected);
        assert_eq!(judge(&bound, "3.0.0", scheme()), hit("= 3.0.0", None));
        let listed = affected(&[("i", "5.0.0")], &["1.0.0"]);
        let mut listed = Affected { versions: listed.versions, ..listed };
        listed.ranges[0].events.extend(Range::bound("6.0.0"));
        assert_eq!(judge(&listed, "1.0.0", scheme()), hit("= 1.0.0", None));
    }

    #[test]
    fn a_bound_that_cannot_be_read_whole_decides_where_its_numbers_do() {
        // RETIRE-handlebars-121.
        let beta = affected(&[("i", "0"), ("f", "1.0.0.beta.3")], &[]);
        assert_eq!(judge(&beta, "4.7.7", scheme()), Judgement::Unaffected);
        assert_eq!(judge(&beta, "0.9.0", scheme()), hit("< 1.0.0.beta.3", Some("1.0.0.beta.3")));
        assert!(matches!(judge(&beta, "1.0.0", scheme()), Judgement::Unreadable(_)));
    }

    #[test]
    fn introduced_zero_is_minus_infinity() {
        let all = affected(&[("i", "0"), ("f", "1.0.0")], &[]);
        assert_eq!(judge(&all, "0.0.0-20200101000000-abcdefabcdef", scheme()), hit("< 1.0.0", Some("1.0.0")));
    }

    #[test]
    fn enumerated_versions_decide_where_ranges_do_not_speak() {
        let listed = affected(&[], &["1.0.0", "1.1.0"]);
        assert_eq!(judge(&listed, "1.1.0", scheme()), hit("= 1.1.0", None));
        assert_eq!(judge(&listed, "1.2.0", scheme()), Judgement::Unaffected);
        let both = affected(&[("i", "2.0.0"), ("f", "2.1.0")], &["1.0.0"]);
        assert_eq!(judge(&both, "1.0.0", scheme()), hit("= 1.0.0", Some("2.1.0")));
    }

    #[test]
    fn unreadable_versions_are_said() {
        let range = affected(&[("i", "0"), ("f", "1.0.0")], &[]);
        assert!(matches!(judge(&range, "not a version", scheme()), Judgement::Unreadable(_)));
        let nothing = Affected { status: Status::WillNotFix, ..Affected::default() };
        assert_eq!(judge(&nothing, "1.0.0", scheme()), hit("every version", None));
    }
}
