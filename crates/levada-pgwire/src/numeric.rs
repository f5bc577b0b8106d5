//! Decimals as PostgreSQL writes them: as text, and in binary in digits of 10,000.

use bytes::{Buf as _, BufMut as _, BytesMut};
use levada_sql::format::{decimal_of, decimal_text};

/// Digits of the largest decimal.
const PRECISION_MAX: usize = 38;
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;

/// A decimal: all its digits, and how many stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: i128,
    pub(crate) scale: u8,
}

impl Decimal {
    /// How many digits it has, at least as many as stand behind the point.
    pub(crate) fn precision(self) -> u8 {
        let digits = self.unscaled.unsigned_abs().checked_ilog10().map_or(1, |power| power + 1);
        u8::try_from(digits).unwrap_or(u8::MAX).max(self.scale).max(1)
    }

    pub(crate) fn text(self) -> String {
        decimal_text(self.unscaled, self.scale)
    }

    /// Reads digits, with a point or an exponent perhaps.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        decimal_of(text.trim()).map(|(unscaled, scale)| Self { unscaled, scale })
    }

    pub(crate) fn write(self, out: &mut BytesMut) {
        // Digits of 10,000 on both sides of the point.
        let padding = (4 - u32::from(self.scale) % 4) % 4;
        let groups = usize::from(self.scale).div_ceil(4);
        let digits = format!("{}{}", self.unscaled.unsigned_abs(), "0".repeat(usize::try_from(padding).unwrap_or(0)));
        let width = digits.len().div_ceil(4).max(groups + 1) * 4;
        let digits = format!("{digits:0>width$}");
        let mut places: Vec<i16> = digits
            .as_bytes()
            .chunks(4)
            .map(|four| four.iter().fold(0, |all, byte| all * 10 + i16::from(byte - b'0')))
            .collect();
        let mut weight = i16::try_from(places.len() - groups).unwrap_or(i16::MAX) - 1;
        let leading = places.iter().take_while(|place| **place == 0).count();
        places.drain(..leading);
        weight -= i16::try_from(leading).unwrap_or(0);
        while places.last() == Some(&0) {
            places.pop();
        }
        out.put_i16(i16::try_from(places.len()).unwrap_or(i16::MAX));
        out.put_i16(if places.is_empty() { 0 } else { weight });
        out.put_u16(if self.unscaled < 0 { NEGATIVE } else { POSITIVE });
        out.put_i16(i16::from(self.scale));
        places.iter().for_each(|place| out.put_i16(*place));
    }

    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 8 {
            return None;
        }
        let (count, weight) = (usize::from(bytes.get_u16()), bytes.get_i16());
        let (sign, scale) = (bytes.get_u16(), bytes.get_u16());
        if bytes.len() != count * 2 || !matches!(sign, POSITIVE | NEGATIVE) || count > PRECISION_MAX {
            return None;
        }
        let scale = u8::try_from(scale).ok().filter(|scale| usize::from(*scale) <= PRECISION_MAX)?;
        let mut unscaled: i128 = 0;
        for at in 0..count {
            let place = bytes.get_i16();
            if !(0..10_000).contains(&place) {
                return None;
            }
            // The power of ten of this digit, beside the scale.
            let power = 4 * (i32::from(weight) - i32::try_from(at).ok()?) + i32::from(scale);
            let place = i128::from(place);
            unscaled = unscaled.checked_add(match u32::try_from(power) {
                Ok(power) => place.checked_mul(10_i128.checked_pow(power)?)?,
                Err(_) => place / 10_i128.checked_pow(power.unsigned_abs())?,
            })?;
        }
        let unscaled = if sign == NEGATIVE { -unscaled } else { unscaled };
        (unscaled.unsigned_abs() < 10_u128.pow(38)).then_some(Self { unscaled, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_come_back_from_text_and_from_binary() {
        let all: [(i128, u8); 12] = [
            (0, 0),
            (0, 3),
            (1, 0),
            (-1, 4),
            (12_345_678, 3),
            (10_000, 0),
            (10_000, 4),
            (100_000_000, 2),
            (5, 9),
            (-99_999_999_999_999_999_999_999_999_999_999_999_999, 5),
            (99_999_999_999_999_999_999_999_999_999_999_999_999, 38),
            (123, 1),
        ];
        for (unscaled, scale) in all {
            let decimal = Decimal { unscaled, scale };
            assert_eq!(Decimal::of_text(&decimal.text()), Some(decimal), "{}", decimal.text());
            let mut bytes = BytesMut::new();
            decimal.write(&mut bytes);
            assert_eq!(Decimal::read(&bytes), Some(decimal), "{}", decimal.text());
        }
        assert_eq!(Decimal { unscaled: -5, scale: 2 }.text(), "-0.05");
    }

    #[test]
    fn binary_decimals_are_those_of_postgresql() {
        let bytes = |unscaled, scale| {
            let mut bytes = BytesMut::new();
            Decimal { unscaled, scale }.write(&mut bytes);
            bytes.to_vec()
        };
        // 12345.67
        assert_eq!(bytes(1_234_567, 2), [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 0x09, 0x29, 0x1a, 0x2c]);
        assert_eq!(bytes(0, 2), [0, 0, 0, 0, 0, 0, 0, 2]);
        // -0.0001
        assert_eq!(bytes(-1, 4), [0, 1, 0xff, 0xff, 0x40, 0, 0, 4, 0, 1]);
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        assert_eq!(Decimal::of_text("1.5e3"), Some(Decimal { unscaled: 1_500, scale: 0 }));
        assert_eq!(Decimal::of_text("15E-3"), Some(Decimal { unscaled: 15, scale: 3 }));
        for wrong in ["", "NaN", "1.2.3", "1e", "1e99", "x", "-", "123456789012345678901234567890123456789"] {
            assert_eq!(Decimal::of_text(wrong), None, "{wrong}");
        }
        assert_eq!(Decimal::read(&[0, 1, 0, 0, 0xc0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Decimal::read(&[0, 9, 0, 0]), None);
    }
}
