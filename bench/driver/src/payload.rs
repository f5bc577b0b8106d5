//! What is sent: lines like those of a fleet of sensors, which compress about as well as real events do.

/// Makes `count` records of exactly `size` bytes, all different.
pub fn records(count: usize, size: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(|_| record(&mut state, size)).collect()
}

fn record(state: &mut u64, size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 120);
    while text.len() < size {
        let (sensor, value, time) = (next(state) % 5_000, next(state) % 100_000, next(state));
        text.push_str(&format!(
            "{{\"sensor\":\"s-{sensor:05}\",\"celsius\":{}.{:03},\"id\":\"{time:016x}\",\"state\":\"ok\"}}\n",
            value / 1_000,
            value % 1_000
        ));
    }
    text.truncate(size);
    text.into_bytes()
}

/// A record's key.
pub type Key = [u8; 8];

/// Keys in no order, the same at every run.
pub struct Keys {
    state: u64,
    count: u64,
}

impl Keys {
    /// Draws from `count` keys.
    pub fn new(count: u64) -> Self {
        Self { state: 0x2545_f491_4f6c_dd1d, count }
    }

    /// One of them.
    pub fn next(&mut self) -> Key {
        (next(&mut self.state) % self.count).to_be_bytes()
    }
}

/// Source: xorshift64* (Vigna, 2014).
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
