//! What import lost of a shard, kept in the index so that a scan can say what it did not see.
//!
//! One [`Loss`] for each shard and kind of trouble. The packages that lost statements spoke of are
//! kept by name, so that only scans that hold one of them are incomplete because of it. What it does
//! not do: keep the statements.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Packages kept by name of one kind of loss; the rest is only counted.
const PACKAGES_MAX: usize = 512;
/// Records named of those whose package is not known.
const EXAMPLES_MAX: usize = 3;
/// Records named of one package.
const RECORDS_MAX: usize = 8;
/// Shards times kinds of loss.
const KINDS_MAX: usize = 10_000;

/// Statements of one shard that were lost at import in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Stable name of what happened: `range-refused`.
    pub code: String,
    /// The first of them, in one sentence.
    pub detail: String,
    /// All lost statements.
    pub count: u64,
    /// Packages they spoke of.
    pub packages: BTreeMap<String, LostOf>,
    /// Statements whose package is not known, or that came when the list was full.
    pub unnamed: u64,
    /// Some records of those.
    pub examples: Vec<String>,
}

/// What was lost of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LostOf {
    /// Statements.
    pub count: u64,
    /// The first records that they stood in.
    pub records: Vec<String>,
}

impl Loss {
    fn add(&mut self, package: &str, records: &[String], count: u64) {
        self.count = self.count.saturating_add(count);
        let full = self.packages.len() >= PACKAGES_MAX && !self.packages.contains_key(package);
        if package.is_empty() || full {
            self.unnamed = self.unnamed.saturating_add(count);
            return add_some(&mut self.examples, records, EXAMPLES_MAX);
        }
        let of = self.packages.entry(package.to_owned()).or_default();
        of.count = of.count.saturating_add(count);
        add_some(&mut of.records, records, RECORDS_MAX);
    }
    /// Takes over what another of the same kind counted.
    pub(crate) fn join(&mut self, other: Self) {
        if self.detail.is_empty() {
            self.detail = other.detail;
        }
        for (package, of) in other.packages {
            self.add(&package, &of.records, of.count);
        }
        self.count = self.count.saturating_add(other.unnamed);
        self.unnamed = self.unnamed.saturating_add(other.unnamed);
        add_some(&mut self.examples, &other.examples, EXAMPLES_MAX);
    }
}

/// Adds what is not there yet, as far as there is room.
fn add_some(list: &mut Vec<String>, more: &[String], room: usize) {
    for one in more {
        if list.len() < room && !list.contains(one) {
            list.push(one.clone());
        }
    }
}

/// Losses by shard and kind. An empty shard means: whichever the file that is read is the home of.
#[derive(Debug, Default)]
pub(crate) struct Losses(BTreeMap<(String, String), Loss>);

impl Losses {
    /// A statement on a package (empty when not known) of a shard was lost.
    pub(crate) fn add(
        &mut self,
        (shard, package): (&str, &str),
        code: &str,
        record: &str,
        detail: impl FnOnce() -> String,
    ) {
        if let Some(loss) = self.of(shard, code) {
            if loss.detail.is_empty() {
                loss.detail = detail();
            }
            loss.add(package, &[record.to_owned()], 1);
        }
    }
    /// Takes over a loss of a shard.
    pub(crate) fn join(&mut self, shard: &str, loss: Loss) {
        if let Some(mine) = self.of(shard, &loss.code) {
            mine.join(loss);
        }
    }
    fn of(&mut self, shard: &str, code: &str) -> Option<&mut Loss> {
        let key = (shard.to_owned(), code.to_owned());
        if self.0.len() >= KINDS_MAX && !self.0.contains_key(&key) {
            // More shards than there are systems: nobody will ask for them.
            return None;
        }
        let new = || Loss { code: code.to_owned(), ..Loss::default() };
        Some(self.0.entry(key).or_insert_with(new))
    }
    /// All of them, in a stable order.
    pub(crate) fn take(self) -> impl Iterator<Item = (String, Loss)> {
        self.0.into_iter().map(|((shard, _), loss)| (shard, loss))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_bounds() {
        let mut losses = Losses::default();
        for number in 0..2_000 {
            losses.add(("npm", &format!("p{number}")), "c", &format!("R-{number}"), || "d".into());
        }
        losses.add(("npm", "p0"), "c", "R-again", || "not kept".into());
        losses.add(("npm", ""), "c", "R-nobody", || "not kept".into());
        let mut other = Losses::default();
        losses.take().for_each(|(shard, loss)| other.join(&shard, loss));
        let all: Vec<_> = other.take().collect();
        assert_eq!(all.len(), 1);
        let loss = &all[0].1;
        assert_eq!((loss.count, loss.packages.len(), loss.unnamed), (2_002, PACKAGES_MAX, 1_489));
        assert_eq!(loss.packages["p0"], LostOf { count: 2, records: vec!["R-0".into(), "R-again".into()] });
        assert_eq!((loss.detail.as_str(), loss.examples.len()), ("d", EXAMPLES_MAX));
    }
}
