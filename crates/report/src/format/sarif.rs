//! SARIF 2.1.0 (OASIS standard, with errata 01) as code-scanning services read it: one rule for each
//! vulnerability, one result for each finding, gaps as notifications of the invocation. A result is
//! recognised again by the digest of its finding's id. Files are named relative to the target's root.

use super::{Format, FormatError, Options};
use crate::text::{clean, clip, web_address};
use crate::{identity, view};
use seaworthy_types::{About, Finding, Grade, Reads, Report, Severity};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Sarif;

struct Sarif;

const ABOUT: About = About {
    name: "sarif",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "SARIF 2.1.0 for code-scanning services: rules, results, suppressions, gaps as notifications.",
};

/// Places given for one result, and subjects named in one notification.
const PLACES_MAX: usize = 10;

impl Format for Sarif {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "sarif"
    }
    fn media_type(&self) -> &'static str {
        "application/sarif+json"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        serde_json::to_writer_pretty(&mut *out, &document(report))?;
        out.write_all(b"\n")?;
        Ok(())
    }
}

fn document(report: &Report) -> Value {
    let mut by_rule: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().chain(&report.suppressed) {
        by_rule.entry(finding.vulnerability.as_str()).or_default().push(finding);
    }
    let rules: Vec<Value> = by_rule.iter().map(|(id, findings)| rule(id, findings)).collect();
    let index: BTreeMap<&str, usize> = by_rule.keys().enumerate().map(|(index, id)| (*id, index)).collect();
    let results: Vec<Value> = report
        .findings
        .iter()
        .chain(&report.suppressed)
        .map(|finding| {
            result(report, finding, index.get(finding.vulnerability.as_str()).copied().unwrap_or(0))
        })
        .collect();
    let notifications: Vec<Value> = view::note_groups(&report.coverage).iter().map(notification).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": rules,
            }},
            "automationDetails": { "id": format!("{}/{}", report.tool.name, clip(&clean(&report.target.name), 200)) },
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                "executionSuccessful": !report.verdict.incomplete,
                "endTimeUtc": report.created.to_string(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "properties": {
                "verdict": view::Word::of(report).text(),
                "reasons": report.verdict.reasons,
                "target": report.target.name,
                "data": view::data(report).0,
            },
        }],
    })
}

fn rule(id: &str, findings: &[&Finding]) -> Value {
    let worst = findings.iter().max_by_key(|f| f.severity);
    let Some(worst) = worst else { return json!({ "id": id }) };
    let title = if worst.title.is_empty() { id } else { &worst.title };
    let described = if worst.description.is_empty() { title } else { &worst.description };
    let described = clip(&clean(described), 4_000);
    let mut lines = vec![described.clone(), String::new()];
    for finding in findings.iter().take(PLACES_MAX) {
        let fix = match &finding.fixed_version {
            Some(version) => format!("upgrade to {version}"),
            None => view::unfixed(finding).to_owned(),
        };
        lines.push(format!("{} {}: {fix}", finding.subject.name, finding.subject.version));
    }
    let mut tags = vec!["security".to_owned(), "vulnerability".into(), worst.severity.word().into()];
    if worst.kev.is_some() {
        tags.push("exploited".into());
    }
    tags.extend(
        worst.cwes.iter().filter(|c| is_cwe(c)).map(|c| format!("external/cwe/{}", c.to_ascii_lowercase())),
    );
    let mut properties = json!({ "tags": tags, "precision": "very-high" });
    if let Some(score) = security_severity(worst) {
        properties["security-severity"] = json!(score);
    }
    let mut rule = json!({
        "id": id,
        "name": "VulnerablePackage",
        "shortDescription": { "text": clip(&clean(&format!("{id}: {title}")), 200) },
        "fullDescription": { "text": clip(&described, 1_000) },
        "help": { "text": clean_lines(&lines) },
        "defaultConfiguration": { "level": level(worst.severity) },
        "properties": properties,
    });
    if let Some(url) = worst.references.iter().find_map(|url| web_address(url)) {
        rule["helpUri"] = json!(url);
    }
    rule
}

fn is_cwe(text: &str) -> bool {
    text.strip_prefix("CWE-").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn clean_lines(lines: &[String]) -> String {
    lines.iter().map(|line| clean(line)).collect::<Vec<_>>().join("\n")
}

/// The CVSS score when it agrees with the severity that counts, else the middle of that severity's
/// range; none when nobody rated it, because a number would be an invention.
fn security_severity(finding: &Finding) -> Option<String> {
    let middle = match finding.severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Negligible => "0.1",
        Severity::Unknown => return None,
    };
    let score = view::score_tenths(finding).filter(|tenths| *tenths <= 100);
    let agrees = score.filter(|t| Severity::from_score(f64::from(*t) / 10.0) == finding.severity && *t > 0);
    Some(agrees.map_or_else(|| middle.to_owned(), view::score))
}

/// Unknown counts as over any threshold (DESIGN, law 11).
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High | Severity::Unknown => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible => "note",
    }
}

fn result(report: &Report, finding: &Finding, rule: usize) -> Value {
    let subject = &finding.subject;
    let fix = match &finding.fixed_version {
        Some(version) => format!("upgrade to {version}"),
        None => view::unfixed(finding).to_owned(),
    };
    let kev = if finding.kev.is_some() { ", known to be exploited" } else { "" };
    let text = format!(
        "{} {} has {} ({}{kev}): {fix}",
        subject.name, subject.version, finding.vulnerability, finding.severity
    );
    let mut places: Vec<Value> = subject
        .locations
        .iter()
        .take(PLACES_MAX)
        .map(|location| place(&location.path, finding, location.layer))
        .collect();
    if places.is_empty() {
        places.push(place(&report.target.name, finding, subject.layer));
    }
    let suppressions: Vec<Value> = finding
        .suppression
        .iter()
        .map(|s| json!({ "kind": "external", "status": "accepted", "justification": format!("{}: {}", s.by, s.reason) }))
        .collect();
    json!({
        "ruleId": finding.vulnerability,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": { "text": clip(&clean(&text), 1_000) },
        "locations": places,
        "partialFingerprints": { "seaworthyFindingId/v1": identity::digest(&[finding.id.0.as_bytes()]) },
        "suppressions": suppressions,
        "rank": f64::from(finding.priority.min(1_000)) / 10.0,
        "properties": {
            "findingId": finding.id.0,
            "purl": subject.purl,
            "priority": finding.priority,
            "exploited": finding.kev.is_some(),
            "fixedVersion": finding.fixed_version,
        },
    })
}

fn place(path: &str, finding: &Finding, layer: Option<u32>) -> Value {
    let subject = &finding.subject;
    let mut logical = json!({
        "name": subject.name,
        "fullyQualifiedName": subject.purl,
        "kind": "package",
    });
    if let Some(layer) = layer {
        logical["properties"] = json!({ "layer": layer });
    }
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": relative_uri(path) },
            "region": { "startLine": 1 },
        },
        "logicalLocations": [logical],
    })
}

/// A relative reference (RFC 3986, section 4.2): everything but unreserved characters and slashes is
/// percent-encoded, and no part can climb out of the root.
fn relative_uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !matches!(*part, "" | "." | "..")) {
        if !uri.is_empty() {
            uri.push('/');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~+@".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    if uri.is_empty() { "unknown".into() } else { uri }
}

fn notification(group: &view::NoteGroup<'_>) -> Value {
    let subjects: Vec<&str> =
        group.notes.iter().map(|n| n.subject.as_str()).filter(|s| !s.is_empty()).take(PLACES_MAX).collect();
    let detail = group.notes.first().map(|note| note.detail.as_str()).unwrap_or_default();
    let times = group.notes.len();
    let more = if times > PLACES_MAX { ", …" } else { "" };
    let text = format!("{}: {detail} ({times} times: {}{more})", group.code, subjects.join(", "));
    json!({
        "descriptor": { "id": group.code },
        "level": if group.grade == Grade::Gap { "warning" } else { "note" },
        "message": { "text": clip(&clean(&text), 2_000) },
        "properties": { "count": times, "units": group.units },
    })
}

#[cfg(test)]
mod tests {
    use super::relative_uri;

    #[test]
    fn references_are_relative_and_encoded() {
        assert_eq!(relative_uri("/var/lib/dpkg/status"), "var/lib/dpkg/status");
        assert_eq!(relative_uri("../../a b/./c:d"), "a%20b/c%3Ad");
        assert_eq!(relative_uri("javascript:x"), "javascript%3Ax");
        assert_eq!(relative_uri(".."), "unknown");
    }
}
