//! What a statement says.

mod display;

use crate::DataType;
use sqlparser::ast::{Expr, Ident, ObjectName, Query};
use std::collections::{BTreeMap, BTreeSet};

/// A statement. `Display` prints it in Flink's form, on one line, so that it comes to the same when it is parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `SELECT …`, `WITH …` or `VALUES …`.
    Query(Box<Query>),
    /// `INSERT INTO t …`.
    Insert(Insert),
    /// `EXECUTE STATEMENT SET BEGIN …; END`: several of them as one; at least one.
    StatementSet(Vec<Insert>),
    /// `CREATE TABLE t …`.
    CreateTable(Box<CreateTable>),
    /// `CREATE VIEW v AS …`.
    CreateView(CreateView),
    /// `CREATE MATERIALIZED TABLE t … AS …`.
    CreateMaterializedTable(Box<CreateMaterializedTable>),
    /// `DROP …`.
    Drop(DropObject),
    /// `SHOW …`.
    Show(Show),
    /// `DESCRIBE t`.
    Describe(ObjectName),
    /// `EXPLAIN …`.
    Explain(Explain),
    /// `SET 'key' = 'value'`; `SET` alone shows all.
    Set(Option<(String, String)>),
    /// `RESET 'key'`; `RESET` alone resets all.
    Reset(Option<String>),
    /// `START STATEMENT s`, which Flink does not have.
    StartStatement(Ident),
    /// `STOP STATEMENT s`, which Flink does not have.
    StopStatement(Ident),
}

/// Rows that go into a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: ObjectName,
    /// The options of a hint behind its name.
    pub options: BTreeMap<String, String>,
    /// The columns that the query has values for; all in their order where it is empty.
    pub columns: Vec<Ident>,
    /// The rows.
    pub query: Box<Query>,
}

/// A table as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// Whether nothing is to happen where it exists.
    pub if_not_exists: bool,
    /// Its columns, of different names.
    pub columns: Vec<ColumnDef>,
    /// Its event time.
    pub watermark: Option<WatermarkDef>,
    /// The columns of its key, which are among its columns unless there is a query. Not checked when rows come.
    pub primary_key: Option<Vec<Ident>>,
    /// What is said about it.
    pub comment: Option<String>,
    /// What is behind `WITH`.
    pub options: BTreeMap<String, String>,
    /// The query whose rows it gets.
    pub as_query: Option<Box<Query>>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnDef {
    /// One that is in the data.
    Physical {
        /// Its name.
        name: Ident,
        /// Its type.
        data_type: DataType,
        /// Whether it is never null.
        not_null: bool,
        /// What is said about it.
        comment: Option<String>,
    },
    /// One that is computed from others.
    Computed {
        /// Its name.
        name: Ident,
        /// What it is.
        expr: Box<Expr>,
        /// What is said about it.
        comment: Option<String>,
    },
    /// One that comes from the connector.
    Metadata {
        /// Its name.
        name: Ident,
        /// Its type.
        data_type: DataType,
        /// Whether it is never null.
        not_null: bool,
        /// What the connector calls it, where that is not the name.
        from: Option<String>,
        /// Whether it is only read, and never written.
        is_virtual: bool,
        /// What is said about it.
        comment: Option<String>,
    },
}

impl ColumnDef {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Ident {
        match self {
            Self::Physical { name, .. } | Self::Computed { name, .. } | Self::Metadata { name, .. } => name,
        }
    }
}

/// `WATERMARK FOR column AS expr`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDef {
    /// The column with the time of events.
    pub column: Ident,
    /// Up to where all events are taken to have come.
    pub expr: Expr,
}

/// A query with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// Whether nothing is to happen where it exists.
    pub if_not_exists: bool,
    /// Names of its columns, where they are not the query's.
    pub columns: Vec<ViewColumn>,
    /// What is said about it.
    pub comment: Option<String>,
    /// The query.
    pub query: Box<Query>,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewColumn {
    /// Its name.
    pub name: Ident,
    /// What is said about it.
    pub comment: Option<String>,
}

/// A query whose result is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMaterializedTable {
    /// Its name.
    pub name: ObjectName,
    /// Whether the query of an existing one is to be changed.
    pub or_alter: bool,
    /// The columns of its key.
    pub primary_key: Option<Vec<Ident>>,
    /// What is said about it.
    pub comment: Option<String>,
    /// What is behind `WITH`.
    pub options: BTreeMap<String, String>,
    /// How old its data may be, in milliseconds, more than none.
    pub freshness_ms: Option<i64>,
    /// How it is kept up to date.
    pub refresh_mode: Option<RefreshMode>,
    /// The query.
    pub query: Box<Query>,
}

/// How a materialized table is kept up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshMode {
    /// All the time.
    Continuous,
    /// As a whole, again and again.
    Full,
}

/// What is to go.
#[derive(Debug, Clone, PartialEq)]
pub struct DropObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Whether it need not be there.
    pub if_exists: bool,
    /// Its name.
    pub name: ObjectName,
}

/// What can have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `TABLE`.
    Table,
    /// `VIEW`.
    View,
    /// `MATERIALIZED TABLE`.
    MaterializedTable,
    /// `STATEMENT`, which Flink does not have.
    Statement,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW VIEWS`.
    Views,
    /// `SHOW MATERIALIZED TABLES`.
    MaterializedTables,
    /// `SHOW STATEMENTS`, which Flink does not have.
    Statements,
    /// `SHOW FUNCTIONS`.
    Functions,
    /// `SHOW COLUMNS FROM t`.
    Columns(ObjectName),
    /// `SHOW CREATE TABLE t` and its kin; never of a statement.
    Create(ObjectKind, ObjectName),
}

/// A statement that is to be explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// What is to be told beside the plan.
    pub details: BTreeSet<ExplainDetail>,
    /// The statement: a query, an insert, a set of them, or one that creates something from a query.
    pub statement: Box<Statement>,
}

/// What `EXPLAIN` tells beside the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExplainDetail {
    /// `ESTIMATED_COST`.
    EstimatedCost,
    /// `CHANGELOG_MODE`.
    ChangelogMode,
    /// `JSON_EXECUTION_PLAN`.
    JsonExecutionPlan,
    /// `PLAN_ADVICE`.
    PlanAdvice,
}
