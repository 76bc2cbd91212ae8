//! The shapes of FastSpring's posts. <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! `{"events":[{"id","type","created":<ms>,"live","data":{…}}, …]}`. With webhook expansion off,
//! `account`, `product`, `order` and `subscription` inside `data` are ids; with it on, objects,
//! whose nested copies are ids again.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::fact::{Entity, EntityKind};
use crate::providers::json::Value;
use crate::providers::out::entity;
use crate::providers::{EventHint, UNREADABLE, Unreadable, hashed_key, json, printable_key};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow)]
    id: Value<'a>,
    #[serde(rename = "type")]
    kind: Value<'a>,
    created: Value<'a>,
    live: Value<'a>,
}

/// Every element of `events` with its exact bytes. A verified post without events is legal.
pub fn split(body: &[u8]) -> Result<Vec<EventHint>, Unreadable> {
    let text = json::utf8(body)?;
    // Only the skeleton: how deep an element is concerns that element alone.
    let envelope: Envelope<'_> = json::shallow_object(text)?;
    let events = envelope.events.ok_or_else(|| json::unreadable("a JSON object without `events`"))?;
    let elements: Vec<&RawValue> =
        serde_json::from_str(events.get()).map_err(|_| json::unreadable("`events` is not a list"))?;
    elements.into_iter().map(|element| hint(text, element.get())).collect()
}

/// One bad element must not block the others: it becomes an event of type `unreadable`.
fn hint(text: &str, element: &str) -> Result<EventHint, Unreadable> {
    let range = json::range_in(text, element)?;

    let head: Head<'_> = json::object(element).unwrap_or_default();
    let (id, kind) = (json::id(&head.id), head.kind.as_str().filter(|kind| !kind.is_empty()));
    let unreadable_key = || hashed_key(element.as_bytes());
    let dedupe_key = id.clone().filter(|_| kind.is_some()).unwrap_or_else(unreadable_key);
    Ok(EventHint {
        range,
        external_id: id.clone().unwrap_or_else(|| dedupe_key.clone()),
        event_type: kind.filter(|_| id.is_some()).map_or_else(|| UNREADABLE.to_owned(), printable_key),
        dedupe_key,
        occurred_at: json::millis(&head.created),
        livemode: head.live.as_bool(),
    })
}

/// One event, read whole.
pub struct Event<'a> {
    /// Fit to be stored.
    pub id: String,
    pub kind: String,
    pub created: Option<DateTime<Utc>>,
    pub live: bool,
    pub data: Option<Value<'a>>,
}

impl<'a> Event<'a> {
    pub fn read(part: &'a [u8]) -> Result<Self, Unreadable> {
        let mut event = json::value(json::utf8(part)?)?;
        let id = event.get("id").and_then(json::id);
        let kind = event.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        let (Some(id), Some(kind)) = (id, kind) else {
            return Err(json::unreadable("an event without id or type"));
        };
        let flag = |path| json::at(&event, path).and_then(Value::as_bool);
        let live = flag("live").or_else(|| flag("data/live")).unwrap_or(false);
        let (kind, created) = (kind.to_owned(), date(&event, "created"));
        let data = event.get_mut("data").filter(|data| data.is_object()).map(Value::take);
        Ok(Self { id, kind, created, live, data })
    }
}

/// Every date exists as `X` (ms), `XValue` (ms), `XInSeconds` and `XDisplay`, which is locale
/// text and never read.
pub fn date(value: &Value<'_>, key: &str) -> Option<DateTime<Utc>> {
    let millis = |key: &str| json::at(value, key).and_then(json::millis);
    millis(key)
        .or_else(|| millis(&format!("{key}Value")))
        .or_else(|| json::seconds_at(value, &format!("{key}InSeconds")))
}

/// What a field refers to, whether it is expanded or not.
pub fn reference(kind: EntityKind, value: Option<&Value<'_>>) -> Option<Entity> {
    let keys: &[&str] = match kind {
        EntityKind::Customer => &["id", "account"],
        EntityKind::Subscription => &["id", "subscription"],
        EntityKind::Order => &["id", "order"],
        EntityKind::Refund => &["id", "return"],
        _ => &["id"],
    };
    entity(kind, json::id_in(value?, keys))
}
