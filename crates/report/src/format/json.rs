//! The report itself as JSON: everything a scan says, for programs. The contract is
//! `docs/report.schema.json`; adding a field is free, any other change raises `schema`.

use super::{Format, FormatError, Options};
use seaworthy_types::{
    About, Action, DataStatus, Finding, ImageFacts, Inventory, LayerReport, Note, Reads, Report, Target,
    Timestamp, Tool, Verdict,
};
use serde::Serialize;
use std::io::{self, Write as _};
use std::sync::mpsc;

/// The format.
pub const FORMAT: &dyn Format = &Json;

/// Bytes gathered before they are handed on.
const BUFFER_BYTES: usize = 128 << 10;
/// Findings that one thread writes at a time.
const PORTION: usize = 32;
/// Reports with fewer findings are not worth a second thread.
const FINDINGS_MIN: usize = 128;

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
        match report.findings.len() < FINDINGS_MIN {
            true => serde_json::to_writer_pretty(&mut out, report)?,
            false => write_portions(report, &mut out)?,
        }
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }
}

/// A report up to its findings.
#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    tool: &'a Tool,
    created: Timestamp,
    target: &'a Target,
    image: &'a Option<ImageFacts>,
    verdict: &'a Verdict,
    actions: &'a [Action],
    findings: [(); 0],
}

/// Some of its findings.
#[derive(Serialize)]
struct Portion<'a> {
    findings: &'a [Finding],
}

/// What follows the findings.
#[derive(Serialize)]
struct Tail<'a> {
    suppressed: &'a [Finding],
    inventory: &'a Inventory,
    layers: &'a [LayerReport],
    coverage: &'a [Note],
    accepted: &'a [(Note, String)],
    data: &'a DataStatus,
}

/// Writes a report whose findings are made by two threads in turn: text is most of a report, and
/// escaping it most of the work. Each part is a document of its own, joined inside the list.
fn write_portions(report: &Report, out: &mut impl io::Write) -> Result<(), FormatError> {
    let Report {
        schema,
        tool,
        created,
        target,
        image,
        verdict,
        actions,
        findings,
        suppressed,
        inventory,
        layers,
        coverage,
        accepted,
        data,
    } = report;
    let (schema, created) = (*schema, *created);
    let head = Head { schema, tool, created, target, image, verdict, actions, findings: [] };
    let tail = Tail { suppressed, inventory, layers, coverage, accepted, data };
    out.write_all(inner(&serde_json::to_vec_pretty(&head)?, "", "]\n}")?)?;
    std::thread::scope(|scope| {
        let (full, filled) = mpsc::sync_channel(2);
        let (spent, empty) = mpsc::channel();
        let other = findings.chunks(PORTION).skip(1).step_by(2);
        scope.spawn(move || {
            for findings in other {
                let mut piece = empty.try_recv().unwrap_or_default();
                let made = portion(findings, &mut piece).map(|()| piece);
                // Nobody takes it any more: writing has failed.
                if full.send(made).is_err() {
                    return;
                }
            }
        });
        let mut own = Vec::new();
        for (at, findings) in findings.chunks(PORTION).enumerate() {
            if at > 0 {
                out.write_all(b",")?;
            }
            if at % 2 == 0 {
                portion(findings, &mut own)?;
                out.write_all(inner(&own, FINDINGS, "\n  ]\n}")?)?;
                continue;
            }
            let piece = filled.recv().map_err(io::Error::other)??;
            out.write_all(inner(&piece, FINDINGS, "\n  ]\n}")?)?;
            // The other thread may have made its last one.
            let _ = spent.send(piece);
        }
        Ok::<(), FormatError>(())
    })?;
    out.write_all(b"\n  ],")?;
    // What follows goes on in the same object.
    let mut rest = Skipping { out, skip: "{".len() };
    serde_json::to_writer_pretty(&mut rest, &tail)?;
    Ok(())
}

/// How a document of findings begins.
const FINDINGS: &str = "{\n  \"findings\": [";

fn portion(findings: &[Finding], piece: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    piece.clear();
    serde_json::to_writer_pretty(piece, &Portion { findings })
}

/// A document without its beginning and its end.
fn inner<'a>(document: &'a [u8], start: &str, end: &str) -> io::Result<&'a [u8]> {
    let inner = document.strip_prefix(start.as_bytes()).and_then(|rest| rest.strip_suffix(end.as_bytes()));
    inner.ok_or_else(|| io::Error::other("a part of the report does not begin or end as it should"))
}

/// Leaves out the first bytes of what is written.
struct Skipping<W> {
    out: W,
    skip: usize,
}

impl<W: io::Write> io::Write for Skipping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left_out = self.skip.min(bytes.len());
        self.skip -= left_out;
        self.out.write_all(bytes.get(left_out..).unwrap_or_default())?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
