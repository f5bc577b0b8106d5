//! SyncGroup: the leader brings the assignments, everybody takes theirs away.

use crate::group::{Effect, Group, GroupLimits, GroupState, Now, RequestId, Sync, SyncError, Synced};
use bytes::Bytes;
use levada_model::Str;
use std::collections::BTreeMap;

impl Group {
    /// Gives a member its assignment, now or when the leader has brought it.
    pub fn sync(&mut self, now: Now, limits: &GroupLimits, request: RequestId, sync: &Sync) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_sync(now, limits, request, sync, &mut effects) {
            effects.push(Effect::Synced { request, outcome: Err(error) });
        }
        effects
    }

    fn try_sync(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        sync: &Sync,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SyncError> {
        self.check_sync(sync)?;
        let is_leader = self.is_leader(&sync.member_id);
        match self.state {
            GroupState::Empty => return Err(SyncError::UnknownMember(sync.member_id.detached())),
            GroupState::PreparingRebalance => return Err(SyncError::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => {}
        }
        if is_leader && self.state == GroupState::CompletingRebalance {
            let size = sync.assignments.iter().map(|(member, assignment)| member.len() + assignment.len()).sum();
            if size > limits.assignments_size_max {
                return Err(SyncError::AssignmentsTooLarge { size, limit: limits.assignments_size_max });
            }
        }
        let Some(member) = self.members.get_mut(&sync.member_id) else {
            return Err(SyncError::UnknownMember(sync.member_id.detached()));
        };
        member.synced = true;
        member.heard_of(now.monotonic);
        if let Some(earlier) = member.syncing.replace(request) {
            effects.push(Effect::Synced { request: earlier, outcome: Err(SyncError::RebalanceInProgress) });
        }
        if is_leader && self.state == GroupState::CompletingRebalance {
            self.assign(&sync.assignments);
            self.enter(now, GroupState::Stable);
            effects.push(Effect::Save(Box::new(self.snapshot())));
        }
        if self.state == GroupState::Stable {
            self.hand_out(now, effects);
        }
        if self.members.values().all(|member| member.synced) {
            self.sync_deadline = None;
        }
        Ok(())
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), SyncError> {
        self.check_member(&sync.member_id, sync.instance_id.as_ref())
            .map_err(|error| SyncError::membership(error, &sync.member_id, sync.instance_id.as_ref()))?;
        if sync.generation != self.generation {
            return Err(SyncError::IllegalGeneration { sent: sync.generation, current: self.generation });
        }
        let differs = |said: &Option<Str>, is: &Option<Str>| said.is_some() && said != is;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(SyncError::InconsistentProtocol);
        }
        Ok(())
    }

    /// Members whom the leader does not mention have nothing.
    fn assign(&mut self, assignments: &[(Str, Bytes)]) {
        let by_member: BTreeMap<&Str, &Bytes> = assignments.iter().map(|(member, bytes)| (member, bytes)).collect();
        for member in self.members.values_mut() {
            member.assignment =
                by_member.get(&member.id).map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
        }
    }

    fn hand_out(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            if let Some(request) = member.syncing.take() {
                member.heard_of(now.monotonic);
                let synced = Synced {
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                effects.push(Effect::Synced { request, outcome: Ok(synced) });
            }
        }
    }

    /// What was to be kept could not be: the generation's assignments are taken back and members join again.
    ///
    /// Whoever waited for that save is answered by the owner. Ignored if the group has moved on.
    pub fn save_failed(&mut self, now: Now, limits: &GroupLimits, generation: i32) -> Vec<Effect> {
        let mut effects = Vec::new();
        if generation == self.generation && self.state == GroupState::Stable {
            self.abandon_syncs(now, &SyncError::RebalanceInProgress, &mut effects);
            self.prepare_rebalance(now, limits, &mut effects);
        }
        effects
    }
}
