//! Callouts: JSON that Apex or a Flow posts, in a form of ours. One object, a list, or
//! `{"events":[…]}`, because a trigger runs over up to 200 records at once:
//! `{"event_id","occurred_at","org_id","sandbox","object","change","record":{"Id",…}}`.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{fields, ids};
use crate::providers::json::Value;
use crate::providers::{EventHint, UNREADABLE, Unreadable, hashed_key, json, printable_key};

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow, default)]
    org_id: Value<'a>,
}

/// One element of a callout. `head`: it is an object.
struct Element<'a> {
    text: &'a str,
    head: Option<Value<'a>>,
    /// Its own, else the envelope's.
    organization: Option<String>,
}

fn elements(text: &str) -> Result<Vec<Element<'_>>, Unreadable> {
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let (listed, org_id) = if trimmed.starts_with('[') {
        (Some(trimmed), Value::Null)
    } else {
        // Only the skeleton: how deep an element is concerns that element alone.
        let envelope: Envelope<'_> = json::shallow_object(trimmed)?;
        (envelope.events.map(RawValue::get), envelope.org_id)
    };
    let elements: Vec<&str> = match listed {
        Some(listed) => serde_json::from_str::<Vec<&RawValue>>(listed)
            .map_err(|_| json::unreadable("the events are not a list"))?
            .into_iter()
            .map(RawValue::get)
            .collect(),
        None => vec![trimmed],
    };
    let organization = |head: Option<&Value<'_>>| {
        let own = head.and_then(|head| json::at(head, "org_id"));
        own.unwrap_or(&org_id).as_str().map(str::to_owned)
    };
    let read = |text| {
        let head = json::value(text).ok();
        Element { text, organization: organization(head.as_ref()), head }
    };
    Ok(elements.into_iter().map(read).collect())
}

/// The organization of every element that is an object; `None`: it names none.
pub fn organizations(text: &str) -> Vec<Option<String>> {
    let elements = elements(text).unwrap_or_default();
    elements.into_iter().filter(|element| element.head.is_some()).map(|element| element.organization).collect()
}

/// Every element with its exact bytes.
pub fn split(body: &[u8]) -> Result<Vec<EventHint>, Unreadable> {
    let text = json::utf8(body)?;
    let hints: Vec<EventHint> = elements(text)?
        .iter()
        .map(|element| Ok(hint(element, json::range_in(text, element.text)?)))
        .collect::<Result<_, Unreadable>>()?;
    let readable = hints.iter().any(|hint| hint.event_type != UNREADABLE);
    if readable { Ok(hints) } else { Err(json::unreadable("JSON without a single event_id and object")) }
}

/// One bad element must not block the others: it becomes an event of type `unreadable`.
fn hint(element: &Element<'_>, range: Range<usize>) -> EventHint {
    let head = element.head.as_ref();
    let named = head.and_then(|head| json::first_id(head, &["event_id"]).zip(object(head)));
    let unreadable = || (hashed_key(element.text.as_bytes()), UNREADABLE.to_owned());
    let (external_id, event_type) = named.map_or_else(unreadable, |(id, kind)| (id, printable_key(&kind)));
    EventHint {
        range,
        dedupe_key: external_id.clone(),
        external_id,
        event_type,
        occurred_at: head.and_then(occurred_at),
        livemode: head.and_then(|head| json::at(head, "sandbox")?.as_bool()).map(|sandbox| !sandbox),
    }
}

/// The sObject's API name; a serialised sObject names it itself.
fn object(head: &Value<'_>) -> Option<String> {
    ["object", "record/attributes/type", "payload/attributes/type"].iter().find_map(|path| json::text_at(head, path))
}

fn occurred_at(head: &Value<'_>) -> Option<DateTime<Utc>> {
    fields::instant(json::at(head, "occurred_at")?.as_str()?)
}

/// One event, read whole.
pub struct Event<'a> {
    pub id: String,
    pub object: String,
    pub is_sandbox: bool,
    pub change: Change,
    pub occurred_at: Option<DateTime<Utc>>,
    pub record: Value<'a>,
}

/// What was done to a record. A message tells of updates alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Or made.
    Update,
    Delete,
    Undelete,
}

impl Change {
    fn of(word: Option<&str>) -> Self {
        match word.map(str::to_ascii_uppercase).as_deref() {
            Some("DELETE") => Self::Delete,
            Some("UNDELETE") => Self::Undelete,
            _ => Self::Update,
        }
    }
}

impl<'a> Event<'a> {
    pub fn read(part: &'a str) -> Result<Self, Unreadable> {
        let mut head = json::value(part)?;
        let (Some(id), Some(object)) = (json::first_id(&head, &["event_id"]), object(&head)) else {
            return Err(json::unreadable("a callout without event_id or object"));
        };
        let change = Change::of(json::at(&head, "change").and_then(Value::as_str));
        let is_sandbox = json::at(&head, "sandbox") == Some(&Value::Bool(true));
        let occurred_at = occurred_at(&head);
        let mut taken = |key| head.get_mut(key).map(Value::take).filter(Value::is_object);
        let record = taken("record").or_else(|| taken("payload"));
        let record = record.ok_or_else(|| json::unreadable("a callout without a record"))?;
        Ok(Self { id, object, is_sandbox, change, occurred_at, record })
    }
}

/// Whether two ids name one organization.
pub fn same_organization(one: &str, other: &str) -> bool {
    ids::long(one).is_some_and(|one| ids::long(other) == Some(one))
}
