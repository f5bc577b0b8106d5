//! The command line: every command's name and help. What a command takes and does is in its own module.

use crate::commands::{
    bench::BenchCommand, cluster::ClusterCommand, config::ConfigCommand, consume::Consume, group::GroupCommand,
    log::LogCommand, produce::Produce, schema::SchemaCommand, sql::Sql, topic::TopicCommand,
};
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
#[command(after_help = "Start here:
  levada serve --demo
  levada consume flights --from-beginning --max-messages 3    (in a second terminal)")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the broker: any Kafka client can use it
    Serve(crate::serve::ServeArgs),
    /// Create, list, describe, alter and delete topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Send a record for each line of stdin
    Produce(Produce),
    /// Print a line for each record of a topic
    Consume(Consume),
    /// Ask and watch queries, define tables and statements that run
    Sql(Sql),
    /// Register, look at, compare and delete schemas
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Look at consumer groups, move their offsets, delete them
    #[command(subcommand)]
    Group(GroupCommand),
    /// Look at the cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Show and change settings of topics, brokers and groups
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at the files of a stopped broker
    #[command(subcommand)]
    Log(LogCommand),
    /// Measure a cluster
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print completions for a shell
    #[command(after_help = "For bash:  source <(levada completions bash)
For zsh:   levada completions zsh > ~/.zfunc/_levada
For fish:  levada completions fish > ~/.config/fish/completions/levada.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests;
