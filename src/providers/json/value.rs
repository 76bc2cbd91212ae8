//! A JSON value that borrows its texts from the body: providers' objects have a hundred keys of
//! which a dozen are read, and to copy them all would be most of the work of a rebuild.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// What `serde_json::Value` is, borrowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Object<'a>),
}

/// Keys and values in the order in which they were written. A key that is there twice counts as
/// its last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Value<'a> {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_object()?.get(key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        match self {
            Self::Object(object) => object.get_mut(key),
            _ => None,
        }
    }

    /// The value, with null left in its place.
    pub fn take(&mut self) -> Value<'a> {
        std::mem::take(self)
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value with texts of its own.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(number) => Value::Number(number),
            Self::String(text) => Value::String(owned(text)),
            Self::Array(list) => Value::Array(list.into_iter().map(Value::into_owned).collect()),
            Self::Object(Object(fields)) => {
                Value::Object(Object(fields.into_iter().map(|(key, value)| (owned(key), value.into_owned())).collect()))
            }
        }
    }
}

impl<'a> Object<'a> {
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        self.0.iter_mut().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Puts a value in the place of the one that is there, or adds it.
    pub fn insert(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        match self.get_mut(&key) {
            Some(held) => *held = value,
            None => self.0.push((key, value)),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Cow<'a, str>, &Value<'a>)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(list) => serializer.collect_seq(list),
            Self::Object(object) => serializer.collect_map(object.iter()),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Room for so many fields at once: providers' objects have from five to a hundred.
const FIELDS_USUAL: usize = 16;

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(FIELDS_USUAL);
        while let Some((Key(key), value)) = entries.next_entry()? {
            fields.push((key, value));
        }
        Ok(Value::Object(Object(fields)))
    }
}

/// A key, borrowed where it has no escapes (`Cow` itself is always read as owned).
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AnyKey).map(Key)
    }
}

struct AnyKey;

impl<'de> Visitor<'de> for AnyKey {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> serde_json::Result<serde_json::Value> {
        serde_json::from_str(text)
    }

    #[test]
    fn what_is_read_borrowed_is_what_is_read_owned() {
        let texts = [
            r#"{"a":{"b":[1,-2,3.50,1e3,18446744073709551615,true,null,"x\ny\u00e9",{}]},"":"","\u0061\"":"k"}"#,
            r#"[[],{},"",0,-0,-0.0,123456789012345678901234567890]"#,
            r#"{"twice":1,"other":2,"twice":{"twice":3}}"#,
            " \t\n\"plain\" ",
        ];
        for text in texts {
            let value: Value<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_value(&value).unwrap(), owned(text).unwrap(), "{text}");
            assert_eq!(value.clone().into_owned(), value);
        }
        for text in ["", "{", r#"{"a":1e999}"#, r#""\ud83d""#, "[1,]", "nul", &"[".repeat(200)] {
            assert!(serde_json::from_str::<Value<'_>>(text).is_err() && owned(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_are_copied_only_where_they_are_escaped() {
        let value: Value<'_> = serde_json::from_str(r#"{"plain":"text","esc\u0061ped":"te\u0078t"}"#).unwrap();
        let Value::Object(Object(fields)) = value else { panic!("an object") };
        let borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        let copied: Vec<_> = fields
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => (borrowed(key), borrowed(text)),
                _ => panic!("a text"),
            })
            .collect();
        assert_eq!(copied, [(true, true), (false, false)]);
    }

    #[test]
    fn a_key_that_is_there_twice_counts_as_its_last() {
        let mut value: Value<'_> = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(value.get("a").and_then(|v| serde_json::to_value(v).ok()), Some(3.into()));
        value.get_mut("a").unwrap().take();
        assert_eq!((value.get("a"), value.get("c")), (Some(&Value::Null), None));
    }
}
