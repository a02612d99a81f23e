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
            println!("{freed} bytes freed");
        }
    }
    Ok(Code::Clean)
}
