//! `levada bench consume`.

use super::sample::{Pace, megabytes, rate};
use crate::{
    commands::Remote,
    output::{Output, Progress},
};
use levada_client::{Client, ConsumeConfig, Consumer, OffsetSpec, TopicPartition};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(crate) struct Consume {
    /// The topic
    topic: String,
    /// Stop after so many records; at what is the end of the topic now where left out
    #[arg(long, value_name = "N")]
    records: Option<u64>,
    /// Show progress also where stderr is no terminal
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Consume {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.remote.run_parallel(async |client, output| self.consume(client, output).await)
    }

    async fn consume(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let topic = client.topic(&self.topic).await?;
        let keys: Vec<TopicPartition> =
            topic.partitions.iter().map(|partition| TopicPartition::new(&self.topic, partition.index)).collect();
        let ask = |spec| keys.iter().map(|key| (key.clone(), spec)).collect::<Vec<_>>();
        let starts = client.list_offsets(&ask(OffsetSpec::Earliest)).await?;
        let ends: BTreeMap<TopicPartition, i64> = client
            .list_offsets(&ask(OffsetSpec::Latest))
            .await?
            .into_iter()
            .filter_map(|(key, found)| Some((key, found.offset?)))
            .collect();
        let mut consumer = Consumer::new(client, ConsumeConfig::default());
        for (key, found) in starts {
            if let Some(start) = found.offset.filter(|start| ends.get(&key).is_some_and(|end| start < end)) {
                consumer.assign(key, start);
            }
        }
        let wanted = self.records.unwrap_or(u64::MAX);
        let (mut records, mut bytes) = (0_u64, 0_u64);
        let mut progress = Progress::new(self.progress);
        let pace = Pace::new(None);
        while records < wanted && consumer.positions().next().is_some() {
            for part in consumer.poll().await? {
                for record in &part.records {
                    let size = record.key.as_ref().map_or(0, bytes::Bytes::len)
                        + record.value.as_ref().map_or(0, bytes::Bytes::len);
                    bytes += u64::try_from(size)?;
                }
                records += u64::try_from(part.records.len())?;
                if ends.get(&part.partition).is_some_and(|end| part.next_offset >= *end) {
                    consumer.unassign(&part.partition);
                }
            }
            progress.show(|| format!("{records} records"));
        }
        let elapsed = pace.elapsed();
        progress.finish(|| format!("{records} records"));
        let (per_second, megabytes) = (rate(records, elapsed), megabytes(bytes, elapsed));
        let seconds = elapsed.as_secs_f64();
        let result = json!({
            "records": records, "seconds": seconds, "records_per_second": per_second, "megabytes_per_second": megabytes,
        });
        output.done(
            &result,
            format!("{records} records in {seconds:.2} s: {per_second:.0} records/s, {megabytes:.1} MB/s"),
        )?;
        Ok(())
    }
}
