//! Membership: joining, syncing, signs of life, leaving; and looking at groups.

use crate::{
    any_group::AnyGroup,
    coordinator::{
        Coordinator, CoordinatorError,
        shard::{Shard, Waiting},
    },
    group::{
        DescribedGroup, Heartbeat, HeartbeatError, Join, JoinError, Joined, Leave, LeaveError, ListedGroup, RequestId,
        Sync, SyncError, Synced,
    },
};
use levada_model::{Str, Uuid};
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Why nobody left a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No group has this id, so that nobody in it is a member.
    #[error("group does not exist")]
    UnknownGroup,
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

/// Member ids begin with the client's own name, cut to this.
const CLIENT_NAME_CHARS_MAX: usize = 200;

impl Coordinator {
    pub(super) fn request(&self) -> RequestId {
        RequestId(self.requests.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn join(&self, group_id: &Str, join: Join) -> Result<Joined, JoinError> {
        let answer = self.begin_join(group_id, join)?;
        answer.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone").into()))
    }

    fn begin_join(
        &self,
        group_id: &Str,
        mut join: Join,
    ) -> Result<oneshot::Receiver<Result<Joined, JoinError>>, JoinError> {
        self.check(group_id)?;
        self.log(group_id).ok_or_else(|| CoordinatorError::not_available("its topic does not exist yet"))?;
        let prefix: String =
            join.instance_id.as_ref().unwrap_or(&join.client_id).chars().take(CLIENT_NAME_CHARS_MAX).collect();
        join.fresh_member_id = Str::from(format!("{prefix}-{}", hyphenated(Uuid::random(&*self.rng))));
        let now = self.now();
        let (request, (sender, answer)) = (self.request(), oneshot::channel());
        let mut shard = self.shard(group_id).lock();
        let slot = if join.member_id.is_empty() {
            shard.slot_or_new(group_id, now)?
        } else {
            shard.slot(group_id)?.ok_or_else(|| JoinError::UnknownMember(join.member_id.detached()))?
        };
        let topics = self.topics();
        let effects = slot.group.join(self.sight(&topics, group_id, now), request, &join);
        shard.waiting.insert(request, Waiting::Join(sender));
        self.carry_out(&mut shard, group_id, now, effects);
        self.refresh(shard, group_id);
        Ok(answer)
    }

    pub(crate) async fn sync(&self, group_id: &Str, sync: Sync) -> Result<Synced, SyncError> {
        let answer = self.begin_sync(group_id, &sync)?;
        answer.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone").into()))
    }

    fn begin_sync(
        &self,
        group_id: &Str,
        sync: &Sync,
    ) -> Result<oneshot::Receiver<Result<Synced, SyncError>>, SyncError> {
        self.check(group_id)?;
        let now = self.now();
        let (request, (sender, answer)) = (self.request(), oneshot::channel());
        let mut shard = self.shard(group_id).lock();
        let slot = shard.slot(group_id)?.ok_or_else(|| SyncError::UnknownMember(sync.member_id.detached()))?;
        let topics = self.topics();
        let effects = slot.group.sync(self.sight(&topics, group_id, now), request, sync);
        shard.waiting.insert(request, Waiting::Sync(sender));
        self.carry_out(&mut shard, group_id, now, effects);
        self.refresh(shard, group_id);
        Ok(answer)
    }

    pub(crate) fn heartbeat(&self, group_id: &Str, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        self.check(group_id)?;
        let now = self.now();
        let mut shard = self.shard(group_id).lock();
        let unknown = || HeartbeatError::UnknownMember(heartbeat.member_id.detached());
        let topics = self.topics();
        let group = &mut shard.slot(group_id)?.ok_or_else(unknown)?.group;
        let outcome = group.heartbeat(self.sight(&topics, group_id, now), heartbeat);
        // A sign of life only moves deadlines away, and the timers need not know; but who is to join again under
        // KIP-848 has until a deadline for it.
        if matches!(outcome, Err(HeartbeatError::RebalanceInProgress)) && matches!(group, AnyGroup::Consumer(_)) {
            self.refresh(shard, group_id);
        }
        outcome
    }

    pub(crate) fn leave(&self, group_id: &Str, leaves: &[Leave]) -> Result<Vec<Result<(), LeaveError>>, GroupError> {
        self.check(group_id)?;
        let now = self.now();
        let mut shard = self.shard(group_id).lock();
        let slot = shard.slot(group_id)?.ok_or(GroupError::UnknownGroup)?;
        let topics = self.topics();
        let (outcomes, effects) = slot.group.leave(self.sight(&topics, group_id, now), leaves);
        self.carry_out(&mut shard, group_id, now, effects);
        self.refresh(shard, group_id);
        Ok(outcomes)
    }

    pub(crate) fn describe(&self, group_id: &Str) -> Result<Option<DescribedGroup>, CoordinatorError> {
        self.check(group_id)?;
        let shard = self.shard(group_id).lock();
        Ok(shard.groups.get(group_id).and_then(|slot| match &slot.group {
            AnyGroup::Classic(group) => Some(group.describe()),
            AnyGroup::Consumer(_) => None,
        }))
    }

    pub(crate) fn list(&self) -> Result<Vec<ListedGroup>, CoordinatorError> {
        self.check_loaded()?;
        let of = |shard: &Shard| shard.groups.values().map(|slot| slot.group.list()).collect::<Vec<_>>();
        let mut groups: Vec<ListedGroup> = self.shards.iter().flat_map(|shard| of(&shard.lock())).collect();
        groups.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        Ok(groups)
    }
}

/// The id as 8-4-4-4-12 hexadecimal digits.
pub(super) fn hyphenated(id: Uuid) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in id.as_bytes().iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
