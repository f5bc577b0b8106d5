//! [`Side`]: the rows of one side of a join, by their keys.

use crate::{
    changes::Changes,
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::{
        appended::Appended,
        rows::{Encoded, RowTable, index},
    },
};
use datafusion::arrow::{
    array::{Array as _, ArrayRef},
    datatypes::SchemaRef,
};

/// What a row costs beside its bytes.
const ROW_SIZE: usize = 32;

/// See the module.
pub(super) struct Side {
    key_columns: Vec<usize>,
    keys: RowTable,
    rows: Rows,
    /// Of each row.
    states: Vec<RowState>,
    /// Of each key: its rows.
    rows_of: Vec<Vec<u32>>,
}

/// The rows of a side.
enum Rows {
    /// Equal ones are one.
    Distinct(RowTable),
    /// They only come: none is ever looked for.
    Appended(Appended),
}

#[derive(Clone, Copy, Default)]
struct RowState {
    /// How often it is there.
    count: i64,
    /// How many partners it has.
    partners: i64,
    key: u32,
    /// Where it is among the rows of its key.
    place: u32,
    /// Whether it is among the rows of a key at all; one whose key has a null is not.
    is_keyed: bool,
}

/// The keys of a batch of changes.
pub(super) struct Keys {
    rows: Encoded,
    /// Whether the key at a place can have partners.
    is_sound: Vec<bool>,
}

impl Keys {
    /// The place of each key that can have partners.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        self.is_sound.iter().enumerate().map(|(place, is_sound)| is_sound.then_some(place))
    }

    pub(super) fn row(&self, place: usize) -> &[u8] {
        self.rows.row(place)
    }
}

impl Side {
    /// `only_come`: no row ever goes.
    pub(super) fn new(schema: &SchemaRef, key_columns: &[usize], only_come: bool) -> Result<Self, RunError> {
        let types =
            |columns: &[usize]| columns.iter().map(|at| schema.field(*at).data_type().clone()).collect::<Vec<_>>();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let keys = RowTable::new(types(key_columns))?;
        let rows = if only_come {
            Rows::Appended(Appended::new(schema)?)
        } else {
            Rows::Distinct(RowTable::new(types(&all))?)
        };
        Ok(Self { key_columns: key_columns.to_vec(), keys, rows, states: Vec::new(), rows_of: Vec::new() })
    }

    /// The keys of changed rows.
    pub(super) fn keys(&self, changes: &Changes, nulls_are_equal: bool) -> Result<Keys, RunError> {
        let columns: Vec<ArrayRef> = self.key_columns.iter().map(|at| changes.rows().column(*at).clone()).collect();
        let mut is_sound = vec![true; changes.len()];
        if !nulls_are_equal {
            for column in columns.iter().filter(|column| column.null_count() > 0) {
                is_sound.iter_mut().enumerate().for_each(|(place, sound)| *sound &= column.is_valid(place));
            }
        }
        Ok(Keys { rows: self.keys.encode(&columns)?, is_sound })
    }

    /// The number of a key, where there are rows with it.
    pub(super) fn key(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(key)
    }

    /// The rows of a key.
    pub(super) fn rows_of(&self, key: u32) -> &[u32] {
        self.rows_of.get(index(key)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn columns(&self, rows: &[u32]) -> Result<Vec<ArrayRef>, RunError> {
        Ok(match &self.rows {
            Rows::Distinct(table) => table.columns(rows.iter().copied())?,
            Rows::Appended(appended) => appended.columns(rows)?,
        })
    }

    /// How often a row is there.
    pub(super) fn count(&self, row: u32) -> i64 {
        self.states[index(row)].count
    }

    /// A row has more partners, or fewer: how many before, and after.
    pub(super) fn add_partners(&mut self, row: u32, weight: i64) -> (i64, i64) {
        let partners = &mut self.states[index(row)].partners;
        let before = *partners;
        *partners += weight;
        (before, *partners)
    }

    /// Keeps changed rows, each with its number of partners.
    pub(super) fn keep(&mut self, changes: &Changes, keys: &Keys, partners: &[i64]) -> Result<(), RunError> {
        let columns = changes.rows().columns();
        let rows = match &mut self.rows {
            Rows::Distinct(table) => table.encode(columns)?,
            Rows::Appended(appended) => {
                let first = appended.push(columns, changes.len())?;
                for (row, (place, sound)) in (first..).zip(keys.is_sound.iter().enumerate()) {
                    self.add(row, sound.then(|| keys.row(place)));
                    let state = &mut self.states[index(row)];
                    (state.count, state.partners) = (changes.weight(place), partners[place]);
                }
                return Ok(());
            }
        };
        for (place, sound) in keys.is_sound.iter().enumerate() {
            let Rows::Distinct(table) = &mut self.rows else { break };
            let (row, added) = table.find_or_add(rows.row(place));
            if added {
                self.add(row, sound.then(|| keys.row(place)));
            }
            let state = &mut self.states[index(row)];
            state.count += changes.weight(place);
            // Equal rows have the same partners.
            state.partners = partners[place];
            if state.count == 0 {
                self.remove(row);
            }
        }
        Ok(())
    }

    fn add(&mut self, row: u32, key: Option<&[u8]>) {
        self.states.resize((index(row) + 1).max(self.states.len()), RowState::default());
        let state = &mut self.states[index(row)];
        *state = RowState::default();
        let Some(key) = key else { return };
        let (key, _) = self.keys.find_or_add(key);
        self.rows_of.resize(self.keys.end().max(self.rows_of.len()), Vec::new());
        let rows = &mut self.rows_of[index(key)];
        let place = u32::try_from(rows.len()).expect("rows have small numbers");
        rows.push(row);
        *state = RowState { key, place, is_keyed: true, ..RowState::default() };
    }

    fn remove(&mut self, row: u32) {
        let RowState { key, place, is_keyed, .. } = self.states[index(row)];
        if let Rows::Distinct(table) = &mut self.rows {
            table.remove(row);
        }
        if !is_keyed {
            return;
        }
        let rows = &mut self.rows_of[index(key)];
        rows.swap_remove(index(place));
        if let Some(moved) = rows.get(index(place)) {
            self.states[index(*moved)].place = place;
        }
        if rows.is_empty() {
            self.rows_of[index(key)] = Vec::new();
            self.keys.remove(key);
        }
    }

    /// The numbers of all rows, ascending.
    fn ids(&self) -> Vec<u32> {
        match &self.rows {
            Rows::Distinct(table) => table.ids().collect(),
            Rows::Appended(appended) => (0..appended.len()).collect(),
        }
    }

    pub(super) fn size(&self) -> usize {
        let (rows, count) = match &self.rows {
            Rows::Distinct(table) => (table.size(), table.len()),
            Rows::Appended(appended) => (appended.size(), index(appended.len())),
        };
        self.keys.size() + rows + count * ROW_SIZE
    }

    pub(super) fn save(&self, to: &mut Writer) {
        self.keys.save(to);
        match &self.rows {
            Rows::Distinct(table) => table.save(to),
            Rows::Appended(appended) => appended.save(to),
        }
        for row in self.ids() {
            let state = &self.states[index(row)];
            to.i64(state.count);
            to.i64(state.partners);
            to.u8(u8::from(state.is_keyed));
            to.u32(state.key);
            to.u32(state.place);
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.keys.load(from)?;
        let end = match &mut self.rows {
            Rows::Distinct(table) => {
                table.load(from)?;
                table.end()
            }
            Rows::Appended(appended) => {
                appended.load(from)?;
                index(appended.len())
            }
        };
        self.states = vec![RowState::default(); end];
        let mut keyed: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.keys.end()];
        for row in self.ids() {
            let (count, partners, is_keyed) = (from.i64()?, from.i64()?, from.u8()? != 0);
            let (key, place) = (from.u32()?, from.u32()?);
            self.states[index(row)] = RowState { count, partners, key, place, is_keyed };
            if is_keyed {
                keyed.get_mut(index(key)).ok_or(SnapshotError::Malformed)?.push((place, row));
            }
        }
        for mut rows in keyed {
            rows.sort_unstable();
            if rows.iter().enumerate().any(|(place, (at, _))| index(*at) != place) {
                return Err(SnapshotError::Malformed);
            }
            self.rows_of.push(rows.into_iter().map(|(_, row)| row).collect());
        }
        Ok(())
    }
}
