//! Statements that go: their journals, and what nobody but they filled.

use super::{Service, owner};
use crate::{
    Refusal,
    catalog::{Key, Kind, Record},
};
use levada_stream::HandleError;

impl Service {
    /// Takes away the journal of a statement that is being dropped, and the topics that it alone filled; then the
    /// statement, and the table that was that topic. Where it ends in between, the same goes on at the next start.
    pub(crate) async fn finish_drop(&self, name: &str) -> Result<(), Refusal> {
        let mut gone = vec![name.to_owned()];
        let catalog = self.catalog();
        let Some(statement) = catalog.statements.get(name) else { return Ok(()) };
        let mut topics: Vec<String> = statement.definition.leaves.clone().into_iter().collect();
        let mut records = Vec::new();
        if let Some(entry) = catalog.table_of(name) {
            // Its rows are the statement's, and mean nothing without it; nor does what was to take its place.
            let next = entry.next().map(|(next, table)| (next.statement.clone(), table));
            topics.extend(entry.table.topic().map(str::to_owned));
            topics.extend(next.as_ref().and_then(|(_, table)| table.topic()).map(str::to_owned));
            gone.extend(next.map(|(statement, _)| statement));
            records.push(Record { key: Key { kind: Kind::Table, name: entry.table.name.clone() }, value: None });
        } else if let Some(entry) = catalog.next_of(name) {
            topics.extend(entry.next().and_then(|(_, table)| table.topic()).map(str::to_owned));
            let key = Key { kind: Kind::Table, name: entry.table.name.clone() };
            records.push(Record { key, value: Some(entry.with_next(None)) });
        }
        for statement in &gone {
            self.end(statement).await;
            self.parts.handle.drop_journal(statement).await?;
            let key = Key { kind: Kind::Statement, name: statement.clone() };
            records.push(Record { key, value: None });
        }
        let owner = owner(&statement.definition.owner);
        for topic in topics {
            match self.parts.handle.delete_topic(&owner, &topic).await {
                Ok(()) | Err(HandleError::UnknownTopic(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.change(|_| Ok(records)).await?;
        let mut running = self.running.lock();
        gone.iter().for_each(|statement| drop(running.remove(statement)));
        Ok(())
    }
}
