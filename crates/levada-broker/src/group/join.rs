//! Joining: new members in one step or two, members that come again, static members that return.

use crate::group::{
    Effect, Group, GroupLimits, GroupState, Join, JoinError, Joined, Now, PENDING_PER_MEMBER, RequestId,
    member::Member,
    messages::{RoundTrip, SkipsAssignment},
};
use levada_model::Str;

/// The longest name that a member may bring: its own, its protocols'.
const NAME_SIZE_MAX: usize = 4096;

impl Group {
    /// Lets a member in, at the end of the rebalance that this may start.
    pub fn join(&mut self, now: Now, limits: &GroupLimits, request: RequestId, join: &Join) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_join(now, limits, request, join, &mut effects) {
            effects.push(Effect::Joined { request, outcome: Err(error) });
        }
        effects
    }

    fn try_join(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        join: &Join,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JoinError> {
        check_join_bounds(limits, join)?;
        self.check_room(now, limits, join, effects)?;
        if !self.supports(join) {
            return Err(JoinError::InconsistentProtocol);
        }
        if join.member_id.is_empty() {
            self.join_new(now, limits, request, join, effects)
        } else {
            self.join_again(now, limits, request, join, effects)
        }
    }

    /// Whether the group takes this member; a member for whom there is no room any more is put out.
    fn check_room(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        join: &Join,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JoinError> {
        let member = self.members.get(&join.member_id);
        let returns = join.instance_id.as_ref().is_some_and(|name| self.static_members.contains_key(name));
        let fits = match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                let waiting = self.members.values().filter(|member| member.joining.is_some()).count();
                member.is_some_and(|member| member.joining.is_some()) || waiting < limits.members_max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || returns || self.members.len() < limits.members_max
            }
        };
        if fits {
            return Ok(());
        }
        self.pending.remove(&join.member_id);
        if member.is_some() {
            self.remove(now, limits, &join.member_id.clone(), effects);
        }
        Err(JoinError::GroupFull { limit: limits.members_max })
    }

    /// Whether the join speaks the group's kind and one protocol that every member has.
    fn supports(&self, join: &Join) -> bool {
        if self.members.is_empty() {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        let shared = |name: &Str| self.members.values().all(|member| member.supports(name));
        self.protocol_type.as_ref() == Some(&join.protocol_type) && join.protocols.iter().any(|(name, _)| shared(name))
    }

    fn join_new(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        join: &Join,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JoinError> {
        let member_id = join.fresh_member_id.detached();
        if let Some(instance_id) = &join.instance_id {
            if let Some(current) = self.static_members.get(instance_id).cloned() {
                self.replace_static(now, limits, request, join, &current, &member_id, effects);
            } else {
                self.add(now, limits, request, join, member_id, effects);
            }
            return Ok(());
        }
        if join.member_id_round_trip == RoundTrip::Required {
            let limit = limits.members_max.saturating_mul(PENDING_PER_MEMBER);
            if self.pending.len() >= limit {
                return Err(JoinError::GroupFull { limit: limits.members_max });
            }
            self.pending.insert(member_id.clone(), now.monotonic + join.session_timeout);
            return Err(JoinError::MemberIdRequired { member_id });
        }
        self.add(now, limits, request, join, member_id, effects);
        Ok(())
    }

    fn join_again(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        join: &Join,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JoinError> {
        let member_id = join.member_id.detached();
        if join.instance_id.is_none() && self.pending.remove(&member_id).is_some() {
            self.add(now, limits, request, join, member_id, effects);
            return Ok(());
        }
        self.check_member(&member_id, join.instance_id.as_ref())
            .map_err(|error| JoinError::membership(error, &member_id, join.instance_id.as_ref()))?;
        let unchanged = self.members.get(&member_id).is_some_and(|member| member.matches(join));
        let answer_is_known = match self.state {
            GroupState::Empty => return Err(JoinError::UnknownMember(member_id)),
            GroupState::PreparingRebalance => false,
            // The member probably missed the answer to its last join.
            GroupState::CompletingRebalance => unchanged,
            // A leader joins again to have the group assigned anew.
            GroupState::Stable => unchanged && !self.is_leader(&member_id),
        };
        if answer_is_known {
            let outcome = Ok(self.joined(&member_id));
            if let Some(member) = self.members.get_mut(&member_id) {
                member.heard_of(now.monotonic);
            }
            effects.push(Effect::Joined { request, outcome });
            return Ok(());
        }
        self.update(request, join, &member_id, effects);
        self.rebalance_or_complete(now, limits, effects);
        Ok(())
    }

    fn add(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        join: &Join,
        member_id: Str,
        effects: &mut Vec<Effect>,
    ) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.detached());
        }
        let mut member = Member::new(member_id.clone(), join);
        member.joining = Some(request);
        member.deadline = Some(now.monotonic + limits.new_member_timeout);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member_id.clone());
        }
        self.members.insert(member_id, member);
        if let Some(phase) = &mut self.join_phase {
            phase.newcomer = true;
        }
        self.rebalance_or_complete(now, limits, effects);
    }

    /// Takes over what a join says and lets the member wait in it.
    fn update(&mut self, request: RequestId, join: &Join, member_id: &Str, effects: &mut Vec<Effect>) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.update(join);
            if let Some(request) = member.joining.replace(request) {
                effects.push(Effect::Joined { request, outcome: Err(JoinError::Superseded) });
            }
        }
    }

    /// Gives the place of `old_id` to `new_id`, which has the same instance id; the old one is fenced.
    #[expect(clippy::too_many_arguments, reason = "a join and the two ids it connects")]
    fn replace_static(
        &mut self,
        now: Now,
        limits: &GroupLimits,
        request: RequestId,
        join: &Join,
        old_id: &Str,
        new_id: &Str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut member) = self.members.remove(old_id) else {
            return self.add(now, limits, request, join, new_id.clone(), effects);
        };
        fence(&mut member, old_id, effects);
        member.id = new_id.clone();
        member.is_new = false;
        member.update(join);
        member.heard_of(now.monotonic);
        let was_leader = self.is_leader(old_id);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        self.members.insert(new_id.clone(), member);
        let keeps_protocol = self.state == GroupState::Stable && self.select_protocol() == self.protocol;
        if keeps_protocol {
            effects.push(Effect::Save(Box::new(self.snapshot())));
            let joined = self.joined_as_replacement(old_id, new_id, join.skips_assignment, was_leader);
            effects.push(Effect::Joined { request, outcome: Ok(joined) });
            return;
        }
        if let Some(member) = self.members.get_mut(new_id) {
            member.joining = Some(request);
            member.synced = false;
        }
        self.rebalance_or_complete(now, limits, effects);
    }

    /// What a static member that came back is told while the assignment stands.
    ///
    /// A client that cannot be told to skip the assignment is shown its old id as the leader's, so that it
    /// does not take itself for it.
    fn joined_as_replacement(&self, old_id: &Str, new_id: &Str, skips: SkipsAssignment, was_leader: bool) -> Joined {
        let mut joined = self.joined(new_id);
        match skips {
            SkipsAssignment::Understood => joined.skip_assignment = was_leader,
            SkipsAssignment::Not => {
                joined.members = Vec::new();
                if was_leader {
                    joined.leader = old_id.clone();
                }
            }
        }
        joined
    }

    /// What `member_id` is told about the present generation.
    pub(super) fn joined(&self, member_id: &Str) -> Joined {
        let members = if self.is_leader(member_id) {
            self.members.values().map(|member| member.joined(self.protocol.as_ref())).collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: member_id.clone(),
            members,
        }
    }
}

/// Checks what can be checked without the group.
pub(crate) fn check_join_bounds(limits: &GroupLimits, join: &Join) -> Result<(), JoinError> {
    let (min, max) = (limits.session_timeout_min, limits.session_timeout_max);
    if join.session_timeout < min || join.session_timeout > max {
        return Err(JoinError::InvalidSessionTimeout { sent: join.session_timeout, min, max });
    }
    let size = join.protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum();
    if size > limits.metadata_size_max {
        return Err(JoinError::MetadataTooLarge { size, limit: limits.metadata_size_max });
    }
    let names = [&join.member_id, &join.client_id, &join.client_host, &join.protocol_type];
    let protocols = join.protocols.iter().map(|(name, _)| name);
    let longest = names.into_iter().chain(&join.instance_id).chain(protocols).map(|name| name.len()).max();
    match longest {
        Some(size) if size > NAME_SIZE_MAX => Err(JoinError::MetadataTooLarge { size, limit: NAME_SIZE_MAX }),
        _ => Ok(()),
    }
}

/// Answers whatever the old holder of an instance id waits in.
fn fence(member: &mut Member, old_id: &Str, effects: &mut Vec<Effect>) {
    use crate::group::SyncError;
    let instance_id = member.instance_id.clone().unwrap_or_else(|| old_id.clone());
    if let Some(request) = member.joining.take() {
        effects.push(Effect::Joined { request, outcome: Err(JoinError::FencedInstance(instance_id.clone())) });
    }
    if let Some(request) = member.syncing.take() {
        effects.push(Effect::Synced { request, outcome: Err(SyncError::FencedInstance(instance_id)) });
    }
}
