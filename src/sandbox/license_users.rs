//! License users: who may use the licenses of a user-based product. A user has one row of their
//! own and a seat in each license; the password that is made with a new user is told once, in the
//! answer that made them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::customers::is_email;
use super::devices;
use super::fields::Kind;
use super::license_owner::{KEY_ALPHABET, random_text};
use super::management::done_with;
use super::record::{Record, flag, id, number, object, read_id, rows, set, text};
use super::store::{Index, Store, Table};
use super::world::World;

const PASSWORD_CHARS: usize = 12;

/// What a call may say of a user and their seat.
const FIELDS: &[(&str, Kind)] = &[
    ("email", Kind::Text),
    ("first_name", Kind::Text),
    ("last_name", Kind::Text),
    ("phone_number", Kind::Text),
    ("password", Kind::Text),
    ("is_manager", Kind::Bool),
    ("max_activations", Kind::Count),
    ("total_activations", Kind::Count),
];

/// The passwords of users who did not exist before this call, by user.
pub(super) type Passwords = BTreeMap<u64, String>;

/// The users a body names, each checked, none twice.
pub(super) fn read(call: &mut Call<'_>, told: &[Value]) -> Result<Vec<Record>, Answer> {
    let mut emails = BTreeSet::new();
    let mut users = Vec::new();
    for user in told {
        let user = user.as_object().ok_or_else(|| Answer::field("users", "Expected a dictionary."))?;
        let user = read_one(call, user)?;
        if !emails.insert(text(&user, "email").to_lowercase()) {
            return Err(Answer::field("users", "A user is named twice."));
        }
        users.push(user);
    }
    Ok(users)
}

fn read_one(call: &mut Call<'_>, told: &Record) -> Result<Record, Answer> {
    call.warn_unknown("user", told, |key| FIELDS.iter().any(|(known, _)| *known == key));
    let mut user = Record::new();
    for (name, kind) in FIELDS {
        if let Some(value) = told.get(*name).filter(|value| !value.is_null()) {
            set(&mut user, name, kind.read(value).map_err(|why| Answer::field(name, why))?);
        }
    }
    match text(&user, "email") {
        "" => Err(Answer::field("email", "This field is required.")),
        email if !is_email(email) => Err(Answer::field("email", "Enter a valid email address.")),
        _ => Ok(user),
    }
}

/// Refuses more users than a license holds; 0 holds any number.
pub(super) fn refuse_crowd(license: &Record, new: usize) -> Result<(), Answer> {
    let max = license.get("max_license_users").and_then(Value::as_u64).unwrap_or(1);
    let all = rows(license, "license_users").count() + new;
    if max == 0 || all as u64 <= max {
        return Ok(());
    }
    Err(Answer::field("users", format!("The license holds at most {max} users (max_license_users).")))
}

/// Gives each user a seat in the license. Nothing here can fail.
pub(super) fn seat(world: &mut World, license: u64, users: &[Record]) -> Passwords {
    let mut passwords = Passwords::new();
    for told in users {
        let known = world.store.first(Index::UserByEmail, text(told, "email"));
        let user = known.unwrap_or_else(|| make(world, told, &mut passwords));
        let now = world.now();
        let seat = json!({ "id": user, "is_manager": flag(told, "is_manager"),
            "max_activations": told.get("max_activations"), "total_activations": number(told, "total_activations") });
        world.store.edit(Table::Licenses, license, now, |license| {
            let seats = license.entry("license_users").or_insert_with(|| json!([]));
            if let Some(seats) = seats.as_array_mut() {
                seats.push(seat);
            }
        });
    }
    passwords
}

/// A new user, with the password told or a made one.
fn make(world: &mut World, told: &Record, passwords: &mut Passwords) -> u64 {
    let own = Some(text(told, "password")).filter(|password| !password.is_empty());
    let password = own.map_or_else(|| random_text(PASSWORD_CHARS, KEY_ALPHABET), str::to_owned);
    let email = text(told, "email");
    let user = object(json!({
        "email": format!("{email}|USS1"), "true_email": email, "first_name": text(told, "first_name"),
        "last_name": text(told, "last_name"), "phone_number": text(told, "phone_number"), "is_active": true,
        "is_initial_password": own.is_none(), "initial_password": password, "last_login": null,
    }));
    let now = world.now();
    let id = world.store.insert(Table::LicenseUsers, user, now);
    if own.is_none() {
        passwords.insert(id, password);
    }
    id
}

/// The users of a license, each with their seat. Passwords only of `passwords`.
pub(super) fn show(store: &Store, license: &Record, passwords: &Passwords) -> Vec<Value> {
    let one = |seat: &Record| {
        let user = id(seat, "id").unwrap_or_default();
        let mut shown = store.get(Table::LicenseUsers, user).map(show_alone).unwrap_or_default();
        shown.extend(seat.clone());
        if let Some(password) = passwords.get(&user) {
            set(&mut shown, "initial_password", password.as_str());
        }
        Value::Object(shown)
    };
    rows(license, "license_users").map(one).collect()
}

/// A user without their password.
pub(super) fn show_alone(user: &Record) -> Record {
    let mut shown = user.clone();
    shown.remove("initial_password");
    shown
}

pub(super) fn assign_user(call: &mut Call<'_>, license: u64) -> Reply {
    let body = Value::Object(call.object()?);
    let users = read(call, &[body])?;
    assign(call, license, &users, "License user assigned.")
}

pub(super) fn assign_users(call: &mut Call<'_>, license: u64) -> Reply {
    let body = call.object()?;
    let told = body.get("emails").and_then(Value::as_array);
    let told = told.ok_or_else(|| Answer::field("emails", "Expected a list of users."))?;
    let users = read(call, told)?;
    assign(call, license, &users, "License users assigned.")
}

fn assign(call: &mut Call<'_>, license: u64, users: &[Record], message: &str) -> Reply {
    let store = &call.world.store;
    let record = store.get(Table::Licenses, license).ok_or_else(Answer::not_found)?;
    let product = store.referred(Table::Products, record, "product");
    if product.is_none_or(|p| text(p, "authorization_method") != "user") {
        return Err(Answer::detail(400, "The license is not for users: its product is used with a key."));
    }
    for user in users {
        let email = text(user, "email");
        if store.first(Index::UserByEmail, email).is_some_and(|user| has_seat(record, user)) {
            return Err(Answer::field("email", format!("{email} is assigned to this license already.")));
        }
    }
    refuse_crowd(record, users.len())?;
    let passwords = seat(call.world, license, users);
    let store = &call.world.store;
    let shown = store.get(Table::Licenses, license).map(|l| show(store, l, &passwords)).unwrap_or_default();
    done_with(call, message, "license_users", Value::Array(shown))
}

/// Takes a user's seat away and frees the devices they sat at.
pub(super) fn unassign_user(call: &mut Call<'_>, license: u64) -> Reply {
    let body = call.object()?;
    let known = |key: &str| matches!(key, "license_user_id" | "license_user_email");
    call.warn_unknown("unassign_user", &body, known);
    let store = &call.world.store;
    let named = match (body.get("license_user_id"), text(&body, "license_user_email")) {
        (Some(id), _) => read_id(id),
        (None, "") => return Err(Answer::field("license_user_id", "This field or license_user_email is required.")),
        (None, email) => store.first(Index::UserByEmail, email),
    };
    let record = store.get(Table::Licenses, license).ok_or_else(Answer::not_found)?;
    let user = named.filter(|user| has_seat(record, *user));
    let user = user.ok_or_else(|| Answer::detail(400, "The user is not assigned to this license."))?;
    let is_theirs =
        |device: &u64| store.get(Table::Devices, *device).is_some_and(|d| id(d, "license_user") == Some(user));
    let mut theirs = store.ids(Index::DeviceByLicense, &license.to_string());
    theirs.retain(is_theirs);
    theirs.into_iter().for_each(|device| devices::deactivate(call.world, device));
    let now = call.world.now();
    call.world.store.edit(Table::Licenses, license, now, |license| {
        if let Some(seats) = license.get_mut("license_users").and_then(Value::as_array_mut) {
            seats.retain(|seat| seat["id"].as_u64() != Some(user));
        }
    });
    done_with(call, "License user unassigned.", "license_user_id", json!(user))
}

fn has_seat(license: &Record, user: u64) -> bool {
    rows(license, "license_users").any(|seat| id(seat, "id") == Some(user))
}

/// Adds to the activations that a user's seat has counted.
pub(super) fn count(license: &mut Record, user: u64, change: i64) {
    for seat in license.get_mut("license_users").and_then(Value::as_array_mut).into_iter().flatten() {
        if seat["id"].as_u64() == Some(user) {
            let counted = seat["total_activations"].as_i64().unwrap_or_default();
            seat["total_activations"] = json!((counted + change).max(0));
        }
    }
}
