//! A small client of HTTP, of the schema registry and of SQL, that asks plainly and hides nothing, for loads and for
//! tests that judge the answers. It retries nothing: what a failure means is its user's to say.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(30);
/// No answer that is asked for here is longer.
const ANSWER_SIZE_MAX: usize = 64 << 20;

/// One connection, kept open.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    stream: BufReader<TcpStream>,
    host: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body, which is JSON whatever the status.
    pub(crate) fn json(&self) -> Result<Value> {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body).with_context(|| format!("status {}: `{text}` is not JSON", self.status))
    }

    /// A number of an answer that is no refusal.
    pub(crate) fn number(&self, name: &str) -> Result<i64> {
        let body = self.json()?;
        ensure!(self.status == 200, "status {}: {body}", self.status);
        body.get(name).and_then(Value::as_i64).with_context(|| format!("no `{name}` in {body}"))
    }
}

impl HttpConnection {
    /// Connects to `host:port`.
    pub(crate) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to `{address}`"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream), host: address.to_owned() })
    }

    /// Registers an Avro schema.
    pub(crate) fn register(&mut self, subject: &str, schema: &str) -> Result<Answer> {
        let body = json!({ "schema": schema }).to_string();
        self.ask("POST", &format!("/subjects/{subject}/versions"), Some(&body))
    }

    /// Sends one request and reads its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        if let Some(body) = body {
            // For the registry; SQL does not look at it.
            request.push_str("content-type: application/vnd.schemaregistry.v1+json\r\n");
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or_default());
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the server hung up");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{line}` is no status line"))?;
        let mut length = 0;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the answer ends within its headers");
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("content-length is no number")?;
            }
        }
        ensure!(length <= ANSWER_SIZE_MAX, "an answer of {length} bytes");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }
}
