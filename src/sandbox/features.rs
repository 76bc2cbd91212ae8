//! The features of a license: rows that refer to the product's features by code or id.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::fields::{CONSUMPTION_PERIODS, Kind};
use super::record::{Record, object, read_id, rows, set, text};

/// What a license says of a feature it has.
const FIELDS: &[(&str, Kind)] = &[
    ("max_consumption", Kind::Count),
    ("total_consumptions", Kind::Count),
    ("expiry_date", Kind::Date),
    ("allow_unlimited_consumptions", Kind::Bool),
    ("allow_negative_consumptions", Kind::Bool),
    ("allow_overages", Kind::Bool),
    ("max_overages", Kind::Count),
    ("reset_consumption", Kind::Bool),
    ("consumption_period", Kind::OneOf(CONSUMPTION_PERIODS)),
    ("is_floating", Kind::Bool),
    ("is_floating_cloud", Kind::Bool),
    ("floating_users", Kind::Count),
    ("floating_timeout", Kind::Count),
    ("metadata", Kind::Metadata),
];

/// The features asked for, else all of the product's.
pub(super) fn of_creation(call: &mut Call<'_>, told: &Record, product: &Record) -> Result<Value, Answer> {
    let asked = match told.get("product_features") {
        None | Some(Value::Null) => rows(product, "features").map(|f| json!({ "code": f.get("code") })).collect(),
        Some(Value::Array(list)) => list.clone(),
        Some(_) => return Err(Answer::field("product_features", "Expected a list of items.")),
    };
    read(call, &asked, product)
}

/// The rows for a list of codes, ids, or objects with one of them. What the product does not
/// have is refused, and so is a feature named twice.
pub(super) fn read(call: &mut Call<'_>, asked: &[Value], product: &Record) -> Result<Value, Answer> {
    let mut kept: Vec<Value> = Vec::new();
    for told in asked {
        let name = told.get("product_feature").or_else(|| told.get("code")).unwrap_or(told);
        let feature = rows(product, "features").find(|feature| is_named(feature, name)).ok_or_else(|| {
            Answer::code(400, "unsupported_product_feature", format!("The product has no feature {name}."))
        })?;
        if kept.iter().any(|row| row["product_feature"]["id"] == feature["id"]) {
            return Err(Answer::field("product_features", format!("Feature {name} is named twice.")));
        }
        kept.push(Value::Object(row(call, feature, told)?));
    }
    Ok(Value::Array(kept))
}

fn is_named(feature: &Record, name: &Value) -> bool {
    feature.get("code") == Some(name)
        || feature.get("id").and_then(Value::as_u64).is_some_and(|id| read_id(name) == Some(id))
}

fn row(call: &mut Call<'_>, feature: &Record, told: &Value) -> Result<Record, Answer> {
    let mut row = object(json!({
        "id": call.world.store.next_id(), "product_feature": feature,
        "max_consumption": feature.get("max_consumption"), "total_consumptions": 0, "expiry_date": null,
        "allow_overages": false, "max_overages": 0, "reset_consumption": false, "consumption_period": null,
        "metadata": {},
    }));
    let Some(told) = told.as_object() else {
        return Ok(row);
    };
    let known = |key: &str| matches!(key, "product_feature" | "code") || FIELDS.iter().any(|(known, _)| *known == key);
    call.warn_unknown("product_features", told, known);
    for (name, kind) in FIELDS {
        if let Some(value) = told.get(*name) {
            set(&mut row, name, kind.read(value).map_err(|why| Answer::field(name, why))?);
        }
    }
    Ok(row)
}

/// The rows as the License API shows them: the product's feature and the license's own values in
/// one flat object, which is the form that LicenseSpring's client libraries read.
pub(super) fn flat(license: &Record, today: chrono::NaiveDate, with_expired: bool) -> Vec<Value> {
    let is_over = |row: &Record| text(row, "expiry_date").parse().is_ok_and(|ends: chrono::NaiveDate| ends <= today);
    let rows = rows(license, "product_features").filter(|row| with_expired || !is_over(row));
    rows.map(|row| Value::Object(flat_one(row))).collect()
}

fn flat_one(row: &Record) -> Record {
    let feature = row.get("product_feature").cloned().unwrap_or_default();
    let mut shown = object(json!({
        "is_floating": false, "is_floating_cloud": false, "floating_users": 0, "floating_timeout": 0,
        "allow_unlimited_consumptions": false, "allow_negative_consumptions": false,
    }));
    shown.extend(row.clone());
    shown.remove("product_feature");
    for key in ["id", "code", "name", "feature_type"] {
        set(&mut shown, key, feature[key].clone());
    }
    if let Some(ends) = Some(text(row, "expiry_date")).filter(|date| !date.is_empty()) {
        set(&mut shown, "expiry_date", format!("{ends}T00:00:00.000Z"));
    }
    shown
}
