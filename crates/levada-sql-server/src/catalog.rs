//! [`Catalog`]: tables, views and statements as they were defined, and the records that they are kept as.

use crate::{undeclared::Kept, views::Views};
use bytes::Bytes;
use levada_sql::{Table, Writers};
use levada_sql_syntax::{CreateTable, CreateView, Insert, Statement, parse_statement};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// What a definition is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Table,
    View,
    Statement,
}

/// How a statement is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Running,
    Stopped,
    Failed,
    /// Its journal goes; then it does.
    Dropping,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Dropping => "dropping",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

/// What is kept of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// The statement of SQL that defined it.
    pub(crate) sql: String,
    /// Who did, as `User:name`.
    pub(crate) owner: String,
    /// When, in milliseconds since 1970.
    pub(crate) created_ms: i64,
    /// Of statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
    /// Why one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Of materialized tables: where their rows come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) materialized: Option<Materialized>,
    /// What was set when a statement was created, and counts while it runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) settings: BTreeMap<String, String>,
    /// The tables that a statement reads and nobody declared, as they were when it was created.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) topics: Kept,
    /// The schemas that a statement writes with.
    #[serde(default, skip_serializing_if = "Writers::is_empty")]
    pub(crate) schemas: Writers,
    /// Of a statement that is being dropped: the topic that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaves: Option<String>,
}

impl Definition {
    /// Of something that is defined now.
    pub(crate) fn of(sql: String, owner: String, created_ms: i64) -> Self {
        let (state, error, materialized, leaves) = (None, None, None, None);
        let (settings, topics, schemas) = (BTreeMap::new(), Kept::new(), Writers::default());
        Self { sql, owner, created_ms, state, error, materialized, settings, topics, schemas, leaves }
    }
}

/// What makes a table a materialized one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Materialized {
    /// The statement of SQL that created it.
    pub(crate) sql: String,
    /// The statement that keeps it up to date.
    pub(crate) statement: String,
    /// What takes its place when that has read what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Next>,
}

/// A materialized table with another query, before it takes the place of the one that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Next {
    /// The statement of SQL that asked for it.
    pub(crate) sql: String,
    /// The table, as `CREATE TABLE` would declare it.
    pub(crate) table: String,
    /// The statement that fills it.
    pub(crate) statement: String,
    /// When it was asked for, in milliseconds since 1970.
    pub(crate) created_ms: i64,
}

/// A definition that comes, changes or, without a value, goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) value: Option<Definition>,
}

impl Record {
    pub(crate) fn encode(&self) -> Result<(Bytes, Option<Bytes>), serde_json::Error> {
        let value = self.value.as_ref().map(serde_json::to_vec).transpose()?;
        Ok((serde_json::to_vec(&self.key)?.into(), value.map(Bytes::from)))
    }

    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, serde_json::Error> {
        Ok(Self { key: serde_json::from_slice(key)?, value: value.map(serde_json::from_slice).transpose()? })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct TableEntry {
    pub(crate) definition: Definition,
    pub(crate) create: Arc<CreateTable>,
    pub(crate) table: Arc<Table>,
    /// What takes its place.
    next: Option<Arc<Table>>,
}

impl TableEntry {
    fn read(definition: Definition, create: CreateTable) -> Result<Self, String> {
        let table = Arc::new(Table::declared(&create).map_err(|error| error.to_string())?);
        let next = definition.materialized.as_ref().and_then(|it| it.next.as_ref());
        let next = next.map(|next| match parse_statement(&next.table).map(|parsed| parsed.statement) {
            Ok(Statement::CreateTable(create)) => Table::declared(&create).map(Arc::new).map_err(|it| it.to_string()),
            Ok(_) => Err("its next text defines something else".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        Ok(Self { definition, create: Arc::new(create), table, next: next.transpose()? })
    }

    /// What takes its place, as it was asked for and as a table.
    pub(crate) fn next(&self) -> Option<(&Next, &Arc<Table>)> {
        self.materialized()?.next.as_ref().zip(self.next.as_ref())
    }

    /// Its definition when its next one has taken its place.
    pub(crate) fn replaced(&self) -> Option<Definition> {
        let (Next { sql, table, statement, created_ms }, _) = self.next()?;
        let materialized = Some(Materialized { sql: sql.clone(), statement: statement.clone(), next: None });
        let (sql, created_ms) = (table.clone(), *created_ms);
        Some(Definition { sql, created_ms, materialized, ..self.definition.clone() })
    }

    /// Its definition with another next one, or without.
    pub(crate) fn with_next(&self, next: Option<Next>) -> Definition {
        let materialized = self.materialized().map(|it| Materialized { next, ..it.clone() });
        Definition { materialized, ..self.definition.clone() }
    }

    /// What makes it a materialized table, if it is one.
    pub(crate) const fn materialized(&self) -> Option<&Materialized> {
        self.definition.materialized.as_ref()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ViewEntry {
    pub(crate) definition: Definition,
    pub(crate) create: Arc<CreateView>,
}

#[derive(Clone, Debug)]
pub(crate) struct StatementEntry {
    pub(crate) definition: Definition,
    /// What it says; `None` where this version does not understand it.
    pub(crate) insert: Option<Arc<Insert>>,
}

impl StatementEntry {
    pub(crate) fn state(&self) -> State {
        self.definition.state.unwrap_or(State::Running)
    }
}

/// All definitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) tables: BTreeMap<String, TableEntry>,
    pub(crate) views: BTreeMap<String, ViewEntry>,
    pub(crate) statements: BTreeMap<String, StatementEntry>,
}

impl Catalog {
    /// Takes a record in.
    ///
    /// # Errors
    /// What is not understood; it is as if it were not there.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), String> {
        let Record { key: Key { kind, name }, value } = record;
        let Some(definition) = value.clone() else {
            match kind {
                Kind::Table => drop(self.tables.remove(name)),
                Kind::View => drop(self.views.remove(name)),
                Kind::Statement => drop(self.statements.remove(name)),
            }
            return Ok(());
        };
        let parsed = parse_statement(&definition.sql).map(|parsed| parsed.statement);
        match (kind, parsed) {
            (Kind::Table, Ok(Statement::CreateTable(create))) => {
                self.tables.insert(name.clone(), TableEntry::read(definition, *create)?);
            }
            (Kind::View, Ok(Statement::CreateView(create))) => {
                self.views.insert(name.clone(), ViewEntry { definition, create: Arc::new(create) });
            }
            (Kind::Statement, Ok(Statement::Insert(insert))) => {
                let insert = Some(Arc::new(insert));
                self.statements.insert(name.clone(), StatementEntry { definition, insert });
            }
            (Kind::Statement, parsed) => {
                let reason = parsed.err().map_or_else(|| "it is no INSERT".to_owned(), |error| error.to_string());
                let definition = Definition { state: Some(State::Failed), error: Some(reason.clone()), ..definition };
                self.statements.insert(name.clone(), StatementEntry { definition, insert: None });
                return Err(reason);
            }
            (_, Err(error)) => return Err(error.to_string()),
            (_, Ok(_)) => return Err("its text defines something else".to_owned()),
        }
        Ok(())
    }

    /// The materialized table that a statement keeps up to date.
    pub(crate) fn table_of(&self, statement: &str) -> Option<&TableEntry> {
        let is_of = |entry: &&TableEntry| entry.materialized().is_some_and(|it| it.statement == statement);
        self.tables.values().find(is_of)
    }

    /// The materialized table of which a statement fills what takes its place.
    pub(crate) fn next_of(&self, statement: &str) -> Option<&TableEntry> {
        self.tables.values().find(|entry| entry.next().is_some_and(|(next, _)| next.statement == statement))
    }

    /// The table that a statement alone fills, if it does so.
    pub(crate) fn filled_by(&self, statement: &str) -> Option<&Arc<Table>> {
        let next = || self.next_of(statement)?.next().map(|(_, table)| table);
        self.table_of(statement).map(|entry| &entry.table).or_else(next)
    }

    /// The table that the rows of a statement go to.
    pub(crate) fn sink(&self, statement: &str, insert: &Insert) -> Option<&Arc<Table>> {
        let entry = self.tables.get(&levada_sql::table::name_of(&insert.table).ok()?)?;
        match entry.next() {
            Some((next, table)) if next.statement == statement => Some(table),
            _ => Some(&entry.table),
        }
    }

    /// The views' queries.
    pub(crate) fn view_queries(&self) -> Views {
        self.views.iter().map(|(name, view)| (name.clone(), Arc::clone(&view.create))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sql: &str) -> Record {
        let value = Definition::of(sql.to_owned(), "User:ANONYMOUS".to_owned(), 1_800_000_000_000);
        Record { key: Key { kind: Kind::Table, name: "t".to_owned() }, value: Some(value) }
    }

    #[test]
    fn records_have_one_form() {
        let mut record = table("CREATE TABLE t (a INT)");
        let (key, value) = record.encode().unwrap();
        assert_eq!(key, r#"{"kind":"table","name":"t"}"#);
        let expected = r#"{"sql":"CREATE TABLE t (a INT)","owner":"User:ANONYMOUS","created_ms":1800000000000}"#;
        assert_eq!(value.as_deref(), Some(expected.as_bytes()));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        if let Some(definition) = &mut record.value {
            definition.materialized =
                Some(Materialized { sql: "CREATE …".to_owned(), statement: "s".to_owned(), next: None });
        }
        let (key, value) = record.encode().unwrap();
        assert!(value.as_ref().unwrap().ends_with(r#","materialized":{"sql":"CREATE …","statement":"s"}}"#.as_bytes()));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        if let Some(materialized) = record.value.as_mut().and_then(|value| value.materialized.as_mut()) {
            let [sql, table, statement] = ["ALTER …", "CREATE TABLE t (b INT)", "s-2"].map(str::to_owned);
            materialized.next = Some(Next { sql, table, statement, created_ms: 7 });
        }
        let (key, value) = record.encode().unwrap();
        let next = r#""next":{"sql":"ALTER …","table":"CREATE TABLE t (b INT)","statement":"s-2","created_ms":7}}}"#;
        assert!(value.as_ref().unwrap().ends_with(next.as_bytes()));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        record.value = table("CREATE TABLE t (a INT)").value;
        record.key.kind = Kind::Statement;
        if let Some(definition) = &mut record.value {
            (definition.state, definition.error) = (Some(State::Failed), Some("why".to_owned()));
        }
        let (key, value) = record.encode().unwrap();
        assert!(value.as_ref().unwrap().ends_with(br#","state":"failed","error":"why"}"#));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        if let Some(definition) = &mut record.value {
            definition.settings.insert("sql.on-error".to_owned(), "skip".to_owned());
        }
        let (key, value) = record.encode().unwrap();
        assert!(value.as_ref().unwrap().ends_with(br#","error":"why","settings":{"sql.on-error":"skip"}}"#));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        if let Some(definition) = &mut record.value {
            definition.topics.insert("t".to_owned(), "CREATE …".to_owned());
            definition.schemas = Writers { key: None, value: Some(7) };
        }
        let (key, value) = record.encode().unwrap();
        let expected = r#"},"topics":{"t":"CREATE …"},"schemas":{"value":7}}"#;
        assert!(value.as_ref().unwrap().ends_with(expected.as_bytes()));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        if let Some(definition) = &mut record.value {
            definition.leaves = Some("t".to_owned());
        }
        let (key, value) = record.encode().unwrap();
        assert!(value.as_ref().unwrap().ends_with(br#","leaves":"t"}"#));
        assert_eq!(Record::decode(&key, value.as_deref()).unwrap(), record);
        assert!(Record::decode(br#"{"kind":"model","name":"m"}"#, None).is_err());
    }

    #[test]
    fn what_is_not_understood_is_left_alone_and_a_statement_shown_as_failed() {
        let mut catalog = Catalog::default();
        assert!(catalog.apply(&table("CREATE TABLE t (a FANCY)")).is_err());
        assert!(catalog.tables.is_empty());
        let mut statement = table("INSERT SOMEHOW");
        statement.key.kind = Kind::Statement;
        assert!(catalog.apply(&statement).is_err());
        assert_eq!(catalog.statements["t"].state(), State::Failed);
        catalog.apply(&table("CREATE TABLE t (a INT)")).unwrap();
        assert!(catalog.tables.contains_key("t"));
        catalog.apply(&Record { key: table("").key, value: None }).unwrap();
        assert!(catalog.tables.is_empty());
    }
}
