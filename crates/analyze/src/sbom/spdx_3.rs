//! SPDX 3.0 as JSON-LD with the context of the specification (`@graph` of typed elements). Reads
//! `software_Package` elements by their package URL, and nothing else: relationships, files and
//! profiles such as AI or dataset are left out and counted.

use super::{SbomContent, SbomReader};
use crate::component::{Component, Intake, clipped};
use crate::json::Json;
use seaworthy_types::{About, Limits, Note, Outcome, Reads};

/// The reader.
pub const READER: &dyn SbomReader = &Spdx3;

struct Spdx3;

const UNIT: &str = "spdx-3";

const ABOUT: About = About {
    name: UNIT,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "SPDX 3.0 JSON-LD: software packages with a package URL; other elements are counted, not read.",
};

impl SbomReader for Spdx3 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognises(&self, document: &Json<'_>) -> bool {
        let context = match document.get("@context") {
            Some(Json::Array(list)) => list.iter().any(is_spdx_context),
            Some(one) => is_spdx_context(one),
            None => false,
        };
        context && document.get("@graph").is_some_and(Json::is_array)
    }

    fn read(&self, document: &Json<'_>, limits: &Limits) -> Outcome<SbomContent> {
        let mut intake = Intake::new(UNIT, limits);
        let mut content = SbomContent::default();
        let mut tool = None;
        for element in array(document, "@graph") {
            match kind(element) {
                "software_Package" | "Package" => take(element, &mut intake),
                "SpdxDocument" => content.target_name = name(element).map(|name| clipped(name, 300)),
                "Tool" => tool = tool.or_else(|| name(element)),
                "ai_AIPackage" | "dataset_DatasetPackage" => {
                    intake.pass(
                        "component-not-a-package",
                        "of an AI or dataset profile",
                        name(element).unwrap_or("(no name)"),
                    );
                }
                _ => {}
            }
        }
        let maker = tool.map_or_else(|| "an unnamed tool".into(), |tool| clipped(tool, 80));
        let detail = format!("made by {maker}; names and versions are taken as that tool gave them");
        intake.note(Note::info("sbom-foreign", UNIT, maker, detail));
        let outcome = intake.finish(true);
        content.inventory = outcome.value;
        Outcome { value: content, notes: outcome.notes }
    }
}

fn take(element: &Json<'_>, intake: &mut Intake) {
    let mut purls: Vec<&str> = text(element, "software_packageUrl").into_iter().collect();
    for list in ["externalIdentifier", "externalIdentifiers"] {
        purls.extend(array(element, list).iter().filter_map(|external| {
            let kind = text(external, "externalIdentifierType").unwrap_or_default();
            text(external, "identifier").filter(|_| matches!(kind, "packageUrl" | "packageURL" | "purl"))
        }));
    }
    let component = Component {
        name: name(element).unwrap_or("(no name)"),
        version: text(element, "software_packageVersion").unwrap_or_default(),
        purls,
        ..Component::default()
    };
    match text(element, "software_primaryPurpose").unwrap_or_default() {
        "operatingSystem" => intake.system(&component),
        "container" | "file" | "device" if component.purls.is_empty() => {
            intake.pass("component-not-a-package", "that are containers or files", component.name);
        }
        _ => intake.component(&component),
    }
}

fn is_spdx_context(context: &Json<'_>) -> bool {
    context
        .as_str()
        .is_some_and(|text| text.contains("spdx.org/rdf/3") || text.contains("spdx.github.io/spdx-spec/v3"))
}

fn kind<'a>(element: &'a Json<'a>) -> &'a str {
    text(element, "type").or_else(|| text(element, "@type")).unwrap_or_default()
}

fn name<'a>(element: &'a Json<'a>) -> Option<&'a str> {
    text(element, "name")
}

fn text<'a>(value: &'a Json<'a>, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Json::as_str).filter(|text| !text.is_empty())
}

fn array<'a>(value: &'a Json<'a>, key: &str) -> &'a [Json<'a>] {
    value.get(key).and_then(Json::as_array).unwrap_or_default()
}
