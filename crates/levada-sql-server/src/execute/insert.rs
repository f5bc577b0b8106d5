//! `INSERT INTO` of rows that no table is read for: they are in the table when it is answered.

use super::{
    Outcome, named,
    statements::{check_hints, check_sink},
};
use crate::{Refusal, service::Service, settings::Aside};
use levada_sql::{Statement, statement::Once};
use levada_sql_syntax::Insert;
use levada_stream::Caller;

impl Service {
    /// Inserts the rows of a query that reads no table, all or none; `None` where it reads some.
    pub(super) async fn insert_at_once(&self, insert: &Insert, caller: &Caller) -> Result<Option<Outcome>, Refusal> {
        let Some(statement) = self.at_once(insert, caller)? else { return Ok(None) };
        let (table, at) = named(&insert.table)?;
        let catalog = self.catalog();
        self.check_aside(&catalog, &Aside::default(), &statement.sink, caller).map_err(|it| it.at(at))?;
        let _room = self.room()?;
        let rows = statement.once(&self.surroundings(caller)).await;
        let Once { outputs, row_count } = rows.map_err(|error| Refusal::from(error).at(at))?;
        let written = self.writer().lock().await.write(caller, outputs).await;
        written.map_err(|error| Refusal::from(error).at(at))?;
        Ok(Some(Outcome::Inserted { row_count, table }))
    }

    /// That each of these has something to wait for.
    pub(super) fn check_continuous(&self, inserts: &[Insert], caller: &Caller) -> Result<(), Refusal> {
        for insert in inserts {
            if self.at_once(insert, caller)?.is_some() {
                let (table, at) = named(&insert.table)?;
                let message = format!("the rows for `{table}` are no statement that runs: no table is read for them");
                return Err(Refusal::invalid(message).at(at).with_hint("write that INSERT by itself, before the set"));
            }
        }
        Ok(())
    }

    /// The statement, if no table is read for its rows. Whatever else is wrong with it shows where it is created.
    fn at_once(&self, insert: &Insert, caller: &Caller) -> Result<Option<Statement>, Refusal> {
        let catalog = self.catalog();
        let (sink, at) = named(&insert.table)?;
        check_hints(insert).and_then(|()| check_sink(&catalog, &sink)).map_err(|refusal| refusal.at(at))?;
        let statement = self.statement("at-once", insert, &catalog, (caller, None))?;
        Ok(statement.reads_nothing()?.then_some(statement))
    }
}
