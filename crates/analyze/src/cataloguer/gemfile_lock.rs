//! Bundler's lock files: `Gemfile.lock` and `gems.locked`.
//!
//! Format: as Bundler's `LockfileParser` reads it: sections at the margin, gems under `specs:` with
//! four spaces as `name (version)` or `name (version-platform)`. Gems of `GIT`, `PATH` and
//! `PLUGIN SOURCE` are left out. Nothing says what is for development.

use super::{Cataloguer, Pattern};
use crate::declared::{AS_RECORD, Lock, LockFile, any_path, plain, scope};
use seaworthy_types::{About, Reads};

/// The cataloguer of Bundler's lock files.
pub const CATALOGUER: &dyn Cataloguer = &LockFile {
    about: &About {
        name: "gemfile-lock",
        version: 1,
        ecosystem: "gem",
        reads: Reads::Declared,
        coverage: "Ruby gems of Gemfile.lock and gems.locked; not those from git or folders; what is for development only is not told apart.",
    },
    patterns: &[Pattern::Name("Gemfile.lock"), Pattern::Name("gems.locked")],
    accepts: any_path,
    is_name: plain,
    bytes_max: AS_RECORD,
    parse,
};

fn parse(text: &str, _path: &str, lock: &mut Lock) -> Result<(), String> {
    let mut section = "";
    let mut in_specs = false;
    for line in text.lines().map(str::trim_end) {
        if line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>") {
            return Err("it holds an unsettled merge conflict".into());
        }
        let body = line.trim_start_matches(' ');
        match line.len().saturating_sub(body.len()) {
            0 => (section, in_specs) = (body, false),
            2 => in_specs = body == "specs:",
            4 if in_specs => note(section, body, lock),
            _ => {}
        }
    }
    Ok(())
}

/// `nokogiri (1.13.0-x86_64-linux)`.
fn note(section: &str, spec: &str, lock: &mut Lock) {
    let parts = spec.split_once(" (").and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
    let Some((name, version)) = parts else { return lock.unusable(spec) };
    if section != "GEM" {
        return lock.elsewhere(name);
    }
    let (version, platform) = version.split_once('-').unwrap_or((version, ""));
    if let Some(package) = lock.package(name, version, scope(false)) {
        package.fact("platform", platform);
    }
}
