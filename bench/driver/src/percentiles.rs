//! Times, and the ones that a share of them does not exceed.

use serde_json::{Map, Value};

/// Adds p50, p99, p99.9 and the longest of `micros` to an answer, in milliseconds.
pub fn add(answer: &mut Map<String, Value>, mut micros: Vec<u64>) {
    micros.sort_unstable();
    for (name, share) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)] {
        answer.insert(name.to_owned(), of_sorted(&micros, share).into());
    }
}

/// In milliseconds; nothing was measured where there are none.
fn of_sorted(micros: &[u64], share: f64) -> Option<f64> {
    let last = micros.len().checked_sub(1)?;
    micros.get((last as f64 * share) as usize).map(|&micros| micros as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::of_sorted;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let micros: Vec<u64> = (1..=1_000).map(|nth| nth * 1_000).collect();
        assert_eq!(of_sorted(&micros, 0.5), Some(500.0));
        assert_eq!(of_sorted(&micros, 0.99), Some(990.0));
        assert_eq!(of_sorted(&micros, 1.0), Some(1_000.0));
        assert_eq!(of_sorted(&[], 0.5), None);
    }
}
