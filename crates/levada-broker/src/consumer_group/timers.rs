//! What time brings about: members that were not heard of, or did not do in time what was asked of them.

use crate::{
    consumer_group::{ConsumerGroup, Current, Deadlines, MemberState, Record, View},
    group::Effect,
};
use levada_model::Str;
use std::time::Duration;

impl ConsumerGroup {
    /// A member was heard of: its session begins anew.
    pub(super) fn heard_of(&mut self, view: View<'_>, member_id: &Str) {
        let member = self.image.members.get(member_id);
        let classic = member.and_then(|member| member.classic.as_ref()).map(|classic| classic.session_timeout);
        let session = view.now.monotonic + classic.unwrap_or(view.pace.session_timeout);
        match self.deadlines.get_mut(member_id) {
            Some(deadlines) => deadlines.session = session,
            None => {
                let deadlines = Deadlines { session, rebalance: None, join: None, sync: None };
                self.deadlines.insert(member_id.clone(), deadlines);
            }
        }
    }

    /// A member that is to give partitions up has its rebalance timeout for that.
    pub(super) fn set_rebalance_deadline(&mut self, view: View<'_>, member_id: &Str, next: &Current) {
        if self.speaks_classic(member_id) {
            return;
        }
        self.heard_of(view, member_id);
        let timeout = self.image.members.get(member_id).and_then(|member| member.rebalance_timeout);
        let timeout = timeout.unwrap_or(view.pace.session_timeout);
        let is_revoking = next.state == MemberState::UnrevokedPartitions;
        if let Some(deadlines) = self.deadlines.get_mut(member_id) {
            deadlines.rebalance = is_revoking.then_some((next.epoch, view.now.monotonic + timeout));
        }
    }

    /// Members whose time is up.
    pub(super) fn overdue(&self, now: Duration) -> Vec<Str> {
        let is_overdue = |(id, deadlines): &(&Str, &Deadlines)| {
            let is_due = |deadline: Option<Duration>| deadline.is_some_and(|deadline| deadline <= now);
            let epoch = self.image.currents.get(*id).map(|current| current.epoch);
            let revokes_too_long =
                deadlines.rebalance.is_some_and(|(of, deadline)| Some(of) == epoch && deadline <= now);
            deadlines.session <= now || revokes_too_long || is_due(deadlines.join) || is_due(deadlines.sync)
        };
        self.deadlines.iter().filter(is_overdue).map(|(id, _)| id.clone()).collect()
    }

    /// Does what is due: puts out whose time is up.
    pub fn tick(&mut self, view: View<'_>) -> Vec<Effect> {
        let overdue = self.overdue(view.now.monotonic);
        let mut records: Vec<Record> = Vec::new();
        for deadlines in self.deadlines.values_mut() {
            // A deadline of an epoch that the member has left says nothing any more.
            deadlines.rebalance = deadlines.rebalance.filter(|&(_, deadline)| deadline > view.now.monotonic);
        }
        self.put_out(view, &overdue, &mut records);
        super::effects(records, None)
    }

    /// When [`Self::tick`] will have something to do, as things stand.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let of = |deadlines: &Deadlines| {
            let rebalance = deadlines.rebalance.map(|(_, deadline)| deadline);
            let others = rebalance.into_iter().chain(deadlines.join).chain(deadlines.sync);
            others.fold(deadlines.session, Duration::min)
        };
        self.deadlines.values().map(of).min()
    }
}
