//! The load of schemas under which the broker is hurt: clients that register new schemas and each other's, under many
//! subjects, delete some for good, and look up what they were told. None of them knows whether what was not answered
//! was done. In the end all is read and judged: what was acknowledged is there, and no id means two schemas.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use levada_model::{Rng as _, SeededRng};
use serde_json::{Value, json};

use super::course::RETRY_INTERVAL;
use crate::http_client::{Answer, HttpConnection};

const CLIENTS: u32 = 8;
const SUBJECTS: u64 = 24;
/// Of so many actions one is …
const REPEATS_ONE_IN: u64 = 4;
const LOOKS_ONE_IN: u64 = 5;
const DELETES_ONE_IN: u64 = 12;
/// What a healed broker takes to answer.
const LIVENESS_LIMIT: Duration = Duration::from_secs(60);

/// What one schema, by its number, was said to be.
#[derive(Debug, Default)]
struct Known {
    id: Option<i64>,
    /// Subjects under which it is, as they answered.
    subjects: Vec<u64>,
    /// Somebody asked to delete it: what comes of it is not looked at.
    is_doomed: bool,
}

#[derive(Debug)]
struct Shared {
    address: String,
    is_over: AtomicBool,
    answered: AtomicU64,
    known: Mutex<BTreeMap<u64, Known>>,
    /// Which schema an id was said to mean.
    ids: Mutex<BTreeMap<i64, u64>>,
    problems: Mutex<Vec<String>>,
    unanswered: AtomicU64,
    deleted: AtomicU64,
}

/// What was done.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) registered: usize,
    pub(super) lost: usize,
    schemas: usize,
    deleted: u64,
    unanswered: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registered, schemas, deleted, unanswered, .. } = self;
        write!(
            f,
            "{registered} registrations of {schemas} schemas acknowledged, {deleted} versions deleted for good, \
             {unanswered} requests not answered"
        )
    }
}

/// The running load.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts it against the registry at `address`, which must be up.
    pub(super) fn start(seed: u64, address: &str) -> Result<Self> {
        let free = json!({ "compatibility": "NONE" }).to_string();
        let mut connection = patient(address)?;
        let answer = connection.ask("PUT", "/config", Some(&free))?;
        ensure!(answer.status == 200, "the registry takes no settings: {}", answer.json()?);
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            is_over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            known: Mutex::default(),
            ids: Mutex::default(),
            problems: Mutex::default(),
            unanswered: AtomicU64::new(0),
            deleted: AtomicU64::new(0),
        });
        let client = |nth: u32| {
            let shared = Arc::clone(&shared);
            let rng = SeededRng::new(seed ^ (u64::from(nth) << 32));
            Ok(thread::Builder::new().name(format!("registers {nth}")).spawn(move || run(&shared, nth, &rng))?)
        };
        let clients = (0..CLIENTS).map(client).collect::<Result<_>>()?;
        Ok(Self { shared, clients })
    }

    /// How many registrations were acknowledged so far.
    pub(super) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Ends the load against a healed broker, reads everything, and answers what was done, and what is wrong.
    pub(super) fn finish(self) -> Result<(Tally, Vec<String>)> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().map_err(|_| anyhow!("a client of the test panicked"))?;
        }
        let lost = judge(&self.shared)?;
        let known = lock(&self.shared.known);
        let tally = Tally {
            registered: known.values().map(|known| known.subjects.len()).sum(),
            lost,
            schemas: known.len(),
            deleted: self.shared.deleted.load(Ordering::SeqCst),
            unanswered: self.shared.unanswered.load(Ordering::SeqCst),
        };
        Ok((tally, lock(&self.shared.problems).clone()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection to a registry that answers.
fn patient(address: &str) -> Result<HttpConnection> {
    let deadline = Instant::now() + LIVENESS_LIMIT;
    loop {
        let asked = HttpConnection::open(address)
            .and_then(|mut connection| Ok((connection.ask("GET", "/subjects", None)?.status, connection)));
        match asked {
            Ok((200, connection)) => return Ok(connection),
            _ if Instant::now() > deadline => return asked.map(|(_, connection)| connection).context("no answer"),
            _ => sleep(RETRY_INTERVAL),
        }
    }
}

fn schema(number: u64) -> String {
    format!(r#"{{"type":"enum","name":"E{number}","symbols":["A"]}}"#)
}

fn subject(number: u64) -> String {
    format!("s{number}")
}

impl Shared {
    fn problem(&self, text: String) {
        let mut problems = lock(&self.problems);
        if problems.len() < 20 && !problems.contains(&text) {
            problems.push(text);
        }
    }

    /// Takes note of a schema's id, as an answer gave it.
    fn means(&self, id: i64, number: u64) {
        let before = *lock(&self.ids).entry(id).or_insert(number);
        if before != number {
            self.problem(format!("id {id} was given to schema {before} and to schema {number}"));
        }
        let mut known = lock(&self.known);
        let known = known.entry(number).or_default();
        let is_doomed = known.is_doomed;
        let before = *known.id.get_or_insert(id);
        // A schema that was deleted for good and comes again is a new one.
        if before != id && !is_doomed {
            self.problem(format!("schema {number} has the ids {before} and {id}"));
        }
    }
}

/// One client, until the load is over.
fn run(shared: &Shared, nth: u32, rng: &SeededRng) {
    let mut connection = None;
    let mut fresh = u64::from(nth) << 40;
    while !shared.is_over.load(Ordering::SeqCst) {
        if connection.is_none() {
            connection = HttpConnection::open(&shared.address).ok();
        }
        let Some(open) = connection.as_mut() else {
            sleep(RETRY_INTERVAL);
            continue;
        };
        let done = if rng.next_u64().is_multiple_of(LOOKS_ONE_IN) {
            look(shared, open, rng)
        } else if rng.next_u64().is_multiple_of(DELETES_ONE_IN) {
            fresh += 1;
            delete(shared, open, fresh)
        } else {
            let number = other(shared, rng).unwrap_or_else(|| {
                fresh += 1;
                fresh
            });
            register(shared, open, number, rng.next_u64() % SUBJECTS).map(drop)
        };
        if done.is_err() {
            shared.unanswered.fetch_add(1, Ordering::SeqCst);
            connection = None;
        }
    }
}

/// A schema that somebody registered before, now and then.
fn other(shared: &Shared, rng: &SeededRng) -> Option<u64> {
    if !rng.next_u64().is_multiple_of(REPEATS_ONE_IN) {
        return None;
    }
    let known = lock(&shared.known);
    let at = usize::try_from(rng.next_u64() % u64::try_from(known.len().max(1)).ok()?).ok()?;
    known.iter().nth(at).filter(|(_, known)| !known.is_doomed).map(|(number, _)| *number)
}

/// Registers a schema; an error leaves open whether it was.
fn register(shared: &Shared, connection: &mut HttpConnection, number: u64, under: u64) -> Result<i64> {
    let answer = connection.register(&subject(under), &schema(number))?;
    let id = accepted(shared, &answer, "registration")?.get("id").and_then(Value::as_i64).context("no id")?;
    shared.means(id, number);
    let mut known = lock(&shared.known);
    let known = known.entry(number).or_default();
    if !known.subjects.contains(&under) {
        known.subjects.push(under);
    }
    shared.answered.fetch_add(1, Ordering::SeqCst);
    Ok(id)
}

/// The body of an answer that says yes. What a broker that starts or ends says is no answer; anything else is wrong.
fn accepted(shared: &Shared, answer: &Answer, what: &str) -> Result<Value> {
    let body = answer.json()?;
    match answer.status {
        200 => Ok(body),
        500 | 503 => Err(anyhow!("not now: {body}")),
        status => {
            shared.problem(format!("a {what} got status {status}: {body}"));
            Err(anyhow!("status {status}"))
        }
    }
}

/// Looks up a schema that was acknowledged.
fn look(shared: &Shared, connection: &mut HttpConnection, rng: &SeededRng) -> Result<()> {
    let picked = {
        let ids = lock(&shared.ids);
        let at = usize::try_from(rng.next_u64() % u64::try_from(ids.len().max(1))?)?;
        ids.iter().nth(at).map(|(id, number)| (*id, *number))
    };
    let Some((id, number)) = picked else { return Ok(()) };
    let answer = connection.ask("GET", &format!("/schemas/ids/{id}"), None)?;
    if lock(&shared.known).get(&number).is_none_or(|known| known.is_doomed) {
        return Ok(());
    }
    let body = accepted(shared, &answer, "lookup")?;
    if body.get("schema") != Some(&json!(schema(number))) {
        shared.problem(format!("id {id} is not schema {number} but {body}"));
    }
    Ok(())
}

/// Registers a schema, and deletes it for good.
fn delete(shared: &Shared, connection: &mut HttpConnection, number: u64) -> Result<()> {
    lock(&shared.known).entry(number).or_default().is_doomed = true;
    let own = format!("doomed-{number}");
    let answer = connection.register(&own, &schema(number))?;
    let id = accepted(shared, &answer, "registration")?.get("id").and_then(Value::as_i64).context("no id")?;
    shared.means(id, number);
    for how in ["false", "true"] {
        let answer = connection.ask("DELETE", &format!("/subjects/{own}?permanent={how}"), None)?;
        accepted(shared, &answer, "deletion")?;
    }
    shared.deleted.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Reads everything; answers how much of what was acknowledged is gone.
fn judge(shared: &Shared) -> Result<usize> {
    let mut connection = patient(&shared.address)?;
    let answer = connection.ask("GET", "/schemas?deleted=true", None)?;
    let all = answer.json()?;
    let all = all.as_array().with_context(|| format!("no list: {all}"))?;
    let mut found: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut texts: BTreeMap<i64, String> = BTreeMap::new();
    let mut versions: BTreeMap<(String, i64), String> = BTreeMap::new();
    for one in all {
        let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| one.get(name).and_then(Value::as_i64).unwrap_or_default();
        let (subject, schema, id) = (text("subject"), text("schema"), number("id"));
        let other = texts.entry(id).or_insert_with(|| schema.clone());
        if *other != schema {
            shared.problem(format!("id {id} is {other} and {schema}"));
        }
        if versions.insert((subject.clone(), number("version")), schema.clone()).is_some() {
            shared.problem(format!("subject {subject} has version {} twice", number("version")));
        }
        found.insert((subject, schema), id);
    }
    let mut lost = 0;
    for (number, known) in lock(&shared.known).iter().filter(|(_, known)| !known.is_doomed) {
        for under in &known.subjects {
            match found.get(&(subject(*under), schema(*number))) {
                None => {
                    lost += 1;
                    shared.problem(format!("schema {number} was registered under s{under} and is gone"));
                }
                Some(id) if Some(*id) != known.id => {
                    shared.problem(format!("schema {number} has id {id} under s{under}, not {:?}", known.id));
                }
                Some(_) => {}
            }
        }
    }
    // What was never answered is there or not; if it is, its id is nobody else's.
    for (id, text) in &texts {
        if let Some(number) = lock(&shared.ids).get(id).filter(|number| schema(**number) != *text) {
            shared.problem(format!("id {id} was given to schema {number} and is {text}"));
        }
    }
    Ok(lost)
}
