//! `seaworthy db`: how vulnerability data come into the database and travel on.

mod build;
mod feeds;
mod keys;
mod places;
mod publish;
mod pull;
mod status;

use super::setup::database_folder;
use crate::arguments::{Arguments, DbCommand, FeedArguments};
use crate::config::Config;
use crate::exit::Code;
use anyhow::Result;
use build::From;
use pull::Wanted;
use seaworthy_advisory::deliver::Unsigned;
use seaworthy_report::text::clean;
use seaworthy_types::{Grade, Note};

pub use feeds::FOLDER as FEEDS_FOLDER;
pub use pull::Refresher;

/// Runs one of the database's commands.
pub fn run(arguments: &Arguments, config: &Config, command: &DbCommand) -> Result<Code> {
    let folder = database_folder(arguments, config);
    match command {
        DbCommand::Build(feeds) => build::run(arguments, config, &from(feeds)),
        DbCommand::Update { feeds, shard, trust } => {
            let is_feeds = feeds.from.is_some() || feeds.manifest.is_some() || !feeds.only.is_empty();
            if is_feeds || (config.database.sources.is_empty() && shard.is_empty()) {
                return build::run(arguments, config, &from(feeds));
            }
            let wanted = Wanted { sources: &[], shards: shard, is_all: false };
            pull::run(arguments, config, &wanted, trust)
        }
        DbCommand::Pull { sources, shard, trust } => {
            pull::run(arguments, config, &Wanted { sources, shards: shard, is_all: true }, trust)
        }
        DbCommand::Publish(options) => publish::run(arguments, config, options),
        DbCommand::Push(options) => publish::push(arguments, config, options),
        DbCommand::Export { file, shard } => publish::bundle(arguments, config, file, shard),
        DbCommand::Import { file, allow_unsigned, key } => {
            let unsigned = if *allow_unsigned { Unsigned::Allow } else { Unsigned::Refuse };
            pull::import(arguments, config, file, key, unsigned)
        }
        DbCommand::Keygen { prefix } => keys::make(prefix),
        DbCommand::Status { json } => status::status(&folder, *json),
        DbCommand::Verify => status::verify(&folder),
    }
}

/// Says what data lack and what people should know; the code for it.
fn noted(quiet: bool, notes: &[Note]) -> Code {
    let is_gap = |note: &&Note| note.grade == Grade::Gap;
    for note in notes.iter().filter(|note| !quiet || is_gap(note)) {
        let subject =
            if note.subject.is_empty() { String::new() } else { format!(" {}", clean(&note.subject)) };
        eprintln!("seaworthy: {}{subject}: {}", note.code, clean(&note.detail));
    }
    if notes.iter().any(|note| is_gap(&note)) { Code::Incomplete } else { Code::Clean }
}

fn from(feeds: &FeedArguments) -> From<'_> {
    From { from: feeds.from.as_deref(), manifest: feeds.manifest.as_deref(), only: &feeds.only }
}
