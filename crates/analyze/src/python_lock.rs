//! What the TOML lock files of Python tools share: a list of packages with name, version, source
//! and groups. Each unit says how its tool names these. Does not evaluate markers: what is locked
//! for any machine counts.

use crate::loose::{Entries, Fields, List, Object, Text};
use serde::de::{IgnoredAny, MapAccess};

/// The tables that are read.
pub(crate) const TABLES: [&str; 2] = ["package", "packages"];

/// The document: its packages.
#[derive(Default)]
pub(crate) struct Document<'a> {
    /// `package` or `packages`.
    pub packages: List<Object<Entry<'a>>>,
}

/// One locked package.
#[derive(Default)]
pub(crate) struct Entry<'a> {
    /// `name`.
    pub name: Text<'a>,
    /// `version`.
    pub version: Text<'a>,
    /// `category` of Poetry before 1.5.
    pub category: Text<'a>,
    /// `groups` of Poetry 2 and PDM.
    pub groups: Option<List<Text<'a>>>,
    /// `source`: key and text of its entries.
    pub source: Entries<'a, Text<'a>>,
    /// Names of its own keys that tell where it comes from (`git`, `url`, `vcs`, …).
    pub origins: Vec<&'static str>,
    /// `dependencies` as a list (uv).
    pub dependencies: List<Object<Dependency<'a>>>,
    /// `optional-dependencies` (uv).
    pub optional: Entries<'a, List<Object<Dependency<'a>>>>,
}

/// A dependency within uv's lock.
#[derive(Default)]
pub(crate) struct Dependency<'a> {
    /// `name`.
    pub name: Text<'a>,
    /// `version`, when there are several.
    pub version: Text<'a>,
}

/// Keys of a package that say that it comes from no registry (PDM; PEP 751).
const ORIGINS: [&str; 7] = ["git", "hg", "path", "url", "vcs", "directory", "archive"];

impl<'de> Fields<'de> for Document<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "package" | "packages" => self.packages = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Entry<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "version" => self.version = map.next_value()?,
            "category" => self.category = map.next_value()?,
            "groups" => self.groups = Some(map.next_value()?),
            "source" => self.source = map.next_value()?,
            "dependencies" => self.dependencies = map.next_value()?,
            "optional-dependencies" => self.optional = map.next_value()?,
            _ => {
                let origin = ORIGINS.iter().find(|origin| **origin == name);
                self.origins.extend(origin);
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(true)
    }
}

impl<'de> Fields<'de> for Dependency<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "version" => self.version = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'a> Document<'a> {
    /// The entries that are tables.
    pub fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.packages.items.iter().filter_map(|entry| entry.0.as_ref())
    }
}

impl Entry<'_> {
    /// The text under a key of `source`.
    pub fn source(&self, key: &str) -> Option<&str> {
        self.source.0.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.get())
    }
    /// The name, or nothing.
    pub fn name(&self) -> &str {
        self.name.get().unwrap_or_default()
    }
    /// The version, or nothing.
    pub fn version(&self) -> &str {
        self.version.get().unwrap_or_default()
    }
}

/// Whether a group or file of this name is for development or tests: the usual words.
pub(crate) fn is_development_word(word: &str) -> bool {
    const WORDS: [&str; 15] = [
        "dev",
        "devel",
        "develop",
        "development",
        "test",
        "tests",
        "testing",
        "lint",
        "linting",
        "doc",
        "docs",
        "typing",
        "ci",
        "coverage",
        "pytest",
    ];
    WORDS.iter().any(|known| word.eq_ignore_ascii_case(known))
}
