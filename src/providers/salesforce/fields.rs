//! Which field of theirs says what: the names that an admin who follows our guide configures
//! nothing for, and those that the configuration declares instead.
//!
//! A message leaves out what is null. So an absent field is null where it is declared, because
//! then it is known to be sent; otherwise nobody knows.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use super::record::Record;
use crate::providers::{SourceSettings, Unreadable};

/// Our names, as they stand in `[sources.<name>.fields.<object>]`.
pub const NAMES: [&str; 10] = [
    "account",
    "contact",
    "product",
    "product_code",
    "email",
    "quantity",
    "status",
    "start_date",
    "end_date",
    "modified",
];

/// Theirs, unless declared: the first that is there. The last ones are those of callouts.
/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_asset.htm>
fn usual(ours: &str) -> &'static [&'static str] {
    match ours {
        "account" => &["AccountId"],
        "contact" => &["ContactId"],
        "product" => &["Product2Id"],
        "product_code" => &["LSL_Product_Code__c", "ProductCode"],
        "email" => &["LSL_Contact_Email__c", "ContactEmail"],
        "quantity" => &["Quantity"],
        "status" => &["Status"],
        "start_date" => &["PurchaseDate", "InstallDate", "StartDate"],
        "end_date" => &["UsageEndDate", "EndDate"],
        "modified" => &["SystemModstamp", "LastModifiedDate"],
        _ => &[],
    }
}

/// Assets under lifecycle management keep their numbers elsewhere, and leave these null.
fn of_lifecycle(ours: &str) -> &'static [&'static str] {
    match ours {
        "quantity" => &["CurrentQuantity"],
        "start_date" => &["LifecycleStartDate"],
        "end_date" => &["LifecycleEndDate"],
        _ => &[],
    }
}

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

/// Looks one of our fields up.
pub fn said<'a>(record: &'a Record, settings: &SourceSettings, ours: &str) -> Said<'a> {
    let declared = settings.fields.get(&record.object).and_then(|fields| fields.get(ours));
    let lifecycle = if record.has_lifecycle() { of_lifecycle(ours) } else { &[] };
    let found = match declared {
        Some(theirs) => record.get(theirs),
        None => lifecycle.iter().chain(usual(ours)).find_map(|theirs| record.get(theirs)),
    };
    match (found, declared) {
        (Some(Some(text)), _) => Said::Value(text),
        (Some(None), _) | (None, Some(_)) => Said::Null,
        (None, None) => Said::Unknown,
    }
}

/// `2026-09-08T23:40:33.000Z`; Apex writes `+0000`.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let apex = || DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    DateTime::parse_from_rfc3339(text).or_else(|_| apex()).ok().map(|at| at.to_utc())
}

/// The end of a term. A date has no zone and means through that day; UTC's is taken.
pub fn end(text: &str) -> Result<DateTime<Utc>, Unreadable> {
    let next_day = |date: NaiveDate| date.checked_add_days(Days::new(1)).map(midnight);
    date(text).and_then(next_day).or_else(|| instant(text)).ok_or_else(|| no_date("end"))
}

/// The beginning of a term.
pub fn start(text: &str) -> Result<DateTime<Utc>, Unreadable> {
    date(text).map(midnight).or_else(|| instant(text)).ok_or_else(|| no_date("start"))
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok()
}

fn midnight(date: NaiveDate) -> DateTime<Utc> {
    date.and_time(NaiveTime::MIN).and_utc()
}

fn no_date(which: &str) -> Unreadable {
    Unreadable(format!("the {which} date is neither a date nor a time"))
}
