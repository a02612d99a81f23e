//! `seaworthy db`: how vulnerability data come into the database and travel on.

mod build;
mod feeds;
mod status;

use super::setup::database_folder;
use crate::arguments::{Arguments, DbCommand};
use crate::config::Config;
use crate::exit::Code;
use anyhow::Result;
use build::From;

pub use feeds::FOLDER as FEEDS_FOLDER;

/// Runs one of the database's commands.
pub fn run(arguments: &Arguments, config: &Config, command: &DbCommand) -> Result<Code> {
    let folder = database_folder(arguments, config);
    match command {
        DbCommand::Update { from, manifest, only } => build::run(
            arguments,
            config,
            &From { from: from.as_deref(), manifest: manifest.as_deref(), only },
        ),
        DbCommand::Status { json } => status::status(&folder, *json),
        DbCommand::Verify => status::verify(&folder),
    }
}
