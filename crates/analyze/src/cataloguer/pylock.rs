//! Python's standard lock file: `pylock.toml` and `pylock.NAME.toml`.
//!
//! Format: PEP 751 (*pylock.toml Specification* of the Python Packaging User Guide). Packages from
//! repositories, folders and archives are left out, and so are those without a version. Markers on
//! dependency groups are not evaluated: everything counts for production.

use super::{Cataloguer, Pattern};
use crate::declared::{Lock, LockFile, TOML_BYTES_MAX, plain, scope, toml_tables};
use crate::loose::Object;
use crate::python_lock::{Document, TABLES};
use seaworthy_types::{About, Reads};

/// The cataloguer of Python's standard lock file.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "pylock",
        version: 1,
        ecosystem: "pypi",
        reads: Reads::Declared,
        coverage: "Python packages of pylock.toml (PEP 751) from an index; what is for development only is not told apart.",
    },
    patterns: &[Pattern::Extension(".toml")],
    accepts: |path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name == "pylock.toml" || (name.starts_with("pylock.") && name.matches('.').count() == 2)
    },
    is_name: plain,
    bytes_max: TOML_BYTES_MAX,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    toml_tables(text, &TABLES, |Object(document): Object<Document<'_>>| {
        for entry in document.unwrap_or_default().entries() {
            if !entry.origins.is_empty() {
                lock.elsewhere(entry.name());
            } else if entry.version().is_empty() && !entry.name().is_empty() {
                lock.passed_over(
                    "unlocked-version",
                    "packages have no version and are left out",
                    entry.name(),
                );
            } else {
                lock.package(entry.name(), entry.version(), scope(false));
            }
        }
    })
}
