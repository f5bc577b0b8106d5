//! [`Keys`]: which member of an object is which column.
//!
//! Producers write members in the same order again and again. So it is noted which key followed which, and the next is
//! compared with that one as it lies there; only another is looked up.

use super::scan::{Outcome, Scanner};
use std::collections::HashMap;

/// How many keys that are no columns are remembered, and how long they may be.
const STRANGERS_MAX: usize = 256;
const STRANGER_BYTES_MAX: usize = 128;

pub(super) struct Keys {
    known: Vec<Key>,
    index: HashMap<Vec<u8>, usize>,
    /// The key that came first in the last object.
    first: usize,
    strangers: usize,
    scratch: Vec<u8>,
}

struct Key {
    /// As it is most likely written.
    quoted: Vec<u8>,
    /// The column, if it is wanted.
    target: Option<usize>,
    /// The key that followed it last time.
    next: usize,
}

/// Where within an object one is: the key before.
#[derive(Clone, Copy, Default)]
pub(super) struct Place(Option<usize>);

impl Keys {
    /// Keys and the columns that they are, in the order in which they will most likely come. Of columns of the same
    /// name, there is at most one target.
    pub(super) fn new<'a>(keys: impl Iterator<Item = (&'a str, Option<usize>)>) -> Self {
        let mut all = Self { known: Vec::new(), index: HashMap::new(), first: 0, strangers: 0, scratch: Vec::new() };
        for (name, target) in keys {
            match all.index.get(name.as_bytes()).and_then(|known| all.known.get_mut(*known)) {
                Some(known) => known.target = known.target.or(target),
                None => {
                    all.add(name.as_bytes(), target);
                }
            }
        }
        all
    }

    fn add(&mut self, name: &[u8], target: Option<usize>) -> usize {
        let is_plain = name.iter().all(|byte| !matches!(byte, b'"' | b'\\'));
        // What has to be escaped is written in more ways than one: this is found in no text.
        let quoted = if is_plain { [b"\"", name, b"\""].concat() } else { vec![0xff] };
        let at = self.known.len();
        self.index.insert(name.to_vec(), at);
        self.known.push(Key { quoted, target, next: at + 1 });
        at
    }

    /// Passes the key that comes next, and returns the column that it is, if that is wanted.
    #[inline]
    pub(super) fn next(&mut self, place: &mut Place, scanner: &mut Scanner<'_>) -> Outcome<Option<usize>> {
        let guess = match place.0 {
            Some(previous) => self.known.get(previous).map_or(0, |key| key.next),
            None => self.first,
        };
        scanner.peek();
        match self.known.get(guess) {
            Some(key) if scanner.take_prefix(&key.quoted) => {
                place.0 = Some(guess);
                Ok(key.target)
            }
            _ => self.look_up(place, scanner),
        }
    }

    #[cold]
    fn look_up(&mut self, place: &mut Place, scanner: &mut Scanner<'_>) -> Outcome<Option<usize>> {
        let text = scanner.string()?;
        let found = if text.has_escapes {
            self.scratch.clear();
            text.unescape(&mut self.scratch)?;
            self.index.get(&self.scratch).copied()
        } else {
            self.index.get(text.raw).copied()
        };
        let found = match found {
            Some(found) => found,
            None if text.has_escapes || text.raw.len() > STRANGER_BYTES_MAX || self.strangers >= STRANGERS_MAX => {
                return Ok(None);
            }
            None => {
                self.strangers += 1;
                self.add(text.raw, None)
            }
        };
        match place.0.and_then(|previous| self.known.get_mut(previous)) {
            Some(previous) => previous.next = found,
            None => self.first = found,
        }
        place.0 = Some(found);
        Ok(self.known.get(found).and_then(|key| key.target))
    }
}
