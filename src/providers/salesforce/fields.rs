//! What a record says of one of our fields, and the dates and numbers in it.
//!
//! A message leaves out what is null. So an absent field is null where it is declared, because
//! then it is known to be sent; otherwise nobody knows. The standard fields count as declared
//! for their objects.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::objects::{Kind, of_lifecycle, usual};
use super::record::Record;
use crate::providers::{SourceSettings, Unreadable, json};

/// Our names, as they stand in `[sources.<name>.fields.<object>]`.
pub const NAMES: [&str; 18] = [
    "account",
    "contact",
    "parent",
    "product",
    "product_code",
    "email",
    "first_name",
    "last_name",
    "company",
    "quantity",
    "status",
    "start_date",
    "end_date",
    "term_months",
    "terminated_date",
    "revises",
    "subscription_type",
    "modified",
];

/// What a record says of one of our fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    Value(&'a str),
    Null,
    /// Not there, and not known to be sent.
    Unknown,
}

impl<'a> Said<'a> {
    pub fn value(self) -> Option<&'a str> {
        match self {
            Self::Value(text) => Some(text),
            Self::Null | Self::Unknown => None,
        }
    }
}

/// A record with what the configuration says of its object.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    pub record: &'a Record,
    pub settings: &'a SourceSettings,
    pub kind: Kind,
}

impl<'a> Reading<'a> {
    /// Looks one of our fields up.
    pub fn said(&self, ours: &str) -> Said<'a> {
        let declared = self.settings.fields.get(&self.record.object).and_then(|fields| fields.get(ours));
        if let Some(theirs) = declared {
            return self.record.get(theirs).flatten().map_or(Said::Null, Said::Value);
        }
        let lifecycle = if self.record.has_lifecycle() { of_lifecycle(ours) } else { &[] };
        let names = || lifecycle.iter().chain(usual(self.kind, ours));
        match names().find_map(|theirs| self.record.get(theirs).flatten()) {
            Some(text) => Said::Value(text),
            None if names().next().is_some() => Said::Null,
            None => Said::Unknown,
        }
    }

    pub fn value(&self, ours: &str) -> Option<&'a str> {
        self.said(ours).value()
    }

    /// How many of our fields it holds: a message and a callout of one change may show
    /// different ones, and the fuller one stands.
    pub fn fullness(&self) -> i64 {
        let held = NAMES.iter().filter(|ours| self.value(ours).is_some()).count();
        i64::try_from(held).unwrap_or(0)
    }

    /// The record's own clock.
    pub fn modified(&self) -> Option<DateTime<Utc>> {
        self.value("modified").and_then(instant)
    }

    /// The beginning of a term.
    pub fn start(&self, ours: &str) -> Result<Option<DateTime<Utc>>, Unreadable> {
        self.date(ours, |date| Some(midnight(date, self.settings.time_zone)))
    }

    /// The end of a term, as the first instant after it: a date means through that day.
    pub fn end(&self, ours: &str) -> Result<Option<DateTime<Utc>>, Unreadable> {
        self.date(ours, |date| date.checked_add_days(Days::new(1)).map(|next| midnight(next, self.settings.time_zone)))
    }

    /// The end by a length in months, where the record has no end of its own.
    pub fn end_by_term(&self) -> Result<Option<DateTime<Utc>>, Unreadable> {
        let (Some(months), Some(start)) = (self.value("term_months"), self.value("start_date")) else {
            return Ok(None);
        };
        let months = whole(months).and_then(|months| u32::try_from(months).ok());
        let months = months.ok_or_else(|| json::unreadable("a term is not a number of months"))?;
        let end = date(start).and_then(|start| start.checked_add_months(Months::new(months)));
        Ok(end.map(|end| midnight(end, self.settings.time_zone)))
    }

    fn date(
        &self,
        ours: &str,
        of_date: impl Fn(NaiveDate) -> Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>, Unreadable> {
        let Some(text) = self.value(ours) else { return Ok(None) };
        let found = date(text).and_then(of_date).or_else(|| instant(text));
        found.map(Some).ok_or_else(|| Unreadable(format!("{ours} is neither a date nor a time")))
    }

    /// Salesforce counts in doubles: `5.0` is five; a fraction is for a person to look at.
    pub fn quantity(&self) -> Result<Option<i64>, Unreadable> {
        let Some(text) = self.value("quantity") else { return Ok(None) };
        match whole(text) {
            Some(quantity) if quantity >= 0 || self.kind.may_take_away() => Ok(Some(quantity)),
            Some(_) => Err(json::unreadable("a quantity is below 0")),
            None => Err(json::unreadable("a quantity is not a whole number")),
        }
    }
}

/// `5`, `5.0`, `-5.00`.
fn whole(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    whole.parse().ok().filter(|_| fraction.bytes().all(|byte| byte == b'0'))
}

/// `2026-09-08T23:40:33.000Z`; Apex writes `+0000`.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let apex = || DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    DateTime::parse_from_rfc3339(text).or_else(|_| apex()).ok().map(|at| at.to_utc())
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()
}

/// Where a day begins: a date has no zone, so the source's is taken. Where clocks are put
/// forward at midnight it begins when they have been.
fn midnight(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let hours = (0..24).filter_map(|hour| date.and_time(NaiveTime::from_hms_opt(hour, 0, 0)?).into());
    let begun = hours.filter_map(|local: chrono::NaiveDateTime| zone.from_local_datetime(&local).earliest()).next();
    begun.map_or_else(|| date.and_time(NaiveTime::MIN).and_utc(), |at| at.to_utc())
}
