//! `levada cluster`: what the cluster consists of.

use super::Remote;
use crate::output::{Format, Output, Table};
use clap::Subcommand;
use levada_client::Client;
use serde_json::json;

/// The cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the cluster's identity and its brokers
    Info(Info),
}

impl ClusterCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Info(args) => args.remote.run(async |client, output| run(client, output).await),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    #[command(flatten)]
    remote: Remote,
}

async fn run(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let metadata = client.metadata(None).await?;
    let partitions: usize = metadata.topics.values().map(|topic| topic.partitions.len()).sum();
    let brokers: Vec<_> = metadata
        .brokers
        .values()
        .map(|broker| {
            let is_controller = metadata.controller == Some(broker.id);
            json!({ "id": broker.id, "address": broker.address(), "rack": broker.rack, "controller": is_controller })
        })
        .collect();
    if output.format() == Format::Json {
        let id = &metadata.cluster_id;
        let topics = metadata.topics.len();
        output.json(&json!({ "cluster_id": id, "topics": topics, "partitions": partitions, "brokers": brokers }))?;
        return Ok(output.flush()?);
    }
    output.line(format_args!("cluster     {}", metadata.cluster_id.as_deref().unwrap_or("-")))?;
    output.line(format_args!("topics      {}", metadata.topics.len()))?;
    output.line(format_args!("partitions  {partitions}"))?;
    let mut table = Table::new(["BROKER", "ADDRESS", "RACK", "CONTROLLER"]);
    for broker in metadata.brokers.values() {
        table.row([
            broker.id.to_string(),
            broker.address(),
            broker.rack.clone().unwrap_or_else(|| "-".to_owned()),
            if metadata.controller == Some(broker.id) { "yes" } else { "no" }.to_owned(),
        ]);
    }
    output.bytes(table.render().as_bytes())?;
    Ok(output.flush()?)
}
