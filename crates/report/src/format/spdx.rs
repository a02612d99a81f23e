//! SPDX 2.3 as JSON (ISO/IEC 5962 and its 2.3 revision, schema `spdx-schema.json`). What SPDX has no
//! place for stands in annotations: the comment is `seaworthy:properties ` and a JSON list of
//! [name, value] pairs (`types::sbom`), so that the document scanned again gives the same inventory
//! and notes. Does not write files or snippets, nor vulnerabilities: SPDX 2 has no place for them.

use super::{Format, FormatError, Options};
use crate::{identity, licence};
use seaworthy_types::{About, Inventory, Package, Reads, Report, TargetKind, Unidentified, sbom};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &Spdx;

struct Spdx;

const ABOUT: About = About {
    name: "spdx",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "SPDX 2.3 JSON: packages, licences, relationships; no vulnerabilities; scanned again it gives the same result.",
};

const TARGET: &str = "SPDXRef-Target";
const SYSTEM: &str = "SPDXRef-OperatingSystem";

impl Format for Spdx {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "spdx.json"
    }
    fn media_type(&self) -> &'static str {
        "application/spdx+json"
    }
    fn write(&self, report: &Report, _options: &Options, out: &mut dyn io::Write) -> Result<(), FormatError> {
        let body = serde_json::to_vec(&document(report)?)?;
        // The namespace must be unique to the document, so it is made from all other content.
        let unique = identity::uuid(&body);
        write!(out, "{{\"documentNamespace\":\"urn:uuid:{unique}\",")?;
        out.write_all(body.get(1..).unwrap_or_default())?;
        out.write_all(b"\n")?;
        Ok(())
    }
}

fn document(report: &Report) -> Result<Value, FormatError> {
    let inventory: &Inventory = &report.inventory;
    let annotate = |properties: &sbom::Properties| annotation(report, properties);
    let mut extracted = BTreeMap::new();
    let mut used = BTreeMap::new();
    let mut packages = vec![target(report)];
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", TARGET)];
    if let Some(os) = &inventory.os {
        let mut system = bare(SYSTEM, &os.id, &os.version_id);
        system["primaryPackagePurpose"] = json!("OPERATING_SYSTEM");
        system["description"] = json!(os.label());
        system["annotations"] = json!([annotate(&sbom::of_os(os))?]);
        packages.push(system);
        relationships.push(relationship(TARGET, "CONTAINS", SYSTEM));
    }
    for package in &inventory.packages {
        let properties = sbom::of_package(package);
        let id = unique_id(&mut used, &properties);
        let mut out = bare(&id, &package.name, &package.version);
        out["primaryPackagePurpose"] = json!("LIBRARY");
        out["licenseDeclared"] = json!(declared(package, &mut extracted));
        out["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": package.purl(inventory.os.as_ref()).to_string(),
        }]);
        if let Some(source) = &package.source {
            out["sourceInfo"] =
                json!(format!("built from source package: {} {}", source.name, source.version));
        }
        out["annotations"] = json!([annotate(&properties)?]);
        packages.push(out);
        relationships.push(relationship(TARGET, "CONTAINS", &id));
    }
    for evidence in &inventory.unidentified {
        let properties = sbom::of_unidentified(evidence);
        let id = unique_id(&mut used, &properties);
        let mut out = evidence_package(&id, evidence);
        out["annotations"] = json!([annotate(&properties)?]);
        packages.push(out);
        relationships.push(relationship(TARGET, "CONTAINS", &id));
    }
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": report.target.name,
        "creationInfo": {
            "created": report.created.to_string(),
            "creators": [format!("Tool: {}-{}", report.tool.name, report.tool.version)],
        },
        "packages": packages,
        "relationships": relationships,
        "annotations": [annotate(&super::document_properties(report)?)?],
    });
    if !extracted.is_empty() {
        document["hasExtractedLicensingInfos"] = extracted
            .iter()
            .map(|(id, text)| json!({ "licenseId": id, "extractedText": text, "name": text }))
            .collect();
    }
    Ok(document)
}

fn target(report: &Report) -> Value {
    let digest = report.image.as_ref().and_then(|image| image.manifest_digest.or(image.config_digest));
    let version = digest.map(|digest| digest.to_string()).unwrap_or_default();
    let mut target = bare(TARGET, &report.target.name, &version);
    target["primaryPackagePurpose"] = json!(match report.target.kind {
        TargetKind::File => "FILE",
        TargetKind::Folder => "SOURCE",
        TargetKind::Disk | TargetKind::RootFs => "OPERATING-SYSTEM",
        TargetKind::Sbom if report.image.is_none() => "APPLICATION",
        _ => "CONTAINER",
    });
    target
}

fn bare(id: &str, name: &str, version: &str) -> Value {
    let mut package = json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    });
    if !version.is_empty() {
        package["versionInfo"] = json!(version);
    }
    package
}

fn evidence_package(id: &str, evidence: &Unidentified) -> Value {
    let mut package = bare(id, &evidence.path, "");
    package["primaryPackagePurpose"] = json!("FILE");
    if evidence.sha1.len() == 40 && evidence.sha1.bytes().all(|b| b.is_ascii_hexdigit()) {
        package["checksums"] = json!([{ "algorithm": "SHA1", "checksumValue": evidence.sha1 }]);
    }
    package
}

/// An identifier that depends on the package alone, so that two documents can be compared.
fn unique_id(used: &mut BTreeMap<String, u32>, properties: &sbom::Properties) -> String {
    let parts: Vec<&[u8]> = properties.iter().flat_map(|(n, v)| [n.as_bytes(), v.as_bytes()]).collect();
    let mut id = format!("SPDXRef-Package-{}", identity::digest(&parts).get(..16).unwrap_or_default());
    let seen = used.entry(id.clone()).or_default();
    *seen += 1;
    if *seen > 1 {
        id = format!("{id}-{seen}");
    }
    id
}

/// The licences in one expression; unknown texts become `LicenseRef-` with the text kept.
fn declared(package: &Package, extracted: &mut BTreeMap<String, String>) -> String {
    let several = package.licences.len() > 1;
    let terms: Vec<String> = package
        .licences
        .iter()
        .filter(|text| !text.trim().is_empty())
        .map(|text| {
            if licence::is_expression(text) {
                return if several && text.contains(" OR ") { format!("({text})") } else { text.clone() };
            }
            let digest = identity::digest(&[text.as_bytes()]);
            let id = format!("LicenseRef-seaworthy-{}", digest.get(..12).unwrap_or_default());
            extracted.insert(id.clone(), text.clone());
            id
        })
        .collect();
    if terms.is_empty() { "NOASSERTION".into() } else { terms.join(" AND ") }
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

fn annotation(report: &Report, properties: &sbom::Properties) -> Result<Value, FormatError> {
    let list = serde_json::to_string(properties)?;
    Ok(json!({
        "annotationDate": report.created.to_string(),
        "annotationType": "OTHER",
        "annotator": format!("Tool: {}-{}", report.tool.name, report.tool.version),
        "comment": format!("{} {list}", sbom::ANNOTATION),
    }))
}
