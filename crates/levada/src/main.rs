//! The `levada` binary: command line, configuration, wiring, shutdown. No logic of the broker.

mod cli;
mod commands;
mod demo;
mod http;
mod lines;
mod output;
mod serve;
mod settings;
mod units;

use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command};
use output::{Format, Output};
use std::{io::IsTerminal as _, process::ExitCode};

/// Gives freed memory back soon: a broker's buffers are large and come in bursts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    start_log();
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Topic(command) => command.run(),
        Command::Produce(command) => command.run(),
        Command::Consume(command) => command.run(),
        Command::Sql(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Group(command) => command.run(),
        Command::Cluster(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Completions { shell } => print_completions(shell),
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

fn print_completions(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "levada", &mut script);
    let mut output = Output::new(Format::Table);
    output.bytes(&script)?;
    Ok(output.flush()?)
}

/// What happens goes to stderr; `LEVADA_LOG` chooses how much (`info`, `debug`, `levada_kafka=trace`).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LEVADA_LOG").unwrap_or_else(|_| "info".into());
    let format = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    format.with_ansi(std::io::stderr().is_terminal()).with_env_filter(filter).init();
}
