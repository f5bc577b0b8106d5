//! `levada bench latency`: from `send` to the record in the consumer's hands, in one process, on one clock.

use super::sample::{Pace, Spread};
use crate::{
    commands::{Remote, produce::Sending},
    output::{Output, Progress},
    units,
};
use anyhow::Context as _;
use levada_client::{
    Client, ConsumeConfig, ConsumedRecord, Consumer, NewTopic, OffsetSpec, ProduceRecord, Producer, TopicPartition,
};
use levada_model::{Clock as _, SystemClock};
use levada_protocol::ErrorCode;
use serde_json::json;
use std::time::Duration;
use tokio::{task::JoinSet, time::timeout};

#[derive(Debug, clap::Args)]
pub(crate) struct Latency {
    /// The topic; created with one partition where it is missing
    topic: String,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Records a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Bytes of each value, at least 16
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::parse_size)]
    size: u64,
    #[command(flatten)]
    sending: Sending,
    /// Show progress also where stderr is no terminal
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    remote: Remote,
}

/// How long the consumer waits for what is missing after the last record was acknowledged.
const STRAGGLERS: Duration = Duration::from_secs(10);
/// Records at the start that are not counted: connections and caches warm up.
const WARM_UP_PERCENT: u64 = 5;

impl Latency {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.remote.run_parallel(async |client, output| self.measure(client, output).await)
    }

    async fn measure(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        match client.create_topic(&NewTopic::new(&self.topic).partitions(1)).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
            Err(error) => return Err(error.into()),
        }
        let topic = client.awaited_topic(&self.topic).await?;
        let keys: Vec<_> = topic
            .partitions
            .iter()
            .map(|partition| (TopicPartition::new(&self.topic, partition.index), OffsetSpec::Latest))
            .collect();
        let config = ConsumeConfig { wait_max: Duration::from_millis(100), ..ConsumeConfig::default() };
        let mut consumer = Consumer::new(client, config);
        for (key, found) in client.list_offsets(&keys).await? {
            consumer.assign(key, found.offset.context("the topic has no end")?);
        }
        let run = SystemClock.wall_ms();
        let mut tasks: JoinSet<anyhow::Result<Vec<Duration>>> = JoinSet::new();
        tasks.spawn(receive(consumer, run, self.records));
        let sent = self.send(client, run).await;
        let received = timeout(STRAGGLERS, tasks.join_next()).await;
        sent?;
        let times = received
            .context("records that were acknowledged did not arrive within 10 s")?
            .context("the consumer ended without an answer")???;
        let count = times.len();
        let warm_up = usize::try_from(self.records * WARM_UP_PERCENT / 100)?;
        let spread = Spread::of(times.into_iter().skip(warm_up).collect());
        let result = json!({ "records": count, "warm_up_records": warm_up, "rate": self.rate, "end_to_end": spread });
        output.done(
            &result,
            format!(
                "{count} records at {}/s, the first {warm_up} not counted\nend to end {}",
                self.rate,
                spread.show()
            ),
        )?;
        Ok(())
    }

    async fn send(&self, client: &Client, run: i64) -> anyhow::Result<()> {
        let mut config = self.sending.config(Duration::from_secs(120))?;
        // A lone record waits for nobody, unless the caller wants to know what waiting costs.
        if self.sending.linger == Duration::from_millis(5) {
            config.linger = Duration::ZERO;
        }
        let producer = Producer::new(client.clone(), config);
        let mut value = vec![b'.'; usize::try_from(self.size.max(16))?];
        let mut progress = Progress::new(self.progress);
        let pace = Pace::new(Some(self.rate));
        for index in 0..self.records {
            pace.wait(index).await;
            let now = u64::try_from(SystemClock.monotonic().as_nanos())?;
            let stamp = run.to_be_bytes().into_iter().chain(now.to_be_bytes());
            value.iter_mut().zip(stamp).for_each(|(target, byte)| *target = byte);
            let record = ProduceRecord { topic: &self.topic, value: Some(&value), ..ProduceRecord::default() };
            producer.send(&record).await?;
            progress.show(|| format!("{index} of {} records", self.records));
        }
        producer.flush().await?;
        progress.finish(|| format!("{} records", self.records));
        Ok(())
    }
}

async fn receive(mut consumer: Consumer, run: i64, records: u64) -> anyhow::Result<Vec<Duration>> {
    let records = usize::try_from(records)?;
    let mut times = Vec::with_capacity(records);
    while times.len() < records {
        let fetched = consumer.poll().await?;
        let now = SystemClock.monotonic();
        let records = fetched.iter().flat_map(|part| &part.records);
        times.extend(records.filter_map(|record| sent_at(record, run)).map(|sent| now.saturating_sub(sent)));
    }
    Ok(times)
}

/// When a record of this run was sent.
fn sent_at(record: &ConsumedRecord, run: i64) -> Option<Duration> {
    let (head, rest) = record.value.as_deref()?.split_first_chunk::<8>()?;
    let nanoseconds = u64::from_be_bytes(*rest.first_chunk::<8>()?);
    (i64::from_be_bytes(*head) == run).then(|| Duration::from_nanos(nanoseconds))
}
