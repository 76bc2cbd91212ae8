//! The License API calls that make devices: activate, check, deactivate.

use serde_json::json;

use super::answer::{Answer, Reply};
use super::call::Call;
use super::clock::stamp;
use super::fields::{add_duration, read_instant};
use super::record::{Record, flag, id, number, rows, set, text};
use super::status::is_expired;
use super::store::{Index, Table};
use super::{devices, license_view};

pub(super) const PREFIX: &str = "/api/v4/";

/// Answers a request that has been authorized.
pub(super) fn route(call: &mut Call<'_>) -> Reply {
    let request = call.request;
    let name = request.path.strip_prefix(PREFIX).unwrap_or_default().trim_end_matches('/');
    match (request.method.as_str(), name) {
        ("POST", "activate_license") => activate(call),
        ("GET", "check_license") => check(call),
        ("POST", "deactivate_license") => deactivate(call),
        (method, "activate_license" | "check_license" | "deactivate_license") => {
            Err(Answer::code(405, "method_not_allowed", format!("Method {method} not allowed.")))
        }
        _ => Err(Answer::code(404, "not_found", "Not found.")),
    }
}

/// The license and hardware id that a call names.
struct Target {
    license: u64,
    record: Record,
    hardware_id: String,
    told: Record,
}

fn activate(call: &mut Call<'_>) -> Reply {
    let target = target(call, body(call)?)?;
    let (license, now) = (&target.record, call.world.now());
    refuse_disabled(license)?;
    refuse_expired(call, license)?;
    let starts = read_instant(&format!("{} 00:00:00", text(license, "start_date")));
    if starts.is_some_and(|starts| now < starts) {
        return Err(Answer::code(400, "license_start_date_not_reached", "The license has not started yet."));
    }
    let known = devices::find(&call.world.store, target.license, &target.hardware_id);
    let device = known.and_then(|id| call.world.store.get(Table::Devices, id));
    if device.is_some_and(|d| flag(d, "blacklisted")) {
        return Err(Answer::code(400, "blacklisted", "The device is blacklisted."));
    }
    let is_new = !device.is_some_and(|d| flag(d, "device_active"));
    let is_full = number(license, "times_activated") >= number(license, "max_activations");
    if is_new && is_full && !flag(license, "allow_unlimited_activations") {
        return Err(Answer::code(
            400,
            "license_activated_max_times",
            "The license is activated on as many devices as it may be.",
        ));
    }
    let device = keep_device(call, &target, known);
    if is_new {
        count_activation(call, target.license);
    }
    Ok(license_view::show(call, target.license, device, &target.hardware_id))
}

fn keep_device(call: &mut Call<'_>, target: &Target, known: Option<u64>) -> u64 {
    let now = call.world.now();
    let id = known.unwrap_or_else(|| {
        let ip = call.request.peer.to_string();
        let row = devices::new_row(target.license, &target.hardware_id, &target.told, &ip);
        call.world.store.insert(Table::Devices, row, now)
    });
    call.world.store.edit(Table::Devices, id, now, |device| {
        if !flag(device, "device_active") {
            set(device, "time_activated", stamp(now));
        }
        set(device, "device_active", true);
        set(device, "last_check", stamp(now));
    });
    id
}

/// Counts one more device; the first starts what runs from the first activation.
fn count_activation(call: &mut Call<'_>, license: u64) {
    let now = call.world.now();
    call.world.store.edit(Table::Licenses, license, now, |l| {
        let times = number(l, "times_activated");
        set(l, "times_activated", times + 1);
        set(l, "active", true);
        set(l, "last_check", stamp(now));
        if flag(l, "transfer_pending") {
            let transfers = number(l, "transfer_count");
            set(l, "transfer_count", transfers + 1);
            set(l, "transfer_pending", false);
        }
        if !text(l, "time_activated").is_empty() {
            return;
        }
        set(l, "time_activated", stamp(now));
        let trial = Some(number(l, "trial_days")).filter(|days| flag(l, "is_trial") && *days > 0);
        let duration = trial.map_or_else(|| text(l, "valid_duration").to_owned(), |days| format!("{days}d"));
        let ends = add_duration(now.date_naive(), &duration);
        if let (true, Some(ends)) = (text(l, "validity_period").is_empty(), ends) {
            set(l, "validity_period", ends.to_string());
        }
    });
}

fn check(call: &mut Call<'_>) -> Reply {
    let query = call.request.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let target = target(call, query)?;
    refuse_disabled(&target.record)?;
    let device = device(call, &target)?;
    if call.switched("S19", "400_license_expired") {
        refuse_expired(call, &target.record)?;
    }
    let now = call.world.now();
    call.world.store.edit(Table::Devices, device, now, |d| set(d, "last_check", stamp(now)));
    Ok(license_view::show(call, target.license, device, &target.hardware_id))
}

fn deactivate(call: &mut Call<'_>) -> Reply {
    let target = target(call, body(call)?)?;
    if call.switched("S18", "400_license_not_enabled") {
        refuse_disabled(&target.record)?;
    }
    let device = device(call, &target)?;
    devices::deactivate(call.world, device);
    Ok(Answer::ok(json!("license_deactivated")))
}

fn body(call: &Call<'_>) -> Result<Record, Answer> {
    if call.request.body.is_empty() {
        return Err(Answer::code(400, "missing_content", "The request has no content."));
    }
    call.object().map_err(|_| Answer::code(400, "invalid_json", "The request is not a JSON object."))
}

fn target(call: &Call<'_>, told: Record) -> Result<Target, Answer> {
    let (product, hardware_id) = (text(&told, "product"), text(&told, "hardware_id"));
    if product.is_empty() {
        return Err(Answer::code(400, "missing_parameters", "product is required."));
    }
    if hardware_id.is_empty() {
        return Err(Answer::code(400, "missing_hardware_id", "hardware_id is required."));
    }
    let unknown = || Answer::code(400, "unknown_product", format!("Product {product} does not exist."));
    let product = call.world.store.product_by_code(product).ok_or_else(unknown)?.clone();
    let license = find_license(call, &told, &product)?;
    let record = call.world.store.get(Table::Licenses, license).cloned().unwrap_or_default();
    Ok(Target { license, record, hardware_id: hardware_id.to_owned(), told })
}

/// By key, or by user name; passwords are not checked here.
fn find_license(call: &Call<'_>, told: &Record, product: &Record) -> Result<u64, Answer> {
    let store = &call.world.store;
    let (key, user) = (text(told, "license_key"), text(told, "username"));
    let is_of_product = |l: &Record| id(l, "product") == id(product, "id");
    let found = if text(product, "authorization_method") == "user" {
        if user.is_empty() {
            return Err(Answer::code(400, "missing_parameters", "username is required."));
        }
        let is_users = |l: &Record| rows(l, "license_users").any(|u| text(u, "true_email") == user);
        let licenses = store.table(Table::Licenses).iter();
        licenses.filter(|(_, l)| is_of_product(l)).find(|(_, l)| is_users(l)).map(|(id, _)| *id)
    } else if key.is_empty() {
        return Err(Answer::code(400, "license_key_required", "license_key is required."));
    } else {
        store.first(Index::LicenseByKey, key).filter(|id| store.get(Table::Licenses, *id).is_some_and(is_of_product))
    };
    found.ok_or_else(|| Answer::code(400, "license_not_found", "License not found."))
}

/// The device of the call, active on this license.
fn device(call: &Call<'_>, target: &Target) -> Result<u64, Answer> {
    let id = devices::find(&call.world.store, target.license, &target.hardware_id)
        .ok_or_else(|| Answer::code(400, "device_not_found", "Device not found."))?;
    let device = call.world.store.get(Table::Devices, id);
    if device.is_some_and(|d| flag(d, "blacklisted")) {
        return Err(Answer::code(400, "blacklisted", "The device is blacklisted."));
    }
    if device.is_some_and(|d| flag(d, "device_active")) {
        return Ok(id);
    }
    Err(Answer::code(400, "license_not_active", "License is not active on this device."))
}

fn refuse_disabled(license: &Record) -> Result<(), Answer> {
    if flag(license, "enabled") {
        return Ok(());
    }
    Err(Answer::code(400, "license_not_enabled", "License is not enabled."))
}

fn refuse_expired(call: &Call<'_>, license: &Record) -> Result<(), Answer> {
    if is_expired(license, &call.world.switches, call.world.now()) {
        return Err(Answer::code(400, "license_expired", "License is expired."));
    }
    Ok(())
}
