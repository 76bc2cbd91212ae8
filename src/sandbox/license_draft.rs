//! The licenses of a create_order, drafted: what the caller said, else the policy, else the
//! product, else LicenseSpring's own defaults.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::answer::Answer;
use super::call::Call;
use super::fields::{Use, add_duration, kind_of, read_all};
use super::record::{Record, flag, object, set, text};
use super::status::is_subscription;
use super::store::Table;
use super::{custom_fields, features, license_owner};

/// Licenses in one order; more than any checkout holds.
const LICENSES_MAX: usize = 1_000;

const ITEM_FIELDS: &[&str] =
    &["product_code", "licenses", "note", "active", "key", "license_policy", "subscription_id", "customer_account_id"];
/// License fields that are neither values to keep nor typing errors.
const LICENSE_EXTRAS: &[&str] =
    &["key", "users", "policy_code", "license_template", "license_template_code", "product_features", "custom_fields"];

pub(super) struct ItemDraft {
    pub product: u64,
    pub licenses: Vec<LicenseDraft>,
}

pub(super) struct LicenseDraft {
    pub license: Record,
    pub users: Vec<Record>,
}

/// The items of an order, each checked; the first error refuses them all.
pub(super) fn items(call: &mut Call<'_>, body: &Record) -> Result<Vec<ItemDraft>, Answer> {
    let items = match body.get("items") {
        None => return Err(Answer::field("items", "This field is required.")),
        Some(Value::Array(items)) if items.is_empty() => {
            return Err(Answer::field("items", "This list may not be empty."));
        }
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Answer::field("items", "Expected a list of items.")),
    };
    let mut keys = HashSet::new();
    let mut drafts = Vec::new();
    for item in items {
        let item = item.as_object().ok_or_else(|| Answer::field("items", "Expected a dictionary."))?;
        refuse_account(item)?;
        drafts.push(item_draft(call, item, &mut keys)?);
    }
    if drafts.iter().map(|draft| draft.licenses.len()).sum::<usize>() > LICENSES_MAX {
        return Err(Answer::field("items", format!("An order holds at most {LICENSES_MAX} licenses.")));
    }
    Ok(drafts)
}

/// A sandbox has no customer accounts, so none that is named is found.
pub(super) fn refuse_account(body: &Record) -> Result<(), Answer> {
    match body.get("customer_account_id") {
        None | Some(Value::Null) => Ok(()),
        Some(id) => {
            Err(Answer::code(400, "customer_account_not_found", format!("Customer account {id} does not exist.")))
        }
    }
}

fn item_draft(call: &mut Call<'_>, item: &Record, keys: &mut HashSet<String>) -> Result<ItemDraft, Answer> {
    call.warn_unknown("item", item, |key| ITEM_FIELDS.contains(&key));
    let product = product(call, item)?;
    // An item that names no license is one license with every default.
    let one = [json!({})];
    let asked = match item.get("licenses") {
        None | Some(Value::Null) => one.as_slice(),
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => return Err(Answer::field("licenses", "Expected a list of items.")),
    };
    let mut licenses = Vec::new();
    for told in asked.iter().take(LICENSES_MAX + 1) {
        let told = told.as_object().ok_or_else(|| Answer::field("licenses", "Expected a dictionary."))?;
        licenses.push(license_draft(call, item, told, &product, keys)?);
    }
    Ok(ItemDraft { product: super::record::id(&product, "id").unwrap_or_default(), licenses })
}

fn product(call: &Call<'_>, item: &Record) -> Result<Record, Answer> {
    let code = item.get("product_code").and_then(Value::as_str);
    let code = code.ok_or_else(|| Answer::field("product_code", "This field is required."))?;
    let found = call.world.store.product_by_code(code);
    let product =
        found.ok_or_else(|| Answer::code(400, "unknown_product", format!("Product {code} does not exist.")))?;
    let refusal = if flag(product, "is_archived") {
        ("archived_product", format!("Product {code} is archived."))
    } else if !flag(product, "active") {
        ("disabled_product", format!("Product {code} is disabled."))
    } else {
        return Ok(product.clone());
    };
    Err(if call.switched("S28", "field_error") {
        Answer::field("product_code", refusal.1)
    } else {
        Answer::code(400, refusal.0, refusal.1)
    })
}

fn license_draft(
    call: &mut Call<'_>,
    item: &Record,
    told: &Record,
    product: &Record,
    keys: &mut HashSet<String>,
) -> Result<LicenseDraft, Answer> {
    let known = |key: &str| LICENSE_EXTRAS.contains(&key) || kind_of(key, Use::Creation).is_some();
    call.warn_unknown("license", told, known);
    let explicit = read_all(told, Use::Creation).map_err(|(name, why)| Answer::field(&name, why))?;
    if told.contains_key("validity_period") && told.contains_key("valid_duration") {
        return Err(Answer::field("non_field_errors", "validity_period and valid_duration cannot both be sent."));
    }
    let policy = policy(call, told, item, product)?;
    let mut license = object(json!({ "enabled": true, "active": false, "times_activated": 0, "max_activations": 1,
        "license_type": "perpetual", "is_trial": false, "metadata": {}, "note": "" }));
    license.extend(product_defaults(product));
    if let Some(policy) = &policy {
        set(&mut license, "license_template", policy.get("id").cloned());
        if !call.switched("S25", "policy_ignored") {
            license.extend(read_all(policy, Use::Creation).unwrap_or_default());
        }
    }
    let has_date = explicit.get("validity_period").is_some_and(|date| !date.is_null());
    license.extend(explicit);
    if has_date {
        license.remove("valid_duration"); // the policy's, overridden by a date
    }
    finish(call, &mut license, item, product);
    set(&mut license, "product_features", features::of_creation(call, told, product)?);
    set(&mut license, "product_custom_fields", custom_fields::of_creation(call, told, product)?);
    let users = license_owner::name(call, &mut license, told, product, keys)?;
    Ok(LicenseDraft { license, users })
}

/// What a product gives to a license that is not told otherwise.
fn product_defaults(product: &Record) -> Record {
    let mut defaults = read_all(product, Use::Creation).unwrap_or_default();
    for own in ["active", "metadata", "note"] {
        defaults.remove(own); // the product's own, of another meaning
    }
    set(&mut defaults, "license_type", text(product, "default_license_type"));
    defaults
}

fn finish(call: &Call<'_>, license: &mut Record, item: &Record, product: &Record) {
    set(license, "product", product.get("id").cloned());
    if is_subscription(license) {
        set(license, "active", true);
        let today = call.world.now().date_naive();
        let ends = add_duration(today, text(license, "valid_duration"));
        if text(license, "validity_period").is_empty()
            && let Some(ends) = ends
        {
            set(license, "validity_period", ends.to_string());
        }
    }
    if call.switched("S25", "zero_validity") && !text(license, "validity_period").is_empty() {
        set(license, "validity_period", "0000-00-00");
    }
    if text(license, "subscription_id").is_empty() && !text(item, "subscription_id").is_empty() {
        set(license, "subscription_id", text(item, "subscription_id"));
    }
    if call.switched("S22", "dropped") {
        license.remove("subscription_id");
    }
}

/// The policy by any of its names, else the product's default one.
fn policy(call: &Call<'_>, told: &Record, item: &Record, product: &Record) -> Result<Option<Record>, Answer> {
    let store = &call.world.store;
    let named = ["policy_code", "license_template_code", "license_template"];
    let named = named.iter().find_map(|name| told.get(*name).map(|value| (*name, value)));
    let named = named.or_else(|| item.get("license_policy").map(|value| ("license_policy", value)));
    let Some((field, value)) = named.filter(|(_, value)| !value.is_null()) else {
        let of_product = |p: &&Record| flag(p, "is_default") && p.get("product") == product.get("id");
        return Ok(store.table(Table::Policies).values().find(of_product).cloned());
    };
    let found = match value {
        Value::Number(id) => id.as_u64().and_then(|id| store.get(Table::Policies, id)),
        other => other.as_str().and_then(|code| store.policy_by_code(code)),
    };
    match found {
        Some(policy) if policy.get("product") == product.get("id") => Ok(Some(policy.clone())),
        Some(_) => Err(Answer::field(field, format!("Policy {value} belongs to another product."))),
        None => Err(Answer::field(field, format!("Policy {value} does not exist."))),
    }
}
