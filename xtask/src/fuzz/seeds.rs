//! Seeds of the fuzz targets, derived from the cases of the crates. The first byte of an input chooses
//! a unit by its place in the registry, which is the sorted list of the folder's modules.

use super::tar;
use crate::tidy::units;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Larger inputs make fuzzing slow and show little new.
pub const INPUT_BYTES_MAX: usize = 16 << 10;

/// Writes the seeds of a target into its corpus; gives their number.
pub fn gather(root: &Path, target: &str) -> Result<usize> {
    let folder = root.join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let seeds = of(root, target)?;
    for seed in &seeds {
        let name: String = Sha256::digest(seed).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.join(format!("seed-{name}")), seed)?;
    }
    Ok(seeds.len())
}

/// The seeds of a target.
pub fn of(root: &Path, target: &str) -> Result<Vec<Vec<u8>>> {
    let mut seeds = match target {
        "cataloguer" => cataloguer(root)?,
        "feed" => feed(root)?,
        "scheme" => scheme(root)?,
        "sbom" => sbom(root),
        "format" => format(),
        "layer" => layers(root).iter().flat_map(|tar| [1, 3, 5].map(|how| prefixed(&[how], tar))).collect(),
        "archive" => archive(root),
        "deliver" => deliver(root),
        // Enough first bytes to reach each shard and each kind of message.
        _ => (0..32).map(|first| prefixed(&[first], &[0; 64])).collect(),
    };
    seeds.retain(|seed| seed.len() <= INPUT_BYTES_MAX);
    Ok(seeds)
}

/// Frozen publications: each file as an index and as a file of each kind of shard; and edits of nothing.
fn deliver(root: &Path) -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0..8).flat_map(|how| (0..4).map(move |kind| vec![how, kind])).collect();
    for path in files(&root.join("crates/advisory/tests/frozen")) {
        let bytes = fs::read(&path).unwrap_or_default();
        match path.ends_with("index.seaworthy") {
            true => seeds.push(prefixed(&[0, 0], &bytes)),
            false => seeds.extend((0..3).map(|kind| prefixed(&[2, kind], &bytes))),
        }
    }
    seeds
}

fn prefixed(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefix, bytes].concat()
}

/// Every regular file below a folder, sorted; links are passed over.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The folders of a cataloguer's cases that are laid out as layers.
fn layer_folders(cases: &Path) -> Vec<PathBuf> {
    let children = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let is_layer = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name == "input" || name.starts_with("layer")
        })
    };
    children(cases).iter().flat_map(|case| children(case)).filter(is_layer).collect()
}

fn cataloguer(root: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for (index, unit) in units(&root.join("crates/analyze/src/cataloguer"))?.iter().enumerate() {
        let cases = root.join("crates/analyze/cases").join(unit.replace('_', "-"));
        for folder in layer_folders(&cases) {
            for file in files(&folder) {
                let path = file.strip_prefix(&folder)?.to_string_lossy().into_owned();
                let Ok(length) = u8::try_from(path.len()) else { continue };
                let head = [&[index as u8, length], path.as_bytes()].concat();
                seeds.push(prefixed(&head, &fs::read(&file)?));
            }
        }
    }
    Ok(seeds)
}

fn feed(root: &Path) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for (index, unit) in units(&root.join("crates/advisory/src/feed"))?.iter().enumerate() {
        let cases = root.join("crates/advisory/tests/cases").join(unit.replace('_', "-"));
        for file in files(&cases) {
            if !file.to_string_lossy().ends_with(".expected.json") {
                seeds.push(prefixed(&[index as u8], &fs::read(&file)?));
            }
        }
    }
    Ok(seeds)
}

/// Rows of versions in the tests of each scheme: `1.0 < 1.1 = 1.01`.
fn scheme(root: &Path) -> Result<Vec<Vec<u8>>> {
    let folder = root.join("crates/version/src/scheme");
    let mut seeds = Vec::new();
    for (index, unit) in units(&folder)?.iter().enumerate() {
        let text = fs::read_to_string(folder.join(format!("{unit}.rs")))?;
        for row in text.split('"').filter(|row| row.contains(" < ") || row.contains(" = ")) {
            let versions: Vec<&str> = row.split(" < ").flat_map(|part| part.split(" = ")).collect();
            for some in versions.windows(versions.len().min(3)) {
                seeds.push(prefixed(&[index as u8], some.join("\n").as_bytes()));
            }
        }
    }
    Ok(seeds)
}

fn sbom(root: &Path) -> Vec<Vec<u8>> {
    let folders = ["crates/report/cases", "crates/analyze/cases/sbom"];
    let is_sbom = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.ends_with(".json") && (path.contains("cyclonedx") || path.contains("spdx"))
    };
    let paths = folders.iter().flat_map(|folder| files(&root.join(folder))).filter(is_sbom);
    // Without their spaces more of them fit; what is broken stays as it is.
    let compact = |path: PathBuf| {
        let bytes = fs::read(path).ok()?;
        match serde_json::from_slice::<serde_json::Value>(&bytes) {
            Ok(document) => serde_json::to_vec(&document).ok(),
            Err(_) => Some(bytes),
        }
    };
    paths.filter_map(compact).collect()
}

fn format() -> Vec<Vec<u8>> {
    let texts = [
        "",
        "\u{1b}[31m",
        "</script><script>",
        "=cmd|' /C calc'!A0",
        "a,b\"c\r\nd",
        "`](javascript:1)",
        "\u{202e}\u{0}",
        "]]>&lt;",
        "::error::%0A",
        "{{ 7*7 }}",
        "pkg:npm/%40a/b@1?x=y#z",
    ];
    let seed = |(number, text): (usize, &&str)| prefixed(&(number as u16 * 7).to_le_bytes(), text.as_bytes());
    texts.iter().enumerate().map(seed).collect()
}

/// Tars of the layers of all cases.
fn layers(root: &Path) -> Vec<Vec<u8>> {
    let cases = root.join("crates/analyze/cases");
    let mut units: Vec<_> =
        fs::read_dir(cases).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    units.sort();
    let read = |folder: PathBuf| {
        let file = |path: PathBuf| {
            Some((path.strip_prefix(&folder).ok()?.to_str()?.to_owned(), fs::read(&path).ok()?))
        };
        tar::tar(&files(&folder).into_iter().filter_map(file).collect::<Vec<_>>())
    };
    units.iter().flat_map(|unit| layer_folders(unit)).map(read).collect()
}

fn archive(root: &Path) -> Vec<Vec<u8>> {
    let mut layers = layers(root);
    layers.retain(|layer| layer.len() <= INPUT_BYTES_MAX / 3);
    layers.truncate(12);
    let both = |layer: &Vec<u8>| [tar::docker_archive(layer), tar::oci_archive(layer)];
    layers.iter().flat_map(both).map(|archive| prefixed(&[1], &archive)).collect()
}
