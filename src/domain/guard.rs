//! The blast-radius guard: how much may be taken away before a person is asked. Pure: what was
//! counted comes in, what may pass comes out.
//!
//! Destructive is a call after which a customer has less: disable, a device reset, an earlier
//! date (a past one is a disable in disguise), fewer seats or features.

use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::license::{Action, Observed};

/// A share of few licenses is no measure: so many may always go in an hour.
const PERCENT_FLOOR: i64 = 10;
/// A cancellation known for so long before it takes effect is no surprise.
const ANNOUNCED_AHEAD: TimeDelta = TimeDelta::hours(24);
/// The windows that destructive calls are counted in.
pub const HOUR: TimeDelta = TimeDelta::hours(1);
pub const DAY: TimeDelta = TimeDelta::hours(24);

/// `guard_max_*` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_destructive: i64,
    pub max_percent: i64,
    pub max_destructive_per_day: i64,
    pub max_announced_per_day: i64,
}

/// What was intended in the windows that end now. What an admin approved is not counted, nor
/// what is known not to have been done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub hour: i64,
    pub day: i64,
    /// Announced cancellations of the day; they are in neither of the others.
    pub announced_day: i64,
    /// Licenses that were enabled when the hour began.
    pub enabled: i64,
}

impl Counts {
    /// One more is intended.
    pub fn add(&mut self, announced: bool) {
        if announced {
            self.announced_day += 1;
        } else {
            self.hour += 1;
            self.day += 1;
        }
    }
}

/// Why a destructive call waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    Hour {
        limit: i64,
    },
    Percent {
        limit: i64,
        percent: i64,
        enabled: i64,
    },
    Day {
        limit: i64,
    },
    AnnouncedDay {
        limit: i64,
    },
    /// A held plan is waiting: what follows joins it.
    Joins,
    /// The source has been silent for too long: what only time says is not believed.
    Silence {
        source: String,
        since: DateTime<Utc>,
        hours: i64,
    },
    /// An event that could not be read mentions the subscription: nobody knows what it says.
    Unread {
        event: String,
    },
}

impl fmt::Display for Fired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour { limit } => {
                write!(f, "more than {limit} destructive calls in an hour (guard_max_destructive)")
            }
            Self::Percent { limit, percent, enabled } => write!(
                f,
                "more than {limit} destructive calls in an hour (guard_max_percent: {percent} % of {enabled} enabled licenses, at least {PERCENT_FLOOR})"
            ),
            Self::Day { limit } => {
                write!(f, "more than {limit} destructive calls in 24 hours (guard_max_destructive_per_day)")
            }
            Self::Unread { event } => {
                write!(
                    f,
                    "{event} could not be read and mentions this subscription: nothing is taken away before it is"
                )
            }
            Self::AnnouncedDay { limit } => {
                write!(f, "more than {limit} announced cancellations in 24 hours (guard_max_announced_per_day)")
            }
            Self::Joins => f.write_str("a plan is already held"),
            Self::Silence { source, since, hours } => write!(
                f,
                "{source} has sent nothing since {} (silence_hours = {hours}): what time alone would stop waits",
                super::dates::rfc3339(*since)
            ),
        }
    }
}

/// Whether one more destructive call would go too far.
#[must_use]
pub fn judge(limits: &Limits, counts: &Counts, announced: bool) -> Option<Fired> {
    if announced {
        let limit = limits.max_announced_per_day;
        return (counts.announced_day >= limit).then_some(Fired::AnnouncedDay { limit });
    }
    let (percent, enabled) = (limits.max_percent, counts.enabled);
    let share = (enabled.saturating_mul(percent) / 100).max(PERCENT_FLOOR);
    if counts.hour >= limits.max_destructive {
        return Some(Fired::Hour { limit: limits.max_destructive });
    }
    if counts.hour >= share {
        return Some(Fired::Percent { limit: share, percent, enabled });
    }
    let limit = limits.max_destructive_per_day;
    (counts.day >= limit).then_some(Fired::Day { limit })
}

/// Whether a stop was announced: by a cancellation that has come, and was known a day before.
#[must_use]
pub fn is_announced(
    reason: &str,
    cancel_at: Option<DateTime<Utc>>,
    known_since: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> bool {
    reason == "canceled"
        && cancel_at.is_some_and(|at| at <= now && known_since.is_some_and(|known| known + ANNOUNCED_AHEAD <= at))
}

/// Whether a source has been silent for too long.
#[must_use]
pub fn silence(source: &str, heard_at: DateTime<Utc>, hours: u32, now: DateTime<Utc>) -> Option<Fired> {
    let silent = now - heard_at >= TimeDelta::hours(i64::from(hours));
    silent.then(|| Fired::Silence { source: source.to_owned(), since: heard_at, hours: i64::from(hours) })
}

/// A call in its two halves: what can go on, and what takes something away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    pub harmless: Option<Action>,
    pub destructive: Option<Action>,
}

/// Splits a call. Only an update can have both halves: a later date goes on while fewer seats wait.
#[must_use]
pub fn split(action: &Action, observed: Option<&Observed>) -> Split {
    let takes = match action {
        Action::CreateOrder { .. } | Action::Enable { .. } => false,
        Action::Disable { .. } | Action::ResetDevices { .. } => true,
        Action::SetFeatures { features, .. } => {
            observed.is_some_and(|o| o.features.iter().any(|f| !features.contains(f)))
        }
        Action::Update { license_id, changes } => return split_update(*license_id, changes, observed),
    };
    let action = Some(action.clone());
    if takes {
        Split { destructive: action, ..Split::default() }
    } else {
        Split { harmless: action, ..Split::default() }
    }
}

/// Whether any of it takes something away.
#[must_use]
pub fn is_destructive(action: &Action, observed: Option<&Observed>) -> bool {
    split(action, observed).destructive.is_some()
}

fn split_update(license_id: i64, changes: &Value, observed: Option<&Observed>) -> Split {
    let empty = Map::new();
    let changes = changes.as_object().unwrap_or(&empty);
    let (mut less, mut more): (Map<String, Value>, Map<String, Value>) =
        changes.clone().into_iter().filter(|(k, _)| k != "is_trial").partition(|(k, v)| lessens(k, v, observed));
    if let Some(is_trial) = changes.get("is_trial") {
        // The companion of a date; on its own it takes nothing.
        let half = if less.contains_key("validity_period") { &mut less } else { &mut more };
        half.insert("is_trial".to_owned(), is_trial.clone());
    }
    let update = |half: Map<String, Value>| {
        (!half.is_empty()).then_some(Action::Update { license_id, changes: Value::Object(half) })
    };
    Split { harmless: update(more), destructive: update(less) }
}

fn lessens(field: &str, value: &Value, observed: Option<&Observed>) -> bool {
    let Some(observed) = observed else { return false };
    let fewer = |held: Option<i64>| held.zip(value.as_i64()).is_some_and(|(held, new)| new < held);
    match field {
        "validity_period" => {
            let new: Option<NaiveDate> = value.as_str().and_then(|d| d.parse().ok());
            match (observed.valid_until, new) {
                (Some(held), Some(new)) => new < held,
                // What had no end gets one; a subscription without a date is one that lacks it.
                (None, Some(_)) => observed.license_type.as_deref() != Some("subscription"),
                (_, None) => false,
            }
        }
        "max_activations" => fewer(observed.max_activations),
        "floating_users" => fewer(observed.floating_users),
        "max_license_users" => fewer(observed.max_license_users),
        _ => false,
    }
}
