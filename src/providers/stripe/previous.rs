//! The object before the change: `data.object` with `data.previous_attributes` laid over it.
//! <https://docs.stripe.com/api/events/object#event_object-data-previous_attributes>
//!
//! Nested objects hold only the keys that changed; lists are whole; null is "was not there".

use serde_json::{Map, Value};

use crate::providers::json;

/// A subscription as it was before the event.
pub fn subscription_before(object: &Value, previous: &Value) -> Value {
    let mut before = overlay(object, previous);
    // Older API versions repeat the item's fields on the subscription, and may say only there
    // what they were.
    if json::at(previous, "items").is_none() {
        move_into_items(&mut before, object, previous);
    }
    before
}

fn overlay(current: &Value, previous: &Value) -> Value {
    match (current, previous) {
        (Value::Object(current), Value::Object(previous)) => {
            let mut merged = current.clone();
            for (key, was) in previous {
                let is = current.get(key).unwrap_or(&Value::Null);
                merged.insert(key.clone(), overlay(is, was));
            }
            Value::Object(merged)
        }
        (Value::Array(current), Value::Array(previous)) => {
            let twin = |index: usize, was: &Value| match was.get("id") {
                Some(id) => current.iter().find(|is| is.get("id") == Some(id)),
                None if current.len() == previous.len() => current.get(index),
                None => None,
            };
            let merge = |(index, was)| twin(index, was).map_or_else(|| was.clone(), |is| overlay(is, was));
            Value::Array(previous.iter().enumerate().map(merge).collect())
        }
        (_, previous) => previous.clone(),
    }
}

fn move_into_items(before: &mut Value, object: &Value, previous: &Value) {
    let Some(items) = before.pointer_mut("/items/data").and_then(Value::as_array_mut) else { return };
    if let [Value::Object(item)] = items.as_mut_slice() {
        move_product(item, previous);
    }
    for key in ["current_period_start", "current_period_end"] {
        let Some(was) = previous.get(key) else { continue };
        // Items follow the subscription's period; one with a period of its own does not.
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if item.contains_key(key) && item.get(key) == object.get(key) {
                item.insert(key.to_owned(), was.clone());
            }
        }
    }
}

fn move_product(item: &mut Map<String, Value>, previous: &Value) {
    if let Some(quantity) = previous.get("quantity") {
        item.insert("quantity".to_owned(), quantity.clone());
    }
    if let Some(plan) = json::at(previous, "plan") {
        let merged = overlay(item.get("plan").unwrap_or(&Value::Null), plan);
        item.insert("plan".to_owned(), merged);
        // The price mirrors the plan; what it was is no longer known, so the plan speaks.
        if plan.get("id").is_some() {
            item.insert("price".to_owned(), Value::Null);
        }
    }
}
