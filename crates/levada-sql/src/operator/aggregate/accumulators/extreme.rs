//! [`Extreme`]: the least or greatest of a group's values, each of which is kept with how often it is there.

use super::Accumulator;
use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::arrow::{
    array::{ArrayRef, new_empty_array, new_null_array},
    compute::interleave,
    datatypes::DataType,
    row::{RowConverter, SortField},
};
use std::collections::BTreeMap;

/// Which value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Least,
    Greatest,
}

/// The values of all groups, as rows of Arrow's row format, whose bytes have the values' order.
pub(super) struct Extreme {
    converter: RowConverter,
    output: DataType,
    which: Which,
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
    bytes: usize,
}

const ENTRY_SIZE: usize = 40;

impl Extreme {
    pub(super) fn new(value: DataType, which: Which) -> Result<Self, RunError> {
        let converter = RowConverter::new(vec![SortField::new(value.clone())])?;
        Ok(Self { converter, output: value, which, groups: Vec::new(), bytes: 0 })
    }
}

/// The values of rows; NULL where there is none.
pub(super) fn shown(converter: &RowConverter, output: &DataType, rows: &[Option<&[u8]>]) -> Result<ArrayRef, RunError> {
    let parser = converter.parser();
    let mut columns = converter.convert_rows(rows.iter().flatten().map(|row| parser.parse(row)))?;
    let found = columns.pop().unwrap_or_else(|| new_empty_array(output));
    let mut next = 0;
    let place = |row: &Option<&[u8]>| match row {
        Some(_) => {
            next += 1;
            (0, next - 1)
        }
        None => (1, 0),
    };
    let places: Vec<(usize, usize)> = rows.iter().map(place).collect();
    let nothing = new_null_array(output, 1);
    Ok(interleave(&[found.as_ref(), nothing.as_ref()], &places)?)
}

impl Accumulator for Extreme {
    fn grow(&mut self, end: usize) {
        self.groups.resize(end, BTreeMap::new());
    }

    fn update(&mut self, groups: &[u32], values: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError> {
        let Some(values) = values else { return Ok(()) };
        let rows = self.converter.convert_columns(std::slice::from_ref(values))?;
        for (place, (group, weight)) in groups.iter().zip(weights).enumerate().filter(|(_, (_, weight))| **weight != 0)
        {
            let (group, row) = (&mut self.groups[index(*group)], rows.row(place));
            let Some(count) = group.get_mut(row.data()) else {
                self.bytes += row.data().len() + ENTRY_SIZE;
                group.insert(row.data().into(), *weight);
                continue;
            };
            *count += weight;
            if *count == 0 {
                self.bytes -= row.data().len() + ENTRY_SIZE;
                group.remove(row.data());
            }
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError> {
        let best = |group: &u32| {
            // Within an epoch a value may go before it comes.
            let mut there = self.groups[index(*group)].iter().filter(|(_, count)| **count > 0).map(|(row, _)| row);
            if self.which == Which::Least { there.next() } else { there.next_back() }
        };
        let best: Vec<Option<&[u8]>> = groups.iter().map(|group| best(group).map(|row| &**row)).collect();
        shown(&self.converter, &self.output, &best)
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        let moved = std::mem::take(&mut self.groups[index(from)]);
        let group = &mut self.groups[index(into)];
        for (row, weight) in moved {
            let size = row.len() + ENTRY_SIZE;
            let Some(count) = group.get_mut(&row) else {
                group.insert(row, weight);
                continue;
            };
            // One entry of the two is left, or none.
            self.bytes -= size;
            *count += weight;
            if *count == 0 {
                self.bytes -= size;
                group.remove(&row);
            }
        }
        Ok(())
    }

    fn forget(&mut self, group: u32) {
        let gone = std::mem::take(&mut self.groups[index(group)]);
        self.bytes -= gone.keys().map(|row| row.len() + ENTRY_SIZE).sum::<usize>();
    }

    fn size(&self) -> usize {
        self.bytes + self.groups.len() * size_of::<BTreeMap<Box<[u8]>, i64>>()
    }

    fn save(&self, to: &mut Writer) {
        for group in &self.groups {
            to.count(group.len());
            for (row, count) in group {
                to.bytes(row);
                to.i64(*count);
            }
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for group in &mut self.groups {
            for _ in 0..from.count()? {
                let (row, count) = (from.bytes()?, from.i64()?);
                self.bytes += row.len() + ENTRY_SIZE;
                group.insert(row.into(), count);
            }
        }
        Ok(())
    }
}
