//! `cargo xtask fuzz [TARGET…] [--seconds N] [--memory-mb N] [--build-only]`: gathers seeds from the
//! cases of the crates into `fuzz/corpus`, then runs each target for a while with `cargo fuzz` on
//! nightly. What each target checks is told in `fuzz/src`.

mod seeds;
mod tar;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// What `fuzz` may be told.
pub struct Options {
    targets: Vec<String>,
    seconds: u32,
    memory_mb: u32,
    build_only: bool,
}

impl Options {
    /// Reads the arguments; without targets all are meant.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let all = targets()?;
        let mut options = Self { targets: Vec::new(), seconds: 60, memory_mb: 1_024, build_only: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--seconds" => options.seconds = value()?.parse()?,
                "--memory-mb" => options.memory_mb = value()?.parse()?,
                "--build-only" => options.build_only = true,
                target if all.iter().any(|known| known == target) => options.targets.push(target.into()),
                other => bail!("no fuzz target `{other}`; there are {}", all.join(", ")),
            }
        }
        if options.targets.is_empty() {
            options.targets = all;
        }
        Ok(options)
    }
}

/// The targets: the files of `fuzz/targets`, sorted.
fn targets() -> Result<Vec<String>> {
    let folder = crate::root().join("fuzz/targets");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Gathers seeds, builds, and runs the targets one after the other.
pub fn run(options: &Options) -> Result<()> {
    let root = crate::root();
    let tools = tool()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::env::split_paths(&path).chain(tools))?;
    let cargo_fuzz = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        // Errors of the sanitizer would be errors of zstd's C code; ours is free of `unsafe`.
        command.args(["+nightly", "fuzz"]).args(arguments);
        // A `cargo` that runs inside a `cargo run` keeps the outer toolchain otherwise.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env("PATH", &path).current_dir(&root);
        command
    };
    for target in &options.targets {
        println!("{target}: {} seeds", seeds::gather(&root, target)?);
    }
    let build = ["build", "--sanitizer", "none", "--fuzz-dir", "fuzz"];
    succeed(&mut cargo_fuzz(&build), "building the fuzz targets")?;
    if options.build_only {
        return Ok(());
    }
    let mut failed = Vec::new();
    for target in &options.targets {
        let (seconds, memory) = (options.seconds, options.memory_mb);
        let bounds = [
            format!("-max_total_time={seconds}"),
            format!("-rss_limit_mb={memory}"),
            "-timeout=20".into(),
            format!("-max_len={}", seeds::INPUT_BYTES_MAX),
            "-print_final_stats=1".into(),
            "-verbosity=0".into(),
            "-len_control=0".into(),
        ];
        let mut arguments = vec!["run", "--sanitizer", "none", "--fuzz-dir", "fuzz", target, "--"];
        arguments.extend(bounds.iter().map(String::as_str));
        if succeed(&mut cargo_fuzz(&arguments), target).is_err() {
            failed.push(target.as_str());
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!(
            "finds in {}: see fuzz/artifacts; mend the product and make each a case of its unit",
            failed.join(", ")
        ),
    }
}

fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("starting cargo for {what}"))?;
    if !status.success() {
        bail!("{what} failed: {status}");
    }
    Ok(())
}

/// The folder of `cargo-fuzz` when it is not on PATH; installs it below `target/` if need be.
fn tool() -> Result<Option<PathBuf>> {
    if crate::bench::on_path("cargo-fuzz") {
        return Ok(None);
    }
    let root = crate::root().join("target/tools");
    if !root.join("bin/cargo-fuzz").is_file() {
        let place = root.display().to_string();
        crate::run("cargo", &["install", "cargo-fuzz", "--locked", "--root", &place])?;
    }
    Ok(Some(root.join("bin")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registry_has_a_target_with_a_file_of_its_own() {
        let found = targets().expect("targets");
        for target in ["cataloguer", "feed", "format", "sbom", "scheme"] {
            assert!(found.iter().any(|name| name == target), "no fuzz target `{target}`");
        }
        for target in &found {
            let source = crate::root().join("fuzz/src").join(format!("{target}.rs"));
            assert!(source.is_file(), "{}", source.display());
        }
    }

    #[test]
    fn seeds_come_from_cases() {
        for (target, least) in
            [("cataloguer", 100), ("feed", 20), ("scheme", 50), ("sbom", 35), ("archive", 4)]
        {
            let seeds = seeds::of(&crate::root(), target).expect("readable cases");
            assert!(seeds.len() >= least, "{target}: {} seeds", seeds.len());
        }
    }
}
