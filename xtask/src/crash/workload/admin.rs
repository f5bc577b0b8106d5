//! Makes the lasting topics, then topics that come and go for as long as the run lasts: created, written
//! to, deleted, and sometimes made again under the same name.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use levada_model::record::{BatchBuilder, NewRecord};
use levada_model::{Clock, SystemClock};
use levada_protocol::ErrorCode;

use super::{Home, Presence, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::payload::encode;
use crate::history::{Action, Op, Outcome, Process, Sent, Value};
use crate::kafka_client::Connection;
use crate::kafka_client::error_name;

const PROCESS: Process = Process(2_000);
/// The producer in the records that this client writes, one value a topic.
const PRODUCER: u32 = 2_000;
const RECORD_SIZE: usize = 300;
/// How long it rests between its topics.
const REST: Duration = Duration::from_millis(40);
/// How many topics come and go in one run.
const TOPICS_MAX: u32 = 200;

/// Runs until the run finishes.
pub(super) fn run(shared: &Shared) -> Vec<Op> {
    for number in 0..shared.plan.topics {
        shared.register(&format!("lasting-{number}"), 0, shared.plan.partitions);
    }
    while let Err(error) = create_lasting(shared) {
        if shared.course.is_given_up() {
            shared.course.problem(format!("the topics were never created: {error:#}"));
            return Vec::new();
        }
        sleep(RETRY_INTERVAL);
    }
    shared.ready.store(true, Ordering::SeqCst);
    let mut ops = Vec::new();
    for number in 0..TOPICS_MAX {
        if shared.course.is_finishing() {
            break;
        }
        let Some(mut connection) = shared.course.connect() else { continue };
        // Every third is deleted, and made again under its name by the next one.
        let (name, incarnation) = if number % 3 == 2 { (number - 1, 1) } else { (number, 0) };
        let delete = number % 3 == 1;
        let name = format!("passing-{name}");
        let previous = shared.topics().into_iter().rfind(|topic| topic.name == name);
        if previous.is_some_and(|topic| topic.presence != Presence::Gone) {
            continue;
        }
        let topic = shared.register(&name, incarnation, 1);
        // A lost connection leaves the topic's presence unknown, which is how it was registered.
        drop(pass(shared, &mut connection, &name, topic, delete, &mut ops));
        sleep(REST);
    }
    ops
}

fn create_lasting(shared: &Shared) -> Result<()> {
    let mut connection = Connection::open(shared.course.address)?;
    for number in 0..shared.plan.topics {
        let name = format!("lasting-{number}");
        let code = connection.create_topic(&name, shared.plan.partitions, &shared.plan.configs)?;
        let is_there = code == 0 || code == ErrorCode::TopicAlreadyExists.code();
        if !is_there && !ErrorCode::from_code(code).is_some_and(ErrorCode::is_retriable) {
            shared.course.problem(format!("topic `{name}` was refused: {}", error_name(code)));
        }
        ensure!(is_there, "topic `{name}`: {}", error_name(code));
        shared.set_presence(usize::try_from(number)?, Presence::There);
    }
    Ok(())
}

fn pass(
    shared: &Shared,
    connection: &mut Connection,
    name: &str,
    topic: usize,
    delete: bool,
    ops: &mut Vec<Op>,
) -> Result<()> {
    let code = connection.create_topic(name, 1, &shared.plan.configs)?;
    if code != 0 {
        return Ok(());
    }
    shared.set_presence(topic, Presence::There);
    if let Some(home) = shared.topics().get(topic).and_then(|topic| topic.homes.first()) {
        write(shared, connection, home, ops)?;
    }
    if delete {
        shared.set_presence(topic, Presence::Unknown);
        if connection.delete_topic(name)? == 0 {
            shared.set_presence(topic, Presence::Gone);
        }
    }
    Ok(())
}

/// Writes one record once, without a producer id: what is not answered is not known.
fn write(shared: &Shared, connection: &mut Connection, home: &Home, ops: &mut Vec<Op>) -> Result<()> {
    let value = Value { producer: PRODUCER, sequence: 0 };
    let bytes = encode(home.place, value, RECORD_SIZE);
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { timestamp: SystemClock.wall_ms(), value: Some(&bytes), ..NewRecord::default() });
    let begun_ns = shared.course.now_ns();
    let answer = connection
        .send_batches(&[(home.partition.clone(), builder.finish())])
        .and_then(|sent| connection.receive_produced(sent));
    let offset = answer.as_ref().ok().and_then(|answers| answers.first()).filter(|(_, produced)| produced.error == 0);
    let offset = offset.map(|(_, produced)| produced.base_offset);
    let outcome = if offset.is_some() { Outcome::Ok } else { Outcome::Unknown };
    let action = Action::Send { sends: vec![Sent { log: home.log, value, offset }] };
    ops.push(Op { process: PROCESS, begun_ns, ended_ns: shared.course.now_ns(), outcome, action });
    answer.map(drop)
}
