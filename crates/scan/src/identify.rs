//! Names software that carries no coordinates (a jar without pom.properties) by what data know:
//! artifact names that advisories speak of, checked against the classes inside. What data do not
//! know is named by its own evidence, so that the inventory is whole; it cannot be vulnerable by
//! data that never mention it. Nothing is guessed from a single hint that contradicts another.

use seaworthy_advisory::Lookup;
use seaworthy_types::{Inventory, Location, Note, Outcome, Package, Unidentified};

/// `found_by` of packages named here.
pub const UNIT: &str = "identify";

/// Names what can be named; evidence stays in the inventory, so that newer data may say more.
pub fn identify(mut inventory: Inventory, data: &dyn Lookup) -> Outcome<Inventory> {
    let mut notes = Vec::new();
    inventory.packages.retain(|package| package.found_by != UNIT);
    let mut named = Vec::new();
    for evidence in &inventory.unidentified {
        match name(evidence, data) {
            Ok(Some(package)) => named.push(package),
            Ok(None) => {}
            Err(error) => notes.push(Note::gap("data-damaged", UNIT, &evidence.path, error)),
        }
    }
    inventory.packages.extend(named);
    inventory.normalise();
    notes.sort();
    notes.dedup();
    Outcome { value: inventory, notes }
}

fn name(evidence: &Unidentified, data: &dyn Lookup) -> Result<Option<Package>, String> {
    let Some(version) = evidence.versions.first() else { return Ok(None) };
    if let Some(name) = crate::homes::coordinates(evidence, version) {
        return Ok(Some(package(evidence, &name, version, "file name and classes; a group of its own")));
    }
    for artifact in &evidence.names {
        let known = data.names_ending(&evidence.ecosystem, artifact).map_err(|error| error.to_string())?;
        if let Some((name, why)) = choose(&known, artifact, evidence) {
            return Ok(Some(package(evidence, name, version, why)));
        }
    }
    Ok(by_itself(evidence)
        .map(|name| package(evidence, &name, version, "names and classes inside; unknown to the data")))
}

/// The known artifact that the evidence fits.
fn choose<'k>(
    known: &'k [String],
    artifact: &str,
    evidence: &Unidentified,
) -> Option<(&'k str, &'static str)> {
    let group_of = |name: &'k str| name.split_once(':').map_or("", |(group, _)| group);
    let best = known
        .iter()
        .map(|name| (agreement(group_of(name), evidence), name.as_str()))
        .filter(|(agreement, _)| *agreement > 0)
        .max_by(|(a, x), (b, y)| a.cmp(b).then_with(|| y.cmp(x)));
    if let Some((_, name)) = best {
        return Some((name, "file name and classes inside"));
    }
    // Groups such as `com.h2database` say nothing of the packages inside (`org.h2`): the artifact's
    // own name among the packages is the second witness.
    match known {
        [only]
            if evidence
                .groups
                .iter()
                .any(|group| group.split('.').any(|part| part.eq_ignore_ascii_case(artifact))) =>
        {
            Some((only, "file name; the only artifact of that name in the data"))
        }
        _ => None,
    }
}

/// How many leading parts a Maven group shares with the evidence, when one is the start of the other.
fn agreement(group: &str, evidence: &Unidentified) -> usize {
    let shared = |other: &String| {
        let (a, b): (Vec<&str>, Vec<&str>) = (group.split('.').collect(), other.split('.').collect());
        let count = a.iter().zip(&b).take_while(|(x, y)| x.eq_ignore_ascii_case(y)).count();
        // `org` alone is shared by half the world.
        if count >= 2 && count + 1 >= a.len().min(b.len()) { count } else { 0 }
    };
    evidence.groups.iter().map(shared).max().unwrap_or(0)
}

/// A name from the evidence alone: group and artifact as it tells them.
fn by_itself(evidence: &Unidentified) -> Option<String> {
    let artifact = evidence.names.first()?;
    evidence.groups.first().map(|group| format!("{group}:{artifact}"))
}

fn package(evidence: &Unidentified, name: &str, version: &str, why: &str) -> Package {
    let mut package = Package::new(&evidence.ecosystem, name, version, UNIT);
    package.evidence = why.into();
    package.locations = vec![Location { path: evidence.path.clone(), layer: evidence.layer }];
    package.layer = evidence.first_layer.or(evidence.layer);
    package.owner.clone_from(&evidence.owner);
    package
}

#[cfg(test)]
mod tests {
    use super::*;
    use seaworthy_advisory::{LookupError, Record};
    use seaworthy_types::{DataSource, Enrichment};

    struct Names(&'static [&'static str]);

    impl Lookup for Names {
        fn source(&self, _shard: &str) -> Option<DataSource> {
            None
        }
        fn records(&self, _shard: &str, _package: &str) -> Result<Vec<Record>, LookupError> {
            Ok(Vec::new())
        }
        fn enrichment(&self, _id: &str) -> Result<Enrichment, LookupError> {
            Ok(Enrichment::default())
        }
        fn names_ending(&self, _shard: &str, name: &str) -> Result<Vec<String>, LookupError> {
            Ok(self
                .0
                .iter()
                .filter(|full| full.ends_with(&format!(":{name}")))
                .map(|s| (*s).to_owned())
                .collect())
        }
    }

    fn named(names: &[&str], groups: &[&str], known: &'static [&'static str]) -> Option<String> {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let evidence = Unidentified {
            ecosystem: "maven".into(),
            names: own(names),
            groups: own(groups),
            versions: vec!["1.0".into()],
            path: "a.jar".into(),
            ..Unidentified::default()
        };
        let inventory = Inventory { unidentified: vec![evidence], ..Inventory::default() };
        let outcome = identify(inventory, &Names(known));
        outcome.value.packages.first().map(|package| package.name.clone())
    }

    #[test]
    fn classes_choose_among_known_artifacts() {
        let known = &["org.springframework:spring-beans", "com.evil:spring-beans"];
        let spring = named(&["spring-beans"], &["org.springframework.beans"], known);
        assert_eq!(spring.as_deref(), Some("org.springframework:spring-beans"));
        let h2 = named(&["h2"], &["org.h2"], &["com.h2database:h2"]);
        assert_eq!(h2.as_deref(), Some("com.h2database:h2"));
    }

    #[test]
    fn contradictions_are_not_guessed_away() {
        let other = named(&["core"], &["net.mine.core"], &["org.theirs:core", "com.theirs:core"]);
        assert_eq!(other.as_deref(), Some("net.mine.core:core"));
        assert_eq!(named(&["core"], &[], &["org.theirs:core"]), None);
        assert_eq!(named(&[], &["org.x"], &[]), None);
    }
}
