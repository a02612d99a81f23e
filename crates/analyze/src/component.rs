//! Components of bills of materials that other tools made: from package URL and the hints of known
//! tools to a package that matching understands. What has no usable identity is counted and noted,
//! so that ten thousand such components make a few notes and never none.
//!
//! Package URLs: ECMA-427. Hints: the property names `syft:…` and `aquasecurity:trivy:…`, and the
//! qualifiers `upstream`, `distro`, `epoch`, `arch`, `rpmmod`, as these tools write them.

use seaworthy_types::{
    Inventory, Limits, Location, Note, OsRelease, Outcome, Package, Purl, SourcePackage, distribution,
    ecosystem,
};
use std::collections::BTreeMap;

/// Names shown in one note.
const EXAMPLES_MAX: usize = 3;
/// Kinds of loss that are told apart; the rest is pooled.
const KINDS_MAX: usize = 40;

/// One component as its format gives it.
#[derive(Default)]
pub struct Component<'a> {
    /// Name, for notes.
    pub name: &'a str,
    /// Version field.
    pub version: &'a str,
    /// Package URLs, the first usable one counts.
    pub purls: Vec<&'a str>,
    /// Licences.
    pub licences: Vec<String>,
    /// Paths where it was seen.
    pub paths: Vec<String>,
    /// Names and values that the tool added.
    pub hints: Vec<(&'a str, &'a str)>,
}

impl<'a> Component<'a> {
    /// The hint with this name.
    pub fn hint(&self, name: &str) -> Option<&'a str> {
        self.hints.iter().find(|(key, value)| *key == name && !value.is_empty()).map(|(_, value)| *value)
    }
}

#[derive(Default)]
struct Tally {
    count: u64,
    examples: Vec<String>,
}

/// Collects components of one document.
pub struct Intake {
    unit: &'static str,
    packages_max: u64,
    /// What was understood so far.
    pub inventory: Inventory,
    notes: Vec<Note>,
    losses: BTreeMap<(bool, &'static str, String), Tally>,
    distributions: BTreeMap<(String, String), u64>,
}

impl Intake {
    /// An empty intake of the reader `unit`.
    pub fn new(unit: &'static str, limits: &Limits) -> Self {
        Self {
            unit,
            packages_max: limits.packages_max,
            inventory: Inventory::default(),
            notes: Vec::new(),
            losses: BTreeMap::new(),
            distributions: BTreeMap::new(),
        }
    }

    /// Adds a note.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Adds a package as it is, if there is room.
    pub fn package(&mut self, package: Package) {
        if self.inventory.packages.len() as u64 >= self.packages_max {
            self.lose("too-many-packages", "", &package.name);
            return;
        }
        self.inventory.packages.push(package);
    }

    /// Counts a component that is lost: a gap. `kind` tells apart what is lost.
    pub fn lose(&mut self, code: &'static str, kind: &str, name: &str) {
        self.tally(true, code, kind, name);
    }

    /// Counts a component that is no package by its nature: worth knowing, nothing is lost.
    pub fn pass(&mut self, code: &'static str, kind: &str, name: &str) {
        self.tally(false, code, kind, name);
    }

    fn tally(&mut self, gap: bool, code: &'static str, kind: &str, name: &str) {
        let mut key = (gap, code, clipped(kind, 40));
        if self.losses.len() >= KINDS_MAX && !self.losses.contains_key(&key) {
            key.2 = "other kinds".into();
        }
        let tally = self.losses.entry(key).or_default();
        tally.count += 1;
        if tally.examples.len() < EXAMPLES_MAX {
            tally.examples.push(clipped(name, 80));
        }
    }

    /// Takes a component of a foreign document.
    pub fn component(&mut self, component: &Component<'_>) {
        let parsed: Vec<Purl> = component.purls.iter().filter_map(|text| Purl::parse(text).ok()).collect();
        let known = parsed.iter().find(|purl| ecosystem_of(&purl.kind).is_some());
        let Some(purl) = known.or(parsed.first()) else {
            let kind = if component.purls.is_empty() {
                "without a package URL"
            } else {
                "with a broken package URL"
            };
            self.lose("component-unidentified", kind, component.name);
            return;
        };
        if matches!(purl.kind.as_str(), "oci" | "docker") {
            self.pass("component-not-a-package", "container image", component.name);
            return;
        }
        let Some(record) = ecosystem_of(&purl.kind) else {
            self.lose("component-ecosystem", &format!("of type {}", purl.kind), component.name);
            return;
        };
        let version = version_of(purl, component);
        if version.is_empty() {
            self.lose("component-without-version", &format!("of type {}", purl.kind), component.name);
            return;
        }
        let name = (record.purl_join)(purl.namespace.as_deref(), &purl.name);
        let mut package = Package::new(record.id, name, version, self.unit);
        if record.of_distribution {
            package.architecture = purl.qualifiers.get("arch").cloned();
            package.source = source_of(purl, component, &package);
            self.count_distribution(purl);
        }
        let modularity = component
            .hint("aquasecurity:trivy:Modularitylabel")
            .or_else(|| component.hint("syft:metadata:modularityLabel"));
        if let Some(label) = modularity.or_else(|| purl.qualifiers.get("rpmmod").map(String::as_str)) {
            package.facts.insert("modularity".into(), label.to_owned());
        }
        package.licences.clone_from(&component.licences);
        package.locations = component
            .paths
            .iter()
            .map(|path| Location { path: path.trim_start_matches('/').to_owned(), layer: None })
            .collect();
        self.package(package);
    }

    fn count_distribution(&mut self, purl: &Purl) {
        let Some(text) = purl.qualifiers.get("distro") else { return };
        let (id, version) = split_distribution(text, purl.namespace.as_deref().unwrap_or_default());
        if self.distributions.len() < KINDS_MAX
            || self.distributions.contains_key(&(id.clone(), version.clone()))
        {
            *self.distributions.entry((id, version)).or_default() += 1;
        }
    }

    /// Takes an operating-system component.
    pub fn system(&mut self, component: &Component<'_>) {
        let hint = |name: &str| component.hint(name).unwrap_or_default().to_owned();
        let id = component.hint("syft:distro:id").unwrap_or(component.name);
        let version = component.hint("syft:distro:versionID").unwrap_or(component.version);
        let os = OsRelease {
            id: os_id(id),
            version_id: version.to_owned(),
            codename: hint("syft:distro:versionCodename"),
            pretty_name: match component.hint("syft:distro:prettyName") {
                Some(pretty) => pretty.to_owned(),
                None if component.name.contains(' ') => component.name.to_owned(),
                None => String::new(),
            },
            id_like: component
                .hints
                .iter()
                .filter(|(name, _)| name.starts_with("syft:distro:idLike:"))
                .map(|(_, value)| (*value).to_owned())
                .collect(),
            cpe_name: hint("syft:distro:cpeName"),
            variant_id: hint("syft:distro:variantID"),
        };
        match &self.inventory.os {
            None => self.inventory.os = Some(os),
            Some(first) if *first != os => {
                let detail = format!(
                    "the document names a second operating system, {}; packages are matched against {} only",
                    os.label(),
                    first.label()
                );
                let unit = self.unit;
                self.note(Note::gap("sbom-several-systems", unit, clipped(&os.label(), 80), detail));
            }
            Some(_) => {}
        }
    }

    /// Notes of the document and the inventory, sorted.
    pub fn finish(mut self, foreign: bool) -> Outcome<Inventory> {
        if foreign {
            self.settle_system();
        }
        for ((gap, code, kind), tally) in std::mem::take(&mut self.losses) {
            let what = match tally.count {
                1 => format!("1 component {kind}"),
                n => format!("{n} components {kind}"),
            };
            let more = if tally.count > tally.examples.len() as u64 { ", …" } else { "" };
            let detail =
                format!("{}: {}: {}{more}", what.trim_end(), sentence(code), tally.examples.join(", "));
            let note = if gap { Note::gap } else { Note::info };
            self.notes.push(note(code, self.unit, kind, detail));
        }
        if foreign && self.inventory.packages.is_empty() && !self.notes.iter().any(is_gap) {
            let detail = "the document names no package, so nothing could be checked";
            self.notes.push(Note::gap("sbom-empty", self.unit, "", detail));
        }
        self.inventory.normalise();
        self.notes.sort();
        self.notes.dedup();
        Outcome { value: self.inventory, notes: self.notes }
    }

    /// The operating system out of package URLs, where no component names it.
    fn settle_system(&mut self) {
        let mut seen: Vec<((String, String), u64)> =
            std::mem::take(&mut self.distributions).into_iter().collect();
        seen.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let of_distribution = self
            .inventory
            .packages
            .iter()
            .filter(|p| ecosystem::by_id(&p.ecosystem).is_some_and(|record| record.of_distribution))
            .count();
        if self.inventory.os.is_none() {
            if let Some(((id, version), _)) = seen.first() {
                let numbered = version.starts_with(|c: char| c.is_ascii_digit());
                let (version_id, codename) = if numbered {
                    (version.clone(), String::new())
                } else {
                    (String::new(), version.clone())
                };
                self.inventory.os =
                    Some(OsRelease { id: id.clone(), version_id, codename, ..OsRelease::default() });
            } else if of_distribution > 0 {
                let detail = format!(
                    "the document does not say which distribution its {of_distribution} distribution packages belong to; \
                     make it with a tool that writes an operating-system component or the purl qualifier `distro`"
                );
                self.notes.push(Note::gap("sbom-without-distribution", self.unit, "", detail));
            }
        }
        let chosen = self.inventory.os.as_ref().map(OsRelease::shard);
        let others: Vec<String> = seen
            .iter()
            .filter(|((id, version), _)| {
                let numbered = version.starts_with(|c: char| c.is_ascii_digit());
                let (version_id, codename) = if numbered {
                    (version.clone(), String::new())
                } else {
                    (String::new(), version.clone())
                };
                let other = OsRelease { id: id.clone(), version_id, codename, ..OsRelease::default() };
                Some(other.shard()) != chosen
            })
            .take(EXAMPLES_MAX)
            .map(|((id, version), count)| clipped(&format!("{id} {version} ({count} packages)"), 80))
            .collect();
        if !others.is_empty() {
            let detail = format!(
                "packages say that they belong to {}; all are matched against {}",
                others.join(", "),
                self.inventory.os.as_ref().map(OsRelease::label).unwrap_or_default()
            );
            self.notes.push(Note::gap("sbom-several-systems", self.unit, "", detail));
        }
    }
}

fn is_gap(note: &Note) -> bool {
    note.grade == seaworthy_types::Grade::Gap
}

fn sentence(code: &str) -> &'static str {
    match code {
        "component-unidentified" => "they cannot be matched with advisories",
        "component-ecosystem" => "no data speaks of this kind of package",
        "component-without-version" => "without a version nothing can be compared",
        "component-not-a-package" => "not a package, so nothing is matched",
        "too-many-packages" => "the limit on packages was reached, they were left out: raise --max-memory",
        _ => "left out",
    }
}

/// Shortens a text from the document for a note.
pub fn clipped(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn ecosystem_of(purl_type: &str) -> Option<&'static ecosystem::Ecosystem> {
    // Syft wrote `alpine` before the type `apk` was registered.
    ecosystem::by_purl_type(if purl_type == "alpine" { "apk" } else { purl_type })
}

/// The version with its epoch, which some tools put into a qualifier (deb, rpm).
fn version_of(purl: &Purl, component: &Component<'_>) -> String {
    let version = purl.version.as_deref().unwrap_or(component.version);
    let has_epoch =
        version.split_once(':').is_some_and(|(epoch, _)| epoch.bytes().all(|b| b.is_ascii_digit()));
    match purl.qualifiers.get("epoch").map(String::as_str) {
        Some(epoch) if epoch != "0" && !has_epoch && !version.is_empty() => format!("{epoch}:{version}"),
        _ => version.strip_prefix("0:").filter(|_| purl.kind == "rpm").unwrap_or(version).to_owned(),
    }
}

/// The source package: Trivy's properties, Syft's qualifier `upstream`, Syft's properties.
fn source_of(purl: &Purl, component: &Component<'_>, package: &Package) -> Option<SourcePackage> {
    let found = trivy_source(component)
        .or_else(|| syft_source(purl.qualifiers.get("upstream")?, package))
        .or_else(|| syft_source(component.hint("syft:metadata:sourceRpm")?, package))
        .or_else(|| {
            let name =
                component.hint("syft:metadata:source").or(component.hint("syft:metadata:originPackage"))?;
            let version = component.hint("syft:metadata:sourceVersion").unwrap_or(&package.version);
            Some(SourcePackage { name: name.to_owned(), version: version.to_owned() })
        })?;
    let same = found.name == package.name && found.version == package.version;
    (!same && !found.name.is_empty()).then_some(found)
}

fn trivy_source(component: &Component<'_>) -> Option<SourcePackage> {
    let hint = |key: &str| component.hint(key);
    let name = hint("aquasecurity:trivy:SrcName")?.to_owned();
    let mut version = hint("aquasecurity:trivy:SrcVersion")?.to_owned();
    if let Some(release) = hint("aquasecurity:trivy:SrcRelease") {
        version = format!("{version}-{release}");
    }
    if let Some(epoch) = hint("aquasecurity:trivy:SrcEpoch").filter(|epoch| *epoch != "0") {
        version = format!("{epoch}:{version}");
    }
    Some(SourcePackage { name, version })
}

/// `glibc`, `glibc@2.36-9` or `audit-2.8.5-4.el7.src.rpm`.
fn syft_source(text: &str, package: &Package) -> Option<SourcePackage> {
    if let Some(stem) = text.strip_suffix(".src.rpm").or_else(|| text.strip_suffix(".nosrc.rpm")) {
        let mut parts = stem.rsplitn(3, '-');
        let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
        // The file name has no epoch; binary packages have that of their source but for rare cases.
        let epoch = package.version.split_once(':').map(|(epoch, _)| format!("{epoch}:")).unwrap_or_default();
        return Some(SourcePackage { name: name.to_owned(), version: format!("{epoch}{version}-{release}") });
    }
    let (name, version) = text.split_once('@').unwrap_or((text, &package.version));
    Some(SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

/// `debian-12.4`, `opensuse-leap-15.5`, a lone `3.18.4`, or a code name.
fn split_distribution(text: &str, namespace: &str) -> (String, String) {
    let cut = text
        .char_indices()
        .filter(|(_, c)| *c == '-')
        .map(|(at, _)| at)
        .find(|at| text.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let (id, version) = match cut {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None if distribution::ALL.iter().any(|d| d.os_ids.contains(&text)) => (text, ""),
        None => ("", text),
    };
    (os_id(if id.is_empty() { namespace } else { id }), version.to_owned())
}

/// `ID` of os-release(5) for the names that tools use.
fn os_id(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if distribution::ALL.iter().any(|d| d.os_ids.contains(&name.as_str())) {
        return name;
    }
    let by_namespace = distribution::ALL.iter().find(|d| d.purl_namespace == name);
    if let Some(id) = by_namespace.and_then(|d| d.os_ids.first()) {
        return (*id).to_owned();
    }
    match name.as_str() {
        "alma" => "almalinux".into(),
        "opensuse.leap" | "opensuse leap" => "opensuse-leap".into(),
        "opensuse.tumbleweed" | "opensuse tumbleweed" => "opensuse-tumbleweed".into(),
        "suse linux enterprise server" | "suse" => "sles".into(),
        "oracle" => "ol".into(),
        "amazon" => "amzn".into(),
        // Claircore writes the pretty name: `Debian GNU/Linux`, `Red Hat Enterprise Linux Server`.
        _ => {
            let first = name.split(' ').next().unwrap_or_default();
            let by_label = distribution::ALL.iter().find(|d| name.starts_with(&d.label.to_ascii_lowercase()));
            let by_word = distribution::ALL.iter().find(|d| d.os_ids.contains(&first));
            match (by_label, by_word) {
                (Some(record), _) => record.os_ids.first().map_or(name.clone(), |id| (*id).to_owned()),
                (None, Some(_)) => first.to_owned(),
                (None, None) => name,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_of_qualifiers() {
        for (text, namespace, id, version) in [
            ("debian-12.4", "debian", "debian", "12.4"),
            ("opensuse-leap-15.5", "opensuse", "opensuse-leap", "15.5"),
            ("3.18.4", "alpine", "alpine", "3.18.4"),
            ("redhat-8.4", "redhat", "rhel", "8.4"),
            ("bookworm", "debian", "debian", "bookworm"),
            ("alma-9.2", "alma", "almalinux", "9.2"),
            ("", "", "", ""),
            ("-", "x", "x", "-"),
        ] {
            assert_eq!(split_distribution(text, namespace), (id.into(), version.into()), "{text}");
        }
    }

    #[test]
    fn sources_of_qualifiers() {
        let package = Package::new("rpm", "audit-libs", "1:2.8.5-4.el7", "t");
        for (text, name, version) in [
            ("audit-2.8.5-4.el7.src.rpm", "audit", "1:2.8.5-4.el7"),
            ("glibc@2.36-9", "glibc", "2.36-9"),
            ("glibc", "glibc", "1:2.8.5-4.el7"),
        ] {
            let source = syft_source(text, &package).expect(text);
            assert_eq!((source.name.as_str(), source.version.as_str()), (name, version));
        }
        assert_eq!(syft_source("x.src.rpm", &package), None);
    }
}
