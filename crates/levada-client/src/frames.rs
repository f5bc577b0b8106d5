//! Frames on a stream: a four-byte size, then that many bytes.

use bytes::{Buf, Bytes, BytesMut};
use std::{collections::VecDeque, io, io::IoSlice};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Memory that is made ready before the bytes for it arrive.
const READ_AHEAD: usize = 64 * 1024;

/// Reads frames; memory grows with what arrives, not with what a size announces.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of at most `bytes_max` from `stream`.
    pub(crate) fn new(stream: R, bytes_max: usize) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(READ_AHEAD), bytes_max }
    }

    /// The next frame without its size; `None` where the stream ends between frames.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if !self.fill(4).await? {
            return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let announced = self.buffer.get_i32();
        let size = usize::try_from(announced).ok().filter(|&size| size <= self.bytes_max).ok_or_else(|| {
            let text = format!("a frame announces {announced} bytes, the limit is {}", self.bytes_max);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        if !self.fill(size).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(self.buffer.split_to(size).freeze()))
    }

    /// Reads until `size` bytes are there; false where the stream ends before.
    async fn fill(&mut self, size: usize) -> io::Result<bool> {
        while self.buffer.len() < size {
            let missing = size - self.buffer.len();
            self.buffer.reserve(missing.min(self.buffer.len()).max(READ_AHEAD));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Pieces that are written one after the other without being copied together.
#[derive(Debug)]
pub(crate) struct Segments(VecDeque<Bytes>);

impl Segments {
    /// Writes `pieces` in order.
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        Self(pieces.into_iter().filter(|piece| !piece.is_empty()).collect())
    }
}

impl Buf for Segments {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let front = self.0.front_mut().expect("nobody advances beyond the end");
            if front.len() > left {
                front.advance(left);
                return;
            }
            left -= front.len();
            self.0.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(&self.0).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_cut_by_their_sizes() {
        let mut reader = FrameReader::new(&b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c"[..], 10);
        assert_eq!(reader.next().await.unwrap().unwrap(), "ab");
        assert_eq!(reader.next().await.unwrap().unwrap(), "");
        assert_eq!(reader.next().await.unwrap().unwrap(), "c");
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_size_beyond_the_limit_is_refused_before_memory_is_taken() {
        for size in [11_i32, i32::MAX, -1] {
            let bytes = size.to_be_bytes();
            let error = FrameReader::new(&bytes[..], 10).next().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        let mut cut = FrameReader::new(&b"\x06\0\0\0ab"[..], usize::MAX);
        assert_eq!(cut.next().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(cut.buffer.capacity() <= 2 * READ_AHEAD);
    }

    #[test]
    fn segments_advance_over_their_borders() {
        let pieces = [&b"abc"[..], b"", b"de", b"f"].map(Bytes::copy_from_slice).to_vec();
        let mut segments = Segments::new(pieces);
        assert_eq!((segments.remaining(), segments.chunk()), (6, &b"abc"[..]));
        segments.advance(4);
        assert_eq!((segments.remaining(), segments.chunk()), (2, &b"e"[..]));
        segments.advance(2);
        assert!(!segments.has_remaining());
    }
}
