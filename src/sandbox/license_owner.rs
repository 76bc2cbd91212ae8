//! What a new license is used with: a key, or users where the product is for users.

use std::collections::HashSet;

use rand::Rng;
use serde_json::Value;

use super::answer::Answer;
use super::call::Call;
use super::fields::read_text;
use super::license_users;
use super::record::{Record, set, text};
use super::store::Index;

/// What LicenseSpring makes keys of: no 0, 1, I and O, which people misread.
pub(super) const KEY_ALPHABET: &str = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
pub(super) const KEY_CHARS: usize = 16;
const KEY_GROUP: usize = 4;

/// Gives it its key, or answers with the users who are to sit in it.
pub(super) fn name(
    call: &mut Call<'_>,
    license: &mut Record,
    told: &Record,
    product: &Record,
    keys: &mut HashSet<String>,
) -> Result<Vec<Record>, Answer> {
    let key = told.get("key").filter(|key| !key.is_null());
    if text(product, "authorization_method") == "user" {
        if key.is_some() {
            return Err(Answer::field("key", "A license of a user-based product has no key."));
        }
        set(license, "license_key", Value::Null);
        let users = match told.get("users") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => license_users::read(call, list)?,
            Some(_) => return Err(Answer::field("users", "Expected a list of items.")),
        };
        license_users::refuse_crowd(license, users.len())?;
        return Ok(users);
    }
    if told.contains_key("users") {
        call.warn("license: users are ignored, as the product is used with a key".to_owned());
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
    Ok(Vec::new())
}

/// A key in groups of four: `ABCD-EFGH-JKLM-NPQR`.
pub(super) fn new_key(chars: usize, alphabet: &str) -> String {
    let text: Vec<char> = random_text(chars, alphabet).chars().collect();
    text.chunks(KEY_GROUP).map(|group| group.iter().collect()).collect::<Vec<String>>().join("-")
}

pub(super) fn random_text(chars: usize, alphabet: &str) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut rng = rand::rng();
    (0..chars).filter_map(|_| letters.get(rng.random_range(0..letters.len().max(1)))).collect()
}
