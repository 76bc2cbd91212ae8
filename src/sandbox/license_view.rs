//! A license as the License API shows it.

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::record::{Record, text};
use super::status::{is_expired, validity};
use super::store::Table;
use super::view::{COMPANY_ID, View};

/// Fields that both APIs show alike.
const SHOWN: &[&str] = &[
    "license_key",
    "license_type",
    "active",
    "start_date",
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
    "maintenance_period",
    "is_floating",
    "is_floating_cloud",
    "floating_users",
    "floating_timeout",
    "floating_in_use_devices",
    "can_borrow",
    "is_air_gapped",
    "prevent_vm",
    "product_features",
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
    let ends = validity(record).map(|date| format!("{date}T00:00:00.000Z"));
    let mut shown = json!({
        "id": license, "device_id": device, "hardware_id": hardware_id, "validity_period": ends,
        "is_expired": is_expired(record, &world.switches, world.now()),
        "license_active": full["active"], "license_enabled": full["enabled"], "is_borrowed": false,
        "borrowed_until": null, "company": { "id": COMPANY_ID }, "license_template_id": full["license_template"],
        "metadata_string": full["metadata"].to_string(), "custom_fields": [], "installation_file": null,
        "product_details": product(world.store.referred(Table::Products, record, "product")),
    });
    let of_consumption = if text(record, "license_type") == "consumption" { SHOWN_OF_CONSUMPTION } else { &[] };
    for key in SHOWN.iter().chain(of_consumption) {
        shown[*key] = full[*key].clone();
    }
    Answer::ok(shown)
}

fn product(product: Option<&Record>) -> Value {
    product.map_or(Value::Null, |product| {
        json!({
            "product_id": product.get("id"), "product_name": product.get("product_name"),
            "short_code": product.get("short_code"), "metadata": product.get("metadata"),
            "authorization_method": product.get("authorization_method"),
        })
    })
}
