//! Asks data about every subject, on two threads where there is enough to ask. Answers come back in
//! the order of the questions, whichever thread found them.

use crate::conditions;
use crate::range::{Judgement, judge};
use crate::subject::{Judged, Question};
use seaworthy_advisory::{Lookup, LookupError, Record};
use seaworthy_types::{Affected, Event};
use seaworthy_version::Scheme;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Questions that one thread takes at a time: neighbours by name share blocks of the database.
const PORTION: usize = 32;
/// Below this many questions a second thread costs more than it saves.
const QUESTIONS_MIN: usize = 128;

/// What data say to one question.
pub(crate) struct Answer {
    /// Records that do not leave the package out, with what came of the comparison.
    pub heard: Result<Vec<Heard>, LookupError>,
    /// A record speaks of the package, and nobody knows how to compare its versions.
    pub no_scheme: bool,
    /// A record speaks of the package, and its version is not known.
    pub version_unknown: bool,
    /// How many records were compared by a guess, and the version that the order can only guess at.
    pub guessed: Option<(u64, String)>,
}

/// One record's word.
pub(crate) struct Heard {
    pub record: Record,
    pub judgement: Judgement,
    /// It stands in the data of the subscription.
    pub paid: bool,
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
    let mut answer =
        Answer { heard: Ok(Vec::new()), no_scheme: false, version_unknown: false, guessed: None };
    let mut ask = |shard: &str, paid: bool| heard(data, judged, question, (shard, paid), &mut answer);
    let own = ask(&judged.shard, false);
    let heard = match &judged.paid {
        None => own,
        Some(paid) => own.and_then(|own| {
            let more = ask(&paid.shard, true)?;
            settle(own, more, paid.held, &mut || {
                let shard = if paid.held { &paid.shard } else { &judged.shard };
                let mut records = data.records(shard, question.name)?;
                records.retain(|record| conditions::hold(&record.affected.conditions, question.package));
                Ok(records)
            })
        }),
    };
    answer.heard = heard;
    answer
}

fn heard(
    data: &dyn Lookup,
    judged: &Judged<'_>,
    question: &Question<'_>,
    (shard, paid): (&str, bool),
    answer: &mut Answer,
) -> Result<Vec<Heard>, LookupError> {
    let scheme = seaworthy_version::by_name(judged.scheme);
    let guess = scheme.is_some_and(|scheme| (scheme.falls_back)(question.version));
    let mut judgements = Vec::new();
    let mut wanted = |affected: &Affected| {
        if !conditions::hold(&affected.conditions, question.package) {
            return false;
        }
        let Some(scheme) = scheme else {
            answer.no_scheme = true;
            return false;
        };
        if question.version.is_empty() {
            answer.version_unknown = true;
            return false;
        }
        let judgement = judge(affected, question.version, scheme);
        if let Some(version) = guessed(affected, &judgement, guess.then_some(question.version), scheme) {
            answer.guessed.get_or_insert_with(|| (0, version.to_owned())).0 += 1;
        }
        let kept = judgement != Judgement::Unaffected;
        if kept {
            judgements.push(judgement);
        }
        kept
    };
    let records = data.records_where(shard, question.name, &mut wanted)?;
    if records.len() != judgements.len() {
        // Some that were wanted are not among them.
        let again = |record: &Record| Some(judge(&record.affected, question.version, scheme?));
        judgements = records.iter().filter_map(again).collect();
    }
    let heard = |(record, judgement)| Heard { record, judgement, paid };
    Ok(records.into_iter().zip(judgements).map(heard).collect())
}

/// The version that had to be guessed at to judge: the installed one, or a bound.
fn guessed<'a>(
    affected: &'a Affected,
    judgement: &Judgement,
    installed: Option<&'a str>,
    scheme: &Scheme,
) -> Option<&'a str> {
    // A version that is listed needs no order.
    if matches!(judgement, Judgement::Affected(hit) if hit.range.starts_with("= ")) {
        return None;
    }
    let events = affected.ranges.iter().flat_map(|range| &range.events);
    let mut bounds = events
        .map(|(Event::Introduced(bound) | Event::Fixed(bound) | Event::LastAffected(bound))| bound.as_str())
        .filter(|bound| *bound != "0")
        .peekable();
    bounds.peek()?;
    installed.or_else(|| bounds.find(|bound| (scheme.falls_back)(bound)))
}

/// Joins the words of the release's data and of its subscription's. Of a vulnerability that both speak
/// of, the data that the installed version belongs to decide: the other's word goes. Where the
/// release's data say affected, the subscription's word stays beside it: it may know of a fix.
fn settle(
    own: Vec<Heard>,
    paid: Vec<Heard>,
    held: bool,
    deciding: &mut dyn FnMut() -> Result<Vec<Record>, LookupError>,
) -> Result<Vec<Heard>, LookupError> {
    let (mut decided, other) = if held { (paid, own) } else { (own, paid) };
    if other.is_empty() {
        return Ok(decided);
    }
    let ids = |record: &Record| -> Vec<String> {
        let standing = record.advisory.withdrawn.is_none();
        record.vulnerabilities.iter().filter(|_| standing).map(|one| one.id.clone()).collect()
    };
    let said: BTreeSet<String> = deciding()?.iter().flat_map(ids).collect();
    let affected: BTreeSet<String> = decided.iter().flat_map(|heard| ids(&heard.record)).collect();
    for mut heard in other {
        heard
            .record
            .vulnerabilities
            .retain(|one| !said.contains(&one.id) || (!held && affected.contains(&one.id)));
        if !heard.record.vulnerabilities.is_empty() {
            decided.push(heard);
        }
    }
    Ok(decided)
}
