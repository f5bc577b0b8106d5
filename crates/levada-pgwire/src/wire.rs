//! [`Io`]: messages of the client, none of which is taken in before its size is known to be bearable.

use crate::out::{Format, Formats, Out};
use bytes::{Buf as _, Bytes, BytesMut};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// The first message, in bytes.
const STARTUP_SIZE_MAX: usize = 10_000;
/// Values for a statement.
const BIND_SIZE_MAX: usize = 16 << 20;
/// A text of statements, with what is sent with it.
const TEXT_SIZE_MAX: usize = (1 << 20) + (64 << 10);
/// Any other message.
const SIZE_MAX: usize = 64 << 10;
/// So much is gathered before it is sent.
pub(crate) const SEND_SIZE: usize = 64 << 10;
/// Whoever does not read what was sent for so long is cut off.
const SEND_MAX: Duration = Duration::from_secs(60);
/// Whoever has begun a message and does not end it for so long, too.
const REST_MAX: Duration = Duration::from_secs(60);
/// So much is taken in of what a client sends while it has to wait.
const AHEAD_MAX: usize = 64 << 10;
/// The pause between two looks at whether a client is gone that has sent more than that.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(String),
    #[error("the client went while its statement ran")]
    Gone,
}

fn protocol<T>(what: impl Into<String>) -> Result<T, WireError> {
    Err(WireError::Protocol(what.into()))
}

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Execute {
        portal: String,
        rows_max: usize,
    },
    Close(Target),
    Sync,
    Flush,
    Terminate,
    /// One that means nothing here.
    Ignored,
}

/// Values for a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) formats: Formats,
    pub(crate) values: Vec<Option<Bytes>>,
    pub(crate) results: Formats,
}

/// What is described or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// A connection's bytes.
#[derive(Debug)]
pub(crate) struct Io {
    stream: TcpStream,
    read: BytesMut,
    /// Since when it is known that a message has begun.
    begun: Option<Instant>,
    pub(crate) out: Out,
}

impl Io {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, read: BytesMut::new(), begun: None, out: Out::default() }
    }

    /// Sends what is gathered. Where this is dropped, what was not sent is still to be.
    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        let end = Instant::now() + SEND_MAX;
        while !self.out.bytes.is_empty() {
            match timeout_at(end, self.stream.write_buf(&mut self.out.bytes)).await {
                Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(sent) => {
                    let _size = sent?;
                }
                Err(_) => return protocol("nobody reads what is sent"),
            }
        }
        // What was large is not kept.
        self.out.bytes = BytesMut::new();
        Ok(())
    }

    /// Sends what is gathered, where it is much.
    pub(crate) async fn flush_much(&mut self) -> Result<(), WireError> {
        if self.out.bytes.len() < SEND_SIZE {
            return Ok(());
        }
        self.flush().await
    }

    /// Sends one byte, which answers a wish.
    pub(crate) async fn answer(&mut self, byte: u8) -> Result<(), WireError> {
        Ok(self.stream.write_all(&[byte]).await?)
    }

    /// The body of the first message; none where the client is gone.
    pub(crate) async fn startup(&mut self) -> Result<Option<Bytes>, WireError> {
        if !self.fill(4).await? {
            return Ok(None);
        }
        let size = usize::try_from((&self.read[..4]).get_i32()).unwrap_or(0);
        if !(8..=STARTUP_SIZE_MAX).contains(&size) {
            return protocol(format!("the first message is said to have {size} bytes"));
        }
        self.body(4, size).await
    }

    /// The next message; none where the client is gone. Nothing is lost where this is dropped.
    pub(crate) async fn message(&mut self) -> Result<Option<Message>, WireError> {
        if !self.fill(1).await? {
            return Ok(None);
        }
        let end = *self.begun.get_or_insert_with(Instant::now) + REST_MAX;
        match timeout_at(end, self.whole()).await {
            Ok(message) => {
                self.begun = None;
                message
            }
            Err(_) => protocol("the rest of a message does not come"),
        }
    }

    /// Resolves when the client is gone. What it sends meanwhile is kept for later.
    pub(crate) async fn gone(&mut self) {
        while self.read.len() < AHEAD_MAX {
            self.read.reserve(4 << 10);
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        // Behind what is not taken in, its end shows all the same.
        loop {
            match self.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(LOOK_AGAIN).await,
                _ => return,
            }
        }
    }

    async fn whole(&mut self) -> Result<Option<Message>, WireError> {
        if !self.fill(5).await? {
            return Ok(None);
        }
        let tag = self.read[0];
        let size = usize::try_from((&self.read[1..5]).get_i32()).unwrap_or(0);
        let size_max = match tag {
            b'B' => BIND_SIZE_MAX,
            b'Q' | b'P' => TEXT_SIZE_MAX,
            _ => SIZE_MAX,
        };
        if !(4..=size_max).contains(&size) {
            let tag = tag.escape_ascii();
            return protocol(format!("message `{tag}` has {size} bytes; it may have {size_max}"));
        }
        let Some(body) = self.body(5, size + 1).await? else { return Ok(None) };
        read(tag, Body(body)).map(Some)
    }

    /// What lies behind the first `skip` of `size` bytes.
    async fn body(&mut self, skip: usize, size: usize) -> Result<Option<Bytes>, WireError> {
        if !self.fill(size).await? {
            return Ok(None);
        }
        let mut message = self.read.split_to(size);
        message.advance(skip);
        Ok(Some(message.freeze()))
    }

    /// Reads until there are so many bytes; false where the client is gone. Nothing is lost where it is dropped.
    async fn fill(&mut self, size: usize) -> Result<bool, WireError> {
        while self.read.len() < size {
            // Room grows with what comes, not with what is announced.
            self.read.reserve((size - self.read.len()).min(SIZE_MAX));
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The body of a message.
pub(crate) struct Body(pub(crate) Bytes);

impl Body {
    pub(crate) fn i32(&mut self) -> Result<i32, WireError> {
        if self.0.len() < 4 {
            return protocol("a message is too short");
        }
        Ok(self.0.get_i32())
    }

    /// A number of things, each of which has so many bytes at least.
    fn count(&mut self, size_min: usize) -> Result<usize, WireError> {
        if self.0.len() < 2 {
            return protocol("a message is too short");
        }
        let count = usize::from(self.0.get_u16());
        if count * size_min > self.0.len() {
            return protocol("a message is too short");
        }
        Ok(count)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        if self.0.is_empty() {
            return protocol("a message is too short");
        }
        Ok(self.0.get_u8())
    }

    /// A text up to its zero.
    pub(crate) fn text(&mut self) -> Result<String, WireError> {
        let Some(end) = self.0.iter().position(|byte| *byte == 0) else { return protocol("a text has no end") };
        let text = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => protocol("a text is no UTF-8"),
        }
    }

    fn formats(&mut self) -> Result<Formats, WireError> {
        let format = |body: &mut Self| {
            let code = (body.byte()?, body.byte()?);
            match code {
                (0, 0) => Ok(Format::Text),
                (0, 1) => Ok(Format::Binary),
                _ => protocol("there are the formats 0 and 1"),
            }
        };
        let count = self.count(2)?;
        (0..count).map(|_| format(self)).collect::<Result<_, _>>().map(Formats)
    }

    fn value(&mut self) -> Result<Option<Bytes>, WireError> {
        match self.i32()? {
            -1 => Ok(None),
            size => match usize::try_from(size) {
                Ok(size) if size <= self.0.len() => Ok(Some(self.0.split_to(size))),
                _ => protocol("a value is longer than its message"),
            },
        }
    }

    fn target(&mut self) -> Result<Target, WireError> {
        match self.byte()? {
            b'S' => self.text().map(Target::Statement),
            b'P' => self.text().map(Target::Portal),
            _ => protocol("only statements and portals are described and closed"),
        }
    }
}

fn read(tag: u8, mut body: Body) -> Result<Message, WireError> {
    let message = match tag {
        b'Q' => Message::Query(body.text()?),
        b'P' => {
            let (name, sql, count) = (body.text()?, body.text()?, body.count(4)?);
            let oid = |body: &mut Body| body.i32().map(|oid| u32::from_be_bytes(oid.to_be_bytes()));
            Message::Parse { name, sql, types: (0..count).map(|_| oid(&mut body)).collect::<Result<_, _>>()? }
        }
        b'B' => {
            let (portal, statement, formats) = (body.text()?, body.text()?, body.formats()?);
            let count = body.count(4)?;
            let values = (0..count).map(|_| body.value()).collect::<Result<_, _>>()?;
            Message::Bind(Bind { portal, statement, formats, values, results: body.formats()? })
        }
        b'D' => Message::Describe(body.target()?),
        b'C' => Message::Close(body.target()?),
        b'E' => {
            let (portal, rows) = (body.text()?, body.i32()?);
            let rows_max = usize::try_from(rows).ok().filter(|rows| *rows > 0).unwrap_or(usize::MAX);
            Message::Execute { portal, rows_max }
        }
        b'S' => Message::Sync,
        b'H' => Message::Flush,
        b'X' => Message::Terminate,
        // What belongs to a COPY, of which there is none, or to a password, which nobody asked for.
        b'd' | b'c' | b'f' | b'p' => return Ok(Message::Ignored),
        tag => return protocol(format!("there is no message `{}`", tag.escape_ascii())),
    };
    match body.0.is_empty() {
        true => Ok(message),
        false => protocol(format!("message `{}` is longer than what it says", tag.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &'static [u8]) -> Result<Message, WireError> {
        read(tag, Body(Bytes::from_static(body)))
    }

    #[test]
    fn messages_are_read_to_their_last_byte() {
        assert_eq!(message(b'Q', b"SELECT 1\0").unwrap(), Message::Query("SELECT 1".to_owned()));
        let parse = Message::Parse { name: "s".to_owned(), sql: "x".to_owned(), types: vec![23, 0] };
        assert_eq!(message(b'P', b"s\0x\0\0\x02\0\0\0\x17\0\0\0\0").unwrap(), parse);
        let bind = message(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x01a\xff\xff\xff\xff\0\0").unwrap();
        let Message::Bind(bind) = bind else { panic!("no bind") };
        assert_eq!(bind.values, [Some(Bytes::from_static(b"a")), None]);
        assert_eq!((bind.formats.of(1), bind.results.of(0)), (Format::Binary, Format::Text));
        let execute = Message::Execute { portal: String::new(), rows_max: usize::MAX };
        assert_eq!(message(b'E', b"\0\0\0\0\0").unwrap(), execute);
    }

    #[test]
    fn whatever_bytes_come_they_are_read_or_refused() {
        let wrong: [(u8, &[u8]); 9] = [
            (b'Q', b"SELECT 1"),
            (b'Q', b"a\0b"),
            (b'Q', b"\xff\0"),
            (b'P', b"s\0x\0\xff\xff"),
            (b'B', b"\0\0\0\x01\0\x02\0\0\0\0"),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x09a\0\0"),
            (b'D', b"Xa\0"),
            (b'E', b"\0\0"),
            (b'?', b""),
        ];
        for (tag, body) in wrong {
            assert!(read(tag, Body(Bytes::copy_from_slice(body))).is_err(), "{tag} {body:?}");
        }
    }
}
