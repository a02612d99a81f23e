//! A package: one installed or declared piece of software with a version.

use crate::purl::Purl;
use crate::{distribution, ecosystem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a package was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Path from the root of the target without a leading slash; `!/` separates nested archives
    /// (`opt/app.jar!/BOOT-INF/lib/x.jar`).
    pub path: String,
    /// Index of the layer whose copy is visible, 0 for the lowest.
    pub layer: Option<u32>,
}

/// The source package that a distribution built a binary package from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePackage {
    /// Name of the source package (Debian `Source`, apk `origin`, rpm `SOURCERPM`).
    pub name: String,
    /// Version of the source package; this one is compared with distribution data.
    pub version: String,
}

/// Who made a distribution package.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nothing says otherwise: taken as the distribution's own.
    #[default]
    Distribution,
    /// Evidence says another repository; the distribution's data does not speak of it.
    ThirdParty,
}

/// Whether a package is needed to run or only to develop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Installed, or declared for production.
    #[default]
    Production,
    /// Declared for development or tests only.
    Development,
}

/// One package of the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Ecosystem id (`types::ecosystem`): `deb`, `npm`, …
    pub ecosystem: String,
    /// Name as the ecosystem writes it, normalised by its record. Maven: `group:artifact`.
    pub name: String,
    /// Version as the ecosystem writes it; rpm: `epoch:version-release` (epoch left out when 0).
    pub version: String,
    /// Architecture of a distribution package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Source package, when it has one other than itself or a version of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// Whether the distribution made it.
    #[serde(default)]
    pub origin: Origin,
    /// Production or development.
    #[serde(default)]
    pub scope: Scope,
    /// Licence expressions as recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// Everywhere it was seen; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Location>,
    /// Layer in which this version first appears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<u32>,
    /// Name of the distribution package that owns the files; such a package is not reported twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The cataloguer that found it.
    #[serde(default)]
    pub found_by: String,
    /// What names it: `pom.properties`, `manifest`, `file name`, …; empty when its own record does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// Facts that only this ecosystem has (rpm `modularity`, deb `maintainer`, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

impl Package {
    /// A package with the facts every one has.
    pub fn new(ecosystem: &str, name: impl Into<String>, version: impl Into<String>, found_by: &str) -> Self {
        let name = name.into();
        let name = match ecosystem::by_id(ecosystem) {
            Some(record) => (record.normalise)(&name).into_owned(),
            None => name,
        };
        Self {
            ecosystem: ecosystem.into(),
            name,
            version: version.into(),
            found_by: found_by.into(),
            ..Self::default()
        }
    }
    /// Name and version that distribution data speaks of: those of the source package if known.
    pub fn source_or_self(&self) -> (&str, &str) {
        match &self.source {
            Some(source) => (&source.name, &source.version),
            None => (&self.name, &self.version),
        }
    }
    /// The package URL. `distribution` is the `id-release` pair for distribution packages.
    pub fn purl(&self, os: Option<&crate::OsRelease>) -> Purl {
        let record = ecosystem::by_id(&self.ecosystem);
        let (namespace, name) = match record {
            Some(record) => (record.purl_split)(&self.name),
            None => (None, self.name.clone()),
        };
        let mut purl = Purl {
            kind: record.map_or("generic", |r| r.purl_type).into(),
            namespace,
            name,
            version: Some(self.version.clone()).filter(|v| !v.is_empty()),
            qualifiers: BTreeMap::new(),
            subpath: None,
        };
        if record.is_some_and(|r| r.of_distribution) {
            if let Some(architecture) = &self.architecture {
                purl.qualifiers.insert("arch".into(), architecture.clone());
            }
            if let Some(os) = os {
                let namespace = distribution::of(os).map_or(os.id.as_str(), |d| d.purl_namespace);
                purl.namespace = Some(namespace.to_owned()).filter(|n| !n.is_empty());
                purl.qualifiers.insert("distro".into(), os.purl_qualifier());
            }
            if let Some((epoch, rest)) = self.version.split_once(':').filter(|_| purl.kind == "rpm") {
                purl.qualifiers.insert("epoch".into(), epoch.into());
                purl.version = Some(rest.into());
            }
        }
        purl
    }
}
