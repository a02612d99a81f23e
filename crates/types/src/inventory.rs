//! What is in the target, once all layers are laid over one another.

use crate::{Package, distribution};
use serde::{Deserialize, Serialize};

/// The operating system, from os-release(5) or the older files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// `ID`: `debian`, `alpine`, `rhel`.
    pub id: String,
    /// `VERSION_ID`: `12`, `3.20.1`, `9.4`; empty for rolling releases.
    pub version_id: String,
    /// `VERSION_CODENAME`, or empty.
    #[serde(default)]
    pub codename: String,
    /// `PRETTY_NAME`.
    #[serde(default)]
    pub pretty_name: String,
    /// `ID_LIKE`, in order.
    #[serde(default)]
    pub id_like: Vec<String>,
    /// `CPE_NAME`, or empty.
    #[serde(default)]
    pub cpe_name: String,
    /// `VARIANT_ID`, or empty.
    #[serde(default)]
    pub variant_id: String,
}

impl OsRelease {
    /// The shard of distribution data that speaks of it: `debian:12`; `None` when nobody does.
    pub fn shard(&self) -> Option<String> {
        distribution::of(self)?.shard(self)
    }
    /// `debian-12`, the value of the purl qualifier `distro`.
    pub fn purl_qualifier(&self) -> String {
        if self.version_id.is_empty() { self.id.clone() } else { format!("{}-{}", self.id, self.version_id) }
    }
    /// Name for people.
    pub fn label(&self) -> String {
        match (&self.pretty_name, &self.version_id) {
            (pretty, _) if !pretty.is_empty() => pretty.clone(),
            (_, version) => format!("{} {version}", self.id).trim_end().to_owned(),
        }
    }
}

/// Evidence of software that only data can name (a jar without coordinates).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unidentified {
    /// Ecosystem id it belongs to: `maven`.
    pub ecosystem: String,
    /// Where it is.
    pub path: String,
    /// Layer of the visible copy.
    pub layer: Option<u32>,
    /// Layer where it first appears.
    pub first_layer: Option<u32>,
    /// SHA-1 of the file's content in hexadecimal, or empty.
    pub sha1: String,
    /// Name guesses, best first: manifest titles, file-name stem.
    pub names: Vec<String>,
    /// Version guesses, best first.
    pub versions: Vec<String>,
    /// Group guesses, best first: package prefixes of the classes inside, manifest vendor ids.
    pub groups: Vec<String>,
    /// The distribution package that owns the file.
    pub owner: Option<String>,
    /// The cataloguer that found it.
    pub found_by: String,
}

/// Everything the target holds that other stages may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The operating system, if there is one.
    pub os: Option<OsRelease>,
    /// Packages, sorted by ecosystem, name, version and first location.
    pub packages: Vec<Package>,
    /// Evidence nobody has named yet, sorted.
    pub unidentified: Vec<Unidentified>,
}

impl Inventory {
    /// Sorts everything and joins packages that are the same thing seen at several places:
    /// same ecosystem, name, version, architecture, source, owner and scope.
    pub fn normalise(&mut self) {
        for package in &mut self.packages {
            package.locations.sort();
            package.locations.dedup();
        }
        self.packages.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.locations.cmp(&b.locations)));
        self.packages.dedup_by(|next, kept| {
            let same = key(next) == key(kept);
            if same {
                join(kept, std::mem::take(next));
            }
            same
        });
        self.unidentified.sort();
        self.unidentified.dedup();
    }
}

type Key<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a Option<String>,
    &'a Option<crate::SourcePackage>,
    &'a Option<String>,
    crate::Scope,
);

fn key(package: &Package) -> Key<'_> {
    (
        &package.ecosystem,
        &package.name,
        &package.version,
        &package.architecture,
        &package.source,
        &package.owner,
        package.scope,
    )
}

fn join(kept: &mut Package, other: Package) {
    kept.locations.extend(other.locations);
    kept.locations.sort();
    kept.locations.dedup();
    kept.layer = match (kept.layer, other.layer) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    for licence in other.licences {
        if !kept.licences.contains(&licence) {
            kept.licences.push(licence);
        }
    }
    for (name, value) in other.facts {
        kept.facts.entry(name).or_insert(value);
    }
}
