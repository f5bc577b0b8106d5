//! [`ExactSum`]: a sum of floating point numbers from which any of them can be taken out again without a trace.
//!
//! It is kept as a list of numbers that do not overlap and whose sum it is, exactly; what is shown is that sum, rounded
//! once. So it does not depend on the order in which the numbers came.
//!
//! Source: J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997.

use crate::snapshot::{Reader, SnapshotError, Writer};

/// A sum of doubles.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ExactSum {
    /// Ascending in magnitude, not overlapping, none zero.
    parts: Vec<f64>,
    /// How many of the numbers are not numbers, or infinite: they have no inverse.
    nans: i64,
    positive_infinities: i64,
    negative_infinities: i64,
}

impl ExactSum {
    /// Adds `number` `weight` times.
    pub(crate) fn add(&mut self, number: f64, weight: i64) {
        if number.is_nan() {
            self.nans += weight;
        } else if number == f64::INFINITY {
            self.positive_infinities += weight;
        } else if number == f64::NEG_INFINITY {
            self.negative_infinities += weight;
        } else {
            let signed = if weight < 0 { -number } else { number };
            for _ in 0..weight.unsigned_abs() {
                self.grow(signed);
            }
        }
    }

    /// Adds all that another sum is of.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.parts.iter().for_each(|part| self.grow(*part));
        self.nans += other.nans;
        self.positive_infinities += other.positive_infinities;
        self.negative_infinities += other.negative_infinities;
    }

    fn grow(&mut self, number: f64) {
        let mut carry = number;
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let part = self.parts[index];
            let (sum, rest) = two_sum(carry, part);
            if rest != 0.0 {
                self.parts[kept] = rest;
                kept += 1;
            }
            carry = sum;
        }
        self.parts.truncate(kept);
        if carry != 0.0 {
            self.parts.push(carry);
        }
    }

    /// The sum, rounded to the nearest double.
    pub(crate) fn value(&self) -> f64 {
        if self.nans > 0 || (self.positive_infinities > 0 && self.negative_infinities > 0) {
            return f64::NAN;
        }
        if self.positive_infinities > 0 {
            return f64::INFINITY;
        }
        if self.negative_infinities > 0 {
            return f64::NEG_INFINITY;
        }
        self.rounded()
    }

    fn rounded(&self) -> f64 {
        let mut parts = self.parts.iter().rev().copied();
        let Some(mut high) = parts.next() else { return 0.0 };
        let mut low = 0.0;
        for part in parts.by_ref() {
            let (sum, rest) = two_sum(high, part);
            (high, low) = (sum, rest);
            if low != 0.0 {
                break;
            }
        }
        // Half way between two doubles, what is left decides.
        if let Some(next) = parts.next()
            && ((low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0))
        {
            let doubled = low * 2.0;
            let away = high + doubled;
            if doubled == away - high {
                high = away;
            }
        }
        high
    }

    pub(crate) fn save(&self, to: &mut Writer) {
        to.count(self.parts.len());
        self.parts.iter().for_each(|part| to.f64(*part));
        [self.nans, self.positive_infinities, self.negative_infinities].iter().for_each(|count| to.i64(*count));
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let parts = (0..from.count()?).map(|_| from.f64()).collect::<Result<_, _>>()?;
        let (nans, positive_infinities, negative_infinities) = (from.i64()?, from.i64()?, from.i64()?);
        Ok(Self { parts, nans, positive_infinities, negative_infinities })
    }
}

/// The rounded sum, and what rounding took away.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let (large, small) = if a.abs() < b.abs() { (b, a) } else { (a, b) };
    let sum = large + small;
    (sum, small - (sum - large))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_taken_out_leaves_no_trace() {
        let mut sum = ExactSum::default();
        for number in [1e100, 1.0, 0.1, f64::NAN, f64::INFINITY] {
            sum.add(number, 1);
        }
        assert!(sum.value().is_nan());
        for number in [1e100, f64::NAN, f64::INFINITY] {
            sum.add(number, -1);
        }
        assert_eq!(sum.value(), 1.1);
    }

    #[test]
    fn half_way_the_rest_decides() {
        let mut sum = ExactSum::default();
        [1.0, f64::EPSILON / 2.0, f64::EPSILON * f64::EPSILON].iter().for_each(|number| sum.add(*number, 1));
        assert_eq!(sum.value(), 1.0 + f64::EPSILON);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(
            numbers in prop::collection::vec(-1e30_f64..1e30, 0..40),
            extra in -1e60_f64..1e60,
        ) {
            let (mut forward, mut backward) = (ExactSum::default(), ExactSum::default());
            forward.add(extra, 2);
            numbers.iter().for_each(|number| forward.add(*number, 1));
            forward.add(extra, -2);
            numbers.iter().rev().for_each(|number| backward.add(*number, 1));
            prop_assert_eq!(forward.value(), backward.value());
            let (mut first, mut second) = (ExactSum::default(), ExactSum::default());
            for (place, number) in numbers.iter().enumerate() {
                if place % 3 == 0 { first.add(*number, 1) } else { second.add(*number, 1) }
            }
            first.merge(&second);
            prop_assert_eq!(first.value(), backward.value());
        }
    }
}
