//! The extended way to ask: a statement is prepared once, and carried out with values, in text or in binary.

use crate::{
    connection::{Broken, Connection},
    decode,
    encode::Row,
    out::Formats,
    problem::Problem,
    run::{Came, Parameters, Statement, Tag, cut},
    simple::several,
    wire::{Bind, Target},
};
use levada_sql::{Answer, Value, pg_catalog::pg_type, query::Column, types::Type};
use levada_sql_server::{Described, Room};
use std::sync::Arc;

/// Prepared statements of one connection.
const PREPARED_MAX: usize = 1_000;
/// Portals of one connection.
const PORTALS_MAX: usize = 100;

/// A statement that was prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// None: the text was empty.
    statement: Option<Statement>,
    /// The types of its parameters, as the client was told.
    oids: Vec<u32>,
    types: Vec<Type>,
    columns: Option<Vec<Column>>,
}

/// A prepared statement with its values.
pub(crate) struct Portal {
    prepared: Arc<Prepared>,
    values: Vec<Value>,
    results: Formats,
    state: State,
}

enum State {
    Bound,
    /// Some rows are to come.
    Open {
        answer: Answer,
        room: Option<Room>,
        next: usize,
        tag: Tag,
    },
    Done,
}

impl Portal {
    /// Whether rows of it are to come.
    pub(crate) fn holds_rows(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

impl Connection {
    pub(crate) async fn parse(&mut self, name: String, sql: &str, oids: Vec<u32>) -> Result<(), Broken> {
        if !name.is_empty() && self.prepared.contains_key(&name) {
            return Err(Problem::new("42P05", format!("there is a prepared statement `{name}` already")).into());
        }
        if self.prepared.len() >= PREPARED_MAX && !self.prepared.contains_key(&name) {
            let problem = Problem::new("53000", format!("there are {PREPARED_MAX} prepared statements already"));
            return Err(problem.with_hint("DEALLOCATE some").into());
        }
        let mut fragments = cut(sql)?.into_iter();
        let (first, second) = (fragments.next(), fragments.next());
        if second.is_some() {
            return Err(several().into());
        }
        let prepared = match first {
            None => Prepared { statement: None, oids: Vec::new(), types: Vec::new(), columns: None },
            Some(fragment) => {
                let statement = Statement::read(fragment, sql, Parameters::Allowed)?;
                self.prepared_of(statement, &oids).await?
            }
        };
        self.prepared.insert(name, Arc::new(prepared));
        self.io.out.empty(b'1');
        Ok(())
    }

    async fn prepared_of(&self, statement: Statement, oids: &[u32]) -> Result<Prepared, Problem> {
        self.check(&statement)?;
        let given = oids.iter().enumerate().map(|(at, oid)| decode::type_of(*oid, at + 1));
        let given = given.collect::<Result<Vec<_>, Problem>>()?;
        let Described { parameters: types, columns } = self.describe(&statement, given.clone()).await?;
        let told = |(at, of): (usize, &Type)| match (oids.get(at), given.get(at)) {
            (Some(oid), Some(Some(_))) => *oid,
            _ => pg_type(of).oid,
        };
        let oids = types.iter().enumerate().map(told).collect();
        Ok(Prepared { statement: Some(statement), oids, types, columns })
    }

    fn prepared_named(&self, name: &str) -> Result<&Arc<Prepared>, Problem> {
        let missing = || Problem::new("26000", format!("there is no prepared statement `{name}`"));
        self.prepared.get(name).ok_or_else(missing)
    }

    pub(crate) fn bind(&mut self, bind: Bind) -> Result<(), Broken> {
        let Bind { portal: name, statement, formats, values, results } = bind;
        let prepared = Arc::clone(self.prepared_named(&statement)?);
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Problem::new("42P03", format!("there is a portal `{name}` already")).into());
        }
        if self.portals.len() >= PORTALS_MAX && !self.portals.contains_key(&name) {
            return Err(Problem::new("53000", format!("there are {PORTALS_MAX} portals already")).into());
        }
        let (count, wanted) = (values.len(), prepared.types.len());
        if count != wanted {
            return Err(Problem::new("08P01", format!("there are {count} values for {wanted} parameters")).into());
        }
        let columns = prepared.columns.as_ref().map_or(0, Vec::len);
        for (formats, count) in [(&formats, wanted), (&results, columns)] {
            if formats.0.len() > 1 && formats.0.len() != count {
                return Err(Problem::new("08P01", "there is not one format for each value").into());
            }
        }
        let read = |(at, bytes): (usize, &Option<bytes::Bytes>)| {
            let oid = prepared.oids.get(at).copied().unwrap_or(0);
            let of = prepared.types.get(at).unwrap_or(&Type::String);
            decode::value(bytes.as_deref(), of, oid, formats.of(at), at + 1)
        };
        let values = values.iter().enumerate().map(read).collect::<Result<Vec<_>, Problem>>()?;
        self.portals.insert(name, Portal { prepared, values, results, state: State::Bound });
        self.io.out.empty(b'2');
        Ok(())
    }

    pub(crate) fn describe_target(&mut self, target: &Target) -> Result<(), Broken> {
        let (columns, formats) = match target {
            Target::Statement(name) => {
                let prepared = Arc::clone(self.prepared_named(name)?);
                self.io.out.parameters(&prepared.oids);
                (prepared, Formats::default())
            }
            Target::Portal(name) => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (Arc::clone(&portal.prepared), portal.results.clone())
            }
        };
        match &columns.columns {
            Some(columns) => self.io.out.columns(columns, &formats),
            None => self.io.out.empty(b'n'),
        }
        Ok(())
    }

    pub(crate) async fn execute(&mut self, name: &str, rows_max: usize) -> Result<(), Broken> {
        let Some(mut portal) = self.portals.remove(name) else { return Err(no_portal(name).into()) };
        if matches!(portal.state, State::Bound) {
            let Some(statement) = &portal.prepared.statement else {
                self.io.out.empty(b'I');
                portal.state = State::Done;
                self.portals.insert(name.to_owned(), portal);
                return Ok(());
            };
            portal.state = match self.run(statement, std::mem::take(&mut portal.values)).await? {
                Came::Done { tag, notice } => {
                    self.done(&tag, notice.as_deref());
                    self.keep(name, portal, State::Done);
                    return Ok(());
                }
                Came::Rows { answer, room, tag } => State::Open { answer, room, next: 0, tag },
            };
        }
        let State::Open { answer, room, next, tag } = portal.state else {
            return Err(Problem::new("55000", format!("portal `{name}` was carried out already")).into());
        };
        let columns = portal.prepared.columns.as_deref().unwrap_or(&[]);
        let row = Row::new(columns, &portal.results);
        self.rows(&answer, &row, next, rows_max).await?;
        let after = next.saturating_add(rows_max).min(answer.row_count());
        portal.state = State::Done;
        if after < answer.row_count() {
            self.io.out.empty(b's');
            self.keep(name, portal, State::Open { answer, room, next: after, tag });
        } else {
            self.io.out.complete(&tag.text(after - next));
            self.keep(name, portal, State::Done);
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, portal: Portal, state: State) {
        self.portals.insert(name.to_owned(), Portal { state, ..portal });
    }

    pub(crate) fn close(&mut self, target: &Target) {
        match target {
            Target::Statement(name) => drop(self.prepared.remove(name)),
            Target::Portal(name) => drop(self.portals.remove(name)),
        }
        self.io.out.empty(b'3');
    }
}

fn no_portal(name: &str) -> Problem {
    Problem::new("34000", format!("there is no portal `{name}`"))
}
