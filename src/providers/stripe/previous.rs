//! The object before the change: `data.object` with `data.previous_attributes` laid over it.
//! <https://docs.stripe.com/api/events/object#event_object-data-previous_attributes>
//!
//! Nested objects hold only the keys that changed; lists are whole; null is "was not there".

use crate::providers::json::{self, Object, Value};

/// A subscription as it was before the event.
pub fn subscription_before<'a>(object: &Value<'a>, previous: &Value<'a>) -> Value<'a> {
    let mut before = overlay(object, previous);
    // Older API versions repeat the item's fields on the subscription, and may say only there
    // what they were.
    if json::at(previous, "items").is_none() {
        move_into_items(&mut before, object, previous);
    }
    before
}

fn overlay<'a>(current: &Value<'a>, previous: &Value<'a>) -> Value<'a> {
    match (current, previous) {
        (Value::Object(current), Value::Object(previous)) => {
            let mut merged = current.clone();
            for (key, was) in previous.iter() {
                let is = current.get(key).unwrap_or(&Value::Null);
                merged.insert(key.clone(), overlay(is, was));
            }
            Value::Object(merged)
        }
        (Value::Array(current), Value::Array(previous)) => {
            let twin = |index: usize, was: &Value<'_>| match was.get("id") {
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

fn move_into_items<'a>(before: &mut Value<'a>, object: &Value<'a>, previous: &Value<'a>) {
    let listed = before.get_mut("items").and_then(|items| items.get_mut("data"));
    let Some(Value::Array(items)) = listed else { return };
    if let [Value::Object(item)] = items.as_mut_slice() {
        move_product(item, previous);
    }
    for key in ["current_period_start", "current_period_end"] {
        let Some(was) = previous.get(key) else { continue };
        // Items follow the subscription's period; one with a period of its own does not.
        for held in items.iter_mut().filter_map(|item| item.get_mut(key)) {
            if Some(&*held) == object.get(key) {
                held.clone_from(was);
            }
        }
    }
}

fn move_product<'a>(item: &mut Object<'a>, previous: &Value<'a>) {
    if let Some(quantity) = previous.get("quantity") {
        item.insert("quantity".into(), quantity.clone());
    }
    if let Some(plan) = json::at(previous, "plan") {
        let merged = overlay(item.get("plan").unwrap_or(&Value::Null), plan);
        item.insert("plan".into(), merged);
        // The price mirrors the plan; what it was is no longer known, so the plan speaks.
        if plan.get("id").is_some() {
            item.insert("price".into(), Value::Null);
        }
    }
}
