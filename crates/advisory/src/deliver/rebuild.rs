//! From checked records to a shard's file, by the writer that builds use. The file is read back record by
//! record: what it says must come to the same content digest, so that it can be passed on.
//!
//! Same records, same bytes. What it does not do: reproduce the bytes of the file that the publisher has
//! (numbers and dictionaries follow from the records here, from the order of feeds there).

use super::fault::{Fault, damaged};
use super::installed::Installed;
use super::record::{
    ADVISORY, ENRICHMENT, LAST_KNOWN, Records, SCALE, SCORE, STATEMENT, content_of, put_record,
    statement_parts,
};
use super::scores::{scale_of, score_of};
use super::spool::Spool;
use crate::build::in_file;
use crate::build::write::{Blocks, Place, STATEMENTS, TEXTS, Written, trained};
use crate::database::container::{Guard, Kind, Writer};
use crate::database::index::{FILE_KIND_EPSS, FILE_KIND_PACKAGES, FILE_KIND_VULNERABILITIES};
use crate::database::{IndexShard, epss, stored, wire::Wire};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// Records of unknown kinds are held in memory: no more than this.
const MORE_BYTES_MAX: usize = 64 << 20;

/// Writes the file of a shard into a folder; the entry says what is known of it besides.
pub fn rebuild(spool: &Spool, folder: &Path, facts: IndexShard) -> Result<IndexShard, Fault> {
    let mut entry = facts;
    let (records, packages) = (entry.records, entry.packages);
    let kind = entry.kind.clone();
    let mut fault = None;
    let written = in_file(folder, &mut entry, |output| {
        write(spool, &kind, output).map_err(|error| match error {
            Fault::Io(error) => error,
            other => {
                fault = Some(other);
                io::Error::from(io::ErrorKind::InvalidData)
            }
        })
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let written = written?;
    if written.packages == 0 && written.records == 0 {
        // A kind of shard that only others count.
        (entry.records, entry.packages) = (records, packages);
    }
    entry.content.clone_from(&spool.content.digest);
    let mut back = Installed::open(folder, &entry)?;
    if content_of(&entry.shard, &entry.kind, &mut back)? != spool.content {
        return Err(damaged("its records break the rules of their kind"));
    }
    Ok(entry)
}

fn write<W: Write>(spool: &Spool, kind: &str, output: W) -> Result<Written, Fault> {
    match kind {
        FILE_KIND_PACKAGES => packages(spool, output),
        FILE_KIND_VULNERABILITIES => enrichments(spool, output),
        FILE_KIND_EPSS => scores(spool, output),
        _ => others(spool, output),
    }
}

/// Keeps a record that this program does not know; `false` for one that it knows and that has no place
/// in this kind of shard.
fn keep(more: &mut Vec<u8>, record: super::record::Record<'_>, is_known: bool) -> Result<(), Fault> {
    if is_known && record.kind <= LAST_KNOWN {
        return Err(damaged("a record stands in a shard of another kind"));
    }
    put_record(more, record);
    if more.len() > MORE_BYTES_MAX {
        return Err(Fault::TooLarge {
            what: "what this program does not know",
            bytes_max: MORE_BYTES_MAX as u64,
        });
    }
    Ok(())
}

fn too_large() -> Fault {
    damaged("what it says of one package is too large")
}

/// Advisories on their way to numbers.
#[derive(Default)]
struct Numbers {
    by_key: HashMap<Vec<u8>, u32>,
    places: Vec<Option<(u64, u32)>>,
}

impl Numbers {
    fn of(&mut self, key: Vec<u8>) -> Result<u32, Fault> {
        if let Some(number) = self.by_key.get(&key) {
            return Ok(*number);
        }
        let number = u32::try_from(self.places.len()).map_err(|_| too_large())?;
        self.by_key.insert(key, number);
        self.places.push(None);
        Ok(number)
    }
    fn found(&mut self, key: &[u8], place: (u64, u32)) -> Result<(), Fault> {
        let number = self.of(key.to_vec())?;
        if let Some(slot) = self.places.get_mut(number as usize) {
            *slot = Some(place);
        }
        Ok(())
    }
}

/// The package whose statements are being gathered.
#[derive(Default)]
struct Gathered {
    name: String,
    entries: Vec<(u32, Vec<u8>)>,
}

/// Statements come first and number the advisories; those then follow in the order of their numbers.
fn packages<W: Write>(spool: &Spool, output: W) -> Result<Written, Fault> {
    let dictionary = trained(spool.sample().into_iter());
    let mut blocks = Blocks::new(output, Kind::Packages, dictionary)?;
    let (mut names, mut items): (Vec<String>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut numbers = Numbers::default();
    let mut gathered = Gathered::default();
    let mut more = Vec::new();
    let mut records = spool.records()?;
    while let Some(record) = records.next()? {
        match record.kind {
            STATEMENT => {
                let (package, advisory, said) = statement(record).ok_or_else(malformed)?;
                if package != gathered.name || gathered.entries.is_empty() {
                    end_package(&mut blocks, &mut gathered, &mut names, &mut items)?;
                    package.clone_into(&mut gathered.name);
                }
                gathered.entries.push((numbers.of(advisory)?, said.to_vec()));
            }
            ADVISORY => {
                stored::decode_advisory(record.value).map_err(|_| malformed())?;
                let key = record.key.to_vec();
                numbers.found(&key, records.place())?;
            }
            _ => keep(&mut more, record, true)?,
        }
    }
    end_package(&mut blocks, &mut gathered, &mut names, &mut items)?;
    let mut advisories = Vec::with_capacity(numbers.places.len());
    for place in &numbers.places {
        let place = place.ok_or_else(|| damaged("it speaks of an advisory that is not there"))?;
        advisories.push(blocks.push(TEXTS, spool.value(place)?)?.ok_or_else(too_large)?);
    }
    let written =
        Written { records: advisories.len() as u64, packages: names.len() as u64, ..Written::default() };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(blocks.finish(&names, &items, &advisories, &more, written)?)
}

fn malformed() -> Fault {
    damaged("a record cannot be decoded")
}

/// Package, key of the advisory, what is said.
fn statement(record: super::record::Record<'_>) -> Option<(&str, Vec<u8>, &[u8])> {
    let (package, advisory, _) = statement_parts(record.key)?;
    let mut wire = Wire::new(record.value);
    let ordinal = u32::try_from(wire.number().ok()?).ok()?;
    let said = record.value.get(record.value.len() - wire.left()..)?;
    let key = [advisory, &ordinal.to_be_bytes()].concat();
    stored::is_affected(said).then_some((package, key, said))
}

fn end_package<W: Write>(
    blocks: &mut Blocks<W>,
    gathered: &mut Gathered,
    names: &mut Vec<String>,
    items: &mut Vec<Place>,
) -> Result<(), Fault> {
    if gathered.entries.is_empty() {
        return Ok(());
    }
    let entries: Vec<(u32, &[u8])> =
        gathered.entries.iter().map(|(number, said)| (*number, said.as_slice())).collect();
    let item = stored::join_package(&entries);
    items.push(blocks.push(STATEMENTS, item)?.ok_or_else(too_large)?);
    names.push(std::mem::take(&mut gathered.name));
    gathered.entries.clear();
    Ok(())
}

fn enrichments<W: Write>(spool: &Spool, output: W) -> Result<Written, Fault> {
    let mut blocks = Blocks::new(output, Kind::Vulnerabilities, trained(spool.sample().into_iter()))?;
    let (mut names, mut items, mut more) = (Vec::new(), Vec::new(), Vec::new());
    let mut records = spool.records()?;
    while let Some(record) = records.next()? {
        if record.kind != ENRICHMENT {
            keep(&mut more, record, true)?;
            continue;
        }
        stored::decode_enrichment(record.value).map_err(|_| malformed())?;
        names.push(std::str::from_utf8(record.key).map_err(|_| malformed())?.to_owned());
        items.push(blocks.push(STATEMENTS, record.value.to_vec())?.ok_or_else(too_large)?);
    }
    let count = names.len() as u64;
    let written = Written { records: count, packages: count, ..Written::default() };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Ok(blocks.finish(&names, &items, &[], &more, written)?)
}

fn scores<W: Write>(spool: &Spool, output: W) -> Result<Written, Fault> {
    let mut records = spool.records()?;
    let (mut scale, mut entries, mut more) = (None, Vec::new(), Vec::new());
    while let Some(record) = records.next()? {
        match (record.kind, scale) {
            (SCALE, _) => scale = Some(scale_of(record.value)?),
            (SCORE, Some((digits, carried))) => {
                let (key, score, percentile) = score_of(record, carried)?;
                let millionths = if digits == 5 { score.saturating_mul(10) } else { score };
                entries.push((key, millionths.min(1_000_000), percentile.unwrap_or(0)));
            }
            _ => keep(&mut more, record, true)?,
        }
    }
    if scale.is_some_and(|(_, carried)| !carried) {
        let percentiles = epss::percentiles(&entries);
        entries.iter_mut().zip(percentiles).for_each(|(entry, percentile)| entry.2 = percentile);
    }
    let (_, sha256, bytes) = epss::write_with(output, &entries, &more)?;
    let count = entries.len() as u64;
    Ok(Written { sha256, bytes, records: count, packages: count, lost: Vec::new() })
}

/// A kind of shard that this program does not know: all its records are kept as they are.
fn others<W: Write>(spool: &Spool, output: W) -> Result<Written, Fault> {
    let mut more = Vec::new();
    let mut records = spool.records()?;
    while let Some(record) = records.next()? {
        keep(&mut more, record, false)?;
    }
    let mut writer = Writer::new(output, Kind::Other)?;
    writer.begin(*b"MORE", Guard::Whole)?;
    writer.write(&more)?;
    let (_, sha256, bytes) = writer.finish()?;
    Ok(Written { sha256, bytes, ..Written::default() })
}
