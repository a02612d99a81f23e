//! `cargo xtask accuracy`: what a scan finds in an image of known make, against an independent judge
//! (`tools/accuracy/judge.py`) and against peers on PATH that get the same advisories. Prints tables
//! of packages and vulnerabilities; `--details` prints every difference. See docs/accuracy.md.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

struct Options {
    image: PathBuf,
    shared: PathBuf,
    database: Option<PathBuf>,
    program: Option<PathBuf>,
    details: bool,
}

impl Options {
    /// Reads `--image FILE --shared FOLDER --db FOLDER --program FILE --details`.
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            image: std::env::var_os("SEAWORTHY_IMAGES")
                .map_or_else(|| crate::root().join("target/images"), PathBuf::from)
                .join("kitchen-sink.tar"),
            shared: std::env::var_os("SEAWORTHY_SHARED")
                .map_or_else(|| crate::root().join("../shared"), PathBuf::from),
            database: None,
            program: None,
            details: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value =
                || rest.next().map(PathBuf::from).with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--image" => options.image = value()?,
                "--shared" => options.shared = value()?,
                "--db" => options.database = Some(value()?),
                "--program" => options.program = Some(value()?),
                "--details" => options.details = true,
                other => bail!("accuracy knows no `{other}`"),
            }
        }
        Ok(options)
    }
}

/// Scans, asks the peers, and lets the judge compare.
pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let advisories = options.shared.join("advisories");
    for needed in [&options.image, &advisories] {
        if !needed.exists() {
            bail!(
                "`{}` is not there: images come from `shared/images/make.sh`, advisories lie beside it",
                needed.display()
            );
        }
    }
    let work = crate::root().join("target/accuracy");
    std::fs::create_dir_all(&work)?;
    let work = work.canonicalize()?;
    let judge = crate::root().join("tools/accuracy/judge.py");
    let mut verdict = Command::new("python3");
    verdict.arg(&judge).arg("--advisories").arg(&advisories).arg("--image").arg(&options.image);
    let jars = options.shared.join("images/java.txt");
    if jars.is_file() {
        verdict.arg("--jars").arg(jars);
    }
    verdict.arg("--ours").arg(ours(&options, &advisories, &work)?);
    if is_on_path("osv-scanner") {
        verdict.arg("--osv-scanner").arg(osv_scanner(&options.image, &advisories, &judge, &work)?);
    }
    if is_on_path("syft") {
        let out = work.join("syft.json");
        let image = format!("docker-archive:{}", options.image.display());
        save(Command::new("syft").args(["scan", &image, "-q", "-o", "json"]), &out)?;
        verdict.arg("--syft").arg(out);
    }
    if options.details {
        verdict.arg("--details");
    }
    match verdict.status().context("python3 with the package `packaging` is needed")? {
        status if status.success() => Ok(()),
        status => bail!("the judge failed: {status}"),
    }
}

/// Scans with the release program and a database of the same advisories.
fn ours(options: &Options, advisories: &Path, work: &Path) -> Result<PathBuf> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => {
            crate::run("cargo", &["build", "--release", "--quiet", "--package", "seaworthy-cli"])?;
            let target = std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| crate::root().join("target"), PathBuf::from);
            target.join("release/seaworthy")
        }
    };
    let database = options.database.clone().unwrap_or_else(|| work.join("db"));
    if options.database.is_none() {
        let mut update = Command::new(&program);
        update.arg("--quiet").arg("--db").arg(&database).args(["db", "update", "--from"]).arg(advisories);
        update.arg("--manifest").arg(crate::root().join("docs/snapshot-manifest.json"));
        save(&mut update, &work.join("update.txt"))?;
    }
    let out = work.join("seaworthy.json");
    let mut scan = Command::new(&program);
    scan.arg("--quiet").arg("--db").arg(&database).args(["scan", "--no-cache", "--format", "json"]);
    save(scan.arg(&options.image), &out)?;
    Ok(out)
}

/// Scans with osv-scanner, offline, with the same advisories in its own layout.
fn osv_scanner(image: &Path, advisories: &Path, judge: &Path, work: &Path) -> Result<PathBuf> {
    let cache = work.join("osv");
    let mut lay_out = Command::new("python3");
    lay_out.arg(judge).arg("--advisories").arg(advisories).arg("--osv-scalibr").arg(&cache);
    save(&mut lay_out, &work.join("osv.txt"))?;
    let out = work.join("osv-scanner.json");
    let mut scan = Command::new("osv-scanner");
    scan.env("OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY", &cache).args(["scan", "image", "--archive"]).arg(image);
    save(scan.args(["--offline", "--all-packages", "--format", "json"]), &out)?;
    Ok(out)
}

/// Runs a command and keeps what it prints. Scanners end with 1 when they find something and with 3
/// when they could not see everything; an empty answer is a failure.
fn save(command: &mut Command, out: &Path) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let result = command.output().with_context(|| format!("`{name}` cannot be run"))?;
    if !matches!(result.status.code(), Some(0 | 1 | 3))
        || (result.stdout.is_empty() && !result.status.success())
    {
        bail!("`{name}` failed ({}): {}", result.status, String::from_utf8_lossy(&result.stderr));
    }
    std::fs::write(out, &result.stdout)?;
    Ok(())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        println!("{program} is not on PATH: left out\n");
    }
    found
}
