//! The list of dependencies inside the program: the section `.dep-v0` of `cargo auditable` (its format is in
//! that project's PARSING.md: zlib-compressed JSON), which scanners read to know what an executable is made of.

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The package that the program comes from.
const ROOT: &str = "seaworthy-cli";

/// Copies the program with the section added. `folder` is for the section's file.
pub fn embed(source: &Path, target: &str, program: &Path, finished: &Path, folder: &Path) -> Result<()> {
    let list = serde_json::to_vec(&list(&metadata(source, target)?)?)?;
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&list)?;
    let section = folder.join("dependencies.zlib");
    fs::write(&section, packed.finish()?)?;
    let status = Command::new("objcopy")
        .arg(format!("--add-section=.dep-v0={}", section.display()))
        .arg("--set-section-flags=.dep-v0=noload,readonly")
        .args([program, finished])
        .status()
        .context("starting objcopy (it comes with build-essential)")?;
    if !status.success() {
        bail!("objcopy failed: {status}");
    }
    Ok(())
}

fn metadata(source: &Path, target: &str) -> Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", target])
        .current_dir(source)
        .output()
        .context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Everything that the program is built from, build scripts' own needs as kind `build`; sorted, so that the
/// same commit gives the same bytes.
fn list(metadata: &Value) -> Result<Value> {
    let nodes =
        metadata.pointer("/resolve/nodes").and_then(Value::as_array).context("a graph of packages")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("packages")?;
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let edges: BTreeMap<String, Vec<(String, bool)>> =
        nodes.iter().map(|node| (text(node, "id"), edges(node))).collect();
    let root =
        packages.iter().find(|p| text(p, "name") == ROOT).map(|p| text(p, "id")).context("the program")?;
    // What runs is reached by normal edges alone.
    let runs = reached(&root, &edges, false);
    let all = reached(&root, &edges, true);
    let mut chosen: Vec<(String, String, String, &Value)> = packages
        .iter()
        .filter(|package| all.contains(&text(package, "id")))
        .map(|package| (text(package, "name"), text(package, "version"), text(package, "id"), package))
        .collect();
    chosen.sort_by(|a, b| (&a.0, &a.1, &a.2).cmp(&(&b.0, &b.1, &b.2)));
    let place: BTreeMap<&str, usize> =
        chosen.iter().enumerate().map(|(index, (_, _, id, _))| (id.as_str(), index)).collect();
    let entries: Vec<Value> = chosen
        .iter()
        .map(|(name, version, id, package)| {
            let mut needs: Vec<usize> = edges
                .get(id)
                .into_iter()
                .flatten()
                .filter_map(|(other, _)| place.get(other.as_str()).copied())
                .collect();
            needs.sort_unstable();
            needs.dedup();
            let source = match text(package, "source").as_str() {
                "" => "local",
                source if source.starts_with("registry+") || source.starts_with("sparse+") => "crates.io",
                _ => "git",
            };
            let mut entry = json!({ "name": name, "version": version, "source": source });
            if !runs.contains(id) {
                entry["kind"] = json!("build");
            }
            if !needs.is_empty() {
                entry["dependencies"] = json!(needs);
            }
            if *id == root {
                entry["root"] = json!(true);
            }
            entry
        })
        .collect();
    Ok(json!({ "packages": entries }))
}

/// Where a package's edges lead, and whether only for building.
fn edges(node: &Value) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    for dependency in node.get("deps").and_then(Value::as_array).into_iter().flatten() {
        let id = dependency.get("pkg").and_then(Value::as_str).unwrap_or_default();
        for kind in dependency.get("dep_kinds").and_then(Value::as_array).into_iter().flatten() {
            match kind.get("kind").and_then(Value::as_str) {
                None => out.push((id.to_owned(), false)),
                Some("build") => out.push((id.to_owned(), true)),
                Some(_) => {}
            }
        }
    }
    out
}

fn reached(root: &str, edges: &BTreeMap<String, Vec<(String, bool)>>, by_build: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::from([root.to_owned()]);
    let mut open = vec![root.to_owned()];
    while let Some(id) = open.pop() {
        for (next, build) in edges.get(&id).into_iter().flatten() {
            if (by_build || !build) && found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_is_told_from_what_runs() {
        let package = |name: &str, source: Value| json!({ "name": name, "version": "1.0.0", "id": name, "source": source });
        let edge = |to: &str, kind: Value| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                package(ROOT, Value::Null), package("runs", json!("registry+x")), package("builds", json!("registry+x")),
                package("tests", json!("registry+x")), package("deep", json!("git+x")),
            ],
            "resolve": { "nodes": [
                { "id": ROOT, "deps": [edge("runs", Value::Null), edge("builds", json!("build")), edge("tests", json!("dev"))] },
                { "id": "builds", "deps": [edge("deep", Value::Null)] },
            ] }
        });
        let list = list(&metadata).expect("a list");
        assert_eq!(
            list,
            json!({ "packages": [
            { "name": "builds", "version": "1.0.0", "source": "crates.io", "kind": "build", "dependencies": [1] },
            { "name": "deep", "version": "1.0.0", "source": "git", "kind": "build" },
            { "name": "runs", "version": "1.0.0", "source": "crates.io" },
            { "name": ROOT, "version": "1.0.0", "source": "local", "dependencies": [0, 2], "root": true },
        ] })
        );
    }
}
