//! The License API calls that make devices: activate, check, deactivate.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::clock::stamp;
use super::fields::{add_duration, read_instant};
use super::record::{Record, flag, id, number, read_id, rows, set, text};
use super::status::is_expired;
use super::store::{Index, Table};
use super::{devices, license_users, license_view};

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
    /// Who uses it, where the product is for users.
    user: Option<u64>,
    hardware_id: String,
    told: Record,
}

fn activate(call: &mut Call<'_>) -> Reply {
    let target = target(call, body(call)?)?;
    check_password(call, &target)?;
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
    if is_new {
        refuse_full(license, target.user)?;
        refuse_transfer(license)?;
    }
    let device = keep_device(call, &target, known);
    if is_new {
        count_activation(call, &target);
    }
    Ok(license_view::show(call, target.license, device, &target.hardware_id))
}

/// A license has its number of devices, and on a user-based one each user has.
fn refuse_full(license: &Record, user: Option<u64>) -> Result<(), Answer> {
    let seat = user.and_then(|user| rows(license, "license_users").find(|seat| id(seat, "id") == Some(user)));
    let (used, max) = match seat {
        Some(seat) => {
            let own = seat.get("max_activations").and_then(Value::as_i64);
            (number(seat, "total_activations"), own.unwrap_or_else(|| number(license, "max_activations")))
        }
        None => (number(license, "times_activated"), number(license, "max_activations")),
    };
    if used < max || flag(license, "allow_unlimited_activations") {
        return Ok(());
    }
    let message = "The license is activated on as many devices as it may be.";
    Err(Answer::code(400, "license_activated_max_times", message))
}

/// An activation after a deactivation is a transfer, and `max_transfers` limits them; 0 and -1 do
/// not. The limit is documented, the spelling of its code is not.
fn refuse_transfer(license: &Record) -> Result<(), Answer> {
    let max = number(license, "max_transfers");
    if max <= 0 || !flag(license, "transfer_pending") || number(license, "transfer_count") < max {
        return Ok(());
    }
    Err(Answer::code(400, "license_transfer_limit_reached", "The license was moved as often as it may be."))
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
        set(device, "license_user", target.user);
        set(device, "last_check", stamp(now));
    });
    id
}

/// Counts one more device; the first starts what runs from the first activation.
fn count_activation(call: &mut Call<'_>, target: &Target) {
    let now = call.world.now();
    call.world.store.edit(Table::Licenses, target.license, now, |l| {
        if let Some(user) = target.user {
            license_users::count(l, user, 1);
        }
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
    let (license, user) = find_license(call, &told, &product)?;
    let record = call.world.store.get(Table::Licenses, license).cloned().unwrap_or_default();
    Ok(Target { license, record, user, hardware_id: hardware_id.to_owned(), told })
}

/// By key, or by user name, where `license_id` picks one of several.
fn find_license(call: &Call<'_>, told: &Record, product: &Record) -> Result<(u64, Option<u64>), Answer> {
    let store = &call.world.store;
    let (key, name) = (text(told, "license_key"), text(told, "username"));
    let is_asked = |license: &u64| {
        let picked = told.get("license_id").filter(|v| !v.is_null()).is_none_or(|id| read_id(id) == Some(*license));
        picked && store.get(Table::Licenses, *license).is_some_and(|l| id(l, "product") == id(product, "id"))
    };
    let (licenses, user) = if text(product, "authorization_method") == "user" {
        if name.is_empty() {
            return Err(Answer::code(400, "missing_parameters", "username is required."));
        }
        let user = store.first(Index::UserByEmail, name);
        (user.map(|user| store.ids(Index::LicenseByUser, &user.to_string())).unwrap_or_default(), user)
    } else if key.is_empty() {
        return Err(Answer::code(400, "license_key_required", "license_key is required."));
    } else {
        (store.ids(Index::LicenseByKey, key), None)
    };
    let found = licenses.into_iter().find(is_asked);
    Ok((found.ok_or_else(|| Answer::code(400, "license_not_found", "License not found."))?, user))
}

/// A wrong password is refused. A missing one is let pass and noted: other ways to sign in exist
/// that are not imitated, and tests make devices with a name alone. The code's spelling is not
/// documented.
fn check_password(call: &mut Call<'_>, target: &Target) -> Result<(), Answer> {
    let Some(user) = target.user.and_then(|user| call.world.store.get(Table::LicenseUsers, user)) else {
        return Ok(());
    };
    match text(&target.told, "password") {
        "" => {
            call.warn("activate_license: no password was sent, and none was asked for".to_owned());
            Ok(())
        }
        given if given == text(user, "initial_password") => Ok(()),
        _ => Err(Answer::code(400, "invalid_credentials", "User name and password do not fit.")),
    }
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
