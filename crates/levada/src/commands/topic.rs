//! `levada topic`: create, list, describe, alter, delete.

mod describe;

use super::{Remote, setting};
use crate::output::{Output, Table};
use clap::Subcommand;
use levada_client::{Client, ClientError, ConfigResource, ConfigUpdate, NewTopic};
use levada_protocol::ErrorCode;
use serde_json::json;

/// Topics: named streams of records, split into partitions.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic
    #[command(after_help = "Example:\n  levada topic create orders --partitions 6 --config retention.ms=7d")]
    Create(Create),
    /// List the topics
    List(List),
    /// Show partitions, offsets and settings of topics
    Describe(describe::Describe),
    /// Add partitions, or change settings
    #[command(
        after_help = "Example:\n  levada topic alter orders --partitions 12 --config retention.ms=30d --unset segment.bytes"
    )]
    Alter(Alter),
    /// Delete topics and everything in them
    Delete(Delete),
}

impl TopicCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::List(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::Describe(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::Alter(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::Delete(args) => args.remote.run(async |client, output| args.run(client, output).await),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// The topic's name
    name: String,
    /// How many partitions; the cluster's default where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many copies of each partition; the cluster's default where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A setting, `retention.ms=7d` say; repeatable
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// Accept a topic that is there already, as it is
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Create {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let mut topic = NewTopic::new(&self.name)
            .partitions(self.partitions.unwrap_or(-1))
            .replication_factor(self.replication_factor.unwrap_or(-1));
        for (name, value) in &self.configs {
            topic = topic.config(name, value);
        }
        match client.create_topic(&topic).await {
            Ok(created) => {
                let partitions = created.partitions.map(counted);
                let sentence = format!(
                    "created topic `{}`{}",
                    self.name,
                    partitions.map_or(String::new(), |text| format!(" with {text}"))
                );
                let result = json!({
                    "topic": created.name,
                    "id": created.id.to_string(),
                    "partitions": created.partitions,
                    "replication_factor": created.replication_factor,
                    "created": true,
                });
                output.done(&result, sentence)?;
                Ok(())
            }
            Err(error) if self.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
                output.done(
                    &json!({ "topic": self.name, "created": false }),
                    format!("topic `{}` is there already", self.name),
                )?;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn counted(partitions: i32) -> String {
    if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") }
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Include the cluster's own topics
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(serde::Serialize)]
struct Listed {
    topic: String,
    id: String,
    partitions: usize,
    replication_factor: usize,
    internal: bool,
}

impl List {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let metadata = client.metadata(None).await?;
        let topics: Vec<Listed> = metadata
            .topics
            .into_values()
            .filter(|topic| self.internal || !topic.is_internal)
            .map(|topic| Listed {
                id: topic.id.to_string(),
                partitions: topic.partitions.len(),
                replication_factor: topic
                    .partitions
                    .iter()
                    .map(|partition| partition.replicas.len())
                    .max()
                    .unwrap_or(0),
                internal: topic.is_internal,
                topic: topic.name,
            })
            .collect();
        output.result(&topics, |topics| {
            let mut table = Table::new(["TOPIC", "PARTITIONS", "COPIES"]);
            for topic in topics {
                table.row([topic.topic.clone(), topic.partitions.to_string(), topic.replication_factor.to_string()]);
            }
            table
        })?;
        Ok(())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Alter {
    /// The topic's name
    name: String,
    /// How many partitions it has from now on; more than before. Keys may then go to other partitions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// A setting, `retention.ms=7d` say; repeatable
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = setting)]
    configs: Vec<(String, String)>,
    /// A setting that gets its default back; repeatable
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Alter {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let updates = updates(&self.configs, &self.unset);
        if self.partitions.is_none() && updates.is_empty() {
            anyhow::bail!("nothing to alter; say `--partitions N`, `--config NAME=VALUE` or `--unset NAME`");
        }
        if !updates.is_empty() {
            client.alter_configs(&ConfigResource::Topic(self.name.clone()), &updates).await?;
        }
        if let Some(count) = self.partitions {
            client.create_partitions(&self.name, count).await?;
        }
        let result = json!({
            "topic": self.name,
            "partitions": self.partitions,
            "set": self.configs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
            "unset": self.unset,
        });
        output.done(&result, format!("altered topic `{}`", self.name))?;
        Ok(())
    }
}

/// The changes that `--config` and `--unset` ask for.
pub(crate) fn updates(set: &[(String, String)], unset: &[String]) -> Vec<(String, ConfigUpdate)> {
    let set = set.iter().map(|(name, value)| (name.clone(), ConfigUpdate::Set(value.clone())));
    set.chain(unset.iter().map(|name| (name.clone(), ConfigUpdate::Unset))).collect()
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The topics' names
    #[arg(required = true)]
    names: Vec<String>,
    /// Accept topics that do not exist
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Delete {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let mut deleted = Vec::new();
        for name in &self.names {
            match client.delete_topic(name).await {
                Ok(()) => deleted.push(name.as_str()),
                Err(ClientError::Refused { code, .. })
                    if self.if_exists && code == ErrorCode::UnknownTopicOrPartition.code() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let names: Vec<String> = deleted.iter().map(|name| format!("`{name}`")).collect();
        let sentence = match names.len() {
            0 => "there was nothing to delete".to_owned(),
            1 => format!("deleted topic {}", names.join(", ")),
            _ => format!("deleted topics {}", names.join(", ")),
        };
        output.done(&json!({ "deleted": deleted }), sentence)?;
        Ok(())
    }
}
