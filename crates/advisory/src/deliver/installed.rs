//! The canonical records of an installed shard.
//!
//! Advisories are read twice: once for their names, once for their texts. What it does not do: trust the
//! file (checksums and decoding are those of look-up).

use super::fault::{Fault, damaged};
use super::record::{ADVISORY, ENRICHMENT, Owned, Record, Records, SCALE, SCORE, STATEMENT, put_number};
use crate::LookupError;
use crate::database::container::{Container, Kind};
use crate::database::index::{FILE_KIND_EPSS, FILE_KIND_PACKAGES, FILE_KIND_VULNERABILITIES};
use crate::database::shard::{Shard, lookup_error};
use crate::database::wire::Wire;
use crate::database::{IndexShard, epss, stored};
use std::path::Path;

impl From<LookupError> for Fault {
    fn from(error: LookupError) -> Self {
        damaged(error.to_string())
    }
}

/// What a shard's file holds, by the word of an index.
pub(crate) fn file_kind(kind: &str) -> Kind {
    match kind {
        FILE_KIND_PACKAGES => Kind::Packages,
        FILE_KIND_VULNERABILITIES => Kind::Vulnerabilities,
        FILE_KIND_EPSS => Kind::Epss,
        _ => Kind::Other,
    }
}

/// Walks an installed shard.
pub struct Installed {
    shard: Shard,
    step: Step,
    names: Names,
    waiting: Vec<Owned>,
    current: Owned,
}

/// What comes next.
enum Step {
    Statements(usize),
    Advisories(usize),
    Enrichments(usize),
    Scores(Vec<(u32, u32, u32)>, Scale, usize),
    /// Offset in the records that nobody here knows.
    More(usize),
}

/// Names of advisories.
#[derive(Default)]
struct Names {
    /// By number: key without ordinal, ordinal.
    of: Vec<(Vec<u8>, u32)>,
    /// Numbers, sorted by key.
    order: Vec<usize>,
}

/// How scores are written.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scale {
    digits: u32,
    carried: bool,
}

impl Installed {
    /// Opens a shard of a folder.
    pub fn open(folder: &Path, facts: &IndexShard) -> Result<Self, Fault> {
        if !facts.file_is_sound() {
            return Err(damaged("its file has an impossible name"));
        }
        let kind = file_kind(&facts.kind);
        let opened = Container::open(&folder.join(&facts.file), facts.bytes, kind);
        let container = opened.map_err(|error| Fault::from(lookup_error(&facts.shard, error)))?;
        Self::new(container, kind, &facts.shard)
    }
    fn new(container: Container, kind: Kind, name: &str) -> Result<Self, Fault> {
        let scores = match kind {
            Kind::Epss => epss::entries(&container).map_err(damaged)?,
            _ => Vec::new(),
        };
        let shard = Shard::new(container, name)?;
        let mut names = Names::default();
        let step = match kind {
            Kind::Packages => {
                names = Names::read(&shard)?;
                Step::Statements(0)
            }
            Kind::Vulnerabilities => Step::Enrichments(0),
            Kind::Epss => {
                let scale = Scale::of(&scores);
                Step::Scores(scores, scale, 0)
            }
            Kind::Other => Step::More(0),
        };
        Ok(Self { shard, step, names, waiting: Vec::new(), current: Owned::default() })
    }
    /// Puts the next record into `current`.
    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            if let Some(next) = self.waiting.pop() {
                self.current = next;
                return Ok(true);
            }
            match &mut self.step {
                Step::Statements(at) if *at < self.shard.name_count() => {
                    self.waiting = statements(&self.shard, &self.names, *at)?;
                    *at += 1;
                }
                Step::Statements(_) => self.step = Step::Advisories(0),
                Step::Advisories(at) => match self.names.order.get(*at) {
                    Some(number) => {
                        *at += 1;
                        self.current = advisory(&self.shard, &self.names, *number)?;
                        return Ok(true);
                    }
                    None => self.step = Step::More(0),
                },
                Step::Enrichments(at) if *at < self.shard.name_count() => {
                    let key = self.shard.name(*at)?.as_bytes();
                    let value = &self.shard.stored_item(*at)?;
                    self.current.set(Record { kind: ENRICHMENT, key, value });
                    *at += 1;
                    return Ok(true);
                }
                Step::Enrichments(_) => self.step = Step::More(0),
                Step::Scores(scores, scale, at) => match score(scores, *scale, *at) {
                    Some(record) => {
                        *at += 1;
                        self.current = record;
                        return Ok(true);
                    }
                    None => self.step = Step::More(0),
                },
                Step::More(at) => {
                    let all = self.shard.more()?;
                    let rest = all.get(*at..).unwrap_or_default();
                    if rest.is_empty() {
                        return Ok(false);
                    }
                    let mut wire = Wire::new(rest);
                    let record = more(&mut wire).ok_or_else(|| damaged("its further records"))?;
                    *at = all.len() - wire.left();
                    self.current.set(record);
                    return Ok(true);
                }
            }
        }
    }
}

impl Records for Installed {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        Ok(self.advance()?.then(|| self.current.get()))
    }
}

/// One record in canonical form.
fn more<'a>(wire: &mut Wire<'a>) -> Option<Record<'a>> {
    let kind = u32::try_from(wire.number().ok()?).ok()?;
    let length = wire.number().ok()?;
    let key = wire.take(length).ok()?;
    let length = wire.number().ok()?;
    Some(Record { kind, key, value: wire.take(length).ok()? })
}

impl Names {
    fn read(shard: &Shard) -> Result<Self, Fault> {
        let unnamed = || damaged("an advisory has no usable id or source");
        let mut of = Vec::with_capacity(shard.advisory_count()?);
        for number in 0..shard.advisory_count()? {
            let item = shard.stored_advisory(number)?;
            let (id, source) = stored::name_of(&item).map_err(|_| unnamed())?;
            if id.contains('\0') || source.contains('\0') {
                return Err(unnamed());
            }
            of.push(([id.as_bytes(), b"\0", source.as_bytes(), b"\0"].concat(), 0));
        }
        let mut order: Vec<usize> = (0..of.len()).collect();
        let key = |number: &usize| of.get(*number).map(|name: &(Vec<u8>, u32)| name.0.as_slice());
        order.sort_by(|one, other| key(one).cmp(&key(other)));
        let mut ordinals: Vec<(usize, u32)> = Vec::new();
        let mut sorted = Vec::with_capacity(order.len());
        for group in order.chunk_by(|one, other| key(one) == key(other)) {
            if let [single] = group {
                sorted.push(*single);
                continue;
            }
            let mut items = Vec::with_capacity(group.len());
            for number in group {
                items.push((shard.stored_advisory(*number)?, *number));
            }
            items.sort();
            for (ordinal, (_, number)) in (0..).zip(items) {
                ordinals.push((number, ordinal));
                sorted.push(number);
            }
        }
        for (number, ordinal) in ordinals {
            if let Some(name) = of.get_mut(number) {
                name.1 = ordinal;
            }
        }
        Ok(Self { of, order: sorted })
    }
    fn get(&self, number: usize) -> Result<(&[u8], u32), Fault> {
        let name = self.of.get(number).ok_or_else(|| damaged("a statement's advisory is not there"))?;
        Ok((&name.0, name.1))
    }
}

/// What is said of the package at a place of the names; the first record last.
fn statements(shard: &Shard, names: &Names, at: usize) -> Result<Vec<Owned>, Fault> {
    let package = shard.name(at)?;
    let item = shard.stored_item(at)?;
    let mut entries = Vec::new();
    stored::split_package(&item, &mut |number, said| entries.push((number, said.to_vec())))
        .map_err(|_| damaged("what is said of a package cannot be decoded"))?;
    let mut list = Vec::with_capacity(entries.len());
    for (number, said) in entries {
        let (name, ordinal) = names.get(number as usize)?;
        let mut value = Vec::with_capacity(said.len() + 1);
        put_number(&mut value, u64::from(ordinal));
        value.extend_from_slice(&said);
        list.push((name, value));
    }
    // Stable: words of one advisory stay in their order.
    list.sort_by_key(|entry| entry.0);
    let mut records = Vec::with_capacity(list.len());
    for group in list.chunk_by_mut(|one, other| one.0 == other.0) {
        for (place, (name, value)) in (0_u32..).zip(group) {
            let key = [package.as_bytes(), b"\0", name, &place.to_be_bytes()].concat();
            records.push(Owned { kind: STATEMENT, key, value: std::mem::take(value) });
        }
    }
    records.reverse();
    Ok(records)
}

fn advisory(shard: &Shard, names: &Names, number: usize) -> Result<Owned, Fault> {
    let (name, ordinal) = names.get(number)?;
    let key = [name, &ordinal.to_be_bytes()].concat();
    Ok(Owned { kind: ADVISORY, key, value: shard.stored_advisory(number)? })
}

impl Scale {
    fn of(scores: &[(u32, u32, u32)]) -> Self {
        let digits = if scores.iter().all(|score| score.1.is_multiple_of(10)) { 5 } else { 6 };
        let given = scores.iter().map(|score| score.2);
        Self { digits, carried: !given.eq(epss::percentiles(scores)) }
    }
}

/// The scale, then the scores.
fn score(scores: &[(u32, u32, u32)], scale: Scale, at: usize) -> Option<Owned> {
    let Some(at) = at.checked_sub(1) else {
        let value = vec![scale.digits as u8, u8::from(scale.carried)];
        return Some(Owned { kind: SCALE, key: Vec::new(), value });
    };
    let (key, probability, percentile) = scores.get(at)?;
    let mut value = Vec::new();
    put_number(&mut value, u64::from(if scale.digits == 5 { probability / 10 } else { *probability }));
    if scale.carried {
        put_number(&mut value, u64::from(*percentile));
    }
    Some(Owned { kind: SCORE, key: key.to_be_bytes().to_vec(), value })
}
