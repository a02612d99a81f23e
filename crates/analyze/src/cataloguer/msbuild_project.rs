//! NuGet packages that MSBuild projects declare: `*.csproj`, `*.fsproj`, `*.vbproj`,
//! `Directory.Packages.props`, `Packages.props`, `Directory.Build.props` and `.targets`.
//!
//! Formats: *PackageReference in project files* and *Central Package Management* of the NuGet
//! documentation. A version counts when it is literal or a property of the same file, and one
//! version: `1.0` (NuGet takes the lowest that fits) or `[1.0]`. Others are counted in a note.
//! Conditions are not evaluated: all branches count. Does not know what packages need in turn.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, plain, scope};
use crate::xml::{Node, attribute, walk};
use seaworthy_types::{About, Reads};
use std::collections::BTreeMap;

/// The cataloguer of MSBuild projects.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "msbuild-project",
        version: 1,
        ecosystem: "nuget",
        reads: Reads::Declared,
        coverage: "Direct NuGet dependencies of MSBuild projects and central version files, with versions that the same file tells.",
    },
    patterns: &[
        Pattern::Extension(".csproj"),
        Pattern::Extension(".fsproj"),
        Pattern::Extension(".vbproj"),
        Pattern::Extension(".props"),
        Pattern::Extension(".targets"),
    ],
    accepts: |path| {
        let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let shared = ["packages.props", "directory.build.props", "directory.build.targets"];
        name.ends_with("proj") || shared.iter().any(|ending| name.ends_with(ending))
    },
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

const ROUNDS_MAX: usize = 8;
const VALUE_BYTES_MAX: usize = 1_024;

#[derive(Default)]
struct Reference {
    name: String,
    version: String,
    central: bool,
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let mut properties: BTreeMap<String, String> = BTreeMap::new();
    let mut references: Vec<Reference> = Vec::new();
    let mut current: Option<Reference> = None;
    let result = walk(text, |node| match node {
        Node::Open(path, attributes) => {
            let Some(kind) = path.last().filter(|name| is_reference(name)) else { return };
            let value = |name| attribute(attributes, name).unwrap_or_default().to_owned();
            let version =
                Some(value("VersionOverride")).filter(|v| !v.is_empty()).unwrap_or_else(|| value("Version"));
            let name = Some(value("Include")).filter(|v| !v.is_empty()).unwrap_or_else(|| value("Update"));
            current = Some(Reference { name, version, central: kind == "PackageReference" });
        }
        Node::Close(path, text) => match path {
            [.., last] if is_reference(last) => references.extend(current.take()),
            [.., parent, last] if last == "Version" && is_reference(parent) => {
                if let Some(current) = &mut current {
                    text.clone_into(&mut current.version);
                }
            }
            [.., parent, last] if parent == "PropertyGroup" => {
                properties.insert(last.to_ascii_lowercase(), text.to_owned());
            }
            _ => {}
        },
    });
    for reference in &references {
        note(reference, &properties, lock);
    }
    result
}

fn is_reference(name: &str) -> bool {
    matches!(name, "PackageReference" | "PackageVersion" | "GlobalPackageReference")
}

fn note(reference: &Reference, properties: &BTreeMap<String, String>, lock: &mut Lock) {
    // Several may stand in one list.
    let names = fill(&reference.name, properties);
    let version = fill(&reference.version, properties);
    for name in names.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        match exact(&version).filter(|_| !name.contains("$(")) {
            Some(version) => {
                lock.package(name, version, scope(false));
            }
            // Its version stands in a central file, which is read for itself.
            None if version.is_empty() && reference.central => lock.passed_over(
                "central-versions",
                "references have no version here; it is that of a central version file",
                name,
            ),
            None => lock.passed_over(
                "unresolved-versions",
                "references have no version that this file tells and are left out",
                name,
            ),
        }
    }
}

/// The one version that a text demands.
fn exact(text: &str) -> Option<&str> {
    let version = match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').filter(|inner| !inner.contains(',')).map(str::trim)?,
        None => text,
    };
    let odd = version.is_empty() || version.contains(['$', '*', '(', ')', '[', ']', ',']);
    (!odd).then_some(version)
}

/// The text with all `$(Name)` put in that the file tells.
fn fill(text: &str, properties: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS_MAX {
        let Some((before, inside)) = text.split_once("$(") else { break };
        let Some((name, after)) = inside.split_once(')') else { break };
        let Some(value) = properties.get(&name.trim().to_ascii_lowercase()) else { break };
        if value.len().saturating_add(text.len()) > VALUE_BYTES_MAX {
            break;
        }
        text = format!("{before}{value}{after}");
    }
    text
}
