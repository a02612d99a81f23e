//! A snapshot for GitHub's dependency submission API (REST, `POST /repos/…/dependency-graph/snapshots`):
//! which packages are in the target, by ecosystem; GitHub matches them itself. Commit and branch come
//! from the image's labels `org.opencontainers.image.revision` and `org.opencontainers.image.ref.name`;
//! where these are missing, the caller puts `sha`, `ref` and `job` in: they are not known here.

use super::{Format, FormatError, Options};
use crate::text::{clean, clip};
use crate::view;
use seaworthy_types::{About, Package, Reads, Report, Scope, ecosystem};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;

/// The format.
pub const FORMAT: &dyn Format = &GitHub;

struct GitHub;

/// The API asks for an address of the maker; the reserved domain says that there is none yet.
const HOME: &str = "https://seaworthy.invalid/";

const ABOUT: About = About {
    name: "github",
    version: 1,
    ecosystem: "",
    reads: Reads::Any,
    coverage: "Snapshot for GitHub's dependency submission API: packages, no findings; commit and branch from the image's labels.",
};

impl Format for GitHub {
    fn about(&self) -> &'static About {
        &ABOUT
    }
    fn extension(&self) -> &'static str {
        "github.json"
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
    let mut by_ecosystem: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &report.inventory.packages {
        by_ecosystem.entry(package.ecosystem.as_str()).or_default().push(package);
    }
    let target = clip(&clean(&report.target.name), 200);
    let mut manifests = Map::new();
    for (id, packages) in by_ecosystem {
        let name = format!("{target} ({})", ecosystem::by_id(id).map_or(id, |record| record.label));
        let resolved: Map<String, Value> = packages.iter().map(|package| entry(report, package)).collect();
        manifests.insert(name.clone(), json!({ "name": name, "resolved": resolved }));
    }
    let mut document = json!({
        "version": 0,
        "scanned": report.created.to_string(),
        "detector": {
            "name": report.tool.name,
            "version": report.tool.version,
            "url": HOME,
        },
        "metadata": { "verdict": view::Word::of(report).text() },
        "manifests": manifests,
    });
    if let Some(image) = &report.image {
        let label = |name: &str| image.config.labels.get(name).map(String::as_str).unwrap_or_default();
        let sha = label("org.opencontainers.image.revision");
        if sha.len() == 40 && sha.bytes().all(|b| b.is_ascii_hexdigit()) {
            document["sha"] = json!(sha);
        }
        let reference = label("org.opencontainers.image.ref.name");
        if reference.starts_with("refs/heads/") || reference.starts_with("refs/tags/") {
            document["ref"] = json!(clean(reference));
        }
    }
    document
}

fn entry(report: &Report, package: &Package) -> (String, Value) {
    let purl = package.purl(report.inventory.os.as_ref()).to_string();
    let scope = if package.scope == Scope::Development { "development" } else { "runtime" };
    let mut value = json!({ "package_url": purl, "relationship": "direct", "scope": scope });
    if let Some(location) = package.locations.first() {
        value["metadata"] = json!({ "path": clean(&location.path) });
    }
    (purl, value)
}
