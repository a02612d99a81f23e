//! The operating-system units against real package databases, which lie beside the repository
//! (`SEAWORTHY_SHARED`, or the folder `shared` next to it). Skips loudly without them.

use seaworthy_analyze::cataloguer::Target;
use seaworthy_analyze::read::{Matcher, units_for};
use seaworthy_analyze::{LayerFacts, LayerReader, assemble};
use seaworthy_image::{Content, Entry, EntryKind, Visitor, Want};
use seaworthy_types::{Grade, Inventory, Limits, Outcome};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of fixtures; `None`, said loudly, when it is not there.
fn fixtures() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SEAWORTHY_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("fixtures/1-os-packages");
    if !folder.is_dir() {
        println!("SKIPPED: no fixtures at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Inventory of a target that holds one file.
fn scan(path: &str, bytes: &[u8]) -> Outcome<Inventory> {
    scan_all(&[(path, bytes)])
}

fn scan_all(files: &[(&str, &[u8])]) -> Outcome<Inventory> {
    let facts = layer(files);
    assemble(&[&facts], Target::Image)
}

fn layer(files: &[(&str, &[u8])]) -> LayerFacts {
    let matcher = Matcher::new(units_for(Target::Image));
    let limits = Limits::default();
    let mut reader = LayerReader::new(&matcher, &limits);
    for (index, (path, bytes)) in files.iter().enumerate() {
        let size = bytes.len() as u64;
        let entry = Entry { path, kind: EntryKind::File, mode: 0, uid: 0, gid: 0, size, link: "" };
        if reader.entry(&entry, &bytes[..bytes.len().min(512)]) == Want::Content {
            reader.content(index as u32, Content::Whole(bytes));
        }
    }
    reader.finish(Vec::new())
}

fn versions(inventory: &Inventory) -> Vec<(String, String)> {
    inventory.packages.iter().map(|p| (p.name.clone(), p.version.clone())).collect()
}

/// Where a fixture would lie in a target.
fn place(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    match file {
        f if f.contains("copyright") => None,
        f if f.starts_with("1-os-packages/dpkg/") && f.contains("/status.d/") => {
            Some(format!("var/lib/dpkg/status.d/{name}"))
        }
        f if f.starts_with("1-os-packages/dpkg/") => Some("var/lib/dpkg/status".into()),
        f if f.starts_with("1-os-packages/apk/") => Some("lib/apk/db/installed".into()),
        f if f.starts_with("1-os-packages/rpm/") && name.starts_with("container-manifest") => {
            Some(format!("var/lib/rpmmanifest/{name}"))
        }
        f if f.starts_with("1-os-packages/rpm/") => Some("var/lib/rpm/Packages".into()),
        _ => None,
    }
}

/// Where we differ from what the origin's tests expect, and why.
const DIFFER: [(&str, &str); 3] = [
    // Packages whose files are on the disk count in every state; the origin has two opinions itself.
    ("testdata/dpkg/statusfield", "states"),
    // The list was read out of the origin's test with the split name and version as rows of their own.
    ("rpm/syft/redhat/testdata/container-manifest-2", "rows"),
    // The origin leaves the epoch out.
    ("rpm/testdata/Packages_epoch", "epoch"),
];

#[test]
fn databases_give_what_their_origins_expect() {
    let Some(folder) = fixtures() else { return };
    let rows = fs::read_to_string(folder.join("EXPECTED.jsonl")).expect("rows");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).expect("row");
        let file = row["file"].as_str().expect("file");
        let Some(path) = place(file) else { continue };
        if DIFFER.iter().any(|(ending, _)| file.ends_with(ending)) {
            continue;
        }
        let bytes = fs::read(folder.parent().expect("parent").join(file)).expect(file);
        let outcome = scan(&path, &bytes);
        let actual = versions(&outcome.value);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let expected = row["packages"].as_array().expect("packages").iter();
        let mut expected: Vec<(String, String)> = expected.map(|p| (text(&p[0]), text(&p[1]))).collect();
        // The same version once whole and once without its release, as the pattern read it.
        let all = expected.clone();
        expected.retain(|(n, v)| !all.iter().any(|(m, w)| n == m && w.starts_with(&format!("{v}-"))));
        expected.sort();
        expected.dedup();
        if actual != expected {
            wrong.push(format!(
                "{file}\n  expected {expected:?}\n  actual   {actual:?}\n  {:?}",
                outcome.notes
            ));
        }
        if row["error"] == true && !outcome.notes.iter().any(|note| note.grade == Grade::Gap) {
            wrong.push(format!("{file}: should be refused and gave no gap"));
        }
        compared += 1;
    }
    println!("{compared} files compared");
    assert!(compared >= 18, "{compared}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Unpacks an archive with the tools of the machine.
fn unpack(archive: &Path, folder: &Path) {
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(folder).status().expect("tar");
    assert!(status.success());
}

#[test]
fn os_release_files_give_the_known_facts() {
    let Some(folder) = fixtures() else { return };
    let unpacked = tempfile::tempdir().expect("folder");
    for name in ["os-release.tar.xz", "os-release-which-distro.tar.xz"] {
        unpack(&folder.join(name), unpacked.path());
    }
    let rows = fs::read_to_string(folder.join("os-release-facts.jsonl")).expect("rows");
    let (mut compared, mut wrong) = (0, Vec::new());
    for row in rows.lines() {
        let row: BTreeMap<String, serde_json::Value> = serde_json::from_str(row).expect("row");
        let text = |key: &str| row.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let file = text("file");
        let Some((_, inner)) = file.split_once('!') else { continue };
        let Ok(bytes) = fs::read(unpacked.path().join(inner)) else { continue };
        if text("ID").is_empty() {
            continue;
        }
        let os = scan("etc/os-release", &bytes).value.os.unwrap_or_default();
        let (actual, expected) = ((os.id, os.version_id), (text("ID"), text("VERSION_ID")));
        if actual != expected {
            wrong.push(format!("{file}: {actual:?} instead of {expected:?}"));
        }
        compared += 1;
    }
    println!("{compared} files compared");
    assert!(compared >= 100, "{compared}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The bytes of a file, unpacked with `xz` when its name says so.
fn contents(path: &Path) -> Vec<u8> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).expect("fixture");
    }
    let output = Command::new("xz").arg("-dc").arg(path).output().expect("xz");
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// Random access as the engine gives it for large files.
struct Large(Vec<u8>);

impl seaworthy_image::ReadAt for Large {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.0.get(usize::try_from(offset).expect("small")..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(10_000);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

fn scan_large(path: &str, bytes: Vec<u8>) -> Outcome<Inventory> {
    let matcher = Matcher::new(units_for(Target::Image));
    let limits = Limits::default();
    let mut reader = LayerReader::new(&matcher, &limits);
    let size = bytes.len() as u64;
    let entry = Entry { path, kind: EntryKind::File, mode: 0, uid: 0, gid: 0, size, link: "" };
    assert_eq!(reader.entry(&entry, &bytes[..512]), Want::Content);
    reader.content(0, Content::Large(&Large(bytes)));
    assemble(&[&reader.finish(Vec::new())], Target::Image)
}

/// What rpm itself prints of the same database, in the words of [`rpm_rows`].
fn expected_rows(tsv: &str, columns: &[&str]) -> Vec<String> {
    let mut lines = tsv.lines();
    let names: Vec<&str> = lines.next().expect("names").split('\t').collect();
    let mut rows = Vec::new();
    for line in lines {
        let values: Vec<&str> = line.split('\t').collect();
        let get = |name: &str| {
            let at = names.iter().position(|n| *n == name).expect("column");
            values.get(at).copied().filter(|v| *v != "(none)").unwrap_or_default()
        };
        if get("name") == "gpg-pubkey" {
            continue;
        }
        let epoch = Some(get("epoch")).filter(|e| !e.is_empty() && *e != "0").map(|e| format!("{e}:"));
        let evr = format!("{}{}-{}", epoch.as_deref().unwrap_or_default(), get("version"), get("release"));
        let mut row = format!("{} {evr} {}", get("name"), get("arch"));
        for column in columns {
            row.push_str(&format!(" | {}", get(column)));
        }
        rows.push(row);
    }
    rows.sort();
    rows
}

fn rpm_rows(inventory: &Inventory, columns: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for package in &inventory.packages {
        let architecture = package.architecture.as_deref().unwrap_or_default();
        let mut row = format!("{} {} {architecture}", package.name, package.version);
        let (name, version) = package.source_or_self();
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        for column in columns {
            let value = match *column {
                "sourcerpm" => format!("{name}-{version}.src.rpm"),
                "license" => package.licences.join(""),
                "modularitylabel" => package.facts.get("modularity").cloned().unwrap_or_default(),
                fact => package.facts.get(fact).cloned().unwrap_or_default(),
            };
            row.push_str(&format!(" | {value}"));
        }
        rows.push(row);
    }
    rows.sort();
    rows
}

#[test]
fn rpm_databases_give_what_rpm_prints() {
    let Some(folder) = fixtures() else { return };
    const ALL: &[&str] = &["sourcerpm", "license", "vendor", "modularitylabel"];
    let mariner = "rpm-derived/cbl-mariner-2.0.expected.tsv";
    for (file, path, expected, columns) in [
        ("rpm/go-rpmdb/cbl-mariner-2.0/rpmdb.sqlite.xz", "var/lib/rpm/rpmdb.sqlite", mariner, ALL),
        ("rpm-derived/cbl-mariner-2.0.ndb.Packages.db.xz", "usr/share/rpm/Packages.db", mariner, ALL),
        ("rpm-derived/cbl-mariner-2.0.bdb-le.Packages.xz", "var/lib/rpm/Packages", mariner, ALL),
        ("rpm-derived/cbl-mariner-2.0.bdb-be.Packages.xz", "var/lib/rpm/Packages", mariner, ALL),
        (
            "rpm/go-rpmdb/sle15-bci/Packages.db.xz",
            "usr/lib/sysimage/rpm/Packages.db",
            "rpm-derived/sle15-bci.expected.tsv",
            ALL,
        ),
        (
            "rpm-derived/cbl-mariner-2.0.container-manifest-2",
            "var/lib/rpmmanifest/container-manifest-2",
            mariner,
            &["sourcerpm", "vendor"],
        ),
    ] {
        let bytes = contents(&folder.join(file));
        let expected = expected_rows(&fs::read_to_string(folder.join(expected)).expect("list"), columns);
        let outcome = scan(path, &bytes);
        assert_eq!(outcome.notes, [], "{file}");
        assert_eq!(rpm_rows(&outcome.value, columns), expected, "{file}");
        println!("{file}: {} packages", expected.len());
        if !path.contains("manifest") {
            assert_eq!(scan_large(path, bytes), outcome, "{file} by random access");
        }
    }
    // The first list has no epochs and no sources, and a gap says so.
    let bytes = contents(&folder.join("rpm-derived/cbl-mariner-2.0.container-manifest-1"));
    let outcome = scan("var/lib/rpmmanifest/container-manifest-1", &bytes);
    let expected = expected_rows(&fs::read_to_string(folder.join(mariner)).expect("list"), &[]);
    let without_epoch = |row: &String| row.replacen(" 1:", " ", 1);
    assert_eq!(rpm_rows(&outcome.value, &[]), expected.iter().map(without_epoch).collect::<Vec<_>>());
    assert_eq!(outcome.notes.len(), 1);
    assert_eq!(outcome.notes[0].code, "package-source-unknown");
}

#[test]
fn small_rpm_databases() {
    let Some(folder) = fixtures() else { return };
    for (file, package, version) in [
        ("rpm/go-rpmdb/libuuid/Packages", "libuuid", "2.32.1-42.el8_8"),
        ("rpm/osv-scalibr/rpm/testdata/Packages_epoch", "hello", "1:0.0.1-rls"),
        ("rpm/syft/redhat/testdata/Packages", "dive", "0.9.2-1"),
    ] {
        let outcome = scan("var/lib/rpm/Packages", &contents(&folder.join(file)));
        assert_eq!(outcome.notes, [], "{file}");
        assert_eq!(versions(&outcome.value), [(package.to_owned(), version.to_owned())], "{file}");
    }
}

/// Damaged copies of real databases: no panic, and never fewer packages without a gap.
#[test]
fn damage_to_rpm_databases_is_said() {
    let Some(folder) = fixtures() else { return };
    for (file, path) in [
        ("rpm/go-rpmdb/libuuid/Packages", "var/lib/rpm/Packages"),
        ("rpm/osv-scalibr/rpm/testdata/Packages_epoch", "var/lib/rpm/Packages"),
        ("rpm/go-rpmdb/sle15-bci/Packages.db.xz", "var/lib/rpm/Packages.db"),
        ("rpm/go-rpmdb/cbl-mariner-2.0/rpmdb.sqlite.xz", "var/lib/rpm/rpmdb.sqlite"),
    ] {
        let whole = contents(&folder.join(file));
        let count = scan(path, &whole).value.packages.len();
        for part in 0..8 {
            let cut = &whole[..whole.len() * part / 8];
            let outcome = scan(path, cut);
            let gap = outcome.notes.iter().any(|note| note.grade == Grade::Gap);
            let fewer = outcome.value.packages.len() < count;
            assert!(!fewer || gap || cut.is_empty(), "{file} cut after {} bytes", cut.len());
        }
        let mut state = 1u64;
        for _ in 0..12 {
            let mut damaged = whole.clone();
            for _ in 0..40 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (state >> 33) as usize % damaged.len();
                damaged[at] ^= (state >> 20) as u8 | 1;
            }
            scan(path, &damaged);
        }
    }
}

/// A root file system as a folder, named by `SEAWORTHY_ROOTFS`, against the list that dpkg gives.
#[test]
fn a_real_root_file_system() {
    let Some(root) = std::env::var_os("SEAWORTHY_ROOTFS").map(PathBuf::from) else {
        println!("SKIPPED: SEAWORTHY_ROOTFS names no root file system of a Debian");
        return;
    };
    let listed = Command::new("dpkg-query")
        .arg(format!("--admindir={}", root.join("var/lib/dpkg").display()))
        .args([
            "-f",
            "${binary:Package} ${Version} ${source:Package} ${source:Version} ${Architecture}\n",
            "-W",
        ])
        .output()
        .expect("dpkg-query");
    let text = String::from_utf8(listed.stdout).expect("text");
    let mut expected: Vec<String> = text
        .lines()
        .map(|line| {
            let (name, rest) = line.split_once(' ').expect("columns");
            format!("{} {rest}", name.split(':').next().expect("name"))
        })
        .collect();
    expected.sort();
    let start = std::time::Instant::now();
    let matcher = Matcher::new(units_for(Target::Image));
    let limits = Limits::default();
    let mut reader = LayerReader::new(&matcher, &limits);
    let mut count = 0;
    walk(&root, &root, &mut |path, kind, link, file| {
        let bytes = file.map(|file| fs::read(file).expect("file")).unwrap_or_default();
        let entry = Entry { path, kind, mode: 0, uid: 0, gid: 0, size: bytes.len() as u64, link };
        if reader.entry(&entry, &bytes[..bytes.len().min(512)]) == Want::Content {
            reader.content(count, Content::Whole(&bytes));
        }
        count += 1;
    });
    let facts = reader.finish(Vec::new());
    let bytes: usize = facts.facts.iter().map(|fact| fact.bytes.len()).sum();
    println!("{count} entries read in {:?}; {} facts, {bytes} bytes", start.elapsed(), facts.facts.len());
    let start = std::time::Instant::now();
    let outcome = assemble(&[&facts], Target::Image);
    println!("assembled in {:?}", start.elapsed());
    let mut actual: Vec<String> = Vec::new();
    for package in outcome.value.packages.iter().filter(|p| p.ecosystem == "deb") {
        let (name, version) = package.source_or_self();
        let architecture = package.architecture.as_deref().unwrap_or_default();
        actual.push(format!("{} {} {name} {version} {architecture}", package.name, package.version));
    }
    actual.sort();
    assert_eq!(actual, expected);
    println!("{} packages, {:?}, {:?}", actual.len(), outcome.value.os, outcome.notes);
}

type Each<'a> = dyn FnMut(&str, EntryKind, &str, Option<&Path>) + 'a;

fn walk(root: &Path, folder: &Path, each: &mut Each<'_>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
        let meta = fs::symlink_metadata(&path).expect("metadata");
        if meta.is_symlink() {
            let link = fs::read_link(&path).expect("link");
            each(&name, EntryKind::Symlink, &link.to_string_lossy(), None);
        } else if meta.is_dir() {
            each(&name, EntryKind::Folder, "", None);
            walk(root, &path, each);
        } else if meta.is_file() {
            each(&name, EntryKind::File, "", Some(&path));
        }
    }
}
