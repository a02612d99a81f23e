//! Sections of the page other than the long tables.

use crate::text::{bytes, clip, count, markup, thousands};
use crate::view::{self, NoteGroup, Word};
use seaworthy_types::{Grade, LayerReport, Report, Severity};
use std::fmt::{Result, Write};

/// Notes shown of one kind, and bytes of a layer's command.
const NOTES_MAX: usize = 20;
const COMMAND_MAX: usize = 400;

/// The verdict with its reasons.
pub fn banner(out: &mut String, report: &Report) -> Result {
    let word = Word::of(report);
    let class = match word {
        Word::MaySail => "sail",
        Word::MaySailWarned => "warned",
        Word::MustNotSail => "stop",
        Word::Incomplete => "open",
    };
    writeln!(out, "<a class=\"skip\" href=\"#main\">Skip to content</a>")?;
    writeln!(out, "<header class=\"banner {class}\"><div>")?;
    writeln!(out, "<h1><span aria-hidden=\"true\">{}</span> {}</h1>", word.mark(), word.text())?;
    let kind = view::kind(report.target.kind);
    writeln!(out, "<p class=\"name\">{} <span>({kind})</span></p>", markup(&clip(&report.target.name, 500)))?;
    for reason in view::reasons(report) {
        writeln!(out, "<p>{}</p>", markup(&clip(&reason, 1_000)))?;
    }
    if !report.verdict.rule.is_empty() {
        writeln!(out, "<p class=\"rule\">Rule: {}</p>", markup(&report.verdict.rule))?;
    }
    writeln!(out, "</div></header>")
}

/// The numbers people ask for first.
pub fn numbers(out: &mut String, report: &Report) -> Result {
    let [critical, high, ..] = report.counts();
    let exploited = report.findings.iter().filter(|f| f.kev.is_some()).count() as u64;
    let fixable = report.findings.iter().filter(|f| f.fixed_version.is_some()).count() as u64;
    let gaps = report.coverage.iter().filter(|note| note.grade == Grade::Gap).count() as u64;
    let alarm = |number: u64| if number > 0 { " alarm" } else { "" };
    let cards = [
        (critical, "critical", alarm(critical)),
        (high, "high", ""),
        (exploited, "known to be exploited", alarm(exploited)),
        (report.findings.len() as u64, "findings in all", ""),
        (fixable, "with a fix", ""),
        (report.inventory.packages.len() as u64, "packages", ""),
        (gaps, "not seen", if gaps > 0 { " gap" } else { "" }),
    ];
    writeln!(out, "<div class=\"cards\">")?;
    for (number, label, class) in cards {
        writeln!(out, "<div class=\"card{class}\"><b>{}</b><span>{label}</span></div>", thousands(number))?;
    }
    writeln!(out, "</div>\n<p class=\"soft\">Scanned: {}.</p>", markup(&view::scope(report)))
}

/// Findings by severity as one bar with a legend.
pub fn severities(out: &mut String, report: &Report) -> Result {
    if report.findings.is_empty() {
        return Ok(());
    }
    let counts = report.counts();
    writeln!(out, "<section><h2>Findings by severity</h2>")?;
    bar(out, &counts, report.findings.len() as u64)?;
    writeln!(out, "<ul class=\"legend\">")?;
    for (severity, number) in Severity::ALL.iter().zip(counts).filter(|(_, number)| *number > 0) {
        writeln!(out, "<li class=\"{severity}\">{} {severity}</li>", thousands(number))?;
    }
    writeln!(out, "</ul></section>")
}

/// A stacked bar; `whole` is what the full width stands for.
fn bar(out: &mut String, counts: &[u64; 6], whole: u64) -> Result {
    write!(out, "<div class=\"bar\" role=\"img\" aria-label=\"{}\">", view::counts_text(counts))?;
    for (severity, number) in Severity::ALL.iter().zip(counts).filter(|(_, number)| **number > 0) {
        let share = per_mille(*number, whole);
        let (whole_part, tenth) = (share / 10, share % 10);
        write!(
            out,
            "<i class=\"{severity}\" style=\"width:{whole_part}.{tenth}%\" title=\"{number} {severity}\"></i>"
        )?;
    }
    writeln!(out, "</div>")
}

fn per_mille(part: u64, whole: u64) -> u64 {
    u128::from(part).saturating_mul(1_000).checked_div(u128::from(whole)).unwrap_or(0).min(1_000) as u64
}

/// What to do first.
pub fn actions(out: &mut String, report: &Report) -> Result {
    if report.actions.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section><h2>What to do first</h2><ol class=\"fixes\">")?;
    for (index, action) in report.actions.iter().enumerate() {
        if index == 5 {
            writeln!(
                out,
                "</ol><details><summary>{}</summary>",
                count(report.actions.len() as u64 - 5, "more step")
            )?;
            writeln!(out, "<ol class=\"fixes\" start=\"6\">")?;
        }
        let (what, clears) = view::action(action);
        write!(out, "<li><b>{}</b>: {}", markup(&what), markup(&clears))?;
        if !action.how.is_empty() {
            write!(out, "<br><code>{}</code>", markup(&action.how))?;
        }
        writeln!(out, "</li>")?;
    }
    writeln!(out, "</ol>{}</section>", if report.actions.len() > 5 { "</details>" } else { "" })
}

/// The layers as a picture: size and findings of each, lowest first.
pub fn layers(out: &mut String, report: &Report) -> Result {
    if report.layers.is_empty() {
        return Ok(());
    }
    let most = report.layers.iter().map(|l| l.layer.bytes).max().unwrap_or(0);
    let worst = report.layers.iter().map(total).max().unwrap_or(0);
    writeln!(out, "<section><h2>Layers, lowest first</h2><div class=\"scroll\"><table><thead><tr>")?;
    writeln!(out, "<th scope=\"col\">#</th><th scope=\"col\">Made by</th><th scope=\"col\">Size</th>")?;
    writeln!(
        out,
        "<th scope=\"col\" class=\"number\">Packages</th><th scope=\"col\">Findings</th></tr></thead><tbody>"
    )?;
    for (index, layer) in report.layers.iter().enumerate() {
        let made = if layer.layer.created_by.is_empty() { "(not recorded)" } else { &layer.layer.created_by };
        let share = per_mille(layer.layer.bytes, most);
        writeln!(
            out,
            "<tr><td class=\"number\">{index}</td><td class=\"made\"><code>{}</code></td>",
            markup(&clip(made, COMMAND_MAX))
        )?;
        write!(out, "<td style=\"min-width:130px\"><div class=\"bar\" aria-hidden=\"true\">")?;
        let size = bytes(layer.layer.bytes);
        write!(
            out,
            "<i class=\"size\" style=\"width:{}.{}%\"></i></div>{size}</td>",
            share / 10,
            share % 10
        )?;
        writeln!(
            out,
            "<td class=\"number\">{}</td><td style=\"min-width:220px\">",
            thousands(layer.packages)
        )?;
        bar(out, &layer.findings, worst)?;
        let text = view::counts_text(&layer.findings);
        writeln!(out, "{}</td></tr>", if text.is_empty() { "none" } else { &text })?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

fn total(layer: &LayerReport) -> u64 {
    layer.findings.iter().fold(0, |sum, number| sum.saturating_add(*number))
}

/// What was not seen, gaps first.
pub fn coverage(out: &mut String, report: &Report) -> Result {
    let groups = view::note_groups(&report.coverage);
    writeln!(out, "<section class=\"long\"><h2>Coverage</h2>")?;
    let gaps = groups.iter().filter(|g| g.grade == Grade::Gap).count();
    if gaps == 0 {
        writeln!(out, "<p>Everything that was found could be read.</p>")?;
    } else {
        writeln!(out, "<p>Parts of the target were not seen. What stands here may hide findings.</p>")?;
    }
    for group in &groups {
        notes(out, group)?;
    }
    if !report.accepted.is_empty() {
        writeln!(out, "<h3>Accepted by name</h3><ul>")?;
        for (note, why) in &report.accepted {
            let text = format!("{} {}: {} ({why})", note.code, note.subject, note.detail);
            writeln!(out, "<li>{}</li>", markup(&clip(&text, 1_000)))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</section>")
}

fn notes(out: &mut String, group: &NoteGroup<'_>) -> Result {
    let (class, grade) = if group.grade == Grade::Gap { ("unknown", "not seen") } else { ("low", "note") };
    let times = thousands(group.notes.len() as u64);
    writeln!(
        out,
        "<details class=\"note\"{}><summary><span class=\"tag {class}\">{grade}</span> {} ×{times} <span class=\"soft\">{}</span></summary><ul>",
        if group.grade == Grade::Gap { " open" } else { "" },
        markup(&clip(group.code, 100)),
        markup(&clip(&group.units.join(", "), 100)),
    )?;
    // One is enough to understand the kind; more help to find the cause.
    let shown = if group.notes.len() > NOTES_MAX { 3 } else { group.notes.len() };
    for note in group.notes.iter().take(shown) {
        let subject = match note.subject.is_empty() {
            true => String::new(),
            false => format!("<code>{}</code>: ", markup(&clip(&note.subject, 300))),
        };
        writeln!(out, "<li>{subject}{}</li>", markup(&clip(&note.detail, 1_000)))?;
    }
    let rest = group.notes.len().saturating_sub(shown);
    if rest > 0 {
        writeln!(out, "<li>and {} like these (all are in the JSON report)</li>", thousands(rest as u64))?;
    }
    writeln!(out, "</ul></details>")
}

/// Where the vulnerability data came from.
pub fn data(out: &mut String, report: &Report) -> Result {
    writeln!(
        out,
        "<section class=\"long\"><h2>Vulnerability data</h2><p>{}.</p>",
        markup(&view::data(report).0)
    )?;
    if !report.data.sources.is_empty() {
        writeln!(
            out,
            "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Source</th><th scope=\"col\" class=\"number\">Records</th>"
        )?;
        writeln!(out, "<th scope=\"col\">As of</th><th scope=\"col\">Completeness</th></tr></thead><tbody>")?;
        for source in &report.data.sources {
            let as_of = source.as_of.map(|t| t.date().to_string()).unwrap_or_else(|| "unknown".into());
            let complete = match source.completeness {
                seaworthy_types::Completeness::Complete => "complete",
                seaworthy_types::Completeness::Partial => "partial",
                seaworthy_types::Completeness::Starter => "starter set only",
            };
            let remark =
                if source.remark.is_empty() { String::new() } else { format!(": {}", source.remark) };
            writeln!(
                out,
                "<tr><td>{}</td><td class=\"number\">{}</td><td>{as_of}</td><td>{complete}{}</td></tr>",
                markup(&source.shard),
                thousands(source.records),
                markup(&remark)
            )?;
        }
        writeln!(out, "</tbody></table></div>")?;
    }
    if let Some(image) = &report.image {
        let digests = [("image id", image.config_digest), ("manifest", image.manifest_digest)];
        for (name, digest) in digests {
            if let Some(digest) = digest {
                writeln!(out, "<p class=\"soft\">{name}: <code>{digest}</code></p>")?;
            }
        }
    }
    writeln!(out, "</section>")
}
