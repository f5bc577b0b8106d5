//! [`History`]: versions that were the latest a short while ago, for those who saw one of them and want what changed.

use super::Version;
use std::{collections::VecDeque, sync::Arc};

/// Versions at most.
const VERSIONS_MAX: usize = 1_024;
/// Of what the view takes, what earlier versions alone have is no more than this part, but no less than [`FREE`].
const PART: usize = 4;
/// Bytes that earlier versions may always have.
const FREE: usize = 1 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Each with the bytes that went when the next one came.
    versions: VecDeque<(Arc<Version>, usize)>,
    size: usize,
}

impl History {
    /// Takes in a version after which `gone` bytes of it were taken away.
    pub(super) fn push(&mut self, version: Arc<Version>, gone: usize) {
        let limit = (version.size / PART).max(FREE);
        self.versions.push_back((version, gone));
        self.size += gone;
        while self.size > limit || self.versions.len() > VERSIONS_MAX {
            let Some((_, gone)) = self.versions.pop_front() else { break };
            self.size -= gone;
        }
    }

    /// The version of an epoch, if it is still there.
    pub(super) fn of(&self, epoch: u64) -> Option<Arc<Version>> {
        let place = self.versions.binary_search_by_key(&epoch, |(version, _)| version.epoch).ok()?;
        self.versions.get(place).map(|(version, _)| Arc::clone(version))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
