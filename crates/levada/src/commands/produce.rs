//! `levada produce`: a record for each line of stdin.

mod coding;

use super::{Remote, pair};
use crate::{
    lines::{self, LineFormat, LineRecord},
    output::{Output, Progress, note},
    units,
};
use anyhow::Context as _;
use bytes::Bytes;
use coding::{Coders, Coding};
use levada_client::{Acks, Client, ProduceConfig, ProduceRecord, Producer};
use levada_model::{Clock as _, Str, SystemClock, batch::Codec, record::RecordHeader};
use serde_json::json;
use std::{io::IsTerminal as _, time::Duration};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Options of `levada produce`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo hello | levada produce greetings
  printf 'alice\\t{\"age\":31}\\n' | levada produce people --format key-value
  levada consume people --from-beginning --exit-at-end --format json | levada produce copy --format json
  echo '{\"id\":7}' | levada produce orders --value-format avro    (with the latest schema of orders-value)")]
pub(crate) struct Produce {
    /// The topic; created where the cluster allows it
    topic: String,
    /// What a line is
    #[arg(long, value_enum, default_value_t)]
    format: LineFormat,
    /// The key of every record that brings none
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// A header of every record; repeatable
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// The partition of every record that names none; chosen by the key where left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    #[command(flatten)]
    coding: Coding,
    #[command(flatten)]
    sending: Sending,
    /// Show progress also where stderr is no terminal
    #[arg(long)]
    progress: bool,
    #[command(flatten)]
    remote: Remote,
}

/// How records are gathered and sent; shared with `levada bench`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Sending {
    /// How batches are compressed
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = codec)]
    pub(crate) compression: Codec,
    /// When the broker answers: `all` when durable, `1` when the leader has it, `0` never
    #[arg(long, value_name = "ACKS", default_value = "all", value_parser = acks)]
    pub(crate) acks: Acks,
    /// Bytes at which a batch is closed
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = units::parse_size)]
    pub(crate) batch_size: u64,
    /// How long a batch waits for more records
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = units::parse_duration)]
    pub(crate) linger: Duration,
    /// Bytes that may wait for their acknowledgement
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = units::parse_size)]
    pub(crate) buffer_size: u64,
    /// Do without idempotence: a batch that is sent again may then be stored twice
    #[arg(long)]
    pub(crate) no_idempotence: bool,
}

impl Sending {
    /// The client's words for it.
    pub(crate) fn config(&self, delivery_timeout: Duration) -> anyhow::Result<ProduceConfig> {
        Ok(ProduceConfig {
            acks: self.acks,
            codec: self.compression,
            batch_bytes: usize::try_from(self.batch_size).context("`--batch-size` is too large")?,
            linger: self.linger,
            is_idempotent: !self.no_idempotence,
            buffer_bytes: usize::try_from(self.buffer_size).context("`--buffer-size` is too large")?,
            delivery_timeout,
            creates_topics: true,
        })
    }
}

fn codec(name: &str) -> Result<Codec, String> {
    Codec::by_name(name).ok_or_else(|| "it is `none`, `gzip`, `snappy`, `lz4` or `zstd`".to_owned())
}

fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "all" | "-1" => Ok(Acks::All),
        "1" => Ok(Acks::Leader),
        "0" => Ok(Acks::None),
        _ => Err("it is `all`, `1` or `0`".to_owned()),
    }
}

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 128 << 20;

impl Produce {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        self.remote.clone().run(async |client, output| self.produce(client, output).await)
    }

    async fn produce(&self, client: &Client, output: &mut Output) -> anyhow::Result<()> {
        let coders = self.coding.coders(&self.topic, self.remote.timeout)?;
        let producer = Producer::new(client.clone(), self.sending.config(self.remote.timeout)?);
        let common: Vec<RecordHeader> = self.headers.iter().map(|(name, value)| header(name, value)).collect();
        if std::io::stdin().is_terminal() {
            note(format_args!("a record for each line, to topic `{}`; Ctrl-D ends", self.topic));
        }
        // Where someone types, progress would write over the prompt.
        let mut progress = if std::io::stdin().is_terminal() { Progress::off() } else { Progress::new(self.progress) };
        let mut input = BufReader::with_capacity(64 * 1024, tokio::io::stdin());
        let mut number: u64 = 0;
        let read = loop {
            let line = tokio::select! {
                line = next_line(&mut input) => line,
                stopped = tokio::signal::ctrl_c() => { stopped?; Ok(None) }
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            number += 1;
            let sent = self.send(&producer, line, &common, &coders).await;
            if let Err(error) = sent {
                break Err(error.context(format!("line {number}")));
            }
            progress.show(|| format!("{number} records read, {} acknowledged", producer.totals().acked_records));
        };
        // What was read before a bad line is sent all the same.
        let flushed = producer.flush().await;
        let totals = producer.totals();
        progress.finish(|| format!("{number} records read, {} acknowledged", totals.acked_records));
        let (topic, records) = (&self.topic, totals.acked_records);
        let result = json!({ "topic": topic, "records": records, "failed": totals.failed_records });
        let word = if records == 1 { "record" } else { "records" };
        output.done(&result, format_args!("produced {records} {word} to `{topic}`"))?;
        flushed?;
        read
    }

    async fn send(
        &self,
        producer: &Producer,
        line: Bytes,
        common: &[RecordHeader],
        coders: &Coders,
    ) -> anyhow::Result<()> {
        let LineRecord { key, value, mut headers, timestamp, partition } =
            lines::parse(line, self.format, coders.coded(), SystemClock.wall_ms())?;
        let key = key.or_else(|| self.key.clone().map(Bytes::from));
        let (key, value) = coders.encode(key, value)?;
        headers.extend_from_slice(common);
        let record = ProduceRecord {
            topic: &self.topic,
            partition: partition.or(self.partition),
            timestamp,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &headers,
        };
        producer.send(&record).await?;
        Ok(())
    }
}

fn header(name: &str, value: &str) -> RecordHeader {
    RecordHeader { key: Str::from(name), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

/// The next line without its end; `None` at the end of the input.
async fn next_line(input: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> anyhow::Result<Option<Bytes>> {
    let mut line = Vec::new();
    loop {
        let part = input.fill_buf().await.context("cannot read stdin")?;
        if part.is_empty() {
            return Ok((!line.is_empty()).then(|| line.into()));
        }
        let end = part.iter().position(|&byte| byte == b'\n');
        line.extend_from_slice(part.get(..end.unwrap_or(part.len())).unwrap_or_default());
        let used = end.map_or(part.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(Some(line.into()));
        }
        anyhow::ensure!(line.len() <= LINE_BYTES_MAX, "a line is longer than {LINE_BYTES_MAX} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_end_at_line_ends_and_at_the_end() {
        let mut input = BufReader::with_capacity(4, &b"one\n\nlonger than the buffer\nlast"[..]);
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).await.unwrap() {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
        assert_eq!(lines, ["one", "", "longer than the buffer", "last"]);
    }
}
