//! [`Time`] and [`Unit`]: dates and timestamps, and what Flink counts in them.

use levada_model::calendar::{date_of, days_of};

pub(super) const SECOND_MS: i64 = 1_000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// The first day of the calendar that is in use; before it, `FLOOR` and `CEIL` mix two in Flink.
const GREGORIAN_DAY: i64 = -141_427;

/// Whether `TO_TIMESTAMP_LTZ` knows the moment: the years from 0 to 9999.
pub(super) const fn is_moment(ms: i64) -> bool {
    -62_167_219_200_000 <= ms && ms <= 253_402_300_799_999
}

/// What is counted in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

use Unit::{
    Century, Day, DayOfWeek, DayOfYear, Decade, Epoch, Hour, IsoDayOfWeek, IsoYear, Microsecond, Millennium,
    Millisecond, Minute, Month, Nanosecond, Quarter, Second, Week, Year,
};

impl Unit {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "MILLENNIUM" => Millennium,
            "CENTURY" => Century,
            "DECADE" => Decade,
            "YEAR" => Year,
            "ISOYEAR" => IsoYear,
            "QUARTER" => Quarter,
            "MONTH" => Month,
            "WEEK" => Week,
            "DAY" => Day,
            "DOY" => DayOfYear,
            "DOW" => DayOfWeek,
            "ISODOW" => IsoDayOfWeek,
            "HOUR" => Hour,
            "MINUTE" => Minute,
            "SECOND" => Second,
            "MILLISECOND" => Millisecond,
            "MICROSECOND" => Microsecond,
            "NANOSECOND" => Nanosecond,
            "EPOCH" => Epoch,
            _ => return None,
        })
    }

    /// Whether times are cut off at it.
    pub(super) const fn is_floored(self) -> bool {
        self.is_days() || matches!(self, Millennium | Century | Decade | Hour | Minute | Second)
    }

    /// Whether it is whole days long.
    pub(super) const fn is_days(self) -> bool {
        matches!(self, Millennium | Century | Decade | Year | Quarter | Month | Week | Day)
    }

    /// Whether a date has it.
    pub(super) const fn is_of_date(self) -> bool {
        !matches!(self, Hour | Minute | Second | Millisecond | Microsecond | Nanosecond)
    }

    /// Whether it can be added.
    pub(super) const fn is_added(self) -> bool {
        self.is_subtracted() || matches!(self, Millisecond)
    }

    /// Whether differences are counted in it.
    pub(super) const fn is_subtracted(self) -> bool {
        matches!(self, Year | Quarter | Month | Week | Day | Hour | Minute | Second)
    }

    /// How many months it has.
    const fn months(self) -> Option<i64> {
        match self {
            Year => Some(12),
            Quarter => Some(3),
            Month => Some(1),
            _ => None,
        }
    }

    const fn ms(self) -> i64 {
        match self {
            Week => 7 * DAY_MS,
            Day => DAY_MS,
            Hour => HOUR_MS,
            Minute => MINUTE_MS,
            Second => SECOND_MS,
            _ => 1,
        }
    }
}

/// A date or timestamp: milliseconds since 1970, and nanoseconds since then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    ms: i64,
    nanos: i64,
    is_date: bool,
}

impl Time {
    pub(super) const fn new(units: i64, per_ms: i64) -> Self {
        let (ms, rest) = (units.div_euclid(per_ms), units.rem_euclid(per_ms));
        Self { ms, nanos: rest * (1_000_000 / per_ms), is_date: false }
    }

    pub(super) const fn date(day: i64) -> Self {
        Self { ms: day * DAY_MS, nanos: 0, is_date: true }
    }

    pub(super) fn units(self, per_ms: i64) -> Option<i64> {
        self.ms.checked_mul(per_ms)?.checked_add(self.nanos / (1_000_000 / per_ms))
    }

    /// How many times so many milliseconds have passed since 1970.
    pub(super) const fn count_of(self, ms: i64) -> i64 {
        self.ms.div_euclid(ms)
    }

    /// Days since 1970.
    pub(super) const fn day(self) -> i64 {
        self.ms.div_euclid(DAY_MS)
    }

    /// Year, month and day.
    pub(super) fn civil(self) -> (i64, i64, i64) {
        date_of(self.day())
    }

    /// Nanoseconds since midnight.
    pub(super) const fn of_day(self) -> i64 {
        self.ms.rem_euclid(DAY_MS) * 1_000_000 + self.nanos
    }

    const fn at(self, ms: i64) -> Self {
        Self { ms, nanos: 0, is_date: self.is_date }
    }

    /// Cut off at a unit, or brought `up` to the next.
    pub(super) fn bounded(self, unit: Unit, up: bool) -> Option<Self> {
        if let (Day, true) = (unit, self.is_date) {
            return Some(self.at(self.ms.checked_add(if up { DAY_MS } else { 0 })?));
        }
        if let Day | Hour | Minute | Second = unit {
            let rest = self.ms.rem_euclid(unit.ms());
            let floor = self.ms.checked_sub(rest)?;
            return Some(self.at(if up && rest > 0 { floor.checked_add(unit.ms())? } else { floor }));
        }
        // Flink divides towards 1970 here.
        let day = self.ms / DAY_MS;
        if day < GREGORIAN_DAY {
            return None;
        }
        Some(self.at(bound(day, unit, up)?.checked_mul(DAY_MS)?))
    }

    /// A part, as Flink's EXTRACT has it.
    pub(super) fn extract(self, unit: Unit) -> i64 {
        // Flink divides towards 1970 here.
        let day = self.ms / DAY_MS;
        let (year, month, of_month) = date_of(day);
        let (week_year, week) = iso_week(day);
        match unit {
            Millennium => (if year > 0 { year + 999 } else { year - 999 }) / 1_000,
            Century => (if year > 0 { year + 99 } else { year - 99 }) / 100,
            Decade => year / 10,
            Year => year,
            IsoYear => week_year,
            Quarter => (month + 2) / 3,
            Month => month,
            Week => week,
            Day => of_month,
            DayOfYear => day - days_of(year, 1, 1).unwrap_or(day) + 1,
            DayOfWeek => (day + 4).rem_euclid(7) + 1,
            IsoDayOfWeek => (day + 3).rem_euclid(7) + 1,
            Hour => self.ms % DAY_MS / HOUR_MS,
            Minute => self.ms % HOUR_MS / MINUTE_MS,
            Second => self.ms % MINUTE_MS / SECOND_MS,
            Millisecond => self.ms % SECOND_MS,
            Microsecond => self.ms % SECOND_MS * 1_000 + self.nanos / 1_000,
            Nanosecond => self.ms % SECOND_MS * 1_000_000 + self.nanos,
            Epoch => self.ms / SECOND_MS,
        }
    }

    pub(super) fn plus(self, unit: Unit, count: i64) -> Option<Self> {
        let ms = match unit.months() {
            Some(months) => {
                let day = plus_months(self.day(), count.checked_mul(months)?)?;
                day.checked_mul(DAY_MS)?.checked_add(self.ms.rem_euclid(DAY_MS))?
            }
            None => self.ms.checked_add(count.checked_mul(unit.ms())?)?,
        };
        Some(Self { ms, ..self })
    }

    /// How many units it is later than another, cut off; as Java's `int`.
    pub(super) fn since(self, other: Self, unit: Unit) -> i32 {
        let count = match unit.months() {
            Some(months) => self.months_since(other) / months,
            None => self.ms.wrapping_sub(other.ms) / unit.ms(),
        };
        let [a, b, c, d, ..] = count.to_le_bytes();
        i32::from_le_bytes([a, b, c, d])
    }

    fn months_since(self, other: Self) -> i64 {
        let (to, from) = (self.day(), other.day());
        let months = if to < from { -whole_months(to, from) } else { whole_months(from, to) };
        let is_same_day = plus_months(from, months) == Some(to);
        months - i64::from(is_same_day && self.ms.rem_euclid(DAY_MS) < other.ms.rem_euclid(DAY_MS))
    }
}

/// The most months that lead from a day no farther than a later one.
fn whole_months(from: i64, to: i64) -> i64 {
    let ((from_year, from_month, _), (to_year, to_month, _)) = (date_of(from), date_of(to));
    let months = (to_year - from_year) * 12 + to_month - from_month;
    let is_too_far = plus_months(from, months).is_some_and(|day| day > to);
    months - i64::from(is_too_far)
}

/// The same day of a month so much later, or its last.
fn plus_months(day: i64, count: i64) -> Option<i64> {
    let (year, month, of_month) = date_of(day);
    let months = year.checked_mul(12)?.checked_add(month - 1)?.checked_add(count)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    if year.abs() > 999_999_999 {
        return None;
    }
    (28..=31).rev().map(|last| of_month.min(last)).find_map(|of_month| days_of(year, month, of_month))
}

/// The first day of the unit that a day lies in, or, for `up`, of the next, as Flink has it.
fn bound(day: i64, unit: Unit, up: bool) -> Option<i64> {
    let (year, month, of_month) = date_of(day);
    let is_within = month > 1 || of_month > 1;
    let first = |year: i64| days_of(year, 1, 1);
    match unit {
        Millennium => first((year + 999) / 1_000 * 1_000 - if up { -1 } else { 999 }),
        Century => first((year + 99) / 100 * 100 - if up { -1 } else { 99 }),
        Decade => first((year / 10 + i64::from(up)) * 10),
        Year => first(year + i64::from(up && is_within)),
        Quarter => {
            let quarter = (month + 2) / 3 + i64::from(up && is_within);
            days_of(year + (quarter - 1) / 4, (quarter - 1) % 4 * 3 + 1, 1)
        }
        Month => {
            let month = month + i64::from(up && of_month > 1);
            days_of(year + (month - 1) / 12, (month - 1) % 12 + 1, 1)
        }
        Week => {
            let into = (day + 4).rem_euclid(7);
            Some(if up && into > 0 { day - into + 7 } else { day - into })
        }
        _ => None,
    }
}

/// The year and the week of ISO 8601.
fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, ..) = date_of(thursday);
    (year, (thursday - days_of(year, 1, 1).unwrap_or(thursday)) / 7 + 1)
}
