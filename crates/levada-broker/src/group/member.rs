//! One member of a group.

use crate::group::{Join, JoinedMember, MemberSnapshot, RequestId, migration::MigratingMember};
use bytes::Bytes;
use levada_model::Str;
use std::time::Duration;

/// One member of a group.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) id: Str,
    pub(super) instance_id: Option<Str>,
    pub(super) client_id: Str,
    pub(super) client_host: Str,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    /// Best first. After a restart only the chosen one is known.
    pub(super) protocols: Vec<(Str, Bytes)>,
    pub(super) assignment: Bytes,
    /// The join it waits in.
    pub(super) joining: Option<RequestId>,
    /// The sync it waits in.
    pub(super) syncing: Option<RequestId>,
    /// Whether its SyncGroup of this generation has come.
    pub(super) synced: bool,
    /// Whether it has not yet been told its id: it cannot send heartbeats.
    pub(super) is_new: bool,
    /// When its session ends, unless it is heard of.
    pub(super) deadline: Option<Duration>,
}

impl Member {
    pub(super) fn new(id: Str, join: &Join) -> Self {
        Self {
            id,
            instance_id: join.instance_id.as_ref().map(Str::detached),
            client_id: join.client_id.detached(),
            client_host: join.client_host.detached(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: detached_protocols(join),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            synced: false,
            is_new: true,
            deadline: None,
        }
    }

    pub(super) fn restored(snapshot: MemberSnapshot, protocol: Option<&Str>, now: Duration) -> Self {
        let protocols = protocol.map(|name| (name.clone(), snapshot.subscription)).into_iter().collect();
        Self {
            id: snapshot.id,
            instance_id: snapshot.instance_id,
            client_id: snapshot.client_id,
            client_host: snapshot.client_host,
            session_timeout: snapshot.session_timeout,
            rebalance_timeout: snapshot.rebalance_timeout,
            protocols,
            assignment: snapshot.assignment,
            joining: None,
            syncing: None,
            synced: true,
            is_new: false,
            deadline: Some(now + snapshot.session_timeout),
        }
    }

    /// A member that comes from a group of the other protocol.
    pub(super) fn migrated(from: MigratingMember, now: Duration) -> Self {
        Self {
            id: from.id,
            instance_id: from.instance_id,
            client_id: from.client_id,
            client_host: from.client_host,
            session_timeout: from.session_timeout,
            rebalance_timeout: from.rebalance_timeout,
            protocols: from.protocols,
            assignment: from.assignment,
            joining: None,
            syncing: None,
            synced: true,
            is_new: false,
            deadline: Some(now + from.session_timeout),
        }
    }

    /// Takes over what a join says.
    pub(super) fn update(&mut self, join: &Join) {
        self.protocols = detached_protocols(join);
        self.client_id = join.client_id.detached();
        self.client_host = join.client_host.detached();
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
    }

    /// Whether a join says nothing new.
    pub(super) fn matches(&self, join: &Join) -> bool {
        self.protocols == join.protocols
    }

    pub(super) fn supports(&self, protocol: &Str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What it says under `protocol`.
    pub(super) fn metadata(&self, protocol: Option<&Str>) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| Some(name) == protocol);
        found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    pub(super) fn heard_of(&mut self, now: Duration) {
        self.deadline = Some(now + self.session_timeout);
    }

    /// Whether its session has ended by `now`. Waiting in a join or sync keeps it alive, except in its first join.
    pub(super) fn has_expired(&self, now: Duration) -> bool {
        let waits = self.joining.is_some() || self.syncing.is_some();
        self.deadline.is_some_and(|deadline| deadline <= now) && (self.is_new || !waits)
    }

    /// When it can expire, as things stand.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let waits = self.joining.is_some() || self.syncing.is_some();
        self.deadline.filter(|_| self.is_new || !waits)
    }

    pub(super) fn joined(&self, protocol: Option<&Str>) -> JoinedMember {
        JoinedMember {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }
}

fn detached_protocols(join: &Join) -> Vec<(Str, Bytes)> {
    let detach = |(name, metadata): &(Str, Bytes)| (name.detached(), Bytes::copy_from_slice(metadata));
    join.protocols.iter().map(detach).collect()
}
