//! CycloneDX 1.6 as JSON, with vulnerabilities (ECMA-424, schema `bom-1.6.schema.json`). What
//! CycloneDX has no place for stands in `seaworthy:` properties (`types::sbom`), so that the document
//! scanned again gives the same inventory and notes. Does not write services or formulation.

use super::{Format, FormatError, Options};
use crate::text::{clip, web_address};
use crate::{identity, licence};
use seaworthy_types::{
    About, Finding, Package, Rating, Reads, Report, Severity, TargetKind, Unidentified, ecosystem, sbom,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &CycloneDx;

struct CycloneDx;

const ABOUT: About = About {
    name: "cyclonedx",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "CycloneDX 1.6 JSON: components, operating system, vulnerabilities with analysis; scanned again it gives the same result.",
};

/// Longest `version` that the schema allows.
const VERSION_MAX: usize = 1024;
/// The reference of the target itself.
const TARGET: &str = "target";

impl Format for CycloneDx {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "cdx.json"
    }
    fn media_type(&self) -> &'static str {
        "application/vnd.cyclonedx+json; version=1.6"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let body = serde_json::to_vec(&document(report)?)?;
        // The serial number is made from all other content; the body starts with `{`.
        let serial = identity::uuid(&body);
        write!(out, "{{\"serialNumber\":\"urn:uuid:{serial}\",")?;
        out.write_all(body.get(1..).unwrap_or_default())?;
        out.write_all(b"\n")?;
        Ok(())
    }
}

fn document(report: &Report) -> Result<Value, FormatError> {
    let references = References::new(report);
    let mut components = Vec::with_capacity(sbom::components(&report.inventory) + 1);
    for (package, reference) in report.inventory.packages.iter().zip(&references.packages) {
        components.push(component(report, package, reference));
    }
    for (index, evidence) in report.inventory.unidentified.iter().enumerate() {
        components.push(evidence_component(evidence, index));
    }
    if let Some(os) = &report.inventory.os {
        let mut system = json!({
            "type": "operating-system", "bom-ref": "operating-system",
            "name": os.id, "description": os.label(), "properties": properties(&sbom::of_os(os)),
        });
        put_version(&mut system, &os.version_id);
        components.push(system);
    }
    let depends: Vec<&Value> = components.iter().filter_map(|c| c.get("bom-ref")).collect();
    let dependencies = json!([{ "ref": TARGET, "dependsOn": depends }]);
    let findings = report.findings.iter().chain(&report.suppressed);
    let vulnerabilities: Vec<Value> = findings.map(|f| vulnerability(f, &references)).collect();
    let tool = json!({ "type": "application", "name": report.tool.name, "version": report.tool.version });
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": report.created.to_string(),
            "tools": { "components": [tool] },
            "component": target(report),
        },
        "components": components,
        "dependencies": dependencies,
        "vulnerabilities": vulnerabilities,
        "properties": properties(&super::document_properties(report)?),
    }))
}

fn target(report: &Report) -> Value {
    let kind = match report.target.kind {
        TargetKind::DockerArchive
        | TargetKind::OciArchive
        | TargetKind::OciLayout
        | TargetKind::Registry
        | TargetKind::Engine
        | TargetKind::Container => "container",
        TargetKind::File => "file",
        TargetKind::Folder => "application",
        TargetKind::Disk | TargetKind::RootFs => "operating-system",
        TargetKind::Sbom if report.image.is_some() => "container",
        TargetKind::Sbom => "application",
    };
    let mut target = json!({ "type": kind, "bom-ref": TARGET, "name": report.target.name });
    if let Some(digest) = report.image.as_ref().and_then(|i| i.manifest_digest.or(i.config_digest)) {
        put_version(&mut target, &digest.to_string());
    }
    target
}

fn component(report: &Report, package: &Package, reference: &str) -> Value {
    let record = ecosystem::by_id(&package.ecosystem);
    let (group, name) = match record {
        Some(record) if !record.of_distribution => (record.purl_split)(&package.name),
        _ => (None, package.name.clone()),
    };
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "purl": package.purl(report.inventory.os.as_ref()).to_string(),
        "properties": properties(&sbom::of_package(package)),
    });
    put_version(&mut component, &package.version);
    if let Some(group) = group {
        component["group"] = json!(group);
    }
    if package.scope == seaworthy_types::Scope::Development {
        component["scope"] = json!("excluded");
    }
    if !package.licences.is_empty() {
        component["licenses"] = licences(&package.licences);
    }
    component
}

/// One expression alone, or a list of licences: the schema allows no mixture.
fn licences(texts: &[String]) -> Value {
    match texts {
        [one] if one.contains(' ') && licence::is_expression(one) => json!([{ "expression": one }]),
        _ => texts
            .iter()
            .map(|text| match licence::is_identifier(text) {
                true => json!({ "license": { "id": text } }),
                false => json!({ "license": { "name": text } }),
            })
            .collect(),
    }
}

fn evidence_component(evidence: &Unidentified, index: usize) -> Value {
    let mut component = json!({
        "type": "file",
        "bom-ref": format!("unidentified-{index}"),
        "name": evidence.path,
        "properties": properties(&sbom::of_unidentified(evidence)),
    });
    if evidence.sha1.len() == 40 && evidence.sha1.bytes().all(|b| b.is_ascii_hexdigit()) {
        component["hashes"] = json!([{ "alg": "SHA-1", "content": evidence.sha1 }]);
    }
    component
}

fn put_version(component: &mut Value, version: &str) {
    if !version.is_empty() {
        // The exact version stands in the properties in any case.
        component["version"] = json!(version.chars().take(VERSION_MAX).collect::<String>());
    }
}

fn properties(list: &sbom::Properties) -> Value {
    list.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// `bom-ref` of each package, and which of them a finding speaks of.
struct References<'a> {
    packages: Vec<String>,
    by_subject: BTreeMap<(&'a str, &'a str, &'a str), Vec<usize>>,
}

impl<'a> References<'a> {
    fn new(report: &'a Report) -> Self {
        let mut used: BTreeMap<String, u32> = BTreeMap::new();
        let mut packages = Vec::with_capacity(report.inventory.packages.len());
        let mut by_subject: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, package) in report.inventory.packages.iter().enumerate() {
            let purl = package.purl(report.inventory.os.as_ref()).to_string();
            let seen = used.entry(purl.clone()).or_default();
            *seen += 1;
            packages.push(if *seen == 1 { purl } else { format!("{purl}#{seen}") });
            let (name, version) = package.source_or_self();
            let ecosystem = package.ecosystem.as_str();
            by_subject.entry((ecosystem, name, version)).or_default().push(index);
            if (name, version) != (package.name.as_str(), package.version.as_str()) {
                let own = (ecosystem, package.name.as_str(), package.version.as_str());
                by_subject.entry(own).or_default().push(index);
            }
        }
        Self { packages, by_subject }
    }

    fn of(&self, finding: &Finding) -> BTreeSet<&str> {
        let subject = &finding.subject;
        let key = (subject.ecosystem.as_str(), subject.name.as_str(), subject.version.as_str());
        let found = self.by_subject.get(&key).into_iter().flatten();
        let found: BTreeSet<&str> =
            found.filter_map(|index| self.packages.get(*index)).map(String::as_str).collect();
        if found.is_empty() { BTreeSet::from([TARGET]) } else { found }
    }
}

fn vulnerability(finding: &Finding, references: &References<'_>) -> Value {
    let affects: Vec<Value> = references
        .of(finding)
        .iter()
        .map(|reference| {
            let version = clip(&finding.subject.version, VERSION_MAX);
            match version.is_empty() {
                true => json!({ "ref": reference }),
                false => {
                    json!({ "ref": reference, "versions": [{ "version": version, "status": "affected" }] })
                }
            }
        })
        .collect();
    let mut list = vec![
        (sbom::FINDING_ID.to_owned(), finding.id.0.clone()),
        (sbom::PRIORITY.to_owned(), finding.priority.to_string()),
    ];
    if let Some(kev) = &finding.kev {
        list.push((sbom::EXPLOITED_SINCE.to_owned(), kev.added.to_string()));
    }
    if let Some(epss) = &finding.epss {
        list.push((sbom::EPSS.to_owned(), format!("{:.5}", epss.probability)));
    }
    if let Some(suppression) = &finding.suppression {
        list.push((sbom::SUPPRESSED_BY.to_owned(), suppression.by.clone()));
    }
    let mut out = json!({
        "bom-ref": finding.id.0,
        "id": finding.vulnerability,
        "ratings": ratings(finding),
        "affects": affects,
        "properties": properties(&list),
    });
    let source = finding.reasons.first().map(|reason| reason.source.as_str()).unwrap_or_default();
    if !source.is_empty() {
        out["source"] = json!({ "name": source });
    }
    let described = if finding.description.is_empty() { &finding.title } else { &finding.description };
    if !described.is_empty() {
        out["description"] = json!(described);
    }
    let cwes: Vec<u64> =
        finding.cwes.iter().filter_map(|c| c.strip_prefix("CWE-")?.parse().ok()).filter(|n| *n > 0).collect();
    if !cwes.is_empty() {
        out["cwes"] = json!(cwes);
    }
    if let Some(version) = &finding.fixed_version {
        out["recommendation"] = json!(format!("Upgrade {} to {version}.", finding.subject.name));
    }
    let links: BTreeSet<&str> = finding.references.iter().filter_map(|r| web_address(r)).collect();
    if !links.is_empty() {
        out["advisories"] = links.iter().map(|url| json!({ "url": url })).collect();
    }
    if let Some(published) = finding.published {
        out["published"] = json!(published.to_string());
    }
    if let Some(analysis) = analysis(finding) {
        out["analysis"] = analysis;
    }
    out
}

/// What was decided, for findings that do not count and for those nobody will fix.
fn analysis(finding: &Finding) -> Option<Value> {
    let suppression = finding.suppression.as_ref()?;
    Some(match suppression.by.as_str() {
        "vendor" => json!({ "state": "not_affected", "detail": suppression.reason }),
        "withdrawn" | "owned-by-os-package" => {
            json!({ "state": "false_positive", "detail": suppression.reason })
        }
        _ => json!({ "detail": suppression.reason }),
    })
}

fn ratings(finding: &Finding) -> Value {
    if finding.ratings.is_empty() {
        return json!([{ "severity": severity(finding.severity) }]);
    }
    finding.ratings.iter().map(rating).collect()
}

fn rating(rating: &Rating) -> Value {
    let mut out = json!({ "source": { "name": rating.source }, "severity": severity(rating.severity) });
    if let Some(tenths) = rating.score_tenths {
        out["score"] = json!(f64::from(tenths) / 10.0);
    }
    if !rating.vector.is_empty() {
        out["method"] = json!(match rating.vector.get(..8) {
            Some("CVSS:3.0") => "CVSSv3",
            Some("CVSS:3.1") => "CVSSv31",
            Some("CVSS:4.0") => "CVSSv4",
            _ => "CVSSv2",
        });
        out["vector"] = json!(rating.vector);
    }
    out
}

/// CycloneDX calls negligible `info`.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Negligible => "info",
        other => other.word(),
    }
}
