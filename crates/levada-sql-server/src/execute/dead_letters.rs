//! Topics of dead letters: no rows of a table that statements fill lie there.

use super::named;
use crate::{
    Refusal,
    catalog::{Catalog, StatementEntry},
    service::Service,
    settings::on_error,
};
use levada_sql::{Table, statement::OnError};
use levada_sql_syntax::Insert;
use levada_stream::Caller;

impl Service {
    /// That dead letters of a new statement are mixed with nobody's rows, nor its rows with anybody's dead letters.
    pub(super) fn check_dead_letters(
        &self,
        catalog: &Catalog,
        letters: &OnError,
        sink: &Table,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        if let OnError::DeadLetter(topic) = letters {
            if self.handle().topic(caller, topic).is_ok_and(|info| info.is_own) {
                return Err(not_there(topic, "the platform itself writes it"));
            }
            if let Some(why) = filled(catalog, topic) {
                return Err(not_there(topic, &why));
            }
        }
        let Some(topic) = sink.topic() else { return Ok(()) };
        let kept_there = |entry: &StatementEntry| {
            let letters = on_error(&entry.definition.settings);
            letters.is_ok_and(|letters| letters == OnError::DeadLetter(topic.to_owned()))
        };
        match catalog.statements.iter().find(|(_, entry)| kept_there(entry)) {
            None => Ok(()),
            Some((statement, _)) => {
                let message =
                    format!("rows cannot go to topic `{topic}`: statement `{statement}` keeps dead letters there");
                Err(Refusal::invalid(message).with_hint("declare the table with another topic: WITH ('topic' = '…')"))
            }
        }
    }
}

/// That statements which are created together do not keep dead letters where one of them writes rows.
pub(super) fn check_together(catalog: &Catalog, letters: &OnError, inserts: &[&Insert]) -> Result<(), Refusal> {
    let OnError::DeadLetter(topic) = letters else { return Ok(()) };
    let is_filled = |insert: &&&Insert| catalog.sink("", insert).and_then(|it| it.topic()) == Some(topic.as_str());
    match inserts.iter().find(is_filled) {
        None => Ok(()),
        Some(insert) => Err(not_there(topic, &format!("rows of table `{}` go there", named(&insert.table)?.0))),
    }
}

fn not_there(topic: &str, why: &str) -> Refusal {
    let refusal = Refusal::invalid(format!("`{topic}` cannot be the topic of dead letters: {why}"));
    refusal.with_hint("SET 'sql.dead-letter.topic' to a topic of its own; it is created where it is missing")
}

/// Who fills a topic, if anybody does.
fn filled(catalog: &Catalog, topic: &str) -> Option<String> {
    let materialized =
        catalog.tables.iter().find(|(_, entry)| entry.materialized().is_some() && entry.table.topic() == Some(topic));
    if let Some((table, _)) = materialized {
        return Some(format!("materialized table `{table}` is there"));
    }
    let writes = |(name, entry): &(&String, &StatementEntry)| {
        entry
            .insert
            .as_deref()
            .is_some_and(|insert| catalog.sink(name, insert).and_then(|it| it.topic()) == Some(topic))
    };
    let (statement, _) = catalog.statements.iter().find(writes)?;
    Some(format!("statement `{statement}` writes rows there"))
}
