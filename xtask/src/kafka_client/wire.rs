//! One connection to a broker, blocking, with requests written ahead of their answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_protocol::message::Request;
use levada_protocol::{Decoder, Message, RequestHeader, ResponseHeader, encode_request};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
const FRAME_SIZE_MAX: usize = 64 << 20;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    /// Connects to a broker on loopback.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        Self::open_patiently(address, ANSWER_LIMIT)
    }

    /// As [`Self::open`], but answers may take up to `limit`.
    pub(crate) fn open_patiently(address: SocketAddr, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// Writes a request and answers its correlation id.
    pub(crate) fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<i32> {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: R::KEY.code(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("crash".into()),
        };
        let frame = encode_request(&header, request)?.into_bytes();
        self.stream.write_all(&frame)?;
        Ok(self.correlation_id)
    }

    /// Reads the next answer, which must be the one to `correlation_id`.
    pub(crate) fn receive<R: Request>(&mut self, correlation_id: i32, version: i16) -> Result<R::Response> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).context("a frame of negative size")?;
        ensure!(size <= FRAME_SIZE_MAX, "a frame of {size} bytes");
        let mut frame = vec![0; size];
        self.stream.read_exact(&mut frame)?;
        let mut decoder = Decoder::new(Bytes::from(frame));
        let header = ResponseHeader::decode(&mut decoder, R::KEY, version)?;
        ensure!(header.correlation_id == correlation_id, "answers came out of order");
        Ok(R::Response::decode(&mut decoder, version)?)
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        let correlation_id = self.send(request, version)?;
        self.receive::<R>(correlation_id, version)
    }
}
