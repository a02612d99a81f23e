//! What is expected of a root file system: an operating system that says its name, and a database of what
//! is installed. Without them an empty result would be a silent green.

use seaworthy_types::Note;

const UNIT: &str = "root-file-system";

const NAMES: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Databases of packages, also of systems that no unit knows: those are judged elsewhere.
const DATABASES: [&str; 14] = [
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d",
    "usr/lib/opkg/status",
    "lib/apk/db/installed",
    "usr/lib/apk/db/installed",
    "var/lib/rpm",
    "usr/lib/sysimage/rpm",
    "usr/share/rpm",
    "var/lib/pacman/local",
    "var/db/pkg",
    "var/lib/rpmmanifest",
    "nix/store",
    "var/lib/opkg/status",
    "var/log/packages",
];

/// Gaps for what is not there.
pub(crate) fn expectations(name: &str, has: impl Fn(&str) -> bool) -> Vec<Note> {
    let mut notes = Vec::new();
    let any = |paths: &[&str]| paths.iter().any(|path| has(path));
    if !any(&NAMES) {
        let detail =
            "it has no os-release: no operating system is known, so that its packages cannot be judged";
        notes.push(Note::gap("no-os-release", UNIT, name, detail));
    }
    if !any(&DATABASES) {
        let detail = "it has no database of packages: what is installed in it is not known";
        notes.push(Note::gap("no-package-database", UNIT, name, detail));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let codes = |there: &[&str]| {
            let notes = expectations("disk.img", |path| there.contains(&path));
            notes.into_iter().map(|note| note.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&[]), ["no-os-release", "no-package-database"]);
        assert_eq!(codes(&["usr/lib/os-release"]), ["no-package-database"]);
        assert!(codes(&["etc/os-release", "var/lib/rpm"]).is_empty());
    }
}
