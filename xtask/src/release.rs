//! A release: the static program, built from an export of the last commit so that two builds in different
//! folders are the same bytes; its list of dependencies inside it (`cargo auditable`'s section `.dep-v0`, so
//! that any scanner can read it, ours too); its SBOM, made by itself; its provenance (in-toto statement v1 with
//! SLSA provenance v1), signed when a key is given.
//!
//! The program is for glibc, with glibc inside (`+crt-static`): since glibc 2.34 names are resolved without
//! loading anything, so it runs in an empty container. `--musl` builds for musl on machines that have its
//! target: that way is untested.

mod audit;
mod build;
mod provenance;

use anyhow::{Context, Result, bail};
use build::Recipe;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HELP: &str = "cargo xtask release [--into FOLDER] [--key PRIVATE.pem] [--check] [--musl]";

/// What was typed.
struct Options {
    into: PathBuf,
    key: Option<PathBuf>,
    check: bool,
    musl: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { into: crate::root().join("dist"), key: None, check: false, musl: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut path =
                || arguments.next().map(PathBuf::from).with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--into" => options.into = path()?,
                "--key" => options.key = Some(path()?),
                "--check" => options.check = true,
                "--musl" => options.musl = true,
                other => bail!("`{other}` is not understood: {HELP}"),
            }
        }
        Ok(options)
    }
}

/// Makes the release; with `--check` builds twice and compares.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let recipe = Recipe::new(options.musl)?;
    if !recipe.is_clean {
        println!("note: the work tree differs from commit {}; the commit is what is built", recipe.commit);
    }
    let work = crate::root().join("target/release-build");
    let program = recipe.build(&work.join("a"))?;
    if options.check {
        // Another depth and another length of the path.
        let other = recipe.build(&work.join("a-second-build/in-another-folder"))?;
        same(&program, &other)?;
    }
    fs::create_dir_all(&options.into)?;
    let into = fs::canonicalize(&options.into)?;
    let file = into.join("seaworthy");
    fs::copy(&program, &file)?;
    let digest = sha256(&file)?;
    fs::write(into.join("seaworthy.sha256"), format!("{digest}  seaworthy\n"))?;
    let sbom = into.join("seaworthy.cdx.json");
    own_sbom(&file, &sbom)?;
    let statement = provenance::statement(&recipe, &work.join("a/src/Cargo.lock"), &digest, &sha256(&sbom)?)?;
    let envelope = provenance::envelope(&statement, options.key.as_deref())?;
    fs::write(into.join("seaworthy.provenance.json"), envelope)?;
    let bytes = fs::metadata(&file)?.len();
    println!("{}: {:.1} MB, sha256:{digest}", file.display(), bytes as f64 / 1e6);
    if options.key.is_none() {
        println!("the provenance is not signed: --key PRIVATE.pem signs it");
    }
    Ok(())
}

/// The SBOM that the program writes of itself; nothing of the user's is used.
fn own_sbom(program: &Path, to: &Path) -> Result<()> {
    let nowhere = empty_folder("nowhere")?;
    let target = format!("file:{}", program.display());
    let output = Command::new(program)
        .args(["scan", &target, "-f", "cyclonedx", "--no-cache", "--db"])
        .arg(&nowhere)
        .current_dir(&nowhere)
        .output()
        .context("starting the program that was built")?;
    let code = output.status.code();
    if !matches!(code, Some(0 | 1 | 3)) {
        bail!("the program could not scan itself ({code:?}): {}", String::from_utf8_lossy(&output.stderr));
    }
    fs::write(to, output.stdout)?;
    Ok(())
}

/// An empty folder of this task's own.
fn empty_folder(name: &str) -> Result<PathBuf> {
    let folder = crate::root().join("target/release-build").join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn same(one: &Path, other: &Path) -> Result<()> {
    let (a, b) = (fs::read(one)?, fs::read(other)?);
    if a == b {
        println!("two builds in different folders are the same {} bytes", a.len());
        return Ok(());
    }
    let at = a.iter().zip(&b).position(|(x, y)| x != y);
    bail!(
        "two builds differ: {} and {} bytes, first at {at:?} ({}, {})",
        a.len(),
        b.len(),
        one.display(),
        other.display()
    )
}

/// Lower-case hexadecimal SHA-256 of a file.
fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
