//! What a new license is used with: a key, or users where the product is for users.

use std::collections::HashSet;

use rand::Rng;
use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::fields::read_text;
use super::record::{Record, flag, rows, set, text};
use super::store::Index;

/// What LicenseSpring makes keys of: no 0, 1, I and O, which people misread.
pub(super) const KEY_ALPHABET: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
pub(super) const KEY_CHARS: usize = 16;
const KEY_GROUP: usize = 4;
const PASSWORD_CHARS: usize = 12;

/// A key, or users where the product is for users.
pub(super) fn name(
    call: &mut Call<'_>,
    license: &mut Record,
    told: &Record,
    product: &Record,
    keys: &mut HashSet<String>,
) -> Result<(), Answer> {
    let key = told.get("key").filter(|key| !key.is_null());
    if text(product, "authorization_method") == "user" {
        if key.is_some() {
            return Err(Answer::field("key", "A license of a user-based product has no key."));
        }
        set(license, "license_key", Value::Null);
        set(license, "license_users", users(call, told)?);
        return Ok(());
    }
    let is_free = |call: &Call<'_>, key: &str| call.world.store.first(Index::LicenseByKey, key).is_none();
    let key = match key {
        Some(value) => read_text(value).map_err(|why| Answer::field("key", why))?,
        None => new_key(KEY_CHARS, KEY_ALPHABET),
    };
    if !is_free(call, &key) || !keys.insert(key.clone()) {
        return Err(Answer::field("license_key", "A license with this key already exists."));
    }
    set(license, "license_key", key);
    Ok(())
}

fn users(call: &mut Call<'_>, told: &Record) -> Result<Value, Answer> {
    let mut users = Vec::new();
    for (at, user) in rows(told, "users").enumerate() {
        let email = text(user, "email");
        if email.is_empty() {
            return Err(Answer::field("email", "This field is required."));
        }
        users.push(json!({
            "id": call.world.store.next_id(), "email": format!("{email}|USS{}", at + 1), "true_email": email,
            "first_name": text(user, "first_name"), "last_name": text(user, "last_name"), "phone_number": "",
            "is_active": true, "is_manager": flag(user, "is_manager"), "is_initial_password": true,
            "initial_password": random_text(PASSWORD_CHARS, KEY_ALPHABET), "max_activations": user.get("max_activations"),
            "total_activations": 0, "last_login": null,
        }));
    }
    Ok(Value::Array(users))
}

/// A key in groups of four: `ABCD-EFGH-JKLM-NPQR`.
pub(super) fn new_key(chars: usize, alphabet: &str) -> String {
    let text: Vec<char> = random_text(chars, alphabet).chars().collect();
    text.chunks(KEY_GROUP).map(|group| group.iter().collect()).collect::<Vec<String>>().join("-")
}

fn random_text(chars: usize, alphabet: &str) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut rng = rand::rng();
    (0..chars).filter_map(|_| letters.get(rng.random_range(0..letters.len().max(1)))).collect()
}
