//! Figures: rates, percentiles, payloads and pace.

use bytes::Bytes;
use levada_model::{Clock as _, Rng as _, SeededRng, SystemClock};
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;

/// The spread of a time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Spread {
    /// Of `times`, by nearest rank; zeros where there are none.
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |per_mille: usize| {
            let rank = (times.len() * per_mille).div_ceil(1_000).max(1) - 1;
            times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        Self { p50_ms: at(500), p95_ms: at(950), p99_ms: at(990), p999_ms: at(999), max_ms: at(1_000) }
    }

    /// `p50 1.2 ms · p95 …`.
    pub(super) fn show(&self) -> String {
        let Self { p50_ms, p95_ms, p99_ms, p999_ms, max_ms } = self;
        format!("p50 {p50_ms:.2} ms, p95 {p95_ms:.2} ms, p99 {p99_ms:.2} ms, p99.9 {p999_ms:.2} ms, max {max_ms:.2} ms")
    }
}

/// `count` a second over `elapsed`.
pub(super) fn rate(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { approximate(count) / seconds } else { 0.0 }
}

/// The nearest floating-point number.
fn approximate(count: u64) -> f64 {
    // Both halves fit exactly.
    let (high, low) = (u32::try_from(count >> 32).unwrap_or(u32::MAX), u32::try_from(count & 0xffff_ffff).unwrap_or(0));
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// Megabytes (10⁶ bytes) a second.
pub(super) fn megabytes(bytes: u64, elapsed: Duration) -> f64 {
    rate(bytes, elapsed) / 1e6
}

/// Values of `size` bytes: letters and digits drawn at random, so that codecs have a quarter to gain, no more.
pub(super) fn payloads(size: usize) -> Vec<Bytes> {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let rng = SeededRng::new(1);
    let count = (16_usize << 20).checked_div(size).unwrap_or(1).clamp(1, 1_000);
    let draw = |_| {
        let mut bytes = vec![0; size];
        rng.fill(&mut bytes);
        bytes.iter().map(|byte| SYMBOLS.get(usize::from(byte & 63)).copied().unwrap_or(b'x')).collect::<Bytes>()
    };
    (0..count).map(draw).collect()
}

/// Holds a sender to a rate.
pub(super) struct Pace {
    clock: SystemClock,
    started: Duration,
    per_second: Option<u32>,
}

impl Pace {
    /// As fast as possible where `per_second` is `None`.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let clock = SystemClock;
        Self { clock, started: clock.monotonic(), per_second }
    }

    /// Waits until record number `index` may go.
    pub(super) async fn wait(&self, index: u64) {
        let Some(per_second) = self.per_second else { return };
        let due = self.started + Duration::from_secs(1).mul_f64(approximate(index) / f64::from(per_second.max(1)));
        let left = due.saturating_sub(self.clock.monotonic());
        if !left.is_zero() {
            sleep(left).await;
        }
    }

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let spread = Spread::of((1..=1_000).rev().map(Duration::from_millis).collect());
        assert_eq!(spread, Spread { p50_ms: 500.0, p95_ms: 950.0, p99_ms: 990.0, p999_ms: 999.0, max_ms: 1_000.0 });
        assert_eq!(Spread::of(vec![Duration::from_millis(3)]).p50_ms, 3.0);
        assert_eq!(Spread::of(vec![]), Spread::default());
    }

    #[test]
    fn payloads_have_their_size_and_differ() {
        let payloads = payloads(100);
        assert!(payloads.iter().all(|payload| payload.len() == 100));
        assert_ne!(payloads[0], payloads[1]);
    }
}
