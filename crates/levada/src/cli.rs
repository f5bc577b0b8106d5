//! The command line: every command's name, options and help. What a command does is in its own module.

use clap::{Parser, Subcommand};

/// Levada: Kafka-compatible event streaming in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "levada",
    version,
    about,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "Start here:\n  levada serve --demo\n  levada consume flights --from-beginning --max-messages 3"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker: any Kafka client can use it
    Serve(crate::serve::ServeArgs),
    /// Print completions for a shell
    #[command(
        after_help = "For bash:  source <(levada completions bash)\nFor zsh:   levada completions zsh > ~/.zfunc/_levada\nFor fish:  levada completions fish > ~/.config/fish/completions/levada.fish"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests;
