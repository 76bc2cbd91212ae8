//! Devices: one row for each pair of license and hardware id, made by activations, kept after
//! deactivation.

use serde_json::{Value, json};

use super::answer::Reply;
use super::call::Call;
use super::clock::stamp;
use super::license_users;
use super::management::done;
use super::record::{Record, flag, id, number, set, text};
use super::status::is_subscription;
use super::store::{Index, Store, Table};
use super::world::World;

pub(super) fn reset(call: &mut Call<'_>, device: u64) -> Reply {
    deactivate(call.world, device);
    done(call, "Device reset and license updated.")
}

pub(super) fn blacklist(call: &mut Call<'_>, device: u64) -> Reply {
    let now = call.world.now();
    call.world.store.edit(Table::Devices, device, now, |d| {
        let blacklisted = flag(d, "blacklisted");
        set(d, "blacklisted", !blacklisted);
    });
    done(call, "Device blacklist updated.")
}

/// Frees one activation of the license. Doing it twice frees no second one.
pub(super) fn deactivate(world: &mut World, device: u64) {
    let now = world.now();
    let Some(found) = world.store.get(Table::Devices, device) else {
        return;
    };
    let (was_active, license) = (flag(found, "device_active"), id(found, "license").unwrap_or_default());
    let user = id(found, "license_user");
    world.store.edit(Table::Devices, device, now, |d| {
        set(d, "device_active", false);
        set(d, "time_deactivated", stamp(now));
    });
    if !was_active {
        return;
    }
    world.store.edit(Table::Licenses, license, now, |l| {
        let left = (number(l, "times_activated") - 1).max(0);
        set(l, "times_activated", left);
        set(l, "transfer_pending", true);
        if let Some(user) = user {
            license_users::count(l, user, -1);
        }
        if left == 0 && !is_subscription(l) {
            set(l, "active", false);
        }
    });
}

/// The device row of this license and hardware id.
pub(super) fn find(store: &Store, license: u64, hardware_id: &str) -> Option<u64> {
    let devices = store.ids(Index::DeviceByLicense, &license.to_string());
    devices.into_iter().find(|id| store.get(Table::Devices, *id).is_some_and(|d| text(d, "hardware_id") == hardware_id))
}

/// The row of a device that was never seen, described as the activation describes it.
pub(super) fn new_row(license: u64, hardware_id: &str, told: &Record, ip: &str) -> Record {
    let told = |key: &str| told.get(key).cloned().unwrap_or(Value::String(String::new()));
    super::record::object(json!({
        "license": license, "hardware_id": hardware_id, "device_active": false, "time_activated": null,
        "time_deactivated": null, "last_check": null, "hostname": told("hostname"), "os": told("os_ver"),
        "app_ver": told("app_ver"), "sdk_build_version": told("sdk_ver"), "ip": told("ip"), "external_ip": ip,
        "mac_address": told("mac_address"), "is_vm": told("is_vm") == json!(true), "vm_info": told("vm_info"),
        "type": "", "floating_in_use": false, "floating_last_seen": null, "blacklisted": false,
        "device_variables": [],
    }))
}
