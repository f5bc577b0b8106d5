//! `levada serve --demo`: replays two days of real flights as a live stream on topic `flights`.
//!
//! The data, its source and its licence are in `demo/`. It goes through the client, over loopback, as any
//! program's records would. Every flight departs (or is cancelled) and lands in its order, with times moved to
//! the present; after the last event the first comes again.

mod flights;

use anyhow::Context as _;
use flights::Event;
use levada_client::{
    Client, ClientConfig, NewTopic, OffsetSpec, ProduceConfig, ProduceRecord, Producer, TopicPartition,
};
use levada_kafka::Tasks;
use levada_model::{Clock as _, SystemClock};
use levada_protocol::ErrorCode;
use std::{net::SocketAddr, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The topic.
const TOPIC: &str = "flights";
const PARTITIONS: i32 = 3;
/// A day's events take about 300 MB at this pace; older ones go.
const RETENTION_MS: &str = "86400000";
/// Between two events.
const PACE: Duration = Duration::from_millis(100);
/// Events that a new topic starts with, so that a first look shows something.
const HEAD_START: usize = 500;
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// The topic as a table. Its time is the wall clock's at which an event was sent, more or less a delay.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS flights (
        flight STRING, event STRING, `time` TIMESTAMP_LTZ(3), scheduled TIMESTAMP_LTZ(3), delay_minutes INT,
        carrier STRING, tail STRING, `from` STRING, `to` STRING, air_minutes INT, miles INT,
        WATERMARK FOR `time` AS `time` - INTERVAL '1' SECOND
    ) WITH ('format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')";

/// Starts the demo against the broker that listens at `kafka` and the SQL server at `sql`; it ends when everything is
/// told to stop.
pub(crate) fn start(tasks: &Tasks, kafka: SocketAddr, sql: Option<SocketAddr>) {
    let mut stop = tasks.signal();
    let (address, sql) = (reachable(kafka), sql.map(reachable));
    tasks.spawn("demo", async move {
        tokio::select! {
            () = keep_replaying(address, sql) => {}
            () = stop.given() => {}
        }
    });
}

/// A wildcard address is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn keep_replaying(address: SocketAddr, sql: Option<SocketAddr>) {
    let events = match flights::events() {
        Ok(events) => events,
        Err(error) => {
            tracing::error!(%error, "the demo's data cannot be read");
            return;
        }
    };
    loop {
        if let Err(error) = replay(address, sql, &events).await {
            tracing::warn!("the demo pauses for {PAUSE:?}: {error:#}");
        }
        sleep(PAUSE).await;
    }
}

/// Replays until a failure.
async fn replay(address: SocketAddr, sql: Option<SocketAddr>, events: &[Event]) -> anyhow::Result<()> {
    let mut config = ClientConfig::new(&address.to_string());
    config.client_id = "levada-demo".to_owned();
    let client = Client::connect(config).await?;
    let topic = NewTopic::new(TOPIC).partitions(PARTITIONS).config("retention.ms", RETENTION_MS);
    match client.create_topic(&topic).await {
        Ok(_) => {}
        Err(error) if error.code() == Some(ErrorCode::TopicAlreadyExists) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(sql) = sql {
        crate::commands::sql::carry_out(&sql.to_string(), TABLE).await.context("its table is not declared")?;
    }
    let producer = Producer::new(client.clone(), ProduceConfig { linger: Duration::ZERO, ..ProduceConfig::default() });
    let mut position = produced(&client).await?;
    if position == 0 {
        position = HEAD_START.min(events.len());
        let pace_ms = i64::try_from(PACE.as_millis())?;
        let mut time = SystemClock.wall_ms() - pace_ms * i64::try_from(position)?;
        for event in events.iter().take(position) {
            send(&producer, event, time).await?;
            time += pace_ms;
        }
        producer.flush().await?;
    }
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for event in events.iter().cycle().skip(position % events.len().max(1)) {
        ticks.tick().await;
        send(&producer, event, SystemClock.wall_ms()).await?;
        if let Some(failure) = producer.take_failure() {
            return Err(failure.into());
        }
    }
    Ok(())
}

/// How many events earlier runs sent: the replay goes on where they ended.
async fn produced(client: &Client) -> anyhow::Result<usize> {
    let topic = client.awaited_topic(TOPIC).await?;
    let partitions = topic.partitions.iter().map(|partition| TopicPartition::new(TOPIC, partition.index));
    let ends = client.list_offsets(&partitions.map(|key| (key, OffsetSpec::Latest)).collect::<Vec<_>>()).await?;
    let total: i64 = ends.values().filter_map(|found| found.offset).sum();
    usize::try_from(total).context("offsets are not negative")
}

async fn send(producer: &Producer, event: &Event, now: i64) -> anyhow::Result<()> {
    let value = event.at(now);
    let record = ProduceRecord {
        topic: TOPIC,
        timestamp: Some(now),
        key: Some(event.key().as_bytes()),
        value: Some(value.as_bytes()),
        ..ProduceRecord::default()
    };
    producer.send(&record).await?;
    Ok(())
}
