//! [`Partition`]: the rows of one partition in their order, and what is shown of them.

use std::{collections::BTreeMap, sync::Arc};

/// What an entry costs beside its bytes.
const ENTRY_SIZE: usize = 64;
/// Up to so many rows are kept in a vector: most partitions have few.
const FEW: usize = 16;

/// A row behind what says where it stands.
#[derive(Clone, Debug)]
pub(super) struct Ranked {
    key: Arc<[u8]>,
    /// How many of the bytes are the order's.
    order: u32,
}

impl Ranked {
    pub(super) fn new(key: &[u8], order: usize) -> Self {
        Self { key: key.into(), order: u32::try_from(order).expect("a row takes less than 4 GiB") }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// How many bytes of the key say where it stands.
    pub(super) fn order(&self) -> usize {
        usize::try_from(self.order).expect("an address has 32 bits at least")
    }

    /// The row.
    pub(super) fn row(&self) -> &[u8] {
        &self.key[self.order()..]
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.key, &other.key) && self.order == other.order) || self.row() == other.row()
    }
}

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Partition {
    rows: Rows,
    /// By number from 1.
    pub(super) shown: Vec<Ranked>,
    pub(super) is_touched: bool,
}

/// Distinct rows in their order, each with how often it is there.
#[derive(Clone)]
enum Rows {
    Few(Vec<(Ranked, i64)>),
    Many(BTreeMap<Arc<[u8]>, (u32, i64)>),
}

impl Default for Rows {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Partition {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many distinct rows there are.
    pub(super) fn len(&self) -> usize {
        match &self.rows {
            Rows::Few(rows) => rows.len(),
            Rows::Many(rows) => rows.len(),
        }
    }

    /// Whether a key comes behind all that are there.
    pub(super) fn is_behind(&self, key: &[u8]) -> bool {
        let last = match &self.rows {
            Rows::Few(rows) => rows.last().map(|(row, _)| &*row.key),
            Rows::Many(rows) => rows.last_key_value().map(|(last, _)| &**last),
        };
        last.is_some_and(|last| last < key)
    }

    /// A row is there more often, or less: by how many bytes the partition grows.
    pub(super) fn add(&mut self, key: &[u8], order: usize, weight: i64) -> isize {
        match &mut self.rows {
            Rows::Few(rows) => match rows.binary_search_by(|(row, _)| (*row.key).cmp(key)) {
                Ok(at) => {
                    rows[at].1 += weight;
                    if rows[at].1 != 0 {
                        return 0;
                    }
                    let (gone, _) = rows.remove(at);
                    -size(&gone.key)
                }
                Err(at) => {
                    if rows.len() == rows.capacity() {
                        rows.reserve_exact(rows.len().max(1));
                    }
                    rows.insert(at, (Ranked::new(key, order), weight));
                    if rows.len() > FEW {
                        let many = std::mem::take(rows).into_iter();
                        self.rows = Rows::Many(many.map(|(row, count)| (row.key, (row.order, count))).collect());
                    }
                    size(key)
                }
            },
            Rows::Many(rows) => {
                if let Some((_, count)) = rows.get_mut(key) {
                    *count += weight;
                    if *count != 0 {
                        return 0;
                    }
                    rows.remove(key);
                    return -size(key);
                }
                let Ranked { key, order } = Ranked::new(key, order);
                let grown = size(&key);
                rows.insert(key, (order, weight));
                grown
            }
        }
    }

    /// Takes the last row away: by how many bytes the partition grows.
    pub(super) fn pop_last(&mut self) -> isize {
        let last = match &mut self.rows {
            Rows::Few(rows) => rows.pop().map(|(row, _)| row.key),
            Rows::Many(rows) => rows.pop_last().map(|(key, _)| key),
        };
        last.map_or(0, |key| -size(&key))
    }

    /// All rows in their order, each with how often it is there.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = (Ranked, i64)> + '_> {
        match &self.rows {
            Rows::Few(rows) => Box::new(rows.iter().cloned()),
            Rows::Many(rows) => Box::new(rows.iter().map(|(key, (order, count))| {
                let key = Arc::clone(key);
                (Ranked { key, order: *order }, *count)
            })),
        }
    }

    /// The first rows.
    pub(super) fn first(&self, limit: usize) -> Vec<Ranked> {
        let mut first = Vec::with_capacity(limit.min(self.len()));
        for (row, count) in self.iter() {
            let times = usize::try_from(count).unwrap_or(0).min(limit - first.len());
            first.extend(std::iter::repeat_n(row, times));
            if first.len() == limit {
                break;
            }
        }
        first
    }

    /// What all its rows take.
    pub(super) fn size(&self) -> isize {
        self.iter().map(|(row, _)| size(&row.key)).sum()
    }
}

fn size(key: &[u8]) -> isize {
    (key.len() + ENTRY_SIZE).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_and_many_behave_alike() {
        let mut partition = Partition::default();
        let keys: Vec<[u8; 3]> = (0..36).map(|key: u8| [key * 7 % 36, 0, key]).collect();
        let mut sizes = Vec::new();
        for key in &keys {
            assert_eq!(
                partition.is_behind(key),
                partition.iter().all(|(row, _)| row.key() < &key[..]) && !sizes.is_empty()
            );
            sizes.push(partition.add(key, 1, 1));
            let first = partition.first(3);
            let mut sorted: Vec<_> = keys[..sizes.len()].to_vec();
            sorted.sort_unstable();
            let expected: Vec<&[u8]> = sorted.iter().take(3).map(|key| &key[1..]).collect();
            assert_eq!(first.iter().map(Ranked::row).collect::<Vec<_>>(), expected);
        }
        assert_eq!((partition.len(), partition.size()), (36, sizes.iter().sum()));
        // Once more each, then away twice.
        let mut grown: isize = keys.iter().map(|key| partition.add(key, 1, 1)).sum();
        assert_eq!((grown, partition.first(3)[0].row()), (0, partition.first(3)[1].row()));
        grown += partition.pop_last();
        grown += keys.iter().filter(|key| key[0] != 35).map(|key| partition.add(key, 1, -2)).sum::<isize>();
        assert_eq!((partition.is_empty(), partition.size(), -grown), (true, 0, sizes.iter().sum()));
    }
}
