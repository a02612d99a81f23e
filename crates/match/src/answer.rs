//! Asks data about every subject, on two threads where there is enough to ask. Answers come back in
//! the order of the questions, whichever thread found them.

use crate::conditions;
use crate::range::{Judgement, judge};
use crate::subject::{Judged, Question};
use seaworthy_advisory::{Lookup, LookupError, Record};
use seaworthy_types::Affected;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Questions that one thread takes at a time: neighbours by name share blocks of the database.
const PORTION: usize = 32;
/// Below this many questions a second thread costs more than it saves.
const QUESTIONS_MIN: usize = 128;

/// What data say to one question.
pub(crate) struct Answer {
    /// Records that do not leave the package out, with what came of the comparison.
    pub heard: Result<Vec<(Record, Judgement)>, LookupError>,
    /// A record speaks of the package, and nobody knows how to compare its versions.
    pub no_scheme: bool,
    /// A record speaks of the package, and its version is not known.
    pub version_unknown: bool,
}

/// The answers to all questions, in their order.
pub(crate) fn answers(data: &dyn Lookup, asked: &[(&Judged<'_>, &Question<'_>)]) -> Vec<Answer> {
    let portions: Vec<_> = asked.chunks(PORTION).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Vec<Answer>)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(portion) = portions.get(at) else { return done };
            done.push((
                at,
                portion.iter().map(|(judged, question)| answer(data, judged, question)).collect(),
            ));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let other = (asked.len() >= QUESTIONS_MIN)
            .then(|| std::thread::Builder::new().name("match".into()).spawn_scoped(scope, work));
        let mut done = work();
        // A thread that cannot be started has taken no portion.
        if let Some(Ok(other)) = other {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, answers)| answers).collect()
}

/// Judges what data say by the package's part of each record, and reads whole only what matters.
fn answer(data: &dyn Lookup, judged: &Judged<'_>, question: &Question<'_>) -> Answer {
    let scheme = seaworthy_version::by_name(judged.scheme);
    let (mut no_scheme, mut version_unknown) = (false, false);
    let mut wanted = |affected: &Affected| {
        if !conditions::hold(&affected.conditions, question.package) {
            return false;
        }
        let Some(scheme) = scheme else {
            no_scheme = true;
            return false;
        };
        if question.version.is_empty() {
            version_unknown = true;
            return false;
        }
        judge(affected, &question.version, scheme) != Judgement::Unaffected
    };
    let records = data.records_where(&judged.shard, &question.name, &mut wanted);
    let with_judgement = |record: Record| {
        let judgement = judge(&record.affected, &question.version, scheme?);
        Some((record, judgement))
    };
    let heard = records.map(|records| records.into_iter().filter_map(with_judgement).collect());
    Answer { heard, no_scheme, version_unknown }
}
