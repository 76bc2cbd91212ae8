//! The movable clock. LicenseSpring's statuses depend on the date; a test that waits for a
//! license to expire moves this clock instead. Rate limits and the request log stay on real time.

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::Record;

/// Rates are kept in thousandths, so that half speed needs no float.
const RATE_UNIT: i64 = 1_000;
/// Ten million times real time: a year in three seconds, and far from overflow.
const RATE_MAX: i64 = 10_000_000 * RATE_UNIT;
/// Timestamps are compared as text, which holds for years of four digits.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=9999;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(super) enum Clock {
    #[default]
    Real,
    Moved {
        /// What the sandbox showed at `since`.
        from: DateTime<Utc>,
        /// The real instant of the move.
        since: DateTime<Utc>,
        /// Thousandths of a sandbox second in a real one; 0: frozen.
        rate: i64,
    },
}

impl Clock {
    pub fn now(&self, real: DateTime<Utc>) -> DateTime<Utc> {
        let Self::Moved { from, since, rate } = self else {
            return real;
        };
        let passed_us = (real - *since).num_microseconds().unwrap_or(i64::MAX);
        let moved_us = i128::from(passed_us) * i128::from(*rate) / i128::from(RATE_UNIT);
        i64::try_from(moved_us)
            .ok()
            .and_then(|us| from.checked_add_signed(TimeDelta::microseconds(us)))
            .filter(|now| YEARS.contains(&now.year()))
            .unwrap_or(*from)
    }

    /// The clock after `PUT /clock`; the refusal is in words for the caller.
    pub fn put(&self, order: &Record, real: DateTime<Utc>) -> Result<Self, String> {
        if let Some(unknown) = order.keys().find(|k| !matches!(k.as_str(), "now" | "rate")) {
            return Err(format!("unknown key {unknown:?}; known: now, rate"));
        }
        let rate = order.get("rate").map(parse_rate).transpose()?;
        match (order.get("now"), rate) {
            (None, None) => Err("say \"now\", \"rate\" or both".to_owned()),
            (Some(Value::Null), None) => Ok(Self::Real),
            (Some(Value::Null), Some(rate)) => Ok(Self::Moved { from: real, since: real, rate }),
            (Some(now), rate) => Ok(Self::Moved { from: parse_instant(now)?, since: real, rate: rate.unwrap_or(0) }),
            (None, Some(rate)) => Ok(Self::Moved { from: self.now(real), since: real, rate }),
        }
    }

    pub fn show(&self, real: DateTime<Utc>) -> Value {
        let (mode, rate) = match self {
            Self::Real => ("real", RATE_UNIT),
            Self::Moved { rate: 0, .. } => ("frozen", 0),
            Self::Moved { rate, .. } => ("running", *rate),
        };
        json!({ "now": stamp(self.now(real)), "real": stamp(real), "mode": mode, "rate": show_rate(rate) })
    }
}

/// An instant as LicenseSpring writes it.
pub(super) fn stamp(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn parse_instant(value: &Value) -> Result<DateTime<Utc>, String> {
    let text = value.as_str().ok_or("\"now\" must be an RFC 3339 instant or null")?;
    let instant = DateTime::parse_from_rfc3339(text)
        .map_err(|e| format!("\"now\": {text:?} is not an RFC 3339 instant: {e}"))?
        .with_timezone(&Utc);
    if YEARS.contains(&instant.year()) {
        Ok(instant)
    } else {
        Err(format!("\"now\": the year must be within {} and {}", YEARS.start(), YEARS.end()))
    }
}

fn parse_rate(value: &Value) -> Result<i64, String> {
    let refused = || format!("\"rate\" must be a number from 0 to {}, to three decimals", RATE_MAX / RATE_UNIT);
    let Value::Number(number) = value else {
        return Err(refused());
    };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let whole: i64 = whole.parse().map_err(|_| refused())?;
    let thousandths = match decimals.trim_end_matches('0') {
        "" => Some(0),
        d if d.len() <= 3 => format!("{d:0<3}").parse::<i64>().ok(),
        _ => None,
    }
    .ok_or_else(refused)?;
    let rate = whole.checked_mul(RATE_UNIT).and_then(|r| r.checked_add(thousandths)).ok_or_else(refused)?;
    if !text.starts_with('-') && rate <= RATE_MAX { Ok(rate) } else { Err(refused()) }
}

fn show_rate(rate: i64) -> Value {
    if rate % RATE_UNIT == 0 {
        return (rate / RATE_UNIT).into();
    }
    let text = format!("{}.{:03}", rate / RATE_UNIT, rate % RATE_UNIT);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
