//! Topics of dead letters and late rows: no rows of a table that statements fill lie there.

use super::{define::made_if_missing, named};
use crate::{
    Refusal,
    catalog::{Catalog, StatementEntry},
    service::Service,
    settings::{Aside, AsideTopic},
};
use levada_sql::Table;
use levada_sql_syntax::Insert;
use levada_stream::Caller;

impl Service {
    /// That what a new statement writes aside is mixed with nobody's rows, nor its rows with what anybody writes aside.
    pub(super) fn check_aside(
        &self,
        catalog: &Catalog,
        aside: &Aside,
        sink: &Table,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        for aside in aside.topics() {
            if self.handle().topic(caller, aside.topic).is_ok_and(|info| info.is_own) {
                return Err(not_there(aside, "the platform itself writes it"));
            }
            if let Some(why) = filled(catalog, aside.topic) {
                return Err(not_there(aside, &why));
            }
        }
        let Some(topic) = sink.topic() else { return Ok(()) };
        let kept_there = |(statement, entry): (&String, &StatementEntry)| {
            let aside = Aside::of(&entry.definition.settings).ok()?;
            let what = aside.topics().find(|aside| aside.topic == topic)?.what;
            Some((statement.clone(), what))
        };
        match catalog.statements.iter().find_map(kept_there) {
            None => Ok(()),
            Some((statement, what)) => {
                let message = format!("rows cannot go to topic `{topic}`: statement `{statement}` keeps {what} there");
                Err(Refusal::invalid(message).with_hint("declare the table with another topic: WITH ('topic' = '…')"))
            }
        }
    }

    /// Makes the topics that are written aside, where they are missing.
    pub(super) async fn made_aside(&self, aside: &Aside, caller: &Caller) -> Result<(), Refusal> {
        for AsideTopic { topic, .. } in aside.topics() {
            made_if_missing(self, topic, &[], caller).await?;
        }
        Ok(())
    }
}

/// That statements which are created together do not write aside where one of them writes rows.
pub(super) fn check_together(catalog: &Catalog, aside: &Aside, inserts: &[&Insert]) -> Result<(), Refusal> {
    for aside in aside.topics() {
        let is_filled = |insert: &&&Insert| catalog.sink("", insert).and_then(|it| it.topic()) == Some(aside.topic);
        if let Some(insert) = inserts.iter().find(is_filled) {
            return Err(not_there(aside, &format!("rows of table `{}` go there", named(&insert.table)?.0)));
        }
    }
    Ok(())
}

fn not_there(AsideTopic { topic, what, setting }: AsideTopic<'_>, why: &str) -> Refusal {
    let refusal = Refusal::invalid(format!("`{topic}` cannot be the topic of {what}: {why}"));
    refusal.with_hint(format!("SET '{setting}' to a topic of its own; it is created where it is missing"))
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
