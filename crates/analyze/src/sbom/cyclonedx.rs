//! CycloneDX JSON 1.2 to 1.7 (ECMA-424 and its forerunners). Our own documents come back whole
//! (`types::sbom`); components of other tools are read by package URL. Vulnerabilities, services and
//! formulation inside the document are not read.

use super::{SbomContent, SbomReader};
use crate::component::{Component, Intake, clipped};
use crate::json::Json;
use seaworthy_types::{About, Limits, Note, Outcome, Reads};

/// The reader.
pub const READER: &dyn SbomReader = &CycloneDx;

struct CycloneDx;

const UNIT: &str = "cyclonedx";

const ABOUT: About = About {
    name: UNIT,
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "CycloneDX JSON 1.2 to 1.7: components at any depth with a package URL; what has none is a gap. XML is not read.",
};

/// Components within components.
const DEPTH_MAX: usize = 32;
const VERSIONS: [&str; 6] = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];

impl SbomReader for CycloneDx {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn recognises(&self, document: &Json<'_>) -> bool {
        let text = |key: &str| document.get(key).and_then(Json::as_str).unwrap_or_default();
        text("bomFormat") == "CycloneDX" || text("$schema").contains("cyclonedx.org/schema")
    }

    fn read(&self, document: &Json<'_>, limits: &Limits) -> Outcome<SbomContent> {
        let mut intake = Intake::new(UNIT, limits);
        let mut content = SbomContent::default();
        let own = crate::own::document(pairs(document), &mut content, &mut intake);
        let version = document.get("specVersion").and_then(Json::as_str).unwrap_or_default();
        if !VERSIONS.contains(&version) {
            let detail = "this version of CycloneDX is not known; it was read as 1.7 and parts may be missed";
            intake.note(Note::gap("sbom-version", UNIT, clipped(version, 40), detail));
        }
        let subject = document.get("metadata").and_then(|metadata| metadata.get("component"));
        if content.target_name.is_none() {
            content.target_name =
                subject.and_then(|s| s.get("name")).and_then(Json::as_str).map(|name| clipped(name, 300));
        }
        // Trivy and cdxgen may put components below the subject of the document.
        components(document, &mut intake);
        if let Some(subject) = subject {
            components(subject, &mut intake);
        }
        if !own {
            foreign_remarks(document, &mut intake);
        }
        let outcome = intake.finish(!own);
        content.inventory = outcome.value;
        Outcome { value: content, notes: outcome.notes }
    }
}

/// All components below `parent`, without recursion.
fn components(parent: &Json<'_>, intake: &mut Intake) {
    let mut stack = vec![array(parent, "components").iter()];
    while let Some(top) = stack.last_mut() {
        let Some(component) = top.next() else {
            stack.pop();
            continue;
        };
        take(component, intake);
        let below = array(component, "components");
        if !below.is_empty() {
            if stack.len() < DEPTH_MAX {
                stack.push(below.iter());
            } else {
                intake.lose("component-unidentified", "nested too deeply", name_of(component));
            }
        }
    }
}

fn take(value: &Json<'_>, intake: &mut Intake) {
    if crate::own::component(pairs(value), intake) {
        return;
    }
    let component = describe(value);
    let kind = value.get("type").and_then(Json::as_str).unwrap_or("library");
    match kind {
        "operating-system" => intake.system(&component),
        // Trivy writes lock files as applications that hold the packages of a language.
        "application"
            if component.purls.is_empty() && component.hint("aquasecurity:trivy:Class").is_some() =>
        {
            intake.pass("component-not-a-package", "that are lock files", component.name);
        }
        "container" | "file" | "data" | "machine-learning-model" | "cryptographic-asset" | "device"
            if component.purls.is_empty() =>
        {
            intake.pass("component-not-a-package", &format!("of type {kind}"), component.name);
        }
        _ => intake.component(&component),
    }
}

fn describe<'a>(value: &'a Json<'a>) -> Component<'a> {
    let text = |key: &str| value.get(key).and_then(Json::as_str).unwrap_or_default();
    let hints: Vec<(&str, &str)> = pairs(value).collect();
    let mut paths: Vec<String> = hints
        .iter()
        .filter(|(name, _)| {
            *name == "aquasecurity:trivy:FilePath"
                || (name.starts_with("syft:location:") && name.ends_with(":path"))
        })
        .map(|(_, path)| (*path).to_owned())
        .collect();
    let evidence = value.get("evidence").map(|evidence| array(evidence, "occurrences")).unwrap_or_default();
    paths.extend(evidence.iter().filter_map(|o| o.get("location")?.as_str()).map(str::to_owned));
    Component {
        name: name_of(value),
        version: text("version"),
        purls: value.get("purl").and_then(Json::as_str).filter(|p| !p.is_empty()).into_iter().collect(),
        licences: array(value, "licenses").iter().filter_map(licence).collect(),
        paths,
        hints,
    }
}

fn licence(choice: &Json<'_>) -> Option<String> {
    let license = choice.get("license");
    let text = choice
        .get("expression")
        .or_else(|| license.and_then(|l| l.get("id")))
        .or_else(|| license.and_then(|l| l.get("name")))?;
    text.as_str().map(str::to_owned)
}

fn name_of<'a>(component: &'a Json<'a>) -> &'a str {
    component.get("name").and_then(Json::as_str).unwrap_or("(no name)")
}

fn array<'a>(value: &'a Json<'a>, key: &str) -> &'a [Json<'a>] {
    value.get(key).and_then(Json::as_array).unwrap_or_default()
}

fn pairs<'a>(value: &'a Json<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    array(value, "properties").iter().filter_map(|property| {
        let value = property.get("value").and_then(Json::as_str).unwrap_or_default();
        Some((property.get("name")?.as_str()?, value))
    })
}

fn foreign_remarks(document: &Json<'_>, intake: &mut Intake) {
    let maker = maker(document).unwrap_or_else(|| "an unnamed tool".into());
    let detail = format!("made by {maker}; names and versions are taken as that tool gave them");
    intake.note(Note::info("sbom-foreign", UNIT, maker, detail));
    let incomplete = array(document, "compositions").iter().any(|composition| {
        let aggregate = composition.get("aggregate").and_then(Json::as_str).unwrap_or_default();
        aggregate.starts_with("incomplete")
    });
    if incomplete {
        let detail = "the document says of itself that it does not list everything";
        intake.note(Note::gap("sbom-declared-incomplete", UNIT, "compositions", detail));
    }
    if !array(document, "vulnerabilities").is_empty() {
        let detail = "vulnerabilities listed in the document were not read; packages are matched anew";
        intake.note(Note::info("sbom-vulnerabilities-ignored", UNIT, "vulnerabilities", detail));
    }
}

/// `syft 0.58.0`; `metadata.tools` is a list up to 1.4 and may be an object since 1.5.
fn maker(document: &Json<'_>) -> Option<String> {
    let tools = document.get("metadata")?.get("tools")?;
    let first = match tools {
        Json::Array(list) => list.first()?,
        object => array(object, "components").first().or_else(|| array(object, "services").first())?,
    };
    let name = first.get("name")?.as_str()?;
    let version = first.get("version").and_then(Json::as_str).unwrap_or_default();
    Some(clipped(format!("{name} {version}").trim(), 80))
}
