//! The report itself as JSON: everything a scan says, for programs. The contract is
//! `docs/report.schema.json`; adding a field is free, any other change raises `schema`.

use super::{Format, FormatError, Options};
use seaworthy_types::{About, Reads, Report};
use std::io::{self, Write as _};

/// The format.
pub const FORMAT: &dyn Format = &Json;

/// Bytes gathered before they are handed on.
const BUFFER_BYTES: usize = 128 << 10;

struct Json;

const ABOUT: About = About {
    name: "json",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "The whole report: findings with reasons, inventory, layers, coverage, data. Schema: docs/report.schema.json.",
};

impl Format for Json {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "json"
    }
    fn media_type(&self) -> &'static str {
        "application/json"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        // A report is written in very many small pieces: they are gathered on this side of `dyn`.
        let mut out = io::BufWriter::with_capacity(BUFFER_BYTES, out);
        serde_json::to_writer_pretty(&mut out, report)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }
}
