//! The keys of `[sources.*]` that only Salesforce has.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use super::section::Section;
use super::section::word::Amendments;

/// Objects whose usual fields are known; any other one is read by the names that are given.
#[rustfmt::skip] // a word list
const STANDARD: [&str; 9] = [
    "Asset", "SBQQ__Subscription__c", "Contract", "Order", "OrderItem", "Opportunity", "OpportunityLineItem", "Account", "Contact",
];

/// Without one of each, a record of an object of the org's own entitles nobody to anything.
#[rustfmt::skip] // a table
const NEEDED: [(&str, &[&str]); 3] = [
    ("whose it is", &["account", "contact", "parent"]),
    ("how many", &["quantity"]),
    ("until when", &["end_date"]),
];

/// How long a name of theirs can be, namespace and suffix included, with room to spare.
const FIELD_CHARS_MAX: usize = 80;

/// What a Salesforce source is told beside fields and organizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salesforce {
    /// The zone of dates, which have none.
    pub time_zone: Tz,
    pub cpq_amendments: Amendments,
    /// Statuses of what a customer has no more; empty: the usual words.
    pub off_statuses: Vec<String>,
    /// Callouts may show a secret in `Authorization` or `X-Api-Key`.
    pub callout_secret_in_header: bool,
}

pub(super) fn read(section: &mut Section<'_>, is_salesforce: bool) -> Salesforce {
    for key in ["time_zone", "cpq_amendments", "off_statuses", "callout_secret_in_header"] {
        if section.has(key) && !is_salesforce {
            section.problem(key, "means nothing to this provider", "remove it");
        }
    }
    Salesforce {
        time_zone: time_zone(section),
        cpq_amendments: section.get_or("cpq_amendments", Amendments::Delta),
        off_statuses: section.get("off_statuses").unwrap_or_default(),
        callout_secret_in_header: section.get_or("callout_secret_in_header", false),
    }
}

fn time_zone(section: &mut Section<'_>) -> Tz {
    let key = "time_zone";
    let Some(name) = section.text(key) else { return Tz::UTC };
    name.parse().unwrap_or_else(|_| {
        section.problem(
            key,
            format!("names no time zone: {name:?}"),
            "write one such as \"Europe/Berlin\", or \"UTC\"",
        );
        Tz::UTC
    })
}

pub(super) fn is_field(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain && name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= FIELD_CHARS_MAX
}

/// Says of an object of the org's own what the names that are given leave open.
pub(super) fn check_mapped(section: &Section<'_>, object: &str, names: &BTreeMap<String, String>) {
    if STANDARD.contains(&object) {
        return;
    }
    for (what, ours) in NEEDED.iter().filter(|(_, ours)| !ours.iter().any(|ours| names.contains_key(*ours))) {
        let text = format!("does not say {what}: name {}, or no license comes of it", ours.join(" or "));
        section.report.warn(&section.path_of(&format!("fields.{object}")), text);
    }
}
