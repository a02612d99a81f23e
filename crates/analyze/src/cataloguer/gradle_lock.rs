//! Gradle's lock files: `gradle.lockfile`, `buildscript-gradle.lockfile` and the older
//! `gradle/dependency-locks/*.lockfile`.
//!
//! Format: *Locking dependency versions* of Gradle's manual: lines `group:artifact:version=` with the
//! configurations it is in. A package whose configurations all belong to tests, or that only build
//! scripts use, is for development.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, plain_parts, scope};
use seaworthy_types::{About, Reads};

/// The cataloguer of Gradle's lock files.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "gradle-lock",
        version: 1,
        ecosystem: "maven",
        reads: Reads::Declared,
        coverage: "Maven artifacts of Gradle's lock files; those of test configurations and build scripts as development.",
    },
    patterns: &[Pattern::Extension(".lockfile")],
    accepts: any_path,
    is_name: plain_parts,
    bytes_max: AS_RECORD,
    parse,
};

fn parse(text: &str, path: &str, lock: &mut Lock) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let old = path.strip_suffix(name).is_some_and(|folder| folder.ends_with("dependency-locks/"));
    if !old && !matches!(name, "gradle.lockfile" | "buildscript-gradle.lockfile") {
        return Ok(());
    }
    let of_build_script = name.starts_with("buildscript-");
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
            continue;
        }
        let (coordinates, configurations) = match line.split_once('=') {
            Some(pair) => pair,
            // In the old form the file's name is the configuration.
            None if old => (line, name.trim_end_matches(".lockfile")),
            None => (line, ""),
        };
        let mut parts = coordinates.splitn(3, ':');
        let (Some(group), Some(artifact), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            lock.unusable(line);
            continue;
        };
        if group.is_empty() || artifact.is_empty() || version.contains(':') {
            lock.unusable(line);
            continue;
        }
        let development = of_build_script || only_tests(configurations);
        lock.package(&format!("{group}:{artifact}"), version, scope(development));
    }
    Ok(())
}

/// `testCompileClasspath,integrationTestRuntimeClasspath`.
fn only_tests(configurations: &str) -> bool {
    let is_test = |name: &str| name.starts_with("test") || name.contains("Test");
    let mut names = configurations.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
    names.peek().is_some() && names.all(is_test)
}
