//! [`Values`]: the values of groups, each pair of both under a small number that it keeps while it is there.
//!
//! Numbers and times, which are most of what is counted so, lie in the table itself: to look one up is one access to
//! memory. What is larger, or equal in a way of its own, is a row like others.

use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{Encoded, RowTable, index},
};
use datafusion::arrow::{
    array::{ArrayRef, AsArray as _, Int64Array, UInt32Array},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::{hash::BuildHasher as _, sync::Arc};

/// What an entry costs in all.
const ENTRY_SIZE: usize = 48;

/// See the module.
pub(super) enum Values {
    Rows(RowTable),
    Numbers(Numbers),
}

/// Values as they are looked up.
pub(super) enum Keys {
    Rows(Encoded),
    Numbers(Int64Array),
}

impl Values {
    pub(super) fn new(value: DataType) -> Result<Self, RunError> {
        let is_number = value.is_signed_integer()
            || matches!(value, DataType::Date32 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_));
        Ok(match is_number {
            true => Self::Numbers(Numbers::new(value)),
            false => Self::Rows(RowTable::new([DataType::UInt32, value])?),
        })
    }

    pub(super) fn keys(&self, groups: &[u32], values: &ArrayRef) -> Result<Keys, RunError> {
        Ok(match self {
            Self::Rows(rows) => {
                let groups = Arc::new(UInt32Array::from(groups.to_vec()));
                Keys::Rows(rows.encode(&[groups, Arc::clone(values)])?)
            }
            Self::Numbers(_) => Keys::Numbers(as_numbers(values)?.as_primitive::<Int64Type>().clone()),
        })
    }

    /// The number of the value at a place, which is added where it is missing.
    pub(super) fn find_or_add(&mut self, group: u32, keys: &Keys, place: usize) -> Result<(u32, bool), RunError> {
        match (self, keys) {
            (Self::Rows(rows), Keys::Rows(keys)) => Ok(rows.find_or_add(keys.row(place))),
            (Self::Numbers(numbers), Keys::Numbers(keys)) => Ok(numbers.find_or_add(group, keys.value(place))),
            _ => Err(RunError::Internal("keys are not those of this table".to_owned())),
        }
    }

    pub(super) fn remove(&mut self, id: u32) {
        match self {
            Self::Rows(rows) => rows.remove(id),
            Self::Numbers(numbers) => numbers.remove(id),
        }
    }

    /// Values without their groups.
    pub(super) fn column(&self, ids: &[u32]) -> Result<ArrayRef, RunError> {
        match self {
            Self::Rows(rows) => {
                let missing = || RunError::Internal("a value has its group before it".to_owned());
                rows.columns(ids.iter().copied())?.pop().ok_or_else(missing)
            }
            Self::Numbers(numbers) => numbers.column(ids),
        }
    }

    /// One more than the largest number that was given.
    pub(super) const fn end(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.end(),
            Self::Numbers(numbers) => numbers.entries.len(),
        }
    }

    /// The numbers of all values that are there, ascending.
    pub(super) fn ids(&self) -> Vec<u32> {
        match self {
            Self::Rows(rows) => rows.ids().collect(),
            Self::Numbers(numbers) => {
                (0..).zip(&numbers.entries).filter(|(_, entry)| entry.is_there).map(|(id, _)| id).collect()
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.size(),
            Self::Numbers(numbers) => numbers.table.len() * ENTRY_SIZE,
        }
    }

    pub(super) fn save(&self, to: &mut Writer) {
        match self {
            Self::Rows(rows) => rows.save(to),
            Self::Numbers(numbers) => numbers.save(to),
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        match self {
            Self::Rows(rows) => rows.load(from),
            Self::Numbers(numbers) => numbers.load(from),
        }
    }
}

/// Whatever is counted in units, as that many of them.
fn as_numbers(values: &ArrayRef) -> Result<ArrayRef, RunError> {
    // 32 bits have a way of their own to 64.
    let units = match values.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(values, &DataType::Int32)?,
        _ => Arc::clone(values),
    };
    Ok(cast(&units, &DataType::Int64)?)
}

pub(super) struct Numbers {
    value: DataType,
    hasher: DefaultHashBuilder,
    table: HashTable<Slot>,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Slot {
    value: i64,
    group: u32,
    id: u32,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    value: i64,
    group: u32,
    is_there: bool,
}

impl Numbers {
    fn new(value: DataType) -> Self {
        let (table, entries, free) = (HashTable::new(), Vec::new(), Vec::new());
        Self { value, hasher: DefaultHashBuilder::default(), table, entries, free }
    }

    fn find_or_add(&mut self, group: u32, value: i64) -> (u32, bool) {
        let Self { hasher, table, entries, free, .. } = self;
        let hash = hasher.hash_one((value, group));
        if let Some(slot) = table.find(hash, |slot| slot.value == value && slot.group == group) {
            return (slot.id, false);
        }
        let id = free.pop().unwrap_or_else(|| {
            entries.push(Entry::default());
            u32::try_from(entries.len() - 1).expect("memory ends before four thousand million values")
        });
        entries[index(id)] = Entry { value, group, is_there: true };
        let rehash = |slot: &Slot| hasher.hash_one((slot.value, slot.group));
        table.insert_unique(hash, Slot { value, group, id }, rehash);
        (id, true)
    }

    fn remove(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(index(id)).filter(|entry| entry.is_there) else { return };
        let Entry { value, group, .. } = std::mem::take(entry);
        let hash = self.hasher.hash_one((value, group));
        if let Ok(found) = self.table.find_entry(hash, |slot| slot.id == id) {
            found.remove();
        }
        self.free.push(id);
    }

    fn column(&self, ids: &[u32]) -> Result<ArrayRef, RunError> {
        let numbers: ArrayRef =
            Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| self.entries[index(*id)].value)));
        let units = match &self.value {
            DataType::Date32 | DataType::Time32(_) => cast(&numbers, &DataType::Int32)?,
            _ => numbers,
        };
        Ok(cast(&units, &self.value)?)
    }

    fn save(&self, to: &mut Writer) {
        to.count(self.entries.len());
        for entry in &self.entries {
            to.u8(u8::from(entry.is_there));
            if entry.is_there {
                to.u32(entry.group);
                to.i64(entry.value);
            }
        }
        to.count(self.free.len());
        self.free.iter().for_each(|id| to.u32(*id));
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for id in 0..from.count()? {
            let id = u32::try_from(id).map_err(|_| SnapshotError::Malformed)?;
            if from.u8()? == 0 {
                self.entries.push(Entry::default());
                continue;
            }
            let (group, value) = (from.u32()?, from.i64()?);
            self.entries.push(Entry { value, group, is_there: true });
            let Self { hasher, table, .. } = self;
            let rehash = |slot: &Slot| hasher.hash_one((slot.value, slot.group));
            table.insert_unique(hasher.hash_one((value, group)), Slot { value, group, id }, rehash);
        }
        for _ in 0..from.count()? {
            let id = from.u32()?;
            if self.entries.get(index(id)).is_none_or(|entry| entry.is_there) {
                return Err(SnapshotError::Malformed);
            }
            self.free.push(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::{
        array::{Date32Array, Int8Array, Time32MillisecondArray, TimestampMillisecondArray},
        compute::take,
    };

    #[test]
    fn numbers_and_times_come_back_as_they_were() {
        let moments = TimestampMillisecondArray::from(vec![i64::MIN, -1, 0]).with_timezone("UTC");
        let columns: [ArrayRef; 4] = [
            Arc::new(Int8Array::from(vec![-128, 0, 127])),
            Arc::new(Date32Array::from(vec![-1, 0, i32::MAX])),
            Arc::new(Time32MillisecondArray::from(vec![0, 1, 86_399_999])),
            Arc::new(moments),
        ];
        for column in columns {
            let mut values = Values::new(column.data_type().clone()).unwrap();
            let keys = values.keys(&[7; 3], &column).unwrap();
            let ids: Vec<_> = (0..3).map(|place| values.find_or_add(7, &keys, place).unwrap()).collect();
            assert_eq!(ids, [(0, true), (1, true), (2, true)]);
            assert_eq!(values.find_or_add(8, &keys, 0).unwrap(), (3, true));
            values.remove(1);
            let mut saved = Writer::default();
            values.save(&mut saved);
            let mut loaded = Values::new(column.data_type().clone()).unwrap();
            loaded.load(&mut Reader::open(&saved.finish()).unwrap()).unwrap();
            assert_eq!(loaded.ids(), [0, 2, 3]);
            let ends = take(&column, &UInt32Array::from(vec![0, 2]), None).unwrap();
            assert_eq!(&loaded.column(&[0, 2]).unwrap(), &ends);
            assert_eq!(loaded.find_or_add(7, &keys, 2).unwrap(), (2, false));
            assert_eq!(loaded.find_or_add(7, &keys, 1).unwrap(), (1, true));
            assert_eq!(loaded.size(), 4 * ENTRY_SIZE);
        }
    }
}
