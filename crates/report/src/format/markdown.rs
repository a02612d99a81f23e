//! Markdown for comments on merge requests and wikis (GitHub Flavored Markdown). Text from the target
//! is escaped: nothing in it can make markup, links, mentions or table cells. Long lists are folded.

use super::{Format, FormatError, Options};
use crate::text::{clean, clip, count, thousands};
use crate::view::{self, Word};
use seaworthy_types::{About, Grade, Reads, Report, Severity};
use std::fmt::Write;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Markdown;

struct Markdown;

const ABOUT: About = About {
    name: "markdown",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "For comments on merge requests: verdict, first steps, findings by package, coverage.",
};

/// Rows shown unless `full`: comments have a limit of 65,536 characters.
const PACKAGES_MAX: usize = 25;
const FINDINGS_MAX: usize = 100;
const ACTIONS_MAX: usize = 5;
const NOTES_MAX: usize = 20;

impl Format for Markdown {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "md"
    }
    fn media_type(&self) -> &'static str {
        "text/markdown; charset=utf-8"
    }
    fn write(&self, report: &Report, options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = document(&mut text, report, options.full);
        out.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn document(out: &mut String, report: &Report, full: bool) -> std::fmt::Result {
    let word = Word::of(report);
    writeln!(out, "## {} {}: {}\n", word.mark(), word.text(), escape(&clip(&report.target.name, 200)))?;
    let reasons = view::reasons(report).join(" ");
    if !reasons.is_empty() {
        writeln!(out, "{}\n", escape(&clip(&reasons, 1_000)))?;
    }
    writeln!(out, "Scanned: {}.  ", escape(&view::scope(report)))?;
    let counts = view::counts_text(&report.counts());
    let counts = if counts.is_empty() { "nothing that is known".into() } else { counts };
    let exploited = report.findings.iter().filter(|f| f.kev.is_some()).count();
    let exploited =
        if exploited > 0 { format!("; **{exploited} known to be exploited**") } else { String::new() };
    writeln!(out, "Found: {counts}{exploited}.  ")?;
    writeln!(out, "Data: {}.\n", escape(&view::data(report).0))?;
    actions(out, report, full)?;
    packages(out, report, full)?;
    findings(out, report, full)?;
    coverage(out, report, full)
}

fn actions(out: &mut String, report: &Report, full: bool) -> std::fmt::Result {
    if report.actions.is_empty() {
        return Ok(());
    }
    writeln!(out, "### What to do first\n")?;
    let shown = if full { report.actions.len() } else { ACTIONS_MAX };
    for (index, action) in report.actions.iter().take(shown).enumerate() {
        let (what, clears) = view::action(action);
        writeln!(out, "{}. **{}**: {}", index + 1, escape(&what), escape(&clears))?;
    }
    let rest = report.actions.len().saturating_sub(shown);
    if rest > 0 {
        writeln!(out, "\nand {}.", count(rest as u64, "more step"))?;
    }
    writeln!(out)
}

fn packages(out: &mut String, report: &Report, full: bool) -> std::fmt::Result {
    let groups = view::groups(report);
    if groups.is_empty() {
        return Ok(());
    }
    writeln!(out, "### Findings by package\n")?;
    writeln!(out, "| Package | Installed | Fixed in | Critical | High | Medium | Low | Unknown | Worst |")?;
    writeln!(out, "|---|---|---|--:|--:|--:|--:|--:|---|")?;
    let shown = if full { groups.len() } else { PACKAGES_MAX };
    for group in groups.iter().take(shown) {
        let [critical, high, medium, low, negligible, unknown] = group.counts;
        let worst = group.findings.first().map(|finding| {
            let kev = if finding.kev.is_some() { " **KEV**" } else { "" };
            format!("{}{kev}", escape(&clip(&finding.vulnerability, 60)))
        });
        writeln!(
            out,
            "| {} | {} | {} | {critical} | {high} | {medium} | {} | {unknown} | {} |",
            escape(&clip(group.name, 100)),
            escape(&clip(&group.versions.join(", "), 100)),
            escape(&clip(group.fixed_version.unwrap_or("-"), 60)),
            low.saturating_add(negligible),
            worst.unwrap_or_default(),
        )?;
    }
    let rest = groups.get(shown..).unwrap_or_default();
    if !rest.is_empty() {
        let hidden: usize = rest.iter().map(|g| g.findings.len()).sum();
        let packages = count(rest.len() as u64, "more package");
        writeln!(out, "\nand {packages} with {}.", count(hidden as u64, "finding"))?;
    }
    writeln!(out)
}

fn findings(out: &mut String, report: &Report, full: bool) -> std::fmt::Result {
    if report.findings.is_empty() {
        return Ok(());
    }
    let shown = if full { report.findings.len() } else { FINDINGS_MAX.min(report.findings.len()) };
    let (shown_text, all) = (thousands(shown as u64), thousands(report.findings.len() as u64));
    writeln!(out, "<details><summary>{shown_text} of {all} findings, most urgent first</summary>\n")?;
    writeln!(out, "| Severity | Vulnerability | Package | Installed | Fixed in | Title |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for finding in report.findings.iter().take(shown) {
        let bold = if finding.severity >= Severity::High { "**" } else { "" };
        let kev = if finding.kev.is_some() { " **KEV**" } else { "" };
        writeln!(
            out,
            "| {bold}{}{bold} | {}{kev} | {} | {} | {} | {} |",
            finding.severity,
            escape(&clip(&finding.vulnerability, 60)),
            escape(&clip(&finding.subject.name, 100)),
            escape(&clip(&finding.subject.version, 60)),
            escape(&clip(finding.fixed_version.as_deref().unwrap_or(view::unfixed(finding)), 60)),
            escape(&clip(&finding.title, 120)),
        )?;
    }
    writeln!(out, "\n</details>\n")
}

fn coverage(out: &mut String, report: &Report, full: bool) -> std::fmt::Result {
    let groups = view::note_groups(&report.coverage);
    if groups.is_empty() {
        return writeln!(out, "Coverage: everything that was found could be read.");
    }
    writeln!(out, "### Coverage\n")?;
    let shown = if full { groups.len() } else { NOTES_MAX };
    for group in groups.iter().take(shown) {
        let grade = if group.grade == Grade::Gap { "**not seen**" } else { "note" };
        let example =
            group.notes.first().map(|note| format!("{}: {}", note.subject, note.detail)).unwrap_or_default();
        let times = thousands(group.notes.len() as u64);
        let code = escape(&clip(group.code, 60));
        writeln!(out, "- {grade} {code} ×{times}: {}", escape(&clip(&example, 300)))?;
    }
    let rest = groups.len().saturating_sub(shown);
    if rest > 0 {
        writeln!(out, "- and {}", count(rest as u64, "more kind"))?;
    }
    if !report.accepted.is_empty() {
        writeln!(out, "\n{} accepted by name.", count(report.accepted.len() as u64, "gap"))?;
    }
    Ok(())
}

/// Escapes what GitHub Flavored Markdown and HTML give a meaning to. `@` and `#` would mention
/// people and issues; a bare address would become a link.
fn escape(text: &str) -> String {
    let text = clean(text).replace("://", "\u{1}").replace("www.", "\u{2}");
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\u{1}' => out.push_str(":&#47;&#47;"),
            '\u{2}' => out.push_str("www&#46;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            '|' => out.push_str("&#124;"),
            '`' => out.push_str("&#96;"),
            '\\' | '*' | '_' | '[' | ']' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
