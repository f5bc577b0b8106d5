//! [`Remote`]: the server, asked over HTTP.

use levada_sql_syntax::SyntaxError;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
    time::Duration,
};
use tokio::sync::mpsc;
use ureq::{Agent, Body, http::Response};

/// The largest answer.
const ANSWER_SIZE_MAX: u64 = 1 << 30;
/// The longest line of an event.
const LINE_SIZE_MAX: u64 = 256 << 20;
/// Events that wait to be shown.
const WAITING_MAX: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a statement came to.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Outcome {
    Rows { columns: Vec<Column>, rows: Vec<Row> },
    Done { message: String },
    Statement { name: String },
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
}

pub(super) type Row = Map<String, Value>;

/// Why a statement was not carried out.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    message: String,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    column: Option<u64>,
    #[serde(default)]
    hint: Option<String>,
    /// An error of our own, to be told as it is.
    #[serde(skip)]
    cause: Option<std::io::Error>,
}

impl Failure {
    pub(super) fn plain(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// With the line of `text` that it is about.
    pub(super) fn shown(self, text: &str) -> anyhow::Error {
        let Self { mut message, line, column, hint, cause } = self;
        if let Some(cause) = cause {
            return cause.into();
        }
        if let (Some(line), Some(column)) = (line, column) {
            let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
            if let Some(shown) = text.lines().nth(index) {
                message.push_str(&caret(shown, line, column));
            }
        }
        if let Some(hint) = hint {
            message.push_str(&format!("\n  {hint}"));
        }
        anyhow::Error::msg(message)
    }
}

/// Columns of a line that are shown around the place.
const SHOWN_MAX: usize = 120;

/// A line with a caret under one of its characters.
fn caret(text: &str, line: u64, column: u64) -> String {
    let at = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
    let from = if at < SHOWN_MAX { 0 } else { at - SHOWN_MAX / 2 };
    let shown: String = text.chars().skip(from).take(SHOWN_MAX).collect();
    let blank = |letter: char| if letter == '\t' { '\t' } else { ' ' };
    let before: String = text.chars().skip(from).take(at - from).map(blank).collect();
    let margin = " ".repeat(line.to_string().len());
    format!("\n  {line} | {shown}\n  {margin} | {before}^")
}

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        let (line, column) = (Some(error.position.line), Some(error.position.column));
        Self { message: error.message, line, column, hint: error.hint, cause: None }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self { cause: Some(error), ..Self::default() }
    }
}

/// What statements came to, up to the first that failed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) results: Vec<Outcome>,
    #[serde(default)]
    settings: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) error: Option<Failure>,
}

/// A table that can be named.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    #[serde(default)]
    pub(super) columns: Vec<String>,
}

/// Something that comes while a query is watched.
#[derive(Debug)]
pub(super) enum Event {
    Columns(Vec<Column>),
    Epoch(Epoch),
    Failed(Failure),
}

/// The net changes of an epoch.
#[derive(Debug, Deserialize)]
pub(super) struct Epoch {
    pub(super) epoch: u64,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) op: String,
    pub(super) row: Row,
}

/// The server, with what was set.
pub(super) struct Remote {
    agent: Agent,
    server: String,
    settings: BTreeMap<String, String>,
}

impl Remote {
    pub(super) fn new(server: &str) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT_TIMEOUT));
        let server = match server.contains("://") {
            true => server.trim_end_matches('/').to_owned(),
            false => format!("http://{server}"),
        };
        Self { agent: config.build().new_agent(), server, settings: BTreeMap::new() }
    }

    /// Whether queries are answered once.
    pub(super) fn is_batch(&self) -> bool {
        self.settings.get("execution.runtime-mode").is_some_and(|mode| mode == "batch")
    }

    /// Carries out statements; what they set stays set.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<Answer, Failure> {
        let body = json!({ "sql": sql, "settings": self.settings });
        let (agent, url) = (self.agent.clone(), format!("{}/v1/sql", self.server));
        let asked = move || {
            let mut response = post(&agent, &url, &body)?;
            let answer: Answer = read(&url, &mut response)?;
            Ok::<_, Failure>(answer)
        };
        let answer = apart(asked).await?;
        if let Some(settings) = &answer.settings {
            self.settings.clone_from(settings);
        }
        Ok(answer)
    }

    /// Watches a query.
    pub(super) async fn watch(&self, sql: &str) -> Result<mpsc::Receiver<Event>, Failure> {
        let body = json!({ "sql": sql, "settings": self.settings });
        let (agent, url) = (self.agent.clone(), format!("{}/v1/sql/live", self.server));
        let asked = move || {
            let mut response = post(&agent, &url, &body)?;
            if response.status().is_success() {
                return Ok(response);
            }
            let answer: Answer = read(&url, &mut response)?;
            Err(answer.error.unwrap_or_else(|| Failure::plain(format!("status {}", response.status()))))
        };
        let response = apart(asked).await?;
        let (events, waiting) = mpsc::channel(WAITING_MAX);
        // It ends with its connection, or when nobody waits.
        std::thread::spawn(move || follow(response.into_body().into_reader(), &events));
        Ok(waiting)
    }

    /// What can be named; nothing where the server does not say.
    pub(super) async fn named(&self) -> Vec<Named> {
        let (agent, url) = (self.agent.clone(), format!("{}/v1/tables", self.server));
        let asked = move || {
            let mut response = agent.get(&url).call().map_err(|error| unreachable(&url, &error))?;
            read(&url, &mut response)
        };
        apart(asked).await.unwrap_or_default()
    }
}

/// Does what waits for the server where it keeps nobody from hearing ctrl-C.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::plain(format!("asking the server failed: {error}"))))
}

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    let mut failure = Failure::plain(format!("`{url}` does not answer: {error}"));
    failure.hint =
        Some("is Levada running there? `levada serve` starts it; `--server HOST:PORT` names another".to_owned());
    failure
}

fn post(agent: &Agent, url: &str, body: &Value) -> Result<Response<Body>, Failure> {
    let request = agent.post(url).header("content-type", "application/json");
    request.send(body.to_string()).map_err(|error| unreachable(url, &error))
}

fn read<T: serde::de::DeserializeOwned>(url: &str, response: &mut Response<Body>) -> Result<T, Failure> {
    let bytes = response.body_mut().with_config().limit(ANSWER_SIZE_MAX).read_to_vec();
    let bytes = bytes.map_err(|error| unreachable(url, &error))?;
    let status = response.status();
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::plain(format!("`{url}` answers what is not understood (status {status}): {error}")))
}

/// Reads server-sent events until they end or nobody waits for them.
///
/// Source: WHATWG HTML, 9.2.6, as far as our server uses it.
fn follow(body: impl Read, events: &mpsc::Sender<Event>) {
    let mut body = BufReader::new(body);
    let (mut name, mut data) = (String::new(), String::new());
    let mut line = String::new();
    loop {
        line.clear();
        match body.by_ref().take(LINE_SIZE_MAX).read_line(&mut line) {
            Ok(count) if count > 0 && line.ends_with('\n') => {}
            Ok(_) => return,
            Err(error) => {
                drop(events.blocking_send(Event::Failed(Failure::plain(format!("the connection broke: {error}")))));
                return;
            }
        }
        let text = line.trim_end_matches(['\r', '\n']);
        if let Some(value) = text.strip_prefix("event: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = text.strip_prefix("data: ") {
            data.push_str(value);
        } else if text.is_empty() && !name.is_empty() {
            let read = event(&name, &data);
            let is_last = matches!(read, Event::Failed(_));
            if events.blocking_send(read).is_err() || is_last {
                return;
            }
            (name, data) = (String::new(), String::new());
        }
        if events.is_closed() {
            return;
        }
    }
}

fn event(name: &str, data: &str) -> Event {
    let read = match name {
        "columns" => serde_json::from_str(data).map(Event::Columns),
        "epoch" => serde_json::from_str(data).map(Event::Epoch),
        "error" => serde_json::from_str(data).map(Event::Failed),
        other => return Event::Failed(Failure::plain(format!("the server sends `{other}`, which is not understood"))),
    };
    read.unwrap_or_else(|error| Event::Failed(Failure::plain(format!("an event is not understood: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_line_with_a_caret() {
        let failure = Failure {
            message: "there is no table `x`".to_owned(),
            line: Some(2),
            column: Some(8),
            hint: Some("did you mean `y`?".to_owned()),
            cause: None,
        };
        let shown = failure.shown("SELECT *\n\tFROM  x;\n").to_string();
        assert_eq!(shown, "there is no table `x`\n  2 | \tFROM  x;\n    | \t      ^\n  did you mean `y`?");
        assert_eq!(Failure::plain("no").shown("a").to_string(), "no");
        let far = caret(&format!("{}x", " ".repeat(500)), 1, 501);
        assert!(far.ends_with('^') && far.len() < 260, "{far}");
    }

    #[test]
    fn events_are_read_line_by_line() {
        let text = ":\n\nevent: columns\ndata: [{\"name\":\"a\",\"type\":\"INT\"}]\n\nevent: epoch\nid: 1\ndata: \
                    {\"epoch\":1,\"changes\":[{\"op\":\"+I\",\"row\":{\"a\":1}}]}\n\nevent: error\ndata: \
                    {\"message\":\"no\"}\n\n";
        let (events, mut waiting) = mpsc::channel(8);
        follow(text.as_bytes(), &events);
        drop(events);
        let next = |waiting: &mut mpsc::Receiver<Event>| waiting.blocking_recv();
        assert!(matches!(next(&mut waiting), Some(Event::Columns(columns)) if columns[0].name == "a"));
        assert!(matches!(next(&mut waiting), Some(Event::Epoch(epoch)) if epoch.changes[0].op == "+I"));
        assert!(matches!(next(&mut waiting), Some(Event::Failed(failure)) if failure.message == "no"));
        assert!(next(&mut waiting).is_none());
    }
}
