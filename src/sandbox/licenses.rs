//! The calls that change a license.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::clock::stamp;
use super::fields::{Kind, Use, add_duration, kind_of, read_all, read_instant};
use super::management::{done, show};
use super::record::{Record, flag, read_id, set, text};
use super::status::is_subscription;
use super::store::{Index, Table};
use super::view::View;
use super::world::World;
use super::{devices, features};

/// Licenses in one bulk call.
const BULK_MAX: usize = 1_000;
/// Fields that are never sent without `is_trial`.
const NEED_IS_TRIAL: &[&str] = &["validity_period", "valid_duration", "trial_days"];
/// Fields that are never sent without `enable_maintenance_period`.
const NEED_MAINTENANCE: &[&str] = &["maintenance_duration", "maintenance_period"];

/// A change of a license that has passed every check.
struct Changes {
    fields: Record,
    enabled: Option<bool>,
}

pub(super) fn patch(call: &mut Call<'_>, id: u64) -> Reply {
    let body = call.object()?;
    let changes = checked(call, &body)?;
    make(call.world, id, changes);
    Ok(show(call, Table::Licenses, id))
}

/// Many changes in one call. Whether LicenseSpring keeps the good ones when one is bad is not
/// documented; here it is all or nothing.
pub(super) fn bulk_update(call: &mut Call<'_>) -> Reply {
    let list = bulk_list(call)?;
    let mut all = Vec::new();
    for change in list {
        let Value::Object(mut body) = change else {
            return Err(Answer::field("non_field_errors", "Invalid data. Expected a dictionary."));
        };
        let id = body.remove("id").ok_or_else(|| Answer::field("id", "This field is required."))?;
        all.push((known_license(call, &id)?, checked(call, &body)?));
    }
    let ids: Vec<u64> = all.iter().map(|(id, _)| *id).collect();
    all.into_iter().for_each(|(id, changes)| make(call.world, id, changes));
    let view = View { store: &call.world.store, switches: &call.world.switches, now: call.world.now() };
    Ok(Answer::ok(ids.into_iter().map(|id| view.show_id(Table::Licenses, id)).collect()))
}

fn checked(call: &mut Call<'_>, body: &Record) -> Result<Changes, Answer> {
    check_companions(call, body)?;
    check_switched(call, body)?;
    let honours_enabled = call.switched("S14", "honoured");
    let known =
        |key: &str| kind_of(key, Use::Patch).is_some() || key == "order" || (key == "enabled" && honours_enabled);
    call.warn_unknown("license", body, known);
    let mut fields = read_all(body, Use::Patch).map_err(|(name, why)| Answer::field(&name, why))?;
    if let Some(order) = body.get("order") {
        let found = read_id(order).filter(|id| call.world.store.get(Table::Orders, *id).is_some());
        let refused = || Answer::field("order", format!("Invalid pk \"{order}\" - object does not exist."));
        set(&mut fields, "order", found.ok_or_else(refused)?);
    }
    let enabled = body.get("enabled").filter(|_| honours_enabled);
    let enabled =
        enabled.map(|value| Kind::Bool.read(value)).transpose().map_err(|why| Answer::field("enabled", why))?;
    Ok(Changes { fields, enabled: enabled.and_then(|value| value.as_bool()) })
}

fn make(world: &mut World, id: u64, changes: Changes) {
    apply(world, id, changes.fields);
    if let Some(enabled) = changes.enabled {
        set_enabled(world, id, enabled);
    }
}

fn check_companions(call: &Call<'_>, body: &Record) -> Result<(), Answer> {
    let sent = |names: &[&str]| names.iter().any(|name| body.contains_key(*name));
    if sent(NEED_IS_TRIAL) && !body.contains_key("is_trial") && call.switched("S12", "enforced") {
        let why = "This field is required when validity_period, valid_duration or trial_days is sent.";
        return Err(Answer::field("is_trial", why));
    }
    if sent(NEED_MAINTENANCE) && !body.contains_key("enable_maintenance_period") {
        let why = "This field is required when maintenance_duration or maintenance_period is sent.";
        return Err(Answer::field("enable_maintenance_period", why));
    }
    if body.contains_key("validity_period") && body.contains_key("valid_duration") {
        return Err(Answer::field("non_field_errors", "validity_period and valid_duration cannot both be sent."));
    }
    Ok(())
}

/// What switches S10, S13 and S14 refuse.
fn check_switched(call: &Call<'_>, body: &Record) -> Result<(), Answer> {
    let refused = match body.get("metadata") {
        Some(Value::Object(_)) => call.switched("S10", "string_only"),
        Some(Value::String(_)) => call.switched("S10", "object_only"),
        _ => false,
    };
    if refused {
        return Err(Answer::field("metadata", "Not of the expected type."));
    }
    for (name, switch) in [("license_type", "S13"), ("enabled", "S14")] {
        if body.contains_key(name) && call.switched(switch, "400") {
            return Err(Answer::field(name, "This field cannot be changed."));
        }
    }
    Ok(())
}

/// Changes a license, and gives a new duration its date where the count has already begun.
pub(super) fn apply(world: &mut World, id: u64, changes: Record) {
    let now = world.now();
    world.store.edit(Table::Licenses, id, now, |license| {
        let duration = text(&changes, "valid_duration").to_owned();
        license.extend(changes);
        let since = if is_subscription(license) { Some(now) } else { read_instant(text(license, "time_activated")) };
        if let Some(ends) = since.and_then(|since| add_duration(since.date_naive(), &duration)) {
            set(license, "validity_period", ends.to_string());
        }
    });
}

pub(super) fn delete(call: &mut Call<'_>, id: u64) -> Reply {
    call.world.store.remove(Table::Licenses, id);
    Ok(Answer::empty(204))
}

pub(super) fn disable(call: &mut Call<'_>, id: u64) -> Reply {
    refuse_repeat(call, id, false)?;
    set_enabled(call.world, id, false);
    done(call, "License disabled.")
}

pub(super) fn enable(call: &mut Call<'_>, id: u64) -> Reply {
    refuse_repeat(call, id, true)?;
    set_enabled(call.world, id, true);
    done(call, "License enabled.")
}

/// Switch S15: disabling what is disabled.
fn refuse_repeat(call: &Call<'_>, id: u64, enabled: bool) -> Result<(), Answer> {
    let is_so = call.world.store.get(Table::Licenses, id).is_some_and(|l| flag(l, "enabled") == enabled);
    if is_so && call.switched("S15", "400") {
        let state = if enabled { "enabled" } else { "disabled" };
        return Err(Answer::detail(400, format!("License is already {state}.")));
    }
    Ok(())
}

pub(super) fn set_enabled(world: &mut World, id: u64, enabled: bool) {
    let now = world.now();
    world.store.edit(Table::Licenses, id, now, |license| {
        let was_enabled = flag(license, "enabled");
        set(license, "enabled", enabled);
        if enabled {
            set(license, "time_disabled", Value::Null);
        } else if was_enabled {
            set(license, "time_disabled", stamp(now));
        }
    });
}

pub(super) fn reset(call: &mut Call<'_>, id: u64) -> Reply {
    reset_one(call.world, id);
    done(call, "License and all devices reset.")
}

/// Frees every activation and forgets consumption.
fn reset_one(world: &mut World, id: u64) {
    for device in world.store.ids(Index::DeviceByLicense, &id.to_string()) {
        devices::deactivate(world, device);
    }
    let now = world.now();
    world.store.edit(Table::Licenses, id, now, |license| {
        set(license, "times_activated", 0);
        set(license, "total_consumptions", 0);
        let active = is_subscription(license);
        set(license, "active", active);
        for seat in license.get_mut("license_users").and_then(Value::as_array_mut).into_iter().flatten() {
            seat["total_activations"] = json!(0);
        }
        for row in license.get_mut("product_features").and_then(Value::as_array_mut).into_iter().flatten() {
            row["total_consumptions"] = json!(0);
        }
    });
}

/// Replaces the features: what the list leaves out is gone.
pub(super) fn update_features(call: &mut Call<'_>, id: u64) -> Reply {
    let body = call.object()?;
    let asked = body.get("product_features").and_then(Value::as_array);
    let asked = asked.ok_or_else(|| Answer::field("product_features", "This field is required."))?;
    let store = &call.world.store;
    let license = store.get(Table::Licenses, id);
    let product = license.and_then(|l| store.referred(Table::Products, l, "product")).cloned();
    let rows = features::read(call, asked, &product.unwrap_or_default())?;
    let now = call.world.now();
    call.world.store.edit(Table::Licenses, id, now, |license| set(license, "product_features", rows));
    done(call, "License features updated.")
}

pub(super) fn disable_bulk(call: &mut Call<'_>) -> Reply {
    for id in bulk(call)? {
        set_enabled(call.world, id, false);
    }
    done(call, "Licenses disabled.")
}

pub(super) fn reset_bulk(call: &mut Call<'_>) -> Reply {
    for id in bulk(call)? {
        reset_one(call.world, id);
    }
    done(call, "Licenses and related devices reset.")
}

/// The ids of a bulk call, all of them known.
fn bulk(call: &Call<'_>) -> Result<Vec<u64>, Answer> {
    bulk_list(call)?.iter().map(|id| known_license(call, id)).collect()
}

fn bulk_list(call: &Call<'_>) -> Result<Vec<Value>, Answer> {
    match call.json()? {
        Value::Array(list) if list.len() <= BULK_MAX => Ok(list),
        Value::Array(_) => Err(Answer::field("non_field_errors", format!("At most {BULK_MAX} licenses in one call."))),
        _ => Err(Answer::field("non_field_errors", "Expected a list of licenses.")),
    }
}

fn known_license(call: &Call<'_>, id: &Value) -> Result<u64, Answer> {
    let known = read_id(id).filter(|id| call.world.store.get(Table::Licenses, *id).is_some());
    known.ok_or_else(Answer::not_found)
}
