//! Members of the classic protocol in a group of the new one: they join, sync and heartbeat as ever, and the broker
//! assigns.
//!
//! Their generation is their epoch. A heartbeat tells them to join again whenever there is something new for them;
//! a join says what they have and brings them as far as they can come; the sync hands it to them.
//!
//! Source: KIP-848, *Online Migration*.

use crate::{
    consumer_group::{
        ClassicMetadata, ConsumerGroup, MemberMetadata, MemberState, Record, View, effects,
        embedded::{self, CONSUMER, Subscription},
    },
    group::{
        Effect, GroupLimits, Heartbeat, HeartbeatError, Join, JoinError, Joined, Leave, LeaveError, MembershipError,
        RequestId, Sync, SyncError, Synced, check_join_bounds, messages::RoundTrip,
    },
};
use bytes::Bytes;
use levada_model::{PartitionIndex, Str, TopicId};
use std::collections::BTreeSet;

impl ConsumerGroup {
    /// Lets a member of the classic protocol in.
    pub fn join(&mut self, view: View<'_>, limits: &GroupLimits, request: RequestId, join: &Join) -> Vec<Effect> {
        let mut records = Vec::new();
        let outcome = self.try_join(view, limits, join, &mut records);
        effects(records, Some(Effect::Joined { request, outcome }))
    }

    fn try_join(
        &mut self,
        view: View<'_>,
        limits: &GroupLimits,
        join: &Join,
        records: &mut Vec<Record>,
    ) -> Result<Joined, JoinError> {
        check_join_bounds(limits, join)?;
        let limit = view.limits.members_max;
        if self.image.members.len() >= limit && !self.image.members.contains_key(&join.member_id) {
            return Err(JoinError::GroupFull { limit });
        }
        let is_unknown = join.member_id.is_empty();
        let member_id = if is_unknown { join.fresh_member_id.detached() } else { join.member_id.detached() };
        if is_unknown && join.member_id_round_trip == RoundTrip::Required {
            return Err(JoinError::MemberIdRequired { member_id });
        }
        let (subscription, protocol) = self.understand(join)?;
        if !is_unknown && !subscription.owned.is_empty() && !self.image.members.contains_key(&member_id) {
            // It was put out and does not know it: others may have by now what it takes itself to have.
            return Err(JoinError::UnknownMember(member_id));
        }
        self.admit_classic(&member_id, is_unknown, join, records)?;

        let member = self.image.members.get(&member_id).cloned().unwrap_or_default();
        let says = says(&member, &subscription, join);
        let change = self.subscribe(view, &member_id, &member, says, records);
        self.refresh_epoch(view, change.bumps, records);
        self.refresh_targets(view, records);
        let owned = owned(view, subscription.owned);
        self.reconcile(view, &member_id, change.changed, Some(&owned), records);
        self.heard_of(view, &member_id);
        if let Some(deadlines) = self.deadlines.get_mut(&member_id) {
            deadlines.join = None;
            deadlines.rebalance = None;
            deadlines.sync = Some(view.now.monotonic + join.rebalance_timeout);
        }
        Ok(Joined {
            generation: self.image.currents.get(&member_id).map_or(0, |current| current.epoch),
            protocol_type: Some(Str::from_static(CONSUMER)),
            protocol: Some(protocol),
            leader: Str::new(),
            skip_assignment: false,
            member_id,
            members: Vec::new(),
        })
    }

    /// What the member subscribes to, and its protocol; both must be such that all of these members understand.
    fn understand(&self, join: &Join) -> Result<(Subscription, Str), JoinError> {
        let shared = |name: &Str| {
            let others = self.image.members.iter().filter(|(id, _)| **id != join.member_id);
            let mut classic = others.filter_map(|(_, member)| member.classic.as_ref());
            classic.all(|classic| classic.protocols.iter().any(|(other, _)| other == name))
        };
        if join.protocol_type != CONSUMER || !join.protocols.iter().any(|(name, _)| shared(name)) {
            return Err(JoinError::InconsistentProtocol);
        }
        let (name, metadata) = join.protocols.first().ok_or(JoinError::InconsistentProtocol)?;
        let subscription = embedded::read_subscription(metadata.clone());
        Ok((subscription.map_err(|_| JoinError::InconsistentProtocol)?, name.detached()))
    }

    fn admit_classic(
        &mut self,
        member_id: &Str,
        is_unknown: bool,
        join: &Join,
        records: &mut Vec<Record>,
    ) -> Result<(), JoinError> {
        let Some(instance_id) = &join.instance_id else { return Ok(()) };
        match self.static_members.get(instance_id).cloned() {
            Some(owner) if is_unknown => {
                self.replace(&owner, member_id, records);
                Ok(())
            }
            None if is_unknown => Ok(()),
            None => Err(JoinError::UnknownMember(member_id.clone())),
            Some(owner) if owner != *member_id => Err(JoinError::FencedInstance(instance_id.detached())),
            Some(_) => Ok(()),
        }
    }

    /// Whether `member_id`, under `instance_id` if it has one, is a member of the classic protocol.
    fn check_classic(&self, member_id: &Str, instance_id: Option<&Str>) -> Result<(), MembershipError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(MembershipError::Unknown),
                Some(owner) if owner != member_id => return Err(MembershipError::Fenced),
                Some(_) => {}
            }
        }
        if self.speaks_classic(member_id) { Ok(()) } else { Err(MembershipError::Unknown) }
    }

    /// Prolongs a session.
    ///
    /// # Errors
    /// [`HeartbeatError::RebalanceInProgress`], which prolongs it as well, if there is something new for the member.
    pub fn heartbeat(&mut self, view: View<'_>, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        let Heartbeat { member_id, instance_id, generation: sent } = heartbeat;
        self.check_classic(member_id, instance_id.as_ref())
            .map_err(|error| HeartbeatError::membership(error, member_id, instance_id.as_ref()))?;
        let (current, state) = self.epoch_and_state(member_id);
        if *sent != current {
            return Err(HeartbeatError::IllegalGeneration { sent: *sent, current });
        }
        self.heard_of(view, member_id);
        let is_behind = current < self.image.epoch() || state == MemberState::UnrevokedPartitions;
        if is_behind || self.can_go_on(member_id) {
            self.expect_join(view, member_id);
            return Err(HeartbeatError::RebalanceInProgress);
        }
        Ok(())
    }

    fn epoch_and_state(&self, member_id: &str) -> (i32, MemberState) {
        self.image.currents.get(member_id).map_or((0, MemberState::Stable), |current| (current.epoch, current.state))
    }

    /// The member has its rebalance timeout to join again.
    fn expect_join(&mut self, view: View<'_>, member_id: &Str) {
        let timeout = self.image.members.get(member_id).and_then(|member| member.rebalance_timeout);
        let deadline = view.now.monotonic + timeout.unwrap_or(view.pace.session_timeout);
        if let Some(deadlines) = self.deadlines.get_mut(member_id) {
            deadlines.join.get_or_insert(deadline);
        }
    }

    /// Gives a member what it has from now on.
    pub fn sync(&mut self, view: View<'_>, request: RequestId, sync: &Sync) -> Vec<Effect> {
        let outcome = self.try_sync(view, sync);
        effects(Vec::new(), Some(Effect::Synced { request, outcome }))
    }

    fn try_sync(&mut self, view: View<'_>, sync: &Sync) -> Result<Synced, SyncError> {
        let Sync { member_id, instance_id, generation: sent, .. } = sync;
        self.check_classic(member_id, instance_id.as_ref())
            .map_err(|error| SyncError::membership(error, member_id, instance_id.as_ref()))?;
        let (current, state) = self.epoch_and_state(member_id);
        if *sent != current {
            return Err(SyncError::IllegalGeneration { sent: *sent, current });
        }
        let member = self.image.members.get(member_id).cloned().unwrap_or_default();
        let classic = member.classic.as_ref().ok_or_else(|| SyncError::UnknownMember(member_id.detached()))?;
        let first = classic.protocols.first();
        let differs = |said: &Option<Str>, is: &str| said.as_ref().is_some_and(|said| said != is);
        let protocol = first.map(|(name, _)| name.clone()).unwrap_or_default();
        if differs(&sync.protocol_type, CONSUMER) || differs(&sync.protocol, &protocol) {
            return Err(SyncError::InconsistentProtocol);
        }
        if current < self.image.epoch() && state != MemberState::UnrevokedPartitions {
            self.expect_join(view, member_id);
            return Err(SyncError::RebalanceInProgress);
        }
        self.heard_of(view, member_id);
        if let Some(deadlines) = self.deadlines.get_mut(member_id) {
            deadlines.sync = None;
        }
        let version = first.and_then(|(_, metadata)| embedded::read_subscription(metadata.clone()).ok());
        let version = version.map_or(0, |subscription| subscription.version);
        Ok(Synced {
            protocol_type: Some(Str::from_static(CONSUMER)),
            protocol: Some(protocol),
            assignment: self.embedded_assignment(view, member_id, version),
        })
    }

    /// What a member has, as members of the classic protocol are told.
    pub(super) fn embedded_assignment(&self, view: View<'_>, member_id: &str, version: i16) -> Bytes {
        let assignment = self.image.currents.get(member_id).map(|current| current.assigned.assignment());
        let named = |(id, partitions): (TopicId, &BTreeSet<PartitionIndex>)| {
            Some((view.topics.name_of(id)?, partitions.iter().copied().collect()))
        };
        let partitions: Vec<_> = assignment.iter().flat_map(|one| one.topics()).filter_map(named).collect();
        embedded::assignment(version, &partitions)
    }

    /// Lets members go by LeaveGroup: those of the classic protocol by their id, static ones of either by their name
    /// alone; outcomes come in the order of `leaves`.
    pub fn leave_classic(&mut self, view: View<'_>, leaves: &[Leave]) -> (Vec<Result<(), LeaveError>>, Vec<Effect>) {
        let mut gone: Vec<Str> = Vec::new();
        let outcomes = leaves.iter().map(|leave| {
            let member_id = self.who_leaves(leave)?;
            if !gone.contains(&member_id) {
                gone.push(member_id);
            }
            Ok(())
        });
        let outcomes = outcomes.collect();
        let mut records = Vec::new();
        self.put_out(view, &gone, &mut records);
        (outcomes, effects(records, None))
    }

    fn who_leaves(&self, leave: &Leave) -> Result<Str, LeaveError> {
        let Leave { member_id, instance_id } = leave;
        if member_id.is_empty() {
            let named = instance_id.as_ref().and_then(|name| self.static_members.get(name));
            return named.cloned().ok_or_else(|| LeaveError::UnknownMember(member_id.detached()));
        }
        self.check_classic(member_id, instance_id.as_ref())
            .map_err(|error| LeaveError::membership(error, member_id, instance_id.as_ref()))?;
        Ok(member_id.detached())
    }
}

fn says(member: &MemberMetadata, subscription: &Subscription, join: &Join) -> MemberMetadata {
    let detach = |(name, metadata): &(Str, Bytes)| (name.detached(), Bytes::copy_from_slice(metadata));
    MemberMetadata {
        instance_id: join.instance_id.as_ref().map(Str::detached).or_else(|| member.instance_id.clone()),
        rack_id: subscription.rack_id.clone().or_else(|| member.rack_id.clone()),
        client_id: join.client_id.detached(),
        client_host: join.client_host.detached(),
        topics: subscription.topics.iter().cloned().collect(),
        pattern: None,
        rebalance_timeout: Some(join.rebalance_timeout),
        assignor: member.assignor.clone(),
        classic: Some(ClassicMetadata {
            session_timeout: join.session_timeout,
            protocols: join.protocols.iter().map(detach).collect(),
        }),
    }
}

fn owned(view: View<'_>, owned: Vec<(Str, Vec<PartitionIndex>)>) -> Vec<(TopicId, Vec<PartitionIndex>)> {
    let by_id = |(name, partitions): (Str, Vec<PartitionIndex>)| Some((view.topics.find(&name)?.id, partitions));
    owned.into_iter().filter_map(by_id).collect()
}
