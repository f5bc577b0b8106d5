//! SipHash-2-4 with 128 bits: what a key is known by while a log is compacted.
//!
//! Keyed with randomness of each run: nobody can send two keys that are taken for one.
//!
//! Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the reference code's 128-bit variant.

/// A keyed hash function.
#[derive(Clone, Copy, Debug)]
pub(super) struct SipHash {
    key: [u64; 2],
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    const fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    const fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    const fn squeeze(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

impl SipHash {
    pub(super) const fn new(key: [u64; 2]) -> Self {
        Self { key }
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> [u64; 2] {
        let [k0, k1] = self.key;
        let mut state = State {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        };
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            state.absorb(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (target, byte) in last.iter_mut().zip(tail) {
            *target = *byte;
        }
        let size = u64::try_from(bytes.len() & 0xff).unwrap_or(0);
        state.absorb(u64::from_le_bytes(last) | size << 56);
        state.v2 ^= 0xee;
        let first = state.squeeze();
        state.v1 ^= 0xdd;
        [first, state.squeeze()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_vectors_of_the_reference_code_come_out() {
        let hash = SipHash::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let bytes = |input: &[u8]| hash.hash(input).map(u64::to_le_bytes).concat();
        let empty = [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93];
        let one = [0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45];
        assert_eq!(bytes(&[]), empty);
        assert_eq!(bytes(&[0]), one);
        assert_ne!(bytes(&[0, 1, 2, 3, 4, 5, 6, 7]), bytes(&[0, 1, 2, 3, 4, 5, 6, 7, 0]));
    }
}
