//! [`Decimal`]: a number of JSON, exactly. Floating point would call `0.1 * 3` no multiple of `0.1`.

use std::cmp::Ordering;

/// Digits that a number may have.
const DIGITS_MAX: usize = 1_000;
/// What an exponent is at most, either way.
const EXPONENT_MAX: i32 = 10_000;
/// Significant digits of a divisor: a remainder times ten still fits 128 bits.
const DIVISOR_DIGITS_MAX: usize = 36;

/// `digits` × 10^`exponent`, without zeros at either end of the digits; none at all: zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// 0 to 9 each.
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    /// Reads the text of a JSON number, whose form is already checked; none where it is too long or too large.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= EXPONENT_MAX)?;
        let is_negative = mantissa.starts_with('-');
        let mantissa = mantissa.trim_start_matches('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.len() + fraction.len() > DIGITS_MAX {
            return None;
        }
        let mut exponent = exponent - i32::try_from(fraction.len()).ok()?;
        let all = whole.bytes().chain(fraction.bytes());
        let mut digits: Vec<u8> = all.map(|byte| byte - b'0').skip_while(|digit| *digit == 0).collect();
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        if digits.is_empty() {
            return Some(Self::zero());
        }
        Some(Self { is_negative, digits, exponent })
    }

    pub(crate) const fn zero() -> Self {
        Self { is_negative: false, digits: Vec::new(), exponent: 0 }
    }

    pub(crate) fn one() -> Self {
        Self { is_negative: false, digits: vec![1], exponent: 0 }
    }

    pub(crate) const fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(crate) const fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number, where it is an integer from 0 on; [`u64::MAX`] stands for all that are larger.
    pub(crate) fn as_count(&self) -> Option<u64> {
        if self.is_negative || !self.is_integer() {
            return None;
        }
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len().saturating_add(zeros) > 20 {
            return Some(u64::MAX);
        }
        let all = self.digits.iter().copied().chain(std::iter::repeat_n(0, zeros));
        Some(all.fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit))))
    }

    /// Whether [`Self::is_multiple_of`] can divide by it.
    pub(crate) const fn is_divisor(&self) -> bool {
        !self.is_negative && !self.digits.is_empty() && self.digits.len() <= DIVISOR_DIGITS_MAX
    }

    /// Whether it is an integer times `divisor`, for which [`Self::is_divisor`] holds.
    pub(crate) fn is_multiple_of(&self, divisor: &Self) -> bool {
        if self.is_zero() {
            return true;
        }
        let divisor_value = divisor.digits.iter().fold(0_u128, |sum, digit| sum * 10 + u128::from(*digit));
        // Where the divisor has more zeros at its end, a number without as many is no multiple of it.
        let Ok(zeros) = usize::try_from(self.exponent - divisor.exponent) else { return false };
        if divisor_value == 0 {
            return false;
        }
        let all = self.digits.iter().copied().chain(std::iter::repeat_n(0, zeros));
        all.fold(0_u128, |remainder, digit| (remainder * 10 + u128::from(digit)) % divisor_value) == 0
    }

    /// The exponent of its first digit plus one: of two positive numbers, the one where it is larger is larger.
    fn magnitude(&self) -> i64 {
        i64::from(self.exponent) + i64::try_from(self.digits.len()).unwrap_or(i64::MAX / 2)
    }

    fn cmp_absolute(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.magnitude().cmp(&other.magnitude()).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_absolute(other),
            (true, true) => other.cmp_absolute(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_compare_by_value_however_they_are_written() {
        let ascending = ["-1e3", "-999.5", "-1", "-0.1", "0", "1e-9", "0.1", "0.11", "1", "1.5", "2", "10", "1e3"];
        for pair in ascending.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
        for (a, b) in [("1", "1.0"), ("100", "1e2"), ("0", "-0.0"), ("0.5", "5E-1"), ("1e-2", "0.010")] {
            assert_eq!(decimal(a), decimal(b));
        }
    }

    #[test]
    fn multiples_are_exact() {
        for (number, divisor) in
            [("0.3", "0.1"), ("10", "2.5"), ("0", "7"), ("-9", "3"), ("1e40", "1e39"), ("1e9000", "7e2")]
        {
            let is_multiple = !number.contains("9000");
            assert_eq!(decimal(number).is_multiple_of(&decimal(divisor)), is_multiple, "{number} of {divisor}");
        }
        assert!(!decimal("0.35").is_multiple_of(&decimal("0.1")));
        assert!(!decimal("5").is_multiple_of(&decimal("10")));
    }

    #[test]
    fn what_is_too_long_or_too_large_is_no_number() {
        assert!(Decimal::parse("1e10000").is_some());
        assert!(Decimal::parse("1e10001").is_none());
        assert!(Decimal::parse("1e99999999999").is_none());
        assert!(Decimal::parse(&"9".repeat(1_001)).is_none());
        assert_eq!(decimal("1e3").as_count(), Some(1_000));
        assert_eq!(decimal("1e30").as_count(), Some(u64::MAX));
        assert_eq!(decimal("2.50").as_count(), None);
    }
}
