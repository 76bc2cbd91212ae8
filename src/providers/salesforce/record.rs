//! One record, whichever way it came: an sObject of a notification, or the record of a callout.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;
use sha2::{Digest, Sha256};

use super::callout::{Change, Event};
use super::{Form, ids, soap};
use crate::providers::json::{Object, Value};
use crate::providers::{Unreadable, json};

/// The values of a record, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The sObject's API name.
    pub object: String,
    /// 18 characters.
    pub id: String,
    /// The notification's id, or the callout's.
    pub event_id: String,
    pub is_sandbox: bool,
    pub is_deleted: bool,
    pub change: Change,
    /// When the callout says that it happened.
    pub occurred_at: Option<DateTime<Utc>>,
    /// By lower-case name. `None`: said to be null.
    fields: BTreeMap<String, Option<String>>,
}

impl Record {
    pub fn read(part: &[u8]) -> Result<Self, Unreadable> {
        let text = json::utf8(part)?;
        match soap::form_of(text) {
            Form::Message => soap::read_part(text, of_notification)?,
            Form::Callout => of_callout(text),
        }
    }

    /// `None`: not there. `Some(None)`: null.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.fields.get(&name.to_ascii_lowercase()).map(Option::as_deref)
    }

    pub fn has_lifecycle(&self) -> bool {
        self.get("HasLifecycleManagement").flatten() == Some("true")
    }

    /// The same values, told twice or in two ways, are the same.
    pub fn content(&self) -> String {
        let mut hash = Sha256::new();
        let deleted = self.is_deleted.to_string();
        // What it was before it may be again within the second; deleted twice, it was restored in between.
        let said = self.occurred_at.map(|at| at.to_rfc3339()).unwrap_or_default();
        for text in [&self.object, &self.id, &deleted, &said] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.update(serde_json::to_string(&self.fields).unwrap_or_default());
        format!("sha256:{}", hex::encode(hash.finalize()))
    }
}

/// By local name: see [`soap::read_part`].
fn of_notification(notification: Node<'_, '_>) -> Result<Record, Unreadable> {
    let child = |name: &str| notification.children().find(|child| child.tag_name().name() == name);
    let event_id = child("Id").and_then(|node| node.text()).and_then(ids::long);
    let event_id = event_id.ok_or_else(|| json::unreadable("a notification without an Id"))?;
    let object = child("sObject").ok_or_else(|| json::unreadable("a notification without an sObject"))?;
    let kind = attribute(object, "type").map(soap::local).filter(|kind| !kind.is_empty());
    let kind = kind.ok_or_else(|| json::unreadable("an sObject without a type"))?;
    let elements = object.children().filter(Node::is_element);
    let fields = elements.filter(|field| field.first_element_child().is_none()).map(|field| {
        let is_nil = attribute(field, "nil") == Some("true");
        (field.tag_name().name().to_ascii_lowercase(), field.text().filter(|_| !is_nil).and_then(value))
    });
    record(kind, event_id, fields.collect())
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes().find(|attribute| attribute.name() == name).map(|attribute| attribute.value())
}

fn of_callout(text: &str) -> Result<Record, Unreadable> {
    let event = Event::read(text)?;
    let mut fields = BTreeMap::new();
    for (name, found) in event.record.as_object().into_iter().flat_map(Object::iter) {
        let text = match found {
            Value::Null => None,
            Value::String(text) => value(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            // `attributes`, and compound fields.
            Value::Array(_) | Value::Object(_) => continue,
        };
        fields.insert(name.to_ascii_lowercase(), text);
    }
    let record = record(&event.object, event.id, fields)?;
    let is_deleted = (record.is_deleted || event.change == Change::Delete) && event.change != Change::Undelete;
    let (is_sandbox, change, occurred_at) = (event.is_sandbox, event.change, event.occurred_at);
    Ok(Record { is_sandbox, is_deleted, change, occurred_at, ..record })
}

/// A text that can be stored. An empty one is how XML writes null.
fn value(text: &str) -> Option<String> {
    json::text(&Value::String(text.into()))
}

fn record(object: &str, event_id: String, fields: BTreeMap<String, Option<String>>) -> Result<Record, Unreadable> {
    let id = fields.get("id").and_then(Option::as_deref).and_then(ids::long);
    let id = id.ok_or_else(|| json::unreadable("a record without an Id"))?;
    let is_deleted = fields.get("isdeleted").and_then(Option::as_deref) == Some("true");
    Ok(Record {
        object: object.to_owned(),
        id,
        event_id,
        is_sandbox: false,
        is_deleted,
        change: Change::Update,
        occurred_at: None,
        fields,
    })
}
