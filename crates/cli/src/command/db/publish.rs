//! `seaworthy db publish`, `push` and `export`: from the installed database to others.

use super::keys;
use super::places::Ways;
use crate::arguments::{Arguments, PublishArguments};
use crate::command::setup::{cache_folder, database_folder, now};
use crate::config::Config;
use crate::exit::Code;
use crate::progress::Bar;
use anyhow::{Context, Result, bail};
use seaworthy_advisory::deliver::{BundleChoice, PrivateKey, Publish, Published, Store, export};
use seaworthy_report::text::{bytes, clean, count};
use seaworthy_scan::Progress as _;
use seaworthy_types::Outcome;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const WORK_PREFIX: &str = "publishing-";

/// Publishes the installed database.
pub fn run(arguments: &Arguments, config: &Config, options: &PublishArguments) -> Result<Code> {
    let (folder, bar) = (database_folder(arguments, config), Bar::new(arguments.quiet));
    let keys = keys::private(&options.key)?;
    let keys: Vec<&PrivateKey> = keys.iter().collect();
    let trusted = keys::trusted(&[], config)?;
    let ways = Ways::new(arguments, config, &options.registry);
    let depot = ways.depot(&options.destination, options.deltas)?;
    let work = Work::new(&cache_folder(arguments, config))?;
    let earlier: &dyn Store = &*depot;
    let publish = Publish {
        database: &folder,
        earlier: Some(earlier),
        depot: &*depot,
        keys: &keys,
        trusted: &trusted,
        publication: &options.publication,
        now: now(),
        lifetime_seconds: options.lifetime,
        earlier_days: options.deltas,
        work: &work.0,
    };
    let result = publish.run(&mut |shard| bar.stage(&format!("publishing {shard}"), 0));
    bar.finish();
    let Outcome { value, notes } = result?;
    if !arguments.quiet {
        told(&value, &depot.name(), options.prune)?;
    }
    if options.prune {
        for name in &value.unreferenced {
            depot.remove(name).with_context(|| format!("removing `{name}` from {}", depot.name()))?;
        }
    }
    Ok(super::noted(arguments.quiet, &notes))
}

/// Publishes to a registry and to nothing else.
pub fn push(arguments: &Arguments, config: &Config, options: &PublishArguments) -> Result<Code> {
    if !options.destination.starts_with("oci://") {
        bail!(
            "`{}`: data are pushed to oci://registry/repository:tag; `db publish` knows other places",
            options.destination
        );
    }
    run(arguments, config, options)
}

fn told(published: &Published, place: &str, prunes: bool) -> Result<()> {
    let mut out = crate::output::stdout();
    let unchanged = published.shards.iter().filter(|shard| shard.unchanged).count();
    let deltas: u64 = published.shards.iter().map(|shard| shard.deltas.len() as u64).sum();
    writeln!(
        out,
        "publication {} in {}: {} ({unchanged} unchanged), {}, index of {}; {} with {} were put",
        published.sequence,
        clean(place),
        count(published.shards.len() as u64, "shard"),
        count(deltas, "delta"),
        bytes(published.index_bytes),
        count(u64::from(published.files), "file"),
        bytes(published.bytes),
    )?;
    if !published.unreferenced.is_empty() {
        let unneeded = count(published.unreferenced.len() as u64, "file");
        let what = if prunes {
            "were removed: nothing refers to them any more"
        } else {
            "are no longer referred to (--prune removes them)"
        };
        writeln!(out, "{unneeded} there {what}")?;
    }
    Ok(())
}

/// Writes a bundle.
pub fn bundle(arguments: &Arguments, config: &Config, file: &Path, shards: &[String]) -> Result<Code> {
    let folder = database_folder(arguments, config);
    let choice = if shards.is_empty() { BundleChoice::All } else { BundleChoice::Named(shards) };
    let bar = Bar::new(arguments.quiet);
    bar.stage("exporting", 0);
    let result = export(&folder, choice, file, now());
    bar.finish();
    let bundled = result.with_context(|| format!("exporting to `{}`", file.display()))?;
    if !arguments.quiet {
        let signed = if bundled.signed {
            "signed as it was published"
        } else {
            "not signed: import it with --allow-unsigned"
        };
        let shards = count(bundled.shards.len() as u64, "shard");
        let mut out = crate::output::stdout();
        writeln!(out, "{}: {shards}, {}, {signed}", file.display(), bytes(bundled.bytes))?;
    }
    Ok(Code::Clean)
}

/// A folder for temporary files, gone at the end; what killed ones left is swept by the next.
struct Work(PathBuf);

impl Work {
    fn new(cache: &Path) -> Result<Self> {
        let what = || format!("making a folder for temporary files in `{}`", cache.display());
        fs::create_dir_all(cache).with_context(what)?;
        for entry in fs::read_dir(cache).with_context(what)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(WORK_PREFIX);
            if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let path = cache.join(format!("{WORK_PREFIX}{}", std::process::id()));
        fs::create_dir(&path).with_context(what)?;
        Ok(Self(path))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
