//! Walks a broker through scenarios and keeps what it answers. Judges nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_protocol::{ApiKey, Decoder, Encoder, RequestHeader, ResponseHeader};
use serde_json::Value;

use super::script::{Action, Scenario, Step, at};
use super::wire::{Bound, Variables, Wire};

const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// No answer takes longer, waits that were asked for included.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long a step is repeated until its answer is the one that is waited for.
const UNTIL_LIMIT: Duration = Duration::from_secs(10);
const UNTIL_PAUSE: Duration = Duration::from_millis(20);
const FRAME_SIZE_MAX: usize = 64 << 20;
const CLIENT_ID: &str = "judge";
const UNSUPPORTED_VERSION: [u8; 2] = 35_i16.to_be_bytes();

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The body of the response.
    Answer(Vec<u8>),
    /// The connection was closed.
    Closed,
    /// Nothing was to come, and nothing came.
    Silence,
}

/// The tree of an answer.
pub(super) fn tree(wire: &Wire, step: &Step, answer: &[u8]) -> Result<Value> {
    // Who asks for the versions in one that is not there is answered in version 0. Source: KIP-511.
    let refused = step.api == ApiKey::ApiVersions && answer.starts_with(&UNSUPPORTED_VERSION);
    wire.read(step.api, if refused { 0 } else { step.version }, answer)
}

/// Binds what `step` wants to keep of its answer.
pub(super) fn bind(step: &Step, tree: &Value, variables: &mut Variables) {
    for (name, path) in &step.bind {
        // What is not there stays unbound: who needs it says so.
        if let Some(value) = at(tree, path) {
            let field = path.rsplit('.').next().unwrap_or_default().to_owned();
            variables.insert(name.clone(), Bound { value: value.clone(), field });
        }
    }
}

/// One broker and the connections to it.
pub(super) struct Runner<'a> {
    wire: &'a Wire,
    address: SocketAddr,
    connections: BTreeMap<String, Connection>,
}

impl<'a> Runner<'a> {
    /// Will ask the broker at `bootstrap`.
    pub(super) fn new(wire: &'a Wire, bootstrap: &str) -> Result<Self> {
        Ok(Self { wire, address: bootstrap.parse()?, connections: BTreeMap::new() })
    }

    /// Walks through a scenario; one outcome a step.
    pub(super) fn run(&mut self, scenario: &Scenario) -> Result<Vec<Outcome>> {
        let mut variables = Variables::new();
        self.connections.clear();
        let step =
            |step| self.step(step, &mut variables).with_context(|| format!("{}: {}", scenario.name, Step::line(step)));
        scenario.steps.iter().map(step).collect()
    }

    fn step(&mut self, step: &Step, variables: &mut Variables) -> Result<Outcome> {
        let deadline = Instant::now() + UNTIL_LIMIT;
        loop {
            let outcome = self.attempt(step, variables)?;
            let tree = match &outcome {
                Outcome::Answer(answer) => tree(self.wire, step, answer)?,
                Outcome::Closed | Outcome::Silence => Value::Null,
            };
            if step.until.as_ref().is_none_or(|(path, value)| at(&tree, path) == Some(value)) {
                bind(step, &tree, variables);
                return Ok(outcome);
            }
            ensure!(Instant::now() < deadline, "never came to what was waited for: {tree}");
            sleep(UNTIL_PAUSE);
        }
    }

    fn attempt(&mut self, step: &Step, variables: &Variables) -> Result<Outcome> {
        if !self.connections.contains_key(&step.on) {
            self.connections.insert(step.on.clone(), Connection::open(self.address)?);
        }
        let connection = self.connections.get_mut(&step.on).context("it was just opened")?;
        let outcome = match attempt(connection, self.wire, step, variables) {
            Err(error) if is_closed(&error) => Ok(Outcome::Closed),
            other => other,
        };
        if matches!(outcome, Ok(Outcome::Closed)) {
            self.connections.remove(&step.on);
        }
        outcome
    }
}

fn attempt(connection: &mut Connection, wire: &Wire, step: &Step, variables: &Variables) -> Result<Outcome> {
    let body = |variables| wire.write(step.api, step.version, &step.body, variables);
    match step.action {
        Action::Call => {
            connection.send(step.api, step.version, &body(variables)?)?;
            connection.receive().map(Outcome::Answer)
        }
        Action::Send => {
            connection.send(step.api, step.version, &body(variables)?)?;
            Ok(Outcome::Silence)
        }
        Action::Receive => connection.receive().map(Outcome::Answer),
        Action::Unanswered => {
            connection.send(step.api, step.version, &body(variables)?)?;
            connection.waiting.clear();
            connection.send(ApiKey::ApiVersions, 0, &[])?;
            connection.receive().map(|_| Outcome::Silence)
        }
    }
}

/// Whether the other side closed the connection.
fn is_closed(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

struct Connection {
    stream: TcpStream,
    correlation_id: i32,
    /// Requests without an answer.
    waiting: VecDeque<(i32, ApiKey, i16)>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, correlation_id: 0, waiting: VecDeque::new() })
    }

    fn send(&mut self, api: ApiKey, version: i16, body: &[u8]) -> Result<()> {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: api.code(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some(CLIENT_ID.into()),
        };
        let mut encoder = Encoder::default();
        header.encode(&mut encoder)?;
        let head = encoder.into_bytes();
        let mut frame = i32::try_from(head.len() + body.len())?.to_be_bytes().to_vec();
        frame.extend(head);
        frame.extend(body);
        self.stream.write_all(&frame)?;
        self.waiting.push_back((self.correlation_id, api, version));
        Ok(())
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let (correlation_id, api, version) = self.waiting.pop_front().context("nothing was asked")?;
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size)).context("a frame of negative size")?;
        ensure!(size <= FRAME_SIZE_MAX, "a frame of {size} bytes");
        let mut frame = vec![0; size];
        self.stream.read_exact(&mut frame)?;
        let mut decoder = Decoder::new(Bytes::from(frame));
        let header = ResponseHeader::decode(&mut decoder, api, version)?;
        ensure!(header.correlation_id == correlation_id, "answers came out of order");
        Ok(decoder.peek().to_vec())
    }
}
