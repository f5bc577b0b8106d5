//! Statements printed in Flink's form.

use super::{
    ColumnDef, CreateMaterializedTable, CreateTable, CreateView, Explain, ExplainDetail, Insert, ObjectKind,
    RefreshMode, Show, Statement, ViewColumn,
};
use crate::{
    query::{expr_text, query_text},
    words::literal,
};
use sqlparser::ast::Ident;
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(query) => f.write_str(&query_text(query)),
            Self::Insert(insert) => write!(f, "{insert}"),
            Self::StatementSet(inserts) => {
                f.write_str("EXECUTE STATEMENT SET BEGIN ")?;
                inserts.iter().try_for_each(|insert| write!(f, "{insert}; "))?;
                f.write_str("END")
            }
            Self::CreateTable(table) => write!(f, "{table}"),
            Self::CreateView(view) => write!(f, "{view}"),
            Self::CreateMaterializedTable(table) => write!(f, "{table}"),
            Self::Drop(drop) => {
                let exists = if drop.if_exists { " IF EXISTS" } else { "" };
                write!(f, "DROP {}{exists} {}", drop.kind, drop.name)
            }
            Self::Show(show) => write!(f, "SHOW {show}"),
            Self::Describe(name) => write!(f, "DESCRIBE {name}"),
            Self::Explain(explain) => write!(f, "{explain}"),
            Self::Set(None) => f.write_str("SET"),
            Self::Set(Some((key, value))) => write!(f, "SET {} = {}", literal(key), literal(value)),
            Self::Reset(None) => f.write_str("RESET"),
            Self::Reset(Some(key)) => write!(f, "RESET {}", literal(key)),
            Self::StartStatement(name) => write!(f, "START STATEMENT {name}"),
            Self::StopStatement(name) => write!(f, "STOP STATEMENT {name}"),
        }
    }
}

impl Display for Insert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "INSERT INTO {}", self.table)?;
        if !self.options.is_empty() {
            write!(f, " /*+ OPTIONS({}) */", pairs(&self.options))?;
        }
        if !self.columns.is_empty() {
            write!(f, " ({})", list(&self.columns))?;
        }
        write!(f, " {}", query_text(&self.query))
    }
}

impl Display for CreateTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE TABLE {}{}", exists(self.if_not_exists), self.name)?;
        let watermark = self.watermark.iter();
        let watermark = watermark.map(|w| format!("WATERMARK FOR {} AS {}", w.column, expr_text(&w.expr)));
        let columns = self.columns.iter().map(ToString::to_string);
        let parts: Vec<String> = columns.chain(watermark).chain(self.primary_key.iter().map(|k| key(k))).collect();
        if !parts.is_empty() {
            write!(f, " ({})", parts.join(", "))?;
        }
        comment(f, self.comment.as_ref())?;
        with(f, &self.options)?;
        self.as_query.iter().try_for_each(|query| write!(f, " AS {}", query_text(query)))
    }
}

impl Display for ColumnDef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let null = |not_null: &bool| if *not_null { " NOT NULL" } else { "" };
        match self {
            Self::Physical { name, data_type, not_null, comment: text } => {
                write!(f, "{name} {data_type}{}", null(not_null))?;
                comment(f, text.as_ref())
            }
            Self::Computed { name, expr, comment: text } => {
                write!(f, "{name} AS {}", expr_text(expr))?;
                comment(f, text.as_ref())
            }
            Self::Metadata { name, data_type, not_null, from, is_virtual, comment: text } => {
                write!(f, "{name} {data_type}{} METADATA", null(not_null))?;
                from.iter().try_for_each(|from| write!(f, " FROM {}", literal(from)))?;
                f.write_str(if *is_virtual { " VIRTUAL" } else { "" })?;
                comment(f, text.as_ref())
            }
        }
    }
}

impl Display for CreateView {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "CREATE VIEW {}{}", exists(self.if_not_exists), self.name)?;
        if !self.columns.is_empty() {
            write!(f, " ({})", list(&self.columns))?;
        }
        comment(f, self.comment.as_ref())?;
        write!(f, " AS {}", query_text(&self.query))
    }
}

impl Display for ViewColumn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        comment(f, self.comment.as_ref())
    }
}

impl Display for CreateMaterializedTable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let alter = if self.or_alter { "OR ALTER " } else { "" };
        write!(f, "CREATE {alter}MATERIALIZED TABLE {}", self.name)?;
        self.primary_key.iter().try_for_each(|columns| write!(f, " ({})", key(columns)))?;
        comment(f, self.comment.as_ref())?;
        with(f, &self.options)?;
        if let Some(freshness_ms) = self.freshness_ms {
            let (seconds, milliseconds) = (freshness_ms / 1_000, freshness_ms % 1_000);
            let fraction = if milliseconds == 0 { String::new() } else { format!(".{milliseconds:03}") };
            write!(f, " FRESHNESS = INTERVAL '{seconds}{fraction}' SECOND(10)")?;
        }
        match self.refresh_mode {
            None => {}
            Some(RefreshMode::Continuous) => f.write_str(" REFRESH_MODE = CONTINUOUS")?,
            Some(RefreshMode::Full) => f.write_str(" REFRESH_MODE = FULL")?,
        }
        write!(f, " AS {}", query_text(&self.query))
    }
}

impl Display for Show {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tables => f.write_str("TABLES"),
            Self::Views => f.write_str("VIEWS"),
            Self::MaterializedTables => f.write_str("MATERIALIZED TABLES"),
            Self::Statements => f.write_str("STATEMENTS"),
            Self::Functions => f.write_str("FUNCTIONS"),
            Self::Columns(table) => write!(f, "COLUMNS FROM {table}"),
            Self::Create(kind, name) => write!(f, "CREATE {kind} {name}"),
        }
    }
}

impl Display for ObjectKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedTable => "MATERIALIZED TABLE",
            Self::Statement => "STATEMENT",
        })
    }
}

impl Display for Explain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let details: Vec<String> = self.details.iter().map(ToString::to_string).collect();
        f.write_str("EXPLAIN ")?;
        if !details.is_empty() {
            write!(f, "{} ", details.join(", "))?;
        }
        // Behind `EXPLAIN` a set has no `EXECUTE`.
        let text = self.statement.to_string();
        f.write_str(text.strip_prefix("EXECUTE ").unwrap_or(&text))
    }
}

impl Display for ExplainDetail {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EstimatedCost => "ESTIMATED_COST",
            Self::ChangelogMode => "CHANGELOG_MODE",
            Self::JsonExecutionPlan => "JSON_EXECUTION_PLAN",
            Self::PlanAdvice => "PLAN_ADVICE",
        })
    }
}

fn exists(if_not_exists: bool) -> &'static str {
    if if_not_exists { "IF NOT EXISTS " } else { "" }
}

fn list(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn key(columns: &[Ident]) -> String {
    format!("PRIMARY KEY ({}) NOT ENFORCED", list(columns))
}

fn comment(f: &mut Formatter<'_>, comment: Option<&String>) -> fmt::Result {
    comment.iter().try_for_each(|comment| write!(f, " COMMENT {}", literal(comment)))
}

fn pairs(options: &BTreeMap<String, String>) -> String {
    let pairs = options.iter().map(|(key, value)| format!("{} = {}", literal(key), literal(value)));
    pairs.collect::<Vec<_>>().join(", ")
}

fn with(f: &mut Formatter<'_>, options: &BTreeMap<String, String>) -> fmt::Result {
    if options.is_empty() {
        return Ok(());
    }
    write!(f, " WITH ({})", pairs(options))
}
