//! The fields of a license: what they may hold, in which calls they may be sent. Values are read
//! as Django REST Framework reads them, so `"3"` is a number and `"true"` a truth.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, Utc};
use serde_json::Value;

use super::record::Record;

/// Django's integer columns end here.
const INTEGER_MAX: i64 = 2_147_483_647;
/// -1 is seen in `max_transfers`; nothing is lower.
const INTEGER_MIN: i64 = -1;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    /// A whole number, not negative.
    Count,
    /// A whole number, -1 included.
    Integer,
    Text,
    Date,
    Duration,
    OneOf(&'static [&'static str]),
    /// An object, or a string that holds one.
    Metadata,
}

pub(super) const LICENSE_TYPES: &[&str] = &["perpetual", "time-limited", "subscription", "consumption"];
/// LicenseSpring's documents spell the last one both ways.
pub(super) const CONSUMPTION_PERIODS: &[&str] = &["daily", "weekly", "monthly", "annually", "annualy"];

/// Fields that create_order, PATCH, policies and hand edits share.
const SHARED: &[(&str, Kind)] = &[
    ("max_activations", Kind::Count),
    ("allow_unlimited_activations", Kind::Bool),
    ("max_transfers", Kind::Integer),
    ("max_license_users", Kind::Count),
    ("max_consumptions", Kind::Count),
    ("allow_overages", Kind::Bool),
    ("max_overages", Kind::Count),
    ("reset_consumption", Kind::Bool),
    ("consumption_period", Kind::OneOf(CONSUMPTION_PERIODS)),
    ("is_trial", Kind::Bool),
    ("trial_days", Kind::Count),
    ("validity_period", Kind::Date),
    ("valid_duration", Kind::Duration),
    ("allow_grace_period", Kind::Bool),
    ("grace_period", Kind::Count),
    ("enable_maintenance_period", Kind::Bool),
    ("maintenance_duration", Kind::Duration),
    ("maintenance_period", Kind::Date),
    ("is_floating", Kind::Bool),
    ("is_floating_cloud", Kind::Bool),
    ("floating_users", Kind::Count),
    ("floating_timeout", Kind::Count),
    ("prevent_vm", Kind::Bool),
    ("note", Kind::Text),
    ("metadata", Kind::Metadata),
];

/// Fields of create_order and policies alone.
const CREATION: &[(&str, Kind)] = &[
    ("license_type", Kind::OneOf(LICENSE_TYPES)),
    ("start_date", Kind::Date),
    ("can_borrow", Kind::Bool),
    ("max_borrow_time", Kind::Count),
    ("allow_unlimited_consumptions", Kind::Bool),
    ("allow_negative_consumptions", Kind::Bool),
    ("is_air_gapped", Kind::Bool),
    ("is_hardware_key_auth", Kind::Bool),
    ("enabled", Kind::Bool),
    ("active", Kind::Bool),
    ("subscription_id", Kind::Text),
];

/// Fields of PATCH alone.
const PATCH: &[(&str, Kind)] = &[("total_consumptions", Kind::Count), ("installation_file", Kind::Text)];

/// Fields that only a hand in the portal can change.
const BY_HAND: &[(&str, Kind)] = &[("times_activated", Kind::Count)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Creation,
    Patch,
    ByHand,
}

/// The kind of a license field in a use, if it may be sent there.
pub(super) fn kind_of(name: &str, how: Use) -> Option<Kind> {
    let lists: &[&[(&str, Kind)]] = match how {
        Use::Creation => &[SHARED, CREATION],
        Use::Patch => &[SHARED, PATCH],
        Use::ByHand => &[SHARED, CREATION, PATCH, BY_HAND],
    };
    lists.iter().flat_map(|list| list.iter()).find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The fields of `body` that may be sent in this use, each read by its kind. The first that
/// cannot be read is the error: its name and what is wrong.
pub(super) fn read_all(body: &Record, how: Use) -> Result<Record, (String, String)> {
    let mut read = Record::new();
    for (name, value) in body {
        if let Some(kind) = kind_of(name, how) {
            read.insert(name.clone(), kind.read(value).map_err(|why| (name.clone(), why))?);
        }
    }
    Ok(read)
}

impl Kind {
    pub fn read(self, value: &Value) -> Result<Value, String> {
        if value.is_null() {
            return self.nullable().then_some(Value::Null).ok_or_else(|| "This field may not be null.".to_owned());
        }
        match self {
            Self::Bool => read_bool(value),
            Self::Count => read_integer(value, 0),
            Self::Integer => read_integer(value, INTEGER_MIN),
            Self::Text => read_text(value).map(Value::String),
            Self::Date => read_date(value).map(|date| date.to_string().into()),
            Self::Duration => read_duration(value),
            Self::OneOf(choices) => read_choice(value, choices),
            Self::Metadata => read_metadata(value),
        }
    }

    fn nullable(self) -> bool {
        matches!(self, Self::Text | Self::Date | Self::Duration | Self::Metadata | Self::OneOf(CONSUMPTION_PERIODS))
    }
}

fn read_bool(value: &Value) -> Result<Value, String> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(s) if s.eq_ignore_ascii_case("true") => Ok(true.into()),
        Value::String(s) if s.eq_ignore_ascii_case("false") => Ok(false.into()),
        _ => Err("Must be a valid boolean.".to_owned()),
    }
}

fn read_integer(value: &Value, min: i64) -> Result<Value, String> {
    let number = match value {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    };
    match number {
        None => Err("A valid integer is required.".to_owned()),
        Some(n) if n < min => Err(format!("Ensure this value is greater than or equal to {min}.")),
        Some(n) if n > INTEGER_MAX => Err(format!("Ensure this value is less than or equal to {INTEGER_MAX}.")),
        Some(n) => Ok(n.into()),
    }
}

pub(super) fn read_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        _ => Err("Not a valid string.".to_owned()),
    }
}

/// A date in any of the forms that clients send; a time of day is dropped.
fn read_date(value: &Value) -> Result<NaiveDate, String> {
    let refused = || "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.".to_owned();
    let text = value.as_str().ok_or_else(refused)?;
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date);
    }
    read_instant(text).map(|at| at.date_naive()).ok_or_else(refused)
}

/// `yyyy-mm-dd HH:MM:SS` in UTC, or RFC 3339.
pub(super) fn read_instant(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map(|at| at.and_utc())
        .or_else(|_| DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)))
        .ok()
}

fn read_duration(value: &Value) -> Result<Value, String> {
    let refused = || "Enter a valid duration: a number followed by d, m or y.".to_owned();
    let text = value.as_str().ok_or_else(refused)?;
    let today = NaiveDate::default();
    add_duration(today, text).map(|_| Value::from(text)).ok_or_else(refused)
}

/// The date a duration such as `30d`, `4m` or `1y` after another.
pub(super) fn add_duration(date: NaiveDate, duration: &str) -> Option<NaiveDate> {
    let unit = duration.chars().last()?;
    let digits = duration.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u32 = digits.parse().ok()?;
    match unit {
        'd' => date.checked_add_days(Days::new(count.into())),
        'm' => date.checked_add_months(Months::new(count)),
        'y' => date.checked_add_months(Months::new(count.checked_mul(12)?)),
        _ => None,
    }
}

fn read_choice(value: &Value, choices: &[&str]) -> Result<Value, String> {
    match value.as_str() {
        Some(text) if choices.contains(&text) => Ok(value.clone()),
        _ => Err(format!("\"{}\" is not a valid choice.", value.as_str().unwrap_or(&value.to_string()))),
    }
}

pub(super) fn read_metadata(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(_) => Ok(value.clone()),
        Value::Null => Ok(Record::new().into()),
        Value::String(s) if s.is_empty() => Ok(Record::new().into()),
        Value::String(s) => serde_json::from_str(s)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| "Value must be a JSON object in a string.".to_owned()),
        _ => Err("Not a valid string.".to_owned()),
    }
}
