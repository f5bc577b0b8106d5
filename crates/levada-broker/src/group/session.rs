//! Sessions: signs of life, leaving, and what time brings about.

use crate::group::{
    Effect, Group, GroupLimits, GroupState, Heartbeat, HeartbeatError, Leave, LeaveError, Now, member::Member,
};
use levada_model::Str;
use std::time::Duration;

impl Group {
    /// Prolongs a member's session.
    ///
    /// # Errors
    /// [`HeartbeatError::RebalanceInProgress`] prolongs it, too.
    pub fn heartbeat(&mut self, now: Now, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        self.check_member(&heartbeat.member_id, heartbeat.instance_id.as_ref())
            .map_err(|error| HeartbeatError::membership(error, &heartbeat.member_id, heartbeat.instance_id.as_ref()))?;
        if heartbeat.generation != self.generation {
            return Err(HeartbeatError::IllegalGeneration { sent: heartbeat.generation, current: self.generation });
        }
        self.heard_of(now, &heartbeat.member_id);
        match self.state {
            GroupState::Empty => Err(HeartbeatError::UnknownMember(heartbeat.member_id.detached())),
            GroupState::PreparingRebalance => Err(HeartbeatError::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    /// Prolongs the session of `member_id`, if it is a member.
    pub(super) fn heard_of(&mut self, now: Now, member_id: &Str) {
        if let Some(member) = self.members.get_mut(member_id) {
            // A member in its first join has not been told its id; its longer deadline stands.
            if !member.is_new {
                member.heard_of(now.monotonic);
            }
        }
    }

    /// Lets members go; outcomes come in the order of `leaves`.
    pub fn leave(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        leaves: &[Leave],
    ) -> (Vec<Result<(), LeaveError>>, Vec<Effect>) {
        let mut effects = Vec::new();
        let mut anyone = false;
        let mut outcomes = Vec::with_capacity(leaves.len());
        for leave in leaves {
            let outcome = self.who_leaves(leave).map(|member_id| {
                anyone |= self.pending.remove(&member_id).is_none();
                self.take_out(&member_id, &mut effects);
            });
            outcomes.push(outcome);
        }
        if anyone && self.state != GroupState::Empty {
            self.rebalance_or_complete(now, limits, &mut effects);
        } else {
            // A rebalance may have waited only for an id that will not be used now.
            self.maybe_complete_join(now, &mut effects);
        }
        (outcomes, effects)
    }

    fn who_leaves(&self, leave: &Leave) -> Result<Str, LeaveError> {
        if leave.member_id.is_empty() {
            let named = leave.instance_id.as_ref().and_then(|name| self.static_members.get(name));
            return named.cloned().ok_or_else(|| LeaveError::UnknownMember(leave.member_id.detached()));
        }
        if self.pending.contains_key(&leave.member_id) {
            return Ok(leave.member_id.detached());
        }
        self.check_member(&leave.member_id, leave.instance_id.as_ref())
            .map_err(|error| LeaveError::membership(error, &leave.member_id, leave.instance_id.as_ref()))?;
        Ok(leave.member_id.detached())
    }

    /// Does what is due by `now`: ends sessions and phases, forgets ids that nobody came for.
    pub fn tick(&mut self, now: Now, limits: &GroupLimits) -> Vec<Effect> {
        let mut effects = Vec::new();
        let pending_before = self.pending.len();
        self.pending.retain(|_, deadline| *deadline > now.monotonic);
        if self.pending.len() < pending_before {
            self.maybe_complete_join(now, &mut effects);
        }
        let expired: Vec<Str> = self.members.values().filter(|m| m.has_expired(now.monotonic)).map(id_of).collect();
        if !expired.is_empty() {
            for member_id in &expired {
                self.take_out(member_id, &mut effects);
            }
            self.rebalance_or_complete(now, limits, &mut effects);
        }
        if self.join_phase.is_some_and(|phase| phase.deadline <= now.monotonic) {
            self.end_join_phase(now, limits, &mut effects);
        }
        if self.sync_deadline.is_some_and(|deadline| deadline <= now.monotonic) {
            self.end_sync_phase(now, limits, &mut effects);
        }
        effects
    }

    /// Members that did not ask for their assignment in time are out.
    fn end_sync_phase(&mut self, now: Now, limits: &GroupLimits, effects: &mut Vec<Effect>) {
        self.sync_deadline = None;
        let silent: Vec<Str> = self.members.values().filter(|member| !member.synced).map(id_of).collect();
        if silent.is_empty() {
            return;
        }
        for member_id in &silent {
            self.take_out(member_id, effects);
        }
        self.prepare_rebalance(now, limits, effects);
    }

    /// When [`Self::tick`] will have something to do, as things stand.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let members = self.members.values().filter_map(Member::next_deadline);
        let pending = self.pending.values().copied();
        let phases = self.join_phase.map(|phase| phase.deadline).into_iter().chain(self.sync_deadline);
        members.chain(pending).chain(phases).min()
    }
}

fn id_of(member: &Member) -> Str {
    member.id.clone()
}
