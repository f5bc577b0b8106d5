//! Materialized tables that get another query: what takes their place is filled beside them, and does so when it has
//! read what there is.
//!
//! Whoever reads the table sees the one before until then, and never an earlier state than they saw: the statement
//! before ends, and the other one has read as much when it takes its place. That is one change of the definitions, with
//! which the statement before begins to go, and its topic.

use super::{PAUSE, Service, owner};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Record, State, TableEntry},
    running::Running,
};
use levada_model::TopicName;
use levada_sql::{
    Table,
    statement::{Positions, Progress},
};
use levada_stream::{Caller, HandleError};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// So long it is waited until the one has read as much as the other, which has ended.
const LEVEL_WITHIN: Duration = Duration::from_secs(3);

impl Service {
    /// Shows when another materialized table has taken the place of one.
    pub(crate) fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// One of these tables that is no more what it was when a query was planned.
    pub(crate) fn replaced_one<'a>(&self, tables: &'a BTreeMap<String, Arc<Table>>) -> Option<&'a String> {
        let catalog = self.catalog();
        let is_another = |(name, table): &(&String, &Arc<Table>)| {
            let now = catalog.tables.get(*name).filter(|entry| entry.materialized().is_some());
            now.is_some_and(|entry| entry.table.topic() != table.topic())
        };
        tables.iter().find(is_another).map(|(name, _)| name)
    }

    pub(super) fn look_after_all(self: &Arc<Self>) {
        for (name, entry) in &self.catalog().tables {
            if let Some((next, _)) = entry.next() {
                self.look_after(name, &next.statement);
            }
        }
    }

    /// Lets what a statement fills take the place of a table, once it has read what there is.
    pub(crate) fn look_after(self: &Arc<Self>, table: &str, statement: &str) {
        let (service, table, statement) = (Arc::clone(self), table.to_owned(), statement.to_owned());
        (self.parts.spawn)("sql-alter", Box::pin(async move { service.build(&table, &statement).await }));
    }

    async fn build(self: &Arc<Self>, table: &str, statement: &str) {
        let (mut closing, mut end) = (self.closing(), None);
        loop {
            let catalog = self.catalog();
            let entry = catalog.tables.get(table);
            let Some(entry) = entry.filter(|it| it.next().is_some_and(|(next, _)| next.statement == statement)) else {
                return;
            };
            let owner = owner(&entry.definition.owner);
            let running = self.running(statement);
            // What comes from now on is looked at next.
            let progress = running.as_ref().map(|running| running.watch());
            if running.is_some_and(|running| self.has_caught_up(&running, &owner, &mut end)) {
                match self.replace(table, statement).await {
                    Ok(Replaced::Done) => return,
                    Ok(Replaced::NotYet) => {}
                    Err(error) => tracing::warn!(table, %error, "a materialized table is not altered yet"),
                }
            }
            let moved = async {
                match progress {
                    Some(mut progress) => drop(progress.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = moved => {}
                () = (self.parts.sleep)(PAUSE) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
    }

    /// Whether a statement has read all that there was when it was first asked, whose end is kept in `end`.
    fn has_caught_up(&self, running: &Running, owner: &Caller, end: &mut Option<Positions>) -> bool {
        let Progress { is_recovered, lag, read, .. } = running.progress();
        if !is_recovered || running.has_ended() {
            return false;
        }
        if end.is_none() {
            *end = self.ends(&read, owner).ok();
        }
        let has_read = |(partition, end): (&(TopicName, i32), &i64)| read.get(partition).is_none_or(|at| at >= end);
        lag == 0 || end.as_ref().is_some_and(|end| end.iter().all(has_read))
    }

    /// The ends of these partitions.
    fn ends(&self, partitions: &Positions, caller: &Caller) -> Result<Positions, HandleError> {
        let topics: BTreeSet<&TopicName> = partitions.keys().map(|(topic, _)| topic).collect();
        let inputs = self.parts.handle.inputs(caller, &topics.into_iter().cloned().collect::<Vec<_>>())?;
        let ends = inputs.partitions().iter().zip(inputs.end());
        Ok(ends.map(|(it, end)| ((it.topic.clone(), it.partition), end)).collect())
    }

    async fn replace(self: &Arc<Self>, table: &str, statement: &str) -> Result<Replaced, Refusal> {
        let _alone = self.tasks.lock().await;
        let catalog = self.catalog();
        let state = |name: &str| catalog.statements.get(name).map(|entry| entry.state());
        let before = catalog.tables.get(table).and_then(TableEntry::materialized).map(|it| it.statement.clone());
        let Some(before) = before.filter(|_| catalog.next_of(statement).is_some()) else { return Ok(Replaced::Done) };
        let goes = state(&before) == Some(State::Dropping);
        if goes || state(statement) != Some(State::Running) || self.is_closing() {
            return Ok(Replaced::NotYet);
        }
        self.end(&before).await;
        if !self.is_level(&before, statement).await {
            self.launch_again(&before).await;
            return Ok(Replaced::NotYet);
        }
        let changed = self.change(|catalog| Ok(replacing(catalog, table, &before))).await;
        // Where that failed it may be so nevertheless.
        if self.catalog().next_of(statement).is_some() {
            self.launch_again(&before).await;
            return changed.map(|()| Replaced::NotYet);
        }
        self.replaced.send_modify(|count| *count += 1);
        tracing::info!(table, statement, "a materialized table has another query");
        if let Err(error) = self.finish_drop(&before).await {
            tracing::warn!(statement = before, %error, "a statement that was replaced is not gone yet");
        }
        Ok(Replaced::Done)
    }

    /// Whether a statement has read what one that has ended had read.
    async fn is_level(&self, ended: &str, statement: &str) -> bool {
        let Some(running) = self.running(statement) else { return false };
        let read = self.running(ended).map(|running| running.progress().read).unwrap_or_default();
        let mut progress = running.watch();
        let has_read = |progress: &Progress| {
            let is_read = |(partition, at): (&(TopicName, i32), &i64)| {
                progress.read.get(partition).is_none_or(|other| other >= at)
            };
            progress.is_recovered && read.iter().all(is_read)
        };
        tokio::select! {
            found = progress.wait_for(has_read) => found.is_ok(),
            () = running.ended() => false,
            () = (self.parts.sleep)(LEVEL_WITHIN) => false,
        }
    }

    /// Starts a statement again that is meant to run.
    async fn launch_again(self: &Arc<Self>, name: &str) {
        let entry = self.catalog().statements.get(name).cloned();
        if let Some(entry) = entry.filter(|entry| entry.state() == State::Running) {
            self.launch(name, &entry, None).await;
        }
    }
}

/// What became of it.
enum Replaced {
    Done,
    NotYet,
}

/// The records with which a table's next one takes its place, and the statement `before` begins to go.
fn replacing(catalog: &Catalog, table: &str, before: &str) -> Vec<Record> {
    let Some(entry) = catalog.tables.get(table) else { return Vec::new() };
    let (Some(replaced), Some(statement)) = (entry.replaced(), catalog.statements.get(before)) else {
        return Vec::new();
    };
    let leaves = entry.table.topic().map(str::to_owned);
    let goes = Definition { state: Some(State::Dropping), error: None, leaves, ..statement.definition.clone() };
    let record = |kind, name: &str, value| Record { key: Key { kind, name: name.to_owned() }, value: Some(value) };
    vec![record(Kind::Table, table, replaced), record(Kind::Statement, before, goes)]
}
