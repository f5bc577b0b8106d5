//! `levada group reset-offsets`: moves committed offsets; only shows the plan unless told to execute it.

use crate::{
    commands::Remote,
    output::{Format, Output, Table, note},
    units,
};
use levada_client::{Client, CommittedOffset, OffsetSpec, OffsetToCommit, TopicPartition};
use levada_model::{Clock as _, SystemClock};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, clap::Args)]
pub(crate) struct ResetOffsets {
    /// The group's name; a group that does not exist is made
    group: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Place,
    /// Do it; without this the plan is only shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// A topic, or some of its partitions; repeatable
    #[arg(long = "topic", value_name = "NAME[:N,N]", value_parser = chosen)]
    topics: Vec<(String, Vec<i32>)>,
    /// Every partition for which the group has committed an offset
    #[arg(long)]
    all_topics: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// To the first record that is still there
    #[arg(long)]
    to_earliest: bool,
    /// To the end: nothing that is there now will be read
    #[arg(long)]
    to_latest: bool,
    /// To this offset, kept within what is there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// To the first record of this time or later: `2026-07-01T12:00:00Z`, `2026-07-01`, `10m` for ten minutes ago
    #[arg(long, value_name = "TIME")]
    to_time: Option<String>,
    /// On by so many records, or back by a negative number, kept within what is there
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

fn chosen(text: &str) -> Result<(String, Vec<i32>), String> {
    let Some((topic, list)) = text.split_once(':') else { return Ok((text.to_owned(), Vec::new())) };
    let partitions = list.split(',').map(|number| number.trim().parse::<i32>().ok().filter(|number| *number >= 0));
    let partitions: Option<Vec<i32>> = partitions.collect();
    partitions.map(|partitions| (topic.to_owned(), partitions)).ok_or_else(|| "write NAME or NAME:0,1,2".to_owned())
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    topic: String,
    partition: i32,
    from: Option<i64>,
    to: i64,
}

#[derive(Serialize)]
struct Plan {
    group: String,
    executed: bool,
    offsets: Vec<Step>,
}

/// First and end offset of a partition.
type Bounds = BTreeMap<TopicPartition, (i64, i64)>;

impl ResetOffsets {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.remote.run(async |client, output| self.reset(client, output).await)
    }

    async fn reset(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let committed = client.committed_offsets(&self.group).await?;
        let keys = self.keys(client, &committed).await?;
        if keys.is_empty() {
            anyhow::bail!("group `{}` has committed no offsets; name topics with `--topic`", self.group);
        }
        let bounds = bounds(client, &keys).await?;
        let by_time = match &self.place.to_time {
            Some(time) => offsets_at(client, &keys, units::parse_moment(time, SystemClock.wall_ms())?).await?,
            None => BTreeMap::new(),
        };
        let steps = self.place.steps(&bounds, &committed, &by_time)?;
        if self.execute {
            let offsets: Vec<OffsetToCommit> = steps
                .iter()
                .map(|step| OffsetToCommit {
                    partition: TopicPartition::new(&step.topic, step.partition),
                    offset: step.to,
                })
                .collect();
            client.commit_offsets(&self.group, &offsets).await?;
        }
        let plan = Plan { group: self.group.clone(), executed: self.execute, offsets: steps };
        output.result(&plan, show)?;
        if !self.execute && output.format() == Format::Table {
            note("nothing was changed; `--execute` does it");
        }
        Ok(())
    }

    async fn keys(
        &self,
        client: &Client,
        committed: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> anyhow::Result<BTreeSet<TopicPartition>> {
        if self.which.all_topics {
            return Ok(committed.keys().cloned().collect());
        }
        let mut keys = BTreeSet::new();
        for (name, partitions) in &self.which.topics {
            let topic = client.topic(name).await?;
            let all = topic.partitions.iter().map(|partition| partition.index).collect();
            for partition in if partitions.is_empty() { all } else { partitions.clone() } {
                topic.partition(partition)?;
                keys.insert(TopicPartition::new(name, partition));
            }
        }
        Ok(keys)
    }
}

impl Place {
    fn steps(
        &self,
        bounds: &Bounds,
        committed: &BTreeMap<TopicPartition, CommittedOffset>,
        by_time: &BTreeMap<TopicPartition, i64>,
    ) -> anyhow::Result<Vec<Step>> {
        let mut steps = Vec::new();
        for (key, &(first, end)) in bounds {
            let from = committed.get(key).map(|committed| committed.offset);
            let to = if self.to_earliest {
                first
            } else if self.to_time.is_some() {
                by_time.get(key).copied().unwrap_or(end)
            } else if let Some(offset) = self.to_offset {
                offset.clamp(first, end)
            } else if let Some(shift) = self.shift_by {
                let Some(from) = from else {
                    anyhow::bail!(
                        "the group has committed no offset of `{}` partition {} that could be shifted",
                        key.topic,
                        key.partition
                    );
                };
                from.saturating_add(shift).clamp(first, end)
            } else {
                end
            };
            steps.push(Step { topic: key.topic.clone(), partition: key.partition, from, to });
        }
        Ok(steps)
    }
}

async fn bounds(client: &Client, keys: &BTreeSet<TopicPartition>) -> anyhow::Result<Bounds> {
    let wanted = |spec| keys.iter().map(|key| (key.clone(), spec)).collect::<Vec<_>>();
    let firsts = client.list_offsets(&wanted(OffsetSpec::Earliest)).await?;
    let ends = client.list_offsets(&wanted(OffsetSpec::Latest)).await?;
    let both = |key: &TopicPartition| Some((key.clone(), (firsts.get(key)?.offset?, ends.get(key)?.offset?)));
    Ok(keys.iter().filter_map(both).collect())
}

async fn offsets_at(
    client: &Client,
    keys: &BTreeSet<TopicPartition>,
    timestamp: i64,
) -> anyhow::Result<BTreeMap<TopicPartition, i64>> {
    let wanted: Vec<_> = keys.iter().map(|key| (key.clone(), OffsetSpec::Timestamp(timestamp))).collect();
    let found = client.list_offsets(&wanted).await?;
    Ok(found.into_iter().filter_map(|(key, found)| Some((key, found.offset?))).collect())
}

fn show(plan: &Plan) -> Table {
    let mut table = Table::new(["TOPIC", "PARTITION", "FROM", "TO"]);
    for step in &plan.offsets {
        let from = step.from.map_or_else(|| "-".to_owned(), |from| from.to_string());
        table.row([step.topic.clone(), step.partition.to_string(), from, step.to.to_string()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { to_earliest: false, to_latest: false, to_offset: None, to_time: None, shift_by: None }
    }

    fn step(place: &Place, from: Option<i64>) -> anyhow::Result<i64> {
        let key = TopicPartition::new("orders", 0);
        let committed = from.map(|offset| (key.clone(), CommittedOffset { offset, leader_epoch: -1, metadata: None }));
        let steps =
            place.steps(&BTreeMap::from([(key, (10, 100))]), &committed.into_iter().collect(), &BTreeMap::new())?;
        Ok(steps[0].to)
    }

    #[test]
    fn places_are_kept_within_what_is_there() {
        assert_eq!(step(&Place { to_earliest: true, ..place() }, None).unwrap(), 10);
        assert_eq!(step(&Place { to_latest: true, ..place() }, None).unwrap(), 100);
        assert_eq!(step(&Place { to_offset: Some(5), ..place() }, None).unwrap(), 10);
        assert_eq!(step(&Place { to_offset: Some(50), ..place() }, None).unwrap(), 50);
        assert_eq!(step(&Place { shift_by: Some(-30), ..place() }, Some(50)).unwrap(), 20);
        assert_eq!(step(&Place { shift_by: Some(999), ..place() }, Some(50)).unwrap(), 100);
        assert_eq!(step(&Place { to_time: Some("now".to_owned()), ..place() }, None).unwrap(), 100);
        assert!(step(&Place { shift_by: Some(1), ..place() }, None).is_err());
    }

    #[test]
    fn topics_may_name_their_partitions() {
        assert_eq!(chosen("orders"), Ok(("orders".to_owned(), vec![])));
        assert_eq!(chosen("orders:0,2"), Ok(("orders".to_owned(), vec![0, 2])));
        assert!(chosen("orders:").is_err());
        assert!(chosen("orders:-1").is_err());
    }
}
