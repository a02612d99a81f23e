//! Maven projects: `pom.xml`.
//!
//! Format: *POM Reference* of Maven. Direct dependencies with a version that this file itself tells:
//! literally, by a property, or by its own `dependencyManagement`. What a parent or an imported bill
//! of materials decides, and ranges, are counted in a note. Dependencies of all profiles count.
//! Does not resolve what dependencies need in turn, nor read plugins.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, plain_parts, scope};
use crate::loose::{NO_ROOM, room_for};
use crate::xml::{Node, walk};
use seaworthy_types::{About, Reads};
use std::collections::BTreeMap;

/// The cataloguer of Maven projects.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "maven-pom",
        version: 1,
        ecosystem: "maven",
        reads: Reads::Declared,
        coverage: "Direct dependencies in pom.xml whose version the same file tells; neither parents, bills of materials nor transitive dependencies.",
    },
    patterns: &[Pattern::Name("pom.xml")],
    // Within a jar's folder it describes an installed artifact.
    accepts: |path| !path.contains("META-INF/maven/"),
    is_name: plain_parts,
    bytes_max: 8 << 20,
    parse,
};

/// Rounds in which properties may name one another.
const ROUNDS_MAX: usize = 8;
const VALUE_BYTES_MAX: usize = 1_024;

#[derive(Default)]
struct Project {
    properties: BTreeMap<String, String>,
    managed: BTreeMap<(String, String), Dependency>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Default, Clone)]
struct Dependency {
    group: String,
    artifact: String,
    version: String,
    scope: String,
    optional: String,
}

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let mut project = Project::default();
    let mut managed: Vec<Dependency> = Vec::new();
    let mut current = Dependency::default();
    let mut full = false;
    let mut keep = |list: &mut Vec<Dependency>, one: Dependency| {
        full |= !room_for::<Dependency>();
        if !full {
            list.push(one);
        }
    };
    let result = walk(text, |node| {
        let Node::Close(path, text) = node else { return };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let path = match path.as_slice() {
            ["project", "profiles", "profile", rest @ ..] => rest,
            ["project", rest @ ..] => rest,
            _ => return,
        };
        match path {
            ["properties", name] if room_for::<[u64; 16]>() => {
                project.properties.entry((*name).to_owned()).or_insert_with(|| bounded(text).to_owned());
            }
            [name @ ("groupId" | "artifactId" | "version")] => project.own("project.", name, text),
            ["parent", name @ ("groupId" | "artifactId" | "version")] => {
                project.own("project.parent.", name, text);
            }
            ["dependencies", "dependency", name]
            | ["dependencyManagement", "dependencies", "dependency", name] => {
                current.set(name, text);
            }
            ["dependencies", "dependency"] => keep(&mut project.dependencies, std::mem::take(&mut current)),
            ["dependencyManagement", "dependencies", "dependency"] => {
                keep(&mut managed, std::mem::take(&mut current));
            }
            _ => {}
        }
    });
    for dependency in managed {
        let key = (project.fill(&dependency.group), project.fill(&dependency.artifact));
        project.managed.entry(key).or_insert(dependency);
    }
    for dependency in &project.dependencies {
        project.note(dependency, lock);
    }
    if full {
        return Err(NO_ROOM.into());
    }
    result
}

/// Long texts are no coordinates; what refers to them stays unresolved.
fn bounded(text: &str) -> &str {
    if text.len() > VALUE_BYTES_MAX { "${too-long}" } else { text }
}

impl Dependency {
    fn set(&mut self, name: &str, text: &str) {
        let field = match name {
            "groupId" => &mut self.group,
            "artifactId" => &mut self.artifact,
            "version" => &mut self.version,
            "scope" => &mut self.scope,
            "optional" => &mut self.optional,
            _ => return,
        };
        bounded(text).clone_into(field);
    }
}

impl Project {
    /// Coordinates of the project or its parent under the names by which values refer to them; the
    /// project has its parent's unless it has its own.
    fn own(&mut self, prefix: &str, name: &str, text: &str) {
        self.properties.insert(format!("{prefix}{name}"), bounded(text).to_owned());
    }

    fn property(&self, name: &str) -> Option<&str> {
        let name = name.strip_prefix("pom.").map_or(name.to_owned(), |rest| format!("project.{rest}"));
        let own = self.properties.get(&name).or_else(|| self.properties.get(&format!("project.{name}")));
        let inherited = || self.properties.get(&format!("project.parent.{}", name.strip_prefix("project.")?));
        own.or_else(inherited).map(String::as_str)
    }

    /// The value with all properties put in that are known here.
    fn fill(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for _ in 0..ROUNDS_MAX {
            let mut out = String::new();
            let mut rest = value.as_str();
            let mut changed = false;
            while let Some((before, inside)) = rest.split_once("${") {
                out.push_str(before);
                let known =
                    inside.split_once('}').and_then(|(name, after)| Some((self.property(name)?, after)));
                match known {
                    Some((text, after)) => {
                        out.push_str(text);
                        rest = after;
                        changed = true;
                    }
                    None => {
                        out.push_str("${");
                        rest = inside;
                    }
                }
                if out.len() > VALUE_BYTES_MAX {
                    return out;
                }
            }
            out.push_str(rest);
            value = out;
            if !changed {
                break;
            }
        }
        value
    }

    fn note(&self, dependency: &Dependency, lock: &mut Lock) {
        let (group, artifact) = (self.fill(&dependency.group), self.fill(&dependency.artifact));
        let name = format!("{group}:{artifact}");
        let managed = self.managed.get(&(group.clone(), artifact.clone()));
        let or_managed = |own: &str, of: fn(&Dependency) -> &String| {
            let managed = managed.map(|managed| self.fill(of(managed)));
            if own.is_empty() { managed.unwrap_or_default() } else { self.fill(own) }
        };
        let version = or_managed(&dependency.version, |managed| &managed.version);
        let kind = or_managed(&dependency.scope, |managed| &managed.scope);
        if group.is_empty() || artifact.is_empty() {
            return lock.unusable(&name);
        }
        let Some(version) = exact(&version).filter(|_| !name.contains("${")) else {
            return lock.passed_over(
                "unresolved-versions",
                "dependencies have no version that this file tells and are left out",
                &name,
            );
        };
        let Some(package) = lock.package(&name, version, scope(kind == "test")) else { return };
        if matches!(kind.as_str(), "provided" | "system" | "runtime") {
            package.fact("scope", &kind);
        }
        if dependency.optional == "true" {
            package.fact("optional", "true");
        }
    }
}

/// The one version that a text demands: `1.0` (which Maven takes unless another is nearer) or `[1.0]`.
fn exact(text: &str) -> Option<&str> {
    let version = match text.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').filter(|inner| !inner.contains(',')).map(str::trim)?,
        None => text,
    };
    let odd =
        version.contains(['$', '(', ')', '[', ']', ',']) || matches!(version, "" | "LATEST" | "RELEASE");
    (!odd).then_some(version)
}
