//! `levada config`: settings of topics, brokers and groups.

use super::{Remote, setting, topic::updates};
use crate::output::{Output, Table};
use clap::Subcommand;
use levada_client::{Client, ConfigResource};
use serde::Serialize;
use serde_json::json;

/// Settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show settings and where their values come from
    #[command(
        after_help = "Examples:\n  levada config get --topic orders\n  levada config get --broker 1 num.partitions"
    )]
    Get(Get),
    /// Change settings
    #[command(
        after_help = "Example:\n  levada config set --topic orders retention.ms=7d max.message.bytes=4MiB --unset segment.bytes"
    )]
    Set(Set),
}

impl ConfigCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Get(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::Set(args) => args.remote.run(async |client, output| args.run(client, output).await),
        }
    }
}

/// Whose settings.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// A topic's
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// A broker's; `levada cluster info` shows the numbers
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// A consumer group's
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl Whose {
    fn resource(&self) -> ConfigResource {
        match self {
            Self { topic: Some(name), .. } => ConfigResource::Topic(name.clone()),
            Self { broker: Some(id), .. } => ConfigResource::Broker(*id),
            Self { group, .. } => ConfigResource::Group(group.clone().unwrap_or_default()),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    #[command(flatten)]
    whose: Whose,
    /// The settings' names; all where none is named
    names: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    value: Option<String>,
    source: &'static str,
    read_only: bool,
    documentation: Option<String>,
}

impl Get {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let entries = client.describe_configs(&self.whose.resource()).await?;
        if let Some(unknown) = self.names.iter().find(|name| !entries.iter().any(|entry| entry.name == **name)) {
            anyhow::bail!("there is no setting `{unknown}`; leave the name out to see all");
        }
        let wanted = entries.into_iter().filter(|entry| self.names.is_empty() || self.names.contains(&entry.name));
        let shown: Vec<Shown> = wanted
            .map(|entry| Shown {
                name: entry.name,
                value: if entry.is_sensitive { None } else { entry.value },
                source: entry.source,
                read_only: entry.is_read_only,
                documentation: entry.documentation,
            })
            .collect();
        output.result(&shown, |shown| {
            let mut table = Table::new(["SETTING", "VALUE", "FROM"]);
            for entry in shown {
                let value = entry.value.clone().unwrap_or_else(|| "-".to_owned());
                table.row([entry.name.clone(), value, entry.source.to_owned()]);
            }
            table
        })?;
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    #[command(flatten)]
    whose: Whose,
    /// The settings; `.ms` and `.bytes` take units, `retention.ms=7d` say
    #[arg(value_name = "NAME=VALUE", value_parser = setting, required_unless_present = "unset")]
    settings: Vec<(String, String)>,
    /// A setting that gets its default back; repeatable
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Set {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let resource = self.whose.resource();
        client.alter_configs(&resource, &updates(&self.settings, &self.unset)).await?;
        let set: Vec<_> = self.settings.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let mut changes: Vec<String> =
            self.settings.iter().map(|(name, value)| format!("set {name}={value}")).collect();
        changes.extend(self.unset.iter().map(|name| format!("unset {name}")));
        output.done(&json!({ "set": set, "unset": self.unset }), changes.join("\n"))?;
        Ok(())
    }
}
