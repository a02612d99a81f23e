//! The `seaworthy` command: thin. Arguments in, exit code out; everything else is asked of the
//! crates below.

mod arguments;
mod command;
mod config;
mod exit;
mod files;
mod output;
mod progress;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A closed pipe (`| head`) ends us quietly through the write error, not by a signal.
    let arguments = arguments::Arguments::parse();
    match command::run(arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            eprintln!("{}", exit::error_text(&error));
            exit::Code::Error.into()
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
