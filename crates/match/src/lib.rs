//! Packages × advisories → findings, each with its reason. Never guesses by CPE; does not know where
//! packages came from.
//!
//! # Rules
//!
//! - A distribution's package is judged by its source package and the data of its release; everything
//!   else by its ecosystem's data.
//! - Data of a distribution's subscription (Ubuntu Pro: `ubuntu:pro-18.04`) are asked beside those of the
//!   release. Of a vulnerability that both speak of, the data that the installed version belongs to
//!   decide: Pro's for a version that holds `+esm` or `~esm`, the release's for all others. What only
//!   one of them speaks of holds for both. A fix that only the subscription gives is named in the reason
//!   ("fixed in … with Ubuntu Pro") and is no fix for anybody else: no version to move to, and not
//!   what the default rule means by "has a fix".
//! - An upper bound that nobody called a fix ends a range and is never offered as one.
//! - What can be read of a version decides as far as it goes; where an unreadable part would decide, that
//!   is the gap `version-unreadable`. Where the order only guesses (a branch `dev-main`, a Python version
//!   from before PEP 440) and a bound was compared with it: the gap `version-guessed`.
//! - A Go module that is replaced is judged by the path and version of what is built in its place, as
//!   govulncheck does; where the data would speak of the original, `package-replaced` tells.
//! - Beside data that are known to be partial the starter set speaks of what these say nothing about
//!   (`seaworthy_advisory::Database`).
//! - A statement that import lost is a gap for scans that hold its package, unless other advisories speak
//!   of the same vulnerability of that package.

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

/// The shards that an inventory will be matched against, sorted: for callers that fetch them first.
pub fn needed_shards(inventory: &Inventory) -> Vec<String> {
    let subjects = subject::subjects(inventory);
    let asked = subjects.iter().filter(|subject| !subject.is_third_party());
    let mut shards: Vec<String> = asked
        .flat_map(|subject| [Some(&subject.shard), subject.paid.as_ref().map(|paid| &paid.shard)])
        .flatten()
        .chain(inventory.unidentified.iter().map(|evidence| &evidence.ecosystem))
        .filter(|shard| !shard.is_empty())
        .cloned()
        .collect();
    shards.sort();
    shards.dedup();
    shards
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
    findings.sort_unstable_by(order);
    suppressed.sort_unstable_by(order);
    let (shards, notes) = coverage.finish();
    Outcome { value: Matches { findings, suppressed, shards }, notes }
}
