//! The commands that work on a cluster: what they share. Each command's options and work are in its own module.

pub(crate) mod bench;
pub(crate) mod cluster;
pub(crate) mod config;
pub(crate) mod consume;
pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod produce;
pub(crate) mod schema;
pub(crate) mod sql;
pub(crate) mod topic;

mod hints;

pub(crate) use hints::hint;

use crate::{
    output::{Format, Output},
    units,
};
use anyhow::Context as _;
use levada_client::{Client, ClientConfig};
use std::time::Duration;

/// Options of every command that works on a cluster.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Remote {
    /// Any broker of the cluster, several separated by commas; any Kafka cluster will do
    #[arg(long, value_name = "HOST:PORT", env = "LEVADA_BOOTSTRAP_SERVER", default_value = "127.0.0.1:9092")]
    pub(crate) bootstrap_server: String,
    /// How long to try before giving up
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = units::parse_duration)]
    pub(crate) timeout: Duration,
    /// Tables for people or JSON for machines
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

impl Remote {
    /// Connects, and does `work` with the cluster.
    pub(crate) fn run(&self, work: impl AsyncFnOnce(&Client, &mut Output) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        self.run_on(runtime.context("cannot start the runtime")?, work)
    }

    /// As [`Self::run`], with a thread a core.
    pub(crate) fn run_parallel(
        &self,
        work: impl AsyncFnOnce(&Client, &mut Output) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        self.run_on(runtime.context("cannot start the runtime")?, work)
    }

    fn run_on(
        &self,
        runtime: tokio::runtime::Runtime,
        work: impl AsyncFnOnce(&Client, &mut Output) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut config = ClientConfig::new(&self.bootstrap_server);
        config.client_id = "levada-cli".to_owned();
        config.connect_timeout = self.timeout.min(config.connect_timeout);
        config.request_timeout = self.timeout;
        config.retry_limit = self.timeout;
        let done = runtime.block_on(async {
            let client = Client::connect(config).await?;
            let mut output = Output::new(self.output);
            work(&client, &mut output).await?;
            output.flush()?;
            Ok(())
        });
        // A read of stdin that waits for its next line must not keep the process.
        runtime.shutdown_background();
        done
    }
}

/// `NAME=VALUE`, as many options take it.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// A topic setting whose value may be written with its unit: `retention.ms=7d`, `segment.bytes=64MiB`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = pair(text)?;
    if value.parse::<i64>().is_ok() {
        return Ok((name, value));
    }
    let plain = if name.ends_with(".ms") {
        units::parse_duration(&value).map_err(|error| error.to_string())?.as_millis().to_string()
    } else if name.ends_with(".bytes") {
        units::parse_size(&value).map_err(|error| error.to_string())?.to_string()
    } else {
        value
    };
    Ok((name, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_units_where_kafka_takes_milliseconds_and_bytes() {
        let read = |text| setting(text).map(|(name, value)| format!("{name} {value}"));
        assert_eq!(read("retention.ms=7d").unwrap(), "retention.ms 604800000");
        assert_eq!(read("retention.ms=-1").unwrap(), "retention.ms -1");
        assert_eq!(read("segment.bytes=64MiB").unwrap(), "segment.bytes 67108864");
        assert_eq!(read("cleanup.policy=compact,delete").unwrap(), "cleanup.policy compact,delete");
        assert_eq!(read("a=b=c").unwrap(), "a b=c");
        assert!(read("retention.ms=soon").is_err());
        assert!(read("retention.ms").is_err());
        assert!(read("=1").is_err());
    }
}
