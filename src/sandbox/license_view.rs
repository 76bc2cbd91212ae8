//! A license as the License API shows it.

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::record::{Record, id, text};
use super::status::is_expired;
use super::store::{Store, Table};
use super::view::{COMPANY_ID, View};
use super::{custom_fields, features};

/// Fields that both APIs show alike.
const SHOWN: &[&str] = &[
    "license_key",
    "license_type",
    "active",
    "max_activations",
    "times_activated",
    "transfer_count",
    "max_transfers",
    "allow_unlimited_activations",
    "is_trial",
    "trial_days",
    "allow_grace_period",
    "grace_period",
    "enable_maintenance_period",
    "is_floating",
    "is_floating_cloud",
    "floating_users",
    "floating_timeout",
    "floating_in_use_devices",
    "can_borrow",
    "max_borrow_time",
    "max_license_users",
    "is_air_gapped",
    "is_hardware_key_auth",
    "prevent_vm",
    "customer",
    "metadata",
    "order_store_id",
];
const SHOWN_OF_CONSUMPTION: &[&str] = &[
    "max_consumptions",
    "total_consumptions",
    "allow_unlimited_consumptions",
    "allow_negative_consumptions",
    "allow_overages",
    "max_overages",
    "reset_consumption",
    "consumption_period",
];

/// 200 with the license as it is now.
pub(super) fn show(call: &Call<'_>, license: u64, device: u64, hardware_id: &str) -> Answer {
    let world = &*call.world;
    let Some(record) = world.store.get(Table::Licenses, license) else { return Answer::not_found() };
    let view = View { store: &world.store, switches: &world.switches, now: world.now() };
    let full = view.show(Table::Licenses, record);
    let with_expired = call.request.param("include_expired_features") == Some("true");
    let mut shown = json!({
        "id": license, "device_id": device, "hardware_id": hardware_id, "validity_period": instant(&full, "validity_period"),
        "start_date": instant(&full, "start_date"), "maintenance_period": instant(&full, "maintenance_period"),
        "is_expired": is_expired(record, &world.switches, world.now()),
        "license_active": full["active"], "license_enabled": full["enabled"], "is_borrowed": false,
        "borrowed_until": null, "company": { "id": COMPANY_ID }, "license_template_id": full["license_template"],
        "metadata_string": full["metadata"].to_string(), "installation_file": null,
        "product_features": features::flat(record, world.now().date_naive(), with_expired),
        "custom_fields": custom_fields::flat(record), "user": user(&full, device, &world.store),
        "product_details": product(world.store.referred(Table::Products, record, "product")),
    });
    let of_consumption = if text(record, "license_type") == "consumption" { SHOWN_OF_CONSUMPTION } else { &[] };
    for key in SHOWN.iter().chain(of_consumption) {
        shown[*key] = full[*key].clone();
    }
    Answer::ok(shown)
}

/// A date as the first moment of its day, the way the License API tells dates; none where it is
/// none.
fn instant(full: &Value, key: &str) -> Option<String> {
    let date = full[key].as_str().and_then(|text| text.parse::<NaiveDate>().ok());
    date.map(|date| format!("{date}T00:00:00.000Z"))
}

/// The user at this device, where the product is for users.
fn user(full: &Value, device: u64, store: &Store) -> Value {
    let user = store.get(Table::Devices, device).and_then(|device| id(device, "license_user"));
    let users = full["license_users"].as_array().into_iter().flatten();
    let Some(user) = users.into_iter().find(|u| user.is_some() && u["id"].as_u64() == user) else {
        return Value::Null;
    };
    json!({
        "id": user["id"], "email": user["true_email"], "first_name": user["first_name"],
        "last_name": user["last_name"], "phone_number": user["phone_number"], "is_manager": user["is_manager"],
        "is_initial_password": user["is_initial_password"],
        "max_activations": user["max_activations"].as_u64().or_else(|| full["max_activations"].as_u64()),
        "total_activations": user["total_activations"],
    })
}

fn product(product: Option<&Record>) -> Value {
    product.map_or(Value::Null, |product| {
        json!({
            "product_id": product.get("id"), "product_name": product.get("product_name"),
            "short_code": product.get("short_code"), "metadata": product.get("metadata"),
            "authorization_method": product.get("authorization_method"), "allow_trial": product.get("allow_trial"),
            "trial_days": product.get("trial_days"), "prevent_vm": product.get("prevent_vm"),
            "floating_timeout": product.get("floating_timeout"),
        })
    })
}
