//! Random messages, for tests of this crate and of those above it.

use crate::{Message, Records};
use bytes::Bytes;
use levada_model::{Rng, Str, Uuid, rng::SeededRng};

/// Makes random values from a seed, of a total size that stays small.
#[derive(Debug)]
pub struct Source {
    rng: SeededRng,
    elements_left: usize,
}

/// Something to do with every message there is.
pub trait Visitor {
    /// Does it with `M`.
    fn visit<M: Message + Arbitrary>(&mut self);
}

pub use crate::generated::arbitrary::visit_every_message;

/// What can be random.
pub trait Arbitrary: Sized {
    /// A value that `version` can carry, with every field of that version filled.
    fn arbitrary(source: &mut Source, version: i16) -> Self;
}

impl Source {
    /// Values that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: SeededRng::new(seed), elements_left: 200 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn next(&mut self) -> u64 {
        u64::from_be_bytes(self.array_of())
    }

    fn array_of<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes);
        bytes
    }

    pub(crate) fn nullable<T: Arbitrary>(&mut self, version: i16) -> Option<T> {
        (self.below(4) > 0).then(|| T::arbitrary(self, version))
    }

    pub(crate) fn array<T: Arbitrary>(&mut self, version: i16) -> Vec<T> {
        let count = usize::try_from(self.below(4)).unwrap_or(0).min(self.elements_left);
        self.elements_left -= count;
        (0..count).map(|_| T::arbitrary(self, version)).collect()
    }

    pub(crate) fn nullable_array<T: Arbitrary>(&mut self, version: i16) -> Option<Vec<T>> {
        (self.below(4) > 0).then(|| self.array(version))
    }

    pub(crate) fn records(&mut self) -> Records {
        Records::Whole(self.bytes(600))
    }

    pub(crate) fn nullable_records(&mut self) -> Records {
        if self.below(4) > 0 { self.records() } else { Records::Null }
    }

    fn bytes(&mut self, limit: u64) -> Bytes {
        let size = usize::try_from(self.below(limit)).unwrap_or(0);
        let mut bytes = vec![0; size];
        self.rng.fill(&mut bytes);
        Bytes::from(bytes)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Arbitrary for $type {
            fn arbitrary(source: &mut Source, _version: i16) -> Self {
                Self::from_be_bytes(source.array_of())
            }
        })*
    };
}

integers!(i8, i16, i32, i64, u16);

impl Arbitrary for bool {
    fn arbitrary(source: &mut Source, _version: i16) -> Self {
        source.below(2) == 1
    }
}

impl Arbitrary for f64 {
    fn arbitrary(source: &mut Source, version: i16) -> Self {
        f64::from(i32::arbitrary(source, version)) / 64.0
    }
}

impl Arbitrary for Uuid {
    fn arbitrary(source: &mut Source, _version: i16) -> Self {
        Self::from_bytes(source.array_of())
    }
}

impl Arbitrary for Str {
    fn arbitrary(source: &mut Source, _version: i16) -> Self {
        let length = if source.below(8) == 0 { 200 } else { source.below(12) };
        let letters = (0..length).map(|_| match source.below(5) {
            0 => 'a',
            1 => 'Z',
            2 => '.',
            3 => 'é',
            _ => '雪',
        });
        let text: String = letters.collect();
        Self::from(text)
    }
}

impl Arbitrary for Bytes {
    fn arbitrary(source: &mut Source, _version: i16) -> Self {
        source.bytes(40)
    }
}
