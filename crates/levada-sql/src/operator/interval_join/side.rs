//! [`Side`]: the rows of one side of a join in time, by key and event time.

use crate::{
    changes::Changes,
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{self, Encoded, RowTable, index},
};
use datafusion::arrow::{
    array::{Array as _, ArrayRef},
    datatypes::SchemaRef,
    row::{RowConverter, Rows},
};
use levada_model::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a row costs beside its bytes.
const ROW_SIZE: usize = 120;

/// Where a row is: its key, its time, and its number, which tells rows of one time apart.
pub(super) type Place = (u32, Timestamp, u64);

/// A row that is remembered.
pub(super) struct Row {
    pub(super) bytes: Box<[u8]>,
    pub(super) weight: i64,
    pub(super) has_partner: bool,
}

/// See the module.
pub(super) struct Side {
    key_columns: Vec<usize>,
    keys: RowTable,
    converter: RowConverter,
    rows_of: Vec<BTreeMap<(Timestamp, u64), Row>>,
    /// All rows, by time.
    by_time: BTreeSet<(Timestamp, u64, u32)>,
    next: u64,
    bytes: usize,
}

/// The keys of a batch; one with a null is none.
pub(super) struct Keys {
    rows: Encoded,
    is_sound: Vec<bool>,
}

impl Keys {
    pub(super) fn row(&self, place: usize) -> Option<&[u8]> {
        self.is_sound[place].then(|| self.rows.row(place))
    }
}

impl Side {
    pub(super) fn new(schema: &SchemaRef, key_columns: &[usize]) -> Result<Self, RunError> {
        let keys = RowTable::new(key_columns.iter().map(|at| schema.field(*at).data_type().clone()))?;
        Ok(Self {
            key_columns: key_columns.to_vec(),
            keys,
            converter: rows::converter(schema)?,
            rows_of: Vec::new(),
            by_time: BTreeSet::new(),
            next: 0,
            bytes: 0,
        })
    }

    pub(super) fn keys(&self, changes: &Changes) -> Result<Keys, RunError> {
        let columns: Vec<ArrayRef> = self.key_columns.iter().map(|at| changes.rows().column(*at).clone()).collect();
        let is_sound = |place: usize| columns.iter().all(|column| column.is_valid(place));
        let is_sound = (0..changes.len()).map(is_sound).collect();
        Ok(Keys { rows: self.keys.encode(&columns)?, is_sound })
    }

    pub(super) fn encode(&self, changes: &Changes) -> Result<Rows, RunError> {
        Ok(self.converter.convert_columns(changes.rows().columns())?)
    }

    pub(super) fn decode<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, RunError> {
        Ok(rows::columns(&self.converter, rows)?)
    }

    /// The rows of a key whose time lies between two, both of which count.
    pub(super) fn within(&self, key: &[u8], low: Timestamp, high: Timestamp) -> Vec<Place> {
        let Some(key) = self.keys.find(key).filter(|_| low <= high) else { return Vec::new() };
        let rows = self.rows_of[index(key)].range((low, 0)..=(high, u64::MAX));
        rows.map(|((time, number), _)| (key, *time, *number)).collect()
    }

    pub(super) fn columns(&self, places: &[Place]) -> Result<Vec<ArrayRef>, RunError> {
        let row = |(key, time, number): &Place| &*self.rows_of[index(*key)][&(*time, *number)].bytes;
        self.decode(places.iter().map(row))
    }

    /// A row has a partner; answers with how often it is there.
    pub(super) fn matched(&mut self, (key, time, number): Place) -> i64 {
        self.rows_of[index(key)].get_mut(&(time, number)).map_or(0, |row| {
            row.has_partner = true;
            row.weight
        })
    }

    pub(super) fn keep(&mut self, key: &[u8], time: Timestamp, row: &[u8], weight: i64, has_partner: bool) {
        let (key, _) = self.keys.find_or_add(key);
        self.rows_of.resize_with(self.keys.end().max(self.rows_of.len()), BTreeMap::new);
        self.insert((key, time, self.next), Row { bytes: row.into(), weight, has_partner });
        self.next += 1;
    }

    fn insert(&mut self, (key, time, number): Place, row: Row) {
        self.bytes += row.bytes.len() + ROW_SIZE;
        self.by_time.insert((time, number, key));
        self.rows_of[index(key)].insert((time, number), row);
    }

    /// Takes the rows up to some time, in its order.
    pub(super) fn forget_up_to(&mut self, time: Timestamp) -> Vec<Row> {
        let later = match time.checked_add(1) {
            Some(next) => self.by_time.split_off(&(next, 0, 0)),
            None => BTreeSet::new(),
        };
        let mut past = Vec::new();
        for (time, number, key) in std::mem::replace(&mut self.by_time, later) {
            let rows = &mut self.rows_of[index(key)];
            if let Some(row) = rows.remove(&(time, number)) {
                self.bytes -= row.bytes.len() + ROW_SIZE;
                past.push(row);
            }
            if rows.is_empty() {
                self.keys.remove(key);
            }
        }
        past
    }

    pub(super) fn size(&self) -> usize {
        self.keys.size() + self.bytes
    }

    pub(super) fn save(&self, to: &mut Writer) {
        self.keys.save(to);
        to.u64(self.next);
        for key in self.keys.ids() {
            let rows = &self.rows_of[index(key)];
            to.count(rows.len());
            for ((time, number), row) in rows {
                to.i64(*time);
                to.u64(*number);
                to.bytes(&row.bytes);
                to.i64(row.weight);
                to.u8(u8::from(row.has_partner));
            }
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.keys.load(from)?;
        self.next = from.u64()?;
        self.rows_of.resize_with(self.keys.end(), BTreeMap::new);
        for key in self.keys.ids().collect::<Vec<_>>() {
            for _ in 0..from.count()? {
                let (time, number, bytes) = (from.i64()?, from.u64()?, from.bytes()?.into());
                let row = Row { bytes, weight: from.i64()?, has_partner: from.u8()? != 0 };
                self.insert((key, time, number), row);
            }
        }
        Ok(())
    }
}
