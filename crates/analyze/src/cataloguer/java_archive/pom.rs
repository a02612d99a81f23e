//! Maven coordinates from `pom.properties`, or from `pom.xml` where that is missing.
//!
//! Formats: java.util.Properties (as Maven's archiver writes it) and the POM reference, "Maven
//! Coordinates". Of a POM only its own coordinates count, with simple `${properties}` filled in; no
//! parent is read.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Nested elements of a POM.
const DEPTH_MAX: usize = 64;
/// Properties of a POM.
const PROPERTIES_MAX: usize = 4_096;

/// Coordinates found in an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pom {
    /// Group id.
    pub group: String,
    /// Artifact id.
    pub artifact: String,
    /// Version, or empty.
    pub version: String,
    /// Path of the record in the archive.
    pub path: String,
}

impl Pom {
    /// Fills group and artifact from the folder: `META-INF/maven/GROUP/ARTIFACT/pom.xml`.
    fn with_folder(mut self, path: &str) -> Option<Self> {
        let mut parts = path.rsplit('/').skip(1);
        let (artifact, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let in_place = parts.next() == Some("maven");
        for (field, fallback) in [(&mut self.artifact, artifact), (&mut self.group, group)] {
            if field.is_empty() && in_place {
                fallback.clone_into(field);
            }
        }
        path.clone_into(&mut self.path);
        let sound = |text: &str| !text.is_empty() && !text.contains([':', '/', ' ']);
        (sound(&self.group) && sound(&self.artifact)).then_some(self)
    }
}

/// Reads `pom.properties`; `None` when it holds no coordinates.
pub fn from_properties(path: &str, bytes: &[u8]) -> Option<Pom> {
    let text = String::from_utf8_lossy(bytes);
    let mut pom = Pom::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', '!']) {
            continue;
        }
        let Some(end) = line.find(['=', ':', ' ', '\t']) else { continue };
        let (key, value) = line.split_at(end);
        let value = value.trim_start_matches(['=', ':', ' ', '\t']).trim_end();
        let field = match key {
            "groupId" => &mut pom.group,
            "artifactId" => &mut pom.artifact,
            "version" => &mut pom.version,
            _ => continue,
        };
        if !value.contains("${") {
            value.clone_into(field);
        }
    }
    pom.with_folder(path)
}

/// Reads `pom.xml`; `None` when it holds no coordinates.
pub fn from_xml(path: &str, bytes: &[u8]) -> Option<Pom> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::from_str(&text);
    let mut stack: Vec<String> = Vec::new();
    let mut values: HashMap<String, String> = HashMap::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                if stack.len() >= DEPTH_MAX {
                    return None;
                }
                stack.push(AsRef::<str>::as_ref(&start.local_name()).to_owned());
            }
            Ok(Event::End(_)) => {
                stack.pop();
            }
            Ok(Event::Text(piece)) => {
                let key = match stack.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["project", "properties", name] => format!("${{{name}}}"),
                    ["project", name] => name.to_owned(),
                    ["project", "parent", name] => format!("parent.{name}"),
                    _ => continue,
                };
                let value = piece.trim();
                if !value.is_empty() && values.len() < PROPERTIES_MAX {
                    values.entry(key).or_insert_with(|| value.to_owned());
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let own = |name: &str| values.get(name).or_else(|| values.get(&format!("parent.{name}")));
    let field = |name: &str| resolve(own(name).map_or("", String::as_str), &values);
    let artifact = resolve(values.get("artifactId").map_or("", String::as_str), &values);
    Pom { group: field("groupId"), artifact, version: field("version"), path: String::new() }
        .with_folder(path)
}

/// Fills `${…}` in, a few times over; what stays unresolved gives the empty text.
fn resolve(text: &str, values: &HashMap<String, String>) -> String {
    let mut text = text.to_owned();
    for _ in 0..8 {
        let Some(start) = text.find("${") else { return text };
        let Some(length) = text.get(start..).and_then(|rest| rest.find('}')) else { break };
        let Some(reference) = text.get(start..=start + length).map(str::to_owned) else { break };
        let name = reference.trim_start_matches("${").trim_end_matches('}');
        let bare = name.strip_prefix("project.").or_else(|| name.strip_prefix("pom.")).unwrap_or(name);
        let value = values.get(&reference).or_else(|| values.get(bare));
        match value.or_else(|| values.get(&format!("parent.{bare}"))) {
            Some(value) if value.len() < 256 => text = text.replacen(&reference, value, 1),
            _ => break,
        }
    }
    if text.contains("${") { String::new() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(pom: Option<Pom>) -> Option<(String, String, String)> {
        pom.map(|pom| (pom.group, pom.artifact, pom.version))
    }

    fn three(group: &str, artifact: &str, version: &str) -> Option<(String, String, String)> {
        Some((group.into(), artifact.into(), version.into()))
    }

    #[test]
    fn properties_in_all_spellings() {
        let read =
            |text: &str| coordinates(from_properties("META-INF/maven/g/a/pom.properties", text.as_bytes()));
        assert_eq!(
            read("#Generated\r\nversion=1.0\r\ngroupId=org.x\r\nartifactId=y\r\n"),
            three("org.x", "y", "1.0")
        );
        assert_eq!(read("version: 1.0:2\ngroupId : org.x\nartifactId y"), three("org.x", "y", "1.0:2"));
        assert_eq!(read("version=${revision}"), three("g", "a", ""));
        assert_eq!(read(""), three("g", "a", ""));
        assert_eq!(coordinates(from_properties("pom.properties", b"version=1")), None);
    }

    #[test]
    fn poms_with_parent_and_properties() {
        let read = |text: &str| coordinates(from_xml("META-INF/maven/g/a/pom.xml", text.as_bytes()));
        let text = "<project><parent><groupId>org.p</groupId><artifactId>pp</artifactId><version>2</version></parent>\
            <artifactId>y</artifactId><dependencies><dependency><version>9</version></dependency></dependencies></project>";
        assert_eq!(read(text), three("org.p", "y", "2"));
        let text = "<project xmlns='m'><groupId>a.b</groupId><artifactId>y</artifactId><version>${major}.${minor}</version>\
            <properties><major>1</major><minor>${major}</minor></properties></project>";
        assert_eq!(read(text), three("a.b", "y", "1.1"));
        let cyclic = "<project><version>${v}</version><properties><v>${v}</v></properties></project>";
        assert_eq!(read(cyclic), three("g", "a", ""));
        assert_eq!(read("<project><"), three("g", "a", ""));
        assert_eq!(read(&"<a>".repeat(1000)), None);
    }
}
