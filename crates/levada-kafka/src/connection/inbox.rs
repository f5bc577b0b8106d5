//! [`Inbox`]: bytes from the socket, charged as they arrive, cut into frames.

use crate::{
    memory::{Charge, Charging, RequestMemory, poll_charging},
    stream::Stream,
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    io,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{io::AsyncReadExt, time::Instant};

/// Bytes that a connection may hold without a charge, so that small requests pass when memory is short.
const FREE_SIZE: usize = 4 << 10;
const READ_SIZE_MIN: usize = 4 << 10;
const READ_SIZE_MAX: usize = 256 << 10;
/// Room that is made for a frame whose length is known, before its bytes are there.
const TRUSTED_SIZE: usize = 1 << 20;
/// A frame that holds memory others wait for may pause for this long,
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// and take this long,
const SLOW_GRACE: Duration = Duration::from_secs(10);
/// and a second more for each of these bytes.
const SLOW_SIZE_PER_S: u32 = 256 << 10;

/// Why the bytes cannot be cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("frame length {0} is not positive")]
    NotPositive(i32),
    #[error("frame length {size} exceeds `socket.request.max.bytes` ({limit}){}", hint(*.size))]
    TooLarge { size: usize, limit: usize },
}

/// What a stranger probably meant whose first bytes are `size`.
fn hint(size: usize) -> &'static str {
    match u32::try_from(size).unwrap_or(0).to_be_bytes() {
        [0x16, 0x03, ..] => "; the client seems to speak TLS, and this listener does not",
        [b'G', b'E', b'T', b' '] | [b'P', b'O', b'S', b'T'] | [b'H', b'E', b'A', b'D'] => {
            "; the client seems to speak HTTP, and this listener speaks Kafka"
        }
        _ => "",
    }
}

#[derive(Debug)]
pub(crate) struct Frame {
    /// Without the length.
    pub(crate) bytes: Bytes,
    /// What its bytes are charged.
    pub(crate) charge: Charge,
}

pub(crate) struct Inbox {
    buffer: BytesMut,
    memory: Arc<RequestMemory>,
    charge: Charge,
    charging: Option<Charging>,
    read_size: usize,
    frame_size_max: usize,
    /// The next frame is often as large as the last.
    last_frame_size: usize,
    /// The allocation that frames are cut from.
    chunk: Chunk,
    /// When the incomplete frame at the end began to be watched, and when bytes of it came last.
    watched: Option<Watched>,
}

/// One allocation of the buffer.
#[derive(Clone, Copy, Default)]
struct Chunk {
    capacity: usize,
    filled: usize,
}

impl Chunk {
    /// Whether a frame of `size` that is kept would keep mostly air alive with it.
    const fn is_wasteful_for(self, size: usize) -> bool {
        self.filled < self.capacity / 2 && size < self.capacity / 4
    }
}

#[derive(Clone, Copy)]
struct Watched {
    since: Instant,
    arrived: Instant,
}

impl Inbox {
    pub(crate) fn new(memory: Arc<RequestMemory>, charge: Charge, frame_size_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            memory,
            charge,
            charging: None,
            read_size: READ_SIZE_MIN,
            frame_size_max,
            last_frame_size: 0,
            chunk: Chunk::default(),
            watched: None,
        }
    }

    /// The size of the frame that begins the buffer, if its length is there.
    fn frame_size(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        let size = usize::try_from(length).ok().filter(|&size| size > 0).ok_or(FrameError::NotPositive(length))?;
        let limit = self.frame_size_max;
        if size > limit { Err(FrameError::TooLarge { size, limit }) } else { Ok(Some(size)) }
    }

    /// The API key of the next frame, if all of that frame is there.
    pub(crate) fn next_key(&self) -> Result<Option<i16>, FrameError> {
        let Some(size) = self.frame_size()? else { return Ok(None) };
        if self.buffer.len() < 4 + size {
            return Ok(None);
        }
        // A frame of one byte has no key; −1 is none either, and reading its header says what is wrong.
        let key = self.buffer.get(4..4 + size.min(2)).and_then(|bytes| bytes.first_chunk::<2>());
        Ok(Some(key.map_or(-1, |key| i16::from_be_bytes(*key))))
    }

    /// Takes the next frame. Call it after [`Self::next_key`] found one.
    pub(crate) fn take_frame(&mut self) -> Option<Frame> {
        let size = self.frame_size().ok()??;
        if self.buffer.len() < 4 + size {
            return None;
        }
        self.buffer.advance(4);
        self.last_frame_size = size;
        let frame = self.buffer.split_to(size);
        let bytes = if self.chunk.is_wasteful_for(size) { Bytes::copy_from_slice(&frame) } else { frame.freeze() };
        let keep = self.buffer.len().saturating_sub(FREE_SIZE);
        let charge = self.charge.split_beyond(keep);
        self.watched = None;
        Some(Frame { bytes, charge })
    }

    /// Reads once; `Ready(Ok(0))` is the end of the stream.
    pub(crate) fn poll_read<S: Stream>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let waited = self.charging.is_some();
        ready!(poll_charging(&mut self.charging, &mut self.charge, context));
        if waited {
            self.watched = None;
            if self.buffer.is_empty() {
                self.charge = Charge::default();
            }
        }
        ready!(stream.poll_readable(context))?;
        let room = self.room();
        self.buffer.reserve(room);
        if self.buffer.capacity() != self.chunk.capacity.saturating_sub(self.chunk.filled) + self.buffer.len() {
            self.chunk = Chunk { capacity: self.buffer.capacity(), filled: self.buffer.len() };
        }
        let size = ready!(pin!(stream.read_buf(&mut self.buffer)).poll(context))?;
        self.chunk.filled += size;
        if size >= self.read_size {
            self.read_size = (self.read_size * 2).min(READ_SIZE_MAX);
        } else if size < self.read_size / 2 {
            self.read_size = (self.read_size / 2).max(READ_SIZE_MIN);
        }
        if let Some(watched) = &mut self.watched {
            watched.arrived = Instant::now();
        }
        self.charge_arrived();
        Poll::Ready(Ok(size))
    }

    /// How much to make room for, within reason: what is missing of a frame whose length is known, or another
    /// frame as large as the last.
    fn room(&self) -> usize {
        let missing = match self.frame_size() {
            Ok(Some(size)) => (4 + size).saturating_sub(self.buffer.len()),
            _ => 4 + self.last_frame_size,
        };
        // Beyond what is trusted, the buffer may double with what did arrive.
        missing.min(TRUSTED_SIZE.max(self.buffer.len())).max(self.read_size)
    }

    fn charge_arrived(&mut self) {
        let held = self.charge.size();
        let missing = self.buffer.len().saturating_sub(FREE_SIZE).saturating_sub(held);
        if missing == 0 || self.charge.is_overdrawn() {
            return;
        }
        match self.memory.try_charge(missing) {
            Some(more) => self.charge.merge(more),
            None => self.charging = Some(self.memory.charge(missing)),
        }
    }

    /// Gives the buffer's memory back where there is nothing in it: an idle connection costs next to nothing.
    pub(crate) fn release_if_empty(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            self.buffer = BytesMut::new();
            self.chunk = Chunk::default();
        }
    }

    /// Whether an incomplete frame is here.
    pub(crate) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether an incomplete frame takes too long to arrive while others wait for the memory that it holds.
    ///
    /// To be called now and then while there is one.
    pub(crate) fn is_too_slow(&mut self, now: Instant) -> bool {
        let size = self.buffer.len();
        if size <= FREE_SIZE || !self.memory.is_short() || self.charging.is_some() {
            return false;
        }
        let watched = *self.watched.get_or_insert(Watched { since: now, arrived: now });
        let announced = self.frame_size().ok().flatten().unwrap_or(size);
        let earned = u32::try_from(announced).unwrap_or(u32::MAX) / SLOW_SIZE_PER_S;
        now.duration_since(watched.arrived) > PAUSE_MAX
            || now.duration_since(watched.since) > SLOW_GRACE + Duration::from_secs(u64::from(earned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::choppy::Choppy;

    #[tokio::test]
    async fn frames_are_cut_the_same_however_they_arrive() {
        let sizes = [2_usize, 10, 1, 70_000, 3, 5_000];
        let frames: Vec<Vec<u8>> = (0..).zip(&sizes).map(|(index, &size)| vec![index; size]).collect();
        let length = |frame: &Vec<u8>| u32::try_from(frame.len()).unwrap().to_be_bytes();
        let sent: Vec<u8> = frames.iter().flat_map(|frame| [&length(frame)[..], frame].concat()).collect();
        for seed in 0..50 {
            let mut stream = Choppy::new(seed, sent.clone());
            let mut inbox = Inbox::new(RequestMemory::new(1 << 20), Charge::default(), 100_000);
            let mut cut = Vec::new();
            loop {
                while inbox.next_key().unwrap().is_some() {
                    cut.push(inbox.take_frame().unwrap().bytes.to_vec());
                }
                if std::future::poll_fn(|context| inbox.poll_read(&mut stream, context)).await.unwrap() == 0 {
                    break;
                }
            }
            assert!(cut == frames && !inbox.is_partial(), "seed {seed}");
        }
    }

    #[test]
    fn small_frames_are_copied_out_of_chunks_that_are_mostly_air() {
        let sparse = Chunk { capacity: 256 << 10, filled: 1_000 };
        assert!(sparse.is_wasteful_for(900));
        assert!(!sparse.is_wasteful_for(128 << 10), "a large frame is the chunk");
        let full = Chunk { capacity: 256 << 10, filled: 200 << 10 };
        assert!(!full.is_wasteful_for(900), "its neighbours are kept as well");
    }

    #[test]
    fn strangers_who_speak_something_else_are_told_apart() {
        let tls = FrameError::TooLarge { size: 0x1603_0102, limit: 100 };
        assert!(tls.to_string().contains("TLS"), "{tls}");
        let http = FrameError::TooLarge { size: 0x4745_5420, limit: 100 };
        assert!(http.to_string().contains("HTTP"), "{http}");
    }
}
