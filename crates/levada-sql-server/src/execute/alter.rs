//! `CREATE OR ALTER MATERIALIZED TABLE` of one that exists.
//!
//! Where the query means the same, only the definition changes. Otherwise a statement fills another topic, which takes
//! the table's place once it has what the table has.

use super::{
    Outcome,
    define::{check_settled, made_topic},
    filled::Filled,
    materialized::PREFIX,
    may_change,
    statements::check_new_statement,
};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Materialized, Next, Record, State, StatementEntry, TableEntry},
    read_after::topics_of,
    service::Service,
    settings::Settings,
};
use levada_sql::Writers;
use levada_sql_syntax::{ColumnDef, CreateMaterializedTable, CreateTable, Insert, Statement, ast};
use levada_stream::Caller;
use std::sync::Arc;

/// The option that names a table's topic.
const TOPIC: &str = "topic";

/// What a change comes to.
pub(super) enum Altered {
    /// Its rows stay.
    Definition,
    /// They are made anew by this statement in this topic.
    Rows { statement: String, topic: String },
}

impl Service {
    /// Alters a materialized table, or begins to. To be called with nobody else starting or ending statements.
    pub(super) async fn alter(
        self: &Arc<Self>,
        create: CreateMaterializedTable,
        name: &str,
        text: String,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Altered, Refusal> {
        let catalog = self.catalog();
        let (entry, materialized) = alterable(&catalog, name, caller)?;
        let (mut declared, query) = self.declared(create, caller)?;
        check_key(name, &entry.create, &declared)?;
        let topic = entry.table.topic().unwrap_or(name);
        if topics_of(&catalog, &query).contains(topic) {
            return Err(Refusal::invalid(format!("materialized table `{name}` would read itself")));
        }
        check_settled(&catalog, &query)?;
        if declared.options.get(TOPIC).is_some_and(|given| given == topic) {
            declared.options.remove(TOPIC);
        }
        if self.means_the_same(entry, materialized, &declared, &query, settings, caller) {
            self.redefine(name, declared, query, text, caller).await?;
            return Ok(Altered::Definition);
        }
        let (statement, topic) = self.names_of_next(entry, materialized, &declared, caller)?;
        declared.options.insert(TOPIC.to_owned(), topic.clone());
        let filled = self.filled(declared, query, statement.clone(), None, settings, caller)?;
        // Whoever saw rows of the one before is not to take them for rows of this one.
        let created_ms = self.handle().now_ms().max(entry.definition.created_ms + 1);
        let table = filled.table_definition.sql.clone();
        let next = Next { sql: text, table, statement: statement.clone(), created_ms };
        self.create_next(name, &next, &filled, caller).await?;
        self.look_after(name, &statement);
        Ok(Altered::Rows { statement, topic })
    }

    /// Whether a query, with what stands beside it, comes to the same rows in the same form.
    fn means_the_same(
        &self,
        entry: &TableEntry,
        materialized: &Materialized,
        declared: &CreateTable,
        query: &ast::Query,
        settings: &Settings,
        caller: &Caller,
    ) -> bool {
        let catalog = self.catalog();
        let statement = catalog.statements.get(&materialized.statement);
        let Some((before, insert)) = statement.and_then(|it| Some((it, it.insert.as_deref()?))) else { return false };
        let is_same_table = !declared.options.contains_key(TOPIC) && shape(&entry.create) == shape(declared);
        if !is_same_table || before.definition.settings != settings.kept() {
            return false;
        }
        let now = Insert { query: Box::new(query.clone()), ..insert.clone() };
        // What a topic that nobody declared has got since is of another query.
        let topics = &before.definition.topics;
        if self.kept_for(&now, &catalog, caller).ok().as_ref() != Some(topics) {
            return false;
        }
        let by = (caller, Some(topics));
        let planned = |insert: &Insert| self.statement(&materialized.statement, insert, &catalog, by);
        match (planned(insert), planned(&now)) {
            (Ok(before), Ok(now)) => before.is_same_plan(&now).unwrap_or(false),
            _ => false,
        }
    }

    /// Another text for the same.
    async fn redefine(
        &self,
        name: &str,
        mut declared: CreateTable,
        query: Box<ast::Query>,
        text: String,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let decide = |catalog: &Catalog| {
            let (entry, materialized) = alterable(catalog, name, caller)?;
            let Some(statement) = catalog.statements.get(&materialized.statement) else { return Ok(Vec::new()) };
            if let Some(topic) = entry.create.options.get(TOPIC) {
                declared.options.insert(TOPIC.to_owned(), topic.clone());
            }
            let insert = Insert { table: declared.name.clone(), options: [].into(), columns: Vec::new(), query };
            let insert = self.definition(Statement::Insert(insert).to_string(), caller)?.sql;
            let create = self.definition(Statement::CreateTable(Box::new(declared)).to_string(), caller)?.sql;
            let materialized = Materialized { sql: text, ..materialized.clone() };
            let statement_name = materialized.statement.clone();
            let table = Definition { sql: create, materialized: Some(materialized), ..entry.definition.clone() };
            let statement = Definition { sql: insert, ..statement.definition.clone() };
            Ok(vec![record(Kind::Table, name, table), record(Kind::Statement, &statement_name, statement)])
        };
        self.change(decide).await
    }

    /// The statement and the topic of what takes a table's place: those of the table with the next number, where nobody
    /// has them.
    fn names_of_next(
        &self,
        entry: &TableEntry,
        materialized: &Materialized,
        declared: &CreateTable,
        caller: &Caller,
    ) -> Result<(String, String), Refusal> {
        let (catalog, name) = (self.catalog(), &entry.table.name);
        let number = materialized.statement.strip_prefix(&format!("{PREFIX}{name}-"));
        let number = number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(1);
        let topic = entry.table.topic().unwrap_or(name);
        let base = topic.strip_suffix(&format!("-{number}")).filter(|_| number > 1).unwrap_or(topic);
        let is_free = |topic: &str| {
            let has_it = |entry: &TableEntry| entry.table.topic() == Some(topic);
            !catalog.tables.values().any(has_it) && self.check_fresh(topic, &entry.table, caller).is_ok()
        };
        let given = declared.options.get(TOPIC);
        if let Some(given) = given {
            self.check_fresh(given, &entry.table, caller)?;
        }
        let numbers = number.saturating_add(1)..;
        let names = numbers.map(|number| (format!("{PREFIX}{name}-{number}"), format!("{base}-{number}")));
        let found = names.take(1_000).find_map(|(statement, topic)| {
            let is_known = catalog.statements.contains_key(&statement);
            let topic = given.cloned().or_else(|| is_free(&topic).then_some(topic))?;
            (!is_known).then_some((statement, topic))
        });
        found.ok_or_else(|| Refusal::exists(format!("no topic `{base}-…` is free")))
    }

    /// That what is to take a table's place can be, and whatever names the table means something then.
    fn check_next(
        &self,
        name: &str,
        next: &Next,
        (filled, writers): (&Filled, Writers),
        catalog: &Catalog,
        caller: &Caller,
    ) -> Result<Checked, Refusal> {
        let (entry, materialized) = alterable(catalog, name, caller)?;
        check_new_statement(catalog, &filled.statement)?;
        check_settled(catalog, &filled.insert.query)?;
        self.check_aside(catalog, &filled.aside, &filled.table, caller)?;
        let topic = entry.table.topic().unwrap_or(name);
        let reads_it = |(statement, entry): &(&String, &StatementEntry)| {
            let insert = entry.insert.as_deref().filter(|_| entry.state() != State::Dropping);
            **statement != materialized.statement
                && insert.is_some_and(|insert| topics_of(catalog, &insert.query).contains(topic))
        };
        if let Some((reader, _)) = catalog.statements.iter().find(reads_it) {
            let message = format!("statement `{reader}` reads `{name}`, and what it wrote would be of other rows");
            return Err(Refusal::exists(message).with_hint("drop that first, and create it again afterwards"));
        }
        let table = record(Kind::Table, name, entry.with_next(Some(next.clone())));
        let records = vec![table, filled.statement_record(writers)];
        let mut after = catalog.clone();
        records.iter().try_for_each(|record| after.apply(record)).map_err(Refusal::invalid)?;
        let by = (caller, Some(&filled.topics));
        let statement = filled.aside.with(self.statement(&filled.statement, &filled.insert, &after, by)?);
        statement.check()?;
        if let Some(replaced) = after.tables.get(name).and_then(TableEntry::replaced) {
            after.apply(&record(Kind::Table, name, replaced)).map_err(Refusal::invalid)?;
        }
        for (view, entry) in &after.views {
            if topics_of(catalog, &entry.create.query).contains(topic) {
                self.check_view(&entry.create, &after, caller).map_err(|refusal| {
                    let message = format!("view `{view}` would mean nothing any more: {}", refusal.message);
                    Refusal::exists(message).with_hint(format!("DROP VIEW `{view}` first"))
                })?;
            }
        }
        Ok(Checked { records, statement })
    }

    /// Creates what is to take a table's place, and starts the statement that fills it.
    async fn create_next(
        self: &Arc<Self>,
        name: &str,
        next: &Next,
        filled: &Filled,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let checked = self.check_next(name, next, (filled, Writers::default()), &self.catalog(), caller)?;
        let writers = checked.statement.writers(&self.surroundings(caller)).await?;
        // What a statement of this name had, whose end was not kept, is not this one's.
        self.handle().drop_journal(&filled.statement).await?;
        made_topic(self, &filled.table, caller).await?;
        self.made_aside(&filled.aside, caller).await?;
        let decide = |catalog: &Catalog| Ok(self.check_next(name, next, (filled, writers), catalog, caller)?.records);
        self.change(decide).await?;
        self.launch_kept(&filled.statement).await;
        Ok(())
    }

    /// Waits a little until a statement's rows are the table's, and says what became of it.
    pub(super) async fn altered(&self, name: &str, altered: Altered, before: &str) -> Outcome {
        let Altered::Rows { statement, topic } = altered else {
            return Outcome::done(format!("materialized table `{name}` has another text; its query means the same"));
        };
        let is_done = || self.catalog().next_of(&statement).is_none();
        self.caught_up_as(&statement, &is_done).await;
        Outcome::done(if is_done() {
            format!("materialized table `{name}` is altered: it is topic `{topic}` now, and `{before}` is deleted")
        } else {
            format!(
                "materialized table `{name}` is as it was until statement `{statement}` has read what there is; then it \
                 is topic `{topic}`, and `{before}` is deleted"
            )
        })
    }
}

/// A change that can be made.
struct Checked {
    records: Vec<Record>,
    statement: levada_sql::Statement,
}

fn record(kind: Kind, name: &str, value: Definition) -> Record {
    Record { key: Key { kind, name: name.to_owned() }, value: Some(value) }
}

/// A materialized table that `caller` may alter now.
fn alterable<'a>(
    catalog: &'a Catalog,
    name: &str,
    caller: &Caller,
) -> Result<(&'a TableEntry, &'a Materialized), Refusal> {
    let Some(entry) = catalog.tables.get(name) else {
        return Err(Refusal::unknown(format!("there is no materialized table `{name}`")));
    };
    let Some(materialized) = entry.materialized() else {
        let refusal = Refusal::exists(format!("`{name}` exists, and is no materialized table"));
        return Err(refusal.with_hint("choose another name"));
    };
    may_change(caller, &entry.definition.owner, &format!("materialized table `{name}`"))?;
    if let Some(Next { statement, .. }) = &materialized.next {
        let refusal = Refusal::exists(format!("materialized table `{name}` is being altered"));
        return Err(refusal.with_hint(format!(
            "wait until statement `{statement}` has read what there is, or DROP STATEMENT `{statement}` to give that up"
        )));
    }
    let state = catalog.statements.get(&materialized.statement).map(StatementEntry::state);
    if state == Some(State::Dropping) {
        return Err(Refusal::exists(format!("materialized table `{name}` is being dropped")));
    }
    Ok((entry, materialized))
}

/// What a table's rows are like, wherever they are.
fn shape(create: &CreateTable) -> String {
    let mut create = CreateTable { comment: None, ..create.clone() };
    create.options.remove(TOPIC);
    Statement::CreateTable(Box::new(create)).to_string()
}

/// That rows are told apart as before: whoever reads single ones would get others.
fn check_key(name: &str, before: &CreateTable, now: &CreateTable) -> Result<(), Refusal> {
    let key = |create: &CreateTable| -> Vec<String> {
        let of = |column: &str| {
            create.columns.iter().find_map(|it| match it {
                ColumnDef::Physical { name, data_type, .. } if name.value == column => Some(data_type.to_string()),
                _ => None,
            })
        };
        let columns = create.primary_key.iter().flatten();
        columns.map(|it| format!("{} {}", it.value, of(&it.value).unwrap_or_default())).collect()
    };
    let (before, now) = (key(before), key(now));
    if before == now {
        return Ok(());
    }
    let text = |key: &[String]| if key.is_empty() { "none".to_owned() } else { format!("({})", key.join(", ")) };
    let message = format!("the key of materialized table `{name}` is {}, and would be {}", text(&before), text(&now));
    Err(Refusal::exists(message).with_hint(format!("DROP MATERIALIZED TABLE `{name}`, and create it again")))
}
