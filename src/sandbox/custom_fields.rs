//! Custom fields: names and texts that a product gives to its licenses and an order may set.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::fields::read_text;
use super::record::{Record, rows, text};

/// The custom fields of a new license: the product's defaults, with what the order sets laid over
/// them. A name that the product does not declare is kept and noted: what LicenseSpring does with
/// it is not documented.
pub(super) fn of_creation(call: &mut Call<'_>, told: &Record, product: &Record) -> Result<Value, Answer> {
    let declared = rows(product, "custom_fields").map(|field| (text(field, "name"), text(field, "default_value")));
    let mut fields: Vec<(String, String)> = declared.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in read(told)? {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => {
                call.warn(format!("custom_fields: the product does not declare {name:?}; it is kept"));
                fields.push((name, value));
            }
        }
    }
    let row = |(name, value): (String, String)| {
        let of_product = rows(product, "custom_fields").find(|field| text(field, "name") == name);
        json!({ "id": call.world.store.next_id(), "name": name, "value": value,
                "product_custom_field": of_product.and_then(|field| field.get("id")) })
    };
    Ok(Value::Array(fields.into_iter().map(row).collect()))
}

fn read(told: &Record) -> Result<Vec<(String, String)>, Answer> {
    let list = match told.get("custom_fields") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Answer::field("custom_fields", "Expected a list of items.")),
    };
    list.iter().map(read_one).collect()
}

fn read_one(field: &Value) -> Result<(String, String), Answer> {
    let name = field["name"].as_str().filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Answer::field("custom_fields", "name: This field is required."))?;
    let value = match &field["value"] {
        Value::Null => String::new(),
        value => read_text(value).map_err(|why| Answer::field("custom_fields", format!("value: {why}")))?,
    };
    Ok((name.to_owned(), value))
}

/// Names and values alone, as the License API shows them.
pub(super) fn flat(license: &Record) -> Vec<Value> {
    rows(license, "product_custom_fields").map(|f| json!({ "name": f.get("name"), "value": f.get("value") })).collect()
}
