//! One build: an export of the commit, compiled so that nothing of the machine's paths, time or state gets in.

use super::audit;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is built, and with what.
pub struct Recipe {
    /// The commit.
    pub commit: String,
    /// When it was made, seconds since 1970: the only time that a build may know.
    pub time: String,
    /// Whether the work tree is that commit.
    pub is_clean: bool,
    /// Target triple.
    pub target: &'static str,
    /// `rustc -vV`, first line.
    pub compiler: String,
}

impl Recipe {
    /// Of the last commit of the repository.
    pub fn new(musl: bool) -> Result<Self> {
        let target = match (std::env::consts::ARCH, musl) {
            ("x86_64", false) => "x86_64-unknown-linux-gnu",
            ("x86_64", true) => "x86_64-unknown-linux-musl",
            ("aarch64", false) => "aarch64-unknown-linux-gnu",
            ("aarch64", true) => "aarch64-unknown-linux-musl",
            (other, _) => bail!("there is no recipe for {other}"),
        };
        Ok(Self {
            commit: said("git", &["rev-parse", "HEAD"])?,
            time: said("git", &["log", "-1", "--format=%ct"])?,
            is_clean: said("git", &["status", "--porcelain"])?.is_empty(),
            target,
            compiler: said("rustc", &["--version"])?,
        })
    }

    /// Builds in a folder (`src` and `target` in it) and gives the program's path.
    pub fn build(&self, folder: &Path) -> Result<PathBuf> {
        let source = folder.join("src");
        if source.exists() {
            fs::remove_dir_all(&source)?;
        }
        fs::create_dir_all(&source)?;
        self.export(&source)?;
        let target = folder.join("target");
        let status = self.cargo(&source, &target)?.status().context("starting cargo")?;
        if !status.success() {
            bail!("the build in {} failed: {status}", folder.display());
        }
        let program = target.join(self.target).join("release/seaworthy");
        let finished = folder.join("seaworthy");
        audit::embed(&source, self.target, &program, &finished, folder)?;
        is_static(&finished)?;
        Ok(finished)
    }

    fn export(&self, to: &Path) -> Result<()> {
        let mut git = Command::new("git")
            .args(["archive", "--format=tar", &self.commit])
            .current_dir(crate::root())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting git")?;
        let tar = git.stdout.take().context("a pipe")?;
        let unpacked =
            Command::new("tar").args(["-x", "-C"]).arg(to).stdin(tar).status().context("starting tar")?;
        if !git.wait()?.success() || !unpacked.success() {
            bail!("exporting commit {} failed", self.commit);
        }
        Ok(())
    }

    fn cargo(&self, source: &Path, target: &Path) -> Result<Command> {
        let home = home()?;
        let sysroot = said("rustc", &["--print", "sysroot"])?;
        let maps =
            [(source, "/seaworthy"), (target, "/target"), (&*home, "/cargo"), (Path::new(&sysroot), "/rust")];
        let mut rust = vec!["-Ctarget-feature=+crt-static".to_owned()];
        let mut c = Vec::new();
        for (from, to) in maps {
            rust.push(format!("--remap-path-prefix={}={to}", from.display()));
            c.push(format!("-ffile-prefix-map={}={to}", from.display()));
        }
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--release", "--locked", "--package", "seaworthy-cli", "--target", self.target])
            .current_dir(source)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
            .env("CARGO_INCREMENTAL", "0")
            .env(format!("CFLAGS_{}", self.target.replace('-', "_")), c.join(" "))
            .env("SOURCE_DATE_EPOCH", &self.time)
            .env("SEAWORTHY_COMMIT", &self.commit)
            .env_remove("RUSTFLAGS");
        Ok(cargo)
    }
}

fn home() -> Result<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || std::env::var_os("HOME").map(|home: OsString| Path::new(&home).join(".cargo"));
    given.or_else(usual).context("neither CARGO_HOME nor HOME is set")
}

/// What a command prints, trimmed.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(crate::root())
        .output()
        .with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!("`{program} {}`: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A static program asks for no interpreter (ELF program header PT_INTERP).
fn is_static(program: &Path) -> Result<()> {
    let headers = said("readelf", &["--program-headers", "--wide", &program.display().to_string()])?;
    if headers.contains("INTERP") {
        bail!("{} is not static:\n{headers}", program.display());
    }
    Ok(())
}
