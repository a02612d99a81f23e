//! One record of facts for each ecosystem: everything that differs between them and is not code of
//! a stage stands here, once.

use std::borrow::Cow;

// tidy:begin
pub mod apk;
pub mod bioconductor;
pub mod bitnami;
pub mod cargo;
pub mod composer;
pub mod conan;
pub mod cpan;
pub mod cran;
pub mod dart;
pub mod deb;
pub mod gem;
pub mod ghc;
pub mod github_actions;
pub mod go;
pub mod hackage;
pub mod hex;
pub mod julia;
pub mod kubernetes;
pub mod maven;
pub mod npm;
pub mod nuget;
pub mod opam;
pub mod pypi;
pub mod rpm;
pub mod swift;
pub mod vscode;

/// Every ecosystem, sorted by id.
pub const ALL: &[&Ecosystem] = &[
    &apk::ECOSYSTEM,
    &bioconductor::ECOSYSTEM,
    &bitnami::ECOSYSTEM,
    &cargo::ECOSYSTEM,
    &composer::ECOSYSTEM,
    &conan::ECOSYSTEM,
    &cpan::ECOSYSTEM,
    &cran::ECOSYSTEM,
    &dart::ECOSYSTEM,
    &deb::ECOSYSTEM,
    &gem::ECOSYSTEM,
    &ghc::ECOSYSTEM,
    &github_actions::ECOSYSTEM,
    &go::ECOSYSTEM,
    &hackage::ECOSYSTEM,
    &hex::ECOSYSTEM,
    &julia::ECOSYSTEM,
    &kubernetes::ECOSYSTEM,
    &maven::ECOSYSTEM,
    &npm::ECOSYSTEM,
    &nuget::ECOSYSTEM,
    &opam::ECOSYSTEM,
    &pypi::ECOSYSTEM,
    &rpm::ECOSYSTEM,
    &swift::ECOSYSTEM,
    &vscode::ECOSYSTEM,
];
// tidy:end

/// Facts about an ecosystem.
#[derive(Debug, Clone, Copy)]
pub struct Ecosystem {
    /// Stable id; for language ecosystems also the shard of the database.
    pub id: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Package URL type.
    pub purl_type: &'static str,
    /// Version scheme (`seaworthy-version`).
    pub scheme: &'static str,
    /// Names in the OSV schema; empty for distribution packages (see `distribution`).
    pub osv: &'static [&'static str],
    /// Packages of a distribution: data by release and source package.
    pub of_distribution: bool,
    /// Canonical form of a package name, for comparing.
    pub normalise: fn(&str) -> Cow<'_, str>,
    /// Splits a name into purl namespace and name.
    pub purl_split: fn(&str) -> (Option<String>, String),
    /// Joins purl namespace and name into a package name: the inverse of `purl_split`.
    pub purl_join: fn(Option<&str>, &str) -> String,
    /// How a person upgrades: `{name}` and `{version}` are filled in; empty when it depends.
    pub upgrade: &'static str,
}

/// The record with this id.
pub fn by_id(id: &str) -> Option<&'static Ecosystem> {
    ALL.iter().copied().find(|record| record.id == id)
}

/// The record that OSV names so (`PyPI`, `crates.io`); a suffix after `:` is left out.
pub fn by_osv(name: &str) -> Option<&'static Ecosystem> {
    let base = name.split(':').next().unwrap_or(name);
    ALL.iter().copied().find(|record| record.osv.iter().any(|osv| osv.eq_ignore_ascii_case(base)))
}

/// The record with this package URL type.
pub fn by_purl_type(kind: &str) -> Option<&'static Ecosystem> {
    ALL.iter().copied().find(|record| record.purl_type == kind)
}

/// Names are compared as written.
pub(crate) fn as_written(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

/// Names are compared in lower case.
pub(crate) fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// The whole name is the purl's name.
pub(crate) fn split_none(name: &str) -> (Option<String>, String) {
    (None, name.to_owned())
}

/// Everything before the last slash is the purl's namespace.
pub(crate) fn split_slash(name: &str) -> (Option<String>, String) {
    match name.rsplit_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, name.to_owned()),
    }
}

/// The purl's namespace does not belong to the name.
pub(crate) fn join_none(_namespace: Option<&str>, name: &str) -> String {
    name.to_owned()
}

/// Namespace and name are joined by a slash.
pub(crate) fn join_slash(namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sorted() {
        assert!(ALL.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn names_are_canonical_and_split_back() {
        for (id, written, canonical) in [
            ("pypi", "Zope.Interface__x", "zope-interface-x"),
            ("npm", "@Angular/core", "@Angular/core"),
            ("maven", "org.a:b", "org.a:b"),
            ("nuget", "Newtonsoft.Json", "newtonsoft.json"),
            ("go", "github.com/BurntSushi/toml", "github.com/BurntSushi/toml"),
        ] {
            let record = by_id(id).expect(id);
            assert_eq!((record.normalise)(written), canonical);
            let (namespace, name) = (record.purl_split)(canonical);
            assert_eq!((record.purl_join)(namespace.as_deref(), &name), canonical);
        }
    }
}
