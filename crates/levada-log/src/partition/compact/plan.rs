//! Which segments are compacted: pure, from their marks.

use super::CompactLimits;
use crate::partition::{index::relative, segment::SegmentMark};
use levada_model::{Offset, Timestamp};
use std::ops::Range;

/// One million: a dirty ratio of 1.
const WHOLE_PPM: u64 = 1_000_000;

/// What of a log can be compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanable {
    /// So many of the oldest segments.
    pub(super) segment_count: usize,
    /// Everything below this is in them.
    pub end: Offset,
    /// Bytes that were compacted before.
    pub clean_bytes: u64,
    /// Bytes that were not.
    pub dirty_bytes: u64,
    /// When the broker first appended to the oldest segment with dirty bytes.
    pub dirty_since: Option<Timestamp>,
}

impl Cleanable {
    /// What `limits` let of a log with these segments, the last of which is being written, and which is compacted
    /// below `first_dirty`.
    ///
    /// Whole segments only: none of which a record lies at or beyond the upper offset, and from the first on that is
    /// too young, none.
    #[must_use]
    pub fn of(marks: &[SegmentMark], first_dirty: Offset, limits: &CompactLimits) -> Self {
        let (_, sealed) = marks.split_last().map_or((None, marks), |(last, rest)| (Some(last), rest));
        let end = sealed.first().map_or(0, |mark| mark.base_offset);
        let mut cleanable = Self { segment_count: 0, end, clean_bytes: 0, dirty_bytes: 0, dirty_since: None };
        for mark in sealed {
            let is_dirty = mark.next_offset > first_dirty;
            // By the broker's own clock: producers' clocks may say anything.
            let last_append = if mark.append_time >= 0 { mark.append_time } else { mark.retention_time() };
            let is_young =
                limits.lag_min_ms > 0 && is_dirty && last_append > limits.now_ms.saturating_sub(limits.lag_min_ms);
            if mark.next_offset > limits.upper_offset || is_young {
                break;
            }
            cleanable.segment_count += 1;
            cleanable.end = mark.next_offset;
            if is_dirty {
                cleanable.dirty_bytes += mark.size_bytes;
                cleanable.dirty_since = cleanable.dirty_since.or(Some(mark.first_append_time));
            } else {
                cleanable.clean_bytes += mark.size_bytes;
            }
        }
        cleanable
    }

    /// Dirty bytes among all that can be compacted, in millionths.
    #[must_use]
    pub fn dirty_ratio_ppm(&self) -> u64 {
        let total = u128::from(self.clean_bytes) + u128::from(self.dirty_bytes);
        let ratio = (u128::from(self.dirty_bytes) * u128::from(WHOLE_PPM)).checked_div(total).unwrap_or(0);
        u64::try_from(ratio).unwrap_or(WHOLE_PPM)
    }

    /// Whether dirty bytes have waited for longer than `lag_max_ms`.
    #[must_use]
    pub fn is_overdue(&self, now_ms: Timestamp, lag_max_ms: i64) -> bool {
        self.dirty_since.is_some_and(|since| since >= 0 && now_ms.saturating_sub(since) > lag_max_ms)
    }
}

/// Which neighbours become one segment: as many as surely fit into one.
pub(super) fn groups(marks: &[SegmentMark], segment_bytes: u32) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut size, mut base) = (0_u64, 0);
    for (index, mark) in marks.iter().enumerate() {
        let grown = size.saturating_add(mark.size_bytes);
        let is_small = grown <= u64::from(segment_bytes) || size == 0 || mark.size_bytes == 0;
        let fits = is_small && relative(base, mark.next_offset).is_some();
        match groups.last_mut() {
            Some(group) if fits => {
                group.end = index + 1;
                size = grown;
            }
            _ => {
                groups.push(index..index + 1);
                (size, base) = (mark.size_bytes, mark.base_offset);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(base_offset: Offset, next_offset: Offset, size_bytes: u64) -> SegmentMark {
        let times = base_offset * 10;
        let max_timestamp = Some((times + 5, next_offset - 1));
        SegmentMark {
            base_offset,
            size_bytes,
            next_offset,
            max_timestamp,
            first_append_time: times,
            append_time: times + 9,
        }
    }

    fn limits(upper_offset: Offset) -> CompactLimits {
        CompactLimits { upper_offset, lag_min_ms: 0, now_ms: 10_000 }
    }

    #[test]
    fn whole_segments_below_the_upper_offset_are_compacted_and_never_the_last() {
        let marks = [mark(0, 100, 10), mark(100, 200, 20), mark(200, 300, 30), mark(300, 400, 40)];
        let of = |first_dirty, upper| {
            let found = Cleanable::of(&marks, first_dirty, &limits(upper));
            (found.segment_count, found.end, found.clean_bytes, found.dirty_bytes, found.dirty_ratio_ppm())
        };
        assert_eq!(of(0, Offset::MAX), (3, 300, 0, 60, 1_000_000));
        assert_eq!(of(100, Offset::MAX), (3, 300, 10, 50, 833_333));
        assert_eq!(of(150, 299), (2, 200, 10, 20, 666_666));
        assert_eq!(of(300, 300), (3, 300, 60, 0, 0));
        assert_eq!(of(0, 99), (0, 0, 0, 0, 0));
        assert_eq!(Cleanable::of(&marks[..1], 0, &limits(Offset::MAX)).segment_count, 0);
    }

    #[test]
    fn what_is_young_waits_and_what_is_old_is_due() {
        let marks = [mark(0, 100, 10), mark(100, 200, 20), mark(200, 300, 30), mark(300, 400, 40)];
        let young = CompactLimits { lag_min_ms: 9_000, ..limits(Offset::MAX) };
        let found = Cleanable::of(&marks, 0, &young);
        assert_eq!((found.segment_count, found.dirty_since), (1, Some(0)), "segment 100 was appended to at 1009");
        assert_eq!(Cleanable::of(&marks, 200, &young).segment_count, 2, "what was compacted is not young again");
        assert!(found.is_overdue(10_000, 9_999) && !found.is_overdue(10_000, 10_000));
        assert!(!Cleanable::of(&marks, 300, &limits(Offset::MAX)).is_overdue(i64::MAX, 0), "nothing is dirty");
    }

    #[test]
    fn neighbours_are_merged_as_long_as_sizes_and_offsets_fit() {
        let marks = [mark(0, 100, 40), mark(100, 200, 60), mark(200, 300, 1), mark(300, 400, 200), mark(400, 500, 0)];
        assert_eq!(groups(&marks, 100), [0..2, 2..3, 3..5]);
        let far = i64::from(i32::MAX);
        assert_eq!(groups(&[mark(0, 10, 1), mark(10, far, 1), mark(far, far + 9, 1)], 100), [0..2, 2..3]);
    }
}
