//! Everything data say about one vulnerability and the packages of an inventory, also where it does
//! not hold: the answer to "why is it (not) reported?".

use crate::conditions;
use crate::range::{Judgement, judge};
use crate::subject::{Judged, Paid, Question, subjects};
use seaworthy_advisory::{Lookup, LookupError, Record};
use seaworthy_types::{Event, Inventory};

/// One advisory's word on one package of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Package name as judged.
    pub package: String,
    /// Version that was compared.
    pub version: String,
    /// Package URL.
    pub purl: String,
    /// Advisory id.
    pub advisory: String,
    /// Who says so.
    pub source: String,
    /// Shard it came from.
    pub shard: String,
    /// All ranges and versions of the record, for people.
    pub says: String,
    /// What came of the comparison.
    pub outcome: String,
    /// Whether it is a match.
    pub affected: bool,
}

/// All records that are called `id` and speak of packages of this inventory, in a stable order.
pub fn explain(inventory: &Inventory, data: &dyn Lookup, id: &str) -> Result<Vec<Explanation>, LookupError> {
    let mut found = Vec::new();
    for judged in subjects(inventory) {
        if judged.shard.is_empty() {
            continue;
        }
        for question in &judged.questions {
            let ask = |paid| said(data, &judged, question, paid, id);
            let mut own = ask(None)?;
            if let Some(paid) = &judged.paid {
                let mut theirs = ask(Some(paid))?;
                let (deciding, other) = if paid.held { (&theirs, &mut own) } else { (&own, &mut theirs) };
                overrule(deciding, other, paid.held);
                own.append(&mut theirs);
            }
            found.append(&mut own);
        }
    }
    Ok(found)
}

/// What one shard says to a question.
fn said(
    data: &dyn Lookup,
    judged: &Judged<'_>,
    question: &Question<'_>,
    paid: Option<&Paid>,
    id: &str,
) -> Result<Vec<Explanation>, LookupError> {
    let shard = paid.map_or(&judged.shard, |paid| &paid.shard);
    let mut found = Vec::new();
    for record in data.records(shard, question.name)? {
        if !is_called(&record, id) {
            continue;
        }
        let holds = conditions::hold(&record.affected.conditions, question.package);
        let judgement = seaworthy_version::by_name(judged.scheme)
            .map(|scheme| judge(&record.affected, question.version, scheme));
        let (affected, mut outcome) = outcome(&record, holds, judgement, judged.scheme);
        if let Some(paid) = paid {
            outcome.push_str(&format!(" (data of {}: {})", paid.label, weight(paid)));
        }
        found.push(Explanation {
            package: judged.subject.name.clone(),
            version: question.version.to_owned(),
            purl: judged.subject.purl.clone(),
            advisory: record.advisory.id.clone(),
            source: record.advisory.source.clone(),
            shard: shard.clone(),
            says: says(&record),
            outcome,
            affected,
        });
    }
    Ok(found)
}

/// Of what both the release's data and its subscription's speak of, one decides.
fn overrule(deciding: &[Explanation], other: &mut [Explanation], held: bool) {
    let Some(first) = deciding.first() else { return };
    if held || !deciding.iter().any(|said| said.affected) {
        for said in other.iter_mut().filter(|said| said.affected) {
            said.affected = false;
            said.outcome.push_str(&format!("; the data of {} decide", first.shard));
        }
    }
}

/// What the words of a subscription's data count for.
fn weight(paid: &Paid) -> &'static str {
    match paid.held {
        true => "the installed version came by it, so that they decide before the release's own",
        false => "evidence where the release's own data say nothing, and no fix without it",
    }
}

fn is_called(record: &Record, id: &str) -> bool {
    let same = |other: &String| other.eq_ignore_ascii_case(id);
    same(&record.advisory.id)
        || record.vulnerabilities.iter().any(|v| same(&v.id) || v.aliases.iter().any(same))
}

fn outcome(record: &Record, holds: bool, judgement: Option<Judgement>, scheme: &str) -> (bool, String) {
    if record.advisory.withdrawn.is_some() {
        return (false, "the advisory has been withdrawn".into());
    }
    if !holds {
        return (
            false,
            "a condition besides the version does not hold (architecture, module or binary package)".into(),
        );
    }
    match judgement {
        None => (false, format!("there is no version order `{scheme}`")),
        Some(Judgement::Unreadable(what)) => (false, format!("not comparable: {what}")),
        Some(Judgement::Unaffected) => {
            (false, format!("the installed version lies outside (compared as {scheme})"))
        }
        Some(Judgement::Affected(hit)) => match &hit.fixed {
            Some(fixed) => (
                true,
                format!(
                    "the installed version lies in `{}` (compared as {scheme}); fixed in {fixed}",
                    hit.range
                ),
            ),
            None => (
                true,
                format!(
                    "the installed version lies in `{}` (compared as {scheme}); no fix is known",
                    hit.range
                ),
            ),
        },
    }
}

/// Ranges and versions in one line, shortened where there are many.
fn says(record: &Record) -> String {
    const LISTED_MAX: usize = 8;
    let mut parts: Vec<String> = Vec::new();
    for range in &record.affected.ranges {
        let mut events: Vec<String> = range
            .events
            .iter()
            .enumerate()
            .map(|(at, event)| match event {
                Event::Introduced(version) => format!("from {version}"),
                Event::Fixed(version) if range.fix(at).is_none() => format!("below {version}"),
                Event::Fixed(version) => format!("fixed in {version}"),
                Event::LastAffected(version) => format!("up to {version}"),
            })
            .collect();
        // An end that is no fix stands twice.
        events.dedup();
        parts.push(events.join(", "));
    }
    let versions = &record.affected.versions;
    if !versions.is_empty() {
        let shown: Vec<&str> = versions.iter().take(LISTED_MAX).map(String::as_str).collect();
        let more = versions.len().saturating_sub(LISTED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("versions {}{more}", shown.join(", ")));
    }
    if parts.is_empty() { "every version".into() } else { parts.join("; ") }
}
