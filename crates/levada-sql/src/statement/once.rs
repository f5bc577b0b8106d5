//! Rows that no table is read for: they are known at once, and nothing of the statement stays.

use super::{Statement, StatementError, Surroundings, check_columns, planner, target::Target};
use crate::{changes::Changes, sink::Sink};
use levada_stream::Output;
use std::sync::Arc;

/// Rows as their table's topic takes them.
#[derive(Debug)]
pub struct Once {
    /// What is to be written, together; nothing where rows are gone.
    pub outputs: Vec<Output>,
    /// How many rows it is.
    pub row_count: u64,
}

impl Statement {
    /// Whether no table is read for its rows.
    ///
    /// # Errors
    /// [`StatementError::Plan`].
    pub fn reads_nothing(&self) -> Result<bool, StatementError> {
        Ok(planner(&self.tables)?.reads_nothing(&self.query)?)
    }

    /// The rows of its query, which reads no table. Of rows with one key the last one counts, where keys count.
    ///
    /// # Errors
    /// [`StatementError`].
    pub async fn once(&self, surroundings: &Surroundings) -> Result<Once, StatementError> {
        let planner = planner(&self.tables)?;
        let wanted = self.checked_target()?;
        check_columns(planner.logical(&self.query)?.schema().inner(), &self.sink, &wanted)?;
        let batches = planner.once(&self.query, surroundings.state_size_max).await?;
        let target = Target::of(self)?;
        let changes = batches.into_iter().map(|batch| target.columns(&Changes::inserted(batch)));
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        // Nothing is registered for rows that are refused.
        let writers = self.writers(surroundings).await?;
        let mut sink = Sink::open(Arc::clone(&self.sink), writers, surroundings, true)?;
        let written = sink.write(&changes, surroundings.handle.now_ms())?;
        Ok(Once { outputs: written.outputs, row_count: written.records })
    }
}
