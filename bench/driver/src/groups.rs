//! Many groups of one member each that commit one offset after the other. Each connection serves its share of the
//! groups in turn and waits for each answer.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::Str;
use levada_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use levada_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use levada_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use levada_protocol::messages::{JoinGroupRequest, OffsetCommitRequest, SyncGroupRequest};
use serde_json::{Map, Value};

use crate::wire::{Connection, check, retry};
use crate::{broker_cpu, percentiles};

/// The last version that takes a member without a second request.
const JOIN_GROUP_VERSION: i16 = 3;
const SYNC_GROUP_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 8;
/// Longer than the measurement: nobody sends heartbeats.
const SESSION_TIMEOUT_MS: i32 = 600_000;

/// Who commits, and for how long.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    /// The broker's process
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: usize,
    #[arg(long, default_value_t = 10_000)]
    groups: usize,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// What is committed before the clock starts
    #[arg(long, default_value_t = 2.0)]
    warmup_seconds: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// A group with its only member.
struct Group {
    id: String,
    member: Str,
    generation: i32,
    partition: i32,
}

/// Joins all groups, commits, and answers what was measured.
pub fn run(args: &Args) -> Result<Value> {
    Connection::open(&args.brokers)?.await_coordinator()?;
    let begun = Instant::now();
    let barrier = Barrier::new(args.connections + 1);
    let (join_seconds, cpu_seconds, outcomes) = thread::scope(|scope| -> Result<_> {
        let barrier = &barrier;
        let workers: Vec<_> = (0..args.connections).map(|nth| scope.spawn(move || work(args, nth, barrier))).collect();
        barrier.wait();
        let join_seconds = begun.elapsed().as_secs_f64();
        thread::sleep(Duration::from_secs_f64(args.warmup_seconds));
        let before = broker_cpu::seconds(args.pid)?;
        thread::sleep(Duration::from_secs_f64(args.seconds));
        let cpu_seconds = broker_cpu::seconds(args.pid)? - before;
        let outcomes: Vec<Result<Vec<u64>>> =
            workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect();
        Ok((join_seconds, cpu_seconds, outcomes))
    })?;
    let mut micros = Vec::new();
    for outcome in outcomes {
        micros.extend(outcome?);
    }
    ensure!(!micros.is_empty(), "nothing was committed in time");
    let mut answer = Map::new();
    answer.insert("join_seconds".to_owned(), join_seconds.into());
    answer.insert("commits_per_second".to_owned(), (micros.len() as f64 / args.seconds).into());
    answer.insert("commits".to_owned(), micros.len().into());
    answer.insert("cpu_seconds".to_owned(), cpu_seconds.into());
    percentiles::add(&mut answer, micros);
    Ok(answer.into())
}

/// The work of one connection: how long each commit after the warm-up took, in microseconds.
fn work(args: &Args, nth: usize, barrier: &Barrier) -> Result<Vec<u64>> {
    let joined = join_all(args, nth);
    // Whoever failed comes here, too: the others would wait for it.
    barrier.wait();
    let (mut connection, groups) = joined?;
    let begun = Instant::now();
    let warm = Duration::from_secs_f64(args.warmup_seconds);
    let end = warm + Duration::from_secs_f64(args.seconds);
    let mut micros = Vec::new();
    for (turn, group) in (0_i64..).zip(groups.iter().cycle()) {
        let sent = begun.elapsed();
        if sent >= end {
            break;
        }
        commit(&mut connection, &args.topic, group, turn)?;
        let answered = begun.elapsed();
        if sent >= warm && answered <= end {
            micros.push(u64::try_from((answered - sent).as_micros())?);
        }
    }
    Ok(micros)
}

fn join_all(args: &Args, nth: usize) -> Result<(Connection, Vec<Group>)> {
    let mut connection = Connection::open(&args.brokers)?;
    let mut groups = Vec::new();
    for number in (nth..args.groups).step_by(args.connections) {
        groups.push(join(&mut connection, args, number)?);
    }
    ensure!(!groups.is_empty(), "more connections than groups");
    Ok((connection, groups))
}

fn join(connection: &mut Connection, args: &Args, number: usize) -> Result<Group> {
    let id = format!("group-{number}");
    let partition = i32::try_from(number % args.partitions)?;
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: subscription(&args.topic)? };
    let request = JoinGroupRequest {
        group_id: id.as_str().into(),
        session_timeout_ms: SESSION_TIMEOUT_MS,
        rebalance_timeout_ms: SESSION_TIMEOUT_MS,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    };
    let joined = retry(|| {
        let joined = connection.call(&request, JOIN_GROUP_VERSION)?;
        Ok((joined.error_code, joined))
    })?;
    let group = Group { id, member: joined.member_id, generation: joined.generation_id, partition };
    let assignment =
        SyncGroupRequestAssignment { member_id: group.member.clone(), assignment: assignment(&args.topic, partition)? };
    let request = SyncGroupRequest {
        group_id: group.id.as_str().into(),
        generation_id: group.generation,
        member_id: group.member.clone(),
        assignments: vec![assignment],
        ..SyncGroupRequest::default()
    };
    check(connection.call(&request, SYNC_GROUP_VERSION)?.error_code)?;
    Ok(group)
}

fn commit(connection: &mut Connection, topic: &str, group: &Group, offset: i64) -> Result<()> {
    let partition = OffsetCommitRequestPartition {
        partition_index: group.partition,
        committed_offset: offset,
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: topic.into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.id.as_str().into(),
        generation_id_or_member_epoch: group.generation,
        member_id: group.member.clone(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    };
    let response = connection.call(&request, OFFSET_COMMIT_VERSION)?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    check(partition.context("an answer without a partition")?.error_code)
}

/// What a member says of itself, version 0: topics, no data of its own.
///
/// Source: the consumer protocol of KIP-429's Java client.
fn subscription(topic: &str) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_name(&mut bytes, topic)?;
    bytes.put_i32(-1);
    Ok(bytes.freeze())
}

/// What a member is given, version 0: partitions by topic, no data.
fn assignment(topic: &str, partition: i32) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_name(&mut bytes, topic)?;
    bytes.put_i32(1);
    bytes.put_i32(partition);
    bytes.put_i32(-1);
    Ok(bytes.freeze())
}

fn put_name(bytes: &mut BytesMut, name: &str) -> Result<()> {
    bytes.put_i16(i16::try_from(name.len())?);
    bytes.put_slice(name.as_bytes());
    Ok(())
}
