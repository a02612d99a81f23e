//! The long tables of the page: findings, suppressed findings, packages.

use crate::text::{clip, count, markup, thousands, web_address};
use crate::view;
use seaworthy_types::{Finding, Report, Severity};
use std::fmt::{Result, Write};

/// Web addresses shown for one finding.
const LINKS_MAX: usize = 8;

/// All findings with search, filter and sorting.
pub fn findings(out: &mut String, report: &Report) -> Result {
    if report.findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "<section class=\"long\"><h2>Findings, most urgent first</h2>")?;
    writeln!(out, "<div class=\"controls\" id=\"controls\" hidden>")?;
    writeln!(
        out,
        "<label>Search <input type=\"search\" id=\"search\" autocomplete=\"off\" placeholder=\"id, package, text\"></label>"
    )?;
    for (severity, number) in Severity::ALL.iter().zip(report.counts()).filter(|(_, number)| *number > 0) {
        write!(
            out,
            "<label class=\"{severity}\"><input type=\"checkbox\" data-severity=\"{severity}\" checked> "
        )?;
        writeln!(out, "<span class=\"tag {severity}\">{severity} ({})</span></label>", thousands(number))?;
    }
    writeln!(out, "<label><input type=\"checkbox\" id=\"fixable\"> only with a fix</label>")?;
    writeln!(out, "<span id=\"shown\" class=\"soft\" role=\"status\"></span></div>")?;
    writeln!(out, "<div class=\"scroll\"><table id=\"findings\"><thead><tr>")?;
    let columns = ["Priority", "Severity", "Vulnerability", "Package", "Installed", "Fixed in", "Layer"];
    for (index, column) in columns.iter().enumerate() {
        let sorted = if index == 0 { " aria-sort=\"descending\"" } else { "" };
        writeln!(out, "<th scope=\"col\"{sorted}><button type=\"button\">{column}</button></th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for finding in &report.findings {
        row(out, finding)?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

fn row(out: &mut String, finding: &Finding) -> Result {
    let severity = finding.severity;
    let fixable = u8::from(finding.fixed_version.is_some());
    let subject = &finding.subject;
    writeln!(out, "<tr data-severity=\"{severity}\" data-fixable=\"{fixable}\">")?;
    writeln!(out, "<td class=\"number\" data-key=\"{0}\">{0}</td>", finding.priority)?;
    let score =
        view::score_tenths(finding).map(|tenths| format!(" {}", view::score(tenths))).unwrap_or_default();
    writeln!(
        out,
        "<td data-key=\"{}\"><span class=\"tag {severity}\">{severity}</span>{score}</td>",
        severity as u8
    )?;
    writeln!(out, "<td>")?;
    details(out, finding)?;
    writeln!(
        out,
        "</td><td>{} <span class=\"soft\">{}</span></td>",
        markup(&clip(&subject.name, 200)),
        markup(&subject.ecosystem)
    )?;
    writeln!(out, "<td>{}</td>", markup(&clip(&subject.version, 100)))?;
    let fix = finding.fixed_version.as_deref().unwrap_or(view::unfixed(finding));
    let soft = if finding.fixed_version.is_some() { "" } else { " class=\"soft\"" };
    writeln!(out, "<td{soft}>{}</td>", markup(&clip(fix, 100)))?;
    match subject.layer {
        Some(layer) => writeln!(out, "<td class=\"number\" data-key=\"{layer}\">{layer}</td></tr>"),
        None => writeln!(out, "<td class=\"number\" data-key=\"-1\">-</td></tr>"),
    }
}

fn details(out: &mut String, finding: &Finding) -> Result {
    let kev = if finding.kev.is_some() {
        "<span class=\"kev\" title=\"known to be exploited\">KEV</span>"
    } else {
        ""
    };
    let id = markup(&clip(&finding.vulnerability, 200));
    writeln!(
        out,
        "<details><summary><span class=\"nowrap\">{id}{kev}</span> {}</summary>",
        markup(&clip(&finding.title, 300))
    )?;
    if !finding.description.is_empty() && finding.description != finding.title {
        writeln!(out, "<p>{}</p>", markup(&clip(&finding.description, 3_000)))?;
    }
    for reason in &finding.reasons {
        let text = format!(
            "{} ({}): {} is in {}",
            reason.advisory, reason.source, reason.comparison.installed, reason.comparison.range
        );
        writeln!(out, "<p class=\"soft\">Why: {}</p>", markup(&clip(&text, 600)))?;
    }
    let mut facts = Vec::new();
    if let Some(kev) = &finding.kev {
        let ransomware = if kev.ransomware { ", in ransomware campaigns" } else { "" };
        facts.push(format!("known to be exploited since {}{ransomware}", kev.added));
    }
    if let Some(epss) = &finding.epss {
        facts.push(format!("EPSS {:.1} %", epss.probability * 100.0));
    }
    if !finding.severity_source.is_empty() {
        facts.push(format!("rated by {}", finding.severity_source));
    }
    facts.extend(finding.aliases.iter().chain(&finding.bulletins).chain(&finding.cwes).take(12).cloned());
    if !facts.is_empty() {
        writeln!(out, "<p class=\"soft\">{}</p>", markup(&clip(&facts.join(", "), 1_000)))?;
    }
    if !finding.subject.binaries.is_empty() {
        let text = format!("Installed as {}", finding.subject.binaries.join(", "));
        writeln!(out, "<p class=\"soft\">{}</p>", markup(&clip(&text, 1_000)))?;
    }
    for location in finding.subject.locations.iter().take(LINKS_MAX) {
        writeln!(out, "<p><code>{}</code></p>", markup(&clip(&location.path, 500)))?;
    }
    for url in finding.references.iter().filter_map(|url| web_address(url)).take(LINKS_MAX) {
        let url = markup(url);
        writeln!(out, "<p><a href=\"{url}\" rel=\"noopener noreferrer\">{url}</a></p>")?;
    }
    writeln!(out, "</details>")
}

/// What does not count, and why.
pub fn suppressed(out: &mut String, report: &Report) -> Result {
    if report.suppressed.is_empty() {
        return Ok(());
    }
    let title = count(report.suppressed.len() as u64, "suppressed finding");
    writeln!(
        out,
        "<section class=\"long\"><details><summary><b>{title}</b></summary><div class=\"scroll\"><table><thead><tr>"
    )?;
    writeln!(
        out,
        "<th scope=\"col\">Severity</th><th scope=\"col\">Vulnerability</th><th scope=\"col\">Package</th><th scope=\"col\">Why it does not count</th></tr></thead><tbody>"
    )?;
    for finding in &report.suppressed {
        let why = finding.suppression.as_ref().map(|s| {
            let until = s.expires.map(|day| format!(", until {day}")).unwrap_or_default();
            format!("{}: {}{until}", s.by, s.reason)
        });
        let package = format!("{} {}", finding.subject.name, finding.subject.version);
        writeln!(
            out,
            "<tr><td><span class=\"tag {0}\">{0}</span></td><td>{1}</td><td>{2}</td><td>{3}</td></tr>",
            finding.severity,
            markup(&clip(&finding.vulnerability, 200)),
            markup(&clip(&package, 300)),
            markup(&clip(&why.unwrap_or_default(), 600))
        )?;
    }
    writeln!(out, "</tbody></table></div></details></section>")
}

/// The inventory.
pub fn packages(out: &mut String, report: &Report) -> Result {
    if report.inventory.packages.is_empty() {
        return Ok(());
    }
    let title = count(report.inventory.packages.len() as u64, "package");
    writeln!(
        out,
        "<section class=\"long\"><details><summary><b>{title}</b></summary><div class=\"scroll\"><table><thead><tr>"
    )?;
    for column in ["Package", "Version", "Kind", "Licence", "Where", "Layer"] {
        write!(out, "<th scope=\"col\">{column}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for package in &report.inventory.packages {
        let place = package.locations.first().map(|location| location.path.as_str()).unwrap_or_default();
        let layer = package.layer.map(|layer| layer.to_string()).unwrap_or_default();
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td><td class=\"number\">{layer}</td></tr>",
            markup(&clip(&package.name, 200)),
            markup(&clip(&package.version, 100)),
            markup(&package.ecosystem),
            markup(&clip(&package.licences.join(", "), 200)),
            markup(&clip(place, 300)),
        )?;
    }
    writeln!(out, "</tbody></table></div></details></section>")
}
