//! The extended way to ask: a statement is prepared once, and carried out with values, in text or in binary.

use crate::{
    budget::Held,
    connection::{Broken, Connection},
    decode,
    encode::Row,
    out::Formats,
    portals::{Open, Portal, State},
    problem::Problem,
    run::{Came, Parameters, Statement, cut},
    simple::several,
    wire::{Bind, Target},
};
use levada_sql::{Value, pg_catalog::pg_type, query::Column, types::Type};
use levada_sql_server::Described;
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::Instant;

/// Prepared statements of one connection.
const PREPARED_MAX: usize = 1_000;

/// A statement that was prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// None: the text was empty.
    statement: Option<Statement>,
    /// The types of its parameters, as the client was told.
    oids: Vec<u32>,
    types: Vec<Type>,
    columns: Option<Vec<Column>>,
    /// What it takes.
    _held: Option<Held>,
}

impl Prepared {
    /// Of an empty text.
    pub(crate) const fn empty() -> Self {
        Self { statement: None, oids: Vec::new(), types: Vec::new(), columns: None, _held: None }
    }
}

/// Refuses a parameter that stands nowhere, and of which nobody says what it is.
fn check_parameters(used: &BTreeSet<usize>, oids: &[u32]) -> Result<(), Problem> {
    let last = used.last().copied().unwrap_or(0);
    let is_given = |number: usize| oids.get(number - 1).is_some_and(|oid| !decode::is_unknown(*oid));
    match (1..=last).find(|number| !used.contains(number) && !is_given(*number)) {
        Some(number) => {
            let problem = Problem::new("42P18", format!("nothing says what type parameter ${number} has"));
            Err(problem.with_hint("count parameters from $1 on"))
        }
        None => Ok(()),
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
        if name.is_empty() {
            self.prepared.remove(&name);
        }
        let mut fragments = cut(sql)?.into_iter();
        let (first, second) = (fragments.next(), fragments.next());
        if second.is_some() {
            return Err(several().into());
        }
        let prepared = match first {
            None => Prepared::empty(),
            Some(fragment) => {
                let statement = Statement::read(fragment, sql, Parameters::Allowed)?;
                let size = name.len() + statement.size() + oids.len() * size_of::<(u32, Type)>();
                let held = self.budget.take(size)?;
                Prepared { _held: Some(held), ..self.prepared_of(statement, &oids).await? }
            }
        };
        self.prepared.insert(name, Arc::new(prepared));
        self.io.out.empty(b'1');
        Ok(())
    }

    async fn prepared_of(&mut self, statement: Statement, oids: &[u32]) -> Result<Prepared, Broken> {
        self.check(&statement)?;
        check_parameters(statement.parameters(), oids)?;
        let given = oids.iter().enumerate().map(|(at, oid)| decode::type_of(*oid, at + 1));
        let given = given.collect::<Result<Vec<_>, Problem>>()?;
        let Described { parameters: types, columns } = self.describe(&statement, given.clone()).await?;
        let told = |(at, of): (usize, &Type)| match (oids.get(at), given.get(at)) {
            (Some(oid), Some(Some(_))) => *oid,
            _ => pg_type(of).oid,
        };
        let oids = types.iter().enumerate().map(told).collect();
        Ok(Prepared { statement: Some(statement), oids, types, columns, _held: None })
    }

    fn prepared_named(&self, name: &str) -> Result<&Arc<Prepared>, Problem> {
        let missing = || Problem::new("26000", format!("there is no prepared statement `{name}`"));
        self.prepared.get(name).ok_or_else(missing)
    }

    pub(crate) fn bind(&mut self, bind: Bind) -> Result<(), Broken> {
        let Bind { portal: name, statement, formats, values, results } = bind;
        let prepared = Arc::clone(self.prepared_named(&statement)?);
        self.portals.make_way(&name)?;
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
        let size = values.iter().flatten().map(bytes::Bytes::len).sum::<usize>() + count * size_of::<Value>();
        let held = Some(self.budget.take(size + name.len())?);
        let read = |(at, bytes): (usize, &Option<bytes::Bytes>)| {
            let oid = prepared.oids.get(at).copied().unwrap_or(0);
            let of = prepared.types.get(at).unwrap_or(&Type::String);
            decode::value(bytes.as_deref(), of, oid, formats.of(at), at + 1)
        };
        let values = values.iter().enumerate().map(read).collect::<Result<Vec<_>, Problem>>()?;
        self.portals.put(&name, Portal { prepared, values, held, results, state: State::Bound });
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
                let portal = self.portals.get(name)?;
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
        let mut portal = self.portals.take(name)?;
        self.stop.begin(self.settings.statement_timeout());
        if matches!(portal.state, State::Bound) {
            let Some(statement) = &portal.prepared.statement else {
                self.io.out.empty(b'I');
                self.portals.put(name, Portal { state: State::Done, ..portal });
                return Ok(());
            };
            if portal.prepared.columns.is_some() && rows_max < usize::MAX {
                self.portals.check_open()?;
            }
            let came = self.run(statement, std::mem::take(&mut portal.values)).await?;
            portal.held = None;
            portal.state = match came {
                Came::Done { tag, notice } => {
                    self.done(&tag, notice.as_deref());
                    self.portals.put(name, Portal { state: State::Done, ..portal });
                    return Ok(());
                }
                Came::Rows { answer, room, tag } => {
                    State::Open(Open { answer, _room: room, next: 0, tag, since: Instant::now() })
                }
            };
        }
        let State::Open(open) = portal.state else {
            return Err(Problem::new("55000", format!("portal `{name}` was carried out already")).into());
        };
        let columns = portal.prepared.columns.as_deref().unwrap_or(&[]);
        let row = Row::new(columns, &portal.results);
        self.rows(&open.answer, &row, open.next, rows_max).await?;
        let next = open.next.saturating_add(rows_max).min(open.answer.row_count());
        portal.state = if next < open.answer.row_count() {
            self.io.out.empty(b's');
            State::Open(Open { next, since: Instant::now(), ..open })
        } else {
            self.io.out.complete(&open.tag.text(next - open.next));
            State::Done
        };
        self.portals.put(name, portal);
        Ok(())
    }

    pub(crate) fn close(&mut self, target: &Target) {
        match target {
            Target::Statement(name) => drop(self.prepared.remove(name)),
            Target::Portal(name) => self.portals.close(name),
        }
        self.io.out.empty(b'3');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_that_stand_nowhere_have_a_type_that_is_given() {
        let code = |used: &[usize], oids: &[u32]| {
            check_parameters(&used.iter().copied().collect(), oids).map_err(|problem| problem.code)
        };
        assert_eq!(code(&[], &[]), Ok(()));
        assert_eq!(code(&[1, 2], &[]), Ok(()));
        assert_eq!(code(&[2], &[23]), Ok(()));
        assert_eq!(code(&[2], &[0, 23]), Err("42P18"));
        assert_eq!(code(&[65_535], &[]), Err("42P18"));
    }
}
