//! Findings as comma-separated values (RFC 4180): one line each, every cell in quotes. A cell that a
//! spreadsheet could take for a formula gets an apostrophe in front (OWASP, "CSV Injection").
//! Control characters are shown as escapes. Suppressed findings are listed with what suppresses them.

use super::{Format, FormatError, Options};
use crate::text::clean;
use crate::view;
use seaworthy_types::{About, Finding, Reads, Report};
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Csv;

struct Csv;

const ABOUT: About = About {
    name: "csv",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "One line for each finding, for spreadsheets; safe from formula injection. Notes are not in it.",
};

const HEADER: [&str; 18] = [
    "vulnerability",
    "severity",
    "score",
    "priority",
    "exploited",
    "epss",
    "ecosystem",
    "package",
    "installed",
    "fixed_in",
    "status",
    "title",
    "layer",
    "path",
    "aliases",
    "purl",
    "id",
    "suppressed_by",
];

impl Format for Csv {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "csv"
    }
    fn media_type(&self) -> &'static str {
        "text/csv; charset=utf-8; header=present"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        line(out, HEADER.iter().map(|name| (*name).to_owned()))?;
        for finding in report.findings.iter().chain(&report.suppressed) {
            line(out, cells(finding).into_iter())?;
        }
        Ok(())
    }
}

fn cells(finding: &Finding) -> [String; 18] {
    let subject = &finding.subject;
    [
        finding.vulnerability.clone(),
        finding.severity.to_string(),
        view::score_tenths(finding).map(view::score).unwrap_or_default(),
        finding.priority.to_string(),
        finding.kev.as_ref().map(|kev| kev.added.to_string()).unwrap_or_default(),
        finding.epss.map(|epss| format!("{:.5}", epss.probability)).unwrap_or_default(),
        subject.ecosystem.clone(),
        subject.name.clone(),
        subject.version.clone(),
        finding.fixed_version.clone().unwrap_or_default(),
        view::unfixed(finding).to_owned(),
        finding.title.clone(),
        subject.layer.map(|layer| layer.to_string()).unwrap_or_default(),
        subject.locations.first().map(|location| location.path.clone()).unwrap_or_default(),
        finding.aliases.join(" "),
        subject.purl.clone(),
        finding.id.0.clone(),
        finding.suppression.as_ref().map(|s| s.by.clone()).unwrap_or_default(),
    ]
}

fn line(out: &mut dyn io::Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let quoted: Vec<String> = cells.map(|cell| format!("\"{}\"", safe(&cell).replace('"', "\"\""))).collect();
    write!(out, "{}\r\n", quoted.join(","))
}

fn safe(cell: &str) -> String {
    let cell = clean(cell);
    let formula = cell.trim_start().starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    if formula { format!("'{cell}") } else { cell }
}
