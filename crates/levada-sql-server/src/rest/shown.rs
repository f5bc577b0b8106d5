//! What statements came to, as it is shown in JSON.

use crate::{Refusal, execute::Outcome};
use bytes::Bytes;
use levada_sql::query::Column;
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
                let rows = answer.json()?.rows;
                let rows = rows.iter().map(|(_, row)| raw(row)).collect::<Result<_, _>>()?;
                Self::Rows { columns: answer.columns().iter().map(ShownColumn::from).collect(), rows }
            }
            Outcome::Done { message } => Self::Done { message },
            Outcome::Statement { name } => Self::Statement { name },
        })
    }
}

/// A row as it was encoded.
pub(super) fn raw(row: &Bytes) -> Result<Box<RawValue>, Refusal> {
    serde_json::from_slice(row).map_err(|error| Refusal::internal(format!("a row is no JSON: {error}")))
}
