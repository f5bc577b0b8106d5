//! [`Best`]: the least or greatest of a group's values, of which none goes alone: the others need not be kept.

use super::{
    Accumulator,
    extreme::{Which, shown},
};
use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::arrow::{
    array::ArrayRef,
    datatypes::DataType,
    row::{RowConverter, SortField},
};

/// One value of each group, as a row of Arrow's row format, whose bytes have the values' order.
pub(super) struct Best {
    converter: RowConverter,
    output: DataType,
    which: Which,
    groups: Vec<Option<Box<[u8]>>>,
    bytes: usize,
}

impl Best {
    pub(super) fn new(value: DataType, which: Which) -> Result<Self, RunError> {
        let converter = RowConverter::new(vec![SortField::new(value.clone())])?;
        Ok(Self { converter, output: value, which, groups: Vec::new(), bytes: 0 })
    }

    fn offer(&mut self, group: u32, row: &[u8]) {
        let best = &mut self.groups[index(group)];
        let is_better = match (best.as_deref(), self.which) {
            (None, _) => true,
            (Some(known), Which::Least) => row < known,
            (Some(known), Which::Greatest) => row > known,
        };
        if is_better {
            self.bytes += row.len();
            self.bytes -= best.replace(row.into()).map_or(0, |old| old.len());
        }
    }
}

impl Accumulator for Best {
    fn grow(&mut self, end: usize) {
        self.groups.resize(end, None);
    }

    fn update(&mut self, groups: &[u32], values: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError> {
        let Some(values) = values else { return Ok(()) };
        let rows = self.converter.convert_columns(std::slice::from_ref(values))?;
        for (place, (group, weight)) in groups.iter().zip(weights).enumerate() {
            match weight {
                0 => {}
                1.. => self.offer(*group, rows.row(place).data()),
                _ => return Err(RunError::Internal("a value goes where none is to go".to_owned())),
            }
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError> {
        let best: Vec<Option<&[u8]>> = groups.iter().map(|group| self.groups[index(*group)].as_deref()).collect();
        shown(&self.converter, &self.output, &best)
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        if let Some(row) = self.groups[index(from)].take() {
            self.bytes -= row.len();
            self.offer(into, &row);
        }
        Ok(())
    }

    fn forget(&mut self, group: u32) {
        self.bytes -= self.groups[index(group)].take().map_or(0, |row| row.len());
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.len() * size_of::<Option<Box<[u8]>>>()
    }

    /// As where every value is kept: a list of values, each with how often it is there.
    fn save(&self, to: &mut Writer) {
        for group in &self.groups {
            to.count(usize::from(group.is_some()));
            if let Some(row) = group {
                to.bytes(row);
                to.i64(1);
            }
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for group in 0..self.groups.len() {
            let group = u32::try_from(group).map_err(|_| SnapshotError::Malformed)?;
            for _ in 0..from.count()? {
                let (row, count) = (from.bytes()?, from.i64()?);
                if count < 1 {
                    return Err(SnapshotError::Malformed);
                }
                self.offer(group, row);
            }
        }
        Ok(())
    }
}
