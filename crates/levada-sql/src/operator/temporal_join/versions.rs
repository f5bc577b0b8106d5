//! [`Versions`]: what a table had for each key, from when on.

use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::arrow::datatypes::DataType;
use levada_model::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What a version costs beside its bytes.
const VERSION_SIZE: usize = 96;

/// See the module.
pub(super) struct Versions {
    keys: RowTable,
    of_key: Vec<Key>,
    /// When which key may have versions that nobody needs.
    due: BTreeSet<(Timestamp, u32)>,
    bytes: usize,
}

#[derive(Default)]
struct Key {
    /// From its time on; `None` where there is none from then on.
    versions: BTreeMap<Timestamp, Option<Box<[u8]>>>,
    /// The time of the version that came last, unless it was taken away.
    last: Option<Timestamp>,
}

impl Versions {
    pub(super) fn new(key: impl Iterator<Item = DataType>) -> Result<Self, RunError> {
        Ok(Self { keys: RowTable::new(key)?, of_key: Vec::new(), due: BTreeSet::new(), bytes: 0 })
    }

    /// A version that takes the place of another of its time.
    pub(super) fn add(&mut self, key: &[u8], time: Timestamp, row: Box<[u8]>) {
        let (key, _) = self.keys.find_or_add(key);
        self.of_key.resize_with(self.keys.end().max(self.of_key.len()), Key::default);
        self.of_key[index(key)].last = Some(time);
        self.put(key, time, Some(row));
    }

    /// The end of a key.
    pub(super) fn end(&mut self, key: &[u8]) {
        let Some(key) = self.keys.find(key) else { return };
        if let Some(time) = self.of_key[index(key)].last.take() {
            self.put(key, time, None);
        }
    }

    fn put(&mut self, key: u32, time: Timestamp, row: Option<Box<[u8]>>) {
        self.bytes += size(row.as_deref());
        if let Some(before) = self.of_key[index(key)].versions.insert(time, row) {
            self.bytes -= size(before.as_deref());
        }
        self.due.insert((time, key));
    }

    /// What there was for a key at a time.
    pub(super) fn at(&self, key: &[u8], time: Timestamp) -> Option<&[u8]> {
        let key = self.keys.find(key)?;
        let (_, row) = self.of_key[index(key)].versions.range(..=time).next_back()?;
        row.as_deref()
    }

    /// Forgets the versions that no row behind the watermark needs; answers with how many.
    pub(super) fn forget_before(&mut self, watermark: Timestamp) -> usize {
        let later = match watermark.checked_add(1) {
            Some(next) => self.due.split_off(&(next, 0)),
            None => BTreeSet::new(),
        };
        let due = std::mem::replace(&mut self.due, later);
        let keys: BTreeSet<u32> = due.into_iter().map(|(_, key)| key).collect();
        let mut forgotten = 0;
        for number in keys {
            let key = &mut self.of_key[index(number)];
            // That a key has ended is needed as a version is: one that comes late may be older.
            let Some((last, _)) = key.versions.range(..=watermark).next_back() else { continue };
            let needed = key.versions.split_off(&last.clone());
            for row in std::mem::replace(&mut key.versions, needed).into_values() {
                self.bytes -= size(row.as_deref());
                forgotten += 1;
            }
        }
        forgotten
    }

    pub(super) fn size(&self) -> usize {
        self.keys.size() + self.bytes
    }

    pub(super) fn save(&self, to: &mut Writer) {
        self.keys.save(to);
        for number in self.keys.ids() {
            let key = &self.of_key[index(number)];
            to.count(key.versions.len());
            for (time, row) in &key.versions {
                to.i64(*time);
                to.optional_bytes(row.as_deref());
            }
            to.u8(u8::from(key.last.is_some()));
            to.i64(key.last.unwrap_or(0));
        }
        to.count(self.due.len());
        for (time, key) in &self.due {
            to.i64(*time);
            to.u32(*key);
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.keys.load(from)?;
        self.of_key.resize_with(self.keys.end(), Key::default);
        for number in self.keys.ids().collect::<Vec<_>>() {
            for _ in 0..from.count()? {
                let (time, row) = (from.i64()?, from.optional_bytes()?.map(Box::from));
                self.bytes += size(row.as_deref());
                self.of_key[index(number)].versions.insert(time, row);
            }
            let (is_known, last) = (from.u8()? != 0, from.i64()?);
            self.of_key[index(number)].last = is_known.then_some(last);
        }
        for _ in 0..from.count()? {
            let due = (from.i64()?, from.u32()?);
            if index(due.1) >= self.of_key.len() {
                return Err(SnapshotError::Malformed);
            }
            self.due.insert(due);
        }
        Ok(())
    }
}

fn size(row: Option<&[u8]>) -> usize {
    row.map_or(0, <[u8]>::len) + VERSION_SIZE
}
