//! [`Distinct`]: which values a group has, and how often, so that each counts once.
//!
//! Calls of the same argument share them: a value is looked up once, whatever counts it.

mod values;

use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::arrow::{array::ArrayRef, datatypes::DataType};
use std::collections::BTreeMap;
use values::Values;

/// The values of all groups.
pub(super) struct Distinct {
    /// Group and value.
    values: Values,
    /// How many calls there are.
    calls: usize,
    /// How often each value is there, for each of the calls.
    counts: Vec<i64>,
    /// The numbers of a group's values, where groups go before their values do. A number may have gone to another
    /// since.
    of_group: Option<BTreeMap<u32, Vec<u32>>>,
    group_of: Vec<u32>,
}

impl Distinct {
    /// Of values of this type, for so many calls. Groups may be forgotten before all of their values have gone.
    pub(super) fn new(value: DataType, calls: usize, is_as_whole: bool) -> Result<Self, RunError> {
        let of_group = is_as_whole.then(BTreeMap::new);
        Ok(Self { values: Values::new(value)?, calls, counts: Vec::new(), of_group, group_of: Vec::new() })
    }

    /// Leaves of each weight, of which each call has its own, what it means to a set: one where a value is new to its
    /// group, minus one where the last of it goes, else zero.
    pub(super) fn reduce(
        &mut self,
        groups: &[u32],
        values: &ArrayRef,
        weights: &mut [Vec<i64>],
    ) -> Result<(), RunError> {
        let keys = self.values.keys(groups, values)?;
        for (place, group) in groups.iter().enumerate() {
            if weights.iter().all(|weights| weights[place] == 0) {
                continue;
            }
            let (id, added) = self.values.find_or_add(*group, &keys, place)?;
            if added {
                self.counts.resize(self.values.end() * self.calls, 0);
                self.group_of.resize(self.values.end(), 0);
                self.group_of[index(id)] = *group;
                if let Some(of_group) = &mut self.of_group {
                    of_group.entry(*group).or_default().push(id);
                }
            }
            let counts = counts_of(&mut self.counts, self.calls, id);
            for (count, weights) in counts.iter_mut().zip(weights.iter_mut()) {
                let before = *count > 0;
                *count += weights[place];
                weights[place] = i64::from(*count > 0) - i64::from(before);
            }
            if counts.iter().all(|count| *count == 0) {
                self.values.remove(id);
            }
        }
        Ok(())
    }

    pub(super) fn forget(&mut self, group: u32) {
        for id in self.ids_of(group) {
            counts_of(&mut self.counts, self.calls, id).fill(0);
            self.values.remove(id);
        }
    }

    /// Forgets a group, and gives its values with how often each was there for each call.
    pub(super) fn take(&mut self, group: u32) -> Result<(ArrayRef, Vec<Vec<i64>>), RunError> {
        let ids = self.ids_of(group);
        let values = self.values.column(&ids)?;
        let mut weights = vec![Vec::with_capacity(ids.len()); self.calls];
        for id in ids {
            let counts = counts_of(&mut self.counts, self.calls, id);
            weights.iter_mut().zip(counts).for_each(|(weights, count)| weights.push(std::mem::take(count)));
            self.values.remove(id);
        }
        Ok((values, weights))
    }

    /// The numbers of a group's values, which it has no more.
    fn ids_of(&mut self, group: u32) -> Vec<u32> {
        let mut ids = self.of_group.as_mut().and_then(|of_group| of_group.remove(&group)).unwrap_or_default();
        // A value that went and came again is there twice.
        ids.sort_unstable();
        ids.dedup();
        let Self { calls, counts, group_of, .. } = self;
        let mut is_there = |id: u32| counts_of(counts, *calls, id).iter().any(|count| *count != 0);
        ids.retain(|id| group_of[index(*id)] == group && is_there(*id));
        ids
    }

    pub(super) fn size(&self) -> usize {
        self.values.size() + self.counts.len() * size_of::<i64>() + self.group_of.len() * size_of::<u32>()
    }

    pub(super) fn save(&self, to: &mut Writer) {
        self.values.save(to);
        self.counts.iter().for_each(|count| to.i64(*count));
        self.group_of.iter().for_each(|group| to.u32(*group));
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.values.load(from)?;
        for _ in 0..self.values.end() * self.calls {
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

/// How often a value is there for each call.
fn counts_of(counts: &mut [i64], calls: usize, id: u32) -> &mut [i64] {
    let first = index(id) * calls;
    &mut counts[first..first + calls]
}
