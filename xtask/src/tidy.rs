//! Registries of units: the committed list between `tidy:begin` and `tidy:end` in each folder's
//! `mod.rs` is rewritten from the files of the folder.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const BEGIN: &str = "// tidy:begin\n";
const END: &str = "// tidy:end\n";

/// One registry: a folder whose every file is a unit.
struct Registry {
    /// Folder, from the root.
    folder: &'static str,
    /// Type of an element of the list.
    element: &'static str,
    /// Expression of one unit; `{}` is the module.
    unit: &'static str,
    /// Sentence above the list.
    doc: &'static str,
}

const REGISTRIES: &[Registry] = &[
    Registry {
        folder: "crates/types/src/ecosystem",
        element: "&Ecosystem",
        unit: "&{}::ECOSYSTEM",
        doc: "Every ecosystem, sorted by id.",
    },
    Registry {
        folder: "crates/types/src/distribution",
        element: "&Distribution",
        unit: "&{}::DISTRIBUTION",
        doc: "Every distribution, sorted by id.",
    },
    Registry {
        folder: "crates/version/src/scheme",
        element: "&Scheme",
        unit: "&{}::SCHEME",
        doc: "Every scheme, sorted by name.",
    },
    Registry {
        folder: "crates/analyze/src/cataloguer",
        element: "&dyn Cataloguer",
        unit: "{}::CATALOGUER",
        doc: "Every cataloguer, sorted by name.",
    },
    Registry {
        folder: "crates/analyze/src/sbom",
        element: "&dyn SbomReader",
        unit: "{}::READER",
        doc: "Every reader of software bills of materials, sorted by name.",
    },
    Registry {
        folder: "crates/advisory/src/feed",
        element: "&dyn Feed",
        unit: "{}::FEED",
        doc: "Every feed, sorted by name.",
    },
    Registry {
        folder: "crates/report/src/format",
        element: "&dyn Format",
        unit: "{}::FORMAT",
        doc: "Every output format, sorted by name.",
    },
];

/// Rewrites all registries, or fails when one is stale and `only_check` is set.
pub fn run(root: &Path, only_check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for registry in REGISTRIES.iter().filter(|r| root.join(r.folder).is_dir()) {
        let path = root.join(registry.folder).join("mod.rs");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let fresh = rewritten(root, registry, &text).with_context(|| path.display().to_string())?;
        if fresh != text {
            stale.push(registry.folder);
            if !only_check {
                fs::write(&path, fresh)?;
            }
        }
    }
    match (stale.is_empty(), only_check) {
        (true, _) => Ok(()),
        (false, true) => bail!("stale lists in {}: run `cargo xtask tidy`", stale.join(", ")),
        (false, false) => {
            eprintln!("rewrote {}", stale.join(", "));
            Ok(())
        }
    }
}

fn rewritten(root: &Path, registry: &Registry, text: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("no `// tidy:begin`")?;
    let (_, after) = rest.split_once(END).context("no `// tidy:end`")?;
    let units = units(&root.join(registry.folder))?;
    let mut list = String::new();
    for unit in &units {
        list.push_str(&format!("pub mod {unit};\n"));
    }
    list.push_str(&format!("\n/// {}\npub const ALL: &[{}] = &[\n", registry.doc, registry.element));
    for unit in &units {
        list.push_str(&format!("    {},\n", registry.unit.replace("{}", unit)));
    }
    list.push_str("];\n");
    format(root, &format!("{before}{BEGIN}{list}{END}{after}"))
}

/// Modules of the folder: files and sub-folders other than `mod.rs`, sorted.
pub fn units(folder: &Path) -> Result<Vec<String>> {
    let mut units = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if entry.path().join("mod.rs").is_file() {
                units.push(name);
            }
        } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "mod") {
            units.push(stem.to_owned());
        }
    }
    units.sort();
    Ok(units)
}

fn format(root: &Path, text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    child.stdin.take().context("rustfmt's input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("rustfmt failed");
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn registries_are_fresh() {
        super::run(&crate::root(), true).expect("registries match their folders");
    }
}
