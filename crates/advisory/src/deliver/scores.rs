//! EPSS scores as columns: keys as differences, then the scores' low, middle and high bytes each by
//! themselves. A delta carries the difference of every score. Percentiles are derived, not carried.
//!
//! Scores whose percentiles cannot be derived (a part of the feed) travel as records like all others.

use super::body::Input;
use super::fault::{Fault, damaged};
use super::record::{Owned, Record, SCALE, SCORE, put_number};
use crate::database::wire::Wire;
use std::io::{BufRead, Write};

/// More CVEs than will be scored in our time.
const SCORES_MAX: u64 = 8 << 20;
/// A score of one, with six digits.
const SCORE_MAX: u32 = 1_000_000;

/// All scores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scores {
    /// Value of the scale record.
    pub scale: Vec<u8>,
    /// Key, score; sorted by key.
    pub list: Vec<(u32, u32)>,
}

/// What a scale record says: digits after the point and whether percentiles are carried.
pub fn scale_of(value: &[u8]) -> Result<(u32, bool), Fault> {
    match value {
        [digits @ 5..=6, carried @ 0..=1] => Ok((u32::from(*digits), *carried == 1)),
        _ => Err(damaged("its scale is none that this program knows")),
    }
}

/// Key and score (and percentile, when it is carried) of a score's record.
pub fn score_of(record: Record<'_>, carried: bool) -> Result<(u32, u32, Option<u32>), Fault> {
    let read = || {
        let key = u32::from_be_bytes(record.key.try_into().ok()?);
        let mut wire = Wire::new(record.value);
        let mut share = || u32::try_from(wire.number().ok()?).ok().filter(|share| *share <= SCORE_MAX);
        let score = share()?;
        let percentile = if carried { Some(share()?) } else { None };
        (wire.left() == 0).then_some((key, score, percentile))
    };
    read().ok_or_else(|| damaged("a score cannot be decoded"))
}

impl Scores {
    /// Takes a record; `false` when columns cannot carry it.
    pub fn take(&mut self, record: Record<'_>) -> bool {
        match record.kind {
            SCALE => {
                self.scale = record.value.to_vec();
                record.key.is_empty() && scale_of(record.value).is_ok_and(|(_, carried)| !carried)
            }
            SCORE if self.list.len() as u64 >= SCORES_MAX => false,
            SCORE => match score_of(record, false) {
                Ok((key, score, _)) => {
                    self.list.push((key, score));
                    !self.scale.is_empty()
                }
                Err(_) => false,
            },
            _ => false,
        }
    }
    /// The record at a place: first the scale, then the scores.
    pub fn record(&self, at: usize, record: &mut Owned) -> bool {
        let Some(at) = at.checked_sub(1) else {
            record.set(Record { kind: SCALE, key: b"", value: &self.scale });
            return true;
        };
        let Some((key, score)) = self.list.get(at) else { return false };
        record.kind = SCORE;
        record.key.clear();
        record.key.extend_from_slice(&key.to_be_bytes());
        record.value.clear();
        put_number(&mut record.value, u64::from(*score));
        true
    }
    /// Writes all columns.
    pub fn write(&self, output: &mut dyn Write) -> Result<(), Fault> {
        let mut head = Vec::new();
        put_number(&mut head, self.scale.len() as u64);
        head.extend_from_slice(&self.scale);
        output.write_all(&head)?;
        write_list(output, &self.list)
    }
    /// Reads all columns.
    pub fn read<R: BufRead>(input: &mut Input<R>) -> Result<Self, Fault> {
        let mut scale = Vec::new();
        let length = input.number()?;
        input.bytes(length, 16, &mut scale)?;
        Ok(Self { scale, list: read_list(input)? })
    }
    /// Writes what leads from `old` to these.
    pub fn write_delta(&self, old: &Self, output: &mut dyn Write) -> Result<(), Fault> {
        let (mut removed, mut added, mut differences) = (Vec::new(), Vec::new(), Vec::new());
        let (mut olds, mut news) = (old.list.iter().peekable(), self.list.iter().peekable());
        loop {
            match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some((key, _)), new) if new.is_none_or(|new| new.0 > *key) => {
                    removed.push((*key, 0));
                    olds.next();
                }
                (old, Some((key, score))) if old.is_none_or(|old| old.0 > *key) => {
                    added.push((*key, *score));
                    news.next();
                }
                (Some((_, before)), Some((_, after))) => {
                    differences.push(zigzag(i64::from(*after) - i64::from(*before)));
                    olds.next();
                    news.next();
                }
                _ => break,
            }
        }
        write_keys(output, &removed)?;
        write_list(output, &added)?;
        write_planes(output, differences.iter().copied())
    }
    /// Reads a delta and applies it.
    pub fn apply<R: BufRead>(mut self, input: &mut Input<R>) -> Result<Self, Fault> {
        let removed = read_keys(input)?;
        let added = read_list(input)?;
        let mut removed = removed.into_iter().peekable();
        self.list.retain(|(key, _)| removed.next_if_eq(key).is_none());
        if removed.next().is_some() {
            return Err(damaged("it takes a score away that is not there"));
        }
        let differences = read_planes(input, self.list.len())?;
        for ((_, score), difference) in self.list.iter_mut().zip(differences) {
            let after = i64::from(*score) + unzigzag(difference);
            *score = u32::try_from(after).ok().filter(|s| *s <= SCORE_MAX).ok_or_else(outside)?;
        }
        if self.list.len().saturating_add(added.len()) as u64 > SCORES_MAX {
            return Err(damaged("it has too many scores"));
        }
        // Sorted runs: the sort is a merge. A key that is there twice is refused with all records.
        self.list.extend(added);
        self.list.sort_by_key(|entry| entry.0);
        Ok(self)
    }
}

fn outside() -> Fault {
    damaged("a score is not between 0 and 1")
}

fn zigzag(difference: i64) -> u32 {
    ((difference << 1) ^ (difference >> 63)) as u32
}

fn unzigzag(value: u32) -> i64 {
    i64::from(value >> 1) ^ -i64::from(value & 1)
}

fn write_keys(output: &mut dyn Write, list: &[(u32, u32)]) -> Result<(), Fault> {
    let mut bytes = Vec::with_capacity(list.len() + 8);
    put_number(&mut bytes, list.len() as u64);
    let mut last = 0;
    for (key, _) in list {
        put_number(&mut bytes, u64::from(key.wrapping_sub(last)));
        last = *key;
    }
    Ok(output.write_all(&bytes)?)
}

fn read_keys<R: BufRead>(input: &mut Input<R>) -> Result<Vec<u32>, Fault> {
    let count = input.number()?;
    if count > SCORES_MAX {
        return Err(damaged("it has too many scores"));
    }
    let (mut keys, mut last) = (Vec::new(), 0_u64);
    for _ in 0..count {
        last = last.saturating_add(input.number()?);
        keys.push(u32::try_from(last).map_err(|_| damaged("a CVE id is out of range"))?);
    }
    Ok(keys)
}

fn write_planes(output: &mut dyn Write, values: impl Iterator<Item = u32> + Clone) -> Result<(), Fault> {
    for shift in [0, 8, 16] {
        let plane: Vec<u8> = values.clone().map(|value| (value >> shift) as u8).collect();
        output.write_all(&plane)?;
    }
    Ok(())
}

fn read_planes<R: BufRead>(input: &mut Input<R>, count: usize) -> Result<Vec<u32>, Fault> {
    let mut values = Vec::new();
    let mut plane = Vec::new();
    for shift in [0, 8, 16] {
        input.bytes(count as u64, SCORES_MAX, &mut plane)?;
        values.resize(count, 0);
        for (value, byte) in values.iter_mut().zip(&plane) {
            *value |= u32::from(*byte) << shift;
        }
    }
    Ok(values)
}

fn write_list(output: &mut dyn Write, list: &[(u32, u32)]) -> Result<(), Fault> {
    write_keys(output, list)?;
    write_planes(output, list.iter().map(|entry| entry.1))
}

fn read_list<R: BufRead>(input: &mut Input<R>) -> Result<Vec<(u32, u32)>, Fault> {
    let keys = read_keys(input)?;
    let scores = read_planes(input, keys.len())?;
    if scores.iter().any(|score| *score > SCORE_MAX) {
        return Err(outside());
    }
    Ok(keys.into_iter().zip(scores).collect())
}
