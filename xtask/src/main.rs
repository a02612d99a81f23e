//! Development tasks. Does not depend on the product, so that it runs when the product does not
//! compile: a scanner that silently loses a unit reports "clean".

mod accuracy;
mod bench;
mod budget;
mod edges;
mod floor;
mod fuzz;
mod house;
mod measure;
mod release;
mod source;
mod tidy;

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const HELP: &str = "\
cargo xtask TASK

  check       house rules, format, clippy, tidy and all tests: what CI runs
  house       edges between crates, budgets, conventions: what a machine can see of them
  tidy        rewrite the registries of units from their folders (--check only compares)
  fuzz        run the fuzz targets on seeds from the cases
              (TARGET…, --seconds N, --memory-mb N, --build-only)
  bench       measure scans against the floor and against peers on PATH
              (--images FOLDER, --runs N, --feeds FOLDER, KIND…; `host`: all images of an engine)
  accuracy    compare a scan with an independent judge and with peers on PATH
              (--image FILE, --db FOLDER, --shared FOLDER, --program FILE, --details)
  release     build the static program from the last commit, with SBOM and provenance
              (--into FOLDER, --key PRIVATE.pem, --check builds twice and compares, --musl)
  floor       the floor itself: hash|inflate ARCHIVE
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("check") => check(),
        Some("tidy") => tidy::run(&root(), rest.iter().any(|a| a == "--check")),
        Some("house") => house::run(&root()),
        Some("fuzz") => fuzz::run(&fuzz::Options::parse(rest)?),
        Some("bench") => bench::run(&bench::Options::parse(rest)?),
        Some("accuracy") => accuracy::run(rest),
        Some("release") => release::run(rest),
        Some("floor") => floor::run(rest),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("no task `{other}`\n\n{HELP}"),
    }
}

/// The repository's root: the folder above this crate.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn check() -> Result<()> {
    tidy::run(&root(), true)?;
    house::run(&root())?;
    for arguments in [
        &["fmt", "--all", "--check"][..],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        // The fuzz targets are a workspace of their own, which would rot unseen.
        &["clippy", "--manifest-path", "fuzz/Cargo.toml", "--all-targets", "--", "-D", "warnings"],
        &["test", "--workspace"],
    ] {
        run("cargo", arguments)?;
    }
    Ok(())
}

/// Runs a command from the repository's root and fails with its name.
pub fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).current_dir(root()).status()?;
    if !status.success() {
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}
