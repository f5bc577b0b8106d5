//! What statements came to, as it is shown in JSON.

use crate::{
    Refusal,
    execute::{Answered, Outcome},
};
use bytes::Bytes;
use levada_sql::{Answer, query::Column};
use serde::Serialize;
use serde_json::value::RawValue;

/// What a statement came to.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Shown {
    Rows { columns: Vec<ShownColumn>, rows: Vec<Box<RawValue>> },
    Done { message: String },
    Statement { name: String },
}

/// A column of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct ShownColumn {
    name: String,
    r#type: String,
}

impl From<&Column> for ShownColumn {
    fn from(Column { name, of }: &Column) -> Self {
        Self { name: name.clone(), r#type: of.to_string() }
    }
}

impl TryFrom<Outcome> for Shown {
    type Error = Refusal;

    fn try_from(outcome: Outcome) -> Result<Self, Refusal> {
        Ok(match outcome {
            Outcome::Rows(answer) => {
                let (columns, rows) = shown(&answer)?;
                Self::Rows { columns, rows }
            }
            Outcome::Done { message } => Self::Done { message },
            Outcome::Inserted { row_count: 1, table } => {
                Self::Done { message: format!("1 row is inserted into `{table}`") }
            }
            Outcome::Inserted { row_count, table } => {
                Self::Done { message: format!("{row_count} rows are inserted into `{table}`") }
            }
            Outcome::Statement { name } => Self::Statement { name },
        })
    }
}

/// Rows of one version of a table.
#[derive(Debug, Serialize)]
pub(super) struct ShownAnswer {
    epoch: Option<u64>,
    columns: Vec<ShownColumn>,
    rows: Vec<Box<RawValue>>,
}

impl TryFrom<Answered> for ShownAnswer {
    type Error = Refusal;

    fn try_from(Answered { epoch, answer }: Answered) -> Result<Self, Refusal> {
        let (columns, rows) = shown(&answer)?;
        Ok(Self { epoch, columns, rows })
    }
}

fn shown(answer: &Answer) -> Result<(Vec<ShownColumn>, Vec<Box<RawValue>>), Refusal> {
    let rows = answer.json()?.rows;
    let rows = rows.iter().map(|(_, row)| raw(row)).collect::<Result<_, _>>()?;
    Ok((answer.columns().iter().map(ShownColumn::from).collect(), rows))
}

/// A row as it was encoded.
pub(super) fn raw(row: &Bytes) -> Result<Box<RawValue>, Refusal> {
    serde_json::from_slice(row).map_err(|error| Refusal::internal(format!("a row is no JSON: {error}")))
}
