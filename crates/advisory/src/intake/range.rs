//! Version ranges: OSV schema, section "affected[].ranges[].events". Events are sorted by the
//! scheme, and checked: what comes out always begins with `Introduced` and alternates; an end that is
//! no fix stands twice (see [`Range`]).

use seaworthy_types::{Event, Range};
use seaworthy_version::Scheme;
use std::cmp::Ordering;

/// Events of one range. The longest real one has 70; sorting below is quadratic on purpose.
const EVENTS_MAX: usize = 1_000;

/// An event as a source writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawEvent {
    pub(crate) kind: RawKind,
    pub(crate) version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawKind {
    Introduced,
    Fixed,
    LastAffected,
    /// An upper bound that is no fix.
    Limit,
}

/// What was odd about a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// A version is the hash of a commit: the range cannot be used.
    CommitHash,
    /// More events than any real range has: the range is not used.
    TooLong,
    /// A version is none of the ecosystem: the order is the source's.
    Unreadable,
    /// Events contradict each other; the wider reading is kept.
    Contradiction,
    /// An end lies before the start it belongs to: both are left out, nobody can say what was meant.
    Inverted,
    /// The range begins without `introduced`; taken as from the first version on.
    NoStart,
    /// `fixed` is the version of `introduced`: nothing is affected.
    Nothing,
    /// A `limit` event, read as the end of the range.
    Limit,
}

impl Trouble {
    /// One sentence for people.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::CommitHash => "a version is the hash of a commit, the range is left out",
            Self::TooLong => "the range has too many events and is left out",
            Self::Unreadable => "a version is none of its ecosystem, events stay in the source's order",
            Self::Contradiction => "events contradict each other, the wider reading is kept",
            Self::Inverted => "a range ends before it starts and is left out",
            Self::NoStart => "the range has no `introduced`, taken as from the first version on",
            Self::Nothing => "`introduced` and `fixed` are the same version, nothing is affected",
            Self::Limit => "a `limit` event is read as the end of the range",
        }
    }
}

/// Events in version order, or none when the range cannot be used; and what was odd.
pub(crate) fn read(scheme: Option<&Scheme>, mut raw: Vec<RawEvent>) -> (Vec<Event>, Vec<Trouble>) {
    let mut troubles = Vec::new();
    if raw.len() > EVENTS_MAX {
        return (Vec::new(), vec![Trouble::TooLong]);
    }
    raw.retain(|event| !(event.kind == RawKind::Limit && event.version == "*"));
    if raw.iter().any(|event| is_commit_hash(&event.version)) {
        return (Vec::new(), vec![Trouble::CommitHash]);
    }
    if raw.iter().any(|event| event.kind == RawKind::Limit) {
        troubles.push(Trouble::Limit);
    }
    if !raw.is_empty() && raw.iter().all(|event| event.kind != RawKind::Introduced) {
        troubles.push(Trouble::NoStart);
        raw.insert(0, RawEvent { kind: RawKind::Introduced, version: "0".into() });
    }
    if !already_simple(&raw) {
        if drop_inverted(scheme, &mut raw) {
            troubles.push(Trouble::Inverted);
        }
        if !sort(scheme, &mut raw) {
            troubles.push(Trouble::Unreadable);
        }
    }
    let events = alternate(scheme, raw, &mut troubles);
    troubles.sort_unstable();
    troubles.dedup();
    (events, troubles)
}

/// The upper bound of GitHub's `last_known_affected_version_range`: `< 1.2.3`, `<= 1.2.3`. Other
/// comparisons say nothing about the end.
pub(crate) fn last_known(text: &str) -> Vec<Event> {
    let text = text.trim();
    let (rest, inclusive) = match (text.strip_prefix("<="), text.strip_prefix('<')) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Vec::new(),
    };
    let version = rest.trim();
    if version.is_empty() || version.contains([' ', ',', '<', '>', '=']) {
        return Vec::new();
    }
    match inclusive {
        true => vec![Event::LastAffected(version.to_owned())],
        // Nobody called this version a fix: where one was published it is in the events.
        false => Range::bound(version).into(),
    }
}

/// Whether the events say that the version is affected; `None` when the scheme cannot tell.
pub(crate) fn contains(scheme: &Scheme, events: &[Event], version: &str) -> Option<bool> {
    let mut inside = false;
    for event in events {
        match event {
            Event::Introduced(start) => {
                inside |= start == "0" || (scheme.compare)(version, start).ok()? != Ordering::Less;
            }
            Event::Fixed(end) => inside &= (scheme.compare)(version, end).ok()? == Ordering::Less,
            Event::LastAffected(end) => {
                inside &= (scheme.compare)(version, end).ok()? != Ordering::Greater;
            }
        }
    }
    Some(inside)
}

/// Whether a text is the hash of a git commit (SHA-1 or SHA-256).
pub(crate) fn is_commit_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// From the beginning to one end: the commonest range by far, nothing to compare.
fn already_simple(raw: &[RawEvent]) -> bool {
    match raw {
        [_] => true,
        [first, last] => {
            first.kind == RawKind::Introduced
                && first.version == "0"
                && last.kind != RawKind::Introduced
                && last.version != "0"
        }
        _ => false,
    }
}

/// Where a source writes starts and ends in turn, removes the pairs whose end comes first.
fn drop_inverted(scheme: Option<&Scheme>, raw: &mut Vec<RawEvent>) -> bool {
    let start = |event: &RawEvent| event.kind == RawKind::Introduced;
    let in_turn = raw.iter().enumerate().all(|(at, event)| start(event) == (at % 2 == 0));
    let Some(scheme) = scheme.filter(|_| in_turn) else { return false };
    let inverted = |pair: &[RawEvent]| match pair {
        [start, end] => {
            start.version != "0" && (scheme.compare)(&start.version, &end.version) == Ok(Ordering::Greater)
        }
        _ => false,
    };
    if !raw.chunks(2).any(inverted) {
        return false;
    }
    *raw = raw.chunks(2).filter(|pair| !inverted(pair)).flatten().cloned().collect();
    true
}

/// Stable insertion sort: a scheme whose order is not total on hostile texts must not panic.
/// `false` when a version cannot be read; then nothing is moved.
fn sort(scheme: Option<&Scheme>, raw: &mut [RawEvent]) -> bool {
    let Some(scheme) = scheme else { return false };
    if raw.iter().any(|event| event.version != "0" && !(scheme.is_valid)(&event.version)) {
        return false;
    }
    for next in 1..raw.len() {
        let mut at = next;
        while at > 0 && order(scheme, &raw[at - 1], &raw[at]) == Ordering::Greater {
            raw.swap(at - 1, at);
            at -= 1;
        }
    }
    true
}

fn order(scheme: &Scheme, left: &RawEvent, right: &RawEvent) -> Ordering {
    let start = |event: &RawEvent| event.kind == RawKind::Introduced && event.version == "0";
    let versions = match (start(left), start(right)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => (scheme.compare)(&left.version, &right.version).unwrap_or(Ordering::Equal),
    };
    // One version alone: `introduced` and `last_affected` are equal. For `fixed` the order in the
    // source tells an empty range from two that touch.
    let last = |event: &RawEvent| event.kind == RawKind::LastAffected;
    versions.then(last(left).cmp(&last(right)))
}

fn alternate(scheme: Option<&Scheme>, raw: Vec<RawEvent>, troubles: &mut Vec<Trouble>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::with_capacity(raw.len());
    for RawEvent { kind, version } in raw {
        match (kind, events.last()) {
            (RawKind::Introduced, None | Some(Event::Fixed(_) | Event::LastAffected(_))) => {
                events.push(Event::Introduced(version));
            }
            (RawKind::Fixed | RawKind::Limit, Some(Event::Introduced(start))) => {
                if same(scheme, start, &version) {
                    troubles.push(Trouble::Nothing);
                    events.pop();
                } else if kind == RawKind::Limit {
                    events.extend(Range::bound(&version));
                } else {
                    events.push(Event::Fixed(version));
                }
            }
            (RawKind::LastAffected, Some(Event::Introduced(_))) => events.push(Event::LastAffected(version)),
            // Later ends: `last_affected` lists every version by its own, a fix makes it exact.
            (RawKind::Fixed, Some(Event::LastAffected(_))) => {
                events.pop();
                events.push(Event::Fixed(version));
            }
            // A fix where the range ends anyway can be offered.
            (RawKind::Fixed, Some(Event::Fixed(end))) if is_bound(&events) && same(scheme, end, &version) => {
                events.truncate(events.len() - 2);
                events.push(Event::Fixed(version));
            }
            (RawKind::LastAffected, Some(Event::Fixed(_) | Event::LastAffected(_))) => {
                troubles.push(Trouble::Contradiction);
                events.truncate(events.len() - if is_bound(&events) { 2 } else { 1 });
                events.push(Event::LastAffected(version));
            }
            // A start within a range, a second fix, an end before any start: without effect in the
            // algorithm of the schema.
            (RawKind::Introduced | RawKind::Fixed | RawKind::LastAffected | RawKind::Limit, _) => {
                troubles.push(Trouble::Contradiction);
            }
        }
    }
    events
}

/// Whether the events end with an end that is no fix.
fn is_bound(events: &[Event]) -> bool {
    matches!(events, [.., Event::Fixed(one), Event::Fixed(other)] if one == other)
}

fn same(scheme: Option<&Scheme>, left: &str, right: &str) -> bool {
    left == right
        || (left != "0" && scheme.is_some_and(|scheme| (scheme.compare)(left, right) == Ok(Ordering::Equal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers, so that these cases do not hang on a real scheme.
    const NUMBERS: Scheme = Scheme {
        name: "numbers",
        compare: |a, b| {
            let number = |text: &str| text.parse::<u64>().map_err(|_| invalid(text));
            Ok(number(a)?.cmp(&number(b)?))
        },
        is_valid: |text| text.parse::<u64>().is_ok(),
        decided: seaworthy_version::scheme::undecided,
        falls_back: seaworthy_version::scheme::never,
    };

    fn invalid(text: &str) -> seaworthy_version::Invalid {
        seaworthy_version::Invalid { text: text.into(), scheme: "numbers" }
    }

    fn raw(text: &str) -> Vec<RawEvent> {
        text.split_whitespace()
            .map(|word| {
                let (kind, version) = word.split_at(1);
                let kind = match kind {
                    "i" => RawKind::Introduced,
                    "f" => RawKind::Fixed,
                    "l" => RawKind::LastAffected,
                    _ => RawKind::Limit,
                };
                RawEvent { kind, version: version.into() }
            })
            .collect()
    }

    fn show(events: &[Event]) -> String {
        let word = |event: &Event| match event {
            Event::Introduced(v) => format!("i{v}"),
            Event::Fixed(v) => format!("f{v}"),
            Event::LastAffected(v) => format!("l{v}"),
        };
        events.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sorted_and_alternating() {
        use Trouble::{Contradiction, Inverted, Limit, NoStart, Nothing, Unreadable};
        for (input, output, expected) in [
            ("i0 f5", "i0 f5", vec![]),
            ("i0", "i0", vec![]),
            ("", "", vec![]),
            ("f5 i0", "i0 f5", vec![]),
            ("i7 i0 f9 f5", "i0 f5 i7 f9", vec![]),
            ("i3 l3", "i3 l3", vec![]),
            ("l3 i3", "i3 l3", vec![]),
            ("i3 f3", "", vec![Nothing]),
            ("i0 f0", "", vec![Nothing]),
            ("i1 f3 i3 f5", "i1 f3 i3 f5", vec![]),
            ("i0 l2 l3 l9", "i0 l9", vec![Contradiction]),
            ("i0 f2 f9", "i0 f2", vec![Contradiction]),
            ("i0 l2 f3", "i0 f3", vec![]),
            ("i0 f2 l3", "i0 l3", vec![Contradiction]),
            ("i0 i4 f5", "i0 f5", vec![Contradiction]),
            ("i5 l2", "", vec![Inverted]),
            ("i1 f2 i9 f5 i10", "i1 f2 i10", vec![Inverted]),
            ("l2 i5", "i5", vec![Contradiction]),
            ("f5", "i0 f5", vec![NoStart]),
            ("i0 m5", "i0 f5 f5", vec![Limit]),
            ("i0 m5 l9", "i0 l9", vec![Contradiction, Limit]),
            ("i0 m5 f5", "i0 f5", vec![Limit]),
            ("i0 f5 m5", "i0 f5", vec![Contradiction, Limit]),
            ("i0 m*", "i0", vec![]),
            ("i1 fx", "i1 fx", vec![Unreadable]),
        ] {
            let (events, troubles) = read(Some(&NUMBERS), raw(input));
            assert_eq!((show(&events).as_str(), troubles), (output, expected), "{input}");
        }
    }

    #[test]
    fn commit_hashes_never_become_versions() {
        let hash = "f".repeat(40);
        let (events, troubles) = read(Some(&NUMBERS), raw(&format!("i0 f{hash}")));
        assert_eq!((events.len(), troubles), (0, vec![Trouble::CommitHash]));
        assert!(!is_commit_hash("20240101") && is_commit_hash(&"0".repeat(64)));
    }

    #[test]
    fn hostile_length() {
        assert_eq!(read(Some(&NUMBERS), raw(&"i1 f2 ".repeat(100_000))).1, vec![Trouble::TooLong]);
    }

    #[test]
    fn membership() {
        let (events, _) = read(Some(&NUMBERS), raw("i2 f5 i7 l9"));
        for (version, inside) in [("1", false), ("2", true), ("5", false), ("9", true), ("10", false)] {
            assert_eq!(contains(&NUMBERS, &events, version), Some(inside), "{version}");
        }
        assert_eq!(contains(&NUMBERS, &events, "x"), None);
    }

    #[test]
    fn last_known_versions() {
        assert_eq!(last_known("<= 1.2"), [Event::LastAffected("1.2".into())]);
        assert_eq!(last_known("< 1.2"), Range::bound("1.2"));
        for none in ["", "<", "> 1", ">= 1, < 2", "< 1, > 2", "= 1"] {
            assert_eq!(last_known(none), [], "{none}");
        }
    }
}
