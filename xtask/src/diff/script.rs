//! What is asked, step by step: a scenario, and the words in which scenarios are written.
//!
//! A text that begins with `$` stands for what an earlier step bound under that name, on each side its own.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

/// Steps that belong together, in their order.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One thing done on one connection.
#[derive(Debug)]
pub(super) struct Step {
    /// Which connection; it is opened when it is first used, and again after it was closed.
    pub(super) on: String,
    pub(super) action: Action,
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) body: Value,
    /// Variables and the paths in the answer where their values stand.
    pub(super) bind: Vec<(String, String)>,
    /// Ask again until the answer has this there.
    pub(super) until: Option<(String, Value)>,
    /// What it is about, for people.
    pub(super) about: String,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Sends the request and reads the answer.
    Call,
    /// Sends the request; the answer is read by a later [`Action::Receive`].
    Send,
    /// Reads the answer to the first request of this connection that has none.
    Receive,
    /// Sends a request that has no answer, and finds out whether the connection lives on.
    Unanswered,
}

impl Step {
    /// The step in one line.
    pub(super) fn line(&self) -> String {
        let mut line = format!("{} {} v{}", self.on, self.api, self.version);
        match self.action {
            Action::Call => {}
            other => line = format!("{line} {other:?}"),
        }
        if self.about.is_empty() { line } else { format!("{line}, {}", self.about) }
    }

    /// A number that changes with anything about the step.
    pub(super) fn fingerprint(&self) -> u32 {
        let Self { on, action, api, version, body, bind, until, about: _ } = self;
        levada_model::crc::crc32c(format!("{on} {action:?} {api} {version} {body} {bind:?} {until:?}").as_bytes())
    }

    /// Says on which connection.
    pub(super) fn on(&mut self, connection: &str) -> &mut Self {
        connection.clone_into(&mut self.on);
        self
    }

    /// Keeps what stands at `path` of the answer.
    pub(super) fn bind(&mut self, name: &str, path: &str) -> &mut Self {
        self.bind.push((name.to_owned(), path.to_owned()));
        self
    }

    /// Repeats the request until `path` of its answer is `value`; only the last answer counts.
    pub(super) fn until(&mut self, path: &str, value: impl Into<Value>) -> &mut Self {
        self.until = Some((path.to_owned(), value.into()));
        self
    }

    /// Says what the step is about.
    pub(super) fn about(&mut self, about: &str) -> &mut Self {
        about.clone_into(&mut self.about);
        self
    }
}

impl Scenario {
    /// A scenario without steps.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), steps: Vec::new() }
    }

    /// Asks and waits for the answer.
    pub(super) fn call(&mut self, api: ApiKey, version: i16, body: Value) -> &mut Step {
        self.step(Action::Call, api, version, body)
    }

    /// Asks; [`Self::receive`] waits for the answer.
    pub(super) fn send(&mut self, on: &str, api: ApiKey, version: i16, body: Value) -> &mut Step {
        self.step(Action::Send, api, version, body).on(on)
    }

    /// Waits for the answer to what was sent.
    pub(super) fn receive(&mut self, on: &str, api: ApiKey, version: i16) -> &mut Step {
        self.step(Action::Receive, api, version, Value::Null).on(on)
    }

    /// Asks what has no answer.
    pub(super) fn unanswered(&mut self, api: ApiKey, version: i16, body: Value) -> &mut Step {
        self.step(Action::Unanswered, api, version, body)
    }

    fn step(&mut self, action: Action, api: ApiKey, version: i16, body: Value) -> &mut Step {
        let on = "a".to_owned();
        let step = Step { on, action, api, version, body, bind: Vec::new(), until: None, about: String::new() };
        self.steps.push(step);
        self.steps.last_mut().expect("one was pushed")
    }

    /// Creates a topic with settings, waits until it is led, and binds its id under its name.
    pub(super) fn topic_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs: Vec<_> = configs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let topic = json!({ "name": name, "num_partitions": partitions, "replication_factor": 1, "configs": configs });
        self.call(ApiKey::CreateTopics, 7, json!({ "topics": [topic], "timeout_ms": 10_000 }))
            .bind(name, "topics[0].topic_id");
        self.settle(name, partitions);
    }

    /// Creates a topic, waits until it is led, and binds its id under its name.
    pub(super) fn topic(&mut self, name: &str, partitions: i32) {
        self.topic_with(name, partitions, &[]);
    }

    /// Waits until the last partition of a topic is led.
    pub(super) fn settle(&mut self, name: &str, partitions: i32) {
        let body = json!({ "topics": [{ "name": name }], "allow_auto_topic_creation": false });
        let last = format!("topics[0].partitions[partition_index={}].leader_id", partitions - 1);
        self.call(ApiKey::Metadata, 12, body)
            .until(&last, 1)
            .bind(&format!("{name}.epoch"), "topics[0].partitions[0].leader_epoch")
            .about("waits until it is led");
        for index in 0..partitions {
            let topics = json!([{ "name": name, "partitions": [{ "partition_index": index, "timestamp": -1 }] }]);
            self.call(ApiKey::ListOffsets, 1, json!({ "replica_id": -1, "topics": topics }))
                .until("topics[0].partitions[0].error_code", 0)
                .about("waits until it is served");
        }
    }

    /// Waits until nobody knows a topic any more.
    pub(super) fn settle_deleted(&mut self, name: &str) {
        let body = json!({ "topics": [{ "name": name }], "allow_auto_topic_creation": false });
        self.call(ApiKey::Metadata, 12, body).until("topics[0].error_code", 3).about("waits until it is gone");
    }

    /// Waits until groups and their offsets are served.
    pub(super) fn settle_coordinator(&mut self, group: &str) {
        let body = json!({ "key_type": 0, "coordinator_keys": [group] });
        self.call(ApiKey::FindCoordinator, 4, body).until("coordinators[0].error_code", 0);
        let body = json!({ "groups": [{ "group_id": group, "topics": null }] });
        self.call(ApiKey::OffsetFetch, 8, body).until("groups[0].error_code", 0);
    }

    /// Appends batches to partition 0 of a topic.
    pub(super) fn append(&mut self, topic: &str, batches: &Value) -> &mut Step {
        let data = json!({ "name": topic, "partition_data": [{ "index": 0, "records": batches }] });
        self.call(ApiKey::Produce, 9, json!({ "acks": -1, "timeout_ms": 10_000, "topic_data": [data] }))
    }
}

/// What stands at `path` in `tree`: `topics[0].partitions[partition_index=3].leader_id`.
pub(super) fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |here, part| {
        let (name, index) = match part.split_once('[') {
            None => (part, None),
            Some((name, index)) => (name, Some(index.strip_suffix(']')?)),
        };
        let here = here.get(name)?;
        let Some(index) = index else { return Some(here) };
        match index.split_once('=') {
            None => here.get(index.parse::<usize>().ok()?),
            Some((field, wanted)) => here.as_array()?.iter().find(|one| match &one[field] {
                Value::String(text) => text == wanted,
                other => other.as_i64().is_some_and(|number| wanted.parse() == Ok(number)),
            }),
        }
    })
}

/// A batch of `count` small records whose timestamps begin at `timestamp`.
pub(super) fn batch(count: u32, timestamp: i64) -> Value {
    let record = |index| json!({ "key": format!("k{index}"), "value": "v", "timestamp": timestamp + i64::from(index) });
    json!({ "records": (0..count).map(record).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_by_index_and_by_field() {
        let tree = json!({ "a": [{ "b": 1, "c": "x" }, { "b": 2, "c": "y" }] });
        assert_eq!(at(&tree, "a[1].c"), Some(&json!("y")));
        assert_eq!(at(&tree, "a[b=1].c"), Some(&json!("x")));
        assert_eq!(at(&tree, "a[c=y].b"), Some(&json!(2)));
        assert_eq!(at(&tree, "a[7].b"), None);
    }
}
