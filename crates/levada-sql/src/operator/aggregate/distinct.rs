//! [`Distinct`]: which values a group has, and how often, so that each counts once.

use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::arrow::{
    array::{ArrayRef, UInt32Array},
    datatypes::DataType,
};
use std::{collections::BTreeMap, sync::Arc};

/// The values of all groups.
pub(super) struct Distinct {
    /// Group and value.
    values: RowTable,
    counts: Vec<i64>,
    /// The numbers of a group's values, where groups go before their values do. A number may have gone to another
    /// since.
    of_group: Option<BTreeMap<u32, Vec<u32>>>,
    group_of: Vec<u32>,
}

impl Distinct {
    /// Of values of this type. Groups may be forgotten before all of their values have gone.
    pub(super) fn new(value: DataType, is_as_whole: bool) -> Result<Self, RunError> {
        let values = RowTable::new([DataType::UInt32, value])?;
        Ok(Self { values, counts: Vec::new(), of_group: is_as_whole.then(BTreeMap::new), group_of: Vec::new() })
    }

    /// Leaves of each weight what it means to a set: one where a value is new to its group, minus one where the last
    /// of it goes, else zero.
    pub(super) fn reduce(&mut self, groups: &[u32], values: &ArrayRef, weights: &mut [i64]) -> Result<(), RunError> {
        let keys: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups.to_vec())), Arc::clone(values)];
        let keys = self.values.encode(&keys)?;
        for (place, weight) in weights.iter_mut().enumerate() {
            if *weight == 0 {
                continue;
            }
            let (id, added) = self.values.find_or_add(keys.row(place));
            if added {
                self.counts.resize(self.values.end(), 0);
                self.group_of.resize(self.values.end(), 0);
                self.group_of[index(id)] = groups[place];
                if let Some(of_group) = &mut self.of_group {
                    of_group.entry(groups[place]).or_default().push(id);
                }
            }
            let count = &mut self.counts[index(id)];
            let before = *count > 0;
            *count += *weight;
            let after = *count > 0;
            *weight = i64::from(after) - i64::from(before);
            if *count == 0 {
                self.values.remove(id);
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, group: u32) {
        for id in self.ids_of(group) {
            self.counts[index(id)] = 0;
            self.values.remove(id);
        }
    }

    /// Forgets a group, and gives its values with how often each was there.
    pub(super) fn take(&mut self, group: u32) -> Result<(ArrayRef, Vec<i64>), RunError> {
        let ids = self.ids_of(group);
        let missing = || RunError::Internal("a value has its group before it".to_owned());
        let values = self.values.columns(ids.iter().copied())?.pop().ok_or_else(missing)?;
        let counts = ids.iter().map(|id| std::mem::take(&mut self.counts[index(*id)])).collect();
        ids.into_iter().for_each(|id| self.values.remove(id));
        Ok((values, counts))
    }

    /// The numbers of a group's values, which it has no more.
    fn ids_of(&mut self, group: u32) -> Vec<u32> {
        let mut ids = self.of_group.as_mut().and_then(|of_group| of_group.remove(&group)).unwrap_or_default();
        // A value that went and came again is there twice.
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| self.group_of[index(*id)] == group && self.counts[index(*id)] != 0);
        ids
    }

    pub(super) fn size(&self) -> usize {
        self.values.size()
    }

    pub(super) fn save(&self, to: &mut Writer) {
        self.values.save(to);
        self.counts.iter().for_each(|count| to.i64(*count));
        self.group_of.iter().for_each(|group| to.u32(*group));
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.values.load(from)?;
        for _ in 0..self.values.end() {
            self.counts.push(from.i64()?);
        }
        for _ in 0..self.values.end() {
            self.group_of.push(from.u32()?);
        }
        if let Some(of_group) = &mut self.of_group {
            for id in self.values.ids() {
                of_group.entry(self.group_of[index(id)]).or_default().push(id);
            }
        }
        Ok(())
    }
}
