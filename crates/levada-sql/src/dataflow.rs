//! [`Dataflow`]: the operators of a statement and what flows between them.

use crate::{
    changes::Changes,
    epoch::Time,
    late::LateRows,
    left_out::WithoutValue,
    operator::{Operator, Out, counted},
    snapshot::{Reader, SnapshotError, Writer},
    source::Undecoded,
};
use datafusion::{arrow::error::ArrowError, error::DataFusionError};

pub use crate::operator::Stats;

/// Why a statement cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An expression has no value for some row.
    #[error("{0}")]
    Evaluate(#[from] DataFusionError),
    /// Columns could not be computed.
    #[error("{0}")]
    Compute(#[from] ArrowError),
    /// A sum is beyond its type.
    #[error("a sum is too large for its type; sum up a wider one, `SUM(CAST(x AS DECIMAL(38, 0)))` for instance")]
    SumTooLarge,
    /// What is remembered takes more than the statement may have.
    #[error("state takes {size} bytes, and the statement may have {limit} (`sql.state.bytes.max`)")]
    StateTooLarge {
        /// How much it takes.
        size: usize,
        /// How much it may take.
        limit: usize,
    },
    /// A promise between our own parts does not hold.
    #[error("this should not happen: {0}")]
    Internal(String),
}

impl RunError {
    /// Whether it is the fault of rows, without which what they are part of may go on.
    pub(crate) const fn is_of_rows(&self) -> bool {
        matches!(self, Self::Evaluate(_) | Self::Compute(_))
    }
}

/// Where changes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// An input of a node, which comes behind whatever feeds it.
    Node { node: usize, input: usize },
    /// One of the results.
    Output(usize),
}

pub(crate) struct Node {
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) consumers: Vec<Port>,
}

/// Operators in an order in which each comes behind those that feed it.
pub struct Dataflow {
    nodes: Vec<Node>,
    /// Of each source: who reads it.
    sources: Vec<Vec<Port>>,
    outputs: Vec<Out>,
}

impl Dataflow {
    pub(crate) fn new(nodes: Vec<Node>, sources: Vec<Vec<Port>>, outputs: usize) -> Self {
        Self { nodes, sources, outputs: (0..outputs).map(|_| Out::new()).collect() }
    }

    /// Takes rows of a source.
    ///
    /// # Errors
    /// [`RunError`]; the dataflow is of no use any more then.
    pub fn push(&mut self, source: usize, changes: &Changes) -> Result<(), RunError> {
        let ports = self.sources.get(source).cloned().unwrap_or_default();
        self.give(&ports, changes)
    }

    /// As [`Self::push`], as long as no more than `size_max` bytes are remembered.
    ///
    /// # Errors
    /// [`RunError`], [`RunError::StateTooLarge`] among them.
    pub fn push_within(&mut self, size_max: usize, source: usize, changes: &Changes) -> Result<(), RunError> {
        self.push(source, changes)?;
        let size = self.stats().state_bytes;
        if size > size_max { Err(RunError::StateTooLarge { size, limit: size_max }) } else { Ok(()) }
    }

    fn give(&mut self, ports: &[Port], changes: &Changes) -> Result<(), RunError> {
        let mut waiting: Vec<(Port, Changes)> = ports.iter().rev().map(|port| (*port, changes.clone())).collect();
        while let Some((port, changes)) = waiting.pop() {
            if changes.is_empty() {
                continue;
            }
            match port {
                Port::Output(output) => self.outputs[output].push(changes),
                Port::Node { node, input } => {
                    let mut out = Out::new();
                    let node = &mut self.nodes[node];
                    node.operator.push(input, &changes, &mut out)?;
                    for changes in out.into_iter().rev() {
                        waiting.extend(node.consumers.iter().rev().map(|port| (*port, changes.clone())));
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends the epoch: the net change of each result.
    ///
    /// # Errors
    /// [`RunError`]; the dataflow is of no use any more then.
    pub fn end_epoch(&mut self, time: &Time) -> Result<Vec<Vec<Changes>>, RunError> {
        for node in 0..self.nodes.len() {
            let mut out = Out::new();
            self.nodes[node].operator.end_epoch(time, &mut out)?;
            let consumers = self.nodes[node].consumers.clone();
            for changes in out {
                self.give(&consumers, &changes)?;
            }
        }
        Ok(self.outputs.iter_mut().map(std::mem::take).collect())
    }

    /// Writes all that is remembered, between two epochs.
    pub fn save(&self, to: &mut Writer) {
        to.u64(counted(self.nodes.len()));
        self.nodes.iter().for_each(|node| node.operator.save(to));
    }

    /// Reads what was saved of the same plan, before the first rows.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        if from.u64()? != counted(self.nodes.len()) {
            return Err(SnapshotError::Malformed);
        }
        self.nodes.iter_mut().try_for_each(|node| node.operator.load(from))
    }

    /// What becomes of rows of which an expression has no value; a failure where nothing is said.
    pub(crate) fn set_undecoded(&mut self, undecoded: Undecoded) {
        self.nodes.iter_mut().filter_map(|node| node.operator.left_out()).for_each(|rows| rows.set(undecoded));
    }

    /// How many such rows there were since the last call, and those that are kept.
    pub(crate) fn take_left_out(&mut self) -> (u64, Vec<WithoutValue>) {
        let (mut count, mut all) = (0, Vec::new());
        for rows in self.nodes.iter_mut().filter_map(|node| node.operator.left_out()) {
            let (more, kept) = rows.take();
            count += more;
            all.extend(kept);
        }
        (count, all)
    }

    /// Whether rows that come too late are kept from now on; where nothing is said they are not.
    pub(crate) fn keep_late(&mut self, is_kept: bool) {
        self.nodes.iter_mut().filter_map(|node| node.operator.late()).for_each(|late| late.keep(is_kept));
    }

    /// Bytes of late rows that are kept.
    pub(crate) fn late_size(&mut self) -> usize {
        self.nodes.iter_mut().filter_map(|node| node.operator.late()).map(|late| late.size()).sum()
    }

    /// Late rows that were kept since the last call, each with the number of the operator that they came to.
    pub(crate) fn take_late(&mut self) -> Vec<(usize, LateRows)> {
        let nodes = self.nodes.iter_mut().enumerate();
        let late = nodes.filter_map(|(number, node)| Some((number, node.operator.late()?.take())));
        late.flat_map(|(number, kept)| kept.into_iter().map(move |late| (number, late))).collect()
    }

    /// Figures of all operators.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.nodes.iter().fold(Stats::default(), |sum, node| sum.plus(node.operator.stats()))
    }
}
