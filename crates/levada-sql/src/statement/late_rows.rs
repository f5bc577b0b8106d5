//! Rows that come too late: what becomes of them.

use super::{Statement, StatementError, Surroundings, dead_letter::Letters};
use crate::{explain::Waiting, late, query::Rows};
use bytes::Bytes;
use levada_model::{Str, Timestamp, record::RecordHeader};
use levada_stream::{Output, OutputRecord};

/// What becomes of rows that come when the watermark has passed what they would have been part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LateRows {
    /// They are counted.
    #[default]
    Drop,
    /// They are counted, and written to the topic of this name: as JSON, as far as they were computed, with headers
    /// that say for which operator and which tables they were late, and what the watermark was.
    Topic(String),
}

/// Writes late rows.
pub(super) struct LateTopic {
    letters: Letters,
    /// Of each operator: what it is, and the tables whose watermark it waits for.
    operators: Vec<Waiting>,
}

impl LateTopic {
    /// Where the statement writes them, if it does.
    pub(super) fn open(
        statement: &Statement,
        operators: Vec<Waiting>,
        surroundings: &Surroundings,
    ) -> Result<Option<Self>, StatementError> {
        let LateRows::Topic(topic) = &statement.late_rows else { return Ok(None) };
        Ok(Some(Self { letters: Letters::open(topic, surroundings)?, operators }))
    }

    pub(super) fn outputs(
        &self,
        late: Vec<(usize, late::LateRows)>,
        timestamp: Timestamp,
    ) -> Result<Vec<Output>, StatementError> {
        let mut records = Vec::new();
        for (number, late) in late {
            let Some(Waiting { operator, tables }) = self.operators.get(number) else { continue };
            let header =
                |key: &str, value: String| RecordHeader { key: Str::from(key), value: Some(Bytes::from(value)) };
            let headers = [
                header("sql.operator", operator.clone()),
                header("sql.watermark", late.watermark.to_string()),
                header("sql.table", tables.join(",")),
            ];
            let mut rows = Rows::default();
            rows.append(1, &late.rows)?;
            let record = |row| OutputRecord { timestamp, key: None, value: Some(row), headers: headers.to_vec() };
            for ((_, row), copies) in rows.rows.into_iter().zip(late.copies) {
                records.extend((0..copies).map(|_| record(row.clone())));
            }
        }
        self.letters.outputs(records)
    }
}
