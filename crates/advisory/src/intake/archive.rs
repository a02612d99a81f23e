//! Many small documents out of one input: a zip archive (APPNOTE 6.3.10; stored and deflated
//! entries) or a single JSON file. Parsing runs in parallel, results arrive in the archive's order.
//! Nested archives are not opened.

use crate::feed::{FeedError, ReadSeek, Sink};
use crate::intake::tally::Tally;
use rayon::prelude::*;
use std::io::{Read, SeekFrom};

/// Bytes of one document.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 32 << 20;
/// Entries of one archive; the largest real one (npm with malware reports) has some 250,000.
const ENTRIES_MAX: usize = 4_000_000;
/// Bytes that come out whatever the archive's size.
const FREE_BYTES: u64 = 64 << 20;
/// Bytes out per byte of archive beyond that. JSON compresses tenfold, long version lists fifty.
const RATIO_MAX: u64 = 200;
/// Documents handed to the parsers at once.
const BATCH_DOCUMENTS: usize = 512;
const BATCH_BYTES: usize = 16 << 20;

/// How one feed treats its documents.
pub(crate) struct Plan<'a, T> {
    /// Name of the feed.
    pub(crate) feed: &'static str,
    /// Whether an entry with this path is wanted; others are counted.
    pub(crate) wants: &'a (dyn Fn(&str) -> bool + Sync),
    /// Reads one document; the tally takes what was odd. The path is empty for a single file.
    pub(crate) parse: &'a (dyn Fn(&str, &[u8], &mut Tally) -> T + Sync),
    /// Takes the result, in the archive's order.
    pub(crate) deliver: &'a mut dyn FnMut(T, &mut dyn Sink),
}

/// Reads the input, whatever of the two it is; notes go to `sink` at the end.
pub(crate) fn read<T: Send>(
    input: &mut dyn ReadSeek,
    sink: &mut dyn Sink,
    plan: Plan<'_, T>,
) -> Result<(), FeedError> {
    let io = |source| FeedError::Io { feed: plan.feed, source };
    let mut magic = Vec::new();
    input.take(4).read_to_end(&mut magic).map_err(io)?;
    let length = input.seek(SeekFrom::End(0)).map_err(io)?;
    input.seek(SeekFrom::Start(0)).map_err(io)?;
    let feed = plan.feed;
    let mut tally = Tally::default();
    let result = match magic.as_slice() {
        [b'P', b'K', ..] => read_zip(input, length, sink, plan, &mut tally),
        [] => Err(FeedError::Format { feed, why: "the file is empty".into() }),
        _ => read_single(input, length, sink, plan, &mut tally),
    };
    tally.report(feed, sink);
    result
}

fn read_single<T>(
    input: &mut dyn ReadSeek,
    length: u64,
    sink: &mut dyn Sink,
    plan: Plan<'_, T>,
    tally: &mut Tally,
) -> Result<(), FeedError> {
    let feed = plan.feed;
    if length > DOCUMENT_BYTES_MAX {
        return Err(FeedError::Format { feed, why: format!("one record has {length} bytes") });
    }
    let mut bytes = Vec::new();
    input
        .take(DOCUMENT_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|source| FeedError::Io { feed, source })?;
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(FeedError::Format { feed, why: "neither a zip archive nor a JSON object".into() });
    }
    let parsed = (plan.parse)("", &bytes, tally);
    (plan.deliver)(parsed, sink);
    Ok(())
}

fn read_zip<T: Send>(
    input: &mut dyn ReadSeek,
    length: u64,
    sink: &mut dyn Sink,
    mut plan: Plan<'_, T>,
    tally: &mut Tally,
) -> Result<(), FeedError> {
    let format = |why: String| FeedError::Format { feed: plan.feed, why };
    let mut archive = zip::ZipArchive::new(input).map_err(|error| format(error.to_string()))?;
    if archive.len() > ENTRIES_MAX {
        return Err(format(format!("the archive has {} entries", archive.len())));
    }
    let budget = FREE_BYTES.max(length.saturating_mul(RATIO_MAX));
    let mut used: u64 = 0;
    let mut batch: Vec<(String, Vec<u8>)> = Vec::new();
    let mut batch_bytes = 0;
    for index in 0..archive.len() {
        let Some((name, bytes)) = entry(&mut archive, index, plan.wants, tally) else { continue };
        used = used.saturating_add(bytes.len() as u64);
        if used > budget {
            tally.gap("zip-bomb", "", || {
                format!("the archive unpacks to more than {RATIO_MAX} times its size, reading stopped at entry {index}")
            });
            break;
        }
        batch_bytes += bytes.len();
        batch.push((name, bytes));
        if batch.len() >= BATCH_DOCUMENTS || batch_bytes >= BATCH_BYTES {
            run(std::mem::take(&mut batch), &mut plan, sink, tally);
            batch_bytes = 0;
        }
    }
    run(batch, &mut plan, sink, tally);
    Ok(())
}

fn run<T: Send>(
    batch: Vec<(String, Vec<u8>)>,
    plan: &mut Plan<'_, T>,
    sink: &mut dyn Sink,
    tally: &mut Tally,
) {
    let parse = plan.parse;
    let parsed: Vec<(T, Tally)> = batch
        .par_iter()
        .map(|(name, bytes)| {
            let mut own = Tally::default();
            (parse(name, bytes, &mut own), own)
        })
        .collect();
    for (value, own) in parsed {
        tally.join(own);
        (plan.deliver)(value, sink);
    }
}

/// One wanted entry, out of compression; `None` with a count when it is left out.
fn entry(
    archive: &mut zip::ZipArchive<&mut dyn ReadSeek>,
    index: usize,
    wants: &dyn Fn(&str) -> bool,
    tally: &mut Tally,
) -> Option<(String, Vec<u8>)> {
    let mut file = match archive.by_index(index) {
        Ok(file) => file,
        Err(error) => {
            tally.gap("zip-entry", "", || format!("entry {index} cannot be read: {error}"));
            return None;
        }
    };
    if file.is_dir() {
        return None;
    }
    let name = String::from_utf8_lossy(file.name_raw()).into_owned();
    if !wants(&name) {
        tally.info("other-file", "", || "files that are no records are left out".into());
        return None;
    }
    let mut bytes = Vec::new();
    if let Err(error) = (&mut file).take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes) {
        tally.gap("zip-entry", &name, || format!("the entry cannot be read: {error}"));
        return None;
    }
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        tally.gap("record-too-large", &name, || format!("above {DOCUMENT_BYTES_MAX} bytes, left out"));
        return None;
    }
    Some((name, bytes))
}
