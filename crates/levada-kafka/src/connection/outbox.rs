//! [`Outbox`]: responses on their way out, written from where their records lie.

use crate::{call::Segment, memory::Charge, stream::Stream};
use bytes::Buf;
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Segments to a system call.
const SLICE_COUNT_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    segments: VecDeque<Segment>,
    size: usize,
    /// Memory held by responses, each with the count of bytes after which it is free.
    charges: VecDeque<(u64, Charge)>,
    queued_size: u64,
    sent_size: u64,
}

impl Outbox {
    /// Queues a response; `charge` is held until its last byte is sent.
    pub(crate) fn push(&mut self, segments: Vec<Segment>, charge: Charge) {
        for segment in segments {
            self.size += segment.size();
            self.queued_size += as_u64(segment.size());
            self.segments.push_back(segment);
        }
        if charge.size() > 0 {
            self.charges.push_back((self.queued_size, charge));
        }
    }

    /// Bytes not yet taken by the socket.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Writes once, as much as the socket takes.
    pub(crate) fn poll_write<S: Stream>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(Segment::File(slice)) = self.segments.front_mut() {
            let sent = ready!(stream.poll_send(slice, context))?;
            if slice.size() == 0 {
                self.segments.pop_front();
            }
            self.count_sent(sent);
            return Poll::Ready(Ok(sent));
        }
        let mut slices = [IoSlice::new(&[]); SLICE_COUNT_MAX];
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            let Segment::Bytes(bytes) = segment else { break };
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = ready!(Pin::new(stream).poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// Drops what was written of the bytes at the front.
    fn advance(&mut self, mut written: usize) {
        self.count_sent(written);
        while let Some(Segment::Bytes(front)) = self.segments.front_mut()
            && (written > 0 || front.is_empty())
        {
            let part = written.min(front.len());
            front.advance(part);
            written -= part;
            if front.is_empty() {
                self.segments.pop_front();
            }
        }
    }

    fn count_sent(&mut self, size: usize) {
        self.size -= size;
        self.sent_size += as_u64(size);
        while self.charges.front().is_some_and(|(end, _)| *end <= self.sent_size) {
            self.charges.pop_front();
        }
    }
}

fn as_u64(size: usize) -> u64 {
    u64::try_from(size).expect("a size fits 64 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::choppy::Choppy;
    use bytes::Bytes;

    #[tokio::test]
    async fn segments_leave_in_their_order_however_little_the_client_takes() {
        for seed in 0..50 {
            let mut outbox = Outbox::default();
            let mut stream = Choppy::new(seed, Vec::new());
            let sizes = [5, 0, 700, 1, 9_000, 0, 0, 33];
            let segment = |(index, &size): (u8, &usize)| Segment::Bytes(Bytes::from(vec![index; size]));
            let expected: Vec<u8> = (0..).zip(&sizes).flat_map(|(index, &size)| vec![index; size]).collect();
            outbox.push((0..).zip(&sizes).map(segment).collect(), Charge::default());
            while !outbox.is_empty() {
                let size_before = outbox.size();
                let written = std::future::poll_fn(|context| outbox.poll_write(&mut stream, context)).await.unwrap();
                assert_eq!(outbox.size(), size_before - written);
            }
            assert!(stream.written == expected, "seed {seed}");
        }
    }
}
