//! Packages × advisories → findings, each with its reason. Never guesses by CPE; does not know where
//! packages came from.

mod answer;
mod conditions;
mod coverage;
mod explain;
mod finding;
mod priority;
mod range;
mod severity;
mod subject;

pub use explain::{Explanation, explain};
pub use range::{Hit, Judgement, judge};
pub use severity::{rate_vector, rating};

use coverage::Coverage;
use finding::Collector;
use seaworthy_advisory::Lookup;
use seaworthy_types::{Date, Finding, Inventory, Outcome};

/// What matching may be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The present day.
    pub today: Date,
    /// Data older than this many days are a gap.
    pub data_age_days_max: i64,
}

/// What matching finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches {
    /// What counts, sorted by priority, then id.
    pub findings: Vec<Finding>,
    /// What data say does not count: vendor's word, withdrawn records, files of a distribution
    /// package; each with its reason.
    pub suppressed: Vec<Finding>,
    /// Shards that were asked, sorted.
    pub shards: Vec<String>,
}

/// Matches an inventory against data. Notes are the coverage: what nobody could judge and why.
pub fn match_inventory(inventory: &Inventory, data: &dyn Lookup, options: &Options) -> Outcome<Matches> {
    let mut coverage = Coverage::new(inventory, data, options);
    let mut collector = Collector::new(data);
    let mut subjects = subject::subjects(inventory);
    subjects.retain(|subject| coverage.judges(subject));
    subjects.iter_mut().for_each(|subject| coverage.asks_paid(subject));
    let asked: Vec<_> = subjects
        .iter()
        .flat_map(|subject| subject.questions.iter().map(move |question| (subject, question)))
        .collect();
    for ((subject, question), answer) in asked.iter().zip(answer::answers(data, &asked)) {
        collector.take(subject, question, answer, &mut coverage);
    }
    subjects.iter().for_each(|subject| coverage.replaces(subject));
    let (mut findings, mut suppressed) = collector.finish(&mut coverage);
    let order = |a: &Finding, b: &Finding| {
        b.priority
            .cmp(&a.priority)
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| a.subject.version.cmp(&b.subject.version))
    };
    findings.sort_by(order);
    suppressed.sort_by(order);
    let (shards, notes) = coverage.finish();
    Outcome { value: Matches { findings, suppressed, shards }, notes }
}
