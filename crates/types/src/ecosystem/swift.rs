//! Swift packages; named by the address of their repository.

use super::{Ecosystem, join_slash, split_slash};
use std::borrow::Cow;

/// Facts about Swift packages.
pub const ECOSYSTEM: Ecosystem = Ecosystem {
    id: "swift",
    label: "Swift packages",
    purl_type: "swift",
    scheme: "semver",
    osv: &["SwiftURL"],
    of_distribution: false,
    normalise,
    purl_split: split_slash,
    purl_join: join_slash,
    upgrade: "set {version} for {name} in Package.swift",
};

/// Without scheme and `.git`, letters lower case: `https://github.com/Apple/Swift-NIO.git` →
/// `github.com/apple/swift-nio`, the form that package URLs have.
fn normalise(name: &str) -> Cow<'_, str> {
    let bare = name.split_once("://").map_or(name, |(_, rest)| rest);
    let bare = bare.trim_end_matches('/');
    super::lower_case(bare.strip_suffix(".git").unwrap_or(bare))
}
