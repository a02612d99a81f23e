//! The file with all records of a shard: 8 bytes of magic, u32 format, then one zstd frame: name and kind
//! of the shard, then parts: 1 blocks of records (`body`), 2 columns of scores (`scores`), 0 the end.
//!
//! What it does not do: vouch for its content; the reader hashes what it reads (`spool`).

use super::body::{Blocks, Change, Input, LEVEL, Unblocks, pack};
use super::fault::{Fault, damaged};
use super::payload::FORMAT;
use super::record::{Owned, Record, Records, SCALE, SCORE, put_number};
use super::scores::Scores;
use crate::database::index::FILE_KIND_EPSS;
use std::io::{BufRead, Write};

const MAGIC: &[u8; 8] = b"SEAWALL\n";
/// Names of shards and kinds are never longer.
const NAME_BYTES_MAX: u64 = 256;
/// The end of the parts.
pub(super) const END: u8 = 0;
/// A part of blocks.
pub(super) const BLOCKS: u8 = 1;
/// A part of columns.
pub(super) const COLUMNS: u8 = 2;

/// Writes the file, as small as it gets.
pub fn write<W: Write>(output: W, name: (&str, &str), records: &mut dyn Records) -> Result<W, Fault> {
    write_at(LEVEL, output, name, records)
}

/// The same at a level of zstd.
pub fn write_at<W: Write>(
    level: i32,
    output: W,
    (shard, kind): (&str, &str),
    records: &mut dyn Records,
) -> Result<W, Fault> {
    let mut output = start(output, level, MAGIC, (shard, kind))?;
    let mut rest = Owned::default();
    let mut waiting = false;
    let mut scores = Scores::default();
    if kind == FILE_KIND_EPSS {
        waiting = take_scores(records, &mut scores, &mut rest)?;
        if scores.scale.is_empty() {
            return write_blocks(output, waiting.then_some(rest), records);
        }
        output.write_all(&[COLUMNS])?;
        scores.write(&mut output)?;
    }
    write_blocks(output, waiting.then_some(rest), records)
}

/// Reads scores as far as columns can carry them; whether `rest` then holds the record that follows.
/// Of scores that columns cannot carry none is read: the scale comes first and says so.
pub(super) fn take_scores(
    records: &mut dyn Records,
    scores: &mut Scores,
    rest: &mut Owned,
) -> Result<bool, Fault> {
    while let Some(record) = records.next()? {
        if matches!(record.kind, SCALE | SCORE) && scores.take(record) {
            continue;
        }
        if record.kind == SCORE && !scores.scale.is_empty() {
            return Err(damaged("its scores are not all of one kind"));
        }
        if record.kind == SCALE || record.kind == SCORE {
            *scores = Scores::default();
        }
        rest.set(record);
        return Ok(true);
    }
    Ok(false)
}

/// A transport file's beginning.
pub(super) fn start<W: Write>(
    mut output: W,
    level: i32,
    magic: &[u8; 8],
    (shard, kind): (&str, &str),
) -> Result<zstd::stream::write::Encoder<'static, W>, Fault> {
    output.write_all(magic)?;
    output.write_all(&FORMAT.to_le_bytes())?;
    let mut output = pack(output, level)?;
    let mut head = Vec::new();
    for name in [shard, kind] {
        put_number(&mut head, name.len() as u64);
        head.extend_from_slice(name.as_bytes());
    }
    output.write_all(&head)?;
    Ok(output)
}

fn write_blocks<W: Write>(
    mut output: zstd::stream::write::Encoder<'static, W>,
    first: Option<Owned>,
    records: &mut dyn Records,
) -> Result<W, Fault> {
    output.write_all(&[BLOCKS])?;
    let mut blocks = Blocks::new(output);
    if let Some(first) = first {
        blocks.put(first.get())?;
    }
    while let Some(record) = records.next()? {
        blocks.put(record)?;
    }
    let mut output = blocks.finish()?;
    output.write_all(&[END])?;
    Ok(output.finish()?)
}

/// Reads a transport file's beginning and checks that it is of the shard that was wanted.
pub(super) fn open<R: BufRead>(
    mut input: R,
    magic: &[u8; 8],
    (shard, kind): (&str, &str),
) -> Result<Input<R>, Fault> {
    let mut head = [0; 12];
    input.read_exact(&mut head).map_err(|_| damaged("it is cut short"))?;
    let (found, format) = head.split_at(8);
    if found != magic {
        return Err(damaged("it is no such file of published data"));
    }
    let format = format.try_into().map_or(0, u32::from_le_bytes);
    if format != FORMAT {
        return Err(Fault::Newer { found: format, known: FORMAT });
    }
    let mut input = Input::new(input)?;
    let named = (input.text(NAME_BYTES_MAX)?, input.text(NAME_BYTES_MAX)?);
    if (named.0.as_str(), named.1.as_str()) != (shard, kind) {
        return Err(damaged("it holds another shard"));
    }
    Ok(input)
}

/// Reads the file; order and content are the caller's to check.
pub struct Full<R: BufRead> {
    input: Option<Input<R>>,
    scores: Option<(Scores, usize)>,
    blocks: Option<Unblocks>,
    change: Change,
}

impl<R: BufRead> Full<R> {
    /// Opens a file of a shard.
    pub fn open(input: R, name: (&str, &str)) -> Result<Self, Fault> {
        let input = Some(open(input, MAGIC, name)?);
        Ok(Self { input, scores: None, blocks: None, change: Change::default() })
    }
    fn advance(&mut self) -> Result<bool, Fault> {
        loop {
            if let Some((scores, at)) = &mut self.scores {
                if scores.record(*at, &mut self.change.record) {
                    *at += 1;
                    return Ok(true);
                }
                self.scores = None;
            }
            let Some(input) = &mut self.input else { return Ok(false) };
            if let Some(blocks) = &mut self.blocks {
                if blocks.next(input, &mut self.change)? {
                    return match self.change.removed {
                        true => Err(damaged("a record has no value")),
                        false => Ok(true),
                    };
                }
                self.blocks = None;
            }
            match input.byte()? {
                BLOCKS => {
                    self.change = Change::default();
                    self.blocks = Some(Unblocks::default());
                }
                COLUMNS => self.scores = Some((Scores::read(input)?, 0)),
                END => {
                    if let Some(input) = self.input.take() {
                        input.end()?;
                    }
                    return Ok(false);
                }
                other => return Err(damaged(format!("it has a part of the unknown kind {other}"))),
            }
        }
    }
}

impl<R: BufRead> Records for Full<R> {
    fn next(&mut self) -> Result<Option<Record<'_>>, Fault> {
        Ok(self.advance()?.then(|| self.change.record.get()))
    }
}
