//! NuGet packages.

use super::{Ecosystem, join_none, lower_case, split_none};

/// Facts about NuGet packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "nuget",
    label: "NuGet packages",
    purl_type: "nuget",
    scheme: "nuget",
    osv: &["NuGet"],
    of_distribution: false,
    normalise: lower_case,
    purl_split: split_none,
    purl_join: join_none,
    upgrade: "dotnet add package {name} --version {version}",
};
