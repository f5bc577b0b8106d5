//! `levada bench produce`.

use super::sample::{Pace, Spread, megabytes, payloads, rate};
use crate::{
    commands::{Remote, produce::Sending},
    output::{Output, Progress},
    units,
};
use levada_client::{Client, Delivery, ProduceRecord, Producer};
use levada_model::{Clock as _, SystemClock};
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinSet;

#[derive(Debug, clap::Args)]
pub(crate) struct Produce {
    /// The topic; created where the cluster allows it
    topic: String,
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    records: u64,
    /// Bytes of each value
    #[arg(long, value_name = "SIZE", default_value = "100", value_parser = units::parse_size)]
    size: u64,
    /// Records a second; as fast as they are taken where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    #[command(flatten)]
    sending: Sending,
    /// Show progress also where stderr is no terminal
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Records whose acknowledgement is timed.
const SAMPLES: u64 = 10_000;

impl Produce {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.remote.run_parallel(async |client, output| self.produce(client, output).await)
    }

    async fn produce(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let producer = Producer::new(client.clone(), self.sending.config(Duration::from_secs(120))?);
        let payloads = payloads(usize::try_from(self.size)?);
        let mut progress = Progress::new(self.progress);
        let mut times: JoinSet<Option<Duration>> = JoinSet::new();
        let pace = Pace::new(self.rate);
        let every = (self.records / SAMPLES).max(1);
        for (index, payload) in (0..self.records).zip(payloads.iter().cycle()) {
            pace.wait(index).await;
            let record = ProduceRecord { topic: &self.topic, value: Some(payload), ..ProduceRecord::default() };
            let sent_at = SystemClock.monotonic();
            let delivery = producer.send(&record).await?;
            if index % every == 0 {
                times.spawn(acknowledged(delivery, sent_at));
                progress.show(|| format!("{index} of {} records", self.records));
            }
        }
        producer.flush().await?;
        let elapsed = pace.elapsed();
        let totals = producer.totals();
        progress.finish(|| format!("{} records", totals.acked_records));
        let spread = Spread::of(times.join_all().await.into_iter().flatten().collect());
        let (per_second, megabytes) = (rate(totals.acked_records, elapsed), megabytes(totals.acked_bytes, elapsed));
        let seconds = elapsed.as_secs_f64();
        let result = json!({
            "records": totals.acked_records, "seconds": seconds, "records_per_second": per_second,
            "megabytes_per_second": megabytes, "acknowledged": spread,
        });
        let sentence = format!(
            "{} records in {seconds:.2} s: {per_second:.0} records/s, {megabytes:.1} MB/s\nacknowledged after {}",
            totals.acked_records,
            spread.show()
        );
        output.done(&result, sentence)?;
        Ok(())
    }
}

async fn acknowledged(delivery: Delivery, sent_at: Duration) -> Option<Duration> {
    delivery.acked().await.ok()?;
    Some(SystemClock.monotonic().saturating_sub(sent_at))
}
