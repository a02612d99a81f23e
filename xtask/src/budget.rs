//! How much of other people's code we carry: counts of packages, one TLS stack, no package that was
//! ruled out. Read from `cargo metadata --offline` for the platform of this machine and from Cargo.lock.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const CORE_MAX: usize = 140;
const LOCK_MAX: usize = 450;
/// What the sync core consists of.
const CORE: &[&str] = &["seaworthy-scan", "seaworthy-report"];
/// Never in the lock file: other TLS stacks, and a YAML reader that nobody keeps any more.
const RULED_OUT: &[&str] = &[
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-sys",
    "aws-lc-rs",
    "schannel",
    "serde_yaml",
    "serde_yml",
];
/// At most one version of these.
const ONCE: &[&str] = &["rustls", "ring", "tokio", "hyper", "serde_json", "toml", "quick-xml", "zip"];

/// The figures.
#[derive(Debug, Default)]
pub struct Budget {
    /// Packages that the sync core is built from, ours included, without build scripts and tests.
    pub core: BTreeSet<String>,
    /// Packages of the lock file that are not ours: name to versions.
    pub lock: BTreeMap<String, BTreeSet<String>>,
}

/// Reads the lock file and the graph of packages.
pub fn measure(root: &Path) -> Result<Budget> {
    let lock: toml::Table = fs::read_to_string(root.join("Cargo.lock"))?.parse()?;
    let mut budget = Budget { core: core(root)?, ..Budget::default() };
    for package in lock.get("package").and_then(toml::Value::as_array).context("packages in Cargo.lock")? {
        let text = |key| package.get(key).and_then(toml::Value::as_str);
        if let (Some(name), Some(version), Some(_)) = (text("name"), text("version"), text("source")) {
            budget.lock.entry(name.into()).or_default().insert(version.into());
        }
    }
    Ok(budget)
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("starting rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names its host")?.to_owned())
}

/// Names and versions of what the core is built from, by normal dependencies.
fn core(root: &Path) -> Result<BTreeSet<String>> {
    let host = host()?;
    let arguments =
        ["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host];
    let output =
        Command::new("cargo").args(arguments).current_dir(root).output().context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .context("a graph")?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let names: BTreeMap<&str, String> = metadata["packages"]
        .as_array()
        .context("packages")?
        .iter()
        .filter_map(|package| {
            let name = format!("{} {}", package["name"].as_str()?, package["version"].as_str()?);
            Some((package["id"].as_str()?, name))
        })
        .collect();
    let is_core = |name: &String| CORE.contains(&name.split(' ').next().unwrap_or_default());
    let mut open: Vec<&str> = names.iter().filter(|(_, name)| is_core(name)).map(|(id, _)| *id).collect();
    let mut seen: BTreeSet<&str> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        let node = nodes.get(id).context("a package of the graph")?;
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            let normal = kinds.into_iter().any(|kind| kind["kind"].is_null());
            if let Some(id) = dependency["pkg"].as_str().filter(|id| normal && seen.insert(id)) {
                open.push(id);
            }
        }
    }
    Ok(seen.iter().filter_map(|id| names.get(id).cloned()).collect())
}

impl Budget {
    fn lock_count(&self) -> usize {
        self.lock.values().map(BTreeSet::len).sum()
    }

    /// The figures for people.
    pub fn text(&self) -> String {
        let twice: Vec<String> = self
            .lock
            .iter()
            .filter(|(_, versions)| versions.len() > 1)
            .map(|(name, versions)| {
                format!("{name} ({})", versions.iter().cloned().collect::<Vec<_>>().join(", "))
            })
            .collect();
        format!(
            "packages: sync core {} of {CORE_MAX}, lock file {} of {LOCK_MAX}; in several versions: {}",
            self.core.len(),
            self.lock_count(),
            if twice.is_empty() { "none".into() } else { twice.join(", ") }
        )
    }

    /// What goes over a budget or was ruled out.
    pub fn offenders(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.core.is_empty() || self.core.len() > CORE_MAX {
            found.push(format!("the sync core has {} packages; at most {CORE_MAX}", self.core.len()));
        }
        if self.lock_count() > LOCK_MAX {
            found.push(format!("Cargo.lock has {} packages; at most {LOCK_MAX}", self.lock_count()));
        }
        let out = RULED_OUT.iter().filter(|name| self.lock.contains_key(**name));
        found.extend(out.map(|name| format!("Cargo.lock holds {name}, which was ruled out")));
        let twice = ONCE.iter().filter(|name| self.lock.get(**name).is_some_and(|v| v.len() > 1));
        found.extend(twice.map(|name| format!("Cargo.lock holds {name} more than once")));
        let dials = |name: &&String| {
            crate::edges::FORBIDDEN_ABOVE.contains(&name.split(' ').next().unwrap_or_default())
        };
        found.extend(self.core.iter().filter(dials).map(|name| format!("the sync core depends on {name}")));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_hold() {
        let budget = measure(&crate::root()).expect("metadata without a network");
        println!("{}", budget.text());
        assert_eq!(budget.offenders(), [] as [&str; 0]);
    }

    #[test]
    fn offences_are_seen() {
        let mut budget = Budget::default();
        budget.core.insert("tokio 1.0.0".into());
        budget.lock.insert("openssl".into(), BTreeSet::from(["1".into()]));
        budget.lock.insert("rustls".into(), BTreeSet::from(["1".into(), "2".into()]));
        budget.lock.insert("many".into(), (0..LOCK_MAX).map(|n| n.to_string()).collect());
        assert_eq!(budget.offenders().len(), 4, "{:?}", budget.offenders());
    }
}
