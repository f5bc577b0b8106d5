//! [`Outbox`]: responses on their way out, written from where their records lie.

use crate::memory::Charge;
use bytes::{Buf, Bytes};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{io::AsyncWrite, net::TcpStream};

/// Segments to a system call.
const SLICE_COUNT_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    segments: VecDeque<Bytes>,
    size: usize,
    /// Memory held by responses, each with the count of bytes after which it is free.
    charges: VecDeque<(u64, Charge)>,
    queued_size: u64,
    sent_size: u64,
}

impl Outbox {
    /// Queues a response; `charge` is held until its last byte is sent.
    pub(crate) fn push(&mut self, segments: Vec<Bytes>, charge: Charge) {
        for segment in segments {
            self.size += segment.len();
            self.queued_size += as_u64(segment.len());
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
    pub(crate) fn poll_write(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICE_COUNT_MAX];
        let mut count = 0;
        for (slice, segment) in slices.iter_mut().zip(&self.segments) {
            *slice = IoSlice::new(segment);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = std::task::ready!(Pin::new(stream).poll_write_vectored(context, slices))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    fn advance(&mut self, mut written: usize) {
        self.size -= written;
        self.sent_size += as_u64(written);
        while let Some(front) = self.segments.front_mut()
            && (written > 0 || front.is_empty())
        {
            let part = written.min(front.len());
            front.advance(part);
            written -= part;
            if front.is_empty() {
                self.segments.pop_front();
            }
        }
        while self.charges.front().is_some_and(|(end, _)| *end <= self.sent_size) {
            self.charges.pop_front();
        }
    }
}

fn as_u64(size: usize) -> u64 {
    u64::try_from(size).expect("a size fits 64 bits")
}
