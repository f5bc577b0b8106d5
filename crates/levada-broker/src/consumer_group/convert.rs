//! From the classic protocol to this one and back, while members stay.
//!
//! Source: KIP-848, *Online Migration*.

use crate::{
    consumer_group::{
        AssignmentEpoch, ClassicMetadata, ConsumerGroup, Current, GroupEpoch, MemberMetadata, MemberState, Owned,
        Record, View, embedded,
    },
    group::{Group, GroupState, migration::MigratingMember},
};
use levada_model::{PartitionIndex, Str, TopicId};
use std::{collections::BTreeSet, sync::Arc};

/// A classic group that became one of this protocol, and the records that tell so.
#[derive(Debug)]
pub struct Upgrade {
    /// The group.
    pub group: ConsumerGroup,
    /// What is to be kept.
    pub records: Vec<Record>,
}

impl ConsumerGroup {
    /// The group that `classic` becomes; its members keep what they have.
    ///
    /// # Errors
    /// Why it cannot, in Kafka's words.
    pub fn upgrade(classic: &Group, view: View<'_>) -> Result<Upgrade, String> {
        let refuse =
            |reason: &str| format!("Cannot upgrade classic group {} to consumer group because {reason}.", classic.id());
        if !view.limits.migration.upgrade {
            return Err(refuse("online upgrade is disabled"));
        }
        if classic.protocol_type().is_none_or(|kind| *kind != embedded::CONSUMER) {
            return Err(refuse("the group does not use the consumer embedded protocol"));
        }
        let members = classic.migrating();
        if members.len() > view.limits.members_max {
            return Err(refuse("the group size exceeds the consumer group maximum size"));
        }
        let mut group = Self::new(classic.id().clone());
        let mut records = vec![Record::Classic(None)];
        let epoch = classic.generation();
        let mut taken = BTreeSet::new();
        for member in members {
            let id = member.id.clone();
            let (says, has) = adopt(member, view, &mut taken, epoch).map_err(|reason| refuse(&reason))?;
            let current = Current {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                assigned: has,
                revoking: Owned::default(),
            };
            group.change(&mut records, Record::Member(id.clone(), Some(Arc::new(says))));
            group.change(&mut records, Record::Target(id.clone(), Some(Arc::new(current.assigned.assignment()))));
            group.change(&mut records, Record::Current(id.clone(), Some(Arc::new(current))));
            group.heard_of(view, &id);
        }
        let metadata_hash = group.metadata_hash(view.topics);
        // What was assigned in a rebalance that has not ended says nothing: the group is to be assigned anew.
        let rises = i32::from(classic.state() != GroupState::Stable);
        let next = GroupEpoch { epoch: epoch.saturating_add(rises), metadata_hash };
        group.change(&mut records, Record::Group(Some(next)));
        // It was not assigned here: whoever comes next is assigned at once.
        let assignment = AssignmentEpoch { epoch, at_ms: 0 };
        group.change(&mut records, Record::AssignmentEpoch(Some(assignment)));
        Ok(Upgrade { group, records })
    }

    /// Whether only members of the classic protocol are left, so that the group is to become classic.
    #[must_use]
    pub fn is_to_downgrade(&self, view: View<'_>) -> bool {
        let members = &self.image.members;
        view.limits.migration.downgrade
            && !members.is_empty()
            && members.len() <= view.limits.classic_members_max
            && members.values().all(|member| member.classic.is_some())
    }

    /// The classic group that this becomes, and what is to be kept.
    #[must_use]
    pub fn downgrade(&self, view: View<'_>) -> (Group, Vec<Record>) {
        let members = self.image.members.iter().map(|(id, member)| {
            let classic = member.classic.clone().unwrap_or_default();
            let version =
                classic.protocols.first().and_then(|(_, says)| embedded::read_subscription(says.clone()).ok());
            let version = version.map_or(0, |subscription| subscription.version);
            MigratingMember {
                id: id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout: classic.session_timeout,
                rebalance_timeout: member.rebalance_timeout.unwrap_or(classic.session_timeout),
                protocols: classic.protocols,
                subscription: bytes::Bytes::new(),
                assignment: self.embedded_assignment(view, id, version),
            }
        });
        let kind = Str::from_static(embedded::CONSUMER);
        let group = Group::migrated(self.id.clone(), kind, self.image.epoch(), members.collect(), view.now);
        let mut records = self.image.tombstones();
        records.push(Record::Classic(Some(Box::new(group.snapshot()))));
        (group, records)
    }
}

/// What a member of a classic group says and has.
fn adopt(
    member: MigratingMember,
    view: View<'_>,
    taken: &mut BTreeSet<(TopicId, PartitionIndex)>,
    epoch: i32,
) -> Result<(MemberMetadata, Owned), String> {
    let malformed = |_| "the embedded consumer protocol is malformed".to_owned();
    let subscription = embedded::read_subscription(member.subscription).map_err(malformed)?;
    let assigned = embedded::read_assignment(member.assignment).map_err(malformed)?;
    if assigned.has_user_data {
        return Err("an unsupported custom assignor is in use. Please refer to the documentation or switch to a \
            default assignor before re-attempting the upgrade"
            .to_owned());
    }
    let mut has = Owned::default();
    for (name, partitions) in assigned.partitions {
        let Some(shape) = view.topics.find(&name) else { continue };
        for partition in partitions {
            // A client that assigned the same twice does not make two owners here.
            if taken.insert((shape.id, partition)) {
                has.insert(shape.id, partition, epoch);
            }
        }
    }
    let says = MemberMetadata {
        instance_id: member.instance_id,
        rack_id: subscription.rack_id,
        client_id: member.client_id,
        client_host: member.client_host,
        topics: subscription.topics.into_iter().collect(),
        pattern: None,
        rebalance_timeout: Some(member.rebalance_timeout),
        assignor: None,
        classic: Some(ClassicMetadata { session_timeout: member.session_timeout, protocols: member.protocols }),
    };
    Ok((says, has))
}
