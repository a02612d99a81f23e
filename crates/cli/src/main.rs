//! The `seaworthy` command: thin. Arguments in, exit code out; everything else is asked of the
//! crates below.

mod arguments;
mod command;
mod config;
mod exit;
mod files;
mod output;
mod progress;

use arguments::Arguments;
use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A closed pipe (`| head`) ends us quietly through the write error, not by a signal.
    let result = match std::env::args_os().nth(1) {
        Some(word) if word == "__read" => command::read(),
        Some(word) if word == "__try" => command::try_lock(),
        _ => match Arguments::try_parse() {
            Ok(arguments) => command::run(arguments),
            Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
                eprint!("{}", help());
                return exit::Code::Error.into();
            }
            Err(error) => error.exit(),
        },
    };
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            if output::is_unheard() {
                return ExitCode::SUCCESS;
            }
            eprintln!("{}", exit::error_text(&error));
            exit::Code::Error.into()
        }
    }
}

/// Help of the command that was named as far as it was. The parser gives it by itself only where no
/// variable of the environment counts as an argument.
fn help() -> StyledStr {
    let mut named = Arguments::command();
    named.build();
    for word in std::env::args_os().skip(1) {
        let next = named.find_subcommand(&word).cloned();
        named = next.unwrap_or(named);
    }
    named.render_help()
}
