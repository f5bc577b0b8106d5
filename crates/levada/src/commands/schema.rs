//! `levada schema`: the schemas of a registry.

mod diff;
mod look;
mod pretty;
mod register;
mod settings;
mod source;

use crate::{
    output::{Format, Output},
    units,
};
use anyhow::Context as _;
use clap::Subcommand;
use levada_schema_client::{RegistryClient, RegistryConfig};
pub(crate) use source::Language;
use std::time::Duration;

/// Schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Register a schema under a subject
    #[command(after_help = "Examples:
  levada schema register orders-value order.avsc
  levada schema register orders-value order.proto --reference money.proto=money:1
  levada schema get orders-value | levada schema register copies-value - --type avro")]
    Register(register::Register),
    /// Print a schema
    #[command(after_help = "Examples:
  levada schema get orders-value
  levada schema get orders-value 3 --output json
  levada schema get --id 7")]
    Get(look::Get),
    /// List subjects, or the versions of those that begin with a prefix
    #[command(after_help = "Examples:\n  levada schema list\n  levada schema list orders- --versions")]
    List(look::List),
    /// Tell whether a schema may be registered; fails if not, and says everything that is in the way
    #[command(after_help = "Example:\n  levada schema check orders-value order.avsc")]
    Check(register::Check),
    /// Show what changed between two versions, or will with a file, and who breaks
    #[command(after_help = "Examples:
  levada schema diff orders-value                  the version before the latest, and the latest
  levada schema diff orders-value 1 3
  levada schema diff orders-value --file order.avsc  the latest, and what is in the file")]
    Diff(diff::Diff),
    /// Delete a version, or a subject with all of its versions; ids of records stay readable until --permanent
    #[command(after_help = "Examples:
  levada schema delete orders-value 3
  levada schema delete orders-value
  levada schema delete orders-value --permanent")]
    Delete(look::Delete),
    /// Show or change what counts as compatible, and the other settings
    #[command(after_help = "Examples:
  levada schema config
  levada schema config orders-value --set compatibility=FULL
  levada schema config orders-value --reset")]
    Config(settings::Config),
    /// Show or change who may write
    #[command(after_help = "Examples:\n  levada schema mode\n  levada schema mode orders-value --set READONLY")]
    Mode(settings::Mode),
}

impl SchemaCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Register(args) => args.run(),
            Self::Get(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Diff(args) => args.run(),
            Self::Delete(args) => args.run(),
            Self::Config(args) => args.run(),
            Self::Mode(args) => args.run(),
        }
    }
}

/// Where the registry is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct RegistryArgs {
    /// The schema registry; any that speaks Confluent's REST API will do
    #[arg(long, value_name = "URL", env = "LEVADA_SCHEMA_REGISTRY", default_value = "http://127.0.0.1:8081")]
    schema_registry: String,
    /// Who asks it
    #[arg(long, value_name = "NAME:PASSWORD", env = "LEVADA_SCHEMA_REGISTRY_USER", hide_env_values = true)]
    schema_registry_user: Option<String>,
    /// Who may vouch for it, where it speaks TLS: certificates in PEM, instead of the web's authorities
    #[arg(long, value_name = "FILE", env = "LEVADA_SCHEMA_REGISTRY_CA")]
    schema_registry_ca: Option<std::path::PathBuf>,
}

impl RegistryArgs {
    /// A client that gives up after `timeout`.
    pub(crate) fn client(&self, timeout: Duration) -> anyhow::Result<RegistryClient> {
        let (url, user) = (self.schema_registry.clone(), self.schema_registry_user.clone());
        let read = |path: &std::path::PathBuf| {
            std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
        };
        let authorities = self.schema_registry_ca.as_ref().map(read).transpose()?;
        Ok(RegistryClient::new(&RegistryConfig { url, user, authorities, timeout })?)
    }
}

/// Options of every command that works on a registry.
#[derive(Clone, Debug, clap::Args)]
struct Remote {
    #[command(flatten)]
    registry: RegistryArgs,
    /// How long to try before giving up
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::parse_duration)]
    timeout: Duration,
    /// Text for people or JSON for machines
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Remote {
    fn open(&self) -> anyhow::Result<(RegistryClient, Output)> {
        Ok((self.registry.client(self.timeout)?, Output::new(self.output)))
    }
}
