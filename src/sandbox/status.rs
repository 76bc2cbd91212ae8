//! When a license is Inactive, Active, Expired or Disabled.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::record::{Record, flag, number, text};
use super::switches::Switches;

pub(super) fn status(license: &Record, switches: &Switches, now: DateTime<Utc>) -> &'static str {
    if !flag(license, "enabled") {
        "Disabled"
    } else if is_expired(license, switches, now) {
        "Expired"
    } else if is_subscription(license) || flag(license, "active") || number(license, "times_activated") > 0 {
        "Active"
    } else {
        "Inactive"
    }
}

/// A subscription counts as active from the start; only a date ends it.
pub(super) fn is_subscription(license: &Record) -> bool {
    text(license, "license_type") == "subscription"
}

pub(super) fn is_expired(license: &Record, switches: &Switches, now: DateTime<Utc>) -> bool {
    end(license, switches).is_some_and(|end| now >= end)
}

/// The instant at which a license ends, its grace included; none: never.
fn end(license: &Record, switches: &Switches) -> Option<DateTime<Utc>> {
    if text(license, "license_type") == "perpetual" && !flag(license, "is_trial") {
        return None;
    }
    let date = validity(license)?;
    let last = if switches.is("S17", "end_of_date") { date.checked_add_days(Days::new(1))? } else { date };
    let midnight = last.and_time(NaiveTime::MIN).and_utc();
    let has_grace = is_subscription(license) && flag(license, "allow_grace_period");
    let grace_hours = if has_grace { number(license, "grace_period") } else { 0 };
    midnight.checked_add_signed(TimeDelta::try_hours(grace_hours)?)
}

/// The validity date, where it is one.
pub(super) fn validity(license: &Record) -> Option<NaiveDate> {
    text(license, "validity_period").parse().ok()
}
