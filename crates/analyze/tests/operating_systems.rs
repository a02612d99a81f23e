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
        f if f.contains("/copyright") => None,
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
    assert!(compared >= 19, "{compared}");
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
