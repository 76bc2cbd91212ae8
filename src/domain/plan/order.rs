//! The body of a new order.

use serde_json::{Map, Value, json};

use super::Desired;
use crate::domain::fact::CustomerFacts;
use crate::domain::rules::SeatMode;
use crate::domain::state::State;

/// The body of `create_order`. `append` is always false: the deterministic id is the only
/// idempotency handle there is.
pub(super) fn body(order_id: &str, desired: &Desired, state: &State) -> Value {
    let entitlement = &desired.entitlement;
    let mut license = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            license.insert(name.to_owned(), value);
        }
    };
    put("policy_code", json!(entitlement.policy_code));
    put("license_type", json!(entitlement.license_type));
    put("validity_period", json!(entitlement.valid_until));
    put("is_trial", json!(entitlement.is_trial));
    match (entitlement.seat_mode, entitlement.seats) {
        (SeatMode::MaxActivations, Some(seats)) => put("max_activations", json!(seats)),
        (SeatMode::FloatingUsers, Some(seats)) => {
            put("is_floating_cloud", json!(true));
            put("floating_users", json!(seats));
        }
        (SeatMode::MaxLicenseUsers, Some(seats)) => put("max_license_users", json!(seats)),
        (SeatMode::Licenses, _) | (_, None) => {}
    }
    put("product_features", json!(entitlement.features));
    let custom: Vec<Value> =
        entitlement.custom_fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    if !custom.is_empty() {
        put("custom_fields", json!(custom));
    }
    if entitlement.user_based {
        put("users", json!([{"email": state.customer().email}]));
    }
    put("subscription_id", json!(desired.line.subscription_id));
    put("note", json!(format!("{}/{}", desired.line.source, desired.line.subscription_id)));
    let live = state.snapshot.as_ref().is_none_or(|s| s.value.livemode);
    let metadata = json!({"source": desired.line.source, "subscription": desired.line.subscription_id});
    let mut body = json!({
        "id": order_id,
        "append": false,
        "is_test": !live,
        "metadata": metadata.to_string(),
        "items": [{"product_code": entitlement.product_code, "licenses": [license]}],
    });
    if let (Some(customer), Some(fields)) = (customer(desired, state), body.as_object_mut()) {
        fields.insert("customer".to_owned(), customer);
    }
    body
}

/// Matched by `reference` (ours), never by e-mail alone.
fn customer(desired: &Desired, state: &State) -> Option<Value> {
    let id = state.customer_id()?;
    let CustomerFacts { email, first_name, last_name, company, .. } = state.customer();
    let mut customer = Map::new();
    customer.insert("reference".to_owned(), json!(format!("{}:{id}", desired.line.source)));
    for (name, value) in
        [("email", email), ("first_name", first_name), ("last_name", last_name), ("company_name", company)]
    {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            customer.insert(name.to_owned(), json!(value));
        }
    }
    Some(Value::Object(customer))
}
