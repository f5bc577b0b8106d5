//! What the broker has used of the processors, for measurements that begin after something else was done to it.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second in `/proc/PID/stat`, the same on every Linux that matters.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of a process, its own and the kernel's for it.
///
/// Source: proc(5).
pub fn seconds(pid: u32) -> Result<f64> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat"))?).context("`/proc/PID/stat` is not as it should be")
}

/// Fields 14 and 15, of which the first two stand before the last closing parenthesis.
fn parse(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_found_behind_a_name_of_any_kind() {
        let stat = "7 (a ) name) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(super::parse(stat), Some(2.0));
        assert_eq!(super::parse("7 (short) S 1"), None);
    }
}
