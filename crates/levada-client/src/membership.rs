//! [`GroupConsumer`]: a member of a classic consumer group, which shares the partitions of a topic with the
//! others and commits how far it has read.
//!
//! One task does everything: the group is heard of (heartbeats, rebalances) while [`GroupConsumer::poll`] runs.
//! A caller that takes longer than the session timeout over what it got loses its membership, and joins anew.
//!
//! Source: the classic group protocol of Kafka 0.9, KIP-394 (member ids are given before joining).

mod assign;

pub(crate) use assign::partitions;

use crate::{
    Client, ClientError, ConsumeConfig, Consumer, Fetched, OffsetSpec, TopicPartition, client::Target, error::refused,
    groups::OFFSETS_BY_NAME,
};
use levada_model::{NodeId, Offset, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
        SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group_request::SyncGroupRequestAssignment,
    },
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

/// Between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// Between two commits of what was read.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);
/// After this long without a heartbeat others take the partitions over.
const SESSION_TIMEOUT_MS: i32 = 45_000;
/// How long the others may take to join again.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// The assignor that every client knows.
const RANGE: &str = "range";

/// Where the coordinator knows this member.
#[derive(Clone, Debug)]
struct Membership {
    coordinator: NodeId,
    generation: i32,
}

/// A member of a consumer group that reads one topic.
#[derive(Debug)]
pub struct GroupConsumer {
    client: Client,
    group: String,
    topic: String,
    /// Where partitions start of which the group has committed nothing.
    start: OffsetSpec,
    consumer: Consumer,
    member_id: Str,
    membership: Option<Membership>,
    /// What was read and handled, and not committed yet.
    handled: BTreeMap<TopicPartition, Offset>,
    heartbeat_at: Duration,
    commit_at: Duration,
}

impl GroupConsumer {
    /// A member to be of `group`, which joins at the first poll.
    #[must_use]
    pub fn new(client: &Client, group: &str, topic: &str, start: OffsetSpec, config: ConsumeConfig) -> Self {
        Self {
            client: client.separate(),
            group: group.to_owned(),
            topic: topic.to_owned(),
            start,
            consumer: Consumer::new(client, config),
            member_id: Str::new(),
            membership: None,
            handled: BTreeMap::new(),
            heartbeat_at: Duration::ZERO,
            commit_at: Duration::ZERO,
        }
    }

    /// The caller is done with `partition` up to, and without, `next_offset`.
    pub fn done(&mut self, partition: &TopicPartition, next_offset: Offset) {
        self.handled.insert(partition.clone(), next_offset);
    }

    /// The partitions that this member reads now.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.consumer.positions().map(|(partition, _)| partition.clone()).collect()
    }

    /// Waits for records, taking part in the group meanwhile; may have none where nothing is new.
    ///
    /// # Errors
    /// As [`Consumer::poll`]; [`ClientError::Refused`] where the coordinator refuses for good.
    pub async fn poll(&mut self) -> Result<Vec<Fetched>, ClientError> {
        loop {
            self.take_part().await?;
            let wait = self.heartbeat_at.saturating_sub(self.now());
            if self.consumer.positions().next().is_none() {
                sleep(wait).await;
                return Ok(Vec::new());
            }
            tokio::select! {
                fetched = self.consumer.poll() => return fetched,
                () = sleep(wait) => {}
            }
        }
    }

    /// Commits what was handled and leaves, so that the others need not wait for the session to time out.
    ///
    /// # Errors
    /// [`ClientError`] where the commit fails.
    pub async fn leave(&mut self) -> Result<(), ClientError> {
        let committed = self.commit().await;
        if let Some(Membership { coordinator, .. }) = self.membership.take() {
            let member_id = self.member_id.clone();
            let build = |version| {
                let member = MemberIdentity { member_id: member_id.clone(), ..MemberIdentity::default() };
                let group_id = Str::from(self.group.as_str());
                if version >= 3 {
                    LeaveGroupRequest { group_id, members: vec![member], ..Default::default() }
                } else {
                    LeaveGroupRequest { group_id, member_id: member_id.clone(), ..Default::default() }
                }
            };
            // Whoever cannot say goodbye times out.
            if let Err(error) = self.client.ask_built(Target::Node(coordinator), i16::MAX, build).await {
                tracing::debug!(%error, "left the group without a word");
            }
        }
        committed
    }

    fn now(&self) -> Duration {
        self.client.config().clock.monotonic()
    }

    /// Joins where needed, and does what is due.
    async fn take_part(&mut self) -> Result<(), ClientError> {
        if self.membership.is_none() {
            self.join().await?;
        }
        if self.now() >= self.heartbeat_at {
            let beaten = self.heartbeat().await;
            self.judge(beaten).await?;
        }
        if self.now() >= self.commit_at {
            let committed = self.commit().await;
            self.commit_at = self.now() + COMMIT_INTERVAL;
            self.judge(committed).await?;
        }
        if self.membership.is_none() { Box::pin(self.take_part()).await } else { Ok(()) }
    }

    /// What an answer of the coordinator means for the membership.
    async fn judge(&mut self, answer: Result<(), ClientError>) -> Result<(), ClientError> {
        let Err(error) = answer else { return Ok(()) };
        match error.code() {
            Some(ErrorCode::RebalanceInProgress) => {
                // The last chance to commit under this generation.
                self.commit().await.ok();
                self.membership = None;
                Ok(())
            }
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId) => {
                self.member_id = Str::new();
                self.membership = None;
                Ok(())
            }
            _ if error.may_retry() => {
                self.membership = None;
                Ok(())
            }
            _ => Err(error),
        }
    }

    async fn heartbeat(&mut self) -> Result<(), ClientError> {
        let Some(Membership { coordinator, generation }) = self.membership.clone() else { return Ok(()) };
        self.heartbeat_at = self.now() + HEARTBEAT_INTERVAL;
        let request = HeartbeatRequest {
            group_id: Str::from(self.group.as_str()),
            generation_id: generation,
            member_id: self.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        let response = self.client.ask(Target::Node(coordinator), &request).await?;
        refused(response.error_code, None, || self.named())
    }

    async fn commit(&mut self) -> Result<(), ClientError> {
        let Some(Membership { coordinator, generation }) = self.membership.clone() else { return Ok(()) };
        if self.handled.is_empty() {
            return Ok(());
        }
        let handled = std::mem::take(&mut self.handled);
        let partitions = handled.iter().map(|(key, offset)| OffsetCommitRequestPartition {
            partition_index: key.partition,
            committed_offset: *offset,
            committed_metadata: Some(Str::new()),
            ..OffsetCommitRequestPartition::default()
        });
        let topic = OffsetCommitRequestTopic {
            name: Str::from(self.topic.as_str()),
            partitions: partitions.collect(),
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: Str::from(self.group.as_str()),
            generation_id_or_member_epoch: generation,
            member_id: self.member_id.clone(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let answered = self.client.ask_built(Target::Node(coordinator), OFFSETS_BY_NAME, |_| request).await;
        let codes = answered.map(|response| {
            let parts = response.topics.into_iter().flat_map(|topic| topic.partitions);
            parts.map(|part| part.error_code).find(|code| *code != ErrorCode::None.code())
        });
        let outcome = codes.and_then(|code| refused(code.unwrap_or_default(), None, || self.named()));
        if outcome.is_err() {
            // For another try, unless more was handled meanwhile.
            handled.into_iter().for_each(|(key, offset)| _ = self.handled.entry(key).or_insert(offset));
        }
        outcome
    }

    fn named(&self) -> String {
        format!("group `{}`", self.group)
    }

    /// Joins until it holds its part of the assignment.
    async fn join(&mut self) -> Result<(), ClientError> {
        let config = self.client.config().clone();
        let started = self.now();
        let mut count = 0;
        loop {
            let error = match self.join_once().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error.code() {
                // The coordinator gave an id: the next try uses it.
                Some(ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress) => continue,
                Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => self.member_id = Str::new(),
                _ if error.may_retry() => {}
                _ => return Err(error),
            }
            if self.now().saturating_sub(started) > config.retry_limit {
                return Err(error);
            }
            sleep(config.backoff(count)).await;
            count += 1;
        }
    }

    async fn join_once(&mut self) -> Result<(), ClientError> {
        let coordinator = self.client.coordinator(&self.group).await?;
        let protocol =
            JoinGroupRequestProtocol { name: Str::from_static(RANGE), metadata: assign::subscription(&self.topic)? };
        let request = JoinGroupRequest {
            group_id: Str::from(self.group.as_str()),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: i32::try_from(REBALANCE_TIMEOUT.as_millis()).unwrap_or(i32::MAX),
            member_id: self.member_id.clone(),
            protocol_type: Str::from_static("consumer"),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        let connection = self.client.connection(Target::Node(coordinator)).await?;
        let version = connection.version::<JoinGroupRequest>(i16::MAX)?;
        let joined = connection.ask(&request, version, REBALANCE_TIMEOUT).await?;
        if joined.error_code == ErrorCode::MemberIdRequired.code() {
            self.member_id = joined.member_id.detached();
        }
        refused(joined.error_code, None, || self.named())?;
        self.member_id = joined.member_id.detached();
        let assignments = if joined.leader == joined.member_id { self.assign(&joined).await? } else { Vec::new() };
        let generation = joined.generation_id;
        let request = SyncGroupRequest {
            group_id: Str::from(self.group.as_str()),
            generation_id: generation,
            member_id: self.member_id.clone(),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: Some(Str::from_static(RANGE)),
            assignments,
            ..SyncGroupRequest::default()
        };
        let version = connection.version::<SyncGroupRequest>(i16::MAX)?;
        let synced = connection.ask(&request, version, REBALANCE_TIMEOUT).await?;
        refused(synced.error_code, None, || self.named())?;
        self.start_at(&assign::partitions(&synced.assignment)).await?;
        self.membership = Some(Membership { coordinator, generation });
        let now = self.now();
        (self.heartbeat_at, self.commit_at) = (now + HEARTBEAT_INTERVAL, now + COMMIT_INTERVAL);
        Ok(())
    }

    /// As leader of the group: who reads what.
    async fn assign(&self, joined: &JoinGroupResponse) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let members: Vec<(Str, Vec<String>)> =
            joined.members.iter().map(|member| (member.member_id.clone(), assign::topics(&member.metadata))).collect();
        let names: Vec<&str> = members.iter().flat_map(|(_, topics)| topics.iter().map(String::as_str)).collect();
        let metadata = self.client.metadata(Some(&names)).await?;
        let counts = metadata.topics.into_iter().map(|(name, topic)| (name, topic.partitions.len())).collect();
        assign::range(&members, &counts)
            .into_iter()
            .map(|(member_id, partitions)| {
                Ok(SyncGroupRequestAssignment { member_id, assignment: assign::assignment(&partitions)? })
            })
            .collect()
    }

    /// Reads these partitions, and no others, from where the group is.
    async fn start_at(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.handled.clear();
        for held in self.partitions() {
            self.consumer.unassign(&held);
        }
        let committed = self.client.committed_offsets(&self.group).await?;
        let fresh: Vec<_> =
            partitions.iter().filter(|key| !committed.contains_key(key)).map(|key| (key.clone(), self.start)).collect();
        for (key, found) in self.client.list_offsets(&fresh).await? {
            self.consumer.assign(key, found.offset.unwrap_or(0));
        }
        for key in partitions {
            if let Some(committed) = committed.get(key) {
                self.consumer.assign(key.clone(), committed.offset);
            }
        }
        Ok(())
    }
}
