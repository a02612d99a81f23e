//! SPDX JSON 2.2 and 2.3 (ISO/IEC 5962). Our own documents come back whole (`types::sbom`); packages
//! of other tools are read by the package URL in `externalRefs`. Files, snippets and relationships
//! other than DESCRIBES are not read.

use super::{SbomContent, SbomReader};
use crate::component::{Component, Intake, clipped};
use crate::json::Json;
use seaworthy_types::{About, Limits, Note, Outcome, Reads, sbom};
use std::collections::HashSet;

/// The reader.
pub const READER: &dyn SbomReader = &Spdx;

struct Spdx;

const UNIT: &str = "spdx";

const ABOUT: About = About {
    name: UNIT,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "SPDX JSON 2.2 and 2.3: packages with a package URL; what has none is a gap. Tag-value, RDF and YAML are not read.",
};

impl SbomReader for Spdx {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognises(&self, document: &Json<'_>) -> bool {
        document.get("spdxVersion").is_some() || text(document, "SPDXID") == "SPDXRef-DOCUMENT"
    }

    fn read(&self, document: &Json<'_>, limits: &Limits) -> Outcome<SbomContent> {
        let mut intake = Intake::new(UNIT, limits);
        let mut content = SbomContent::default();
        let notes = annotations(document);
        let own = crate::own::document(pairs(&notes), &mut content, &mut intake);
        let version = text(document, "spdxVersion");
        if !matches!(version, "SPDX-2.2" | "SPDX-2.3") {
            let detail = "this version of SPDX is not known; it was read as 2.3 and parts may be missed";
            intake.note(Note::gap("sbom-version", UNIT, clipped(version, 40), detail));
        }
        if content.target_name.is_none() {
            content.target_name = Some(clipped(text(document, "name"), 300)).filter(|name| !name.is_empty());
        }
        let packages = array(document, "packages");
        let maker = maker(document);
        let trivy = maker.as_ref().is_some_and(|maker| maker.starts_with("trivy"));
        let described = described(document);
        for package in packages {
            let root = described.contains(text(package, "SPDXID"));
            let role = match root {
                true if own => Role::OwnTarget,
                // The one package of a document is its content, even when the document describes it.
                true if packages.len() > 1 => Role::Subject,
                _ => Role::Content,
            };
            take(package, role, trivy, &mut intake);
        }
        if !own {
            let maker = maker.unwrap_or_else(|| "an unnamed tool".into());
            let detail = format!("made by {maker}; names and versions are taken as that tool gave them");
            intake.note(Note::info("sbom-foreign", UNIT, maker, detail));
        }
        let outcome = intake.finish(!own);
        content.inventory = outcome.value;
        Outcome { value: content, notes: outcome.notes }
    }
}

/// What a package is to its document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The target of one of our own documents.
    OwnTarget,
    /// What a foreign document describes, beside what it contains.
    Subject,
    /// Contained.
    Content,
}

fn take(value: &Json<'_>, role: Role, trivy: bool, intake: &mut Intake) {
    let properties = annotations(value);
    if crate::own::component(pairs(&properties), intake) || role == Role::OwnTarget {
        return;
    }
    let component = describe(value);
    // Older Trivy gives no purpose but speaking identifiers.
    let purpose = match text(value, "primaryPackagePurpose") {
        "" if trivy && text(value, "SPDXID").starts_with("SPDXRef-OperatingSystem") => "OPERATING_SYSTEM",
        "" if trivy && text(value, "SPDXID").starts_with("SPDXRef-Application") => "APPLICATION",
        purpose => purpose,
    };
    match purpose {
        "OPERATING-SYSTEM" | "OPERATING_SYSTEM" => intake.system(&component),
        "CONTAINER" | "FILE" | "DEVICE" if component.purls.is_empty() => {
            intake.pass("component-not-a-package", "that are containers or files", component.name);
        }
        _ if role == Role::Subject && component.purls.is_empty() => {
            intake.pass("component-not-a-package", "that the document describes", component.name);
        }
        // Trivy writes lock files as applications that hold the packages of a language.
        "APPLICATION" if trivy && component.purls.is_empty() => {
            intake.pass("component-not-a-package", "that are lock files", component.name);
        }
        _ => intake.component(&component),
    }
}

fn describe<'a>(value: &'a Json<'a>) -> Component<'a> {
    let purls = array(value, "externalRefs")
        .iter()
        .filter(|reference| {
            matches!(text(reference, "referenceType"), "purl" | "http://spdx.org/rdf/references/purl")
        })
        .map(|reference| text(reference, "referenceLocator"))
        .filter(|purl| !purl.is_empty())
        .collect();
    let mut hints = Vec::new();
    // Trivy: `built package from: glibc 2.36-9`.
    if let Some((name, version)) =
        text(value, "sourceInfo").strip_prefix("built package from: ").and_then(|rest| rest.split_once(' '))
    {
        hints.push(("aquasecurity:trivy:SrcName", name));
        hints.push(("aquasecurity:trivy:SrcVersion", version));
    }
    let licences = ["licenseDeclared", "licenseConcluded"]
        .map(|key| text(value, key))
        .into_iter()
        .find(|licence| !matches!(*licence, "" | "NONE" | "NOASSERTION"));
    Component {
        name: Some(text(value, "name")).filter(|name| !name.is_empty()).unwrap_or("(no name)"),
        version: text(value, "versionInfo"),
        purls,
        licences: licences.map(str::to_owned).into_iter().collect(),
        paths: Vec::new(),
        hints,
    }
}

/// Identifiers of what the document is about.
fn described<'a>(document: &'a Json<'a>) -> HashSet<&'a str> {
    let listed = array(document, "documentDescribes").iter().filter_map(Json::as_str);
    let related = array(document, "relationships")
        .iter()
        .filter(|r| {
            text(r, "relationshipType") == "DESCRIBES" && text(r, "spdxElementId") == "SPDXRef-DOCUMENT"
        })
        .map(|r| text(r, "relatedSpdxElement"));
    listed.chain(related).collect()
}

/// Pairs of name and value in our annotations of an element.
fn annotations(element: &Json<'_>) -> Vec<(String, String)> {
    array(element, "annotations")
        .iter()
        .filter_map(|annotation| text(annotation, "comment").strip_prefix(sbom::ANNOTATION))
        .filter_map(|list| serde_json::from_str::<Vec<(String, String)>>(list).ok())
        .flatten()
        .collect()
}

fn pairs(list: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

fn maker(document: &Json<'_>) -> Option<String> {
    let creators = array(document.get("creationInfo")?, "creators");
    creators
        .iter()
        .filter_map(Json::as_str)
        .find_map(|c| c.strip_prefix("Tool:"))
        .map(|tool| clipped(tool.trim(), 80))
}

fn text<'a>(value: &'a Json<'a>, key: &str) -> &'a str {
    value.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn array<'a>(value: &'a Json<'a>, key: &str) -> &'a [Json<'a>] {
    value.get(key).and_then(Json::as_array).unwrap_or_default()
}
