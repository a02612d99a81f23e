//! One file for each command.

mod cache;
mod db;
mod engine;
mod explain;
mod list;
mod pull;
mod registry;
mod scan;
mod setup;
mod several;
mod targets;
mod verify_self;

use crate::arguments::{Arguments, Command};
use crate::config;
use crate::exit::Code;
use anyhow::{Context, Result};
use clap::CommandFactory;
use std::path::Path;

/// Runs what was typed.
pub fn run(arguments: Arguments) -> Result<Code> {
    let config = config::load(arguments.config.as_deref())?;
    let mut arguments = arguments;
    if let Some(registry) = arguments.command.registry_mut() {
        registry.configured = config.registry.clone();
    }
    match &arguments.command {
        Command::Scan(options) => scan::run(&arguments, &config, options),
        Command::Explain(options) => explain::run(&arguments, &config, options),
        Command::Db(command) => db::run(&arguments, &config, command),
        Command::Pull(options) => pull::run(&arguments, options),
        Command::VerifySelf(options) => verify_self::run(options),
        Command::List(options) => list::run(options),
        Command::Cache(command) => cache::run(&arguments, &config, command),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Arguments::command(), "seaworthy", &mut std::io::stdout());
            Ok(Code::Clean)
        }
        Command::Man { folder } => manual(folder),
    }
}

/// The parsing process, which `scan` itself starts; no command for people.
pub fn read() -> Result<Code> {
    seaworthy_scan::reader::child_main().context("the parsing process failed")?;
    Ok(Code::Clean)
}

/// The process that tries the lock, which `verify-self` itself starts.
pub fn try_lock() -> Result<Code> {
    verify_self::try_lock()
}

fn manual(folder: &Path) -> Result<Code> {
    let what = || format!("writing manual pages to `{}`", folder.display());
    std::fs::create_dir_all(folder).with_context(what)?;
    clap_mangen::generate_to(Arguments::command(), folder).with_context(what)?;
    Ok(Code::Clean)
}
