//! Counts what was left out or repaired, so that a feed with a hundred thousand like entries gives
//! one note with a number instead of a hundred thousand notes. Output is sorted.

use crate::feed::Sink;
use crate::intake::text::clip;
use crate::loss::Losses;
use seaworthy_types::{Grade, Note};
use std::collections::BTreeMap;

/// Subjects kept per code; the rest is counted under one note.
const SUBJECTS_MAX: usize = 500;

/// What happened, to what, how often.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    seen: BTreeMap<(&'static str, String), Seen>,
    /// Subjects per code, and what came after the list was full.
    codes: BTreeMap<&'static str, Code>,
    /// Statements that were lost, by shard and package.
    losses: Losses,
}

#[derive(Debug, Default)]
struct Code {
    subjects: usize,
    more: u64,
    gap_in_more: bool,
}

#[derive(Debug)]
struct Seen {
    grade: Grade,
    count: u64,
    detail: String,
}

impl Tally {
    /// Something happened to `subject` (a record's id, an ecosystem); the first detail is kept.
    pub(crate) fn add(
        &mut self,
        grade: Grade,
        code: &'static str,
        subject: &str,
        detail: impl FnOnce() -> String,
    ) {
        let key = (code, clip(subject, 200).to_owned());
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.count += 1;
            seen.grade = seen.grade.max(grade);
            return;
        }
        let known = self.codes.entry(code).or_default();
        if known.subjects >= SUBJECTS_MAX {
            known.more += 1;
            known.gap_in_more |= grade == Grade::Gap;
            return;
        }
        known.subjects += 1;
        let detail = clip(&detail(), 400).to_owned();
        self.seen.insert(key, Seen { grade, count: 1, detail });
    }

    /// Nothing was lost.
    pub(crate) fn info(&mut self, code: &'static str, subject: &str, detail: impl FnOnce() -> String) {
        self.add(Grade::Info, code, subject, detail);
    }

    /// Something was lost, and nobody knows which package it spoke of.
    pub(crate) fn gap(&mut self, code: &'static str, subject: &str, detail: impl FnOnce() -> String) {
        self.lost(("", ""), code, subject, detail);
    }

    /// A statement on this shard and package was lost; either is empty when it is not known.
    pub(crate) fn lost(
        &mut self,
        place: (&str, &str),
        code: &'static str,
        subject: &str,
        detail: impl FnOnce() -> String,
    ) {
        let detail = clip(&detail(), 400).to_owned();
        self.losses.add(place, code, clip(subject, 200), || detail.clone());
        self.add(Grade::Gap, code, subject, || detail);
    }

    /// Takes over what another tally counted.
    pub(crate) fn join(&mut self, other: Tally) {
        for ((code, subject), seen) in other.seen {
            let count = seen.count;
            self.add(seen.grade, code, &subject, || seen.detail);
            if let Some(mine) = self.seen.get_mut(&(code, subject)) {
                mine.count += count - 1;
            }
        }
        for (code, theirs) in other.codes {
            let mine = self.codes.entry(code).or_default();
            mine.more += theirs.more;
            mine.gap_in_more |= theirs.gap_in_more;
        }
        for (shard, loss) in other.losses.take() {
            self.losses.join(&shard, loss);
        }
    }

    /// Hands everything over as notes of `unit`.
    pub(crate) fn report(self, unit: &str, sink: &mut dyn Sink) {
        for ((code, subject), seen) in self.seen {
            let detail = match seen.count {
                1 => seen.detail,
                count => format!("{} ({count} times)", seen.detail),
            };
            sink.note(match seen.grade {
                Grade::Info => Note::info(code, unit, subject, detail),
                Grade::Gap => Note::gap(code, unit, subject, detail),
            });
        }
        for (shard, loss) in self.losses.take() {
            sink.lost(&shard, loss);
        }
        for (code, known) in self.codes.into_iter().filter(|(_, known)| known.more > 0) {
            let detail = format!("{} more of the same kind are not listed", known.more);
            sink.note(match known.gap_in_more {
                true => Note::gap(code, unit, "", detail),
                false => Note::info(code, unit, "", detail),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_types::{Advisory, Enrichment};

    #[derive(Default)]
    struct Notes(Vec<Note>);
    impl Sink for Notes {
        fn advisory(&mut self, _: Advisory) {}
        fn enrichment(&mut self, _: &str, _: Enrichment) {}
        fn note(&mut self, note: Note) {
            self.0.push(note);
        }
    }

    #[test]
    fn counts_and_bounds() {
        let mut tally = Tally::default();
        for index in 0..2_000 {
            tally.info("c", &format!("s{index:04}"), || "x".into());
        }
        let mut other = Tally::default();
        other.gap("b", "s", || "first".into());
        other.gap("b", "s", || "second".into());
        tally.join(other);
        let mut notes = Notes::default();
        tally.report("unit", &mut notes);
        assert_eq!(notes.0.len(), 1 + SUBJECTS_MAX + 1);
        assert_eq!(notes.0[0].detail, "first (2 times)");
        assert!(notes.0.last().is_some_and(|n| n.detail.starts_with("1500 more") && n.grade == Grade::Info));
    }
}
