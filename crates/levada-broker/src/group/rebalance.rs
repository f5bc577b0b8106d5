//! Rebalances: how they start, when they end, who leads and which protocol wins.

use crate::group::{Effect, Group, GroupLimits, GroupState, JoinError, JoinPhase, Now, SyncError};
use bytes::Bytes;
use levada_model::Str;
use std::{collections::BTreeMap, time::Duration};

impl Group {
    /// Starts a rebalance, or ends the one that goes on if everybody has joined.
    pub(super) fn rebalance_or_complete(&mut self, now: Now, limits: &GroupLimits, effects: &mut Vec<Effect>) {
        match self.state {
            GroupState::PreparingRebalance => self.maybe_complete_join(now, effects),
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.prepare_rebalance(now, limits, effects);
            }
        }
    }

    /// Asks every member to join again.
    pub(super) fn prepare_rebalance(&mut self, now: Now, limits: &GroupLimits, effects: &mut Vec<Effect>) {
        if self.state == GroupState::CompletingRebalance {
            self.abandon_syncs(now, &SyncError::RebalanceInProgress, effects);
        }
        self.sync_deadline = None;
        let timeout = self.rebalance_timeout();
        let is_first = self.state == GroupState::Empty;
        self.enter(now, GroupState::PreparingRebalance);
        if is_first {
            let delay = limits.initial_rebalance_delay;
            let left = timeout.saturating_sub(delay);
            self.join_phase =
                Some(JoinPhase { deadline: now.monotonic + delay, initial_left: Some(left), newcomer: false });
            if delay.is_zero() {
                self.end_join_phase(now, limits, effects);
            }
        } else {
            self.join_phase =
                Some(JoinPhase { deadline: now.monotonic + timeout, initial_left: None, newcomer: false });
            self.maybe_complete_join(now, effects);
        }
    }

    /// Ends the join phase once everybody has joined; the first one of a group waits for its delay.
    pub(super) fn maybe_complete_join(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let waits_for_more = self.join_phase.is_some_and(|phase| phase.initial_left.is_some());
        let all_joined = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == GroupState::PreparingRebalance && all_joined && !waits_for_more {
            self.complete_join(now, effects);
        }
    }

    /// The join phase has come to its deadline.
    pub(super) fn end_join_phase(&mut self, now: Now, limits: &GroupLimits, effects: &mut Vec<Effect>) {
        if let Some(phase) = &mut self.join_phase
            && let Some(left) = phase.initial_left
            && phase.newcomer
            && !left.is_zero()
        {
            let delay = limits.initial_rebalance_delay.min(left);
            *phase = JoinPhase {
                deadline: now.monotonic + delay,
                initial_left: Some(left.saturating_sub(limits.initial_rebalance_delay)),
                newcomer: false,
            };
            return;
        }
        self.complete_join(now, effects);
    }

    /// Closes the join phase: those who did not come are out (static members stay), the rest is the next generation.
    fn complete_join(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let absent = self.members.values().filter(|member| member.joining.is_none() && member.instance_id.is_none());
        let absent: Vec<Str> = absent.map(|member| member.id.clone()).collect();
        for member_id in &absent {
            self.take_out(member_id, effects);
        }
        if !self.members.is_empty() && !self.elect_joined_leader() {
            // Only static members are left, and none has come: they have another round to do so.
            let deadline = now.monotonic + self.rebalance_timeout().max(Duration::from_millis(1));
            self.join_phase = Some(JoinPhase { deadline, initial_left: None, newcomer: false });
            return;
        }
        self.join_phase = None;
        self.generation = next_generation(self.generation);
        if self.members.is_empty() {
            self.become_empty(now, effects);
            return;
        }
        self.protocol = self.select_protocol();
        self.enter(now, GroupState::CompletingRebalance);
        self.sync_deadline = Some(now.monotonic + self.rebalance_timeout());
        let member_ids: Vec<Str> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let joined = self.joined(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            member.synced = false;
            member.is_new = false;
            member.heard_of(now.monotonic);
            if let Some(request) = member.joining.take() {
                effects.push(Effect::Joined { request, outcome: Ok(joined) });
            }
        }
    }

    fn become_empty(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.protocol = None;
        self.leader = None;
        self.enter(now, GroupState::Empty);
        effects.push(Effect::Save(Box::new(self.snapshot())));
    }

    /// Makes sure that the leader is one who has joined; `false` if nobody has.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Str| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.values().find(|member| member.joining.is_some());
        let Some(elected) = joined.map(|member| member.id.clone()) else { return false };
        self.leader = Some(elected);
        true
    }

    /// The protocol that every member has and most like best; among equals, the one the leader likes better.
    pub(super) fn select_protocol(&self) -> Option<Str> {
        let shared = |name: &Str| self.members.values().all(|member| member.supports(name));
        let mut votes: BTreeMap<&Str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| shared(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        let rank = |name: &Str| {
            leader.and_then(|leader| leader.protocols.iter().position(|(other, _)| other == name)).unwrap_or(usize::MAX)
        };
        let best = votes.into_iter().max_by_key(|&(name, count)| (count, std::cmp::Reverse(rank(name))));
        best.map(|(name, _)| name.clone())
    }

    /// Takes back the generation's assignments and answers whoever waits for theirs.
    pub(super) fn abandon_syncs(&mut self, now: Now, error: &SyncError, effects: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            member.synced = false;
            if let Some(request) = member.syncing.take() {
                member.heard_of(now.monotonic);
                effects.push(Effect::Synced { request, outcome: Err(error.clone()) });
            }
        }
    }

    /// Puts a member out and rebalances what is left.
    pub(super) fn remove(&mut self, now: Now, limits: &GroupLimits, member_id: &Str, effects: &mut Vec<Effect>) {
        self.take_out(member_id, effects);
        match self.state {
            GroupState::Empty => {}
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                self.rebalance_or_complete(now, limits, effects);
            }
        }
    }

    /// Puts a member out, answering whatever it waits in.
    pub(super) fn take_out(&mut self, member_id: &Str, effects: &mut Vec<Effect>) {
        let Some(mut member) = self.members.remove(member_id) else { return };
        if let Some(request) = member.joining.take() {
            let outcome = Err(JoinError::UnknownMember(member_id.clone()));
            effects.push(Effect::Joined { request, outcome });
        }
        if let Some(request) = member.syncing.take() {
            let outcome = Err(SyncError::UnknownMember(member_id.clone()));
            effects.push(Effect::Synced { request, outcome });
        }
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id) == Some(member_id)
        {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }
}

/// Generations count up; after the largest comes 1 (0 is a group that never had one).
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
