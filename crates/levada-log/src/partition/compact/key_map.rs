//! [`KeyMap`]: the latest offset of each key of the dirty part of a log, in bounded memory.
//!
//! A key is known by 128 bits of a keyed hash, 24 bytes a key. The table grows with what it holds; while it grows, the
//! old and the new one together stay within the limit.

use super::siphash::SipHash;
use levada_model::{NO_OFFSET, Offset};

/// Slots of the smallest table.
const SLOTS_MIN: usize = 1 << 10;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: [u64; 2],
    /// `NO_OFFSET`: free.
    offset: Offset,
}

const FREE: Slot = Slot { hash: [0; 2], offset: NO_OFFSET };

/// Where each key was seen last.
#[derive(Debug)]
pub(super) struct KeyMap {
    hash: SipHash,
    slots: Vec<Slot>,
    len: usize,
    slots_max: usize,
}

impl KeyMap {
    /// An empty map that takes about `size_max` bytes at most.
    pub(super) fn new(key: [u64; 2], size_max: usize) -> Self {
        // While it doubles, half a table stands beside the whole one.
        let most = (size_max / (size_of::<Slot>() * 3 / 2)).max(SLOTS_MIN);
        let doublings = (most / SLOTS_MIN).ilog2();
        let first = most >> doublings;
        Self { hash: SipHash::new(key), slots: vec![FREE; first], len: 0, slots_max: first << doublings }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `count` more keys fit.
    pub(super) const fn has_room_for(&self, count: usize) -> bool {
        self.len.saturating_add(count) <= Self::load(self.slots_max)
    }

    /// Keys in a table of so many slots.
    const fn load(slots: usize) -> usize {
        slots / 4 * 3
    }

    /// Notes that `key` has a record at `offset`; offsets rise.
    ///
    /// Grows beyond its limit where the caller did not ask for room first.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) {
        if self.len >= Self::load(self.slots.len()) {
            self.grow();
        }
        let hash = self.hash.hash(key);
        if self.insert(Slot { hash, offset }) {
            self.len += 1;
        }
    }

    /// The latest offset of `key`, if it was put.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let hash = self.hash.hash(key);
        let mut index = self.place(hash);
        loop {
            let slot = self.slots.get(index)?;
            if slot.offset == NO_OFFSET {
                return None;
            }
            if slot.hash == hash {
                return Some(slot.offset);
            }
            index = self.next(index);
        }
    }

    fn place(&self, hash: [u64; 2]) -> usize {
        let wide = u128::from(hash[0]) * u128::try_from(self.slots.len()).unwrap_or(0);
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    const fn next(&self, index: usize) -> usize {
        if index + 1 == self.slots.len() { 0 } else { index + 1 }
    }

    /// Puts a slot in its place; whether it took a free one.
    fn insert(&mut self, new: Slot) -> bool {
        let mut index = self.place(new.hash);
        loop {
            let next = self.next(index);
            let Some(slot) = self.slots.get_mut(index) else { return false };
            let is_free = slot.offset == NO_OFFSET;
            if is_free || slot.hash == new.hash {
                *slot = new;
                return is_free;
            }
            index = next;
        }
    }

    fn grow(&mut self) {
        let doubled = vec![FREE; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, doubled);
        for slot in old.into_iter().filter(|slot| slot.offset != NO_OFFSET) {
            self.insert(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_map_agrees_with_one_that_keeps_whole_keys() {
        let mut map = KeyMap::new([3, 4], 1 << 20);
        let mut model = BTreeMap::new();
        for offset in 0..60_000_i64 {
            let key = format!("key-{}", offset * 7919 % 17_000);
            map.put(key.as_bytes(), offset);
            model.insert(key, offset);
        }
        assert_eq!(map.len, model.len());
        assert!(model.iter().all(|(key, offset)| map.get(key.as_bytes()) == Some(*offset)));
        assert_eq!(map.get(b"absent"), None);
    }

    #[test]
    fn the_limit_holds_where_it_is_asked_for_and_gives_way_where_it_is_not() {
        let mut map = KeyMap::new([1, 2], 100_000);
        let mut offset = 0_i64;
        while map.has_room_for(1) {
            map.put(&offset.to_be_bytes(), offset);
            offset += 1;
        }
        assert!(map.slots.capacity() * size_of::<Slot>() <= 100_000 * 2 / 3);
        for _ in 0..10_000 {
            map.put(&offset.to_be_bytes(), offset);
            offset += 1;
        }
        assert!((0..offset).all(|offset| map.get(&offset.to_be_bytes()) == Some(offset)), "one batch may exceed it");
    }
}
