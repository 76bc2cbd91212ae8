//! The shapes of Stripe's events. <https://docs.stripe.com/api/events/object>

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::json::{Object, Value};
use crate::providers::{Unreadable, json, printable_key};

/// What is read at the door: enough to name the event, whatever the rest holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Head<'a> {
    #[serde(borrow)]
    id: Value<'a>,
    #[serde(rename = "type")]
    kind: Value<'a>,
    account: Value<'a>,
    api_version: Value<'a>,
    created: Value<'a>,
    pub livemode: Value<'a>,
}

impl Head<'_> {
    pub fn id(&self) -> Option<&str> {
        filled(&self.id)
    }
    pub fn kind(&self) -> Option<&str> {
        filled(&self.kind)
    }
    pub fn account(&self) -> Option<&str> {
        filled(&self.account)
    }
    pub fn api_version(&self) -> Option<&str> {
        filled(&self.api_version)
    }
    pub fn created(&self) -> Option<DateTime<Utc>> {
        created(&self.created)
    }
}

/// One event, read whole.
pub struct Event<'a> {
    /// Fit to be stored.
    pub id: String,
    pub kind: String,
    pub api_version: String,
    pub created: Option<DateTime<Utc>>,
    pub livemode: bool,
    /// `data.object`: the resource as it stood. Absent in thin events.
    pub object: Option<Value<'a>>,
    /// `data.previous_attributes`, where it says anything: what the changed keys were before.
    pub previous: Option<Value<'a>>,
    /// A thin event: no data, only the id of what it is about.
    pub thin: bool,
    pub related: Option<String>,
    /// The same change is told as a snapshot event, too.
    pub has_snapshot_twin: bool,
}

impl<'a> Event<'a> {
    pub fn read(part: &'a [u8]) -> Result<Self, Unreadable> {
        let mut event = json::value(json::utf8(part)?)?;
        let named = |key| event.get(key).and_then(filled);
        let (Some(id), Some(kind)) = (named("id"), named("type")) else {
            return Err(json::unreadable("a JSON object, but no event: it has no id or no type"));
        };
        let flag = |path| json::at(&event, path).and_then(Value::as_bool);
        let mut read = Self {
            id: printable_key(id),
            kind: kind.to_owned(),
            api_version: named("api_version").map(printable_key).unwrap_or_default(),
            created: event.get("created").and_then(created),
            livemode: flag("livemode").or_else(|| flag("data/object/livemode")).unwrap_or(false),
            object: None,
            previous: None,
            thin: named("object") == Some("v2.core.event"),
            related: json::first_id(&event, &["related_object"]),
            has_snapshot_twin: named("snapshot_event").is_some(),
        };
        if let Some(data) = event.get_mut("data") {
            let mut object = |key| data.get_mut(key).filter(|found| found.is_object()).map(Value::take);
            read.object = object("object");
            read.previous =
                object("previous_attributes").filter(|keys| !keys.as_object().is_some_and(Object::is_empty));
        }
        Ok(read)
    }
}

fn filled<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// Seconds in snapshot events, RFC 3339 in thin ones.
fn created(value: &Value<'_>) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
        other => json::seconds(other),
    }
}

/// `customer`, or `customer_account` where a customer is an account.
/// <https://docs.stripe.com/billing/v1-v2-customer-map>
pub fn customer_id(object: &Value<'_>) -> Option<String> {
    json::first_id(object, &["customer", "customer_account"])
}

/// A price or plan that is billed in arrears, by use.
pub fn metered(priced: &Value<'_>) -> bool {
    ["price/recurring/usage_type", "plan/usage_type", "pricing/price_details/price/recurring/usage_type"]
        .iter()
        .any(|path| json::at(priced, path).and_then(Value::as_str) == Some("metered"))
}
