//! Statements out of text, run on a rig.

use super::rig::{Rig, caller};
use levada_model::TopicName;
use levada_sql::{
    Statement, StatementError, Table,
    query::Query,
    statement::{LateRows, OnError, Progress, Stop, Surroundings},
};
use levada_sql_syntax as syntax;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// The tables that a script declares.
pub(crate) fn tables(script: &str) -> BTreeMap<String, Arc<Table>> {
    let declared = |parsed: syntax::Parsed| {
        let syntax::Statement::CreateTable(create) = parsed.statement else { panic!("no table: {}", parsed.text) };
        let table = Table::declared(&create).unwrap();
        (table.name.clone(), Arc::new(table))
    };
    syntax::parse_script(script).unwrap().into_iter().map(declared).collect()
}

/// `INSERT INTO …` over these tables.
pub(crate) fn insert(name: &str, tables: &BTreeMap<String, Arc<Table>>, sql: &str) -> Statement {
    let syntax::Statement::Insert(insert) = syntax::parse_statement(sql).unwrap().statement else { panic!("{sql}") };
    let sink = Arc::clone(&tables[&insert.table.to_string()]);
    let columns = insert.columns.into_iter().map(|column| column.value).collect();
    let on_error = OnError::default();
    let query = insert.query;
    Statement {
        name: name.to_owned(),
        query,
        columns,
        tables: tables.clone(),
        sink,
        on_error,
        writers: Default::default(),
        late_rows: LateRows::default(),
        view: None,
    }
}

pub(crate) fn query(tables: &BTreeMap<String, Arc<Table>>, sql: &str) -> Query {
    let syntax::Statement::Query(query) = syntax::parse_statement(sql).unwrap().statement else { panic!("{sql}") };
    Query { query, tables: tables.clone() }
}

pub(crate) fn surroundings(rig: &Rig) -> Surroundings {
    Surroundings {
        handle: rig.handle.clone(),
        caller: caller(),
        sleep: Arc::new(|_| Box::pin(std::future::pending())),
        state_size_max: 1 << 30,
        schemas: None,
    }
}

/// Runs a statement while `work` goes on, then until it has read everything, and stops it.
pub(crate) async fn run_with(
    rig: &Rig,
    statement: &Statement,
    work: impl AsyncFnOnce(),
) -> (Result<(), StatementError>, Progress) {
    let (stop, progress) = (Stop::default(), watch::Sender::new(Progress::default()));
    let surroundings = surroundings(rig);
    let working = async {
        work().await;
        // Its inputs are known once it has begun.
        loop {
            let read = progress.borrow().read.clone();
            let end = |((topic, partition), at): (&(TopicName, i32), &i64)| {
                let inputs = rig.handle.inputs(&caller(), std::slice::from_ref(topic)).unwrap();
                inputs.end()[usize::try_from(*partition).unwrap()] <= *at
            };
            if !read.is_empty() && read.iter().all(end) {
                break;
            }
            tokio::task::yield_now().await;
        }
        stop.give();
        std::future::pending().await
    };
    let run = tokio::select! {
        run = statement.run(&surroundings, &stop, &progress) => run,
        () = working => unreachable!("it goes on for ever"),
    };
    let progress = progress.borrow().clone();
    (run, progress)
}
