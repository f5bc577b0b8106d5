//! The broker's methods about groups: existence of what is named, then the coordinator.

use crate::{
    Broker,
    auth::{Caller, Grant, op, res},
    consumer_group::{Beat, BeatError, Beaten, DescribedConsumerGroup},
    coordinator::{
        CoordinatorError, DeleteGroupError, DeleteOffsetError, DeleteOffsets, DeleteOffsetsError, FetchOffsets,
        GroupError, OffsetCommit, OffsetCommitError,
        commits::{CommitTopic, check_metadata},
        consumer::Sender,
        timers::ExpirySettings,
    },
    group::{
        DescribedGroup, Heartbeat, HeartbeatError, Join, JoinError, Joined, Leave, LeaveError, ListedGroup, Sync,
        SyncError, Synced,
        offsets::{CommittedOffset, TopicPartition},
    },
};
use levada_model::{PartitionIndex, Str, TopicName};
use levada_store::ClusterImage;
use std::sync::Arc;

type Group<O> = Grant<O, res::Group>;

impl Broker {
    pub(crate) fn start_coordinator(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        let default = self.config();
        let config = move || weak.upgrade().map_or_else(|| Arc::clone(&default), |broker| broker.config());
        let retention = config.clone();
        let settings = ExpirySettings {
            interval: Box::new(move || config().offsets_check_interval()),
            retention: Box::new(move || retention().offsets_retention()),
        };
        // What is left open in `__consumer_offsets` is in the groups' hands before transactions are settled.
        let transactions = Arc::clone(&self.transactions);
        self.coordinator.start(&self.runtime, settings, Box::new(move || transactions.load()));
    }

    /// Makes sure that the coordinator can take requests: FindCoordinator's answer, and the first step of others.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub async fn find_coordinator(&self, _: &Group<op::Describe>) -> Result<(), CoordinatorError> {
        self.prepare_coordinator().await
    }

    pub(crate) async fn prepare_coordinator(&self) -> Result<(), CoordinatorError> {
        if self.coordinator.has_topic() {
            return Ok(());
        }
        self.create_offsets_topic().await.map_err(|error| CoordinatorError::NotAvailable(error.to_string()))
    }

    /// Lets a member join its group; resolves when the generation's members are known. Leave `fresh_member_id` empty.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join_group(&self, group: &Group<op::Read>, join: Join) -> Result<Joined, JoinError> {
        self.prepare_coordinator().await?;
        self.coordinator.join(group.name(), join).await
    }

    /// Gives a member its assignment; resolves when the leader has brought it and it is durable.
    ///
    /// # Errors
    /// [`SyncError`].
    pub async fn sync_group(&self, group: &Group<op::Read>, sync: Sync) -> Result<Synced, SyncError> {
        self.coordinator.sync(group.name(), sync).await
    }

    /// Prolongs a member's session.
    ///
    /// # Errors
    /// [`HeartbeatError`].
    pub fn heartbeat(&self, group: &Group<op::Read>, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        self.coordinator.heartbeat(group.name(), heartbeat)
    }

    /// Lets members go; outcomes come in the order of `leaves`.
    ///
    /// # Errors
    /// [`GroupError`].
    pub fn leave_group(
        &self,
        group: &Group<op::Read>,
        leaves: &[Leave],
    ) -> Result<Vec<Result<(), LeaveError>>, GroupError> {
        self.coordinator.leave(group.name(), leaves)
    }

    /// Commits positions; outcomes come in the order of topics and partitions, when durable and visible.
    pub async fn commit_offsets(
        &self,
        group: &Group<op::Read>,
        commit: OffsetCommit,
    ) -> Vec<Vec<Result<(), OffsetCommitError>>> {
        let OffsetCommit { committer, rule, retention, topics } = commit;
        let now_ms = self.clock.wall_ms();
        let expires_ms =
            retention.map(|retention| now_ms.saturating_add(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)));
        let (mut outcomes, positions) = self.sound_positions(&topics, now_ms, expires_ms);
        let committed = match self.prepare_coordinator().await {
            Ok(()) => self.coordinator.commit(group.name(), &committer, rule, positions).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = committed {
            for outcome in outcomes.iter_mut().flatten().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(error.clone().into());
            }
        }
        outcomes
    }

    /// What can be committed as far as its partition is concerned, and what cannot.
    #[expect(clippy::type_complexity, reason = "outcomes by topic and partition, and what is left to commit")]
    pub(crate) fn sound_positions(
        &self,
        topics: &[CommitTopic],
        now_ms: i64,
        expires_ms: Option<i64>,
    ) -> (Vec<Vec<Result<(), OffsetCommitError>>>, Vec<(TopicPartition, CommittedOffset)>) {
        let image = self.store.image();
        let limit = self.config().offset_metadata_size_max();
        let mut positions = Vec::new();
        let mut outcomes = Vec::with_capacity(topics.len());
        for CommitTopic { topic, partitions } in topics {
            let mut of_topic = Vec::with_capacity(partitions.len());
            for commit in partitions {
                let outcome = existing(&image, topic.name(), commit.partition)
                    .ok_or(OffsetCommitError::UnknownTopicOrPartition)
                    .and_then(|partition| check_metadata(commit, limit).map(|()| partition));
                of_topic.push(outcome.map(|partition| {
                    let committed = CommittedOffset {
                        offset: commit.offset,
                        leader_epoch: commit.leader_epoch,
                        metadata: commit.metadata.detached(),
                        committed_ms: now_ms,
                        expires_ms,
                    };
                    positions.push((partition, committed));
                }));
            }
            outcomes.push(of_topic);
        }
        (outcomes, positions)
    }

    /// The positions of a group, in the order of topics and partitions.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn fetch_offsets(
        &self,
        group: &Group<op::Describe>,
        wanted: &[FetchOffsets],
    ) -> Result<Vec<Vec<Option<CommittedOffset>>>, CoordinatorError> {
        let mut found = Vec::with_capacity(wanted.len());
        for FetchOffsets { topic, partitions } in wanted {
            let Ok(name) = TopicName::new(topic.name()) else {
                found.push(vec![None; partitions.len()]);
                continue;
            };
            let at = |&partition: &PartitionIndex| TopicPartition { topic: name.clone(), partition };
            let partitions: Vec<_> = partitions.iter().map(at).collect();
            found.push(self.coordinator.committed(group.name(), &partitions)?);
        }
        Ok(found)
    }

    /// Which positions may still change by the end of a transaction, in the order of topics and partitions.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    ///
    /// Source: KIP-447.
    pub fn unstable_offsets(
        &self,
        group: &Group<op::Describe>,
        wanted: &[FetchOffsets],
    ) -> Result<Vec<Vec<bool>>, CoordinatorError> {
        let mut found = Vec::with_capacity(wanted.len());
        for FetchOffsets { topic, partitions } in wanted {
            let Ok(name) = TopicName::new(topic.name()) else {
                found.push(vec![false; partitions.len()]);
                continue;
            };
            let at = |&partition: &PartitionIndex| TopicPartition { topic: name.clone(), partition };
            let partitions: Vec<_> = partitions.iter().map(at).collect();
            found.push(self.coordinator.unstable(group.name(), &partitions)?);
        }
        Ok(found)
    }

    /// All positions of a group that may still change by the end of a transaction.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn all_unstable_offsets(&self, group: &Group<op::Describe>) -> Result<Vec<TopicPartition>, CoordinatorError> {
        self.coordinator.all_unstable(group.name())
    }

    /// All positions of a group in topics that `caller` may see.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn fetch_all_offsets(
        &self,
        group: &Group<op::Describe>,
        caller: &Caller,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, CoordinatorError> {
        let mut all = self.coordinator.all_committed(group.name())?;
        all.retain(|(partition, _)| {
            self.gate.ask::<op::Describe, res::Topic>(caller, partition.topic.as_shared()).is_ok()
        });
        Ok(all)
    }

    /// A group and its members; `None` where there is no such group.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn describe_group(&self, group: &Group<op::Describe>) -> Result<Option<DescribedGroup>, CoordinatorError> {
        self.coordinator.describe(group.name())
    }

    /// The groups that `caller` may see, by id.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn list_groups(&self, caller: &Caller) -> Result<Vec<ListedGroup>, CoordinatorError> {
        let mut groups = self.coordinator.list()?;
        if self.gate.ask::<op::Describe, res::Cluster>(caller, &crate::auth::CLUSTER).is_err() {
            groups.retain(|group| self.gate.ask::<op::Describe, res::Group>(caller, &group.id).is_ok());
        }
        Ok(groups)
    }

    /// Takes a heartbeat of KIP-848; resolves when what it changed is durable. Leave `fresh_member_id` empty.
    ///
    /// # Errors
    /// [`BeatError`].
    pub async fn consumer_heartbeat(
        &self,
        group: &Group<op::Read>,
        caller: &Caller,
        beat: Beat,
    ) -> Result<Beaten, BeatError> {
        self.prepare_coordinator().await?;
        self.coordinator.beat(group.name(), Sender { gate: &self.gate, caller }, beat).await
    }

    /// A group of KIP-848 and its members; `None` where there is none of this id.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn describe_consumer_group(
        &self,
        group: &Group<op::Describe>,
    ) -> Result<Option<DescribedConsumerGroup>, CoordinatorError> {
        self.coordinator.describe_consumer(group.name())
    }

    /// Whether there is a group of this id, under whichever protocol.
    #[must_use]
    pub fn group_exists(&self, group: &Group<op::Describe>) -> bool {
        self.coordinator.exists(group.name())
    }

    /// Whether a member of a group of KIP-848 is in the epoch that it takes itself to be in, and so may fetch
    /// positions. Whoever names no member may.
    ///
    /// # Errors
    /// [`HeartbeatError`].
    pub fn check_offset_fetch(
        &self,
        group: &Group<op::Describe>,
        member_id: Option<&Str>,
        epoch: i32,
    ) -> Result<(), HeartbeatError> {
        self.coordinator.check_fetch(group.name(), member_id, epoch)
    }

    /// Deletes a group without members, with its positions.
    ///
    /// # Errors
    /// [`DeleteGroupError`].
    pub async fn delete_group(&self, group: &Group<op::Delete>) -> Result<(), DeleteGroupError> {
        self.coordinator.delete_group(group.name()).await
    }

    /// Deletes positions of a group; outcomes come in the order of topics and partitions.
    ///
    /// # Errors
    /// [`DeleteOffsetsError`].
    pub async fn delete_offsets(
        &self,
        group: &Group<op::Delete>,
        deletes: Vec<DeleteOffsets>,
    ) -> Result<Vec<Vec<Result<(), DeleteOffsetError>>>, DeleteOffsetsError> {
        let image = self.store.image();
        let mut known = Vec::new();
        let mut outcomes: Vec<Vec<Option<DeleteOffsetError>>> = Vec::with_capacity(deletes.len());
        for DeleteOffsets { topic, partitions } in &deletes {
            let mut of_topic = Vec::with_capacity(partitions.len());
            for &partition in partitions {
                let found = existing(&image, topic.name(), partition);
                of_topic.push(found.is_none().then_some(DeleteOffsetError::UnknownTopicOrPartition));
                known.extend(found);
            }
            outcomes.push(of_topic);
        }
        let mut deleted = self.coordinator.delete_committed(group.name(), known).await?.into_iter();
        let mut settle = |refused: Option<_>| refused.map_or_else(|| deleted.next().unwrap_or(Ok(())), Err);
        Ok(outcomes.into_iter().map(|topic| topic.into_iter().map(&mut settle).collect()).collect())
    }
}

/// The partition by name, where it exists.
fn existing(image: &ClusterImage, topic: &Str, partition: PartitionIndex) -> Option<TopicPartition> {
    let topic = image.topic(topic)?;
    topic.log(partition)?;
    Some(TopicPartition { topic: topic.name.clone(), partition })
}
