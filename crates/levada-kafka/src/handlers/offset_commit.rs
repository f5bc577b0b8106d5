//! OffsetCommit · key 8 · versions 2–10
//!
//! - 2–4: how long to keep the positions. 6: leader epochs (KIP-320). 7: static members (KIP-345). 8: flexible.
//!   9: member epochs of KIP-848. 10: topic ids instead of names (KIP-516).
//! - Answered when the positions are durable and others can see them.
//!
//! Source: KIP-211, KIP-320, KIP-345, KIP-848, KIP-1251.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    consumer_group::CommitRule,
    coordinator::{CommitPartition, CommitTopic, OffsetCommit, OffsetCommitError},
    group::offsets::Committer,
};
use levada_protocol::{
    ErrorCode,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit_request::OffsetCommitRequestTopic,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
};
use std::time::Duration;

/// From this version on a generation may be the epoch of a member under KIP-848.
const EPOCHS_FROM: i16 = 9;
/// From this version on topics have ids.
const IDS_FROM: i16 = 10;

pub(crate) async fn handle(context: Context, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut asked = std::mem::take(&mut request.topics);
    // Of a topic without partitions there is nothing to say, unless it is unknown.
    let is_known = |topic: &OffsetCommitRequestTopic| {
        let granted = grant(&context, topic);
        granted.is_ok_and(|granted| context.broker().topic_id(&granted).is_some())
    };
    asked.retain(|topic| !topic.partitions.is_empty() || !is_known(topic));
    let group = match context.ask::<op::Read, res::Group>(&request.group_id) {
        Ok(grant) => grant,
        Err(error) => return respond(asked.iter().map(|topic| (topic, Refused(error)))),
    };
    let mut answers = Vec::with_capacity(asked.len());
    let mut topics = Vec::with_capacity(asked.len());
    for topic in &asked {
        answers.push(match grant(&context, topic) {
            Err(error) => Refused(error),
            Ok(grant) => {
                topics.push(CommitTopic { topic: grant, partitions: positions(topic) });
                Committed(Vec::new())
            }
        });
    }
    let commit = OffsetCommit {
        committer: Committer {
            member_id: request.member_id,
            instance_id: request.group_instance_id,
            generation: request.generation_id_or_member_epoch,
        },
        rule: if context.version >= EPOCHS_FROM { CommitRule::MemberEpochs } else { CommitRule::Generations },
        retention: u64::try_from(request.retention_time_ms).ok().map(Duration::from_millis),
        topics,
    };
    let mut outcomes = context.broker().commit_offsets(&group, commit).await.into_iter();
    for answer in &mut answers {
        if let Committed(of_topic) = answer {
            *of_topic = outcomes.next().unwrap_or_default();
        }
    }
    respond(asked.iter().zip(answers))
}

/// What one topic is answered.
enum Answer {
    Refused(ErrorCode),
    Committed(Vec<Result<(), OffsetCommitError>>),
}

use Answer::{Committed, Refused};

fn grant(context: &Context, topic: &OffsetCommitRequestTopic) -> Result<Grant<op::Read, res::Topic>, ErrorCode> {
    if context.version < IDS_FROM {
        return context.ask_topic(&topic.name);
    }
    let name = context.broker().name_of(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
    context.ask_topic(name.as_shared())
}

fn positions(topic: &OffsetCommitRequestTopic) -> Vec<CommitPartition> {
    let position =
        |partition: &levada_protocol::messages::offset_commit_request::OffsetCommitRequestPartition| CommitPartition {
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: (partition.committed_leader_epoch >= 0).then_some(partition.committed_leader_epoch),
            metadata: partition.committed_metadata.clone().unwrap_or_default(),
        };
    topic.partitions.iter().map(position).collect()
}

fn respond<'a>(topics: impl Iterator<Item = (&'a OffsetCommitRequestTopic, Answer)>) -> OffsetCommitResponse {
    let topics = topics.map(|(topic, answer)| {
        let code = |index: usize| match &answer {
            Refused(error) => *error,
            Committed(outcomes) => match outcomes.get(index) {
                Some(outcome) => outcome.as_ref().err().map(errors::offset_commit).unwrap_or_default(),
                None => ErrorCode::UnknownServerError,
            },
        };
        let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: code(index).code(),
        });
        OffsetCommitResponseTopic {
            partitions: partitions.collect(),
            name: topic.name.clone(),
            topic_id: topic.topic_id,
        }
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}
