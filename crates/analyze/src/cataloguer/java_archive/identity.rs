//! What an archive is called: decided from its coordinates and file name, or left to data.
//!
//! An archive may hold many coordinates (its own and those of what was shaded into it). A manifest
//! alone names nothing: its titles are written for people (`Apache Tomcat`), and a wrong name hides
//! advisories. Such archives become evidence, with guesses best first.

use super::file_name::FileName;
use super::pom::Pom;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Guesses of one kind that are worth keeping.
const GUESSES_MAX: usize = 24;

/// What was read of one archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFact {
    /// Path within the outermost archive, empty for that itself.
    pub inner: String,
    /// Attributes of the manifest.
    pub manifest: BTreeMap<String, String>,
    /// All coordinates, sorted by path.
    pub poms: Vec<Pom>,
    /// Packages of the classes, most classes first.
    pub prefixes: Vec<String>,
    /// Whether there are classes.
    pub has_classes: bool,
    /// Whether there are archives inside.
    pub has_archives: bool,
    /// SHA-1 in hexadecimal, where the coordinates do not name the archive.
    pub sha1: String,
}

impl ArchiveFact {
    fn attribute(&self, name: &str) -> &str {
        self.manifest.get(name).map_or("", String::as_str)
    }
}

/// The coordinates that are the archive's own, by index.
pub fn of(name: &FileName<'_>, fact: &ArchiveFact) -> Option<usize> {
    let score = |pom: &Pom| {
        let artifact = pom.artifact == name.artifact
            || pom.artifact == name.stem
            || name.artifact.strip_prefix(pom.group.as_str()).and_then(|rest| rest.strip_prefix('.'))
                == Some(&pom.artifact);
        let version = !pom.version.is_empty() && pom.version == name.version;
        // Bundles: the group, or a class package, decides between equal names.
        let group = fact.prefixes.iter().any(|prefix| is_within(prefix, &pom.group));
        (u8::from(artifact), u8::from(version), u8::from(group))
    };
    let best = fact.poms.iter().map(score).max()?;
    let only = fact.poms.len() == 1;
    match best {
        // The name fits: of several that fit equally well the first by path.
        (1, _, _) => fact.poms.iter().position(|pom| score(pom) == best),
        (0, 1, _) if only => Some(0),
        _ if only && name.version.is_empty() => Some(0),
        _ => {
            let mut agreeing = fact.poms.iter().enumerate().filter(|(_, pom)| manifest_agrees(pom, fact));
            let (index, _) = agreeing.next()?;
            agreeing.next().is_none().then_some(index)
        }
    }
}

/// Whether the manifest speaks of these coordinates.
fn manifest_agrees(pom: &Pom, fact: &ArchiveFact) -> bool {
    let bundle = fact.attribute("Bundle-SymbolicName");
    let named = fact.attribute("Implementation-Title") == pom.artifact
        || bundle == pom.artifact
        || bundle.strip_suffix(pom.artifact.as_str()).is_some_and(|rest| rest.ends_with('.'));
    named
        && [fact.attribute("Implementation-Version"), fact.attribute("Bundle-Version")]
            .contains(&&*pom.version)
}

/// Whether a dotted name is `outer` or lies in it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Source code, documentation, and parts of the Java runtime: nothing that Maven data names.
pub fn is_beside_the_point(name: &FileName<'_>, fact: &ArchiveFact) -> bool {
    let texts = !fact.has_classes && !fact.has_archives;
    (texts && matches!(name.classifier, "sources" | "javadoc" | "test-sources" | "test-javadoc"))
        || name.stem == "jrt-fs"
        || fact.attribute("Implementation-Title") == "Java Runtime Environment"
}

/// Guesses for the version, best first.
pub fn versions(name: &FileName<'_>, fact: &ArchiveFact) -> Vec<String> {
    let mut guesses = Guesses::default();
    guesses.add(name.version);
    for attribute in ["Plugin-Version", "Implementation-Version", "Bundle-Version", "Specification-Version"] {
        let value = fact.attribute(attribute).split_whitespace().next().unwrap_or_default();
        if value.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) {
            guesses.add(value);
        }
    }
    guesses.found
}

/// Guesses for the artifact, best first.
pub fn names(name: &FileName<'_>, fact: &ArchiveFact) -> Vec<String> {
    let mut guesses = Guesses::default();
    guesses.add(name.artifact);
    for attribute in
        ["Short-Name", "Extension-Name", "Implementation-Title", "Bundle-SymbolicName", "Specification-Title"]
    {
        let value = fact.attribute(attribute);
        if is_dotted_name(value) {
            guesses.add(value.rsplit('.').next().unwrap_or_default());
            guesses.add(value);
        }
    }
    let module = fact.attribute("Automatic-Module-Name");
    if is_dotted_name(module) {
        guesses.add(&module.replace('.', "-"));
    }
    guesses.add(name.stem);
    guesses.found
}

/// Guesses for the group, best first; each with the groups it may lie in.
pub fn groups(name: &FileName<'_>, fact: &ArchiveFact) -> Vec<String> {
    let mut guesses = Guesses::default();
    for attribute in ["Group-Id", "Implementation-Vendor-Id"] {
        guesses.add_dotted(fact.attribute(attribute));
    }
    for prefix in fact.prefixes.iter().take(1) {
        guesses.add_dotted(prefix);
    }
    for attribute in
        ["Bundle-SymbolicName", "Automatic-Module-Name", "Implementation-Title", "Extension-Name"]
    {
        guesses.add_dotted(fact.attribute(attribute));
    }
    for prefix in fact.prefixes.iter().skip(1) {
        guesses.add_dotted(prefix);
    }
    // `org.apache.ant:ant` has its classes in `org.apache.tools.ant`.
    let outer = guesses.found.iter().find(|guess| guess.matches('.').count() == 1).cloned();
    let first_word = name.artifact.split('-').next().unwrap_or_default();
    for part in [name.artifact, first_word].into_iter().filter(|part| !part.contains('.')) {
        guesses.add_dotted(&outer.iter().map(String::as_str).chain([part]).collect::<Vec<_>>().join("."));
    }
    // Old artifacts are their own group: `dom4j:dom4j`, `mysql:mysql-connector-java`.
    guesses.add(name.artifact);
    guesses.add(first_word);
    guesses.found
}

fn is_dotted_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[derive(Default)]
struct Guesses {
    found: Vec<String>,
}

impl Guesses {
    fn add(&mut self, guess: &str) {
        let known = self.found.iter().any(|found| found == guess);
        if !guess.is_empty() && !known && guess.len() <= 200 && self.found.len() < GUESSES_MAX {
            self.found.push(guess.to_owned());
        }
    }
    /// A dotted name, then what it lies in, down to two parts.
    fn add_dotted(&mut self, name: &str) {
        let mut rest = name.trim_matches('.');
        if !is_dotted_name(rest) || !rest.contains('.') {
            return;
        }
        while rest.contains('.') {
            self.add(rest);
            rest = rest.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cataloguer::java_archive::file_name::split;

    fn pom(text: &str) -> Pom {
        let mut parts = text.split(':').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Pom { group: next(), artifact: next(), version: next(), path: String::new() }
    }

    #[test]
    fn own_coordinates_fit_the_name() {
        for (file, poms, manifest, own) in [
            ("a-1.0.jar", &["g:b:1.0", "g:a:1.0"][..], "", Some(1)),
            ("a-1.0.jar", &["g:a:1.0-SNAPSHOT"], "", Some(0)),
            ("app.jar", &["g:a:1.0"], "", Some(0)),
            ("app.jar", &["g:a:1.0", "g:b:1.0"], "", None),
            ("app.jar", &["g:a:1.0", "g:b:1.0"], "b", Some(1)),
            ("renamed-1.0.jar", &["g:a:1.0"], "", Some(0)),
            ("other-2.0.jar", &["g:shaded:1.0"], "", None),
            ("other-2.0.jar", &["g:shaded:2.0", "g:more:2.0"], "", None),
            ("g.h.a_1.2.3.jar", &["g.h:a:1.2.3"], "", Some(0)),
            ("thename-1.jar", &["com.multiple:thename:1", "org.multiple:thename:1"], "", Some(1)),
            ("a-1.0.jar", &[], "a", None),
        ] {
            let mut fact =
                ArchiveFact { poms: poms.iter().map(|p| pom(p)).collect(), ..ArchiveFact::default() };
            fact.prefixes = vec!["org.multiple.x".into()];
            if !manifest.is_empty() {
                fact.manifest.insert("Implementation-Title".into(), manifest.into());
                fact.manifest.insert("Implementation-Version".into(), "1.0".into());
            }
            assert_eq!(of(&split(file), &fact), own, "{file} {poms:?}");
        }
    }

    #[test]
    fn guesses_are_bounded_and_ordered() {
        let mut fact = ArchiveFact { prefixes: vec!["org.a.b".into(), "x".into()], ..ArchiveFact::default() };
        fact.manifest.insert("Bundle-SymbolicName".into(), "com.c.lib-d".into());
        fact.manifest.insert("Implementation-Version".into(), "1.0 (build 5)".into());
        fact.manifest.insert("Implementation-Title".into(), "Some Product".into());
        let name = split("lib-d-1.0.1.jar");
        assert_eq!(names(&name, &fact), ["lib-d", "com.c.lib-d", "lib-d-1.0.1"]);
        assert_eq!(versions(&name, &fact), ["1.0.1", "1.0"]);
        assert_eq!(
            groups(&name, &fact),
            ["org.a.b", "org.a", "com.c.lib-d", "com.c", "org.a.lib-d", "org.a.lib", "lib-d", "lib"]
        );
        fact.prefixes = (0..100).map(|n| format!("a.b.c{n}")).collect();
        assert_eq!(groups(&name, &fact).len(), GUESSES_MAX);
    }
}
