//! `seaworthy explain`: why a vulnerability is reported, or why it is not.

use super::setup::Setup;
use super::targets;
use crate::arguments::{Arguments, ExplainArguments};
use crate::config::Config;
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::Result;
use seaworthy_advisory::Lookup;
use seaworthy_match::{Explanation, explain};
use seaworthy_policy::Policy;
use seaworthy_report::text::{clean as plain, count};
use seaworthy_types::{Enrichment, Finding, Grade, Report};
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints everything that data and inventory say about one vulnerability.
pub fn run(arguments: &Arguments, config: &Config, options: &ExplainArguments) -> Result<Code> {
    let setup = Setup::new(arguments, config, &options.target)?;
    let target = targets::one(&options.target, &options.name)?;
    let policy = Policy::default();
    let bar = Bar::new(arguments.quiet);
    let result = seaworthy_scan::scan(&setup.request(&target, &policy), &bar);
    bar.finish();
    let report = result?;
    let explanations = explain(&report.inventory, &*setup.database(), &options.id)?;
    let enrichment = setup.database().enrichment(&main_id(&report, &options.id))?;
    let text = render(&report, &options.id, &explanations, &enrichment)?;
    let mut out = crate::output::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Code::Clean)
}

fn main_id(report: &Report, id: &str) -> String {
    let called = report.findings.iter().chain(&report.suppressed).find(|finding| finding.is_called(id));
    called.map_or_else(|| id.to_ascii_uppercase(), |finding| finding.vulnerability.clone())
}

fn render(
    report: &Report,
    id: &str,
    all: &[Explanation],
    known: &Enrichment,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let counting: Vec<&Finding> = report.findings.iter().filter(|finding| finding.is_called(id)).collect();
    let suppressed: Vec<&Finding> =
        report.suppressed.iter().filter(|finding| finding.is_called(id)).collect();
    let answer = match (counting.is_empty(), suppressed.is_empty(), all.is_empty()) {
        (false, ..) => "is reported",
        (true, false, _) => "matches, but does not count",
        (true, true, false) => "is not reported: data speak of packages in here, but not of their versions",
        (true, true, true) => "is not reported: no data speak of it together with any package in here",
    };
    writeln!(out, "{} {answer} for {}", plain(id), plain(&report.target.name))?;
    enrichment_lines(&mut out, known)?;
    for finding in counting.iter().chain(&suppressed) {
        finding_lines(&mut out, finding)?;
    }
    for explanation in all.iter().filter(|explanation| !explanation.affected) {
        writeln!(
            out,
            "\n{} {} ({})",
            plain(&explanation.package),
            plain(&explanation.version),
            plain(&explanation.purl)
        )?;
        advisory_lines(&mut out, explanation)?;
    }
    if !all.is_empty() && all.iter().any(|explanation| explanation.affected) {
        writeln!(out, "\nCompared")?;
        for explanation in all.iter().filter(|explanation| explanation.affected) {
            writeln!(out, "  {} {}", plain(&explanation.package), plain(&explanation.version))?;
            advisory_lines(&mut out, explanation)?;
        }
    }
    let gaps = report.coverage.iter().filter(|note| note.grade == Grade::Gap).count();
    if gaps > 0 {
        let gaps = count(gaps as u64, "gap");
        writeln!(out, "\n{gaps} in what was seen: `seaworthy scan` lists what was not seen.")?;
    }
    Ok(out)
}

fn enrichment_lines(out: &mut String, known: &Enrichment) -> std::fmt::Result {
    if !known.summary.is_empty() {
        writeln!(out, "  {}", plain(&known.summary))?;
    }
    if let Some(kev) = &known.kev {
        writeln!(out, "  known to be exploited since {}", kev.added)?;
    }
    if let Some(epss) = &known.epss {
        writeln!(
            out,
            "  probability of exploitation within 30 days: {:.2} % (higher than {:.1} % of all)",
            epss.probability * 100.0,
            epss.percentile * 100.0
        )?;
    }
    Ok(())
}

fn finding_lines(out: &mut String, finding: &Finding) -> std::fmt::Result {
    let subject = &finding.subject;
    writeln!(out, "\n{} {} ({})", plain(&subject.name), plain(&subject.version), plain(&subject.purl))?;
    let source =
        if finding.severity_source.is_empty() { "nobody rated it" } else { &finding.severity_source };
    writeln!(out, "  severity {} ({source})", finding.severity)?;
    for rating in &finding.ratings {
        let score =
            rating.score_tenths.map(|tenths| format!(" {}.{}", tenths / 10, tenths % 10)).unwrap_or_default();
        writeln!(out, "    {}: {}{score} {}", plain(&rating.source), rating.severity, plain(&rating.vector))?;
    }
    match &finding.fixed_version {
        Some(fixed) => writeln!(out, "  fixed in {}", plain(fixed))?,
        None => writeln!(out, "  no fix is known")?,
    }
    if !subject.binaries.is_empty() {
        writeln!(out, "  installed as {}", plain(&subject.binaries.join(", ")))?;
    }
    for location in &subject.locations {
        let layer = location.layer.map(|layer| format!(", layer {layer}")).unwrap_or_default();
        writeln!(out, "  at {}{layer}", plain(&location.path))?;
    }
    if let Some(suppression) = &finding.suppression {
        let until = suppression.expires.map(|day| format!(", until {day}")).unwrap_or_default();
        writeln!(
            out,
            "  does not count ({}{until}): {}",
            plain(&suppression.by),
            plain(&suppression.reason)
        )?;
    }
    Ok(())
}

fn advisory_lines(out: &mut String, explanation: &Explanation) -> std::fmt::Result {
    writeln!(
        out,
        "    {} by {} ({}): {}",
        plain(&explanation.advisory),
        plain(&explanation.source),
        explanation.shard,
        plain(&explanation.says)
    )?;
    writeln!(out, "      {}", plain(&explanation.outcome))
}
