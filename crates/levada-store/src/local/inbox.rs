//! What the writer is asked to do.

use crate::{log::Log, ticket::Promise};
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A request to the writer. Requests are carried out in order.
#[derive(Debug)]
pub(crate) enum WriterCommand {
    /// The topic is gone: its files go.
    Delete(Vec<Arc<Log>>),
    /// Records below the start of the log are gone.
    SetStart(Arc<Log>),
    /// Settings changed: files follow them, and a changed durability takes effect.
    Configure(Vec<Arc<Log>>),
    /// Retention, now.
    Expire(Promise<()>),
    /// Everything to segments, files closed, a last checkpoint.
    Close(Promise<()>),
}

#[derive(Debug, Default)]
struct State {
    commands: Vec<WriterCommand>,
    dirty: Vec<Arc<Log>>,
    checkpoint: bool,
    checkpoint_promises: Vec<Promise<()>>,
    rung: bool,
}

/// What the writer found when it looked.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) commands: Vec<WriterCommand>,
    /// Logs that got their first batch which is not in a segment.
    pub(crate) dirty: Vec<Arc<Log>>,
    pub(crate) checkpoint: bool,
    pub(crate) checkpoint_promises: Vec<Promise<()>>,
}

/// The writer's inbox.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    bell: Condvar,
    /// Bytes of batches that are in no segment yet.
    unflushed: AtomicUsize,
    room: Condvar,
    room_lock: Mutex<()>,
    stuck: AtomicBool,
}

impl Inbox {
    pub(crate) fn push(&self, command: WriterCommand) {
        let mut state = self.state.lock();
        state.commands.push(command);
        state.rung = true;
        self.bell.notify_one();
    }

    /// Counts bytes that are about to wait: before the writer can see them, for it takes off what it flushed.
    /// Says whether `threshold` is reached with them.
    pub(crate) fn count_unflushed(&self, bytes: usize, threshold: usize) -> bool {
        let before = self.unflushed.fetch_add(bytes, Ordering::AcqRel);
        before < threshold && before + bytes >= threshold
    }

    /// Names logs that became dirty; rings for the writer if `ring`.
    pub(crate) fn add_dirty(&self, logs: Vec<Arc<Log>>, ring: bool) {
        if !logs.is_empty() || ring {
            let mut state = self.state.lock();
            state.dirty.extend(logs);
            if ring {
                state.rung = true;
                self.bell.notify_one();
            }
        }
    }

    /// Asks for a checkpoint; one that is under way does not count.
    pub(crate) fn request_checkpoint(&self, promise: Option<Promise<()>>) {
        let mut state = self.state.lock();
        if !state.checkpoint || promise.is_some() {
            state.checkpoint = true;
            state.checkpoint_promises.extend(promise);
            state.rung = true;
            self.bell.notify_one();
        }
    }

    /// A checkpoint cannot be taken now: it is tried again when the writer looks by itself.
    pub(crate) fn put_off_checkpoint(&self, promises: Vec<Promise<()>>) {
        let mut state = self.state.lock();
        state.checkpoint |= !promises.is_empty();
        state.checkpoint_promises.extend(promises);
    }

    /// Wakes the writer without asking for anything: something it waits for has ended.
    pub(crate) fn ring(&self) {
        self.state.lock().rung = true;
        self.bell.notify_one();
    }

    /// Waits for work up to `timeout`; takes all there is. A checkpoint is left for later unless `may_checkpoint`.
    pub(crate) fn wait(&self, timeout: Duration, may_checkpoint: bool) -> Work {
        let mut state = self.state.lock();
        if !state.rung {
            self.bell.wait_while_for(&mut state, |state| !state.rung, timeout);
        }
        state.rung = false;
        let take_checkpoint = state.checkpoint && may_checkpoint;
        Work {
            commands: std::mem::take(&mut state.commands),
            dirty: std::mem::take(&mut state.dirty),
            checkpoint: take_checkpoint && std::mem::take(&mut state.checkpoint),
            checkpoint_promises: if take_checkpoint {
                std::mem::take(&mut state.checkpoint_promises)
            } else {
                Vec::new()
            },
        }
    }

    /// Takes what waits at this moment; a checkpoint that is asked for stays.
    pub(crate) fn take_commands(&self) -> Work {
        self.wait(Duration::ZERO, false)
    }

    pub(crate) fn unflushed_bytes(&self) -> usize {
        self.unflushed.load(Ordering::Acquire)
    }

    /// `bytes` reached their segments.
    pub(crate) fn flushed(&self, bytes: usize) {
        self.unflushed.fetch_sub(bytes, Ordering::AcqRel);
        drop(self.room_lock.lock());
        self.room.notify_all();
    }

    /// Blocks while more than `limit` bytes wait for their segments and the writer is getting on.
    pub(crate) fn wait_for_room(&self, limit: usize) {
        if self.unflushed_bytes() <= limit {
            return;
        }
        let mut guard = self.room_lock.lock();
        while self.unflushed_bytes() > limit && !self.is_stuck() {
            self.room.wait_for(&mut guard, Duration::from_millis(100));
        }
    }

    /// Whether segments cannot be written at the moment.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Release);
    }
}
