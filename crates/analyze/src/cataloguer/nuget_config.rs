//! NuGet's older manifest: `packages.config`.
//!
//! Format: *packages.config reference* of the NuGet documentation: elements `package` with `id`,
//! `version` and `developmentDependency`; it lists all packages, transitive ones too.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, plain, scope};
use crate::xml::{Node, attribute, walk};
use seaworthy_types::{About, Reads};

/// The cataloguer of NuGet's older manifest.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "nuget-config",
        version: 1,
        ecosystem: "nuget",
        reads: Reads::Declared,
        coverage: "NuGet packages of packages.config, with development dependencies.",
    },
    patterns: &[Pattern::Extension(".config")],
    accepts: |path| path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("packages.config")),
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    walk(text, |node| {
        let Node::Open([root, element], attributes) = node else { return };
        if root != "packages" || element != "package" {
            return;
        }
        let value = |name| attribute(attributes, name).unwrap_or_default();
        let development = value("developmentDependency").eq_ignore_ascii_case("true");
        lock.package(value("id"), value("version"), scope(development));
    })
}
