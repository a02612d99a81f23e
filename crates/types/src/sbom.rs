//! The vocabulary of our own software bills of materials: what Seaworthy writes into CycloneDX
//! `properties` and SPDX `annotations` so that its own document, scanned again, gives the same
//! inventory and the same notes as the target it was made from. Used by the writers (`report`) and
//! the readers (`analyze`); nobody else spells these names.
//!
//! All names start with `seaworthy:`. A name may be repeated where it says "each". Whatever has
//! its default value is left out. Formats: CycloneDX 1.6 `property`, SPDX 2.3 clause 12.

use crate::{Inventory, Location, Note, Origin, OsRelease, Package, Scope, SourcePackage, Unidentified};

/// Names and values in the order in which they are written.
pub type Properties = Vec<(String, String)>;

/// Version of this vocabulary, `1`; on the document. A reader that meets a higher one says so.
pub const VOCABULARY: &str = "seaworthy:vocabulary";
/// The version written today.
pub const VOCABULARY_VERSION: &str = "1";
/// First word of the comment of an SPDX annotation that holds properties; after a blank follows a
/// JSON list of [name, value] pairs.
pub const ANNOTATION: &str = "seaworthy:properties";
/// The target as the user named it; on the document.
pub const TARGET_NAME: &str = "seaworthy:target-name";
/// `types::TargetKind` in kebab case; on the document.
pub const TARGET_KIND: &str = "seaworthy:target-kind";
/// `types::ImageFacts` as JSON; on the document.
pub const IMAGE: &str = "seaworthy:image";
/// Each note of the stages before matching, as JSON of `types::Note`; on the document.
pub const NOTE: &str = "seaworthy:note";

/// `ID` of os-release(5); its presence says that the target has an operating system.
pub const OS_ID: &str = "seaworthy:os:id";
/// `VERSION_ID`.
pub const OS_VERSION_ID: &str = "seaworthy:os:version-id";
/// `VERSION_CODENAME`.
pub const OS_CODENAME: &str = "seaworthy:os:codename";
/// `PRETTY_NAME`.
pub const OS_PRETTY_NAME: &str = "seaworthy:os:pretty-name";
/// Each word of `ID_LIKE`, in order.
pub const OS_ID_LIKE: &str = "seaworthy:os:id-like";
/// `CPE_NAME`.
pub const OS_CPE_NAME: &str = "seaworthy:os:cpe-name";
/// `VARIANT_ID`.
pub const OS_VARIANT_ID: &str = "seaworthy:os:variant-id";

/// Ecosystem id; its presence says that the component is a package of our inventory.
pub const ECOSYSTEM: &str = "seaworthy:ecosystem";
/// Exact name of the package, as matching needs it.
pub const NAME: &str = "seaworthy:name";
/// Exact version of the package.
pub const VERSION: &str = "seaworthy:version";
/// Architecture of a distribution package.
pub const ARCHITECTURE: &str = "seaworthy:architecture";
/// Name of the source package.
pub const SOURCE_NAME: &str = "seaworthy:source-name";
/// Version of the source package.
pub const SOURCE_VERSION: &str = "seaworthy:source-version";
/// `third-party` when evidence says that the distribution did not make it.
pub const ORIGIN: &str = "seaworthy:origin";
/// `development` when it is not needed to run.
pub const SCOPE: &str = "seaworthy:scope";
/// Each licence as recorded.
pub const LICENCE: &str = "seaworthy:licence";
/// Each place: layer of the visible copy (`-` when there is none), a blank, the path.
pub const LOCATION: &str = "seaworthy:location";
/// Layer in which this version first appears, 0 for the lowest.
pub const LAYER: &str = "seaworthy:layer";
/// The distribution package that owns the files.
pub const OWNER: &str = "seaworthy:owner";
/// The cataloguer that found it.
pub const FOUND_BY: &str = "seaworthy:found-by";
/// What names it, when its own record does not.
pub const EVIDENCE: &str = "seaworthy:evidence";
/// Start of the name of each fact of the ecosystem: `seaworthy:fact:modularity`.
pub const FACT: &str = "seaworthy:fact:";

/// Ecosystem id of evidence nobody has named yet; its presence says that the component is such.
pub const UNIDENTIFIED: &str = "seaworthy:unidentified";
/// Path of the evidence.
pub const PATH: &str = "seaworthy:path";
/// Layer of the visible copy.
pub const VISIBLE_LAYER: &str = "seaworthy:visible-layer";
/// SHA-1 of the content.
pub const SHA1: &str = "seaworthy:sha1";
/// Each guess of the name, best first.
pub const NAME_GUESS: &str = "seaworthy:name-guess";
/// Each guess of the version, best first.
pub const VERSION_GUESS: &str = "seaworthy:version-guess";
/// Each guess of the group, best first.
pub const GROUP_GUESS: &str = "seaworthy:group-guess";

/// Stable id of a finding; on each vulnerability.
pub const FINDING_ID: &str = "seaworthy:finding-id";
/// Priority of a finding, 0 to 1000; on each vulnerability.
pub const PRIORITY: &str = "seaworthy:priority";
/// Day on which the vulnerability joined the catalogue of exploited ones; on each vulnerability.
pub const EXPLOITED_SINCE: &str = "seaworthy:exploited-since";
/// Probability of exploitation (EPSS), 0 to 1; on each vulnerability.
pub const EPSS: &str = "seaworthy:epss";
/// What suppresses a finding; on each vulnerability that does not count.
pub const SUPPRESSED_BY: &str = "seaworthy:suppressed-by";

/// Units whose notes speak of data, decisions or naming rather than of the target: they are made
/// anew whenever a document is scanned and would be stale inside it.
pub const RECOMPUTED_UNITS: [&str; 9] =
    ["advisory", "data", "database", "db", "enrich", "identify", "match", "policy", "vex"];

/// Whether a note belongs into the document: the stages that read the target made it.
pub fn is_carried(note: &Note) -> bool {
    !RECOMPUTED_UNITS.contains(&note.unit.as_str())
}

/// Properties of a package.
pub fn of_package(package: &Package) -> Properties {
    let mut out = Properties::with_capacity(8);
    let mut put = |name: &str, value: String| out.push((name.to_owned(), value));
    put(ECOSYSTEM, package.ecosystem.clone());
    put(NAME, package.name.clone());
    put(VERSION, package.version.clone());
    if let Some(architecture) = &package.architecture {
        put(ARCHITECTURE, architecture.clone());
    }
    if let Some(source) = &package.source {
        put(SOURCE_NAME, source.name.clone());
        put(SOURCE_VERSION, source.version.clone());
    }
    if package.origin == Origin::ThirdParty {
        put(ORIGIN, "third-party".into());
    }
    if package.scope == Scope::Development {
        put(SCOPE, "development".into());
    }
    for licence in &package.licences {
        put(LICENCE, licence.clone());
    }
    for location in &package.locations {
        put(LOCATION, location_text(location));
    }
    if let Some(layer) = package.layer {
        put(LAYER, layer.to_string());
    }
    if let Some(owner) = &package.owner {
        put(OWNER, owner.clone());
    }
    if !package.found_by.is_empty() {
        put(FOUND_BY, package.found_by.clone());
    }
    if !package.evidence.is_empty() {
        put(EVIDENCE, package.evidence.clone());
    }
    for (key, value) in &package.facts {
        put(&format!("{FACT}{key}"), value.clone());
    }
    out
}

/// The package that these properties describe; `None` when they are not those of a package.
/// Names that are not known are left out.
pub fn to_package<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Package> {
    let mut package = Package::default();
    let (mut known, mut source_name, mut source_version) = (false, None, None);
    for (name, value) in properties {
        let text = || value.to_owned();
        match name {
            ECOSYSTEM => {
                known = !value.is_empty();
                package.ecosystem = text();
            }
            NAME => package.name = text(),
            VERSION => package.version = text(),
            ARCHITECTURE => package.architecture = Some(text()),
            SOURCE_NAME => source_name = Some(text()),
            SOURCE_VERSION => source_version = Some(text()),
            ORIGIN if value == "third-party" => package.origin = Origin::ThirdParty,
            SCOPE if value == "development" => package.scope = Scope::Development,
            LICENCE => package.licences.push(text()),
            LOCATION => package.locations.push(location_of(value)),
            LAYER => package.layer = value.parse().ok(),
            OWNER => package.owner = Some(text()),
            FOUND_BY => package.found_by = text(),
            EVIDENCE => package.evidence = text(),
            other => {
                if let Some(key) = other.strip_prefix(FACT) {
                    package.facts.insert(key.to_owned(), text());
                }
            }
        }
    }
    package.source =
        source_name.map(|name| SourcePackage { name, version: source_version.unwrap_or_default() });
    (known && !package.name.is_empty()).then_some(package)
}

/// Properties of evidence nobody has named yet.
pub fn of_unidentified(evidence: &Unidentified) -> Properties {
    let mut out = Properties::new();
    let mut put = |name: &str, value: &str| out.push((name.to_owned(), value.to_owned()));
    put(UNIDENTIFIED, &evidence.ecosystem);
    put(PATH, &evidence.path);
    for (name, layer) in [(VISIBLE_LAYER, evidence.layer), (LAYER, evidence.first_layer)] {
        if let Some(layer) = layer {
            put(name, &layer.to_string());
        }
    }
    if !evidence.sha1.is_empty() {
        put(SHA1, &evidence.sha1);
    }
    let guesses =
        [(NAME_GUESS, &evidence.names), (VERSION_GUESS, &evidence.versions), (GROUP_GUESS, &evidence.groups)];
    for (name, values) in guesses {
        for value in values {
            put(name, value);
        }
    }
    if let Some(owner) = &evidence.owner {
        put(OWNER, owner);
    }
    if !evidence.found_by.is_empty() {
        put(FOUND_BY, &evidence.found_by);
    }
    out
}

/// The evidence that these properties describe; `None` when they are not those of evidence.
pub fn to_unidentified<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Unidentified> {
    let mut evidence = Unidentified::default();
    let mut known = false;
    for (name, value) in properties {
        let text = || value.to_owned();
        match name {
            UNIDENTIFIED => {
                known = true;
                evidence.ecosystem = text();
            }
            PATH => evidence.path = text(),
            VISIBLE_LAYER => evidence.layer = value.parse().ok(),
            LAYER => evidence.first_layer = value.parse().ok(),
            SHA1 => evidence.sha1 = text(),
            NAME_GUESS => evidence.names.push(text()),
            VERSION_GUESS => evidence.versions.push(text()),
            GROUP_GUESS => evidence.groups.push(text()),
            OWNER => evidence.owner = Some(text()),
            FOUND_BY => evidence.found_by = text(),
            _ => {}
        }
    }
    known.then_some(evidence)
}

/// Properties of the operating system.
pub fn of_os(os: &OsRelease) -> Properties {
    let mut out = vec![(OS_ID.to_owned(), os.id.clone())];
    let mut put = |name: &str, value: &String| {
        if !value.is_empty() {
            out.push((name.to_owned(), value.clone()));
        }
    };
    put(OS_VERSION_ID, &os.version_id);
    put(OS_CODENAME, &os.codename);
    put(OS_PRETTY_NAME, &os.pretty_name);
    put(OS_CPE_NAME, &os.cpe_name);
    put(OS_VARIANT_ID, &os.variant_id);
    out.extend(os.id_like.iter().map(|word| (OS_ID_LIKE.to_owned(), word.clone())));
    out
}

/// The operating system that these properties describe, if they describe one.
pub fn to_os<'a>(properties: impl Iterator<Item = (&'a str, &'a str)>) -> Option<OsRelease> {
    let mut os = OsRelease::default();
    let mut known = false;
    for (name, value) in properties {
        let text = || value.to_owned();
        match name {
            OS_ID => {
                known = true;
                os.id = text();
            }
            OS_VERSION_ID => os.version_id = text(),
            OS_CODENAME => os.codename = text(),
            OS_PRETTY_NAME => os.pretty_name = text(),
            OS_CPE_NAME => os.cpe_name = text(),
            OS_VARIANT_ID => os.variant_id = text(),
            OS_ID_LIKE => os.id_like.push(text()),
            _ => {}
        }
    }
    known.then_some(os)
}

/// Components that a document of this inventory has: packages and evidence.
pub fn components(inventory: &Inventory) -> usize {
    inventory.packages.len() + inventory.unidentified.len()
}

fn location_text(location: &Location) -> String {
    match location.layer {
        Some(layer) => format!("{layer} {}", location.path),
        None => format!("- {}", location.path),
    }
}

fn location_of(text: &str) -> Location {
    let (layer, path) = text.split_once(' ').unwrap_or(("-", text));
    Location { path: path.to_owned(), layer: layer.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(properties: &Properties) -> impl Iterator<Item = (&str, &str)> {
        properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[test]
    fn a_package_comes_back() {
        let mut package = Package::new("deb", "libssl3", "1:3.0.11-1~deb12u2", "dpkg");
        assert_eq!(to_package(pairs(&of_package(&package))), Some(package.clone()));
        package.architecture = Some(String::new());
        package.source = Some(SourcePackage { name: "openssl".into(), version: String::new() });
        package.origin = Origin::ThirdParty;
        package.scope = Scope::Development;
        package.licences = vec!["MIT".into(), String::new(), "a\nb".into()];
        package.locations = vec![
            Location { path: "a b c".into(), layer: None },
            Location { path: String::new(), layer: Some(3) },
        ];
        package.layer = Some(0);
        package.owner = Some("x".into());
        package.evidence = "file name".into();
        package.facts.insert(String::new(), "\u{1b}[31m".into());
        package.facts.insert("a:b=c".into(), String::new());
        assert_eq!(to_package(pairs(&of_package(&package))), Some(package));
        assert_eq!(to_package([(NAME, "x")].into_iter()), None);
    }

    #[test]
    fn evidence_and_system_come_back() {
        let evidence = Unidentified {
            ecosystem: "maven".into(),
            path: "opt/a b.jar".into(),
            layer: Some(1),
            first_layer: Some(0),
            sha1: "da".into(),
            names: vec!["b".into(), "a".into()],
            versions: vec![String::new()],
            groups: vec!["g".into()],
            owner: Some(String::new()),
            found_by: "jar".into(),
        };
        assert_eq!(to_unidentified(pairs(&of_unidentified(&evidence))), Some(evidence));
        let empty = Unidentified::default();
        assert_eq!(to_unidentified(pairs(&of_unidentified(&empty))), Some(empty));
        let os = OsRelease { id: "x".into(), id_like: vec!["b".into(), "a".into()], ..OsRelease::default() };
        assert_eq!(to_os(pairs(&of_os(&os))), Some(os));
        assert_eq!(to_os(std::iter::empty()), None);
    }
}
