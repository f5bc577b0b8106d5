//! `levada consume`: a line for each record of a topic.

mod decoding;
mod start;

use super::Remote;
use crate::{
    lines::{self, LineFormat},
    output::{Format, Output, Progress},
};
use decoding::{Decoders, Decoding};
use levada_client::{Client, ConsumeConfig, Consumer, Fetched, GroupConsumer, Isolation, TopicPartition};
use start::Start;
use std::collections::BTreeMap;

/// Options of `levada consume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  levada consume flights --from-beginning
  levada consume flights --from 10m --format json
  levada consume flights --partition 0 --offset 1200 --max-messages 5
  levada consume flights --group board --from-beginning
  levada consume orders --from-beginning --value-format avro")]
pub(crate) struct Consume {
    /// The topic
    topic: String,
    #[command(flatten)]
    start: Start,
    /// Read as a member of this consumer group, from where the group is, and commit what was read
    #[arg(long, value_name = "NAME", conflicts_with_all = ["partitions", "offset", "from", "exit_at_end"])]
    group: Option<String>,
    /// Only these partitions; repeatable
    #[arg(long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Stop after so many records
    #[arg(long, value_name = "N")]
    max_messages: Option<u64>,
    /// Stop at what was the end of the topic when the command started
    #[arg(long)]
    exit_at_end: bool,
    /// What a line is; `value` where nothing is said, `json` with `--output json`
    #[arg(long, value_enum)]
    format: Option<LineFormat>,
    #[command(flatten)]
    decoding: Decoding,
    /// Leave out records of transactions that are open or were aborted
    #[arg(long)]
    read_committed: bool,
    /// Show progress on stderr
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Consume {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.remote.clone().run(async |client, output| self.consume(client, output).await)
    }

    async fn consume(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let topic = client.topic(&self.topic).await?;
        let mut decoders = self.decoding.decoders(self.remote.timeout)?;
        if let Some(group) = &self.group {
            return self.consume_as(group, client, &mut decoders, output).await;
        }
        let mut partitions: Vec<i32> = self.partitions.clone();
        if partitions.is_empty() {
            partitions = topic.partitions.iter().map(|partition| partition.index).collect();
        }
        partitions.sort_unstable();
        partitions.dedup();
        for &partition in &partitions {
            topic.partition(partition)?;
        }
        let keys: Vec<TopicPartition> =
            partitions.iter().map(|&partition| TopicPartition::new(&self.topic, partition)).collect();
        let mut consumer = Consumer::new(client, self.config());
        let ends = start::ends(client, &keys).await?;
        let starts = self.start.offsets(client, &keys, &ends).await?;
        for (key, offset) in starts {
            let is_over = self.exit_at_end && ends.get(&key).is_some_and(|end| offset >= *end);
            if !is_over {
                consumer.assign(key, offset);
            }
        }
        let mut count = 0;
        let mut progress = if self.progress { Progress::new(true) } else { Progress::off() };
        while consumer.positions().next().is_some() && self.max_messages.is_none_or(|max| count < max) {
            let fetched = tokio::select! {
                fetched = consumer.poll() => fetched?,
                stopped = tokio::signal::ctrl_c() => { stopped?; break }
            };
            for part in fetched {
                count += self.show(&part, count, &ends, &mut decoders, output)?.0;
                if self.exit_at_end && ends.get(&part.partition).is_some_and(|end| part.next_offset >= *end) {
                    consumer.unassign(&part.partition);
                }
            }
            output.flush()?;
            if output.is_closed() {
                break;
            }
            progress.show(|| format!("{count} records"));
        }
        progress.finish(|| format!("{count} records"));
        Ok(())
    }

    /// As a member of `group`: reads what the group gives it, commits what was shown, leaves at the end.
    async fn consume_as(
        &self,
        group: &str,
        client: &Client,
        decoders: &mut Decoders,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let start = self.start.of_group();
        let mut member = GroupConsumer::new(client, group, &self.topic, start, self.config());
        let mut count = 0;
        let mut progress = if self.progress { Progress::new(true) } else { Progress::off() };
        let read = loop {
            if self.max_messages.is_some_and(|max| count >= max) || output.is_closed() {
                break Ok(());
            }
            let fetched = tokio::select! {
                fetched = member.poll() => fetched,
                stopped = tokio::signal::ctrl_c() => { break stopped.map_err(anyhow::Error::from) }
            };
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(error) => break Err(error.into()),
            };
            // What is committed was handed to the reader before.
            let mut shown = Vec::new();
            for part in fetched {
                let (records, next_offset) = self.show(&part, count, &BTreeMap::new(), decoders, output)?;
                count += records;
                shown.push((part.partition, next_offset));
            }
            output.flush()?;
            shown.iter().for_each(|(partition, next_offset)| member.done(partition, *next_offset));
            progress.show(|| format!("{count} records of {} partitions", member.partitions().len()));
        };
        progress.finish(|| format!("{count} records"));
        let left = member.leave().await;
        read?;
        Ok(left?)
    }

    fn config(&self) -> ConsumeConfig {
        let isolation = if self.read_committed { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
        ConsumeConfig { isolation, ..ConsumeConfig::default() }
    }

    /// Writes what one fetch brought of one partition; answers how many records, and the offset after the last.
    fn show(
        &self,
        part: &Fetched,
        before: u64,
        ends: &BTreeMap<TopicPartition, i64>,
        decoders: &mut Decoders,
        output: &mut Output,
    ) -> anyhow::Result<(u64, i64)> {
        let end = ends.get(&part.partition).copied().filter(|_| self.exit_at_end).unwrap_or(i64::MAX);
        let left = self.max_messages.map_or(u64::MAX, |max| max - before);
        let format = self.format.unwrap_or(match output.format() {
            Format::Json => LineFormat::Json,
            Format::Table => LineFormat::Value,
        });
        let mut count = 0;
        let mut text = Vec::new();
        for record in part.records.iter().take_while(|record| record.offset < end) {
            if count == left {
                return Ok((count, record.offset));
            }
            text.clear();
            let partition = part.partition.partition;
            match decoders.decode(record) {
                Ok(decoded) => lines::write(&mut text, record, decoded.parts(record), partition, format),
                Err(error) => {
                    output.flush()?;
                    let place = format!("offset {} of partition {partition}", record.offset);
                    self.decoding.pass_over(error, &place)?;
                    continue;
                }
            }
            output.bytes(&text)?;
            count += 1;
        }
        Ok((count, part.next_offset))
    }
}
