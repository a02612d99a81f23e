//! Compares what the units find in other tools' test files with what those tools' tests expect.
//!
//! The files lie in the shared fixtures beside the repository (`SEAWORTHY_SHARED` says where else);
//! without them the test prints that it was skipped. An expectation is a tool's opinion, not truth:
//! where we differ on purpose, `DIFFERENCES` says why, and an entry that no longer applies fails.
//! To add a unit, add a line to `READERS`.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::{About, Limits, Package, Reads};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "support/declared.rs"]
mod declared;

/// A unit, and where a fixture file would lie in a target so that the unit reads it; `None` when
/// the file is not for this unit. Fixtures are often named by their case.
struct Reader {
    unit: &'static str,
    place: fn(&str) -> Option<String>,
}

const READERS: &[Reader] = &[
    Reader { unit: "dotnet-deps", place: dotnet_deps },
    Reader { unit: "node-package", place: node_package },
    Reader { unit: "php-composer-installed", place: php_composer_installed },
    Reader { unit: "python", place: python },
    Reader { unit: "ruby-gemspec", place: ruby_gemspec },
];

fn dotnet_deps(path: &str) -> Option<String> {
    path.ends_with(".deps.json").then(|| path.to_owned())
}

fn php_composer_installed(path: &str) -> Option<String> {
    path.ends_with("/installed.json").then(|| "srv/vendor/composer/installed.json".to_owned())
}

/// Installed gems only: hand-written specifications of source trees are another matter.
fn ruby_gemspec(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let source = path.contains("gemspec/testdata/version_");
    (name.ends_with(".gemspec") && !source).then(|| format!("usr/lib/ruby/specifications/{name}"))
}

fn node_package(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    match path.contains("packagejson/testdata/") && name.ends_with("package.json") {
        true => Some(format!("{}/package.json", path.trim_end_matches(".json"))),
        false => (name == "package.json").then(|| path.to_owned()),
    }
}

fn python(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    if let Some(stem) = name.strip_suffix(".METADATA") {
        return Some(format!("site-packages/{stem}.dist-info/METADATA"));
    }
    if name.ends_with(".PKG-INFO") {
        return Some("site-packages/x.egg-info/PKG-INFO".into());
    }
    if let Some(before) = path.strip_suffix("PKG-INFO-INVALID") {
        return Some(format!("{before}PKG-INFO"));
    }
    let metadata = matches!(name, "METADATA" | "PKG-INFO") || name.ends_with(".egg-info");
    metadata.then(|| path.to_owned())
}

/// Fixture file (as in EXPECTED.jsonl, without the first folder) where we differ, what we say, why.
type Difference = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const DIFFERENCES: &[Difference] = &[
    (
        "dotnet.tar.xz!trivy/dotnet/core_deps/testdata/missing-target.deps.json",
        &[("Newtonsoft.Json", "13.0.1")],
        "a project is no NuGet package: its name and version are its author's alone",
    ),
    (
        "dotnet.tar.xz!trivy/dotnet/core_deps/testdata/multi-project.deps.json",
        &[("Newtonsoft.Json", "13.0.3")],
        "projects are no NuGet packages",
    ),
    (
        "dotnet.tar.xz!trivy/dotnet/core_deps/testdata/self-contained.deps.json",
        &[
            ("Microsoft.AspNetCore.App.Runtime.linux-x64", "8.0.0"),
            ("Microsoft.NETCore.App.Runtime.linux-x64", "8.0.0"),
            ("Newtonsoft.Json", "13.0.1"),
        ],
        "a project is no NuGet package",
    ),
    (
        "dotnet.tar.xz!trivy/dotnet/core_deps/testdata/without-runtime.deps.json",
        &[("JsonDiffPatch", "2.0.61"), ("Libuv", "1.9.1"), ("System.Collections.Immutable", "1.3.0")],
        "a project is no NuGet package",
    ),
    (
        "dotnet.tar.xz!trivy/language/dotnet/deps/testdata/datacollector.deps.json",
        &[("Newtonsoft.Json", "9.0.1")],
        "a project is no NuGet package",
    ),
    (
        "python.tar.xz!trivy/python/packaging/testdata/distlib-0.3.1-py3.9.egg-info",
        &[("distlib", "0.3.1")],
        "the expectation was read out of the test wrongly: a package ` -e ` is not in the file",
    ),
    (
        "python.tar.xz!trivy/python/packaging/testdata/simple-0.1.0.METADATA",
        &[("simple", "0.1.0")],
        "the same",
    ),
    (
        "ruby.tar.xz!osv-scalibr/language/ruby/gemspec/testdata/invalid.gemspec",
        &[("rss", "0.2.9")],
        "RubyGems finds an installed gem by its stub line, whatever follows it",
    ),
    (
        "ruby.tar.xz!trivy/language/ruby/gemspec/testdata/empty_name.gemspec",
        &[("test-unit", "3.3.7")],
        "RubyGems finds an installed gem by its stub line, whatever follows it",
    ),
];

#[derive(serde::Deserialize)]
struct Row {
    file: String,
    packages: Vec<(String, String)>,
    #[serde(default)]
    error: bool,
}

type Pairs = BTreeSet<(String, String)>;

fn fixtures() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = match std::env::var_os("SEAWORTHY_SHARED") {
        Some(path) => PathBuf::from(path),
        None => root.join("../shared"),
    };
    let folder = shared.join("fixtures/2-language-records");
    if folder.join("EXPECTED.jsonl").is_file() {
        return Some(folder);
    }
    println!("SKIPPED: {} is not there; set SEAWORTHY_SHARED", folder.display());
    None
}

/// The archives, unpacked once each.
struct Archives<'a> {
    folder: &'a Path,
    unpacked: BTreeMap<String, tempfile::TempDir>,
}

impl Archives<'_> {
    fn read(&mut self, archive: &str, path: &str) -> Vec<u8> {
        if !self.unpacked.contains_key(archive) {
            let target = tempfile::tempdir().expect("temporary folder");
            let status = Command::new("tar")
                .arg("xf")
                .arg(self.folder.join(archive))
                .arg("-C")
                .arg(target.path())
                .status()
                .expect("tar runs");
            assert!(status.success(), "tar cannot unpack {archive}");
            self.unpacked.insert(archive.to_owned(), target);
        }
        std::fs::read(self.unpacked[archive].path().join(path)).expect("fixture file")
    }
}

fn about_of(unit: &str) -> &'static About {
    let all = units_for(Target::Source);
    all.iter().map(|u| u.about()).find(|about| about.name == unit).expect("a unit of the registry")
}

/// What one unit says of one file, names normalised, and whether it noted something.
fn found(unit: &str, path: &str, bytes: &[u8]) -> (Pairs, Vec<String>) {
    let limits = Limits::default();
    let about = about_of(unit);
    let target = if about.reads == Reads::Declared { Target::Source } else { Target::Image };
    let matcher = Matcher::new(units_for(target));
    let mut reader = LayerReader::new(&matcher, &limits);
    let size = bytes.len() as u64;
    let entry = Entry { path, kind: EntryKind::File, mode: 0o644, uid: 0, gid: 0, size, link: "" };
    if reader.entry(&entry, &bytes[..bytes.len().min(512)]) == Want::Content {
        reader.content(0, Content::Whole(bytes));
    }
    let outcome = assemble(&[&reader.finish(Vec::new())], target);
    let packages = outcome.value.packages.into_iter().filter(|package| package.found_by == unit);
    let notes = outcome.notes.into_iter().filter(|note| note.unit == unit);
    (
        packages.map(|package| (package.name, package.version)).collect(),
        notes.map(|note| format!("{:?} {}: {}", note.grade, note.code, note.detail)).collect(),
    )
}

fn normalised<'a>(unit: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Pairs {
    let ecosystem = about_of(unit).ecosystem;
    pairs
        .map(|(name, version)| {
            // Go's own notation has a letter before each version; we and most others leave it out.
            let version = if ecosystem == "go" { version.trim_start_matches('v') } else { version };
            (Package::new(ecosystem, name, version, "").name, version.to_owned())
        })
        .collect()
}

#[test]
fn other_tools_expectations() {
    let Some(folder) = fixtures() else { return };
    let text = std::fs::read_to_string(folder.join("EXPECTED.jsonl")).expect("expectations");
    let mut archives = Archives { folder: &folder, unpacked: BTreeMap::new() };
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        let (_, file) = row.file.split_once('/').expect("a folder");
        let Some((archive, path)) = file.split_once('!') else { continue };
        for reader in READERS.iter().chain(declared::READERS) {
            let Some(place) = (reader.place)(path) else { continue };
            let (actual, notes) = found(reader.unit, &place, &archives.read(archive, path));
            *compared.entry(reader.unit).or_default() += 1;
            let packages = row.packages.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            // A name without version stands for a requirement or a package of a folder: no package.
            let theirs = normalised(reader.unit, packages.filter(|(_, version)| !version.is_empty()));
            let difference = DIFFERENCES.iter().find(|(known, _, _)| *known == file);
            let changes = declared::CHANGES.iter().find(|change| change.file == file);
            let expected = match difference {
                Some((_, ours, _)) => normalised(reader.unit, ours.iter().copied()),
                None => theirs.clone(),
            };
            let expected = match changes {
                Some(changes) => {
                    let gone = normalised(reader.unit, changes.gone.iter().copied());
                    let more = normalised(reader.unit, changes.more.iter().copied());
                    &(&expected - &gone) | &more
                }
                None => expected,
            };
            used.extend(changes.filter(|_| expected != theirs).map(|changes| changes.file));
            used.extend(difference.filter(|_| expected != theirs || row.error).map(|(known, _, _)| *known));
            if actual != expected {
                let missing: Vec<_> = expected.difference(&actual).collect();
                let more: Vec<_> = actual.difference(&expected).collect();
                wrong.push(format!("{} {file}: missing {missing:?}, more {more:?}, {notes:?}", reader.unit));
            } else if row.error && difference.is_none() && changes.is_none() && notes.is_empty() {
                wrong.push(format!("{} {file}: the file is bad, and we do not say so", reader.unit));
            }
        }
    }
    println!("compared with other tools' tests: {compared:?}");
    let known = DIFFERENCES.iter().map(|d| d.0).chain(declared::CHANGES.iter().map(|c| c.file));
    let stale: Vec<_> = known.filter(|file| !used.contains(file)).collect();
    assert!(stale.is_empty(), "differences that are none: {stale:#?}");
    for reader in READERS.iter().chain(declared::READERS) {
        assert!(compared.contains_key(reader.unit), "{}: no fixture was compared", reader.unit);
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
