//! A group on its way to or from the protocol of KIP-848.

use crate::group::{Effect, Group, GroupLimits, GroupState, JoinError, Now, SyncError, member::Member};
use bytes::Bytes;
use levada_model::Str;
use std::time::Duration;

/// A member that goes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MigratingMember {
    pub(crate) id: Str,
    pub(crate) instance_id: Option<Str>,
    pub(crate) client_id: Str,
    pub(crate) client_host: Str,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Best first.
    pub(crate) protocols: Vec<(Str, Bytes)>,
    /// What it says under the chosen protocol.
    pub(crate) subscription: Bytes,
    /// What it was assigned.
    pub(crate) assignment: Bytes,
}

impl Group {
    /// The members, to be taken over.
    pub(crate) fn migrating(&self) -> Vec<MigratingMember> {
        let member = |member: &Member| {
            let chosen = self.protocol.as_ref().or_else(|| member.protocols.first().map(|(name, _)| name));
            MigratingMember {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                session_timeout: member.session_timeout,
                rebalance_timeout: member.rebalance_timeout,
                protocols: member.protocols.clone(),
                subscription: member.metadata(chosen),
                assignment: member.assignment.clone(),
            }
        };
        self.members.values().map(member).collect()
    }

    /// A stable group of these members.
    pub(crate) fn migrated(
        id: Str,
        protocol_type: Str,
        generation: i32,
        members: Vec<MigratingMember>,
        now: Now,
    ) -> Self {
        let mut group = Self::new(id, now);
        group.generation = generation;
        group.protocol_type = Some(protocol_type);
        group.state = GroupState::Stable;
        for migrating in members {
            let member = Member::migrated(migrating, now.monotonic);
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.leader = group.members.keys().next().cloned();
        group.protocol = group.select_protocol();
        group
    }

    /// Asks every member to join again.
    pub(crate) fn ask_to_join_again(&mut self, now: Now, limits: &GroupLimits) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.state != GroupState::Empty {
            self.prepare_rebalance(now, limits, &mut effects);
        }
        effects
    }

    /// Answers whoever waits: the group is not what it was.
    pub(crate) fn abandon(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for member in self.members.values_mut() {
            if let Some(request) = member.joining.take() {
                effects.push(Effect::Joined { request, outcome: Err(JoinError::RebalanceInProgress) });
            }
            if let Some(request) = member.syncing.take() {
                effects.push(Effect::Synced { request, outcome: Err(SyncError::RebalanceInProgress) });
            }
        }
        effects
    }
}
