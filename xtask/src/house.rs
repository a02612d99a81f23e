//! `cargo xtask house`: what CONVENTIONS.md asks of the files, as far as a machine can see it: sizes of
//! files and functions, heads, forbidden words, cases of units, nothing of this machine.

use crate::source::{code_only, functions, lines_without_tests, rust_files};
use crate::tidy::units;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
/// The one place where `unsafe` may stand: our own database is mapped there.
const UNSAFE_ALLOWED: &[&str] = &["crates/advisory/src/database/container.rs"];
/// The house text. It is not changed here: who wants other rules changes them for all.
const CONVENTIONS_SHA256: &str = "ea76c222e92c06154e82a25e6182cb080c9d3a3445cfd7dfb2dc479457c024f4";

/// Folders of units with the folder of their cases, `{}` standing for the unit's name.
const CASES: &[(&str, &str)] = &[
    ("crates/analyze/src/cataloguer", "crates/analyze/cases/{}"),
    ("crates/analyze/src/sbom", "crates/analyze/cases/sbom/{}"),
    ("crates/advisory/src/feed", "crates/advisory/tests/cases/{}"),
    ("crates/report/src/format", "crates/report/cases/{}"),
];

/// Prints what is wrong and the budgets; fails when anything is wrong.
pub fn run(root: &Path) -> Result<()> {
    let budget = crate::budget::measure(root)?;
    println!("{}", budget.text());
    let mut found = crate::edges::offenders(root)?;
    found.extend(offenders(root)?);
    found.extend(budget.offenders());
    if found.is_empty() {
        return Ok(());
    }
    bail!("{} offences against the house rules:\n  {}", found.len(), found.join("\n  "))
}

/// Everything that contradicts the conventions.
pub fn offenders(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in tracked(root)? {
        let shown = path.to_string_lossy().into_owned();
        // Links and files that were deleted but not yet committed.
        let full = root.join(&path);
        if !fs::symlink_metadata(&full).is_ok_and(|facts| facts.is_file()) {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("reading {shown}"))?;
        found.extend(foreign(&bytes).into_iter().map(|what| format!("{shown}: {what}")));
        if shown.ends_with(".rs") && !shown.contains("/cases/") {
            let text = String::from_utf8(bytes).with_context(|| format!("{shown} is not UTF-8"))?;
            found.extend(rust(&shown, &text).into_iter().map(|what| format!("{shown}{what}")));
        }
    }
    found.extend(without_cases(root)?);
    let text = fs::read(root.join("CONVENTIONS.md")).context("reading CONVENTIONS.md")?;
    let digest: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != CONVENTIONS_SHA256 {
        found.push("CONVENTIONS.md is not the house text".into());
    }
    Ok(found)
}

/// Files under version control, and new ones that are not ignored.
fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output().context("starting git")?;
    if !output.status.success() {
        // A source archive has no history: the Rust files still count.
        let files = ["crates", "xtask", "fuzz"].iter().flat_map(|folder| rust_files(&root.join(folder)));
        return Ok(files.filter_map(|path| Some(path.strip_prefix(root).ok()?.to_owned())).collect());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect())
}

/// What does not belong into a file that others read.
fn foreign(bytes: &[u8]) -> Vec<String> {
    // Put together here, so that this file does not offend.
    let folders = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let has = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    let mut found: Vec<String> = folders
        .iter()
        .filter(|folder| has(folder))
        .map(|folder| format!("names {folder} of some machine"))
        .collect();
    // Lock files made with a mirror name it in every line.
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().filter(|line| line.contains("resolved")) {
        let Some((_, rest)) = line.split_once("://") else { continue };
        let host: String =
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '@')).collect();
        let is_free =
            [".example", "example.org", "example.com", "github.com"].iter().any(|end| host.ends_with(end));
        if !is_free && !host.is_empty() {
            found.push(format!("a fixture resolves from {host}; write a host below .example"));
        }
    }
    found.dedup();
    found
}

fn rust(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(": does not begin with `//!`".into());
    }
    let lines = lines_without_tests(text);
    if lines > FILE_LINES_MAX {
        found.push(format!(": {lines} lines without tests; at most {FILE_LINES_MAX}"));
    }
    for function in functions(&code).into_iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
        let (line, name, lines) = (function.line, function.name, function.lines);
        found.push(format!(":{line}: `{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}"));
    }
    for word in ["todo!", "unimplemented!", "dbg!"].iter().filter(|word| code.contains(**word)) {
        found.push(format!(": `{word}`"));
    }
    let is_unsafe = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    if is_unsafe && !UNSAFE_ALLOWED.contains(&path) {
        found.push(": `unsafe`".into());
    }
    found
}

fn without_cases(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (folder, cases) in CASES {
        for unit in units(&root.join(folder))? {
            let cases = cases.replace("{}", &unit.replace('_', "-"));
            let filled = fs::read_dir(root.join(&cases)).is_ok_and(|mut entries| entries.next().is_some());
            if !filled {
                found.push(format!("{folder}/{unit} has no cases in {cases}"));
            }
        }
    }
    // A scheme's cases are rows of versions in its own file.
    let schemes = "crates/version/src/scheme";
    for unit in units(&root.join(schemes))? {
        let text = fs::read_to_string(root.join(schemes).join(format!("{unit}.rs")))?;
        if !text.contains("cases::") || !text.contains("check(") {
            found.push(format!("{schemes}/{unit} has no rows of cases"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_in_order() {
        let found = offenders(&crate::root()).expect("readable files");
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn offences_are_seen() {
        let long = format!("fn a() {{\n{}}}\nfn b() {{ todo{}() }}\n", "x();\n".repeat(70), '!');
        assert_eq!(rust("a.rs", &long).len(), 3, "{:?}", rust("a.rs", &long));
        let dangerous = format!("//! a\n{} {{}}", ["uns", "afe"].concat());
        assert_eq!(rust("a.rs", &dangerous).len(), 1);
        assert_eq!(rust(UNSAFE_ALLOWED[0], &dangerous).len(), 0);
        assert_eq!(rust("a.rs", &format!("//! a\n{}", "\n".repeat(800))).len(), 1);
        assert_eq!(foreign(["in /wo", "rk/lab"].concat().as_bytes()).len(), 1);
        let line = |host: &str| format!("{}\": \"https://{host}/x.tgz\"", ["res", "olved"].concat());
        assert_eq!(foreign(line("mirror.internal").as_bytes()).len(), 1);
        assert_eq!(foreign(line("registry.example").as_bytes()).len(), 0);
    }
}
