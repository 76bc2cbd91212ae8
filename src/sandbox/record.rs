//! Objects are kept as JSON maps, the way the API shows them: filters, patches, hand edits and
//! the data file then need no second description of some sixty fields. These are the readers.

use serde_json::{Map, Value};

pub(super) type Record = Map<String, Value>;

/// The text of a field; empty where it is absent or something else.
pub(super) fn text<'a>(record: &'a Record, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(record: &Record, key: &str) -> i64 {
    record.get(key).and_then(Value::as_i64).unwrap_or_default()
}

pub(super) fn id(record: &Record, key: &str) -> Option<u64> {
    record.get(key).and_then(Value::as_u64)
}

pub(super) fn flag(record: &Record, key: &str) -> bool {
    record.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// The maps of a list field.
pub(super) fn rows<'a>(record: &'a Record, key: &str) -> impl Iterator<Item = &'a Record> + use<'a> {
    record.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

pub(super) fn set(record: &mut Record, key: &str, value: impl Into<Value>) {
    record.insert(key.to_owned(), value.into());
}

/// The map inside a JSON literal; a literal that is no object gives an empty one.
pub(super) fn object(value: Value) -> Record {
    match value {
        Value::Object(map) => map,
        _ => Record::new(),
    }
}

/// An id in a body: a number, or the text of one.
pub(super) fn read_id(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}
