//! The file that leads from the records with one content digest to those with another: 8 bytes of magic,
//! u32 format, then one zstd frame: name and kind of the shard, both digests (32 bytes each), then parts:
//! 1 blocks of records that come, change or go (`body`), 2 a column of score differences (`scores`), 0 the
//! end. Columns come first: blocks then speak of all other records.
//!
//! What it does not do: vouch for the result; the reader hashes what comes out (`spool`).

use super::body::{Blocks, Change, Input, LEVEL, Unblocks};
use super::fault::{Fault, damaged};
use super::full::{BLOCKS, COLUMNS, END, open, start, take_scores};
use super::record::{Owned, Record, Records};
use super::scores::Scores;
use crate::database::container::hex;
use crate::database::index::FILE_KIND_EPSS;
use std::cmp::Ordering;
use std::io::{BufRead, Write};

const MAGIC: &[u8; 8] = b"SEAWDIF\n";

/// Writes the file. Digests are those of `old` and `new`, in hex.
pub fn write<W: Write>(
    output: W,
    name: (&str, &str),
    (from, to): (&str, &str),
    old: &mut dyn Records,
    new: &mut dyn Records,
) -> Result<W, Fault> {
    let mut output = start(output, LEVEL, MAGIC, name)?;
    output.write_all(&unhex(from)?)?;
    output.write_all(&unhex(to)?)?;
    let (mut old, mut new) = (Peeked::new(old), Peeked::new(new));
    if name.1 == FILE_KIND_EPSS {
        let (mut before, mut after) = (Scores::default(), Scores::default());
        old.take_scores(&mut before)?;
        new.take_scores(&mut after)?;
        if before.scale.is_empty() || before.scale != after.scale {
            return Err(damaged("the scores before and after are not of one kind"));
        }
        output.write_all(&[COLUMNS])?;
        after.write_delta(&before, &mut output)?;
    }
    output.write_all(&[BLOCKS])?;
    let mut blocks = Blocks::new(output);
    loop {
        let order = match (old.peek()?, new.peek()?) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => (old.kind, &old.key).cmp(&(new.kind, &new.key)),
        };
        if order == Ordering::Less {
            blocks.remove(old.current.kind, &old.current.key)?;
        } else if order == Ordering::Greater || old.current.value != new.current.value {
            blocks.put(new.current.get())?;
        }
        if order != Ordering::Greater {
            old.step();
        }
        if order != Ordering::Less {
            new.step();
        }
    }
    let mut output = blocks.finish()?;
    output.write_all(&[END])?;
    Ok(output.finish()?)
}

fn unhex(digest: &str) -> Result<Vec<u8>, Fault> {
    let pairs = digest.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.filter(|bytes| bytes.len() == 32).ok_or_else(|| damaged("a digest is none"))
}

/// Records with a look at the next one.
struct Peeked<'a> {
    records: &'a mut dyn Records,
    current: Owned,
    is_there: bool,
    ended: bool,
}

impl<'a> Peeked<'a> {
    fn new(records: &'a mut dyn Records) -> Self {
        Self { records, current: Owned::default(), is_there: false, ended: false }
    }
    fn peek(&mut self) -> Result<Option<&Owned>, Fault> {
        if !self.is_there && !self.ended {
            match self.records.next()? {
                Some(record) => {
                    self.current.set(record);
                    self.is_there = true;
                }
                None => self.ended = true,
            }
        }
        Ok(self.is_there.then_some(&self.current))
    }
    fn step(&mut self) {
        self.is_there = false;
    }
    /// Takes scores off the beginning.
    fn take_scores(&mut self, scores: &mut Scores) -> Result<(), Fault> {
        self.is_there = take_scores(self.records, scores, &mut self.current)?;
        self.ended = !self.is_there;
        Ok(())
    }
}

/// The records that a delta makes out of others.
pub struct Applied<'a, R: BufRead> {
    input: Option<Input<R>>,
    base: Peeked<'a>,
    scores: Option<(Scores, usize)>,
    blocks: Option<Unblocks>,
    change: Change,
    is_waiting: bool,
    current: Owned,
}

impl<'a, R: BufRead> Applied<'a, R> {
    /// Opens a delta of a shard that leads from the one digest to the other; `base` are the records that it
    /// starts from.
    pub fn open(
        input: R,
        name: (&str, &str),
        (from, to): (&str, &str),
        base: &'a mut dyn Records,
    ) -> Result<Self, Fault> {
        let mut input = open(input, MAGIC, name)?;
        let mut digest = Vec::new();
        for wanted in [from, to] {
            input.bytes(32, 32, &mut digest)?;
            if hex(&digest) != wanted {
                return Err(damaged("it starts from other records, or leads to others"));
            }
        }
        Ok(Self {
            input: Some(input),
            base: Peeked::new(base),
            scores: None,
            blocks: None,
            change: Change::default(),
            is_waiting: false,
            current: Owned::default(),
        })
    }
    /// Reads the next change, when none waits. `false` when there is none.
    fn peek_change(&mut self) -> Result<bool, Fault> {
        let (Some(input), Some(blocks)) = (&mut self.input, &mut self.blocks) else { return Ok(false) };
        if !self.is_waiting {
            self.is_waiting = blocks.next(input, &mut self.change)?;
        }
        Ok(self.is_waiting)
    }
    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            if let Some((scores, at)) = &mut self.scores {
                if scores.record(*at, &mut self.current) {
                    *at += 1;
                    return Ok(true);
                }
                self.scores = None;
            }
            if self.blocks.is_some() {
                if let Some(found) = self.merge()? {
                    return Ok(found);
                }
                continue;
            }
            let Some(input) = &mut self.input else { return Ok(false) };
            match input.byte()? {
                COLUMNS => {
                    let mut base = Scores::default();
                    self.base.take_scores(&mut base)?;
                    if base.scale.is_empty() {
                        return Err(damaged("it speaks of scores and there are none"));
                    }
                    self.scores = Some((base.apply(input)?, 0));
                }
                BLOCKS => self.blocks = Some(Unblocks::default()),
                other => return Err(damaged(format!("it has a part of the unknown kind {other}"))),
            }
        }
    }
    /// One step of merging; `None` when it gave no record, and there may be more.
    fn merge(&mut self) -> Result<Option<bool>, Fault> {
        let there = self.peek_change()?;
        let change = &self.change.record;
        let order = match self.base.peek()? {
            None if !there => {
                self.end()?;
                return Ok(Some(false));
            }
            Some(_) if !there => Ordering::Less,
            None => Ordering::Greater,
            Some(base) => (base.kind, &base.key).cmp(&(change.kind, &change.key)),
        };
        match order {
            Ordering::Less => {
                self.current.set(self.base.current.get());
                self.base.step();
                Ok(Some(true))
            }
            Ordering::Greater if self.change.removed => {
                Err(damaged("it takes a record away that is not there"))
            }
            _ => {
                if order == Ordering::Equal {
                    self.base.step();
                }
                self.is_waiting = false;
                if self.change.removed {
                    return Ok(None);
                }
                self.current.set(change.get());
                Ok(Some(true))
            }
        }
    }
    fn end(&mut self) -> Result<(), Fault> {
        self.blocks = None;
        let Some(mut input) = self.input.take() else { return Ok(()) };
        match input.byte()? {
            END => input.end(),
            _ => Err(damaged("a part follows the blocks")),
        }
    }
}

impl<R: BufRead> Records for Applied<'_, R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        Ok(self.advance()?.then(|| self.current.get()))
    }
}
