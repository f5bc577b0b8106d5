//! [`Stream`]: the network as a connection sees it. A TCP stream is the real one.

use levada_broker::FileSlice;
use std::{
    io,
    os::fd::AsFd,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest},
    net::TcpStream,
};

/// One client's bytes, in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Ready when there may be bytes to read, so that nobody makes room for them before.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends from a file as much as can be taken now; what was sent is no longer part of `slice`.
    fn poll_send(&mut self, slice: &mut FileSlice, context: &mut Context<'_>) -> Poll<io::Result<usize>>;
}

impl Stream for TcpStream {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }

    fn poll_send(&mut self, slice: &mut FileSlice, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(context))?;
            match self.try_io(Interest::WRITABLE, || slice.send_to(self.as_fd())) {
                // Not ready after all: the next round waits until it is.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

/// A stream for tests: what arrives and what leaves does so in pieces of any size.
#[cfg(test)]
pub(crate) mod choppy {
    use super::*;
    use levada_model::{Rng, SeededRng};
    use std::pin::Pin;
    use tokio::io::ReadBuf;

    /// Gives `incoming` and takes what is written, a few bytes at a time; every other call is not ready.
    pub(crate) struct Choppy {
        rng: SeededRng,
        incoming: Vec<u8>,
        pub(crate) written: Vec<u8>,
        rests: bool,
    }

    impl Choppy {
        pub(crate) fn new(seed: u64, incoming: Vec<u8>) -> Self {
            Self { rng: SeededRng::new(seed), incoming, written: Vec::new(), rests: false }
        }

        fn rest(&mut self, context: &Context<'_>) -> bool {
            self.rests = !self.rests;
            if self.rests {
                context.waker().wake_by_ref();
            }
            self.rests
        }

        fn piece(&self, size: usize) -> usize {
            let size_max = u64::try_from(size.min(4_000)).unwrap();
            usize::try_from(1 + self.rng.next_u64() % size_max).unwrap()
        }
    }

    impl AsyncRead for Choppy {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.incoming.is_empty() || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if self.rest(context) {
                return Poll::Pending;
            }
            let size = self.piece(self.incoming.len().min(buffer.remaining()));
            buffer.put_slice(&self.incoming[..size]);
            self.incoming.drain(..size);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Choppy {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            if self.rest(context) {
                return Poll::Pending;
            }
            let size = self.piece(bytes.len());
            self.written.extend_from_slice(&bytes[..size]);
            Poll::Ready(Ok(size))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Stream for Choppy {
        fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        /// Whoever has no socket has no disk that sends to one.
        fn poll_send(&mut self, _: &mut FileSlice, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
        }
    }
}
