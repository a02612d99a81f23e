//! GitLab's container scanning report, schema 15.0.4 (GitLab accepts every 15.x of the same major
//! version). Gaps are messages of the scan; a scan that missed something has the status `failure`, so
//! that nobody takes it for complete. Suppressed findings are left out: GitLab keeps its own dismissals.

use super::{Format, FormatError, Options};
use crate::text::{clean, clip, web_address};
use crate::{identity, view};
use seaworthy_types::{About, Finding, Grade, Reads, Report, Severity, is_cve};
use serde_json::{Value, json};
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &GitLab;

struct GitLab;

const ABOUT: About = About {
    name: "gitlab",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "GitLab container scanning report, schema 15.0.4; suppressed findings are not in it.",
};

const SCHEMA: &str = "15.0.4";

impl Format for GitLab {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "gitlab.json"
    }
    fn media_type(&self) -> &'static str {
        "application/json"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        serde_json::to_writer_pretty(&mut *out, &document(report))?;
        out.write_all(b"\n")?;
        Ok(())
    }
}

fn document(report: &Report) -> Value {
    let time = report.created.to_string().trim_end_matches('Z').to_owned();
    let program = json!({
        "id": report.tool.name,
        "name": "Seaworthy",
        "vendor": { "name": "Seaworthy" },
        "version": report.tool.version,
    });
    let messages: Vec<Value> = view::note_groups(&report.coverage)
        .iter()
        .map(|group| {
            let first =
                group.notes.first().map(|n| format!("{}: {}", n.subject, n.detail)).unwrap_or_default();
            let text = format!("{} ({} times): {first}", group.code, group.notes.len());
            let level = if group.grade == Grade::Gap { "warn" } else { "info" };
            json!({ "level": level, "value": clip(&clean(&text), 1_000) })
        })
        .collect();
    let vulnerabilities: Vec<Value> = report.findings.iter().map(|f| vulnerability(report, f)).collect();
    json!({
        "version": SCHEMA,
        "scan": {
            "analyzer": program,
            "scanner": program,
            "type": "container_scanning",
            "start_time": time,
            "end_time": time,
            "status": if report.verdict.incomplete { "failure" } else { "success" },
            "messages": messages,
        },
        "vulnerabilities": vulnerabilities,
        "remediations": [],
    })
}

fn vulnerability(report: &Report, finding: &Finding) -> Value {
    let system = report.inventory.os.as_ref().map(|os| os.label()).filter(|label| !label.is_empty());
    let links: Vec<Value> = finding
        .references
        .iter()
        .filter_map(|url| web_address(url))
        .map(|url| json!({ "url": url }))
        .collect();
    let title = if finding.title.is_empty() { &finding.vulnerability } else { &finding.title };
    let mut out = json!({
        "id": identity::uuid(finding.id.0.as_bytes()),
        "name": clip(&clean(title), 200),
        "description": clip(&clean(&finding.description), 20_000),
        "severity": severity(finding.severity),
        "identifiers": identifiers(finding),
        "links": links,
        "location": {
            "dependency": {
                "package": { "name": finding.subject.name },
                "version": finding.subject.version,
            },
            "operating_system": system.unwrap_or_else(|| "unknown".into()),
            "image": if report.target.name.is_empty() { "unknown" } else { &report.target.name },
        },
    });
    if let Some(version) = &finding.fixed_version {
        out["solution"] =
            json!(clip(&clean(&format!("Upgrade {} to {version}", finding.subject.name)), 2_000));
    }
    out
}

/// GitLab has no negligible.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Negligible => "Info",
        Severity::Unknown => "Unknown",
    }
}

/// The vulnerability's own id first: GitLab recognises a vulnerability by its first identifier.
fn identifiers(finding: &Finding) -> Value {
    let ids = std::iter::once(&finding.vulnerability).chain(&finding.aliases).filter(|id| !id.is_empty());
    let mut list: Vec<Value> = ids.map(|id| identifier(id)).collect();
    for number in finding.cwes.iter().filter_map(|c| c.strip_prefix("CWE-")?.parse::<u32>().ok()) {
        let url = format!("https://cwe.mitre.org/data/definitions/{number}.html");
        list.push(json!({ "type": "cwe", "name": format!("CWE-{number}"), "value": number.to_string(), "url": url }));
    }
    if list.is_empty() {
        let value = finding.id.0.as_str();
        list.push(json!({ "type": "seaworthy_finding", "name": value, "value": value }));
    }
    Value::Array(list)
}

fn identifier(id: &str) -> Value {
    let sound = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    match id {
        _ if is_cve(id) => {
            let url = format!("https://nvd.nist.gov/vuln/detail/{id}");
            json!({ "type": "cve", "name": id, "value": id, "url": url })
        }
        _ if id.starts_with("GHSA-") && sound => {
            let url = format!("https://github.com/advisories/{id}");
            json!({ "type": "ghsa", "name": id, "value": id, "url": url })
        }
        _ => json!({ "type": "other", "name": id, "value": id }),
    }
}
