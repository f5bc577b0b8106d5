//! One plain connection to a broker, for what librdkafka does not do: many groups in one process, and fetch sessions.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_protocol::message::Request;
use levada_protocol::messages::FindCoordinatorRequest;
use levada_protocol::{Decoder, ErrorCode, Message, RequestHeader, ResponseHeader, encode_request};

const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
const FIND_COORDINATOR_VERSION: i16 = 3;

/// An open connection, blocking, one request at a time.
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    pub fn open(brokers: &str) -> Result<Self> {
        let address: SocketAddr = brokers.parse().context("one broker by its number is wanted")?;
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation_id: 0 })
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let header = RequestHeader {
            api_key: R::KEY.code(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("bench".into()),
        };
        self.stream.write_all(&encode_request(&header, request)?.into_bytes())?;
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size))?];
        self.stream.read_exact(&mut frame)?;
        let mut decoder = Decoder::new(Bytes::from(frame));
        let header = ResponseHeader::decode(&mut decoder, R::KEY, version)?;
        ensure!(header.correlation_id == self.correlation_id, "an answer to something else");
        Ok(R::Response::decode(&mut decoder, version)?)
    }

    /// Waits until groups are served, which creates the place of their offsets where that is missing.
    pub fn await_coordinator(&mut self) -> Result<()> {
        retry(|| {
            let request = FindCoordinatorRequest { key: "bench".into(), ..FindCoordinatorRequest::default() };
            Ok((self.call(&request, FIND_COORDINATOR_VERSION)?.error_code, ()))
        })
    }
}

/// Repeats what answers an error code until it is none: coordinators take a while after a start.
pub fn retry<T>(mut attempt: impl FnMut() -> Result<(i16, T)>) -> Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (code, answer) = attempt()?;
        if code == 0 {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "still refused after {LIMIT:?}: {}", error_name(code));
        sleep(PAUSE);
    }
}

/// Fails where the code is an error.
pub fn check(code: i16) -> Result<()> {
    ensure!(code == 0, "refused: {}", error_name(code));
    Ok(())
}

fn error_name(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.name().to_owned())
}
