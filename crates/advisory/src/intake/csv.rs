//! Plain comma-separated rows without quoting, as the score tables have them: lines in bounded
//! memory, comment lines (`#`) left out, columns found by the names of the first row.

use crate::feed::{FeedError, Sink};
use crate::intake::tally::Tally;
use crate::intake::text::clip;
use std::io::{BufRead, BufReader, Read};

/// Bytes of one row.
const ROW_BYTES_MAX: u64 = 64 << 10;

/// Calls `each` with the wanted columns of every row; `false` from it counts the row as broken.
pub(crate) fn rows(
    feed: &'static str,
    input: &mut dyn Read,
    columns: &[&str],
    sink: &mut dyn Sink,
    each: &mut dyn FnMut(&[&str], &mut dyn Sink) -> bool,
) -> Result<(), FeedError> {
    let mut reader = BufReader::with_capacity(128 << 10, input);
    let mut tally = Tally::default();
    let mut places: Option<Vec<usize>> = None;
    let mut line = Vec::new();
    let mut count = 0_u64;
    loop {
        line.clear();
        let size = match (&mut reader).take(ROW_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(size) => size,
            Err(source) if count == 0 => return Err(FeedError::Io { feed, source }),
            Err(error) => {
                tally.gap("feed-cut", "", || format!("reading stopped after {count} rows: {error}"));
                break;
            }
        };
        if size == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let Some(places) = &places else {
            places = Some(header(feed, columns, &fields)?);
            continue;
        };
        let wanted: Vec<&str> = places.iter().filter_map(|at| fields.get(*at).copied()).collect();
        count += 1;
        if wanted.len() != columns.len() || !each(&wanted, sink) {
            tally.gap("broken-record", clip(fields.first().unwrap_or(&""), 60), || {
                format!("row {count} has a missing or impossible field")
            });
        }
    }
    tally.report(feed, sink);
    match places {
        Some(_) => Ok(()),
        None => Err(FeedError::Format { feed, why: "it has no row with the names of columns".into() }),
    }
}

fn header(feed: &'static str, columns: &[&str], fields: &[&str]) -> Result<Vec<usize>, FeedError> {
    let place = |column: &&str| {
        let missing = || FeedError::Format { feed, why: format!("it has no column `{column}`") };
        fields.iter().position(|field| field == column).ok_or_else(missing)
    };
    columns.iter().map(place).collect()
}
