//! Instants and the dates LicenseSpring is given.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

/// The first UTC date at or after an instant. LicenseSpring ends a license at 00:00 UTC of its
/// `validity_period`, so anything past midnight needs the next date.
#[must_use]
pub fn first_date_at_or_after(instant: DateTime<Utc>) -> NaiveDate {
    let date = instant.date_naive();
    if instant.time() == NaiveTime::MIN { date } else { date.checked_add_days(Days::new(1)).unwrap_or(date) }
}

/// `paid_through + grace`, as the date to send as `validity_period`.
#[must_use]
pub fn valid_until(paid_through: DateTime<Utc>, grace_days: u16) -> NaiveDate {
    let with_grace = paid_through.checked_add_days(Days::new(u64::from(grace_days))).unwrap_or(paid_through);
    first_date_at_or_after(with_grace)
}

/// 00:00 UTC of a date: the instant at which LicenseSpring ends it.
#[must_use]
pub fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

/// RFC 3339 in UTC with `Z`, without needless fractions.
#[must_use]
pub fn rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// How long something lasts, in calendar units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    Days(u32),
    Months(u32),
}

impl Interval {
    /// `30d`, `1m`, `1y`, as a catalog rule writes it; at least one. `None`: it is written otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let count = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse::<u32>().ok())??;
        match (count, unit) {
            (0, _) => None,
            (_, "d") => Some(Self::Days(count)),
            (_, "m") => Some(Self::Months(count)),
            (_, "y") => count.checked_mul(12).map(Self::Months),
            _ => None,
        }
    }

    /// Where it ends that begins at `start`; at the edge of the calendar, where it begins.
    #[must_use]
    pub fn after(self, start: DateTime<Utc>) -> DateTime<Utc> {
        let end = match self {
            Self::Days(days) => start.checked_add_days(Days::new(u64::from(days))),
            Self::Months(months) => start.checked_add_months(Months::new(months)),
        };
        end.unwrap_or(start)
    }

    /// Where it began that ends at `end`; at the edge of the calendar, where it ends.
    #[must_use]
    pub fn before(self, end: DateTime<Utc>) -> DateTime<Utc> {
        let start = match self {
            Self::Days(days) => end.checked_sub_days(Days::new(u64::from(days))),
            Self::Months(months) => end.checked_sub_months(Months::new(months)),
        };
        start.unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_one_of_the_calendar() {
        for (start, interval, end) in [
            ("2026-01-31T10:00:00Z", Interval::Months(1), "2026-02-28T10:00:00Z"),
            ("2026-01-31T10:00:00Z", Interval::Months(12), "2027-01-31T10:00:00Z"),
            ("2026-02-27T10:00:00Z", Interval::Days(14), "2026-03-13T10:00:00Z"),
            ("2026-01-01T00:00:00Z", Interval::Months(u32::MAX), "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(interval.after(start.parse().unwrap())), end);
        }
        for (end, interval, start) in [
            ("2026-03-31T10:00:00Z", Interval::Months(1), "2026-02-28T10:00:00Z"),
            ("2026-03-13T10:00:00Z", Interval::Days(14), "2026-02-27T10:00:00Z"),
            ("2026-01-01T00:00:00Z", Interval::Months(u32::MAX), "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(interval.before(end.parse().unwrap())), start);
        }
    }

    #[test]
    fn a_period_is_written_in_days_months_or_years() {
        for (text, interval) in [
            ("30d", Some(Interval::Days(30))),
            ("1m", Some(Interval::Months(1))),
            ("2y", Some(Interval::Months(24))),
            ("0d", None),
            ("1w", None),
            ("m", None),
            ("", None),
            ("-1m", None),
            ("1µ", None),
            ("4294967295y", None),
        ] {
            assert_eq!(Interval::parse(text), interval, "{text}");
        }
    }

    #[test]
    fn midnight_stays_and_a_second_past_it_is_the_next_day() {
        for (instant, days, date) in [
            ("2026-06-18T00:00:00Z", 0, "2026-06-18"),
            ("2026-06-18T00:00:01Z", 0, "2026-06-19"),
            ("2026-06-18T15:20:00Z", 3, "2026-06-22"),
            ("2026-12-31T23:59:59Z", 0, "2027-01-01"),
        ] {
            let instant: DateTime<Utc> = instant.parse().unwrap();
            assert_eq!(valid_until(instant, days).to_string(), date, "{instant} + {days}");
        }
    }
}
