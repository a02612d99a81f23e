//! `seaworthy cache`.

use super::setup;
use crate::arguments::{Arguments, CacheCommand};
use crate::config::Config;
use crate::exit::Code;
use anyhow::{Context, Result};
use seaworthy_scan::Cache;

/// Prints the folder or empties it.
pub fn run(arguments: &Arguments, config: &Config, command: &CacheCommand) -> Result<Code> {
    let folder = setup::cache_folder(arguments, config);
    match command {
        CacheCommand::Path => println!("{}", folder.display()),
        CacheCommand::Clear => {
            let what = || format!("emptying the cache in `{}`", folder.display());
            let freed = Cache::open(&folder, u64::MAX).and_then(|cache| cache.clear()).with_context(what)?;
            let feeds = folder.join(super::db::FEEDS_FOLDER);
            let kept = size_of(&feeds);
            match std::fs::remove_dir_all(&feeds) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(what);
                }
                _ => println!("{} bytes freed", freed.saturating_add(kept)),
            }
        }
    }
    Ok(Code::Clean)
}

/// Bytes of all files below a folder; what cannot be read counts as nothing.
fn size_of(folder: &std::path::Path) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut total = 0u64;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            match facts.is_dir() {
                true => folders.push(entry.path()),
                false => total = total.saturating_add(facts.len()),
            }
        }
    }
    total
}
