//! [`Portals`]: prepared statements with their values, and the rows of them that are still to be fetched.
//!
//! Rows take room that others wait for: there are few at once, and they are given up when nobody fetches them.

use crate::{budget::Held, extended::Prepared, out::Formats, problem::Problem, run::Tag};
use levada_sql::{Answer, Value};
use levada_sql_server::Room;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Portals of one connection.
const PORTALS_MAX: usize = 100;
/// Those of which rows are to come.
const OPEN_MAX: usize = 8;
/// Rows of a portal that nobody fetches for so long are given up.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// A prepared statement with its values.
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) values: Vec<Value>,
    /// What the values take, until they are used.
    pub(crate) held: Option<Held>,
    pub(crate) results: Formats,
    pub(crate) state: State,
}

pub(crate) enum State {
    Bound,
    /// Some rows are to come.
    Open(Open),
    Done,
}

/// Rows of which some are to come.
pub(crate) struct Open {
    pub(crate) answer: Answer,
    /// What counts is that it is given back.
    pub(crate) _room: Option<Room>,
    pub(crate) next: usize,
    pub(crate) tag: Tag,
    /// When somebody last fetched some.
    pub(crate) since: Instant,
}

impl Portal {
    fn open(&self) -> Option<&Open> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Bound | State::Done => None,
        }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Portals(BTreeMap<String, Portal>);

impl Portals {
    pub(crate) fn get(&self, name: &str) -> Result<&Portal, Problem> {
        self.0.get(name).ok_or_else(|| missing(name))
    }

    pub(crate) fn take(&mut self, name: &str) -> Result<Portal, Problem> {
        self.0.remove(name).ok_or_else(|| missing(name))
    }

    pub(crate) fn close(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Refuses a name for which there is no place. The nameless one makes way for the next.
    pub(crate) fn make_way(&mut self, name: &str) -> Result<(), Problem> {
        if name.is_empty() {
            self.0.remove(name);
        }
        if self.0.contains_key(name) {
            return Err(Problem::new("42P03", format!("there is a portal `{name}` already")));
        }
        if self.0.len() >= PORTALS_MAX {
            return Err(Problem::new("53000", format!("there are {PORTALS_MAX} portals already")));
        }
        Ok(())
    }

    pub(crate) fn put(&mut self, name: &str, portal: Portal) {
        self.0.insert(name.to_owned(), portal);
    }

    /// Refuses another one that keeps rows.
    pub(crate) fn check_open(&self) -> Result<(), Problem> {
        if self.0.values().filter(|portal| portal.open().is_some()).count() < OPEN_MAX {
            return Ok(());
        }
        let problem = Problem::new("53000", format!("rows of {OPEN_MAX} portals are still to be fetched"));
        Err(problem.with_hint("fetch them to their end, or close some"))
    }

    /// When the first rows are given up, if nobody fetches any.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.0.values().filter_map(|portal| Some(portal.open()?.since + IDLE_MAX)).min()
    }

    /// Gives up rows that nobody has fetched for too long.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.0.retain(|_, portal| portal.open().is_none_or(|open| open.since + IDLE_MAX > now));
    }
}

fn missing(name: &str) -> Problem {
    Problem::new("34000", format!("there is no portal `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portal(since: Instant) -> Portal {
        let answer = Answer::texts(&["a"], &[vec![None]]).unwrap();
        let open = Open { answer, _room: None, next: 0, tag: Tag::Select, since };
        let prepared = Arc::new(Prepared::empty());
        Portal { prepared, values: Vec::new(), held: None, results: Formats::default(), state: State::Open(open) }
    }

    #[test]
    fn each_portal_has_its_own_time() {
        let begun = Instant::now();
        let mut portals = Portals::default();
        assert_eq!(portals.end(), None);
        portals.put("old", portal(begun));
        portals.put("new", portal(begun + IDLE_MAX / 2));
        portals.put("done", Portal { state: State::Done, ..portal(begun) });
        assert_eq!(portals.end(), Some(begun + IDLE_MAX));
        portals.forget(begun + IDLE_MAX);
        assert!(portals.get("old").is_err() && portals.get("new").is_ok() && portals.get("done").is_ok());
        assert_eq!(portals.end(), Some(begun + IDLE_MAX / 2 + IDLE_MAX));
    }

    #[test]
    fn so_many_keep_rows() {
        let mut portals = Portals::default();
        for number in 0..OPEN_MAX {
            assert!(portals.check_open().is_ok());
            portals.put(&number.to_string(), portal(Instant::now()));
        }
        assert_eq!(portals.check_open().unwrap_err().code, "53000");
        portals.close("3");
        assert!(portals.check_open().is_ok());
    }
}
