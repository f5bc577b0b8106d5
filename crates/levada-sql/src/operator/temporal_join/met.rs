//! [`Met`]: which version each left row met that is there, so that it goes as it came.

use crate::snapshot::{Reader, SnapshotError, Writer};
use std::collections::BTreeMap;

/// What an entry costs beside its bytes.
const ENTRY_SIZE: usize = 96;

/// A version that was met, if there was any, and by how many equal rows.
type Entry = (Option<Box<[u8]>>, i64);

/// See the module.
#[derive(Default)]
pub(super) struct Met {
    rows: BTreeMap<Box<[u8]>, Vec<Entry>>,
    bytes: usize,
}

impl Met {
    pub(super) fn add(&mut self, row: &[u8], version: Option<&[u8]>, count: i64) {
        let entries = self.rows.entry(row.into()).or_default();
        if let Some((_, known)) = entries.iter_mut().find(|(known, _)| known.as_deref() == version) {
            *known += count;
            return;
        }
        entries.push((version.map(Into::into), count));
        self.bytes += size(row, version);
    }

    /// What so many rows met that go, those first that came last.
    pub(super) fn take(&mut self, row: &[u8], mut count: i64) -> Vec<Entry> {
        let mut taken = Vec::new();
        let Some(entries) = self.rows.get_mut(row) else { return taken };
        while let Some((version, known)) = entries.last_mut().filter(|_| count > 0) {
            let goes = count.min(*known);
            (*known, count) = (*known - goes, count - goes);
            taken.push((version.clone(), goes));
            if *known == 0 {
                self.bytes -= size(row, version.as_deref());
                entries.pop();
            }
        }
        if entries.is_empty() {
            self.rows.remove(row);
        }
        taken
    }

    pub(super) const fn size(&self) -> usize {
        self.bytes
    }

    pub(super) fn save(&self, to: &mut Writer) {
        to.count(self.rows.len());
        for (row, entries) in &self.rows {
            to.bytes(row);
            to.count(entries.len());
            for (version, count) in entries {
                to.optional_bytes(version.as_deref());
                to.i64(*count);
            }
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..from.count()? {
            let row: Box<[u8]> = from.bytes()?.into();
            for _ in 0..from.count()? {
                let (version, count): (Option<Box<[u8]>>, _) = (from.optional_bytes()?.map(Into::into), from.i64()?);
                if count <= 0 {
                    return Err(SnapshotError::Malformed);
                }
                self.add(&row, version.as_deref(), count);
            }
        }
        Ok(())
    }
}

fn size(row: &[u8], version: Option<&[u8]>) -> usize {
    row.len() + version.map_or(0, <[u8]>::len) + ENTRY_SIZE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_with_what_they_met_and_leave_nothing() {
        let mut met = Met::default();
        met.add(b"row", Some(b"first"), 1);
        met.add(b"row", None, 2);
        met.add(b"row", Some(b"first"), 1);
        let mut saved = Writer::default();
        met.save(&mut saved);
        let mut loaded = Met::default();
        loaded.load(&mut Reader::open(&saved.finish()).unwrap()).unwrap();
        assert_eq!(loaded.size(), met.size());
        assert_eq!(loaded.take(b"row", 3), [(None, 2), (Some(b"first".as_slice().into()), 1)]);
        assert_eq!(loaded.take(b"row", 3), [(Some(b"first".as_slice().into()), 1)]);
        assert_eq!((loaded.take(b"row", 1), loaded.size()), (Vec::new(), 0));
    }
}
