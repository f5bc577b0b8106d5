//! What each member is to have: which topics it subscribes to, and what the assignor makes of that.

use crate::consumer_group::{
    Assignment, AssignmentEpoch, ConsumerGroup, MemberMetadata, PatternCheck, Record, Resolved, View,
    assignor::{self, Candidate, Spec},
    topics::{Pattern, TopicShape, Topics},
};
use levada_model::{Str, TopicId};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use twox_hash::XxHash3_64;

/// A regular expression is matched against changed topics at most this often.
const PATTERN_INTERVAL: Duration = Duration::from_secs(1);

impl ConsumerGroup {
    /// Works the targets out anew if the group's epoch has risen since, but not too soon after the last time: a
    /// later heartbeat will find it due.
    ///
    /// Source: KIP-1263.
    pub(super) fn refresh_targets(&mut self, view: View<'_>, records: &mut Vec<Record>) {
        let epoch = self.image.epoch();
        if epoch <= self.image.assignment_epoch() {
            return;
        }
        let since = self.image.assignment.map(|assignment| view.now.wall_ms.saturating_sub(assignment.at_ms));
        // A clock that was set back holds nothing up.
        let since = since.and_then(|since| u64::try_from(since).ok()).map(Duration::from_millis);
        if since.is_some_and(|since| since < view.pace.assignment_interval) {
            return;
        }
        for (member_id, target) in self.assign(view) {
            if self.image.targets.get(&member_id).is_none_or(|before| **before != target) {
                self.change(records, Record::Target(member_id, Some(Arc::new(target))));
            }
        }
        let assignment = AssignmentEpoch { epoch, at_ms: view.now.wall_ms };
        self.change(records, Record::AssignmentEpoch(Some(assignment)));
    }

    fn assign(&self, view: View<'_>) -> Vec<(Str, Assignment)> {
        let none = Assignment::default();
        let mut topics = BTreeMap::new();
        let mut candidates: Vec<Candidate<'_>> = Vec::with_capacity(self.image.members.len());
        let mut before: Option<(&Arc<MemberMetadata>, Rc<BTreeSet<TopicId>>)> = None;
        for (id, member) in &self.image.members {
            // Members of a group mostly subscribe to the same.
            let subscription = match &before {
                Some((like, ids)) if like.topics == member.topics && like.pattern() == member.pattern() => {
                    Rc::clone(ids)
                }
                _ => {
                    let shapes: Vec<TopicShape> =
                        self.subscribed_names(member).filter_map(|name| view.topics.find(name)).collect();
                    topics.extend(shapes.iter().map(|shape| (shape.id, shape.partitions)));
                    Rc::new(shapes.iter().map(|shape| shape.id).collect())
                }
            };
            before = Some((member, Rc::clone(&subscription)));
            candidates.push(Candidate {
                id,
                instance_id: member.instance_id.as_ref(),
                topics: subscription,
                has: self.image.targets.get(id).map_or(&none, |target| target),
            });
        }
        let spec = Spec { candidates, topics };
        let targets = assignor::assign(&self.assignor(view), &spec);
        spec.candidates.iter().map(|candidate| candidate.id.clone()).zip(targets).collect()
    }

    /// The assignor that most members want who want one; among equals the one configured first.
    pub(super) fn assignor(&self, view: View<'_>) -> Str {
        self.preferred_assignor(&view.limits.assignors)
    }

    pub(super) fn preferred_assignor(&self, assignors: &[Str]) -> Str {
        let votes = |name: &Str| {
            let wants = |member: &&Arc<MemberMetadata>| member.assignor.as_ref() == Some(name);
            self.image.members.values().filter(wants).count()
        };
        let best = assignors.iter().rev().max_by_key(|name| votes(name));
        best.cloned().unwrap_or_else(|| Str::from_static(assignor::UNIFORM))
    }

    /// Names of the topics that a member subscribes to, whether they exist or not.
    fn subscribed_names<'a>(&'a self, member: &'a MemberMetadata) -> impl Iterator<Item = &'a Str> {
        let matched = member.pattern().and_then(|pattern| self.image.resolved.get(pattern));
        member.topics.iter().chain(matched.into_iter().flat_map(|matched| &matched.topics))
    }

    /// Names of the topics that the group subscribes to, whether they exist or not.
    pub(super) fn all_subscribed(&self) -> BTreeSet<&Str> {
        let named = self.image.members.values().flat_map(|member| &member.topics);
        let patterns: BTreeSet<&Str> = self.image.members.values().filter_map(|member| member.pattern()).collect();
        let matched = patterns.into_iter().filter_map(|pattern| self.image.resolved.get(pattern));
        named.chain(matched.flat_map(|matched| &matched.topics)).collect()
    }

    pub(super) fn subscribed_ids(&self, member_id: &str, topics: &dyn Topics) -> BTreeSet<TopicId> {
        let Some(member) = self.image.members.get(member_id) else { return BTreeSet::new() };
        self.subscribed_names(member).filter_map(|name| topics.find(name)).map(|shape| shape.id).collect()
    }

    /// Matches a regular expression against the topics if that is due; whether the group reads other topics now.
    pub(super) fn refresh_pattern(&mut self, view: View<'_>, pattern: &Str, records: &mut Vec<Record>) -> bool {
        let (version, at) = (view.topics.version(), view.now.monotonic);
        let before = self.image.resolved.get(pattern).cloned();
        let is_fresh = self
            .pattern_checks
            .get(pattern)
            .is_some_and(|check| check.version == version || at.saturating_sub(check.at) < PATTERN_INTERVAL);
        if before.is_some() && is_fresh {
            return false;
        }
        // It was checked when it came, and is sound.
        let Ok(compiled) = Pattern::new(pattern) else { return false };
        let topics = compiled.matches(view.topics);
        self.pattern_checks.insert(pattern.clone(), PatternCheck { version, at });
        if before.is_some_and(|before| before.topics == topics) {
            return false;
        }
        let resolved = Resolved { topics, version, at_ms: view.now.wall_ms };
        self.change(records, Record::Resolved(pattern.clone(), Some(Arc::new(resolved))));
        true
    }

    /// Forgets what a regular expression matched if no member subscribes to it.
    pub(super) fn forget_unused_pattern(&mut self, pattern: &Str, records: &mut Vec<Record>) {
        let is_used = self.image.members.values().any(|member| member.pattern() == Some(pattern));
        if !is_used && self.image.resolved.contains_key(pattern) {
            self.pattern_checks.remove(pattern);
            self.change(records, Record::Resolved(pattern.clone(), None));
        }
    }

    /// A number that is another whenever a topic that the group subscribes to came, grew, went, or is another
    /// under the same name; 0 where there are none.
    ///
    /// XXH3 over each topic (a zero byte, id, name, number of partitions, and for each its number and that of its
    /// racks, which is none), then over all names and their hashes. Integers are little-endian, a name is UTF-16
    /// followed by its length.
    pub(super) fn metadata_hash(&self, topics: &dyn Topics) -> u64 {
        let mut all = Vec::new();
        let mut one = Vec::new();
        for name in self.all_subscribed() {
            let Some(shape) = topics.find(name) else { continue };
            one.clear();
            one.push(0);
            let (high, low) = shape.id.as_bytes().split_at(8);
            one.extend(high.iter().rev().chain(low.iter().rev()));
            put_name(&mut one, name);
            one.extend(shape.partitions.to_le_bytes());
            for partition in 0..shape.partitions {
                one.extend(partition.to_le_bytes());
                one.extend(0_i32.to_le_bytes());
            }
            put_name(&mut all, name);
            all.extend(XxHash3_64::oneshot(&one).to_le_bytes());
        }
        if all.is_empty() { 0 } else { XxHash3_64::oneshot(&all) }
    }
}

fn put_name(bytes: &mut Vec<u8>, name: &str) {
    let before = bytes.len();
    bytes.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    let units = (bytes.len() - before) / 2;
    bytes.extend(i32::try_from(units).unwrap_or(i32::MAX).to_le_bytes());
}
