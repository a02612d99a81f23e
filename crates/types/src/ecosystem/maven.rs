//! Maven artifacts; names are `group:artifact`.

use super::{Ecosystem, as_written};

/// Facts about Maven artifacts.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "maven",
    label: "Maven artifacts",
    purl_type: "maven",
    scheme: "maven",
    osv: &["Maven"],
    of_distribution: false,
    normalise: as_written,
    purl_split: |name| match name.split_once(':') {
        Some((group, artifact)) => (Some(group.to_owned()), artifact.to_owned()),
        None => (None, name.to_owned()),
    },
    purl_join: |namespace, name| match namespace {
        Some(group) => format!("{group}:{name}"),
        None => name.to_owned(),
    },
    upgrade: "set {name} to {version} in pom.xml or the Gradle build",
};
