//! Which crate may use which, and what none above the line may use. DESIGN: "A crate may use only crates
//! above it in this list"; above the line everything is synchronous and opens no socket. Read from
//! the Cargo.toml files, so that it holds without compiling anything. Dependencies of tests are not
//! edges of the product.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The crates from top to bottom, and what each uses of the crates above it. A new edge is a decision:
/// write it down here.
pub const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("version", &[]),
    ("image", &["types"]),
    ("analyze", &["types", "version", "image"]),
    ("advisory", &["types", "version"]),
    ("match", &["types", "version", "advisory"]),
    ("policy", &["types"]),
    ("remedy", &["types", "version"]),
    ("report", &["types"]),
    ("scan", &["types", "version", "image", "analyze", "advisory", "match", "policy", "remedy"]),
    // The line: below it a crate may dial out.
    ("net", &["types"]),
    (
        "cli",
        &[
            "types", "version", "image", "analyze", "advisory", "match", "policy", "remedy", "report",
            "scan", "net",
        ],
    ),
    // For tests only: it helps to test the others and therefore uses none of them.
    ("testkit", &[]),
];

/// The first crate below the line.
const LINE: &str = "net";

/// Packages that no crate above the line may depend on, at any distance.
pub const FORBIDDEN_ABOVE: &[&str] =
    &["tokio", "async-std", "smol", "hyper", "reqwest", "ureq", "rustls", "native-tls", "socket2", "mio"];

/// What the source of a crate above the line may not name. `std::os::unix::net` stays allowed: parent
/// and locked child speak over a socket pair that has no address.
const FORBIDDEN_WORDS: &[&str] =
    &["std::net", "TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "UnixListener", "UnixDatagram"];

/// Whether a crate is above the line.
pub fn is_above(name: &str) -> bool {
    let at = |wanted: &str| EDGES.iter().position(|(name, _)| *name == wanted);
    at(name).zip(at(LINE)).is_some_and(|(crate_at, line_at)| crate_at < line_at)
}

/// Everything that contradicts the table.
pub fn offenders(root: &Path) -> Result<Vec<String>> {
    let mut found = disorder(EDGES);
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let folder = entry?.path();
        let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            found.push(format!("crates/{name}: not in the table of edges (xtask/src/edges.rs)"));
            continue;
        };
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml"))?.parse()?;
        for used in product_uses(&manifest).filter(|used| !allowed.contains(&used.as_str())) {
            found.push(format!("crates/{name} uses seaworthy-{used}, which the table does not allow"));
        }
        if name == "testkit"
            && dependencies(&manifest, "dev-dependencies").any(|d| d.starts_with("seaworthy-"))
        {
            found.push("crates/testkit uses a crate that it helps to test".into());
        }
        seen.insert(name);
    }
    let missing = EDGES.iter().filter(|(name, _)| !seen.contains(*name));
    found.extend(missing.map(|(name, _)| format!("crates/{name} is in the table and not there")));
    let own: toml::Table = fs::read_to_string(root.join("xtask/Cargo.toml"))?.parse()?;
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        found.extend(
            dependencies(&own, section)
                .filter(|name| name.starts_with("seaworthy-"))
                .map(|name| format!("xtask uses {name}; it must run when the product does not compile")),
        );
    }
    found.extend(words(root)?);
    found.sort();
    Ok(found)
}

/// Edges of a table that do not point up.
fn disorder(table: &[(&str, &[&str])]) -> Vec<String> {
    let mut above = BTreeSet::new();
    let mut found = Vec::new();
    for (name, uses) in table {
        let wrong = uses.iter().filter(|used| !above.contains(**used));
        found.extend(wrong.map(|used| format!("the table lets {name} use {used}, which is not above it")));
        above.insert(*name);
    }
    found
}

fn dependencies<'m>(manifest: &'m toml::Table, section: &str) -> impl Iterator<Item = &'m str> {
    let own = manifest.get(section).and_then(toml::Value::as_table);
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let section = section.to_owned();
    let of_targets = targets.filter_map(move |(_, target)| target.get(&section)?.as_table());
    own.into_iter().chain(of_targets).flat_map(|table| table.keys().map(String::as_str))
}

/// The crates of the product that a crate uses when it is built: folder names.
fn product_uses(manifest: &toml::Table) -> impl Iterator<Item = String> {
    dependencies(manifest, "dependencies")
        .chain(dependencies(manifest, "build-dependencies"))
        .filter_map(|name| name.strip_prefix("seaworthy-").map(str::to_owned))
}

fn words(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (name, _) in EDGES.iter().filter(|(name, _)| is_above(name)) {
        for path in crate::source::rust_files(&root.join("crates").join(name).join("src")) {
            let code = crate::source::code_only(&fs::read_to_string(&path)?);
            let named = FORBIDDEN_WORDS.iter().filter(|word| code.contains(**word));
            let path = path.strip_prefix(root)?.display().to_string();
            found.extend(named.map(|word| format!("{path} names {word}: above the line nothing dials out")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_use_only_what_is_above_them() {
        assert_eq!(offenders(&crate::root()).expect("readable manifests"), [] as [&str; 0]);
    }

    #[test]
    fn wrong_edges_are_seen() {
        assert_eq!(disorder(&[("a", &["b"]), ("b", &[])]).len(), 1);
        let manifest = "[dependencies]\nseaworthy-net.workspace = true\n[target.'cfg(unix)'.dependencies]\n\
                        seaworthy-cli = \"1\"\n[dev-dependencies]\nseaworthy-scan = \"1\"";
        let uses: Vec<String> = product_uses(&manifest.parse().expect("a manifest")).collect();
        assert_eq!(uses, ["net", "cli"]);
        assert!(is_above("scan") && !is_above("net") && !is_above("cli"));
    }
}
