//! JUnit XML as CI systems read it (the schema of Jenkins' xUnit plug-in): a test suite for the
//! verdict and coverage, and one for each package with a test case for each finding. A finding is a
//! failure, a suppressed one is skipped, a gap is an error.

use super::{Format, FormatError, Options};
use crate::text::{clip, markup};
use crate::view::{self, Word};
use seaworthy_types::{About, Decision, Finding, Grade, Reads, Report};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Junit;

struct Junit;

const ABOUT: About = About {
    name: "junit",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "JUnit XML for CI systems: a failure for each finding, an error for each kind of gap.",
};

impl Format for Junit {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "xml"
    }
    fn media_type(&self) -> &'static str {
        "application/xml"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = document(&mut text, report);
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn document(out: &mut String, report: &Report) -> std::fmt::Result {
    let mut suites: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().chain(&report.suppressed) {
        let subject = &finding.subject;
        suites
            .entry(format!("{}: {} {}", subject.ecosystem, subject.name, subject.version))
            .or_default()
            .push(finding);
    }
    let notes = view::note_groups(&report.coverage);
    let gaps = notes.iter().filter(|group| group.grade == Grade::Gap).count();
    let denied = usize::from(report.verdict.decision == Decision::Deny && !report.verdict.incomplete);
    let undecided = usize::from(report.verdict.incomplete);
    let failures = report.findings.len() + denied;
    let errors = gaps + undecided;
    let tests = report.findings.len() + report.suppressed.len() + gaps + 1;
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    let name = markup(&clip(&report.target.name, 300));
    writeln!(
        out,
        r#"<testsuites name="{name}" tests="{tests}" failures="{failures}" errors="{errors}" time="0">"#
    )?;
    verdict(out, report, &notes)?;
    for (suite, findings) in &suites {
        let skipped = findings.iter().filter(|f| f.suppression.is_some()).count();
        let failures = findings.len().saturating_sub(skipped);
        let name = markup(&clip(suite, 300));
        writeln!(
            out,
            r#"  <testsuite name="{name}" tests="{}" failures="{failures}" errors="0" skipped="{skipped}" time="0">"#,
            findings.len()
        )?;
        for finding in findings {
            case(out, finding, &name)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn verdict(out: &mut String, report: &Report, notes: &[view::NoteGroup<'_>]) -> std::fmt::Result {
    let gaps: Vec<_> = notes.iter().filter(|group| group.grade == Grade::Gap).collect();
    let word = Word::of(report);
    let denied = report.verdict.decision == Decision::Deny && !report.verdict.incomplete;
    let errors = gaps.len() + usize::from(report.verdict.incomplete);
    let timestamp = report.created.to_string();
    let timestamp = timestamp.trim_end_matches('Z');
    writeln!(
        out,
        r#"  <testsuite name="verdict" tests="{}" failures="{}" errors="{errors}" skipped="0" time="0" timestamp="{timestamp}">"#,
        gaps.len() + 1,
        usize::from(denied),
    )?;
    let reasons = markup(&view::reasons(report).join(" "));
    let element = match (report.verdict.incomplete, denied) {
        (true, _) => "error",
        (_, true) => "failure",
        _ => "system-out",
    };
    writeln!(out, r#"    <testcase name="may it sail" classname="verdict" time="0">"#)?;
    if element == "system-out" {
        writeln!(out, "      <system-out>{}: {reasons}</system-out>", word.text())?;
    } else {
        writeln!(out, r#"      <{element} message="{}" type="verdict">{reasons}</{element}>"#, word.text())?;
    }
    writeln!(out, "    </testcase>")?;
    for group in gaps {
        let code = markup(&clip(group.code, 200));
        let first =
            group.notes.first().map(|note| format!("{}: {}", note.subject, note.detail)).unwrap_or_default();
        let message = markup(&clip(&format!("{} times; {first}", group.notes.len()), 1_000));
        writeln!(out, r#"    <testcase name="{code}" classname="coverage" time="0">"#)?;
        writeln!(out, r#"      <error message="{message}" type="gap"/>"#)?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

fn case(out: &mut String, finding: &Finding, suite: &str) -> std::fmt::Result {
    let kev = if finding.kev.is_some() { " (known to be exploited)" } else { "" };
    let name = markup(&format!("[{}] {}", finding.severity, clip(&finding.vulnerability, 200)));
    writeln!(out, r#"    <testcase name="{name}" classname="{suite}" time="0">"#)?;
    if let Some(suppression) = &finding.suppression {
        let message = markup(&clip(&format!("{}: {}", suppression.by, suppression.reason), 1_000));
        writeln!(out, r#"      <skipped message="{message}"/>"#)?;
    } else {
        let fix = match &finding.fixed_version {
            Some(version) => format!("fixed in {version}"),
            None => view::unfixed(finding).to_owned(),
        };
        let message = markup(&clip(&format!("{}{kev}: {fix}", finding.title), 1_000));
        let text = markup(&clip(&finding.description, 4_000));
        writeln!(out, r#"      <failure message="{message}" type="{}">{text}</failure>"#, finding.severity)?;
    }
    writeln!(out, "    </testcase>")
}
