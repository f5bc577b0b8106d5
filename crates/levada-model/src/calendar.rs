//! Days as dates of the Gregorian calendar, which is taken to have been so always.
//!
//! Source: the arithmetic is Howard Hinnant's, `days_from_civil` and `civil_from_days`: years begin with March, so that
//! leap days end them, and repeat after 400.

/// From the first of March of the year 0 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;
const DAYS_OF_400_YEARS: i64 = 146_097;

/// Days since 1970-01-01 of a date that there is, from year −10^15 to 10^15; year 0 is 1 before Christ.
#[must_use]
pub fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    const YEAR_MAX: u64 = 1_000_000_000_000_000;
    if !(1..=days_in(year, month)).contains(&day) || year.unsigned_abs() > YEAR_MAX {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970)
}

/// Year, month and day of a day since 1970-01-01.
#[must_use]
pub const fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(DAYS_TO_1970);
    let (era, of_era) = (shifted.div_euclid(DAYS_OF_400_YEARS), shifted.rem_euclid(DAYS_OF_400_YEARS));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

/// How many days a month has; none where there is no such month.
const fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        assert_eq!((date_of(0), date_of(-719_468), date_of(11_016)), ((1970, 1, 1), (0, 3, 1), (2000, 2, 29)));
        for day in (-2_000_000..2_000_000).step_by(89) {
            let (year, month, of_month) = date_of(day);
            assert_eq!(days_of(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn what_is_no_date_has_no_day() {
        for (year, month, day) in
            [(2023, 2, 29), (1900, 2, 29), (2024, 0, 1), (2024, 13, 1), (2024, 4, 31), (2024, 1, 0)]
        {
            assert_eq!(days_of(year, month, day), None);
        }
        assert!(days_of(2000, 2, 29).is_some());
        assert_eq!((days_of(i64::MAX, 1, 1), days_of(i64::MIN, 1, 1)), (None, None));
        assert!(date_of(i64::MAX).0 > 0 && date_of(i64::MIN).0 < 0);
    }
}
