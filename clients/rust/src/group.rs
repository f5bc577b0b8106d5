//! The group step: two members on threads of their own, one joining late, one leaving early.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;

use crate::client::Client;
use crate::story::{Outcome, Seen, WAVE, expect, until};
use crate::{WAIT, text};

const TOPIC: &str = "story-group";

struct Member {
    shared: Arc<Shared>,
    thread: JoinHandle<Outcome<()>>,
}

#[derive(Default)]
struct Shared {
    held: AtomicUsize,
    newest: AtomicI64,
    leaving: AtomicBool,
}

impl Member {
    fn join(client: &Client, seen: &Arc<Mutex<Seen>>) -> Outcome<Self> {
        let consumer = client.consumer(TOPIC)?;
        consumer.subscribe(&[TOPIC]).map_err(text)?;
        let shared = Arc::new(Shared::default());
        let (mine, seen) = (Arc::clone(&shared), Arc::clone(seen));
        Ok(Self { shared, thread: thread::spawn(move || mine.read(&consumer, &seen)) })
    }

    fn held(&self) -> Outcome<usize> {
        expect(!self.thread.is_finished(), "a member ended early")?;
        Ok(self.shared.held.load(Ordering::Relaxed))
    }

    fn newest(&self) -> i64 {
        self.shared.newest.load(Ordering::Relaxed)
    }

    fn leave(self) -> Outcome<()> {
        self.shared.leaving.store(true, Ordering::Relaxed);
        until("a member to leave", || Ok(self.thread.is_finished()))?;
        self.thread.join().map_err(|_| "a member panicked")?
    }
}

impl Shared {
    /// Reads and commits until told to leave; dropping the consumer leaves the group.
    fn read(&self, consumer: &BaseConsumer, seen: &Mutex<Seen>) -> Outcome<()> {
        while !self.leaving.load(Ordering::Relaxed) {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                let message = message.map_err(text)?;
                let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
                let index = seen.lock().map_err(text)?.add(key, value)?;
                self.newest.fetch_max(i64::try_from(index).map_err(text)?, Ordering::Relaxed);
                consumer.commit_message(&message, CommitMode::Async).map_err(text)?;
            }
            self.held.store(consumer.assignment().map_err(text)?.count(), Ordering::Relaxed);
        }
        Ok(())
    }
}

pub fn group(client: &Client) -> Outcome {
    client.create(TOPIC, 4, &[])?;
    let producer = client.producer("none")?;
    let seen = Arc::new(Mutex::new(Seen::new("group")));
    let wave = |number: usize| producer.send_all(TOPIC, "group", number * WAVE..(number + 1) * WAVE);
    let read = |count: usize| until(&format!("{count} records"), || Ok(seen.lock().map_err(text)?.len() >= count));

    wave(0)?;
    let first = Member::join(client, &seen)?;
    read(WAVE)?;
    let second = Member::join(client, &seen)?;
    until("both to have partitions", || Ok(first.held()? == 2 && second.held()? == 2))?;
    wave(1)?;
    read(2 * WAVE)?;
    let late = i64::try_from(WAVE).map_err(text)?;
    expect(first.newest() >= late && second.newest() >= late, "one member read nothing of the second wave")?;
    let members = members(client)?;
    expect(members == 2, format!("the group is described with {members} members"))?;
    first.leave()?;
    until("the second to have all partitions", || Ok(second.held()? == 4))?;
    wave(2)?;
    read(3 * WAVE)?;
    second.leave()?;
    let seen = seen.lock().map_err(text)?;
    seen.check_all(3 * WAVE)?;
    Ok(format!("{} repeats at rebalances", seen.repeats()))
}

/// How many members the group is described with.
fn members(client: &Client) -> Outcome<usize> {
    let list = client.consumer("unused")?.fetch_group_list(Some(TOPIC), WAIT).map_err(text)?;
    Ok(list.groups().first().map_or(0, |group| group.members().len()))
}
