//! The other calls on orders.

use serde_json::{Value, json};

use super::answer::{Answer, Reply};
use super::call::Call;
use super::fields::{Kind, read_metadata};
use super::license_owner::{KEY_ALPHABET, KEY_CHARS, new_key};
use super::management::show;
use super::record::{Record, read_id, set, text};
use super::store::{Index, Table};

/// Keys in one answer of generate_license.
const KEYS_MAX: usize = 1_000;
/// The lengths of key that the documents allow.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 16..=240;

const PATCH_FIELDS: &[(&str, Kind)] = &[
    ("store_id", Kind::Text),
    ("is_test", Kind::Bool),
    ("is_trial", Kind::Bool),
    ("download_id", Kind::Text),
    ("language", Kind::Text),
    ("campaign_params", Kind::Text),
];

pub(super) fn patch(call: &mut Call<'_>, id: u64) -> Reply {
    let body = call.object()?;
    let known = |key: &str| {
        PATCH_FIELDS.iter().any(|(name, _)| *name == key) || matches!(key, "customer" | "customer_account" | "metadata")
    };
    call.warn_unknown("order", &body, known);
    let changes = changes(call, &body)?;
    let store_id = text(&changes, "store_id");
    let is_taken = call.world.store.ids(Index::OrderByStoreId, store_id).iter().any(|other| *other != id);
    if is_taken {
        return Err(Answer::field("store_id", "Order with this store_id already exists."));
    }
    let now = call.world.now();
    call.world.store.edit(Table::Orders, id, now, |order| order.extend(changes));
    Ok(show(call, Table::Orders, id))
}

fn changes(call: &Call<'_>, body: &Record) -> Result<Record, Answer> {
    let mut changes = Record::new();
    for (name, kind) in PATCH_FIELDS {
        if let Some(value) = body.get(*name) {
            set(&mut changes, name, kind.read(value).map_err(|why| Answer::field(name, why))?);
        }
    }
    if let Some(metadata) = body.get("metadata") {
        set(&mut changes, "metadata", read_metadata(metadata).map_err(|why| Answer::field("metadata", why))?);
    }
    if let Some(customer) = body.get("customer") {
        let is_known = |id: &u64| call.world.store.get(Table::Customers, *id).is_some();
        let known = read_id(customer).filter(is_known);
        let refused = || Answer::field("customer", format!("Invalid pk \"{customer}\" - object does not exist."));
        set(&mut changes, "customer", known.ok_or_else(refused)?);
    }
    Ok(changes)
}

/// Deletes an order that holds no license any more.
pub(super) fn safe_delete(call: &mut Call<'_>, id: u64) -> Reply {
    if call.world.store.first(Index::LicenseByOrder, &id.to_string()).is_some() {
        return Err(Answer::detail(400, "The order still holds licenses and cannot be deleted."));
    }
    call.world.store.remove(Table::Orders, id);
    Ok(Answer::empty(204))
}

/// New keys. They are not kept: an order that uses one brings it along.
pub(super) fn generate_license(call: &mut Call<'_>) -> Reply {
    let request = call.request;
    let product = request.param("product").ok_or_else(|| Answer::field("product", "This field is required."))?;
    if call.world.store.product_by_code(product).is_none() {
        return Err(Answer::not_found());
    }
    let number = |name: &str, default: usize| match request.param(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| Answer::field(name, "A valid integer is required.")),
    };
    let (quantity, length) = (number("quantity", 1)?, number("key_length", KEY_CHARS)?);
    if !(1..=KEYS_MAX).contains(&quantity) {
        return Err(Answer::field("quantity", format!("Must be from 1 to {KEYS_MAX}.")));
    }
    if !KEY_LENGTHS.contains(&length) {
        return Err(Answer::field("key_length", "Must be from 16 to 240."));
    }
    let alphabet = request.param("alphabet").filter(|text| !text.is_empty()).unwrap_or(KEY_ALPHABET);
    let keys: Vec<Value> = (0..quantity).map(|_| json!(new_key(length, alphabet))).collect();
    Ok(Answer::ok(Value::Array(keys)))
}
