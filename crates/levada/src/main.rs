//! The `levada` binary: command line, configuration, wiring, shutdown. No logic of the broker.

mod base64;
mod cli;
mod commands;
mod http;
mod lines;
mod output;
mod serve;
mod settings;
mod units;

use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Topic(command) => command.run(),
        Command::Produce(command) => command.run(),
        Command::Consume(command) => command.run(),
        Command::Group(command) => command.run(),
        Command::Cluster(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "levada", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            if let Some(hint) = commands::hint(&error) {
                output::note(format_args!("  try: {hint}"));
            }
            ExitCode::FAILURE
        }
    }
}
