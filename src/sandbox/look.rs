//! Switches that change how answers of the Management API look and not what they mean. Applied
//! to the finished answer, so that the handlers need not know of them.

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::switches::Switches;

/// Keys that hold ids, for switch S27.
const ID_KEYS: &[&str] = &["id", "order", "order_item", "customer", "product", "license", "license_template"];

/// How this answer is to look.
struct Look<'a> {
    metadata: &'a str,
    validity: &'a str,
    strange: &'a str,
    ids: &'a str,
}

pub(super) fn dress(answer: &mut Answer, switches: &Switches) {
    let look = Look {
        metadata: switches.get("S11"),
        validity: switches.get("S16"),
        strange: switches.get("S26"),
        ids: switches.get("S27"),
    };
    let plain = [look.metadata, look.validity, look.strange, look.ids] == ["object", "date", "off", "number"];
    if !plain
        && answer.is_success()
        && let Body::Json(body) = &mut answer.body
    {
        walk(body, &look);
    }
}

fn walk(value: &mut Value, look: &Look<'_>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| walk(v, look)),
        Value::Object(map) => {
            if look.metadata == "missing" {
                map.remove("metadata");
            }
            for (key, field) in map.iter_mut() {
                dress_field(key, field, look);
                if key != "metadata" {
                    walk(field, look);
                }
            }
            if look.strange == "extra_fields" && map.contains_key("id") {
                map.insert("sandbox_unknown".to_owned(), json!({ "kind": "novel", "values": [1, null] }));
            }
        }
        _ => {}
    }
}

fn dress_field(key: &str, field: &mut Value, look: &Look<'_>) {
    match (key, &*field) {
        ("metadata", Value::Object(_)) if look.metadata == "string" => *field = field.to_string().into(),
        ("validity_period", Value::String(date)) if look.validity != "date" => {
            let midnight = if look.validity == "iso_midnight" { "T00:00:00Z" } else { " 00:00:00" };
            *field = format!("{date}{midnight}").into();
        }
        ("status", Value::String(status)) => match (look.strange, status.as_str()) {
            ("lower_case_status", other) => *field = other.to_lowercase().into(),
            ("not_activated", "Inactive") => *field = "Not Activated".into(),
            _ => {}
        },
        (_, Value::Number(id)) if look.ids == "string" && ID_KEYS.contains(&key) => *field = id.to_string().into(),
        _ => {}
    }
}
