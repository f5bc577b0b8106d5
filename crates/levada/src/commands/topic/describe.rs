//! `levada topic describe`: partitions, offsets, and the settings that differ from the defaults.

use crate::{
    commands::Remote,
    output::{Format, Output, Table},
};
use levada_client::{
    Client, ConfigEntry, ConfigResource, FoundOffset, OffsetSpec, PartitionMetadata, TopicMetadata, TopicPartition,
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    /// The topics' names; all but the cluster's own where none is named
    names: Vec<String>,
    #[command(flatten)]
    pub(super) remote: Remote,
}

#[derive(Serialize)]
struct Described {
    topic: String,
    id: String,
    internal: bool,
    partitions: Vec<DescribedPartition>,
    settings: Vec<DescribedSetting>,
    notes: Vec<&'static str>,
}

#[derive(Serialize)]
struct DescribedPartition {
    partition: i32,
    leader: Option<i32>,
    replicas: Vec<i32>,
    in_sync: Vec<i32>,
    start_offset: Option<i64>,
    end_offset: Option<i64>,
}

#[derive(Serialize)]
struct DescribedSetting {
    name: String,
    value: Option<String>,
    source: &'static str,
}

const COMPACTION_NOTE: &str =
    "`cleanup.policy` has `compact`: RECORDS counts offsets, and of each key only the last record stays";

impl Describe {
    pub(super) async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let wanted = if names.is_empty() { None } else { Some(&names[..]) };
        let metadata = client.metadata(wanted).await?;
        let mut described = Vec::new();
        let topics: Vec<&TopicMetadata> = if names.is_empty() {
            metadata.topics.values().filter(|topic| !topic.is_internal).collect()
        } else {
            names.iter().map(|name| metadata.topic(name)).collect::<Result<_, _>>()?
        };
        for topic in topics {
            described.push(describe(client, topic).await?);
        }
        if output.format() == Format::Json {
            output.json(&described)?;
        } else {
            for (index, topic) in described.iter().enumerate() {
                if index > 0 {
                    output.line("")?;
                }
                show(topic, output)?;
            }
        }
        Ok(output.flush()?)
    }
}

async fn describe(client: &Client, topic: &TopicMetadata) -> anyhow::Result<Described> {
    let settings = client.describe_configs(&ConfigResource::Topic(topic.name.clone())).await?;
    // Partitions without a leader have no offsets to be told.
    let led = || topic.partitions.iter().filter(|partition| partition.leader.is_some());
    let ask = |spec: OffsetSpec| {
        led().map(|partition| (TopicPartition::new(&topic.name, partition.index), spec)).collect::<Vec<_>>()
    };
    let starts = client.list_offsets(&ask(OffsetSpec::Earliest)).await?;
    let ends = client.list_offsets(&ask(OffsetSpec::Latest)).await?;
    let offset = |offsets: &BTreeMap<TopicPartition, FoundOffset>, partition: &PartitionMetadata| {
        offsets.get(&TopicPartition::new(&topic.name, partition.index)).and_then(|found| found.offset)
    };
    let partitions = topic.partitions.iter().map(|partition| DescribedPartition {
        partition: partition.index,
        leader: partition.leader,
        replicas: partition.replicas.clone(),
        in_sync: partition.in_sync.clone(),
        start_offset: offset(&starts, partition),
        end_offset: offset(&ends, partition),
    });
    Ok(Described {
        topic: topic.name.clone(),
        id: topic.id.to_string(),
        internal: topic.is_internal,
        partitions: partitions.collect(),
        notes: notes(&settings),
        settings: settings.into_iter().filter(|entry| !entry.is_default).map(read_setting).collect(),
    })
}

fn read_setting(entry: ConfigEntry) -> DescribedSetting {
    DescribedSetting { name: entry.name, value: entry.value, source: entry.source }
}

/// What a reader should know.
fn notes(settings: &[ConfigEntry]) -> Vec<&'static str> {
    let value = |name: &str| settings.iter().find(|entry| entry.name == name).and_then(|entry| entry.value.as_deref());
    let compacts = value("cleanup.policy").is_some_and(|policy| policy.split(',').any(|word| word.trim() == "compact"));
    if compacts { vec![COMPACTION_NOTE] } else { Vec::new() }
}

fn show(topic: &Described, output: &mut Output) -> std::io::Result<()> {
    output.line(format_args!("topic     {}", topic.topic))?;
    output.line(format_args!("id        {}", topic.id))?;
    let settings: Vec<String> = topic
        .settings
        .iter()
        .map(|setting| format!("{}={} ({})", setting.name, setting.value.as_deref().unwrap_or("-"), setting.source))
        .collect();
    for (index, setting) in settings.iter().enumerate() {
        output.line(format_args!("{}  {setting}", if index == 0 { "settings" } else { "        " }))?;
    }
    for note in &topic.notes {
        output.line(format_args!("note      {note}"))?;
    }
    let mut table = Table::new(["PARTITION", "LEADER", "COPIES", "IN-SYNC", "START", "END", "RECORDS"]);
    let list = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let or_dash = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for partition in &topic.partitions {
        let records = partition.end_offset.zip(partition.start_offset).map(|(end, start)| end - start);
        table.row([
            partition.partition.to_string(),
            or_dash(partition.leader.map(i64::from)),
            list(&partition.replicas),
            list(&partition.in_sync),
            or_dash(partition.start_offset),
            or_dash(partition.end_offset),
            or_dash(records),
        ]);
    }
    output.bytes(table.render().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source: "topic",
            is_default: false,
            is_read_only: false,
            is_sensitive: false,
            documentation: None,
        }
    }

    #[test]
    fn the_gaps_that_compaction_leaves_are_noted() {
        assert_eq!(notes(&[entry("cleanup.policy", "delete, compact")]), [COMPACTION_NOTE]);
        assert!(notes(&[entry("cleanup.policy", "delete")]).is_empty());
    }
}
