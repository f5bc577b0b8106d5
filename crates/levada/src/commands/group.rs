//! `levada group`: consumer groups, their members and how far they have read.

mod reset;

use super::Remote;
use crate::output::{Format, Output, Table};
use clap::Subcommand;
use levada_client::{Client, OffsetSpec, TopicPartition};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// Consumer groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups
    List(List),
    /// Show members, committed offsets and lag of a group
    Describe(Describe),
    /// Move the committed offsets of a group that has no members now
    #[command(after_help = "Without --execute it only shows what would change.\n\nExamples:
  levada group reset-offsets billing --topic orders --to-earliest
  levada group reset-offsets billing --topic orders:0,2 --to-time 2026-07-01T12:00:00Z --execute
  levada group reset-offsets billing --all-topics --shift-by -100 --execute")]
    ResetOffsets(reset::ResetOffsets),
    /// Delete groups that have no members, and their offsets
    Delete(Delete),
}

impl GroupCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.remote.run(async |client, output| list(client, output).await),
            Self::Describe(args) => args.remote.run(async |client, output| args.run(client, output).await),
            Self::ResetOffsets(args) => args.run(),
            Self::Delete(args) => args.remote.run(async |client, output| args.run(client, output).await),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Serialize)]
struct Listed {
    group: String,
    state: String,
    kind: String,
    protocol: String,
    coordinator: i32,
}

async fn list(client: &Client, output: &mut Output) -> anyhow::Result<()> {
    let groups = client.list_groups().await?;
    let listed: Vec<Listed> = groups
        .into_iter()
        .map(|group| Listed {
            group: group.group,
            state: group.state,
            kind: group.kind.to_lowercase(),
            protocol: group.protocol_type,
            coordinator: group.coordinator,
        })
        .collect();
    output.result(&listed, |listed| {
        let mut table = Table::new(["GROUP", "STATE", "KIND", "PROTOCOL", "COORDINATOR"]);
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        for group in listed {
            table.row([
                group.group.clone(),
                or_dash(&group.state),
                or_dash(&group.kind),
                or_dash(&group.protocol),
                group.coordinator.to_string(),
            ]);
        }
        table
    })?;
    Ok(())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    /// The group's name
    group: String,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Serialize)]
struct Described {
    group: String,
    state: String,
    kind: &'static str,
    epoch: Option<i32>,
    assignment_epoch: Option<i32>,
    assignor: String,
    coordinator: i32,
    members: Vec<Member>,
    offsets: Vec<Position>,
}

#[derive(Serialize)]
struct Member {
    member: String,
    instance: Option<String>,
    client: String,
    host: String,
    epoch: Option<i32>,
    partitions: Vec<String>,
    target: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Position {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: Option<i64>,
    lag: Option<i64>,
    member: Option<String>,
}

impl Describe {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let group = client.describe_group(&self.group).await?;
        let committed = client.committed_offsets(&self.group).await?;
        let owner = |key: &TopicPartition| {
            let member = group.members.iter().find(|member| member.assignment.contains(key));
            member.map(|member| member.client_id.clone())
        };
        let assigned = group.members.iter().flat_map(|member| member.assignment.iter().cloned());
        let keys: BTreeSet<TopicPartition> = committed.keys().cloned().chain(assigned).collect();
        let mut offsets = Vec::new();
        for key in keys {
            // A topic may be gone while its offsets are still kept.
            let found = client.list_offsets(&[(key.clone(), OffsetSpec::Latest)]).await;
            let end = found.ok().and_then(|found| found.get(&key)?.offset);
            let committed = committed.get(&key).map(|committed| committed.offset);
            let lag = end.zip(committed).map(|(end, committed)| end - committed);
            let member = owner(&key);
            offsets.push(Position { topic: key.topic, partition: key.partition, committed, end, lag, member });
        }
        let members = group.members.iter().map(|member| Member {
            member: member.member_id.clone(),
            instance: member.instance_id.clone(),
            client: member.client_id.clone(),
            host: member.host.clone(),
            epoch: member.epoch,
            partitions: names(&member.assignment),
            target: member.target.as_deref().map(names),
        });
        let members: Vec<Member> = members.collect();
        let described = Described {
            group: group.group,
            state: group.state,
            kind: group.kind,
            epoch: group.epochs.map(|(epoch, _)| epoch),
            assignment_epoch: group.epochs.map(|(_, epoch)| epoch),
            assignor: group.assignor,
            coordinator: group.coordinator,
            members,
            offsets,
        };
        if output.format() == Format::Json {
            output.json(&described)?;
        } else {
            show(&described, output)?;
        }
        Ok(output.flush()?)
    }
}

/// What a member is to have is shown where it has something else.
fn members(group: &Described) -> Table {
    let mut table = Table::new(["MEMBER", "EPOCH", "CLIENT", "HOST", "PARTITIONS", "TARGET"]);
    for member in &group.members {
        let name = member.instance.as_ref().unwrap_or(&member.member).clone();
        let epoch = member.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
        let target = member.target.as_ref().filter(|target| **target != member.partitions);
        let target = target.map_or_else(|| "-".to_owned(), |target| target.join(" "));
        let partitions = if member.partitions.is_empty() { "-".to_owned() } else { member.partitions.join(" ") };
        table.row([name, epoch, member.client.clone(), member.host.clone(), partitions, target]);
    }
    table
}

fn names(partitions: &[TopicPartition]) -> Vec<String> {
    partitions.iter().map(|key| format!("{}:{}", key.topic, key.partition)).collect()
}

fn show(group: &Described, output: &mut Output) -> std::io::Result<()> {
    output.line(format_args!("group        {}", group.group))?;
    output.line(format_args!("state        {}", group.state))?;
    output.line(format_args!("kind         {}", group.kind))?;
    if let (Some(epoch), Some(assigned)) = (group.epoch, group.assignment_epoch) {
        output.line(format_args!("epoch        {epoch}, assigned for {assigned}"))?;
    }
    output.line(format_args!("assignor     {}", if group.assignor.is_empty() { "-" } else { &group.assignor }))?;
    output.line(format_args!("coordinator  broker {}", group.coordinator))?;
    if !group.members.is_empty() {
        output.line("")?;
        output.bytes(members(group).render().as_bytes())?;
    }
    let mut table = Table::new(["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "CLIENT"]);
    let or_dash = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for position in &group.offsets {
        table.row([
            position.topic.clone(),
            position.partition.to_string(),
            or_dash(position.committed),
            or_dash(position.end),
            or_dash(position.lag),
            position.member.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    output.line("")?;
    output.bytes(table.render().as_bytes())
}

#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The groups' names
    #[arg(required = true)]
    groups: Vec<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Delete {
    async fn run(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        for group in &self.groups {
            client.delete_group(group).await?;
        }
        let names: Vec<String> = self.groups.iter().map(|group| format!("`{group}`")).collect();
        let word = if names.len() == 1 { "group" } else { "groups" };
        output.done(&json!({ "deleted": self.groups }), format_args!("deleted {word} {}", names.join(", ")))?;
        Ok(())
    }
}
