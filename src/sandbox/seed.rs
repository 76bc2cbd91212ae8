//! `POST /seed`: products and policies, which LicenseSpring's API itself cannot make. Seeding a
//! code again updates what is there.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::fields::{Kind, LICENSE_TYPES, Use, kind_of, read_all, read_text};
use super::record::{Record, id, object, rows, set, text};
use super::store::{Store, Table};

/// Products and policies in one seed.
const SEED_MAX: usize = 10_000;
const AUTHORIZATION_METHODS: &[&str] = &["license-key", "user"];

/// Fields of a product beside the license fields that it gives to its licenses.
const PRODUCT_FIELDS: &[(&str, Kind)] = &[
    ("short_code", Kind::Text),
    ("product_name", Kind::Text),
    ("authorization_method", Kind::OneOf(AUTHORIZATION_METHODS)),
    ("default_license_type", Kind::OneOf(LICENSE_TYPES)),
    ("allow_trial", Kind::Bool),
    ("is_archived", Kind::Bool),
    ("is_bundle", Kind::Bool),
    ("is_node_locked", Kind::Bool),
    ("is_user_locked", Kind::Bool),
];
const POLICY_FIELDS: &[(&str, Kind)] = &[
    ("code", Kind::Text),
    ("name", Kind::Text),
    ("default_license_type", Kind::OneOf(LICENSE_TYPES)),
    ("allow_trial", Kind::Bool),
    ("is_default", Kind::Bool),
    ("is_archived", Kind::Bool),
    ("is_sku", Kind::Bool),
];

/// What was seeded, by id, and what was not understood.
#[derive(Debug, Default)]
pub(super) struct Seeded {
    pub products: Vec<u64>,
    pub policies: Vec<u64>,
    pub warnings: Vec<String>,
}

/// Adds or updates; refuses the whole seed for one wrong entry.
pub(super) fn seed(store: &mut Store, body: &Record, now: DateTime<Utc>) -> Result<Seeded, String> {
    if let Some(unknown) = body.keys().find(|key| !matches!(key.as_str(), "products" | "policies")) {
        return Err(format!("unknown key {unknown:?}; known: products, policies"));
    }
    let mut seeded = Seeded::default();
    let products = entries(body, "products", PRODUCT_FIELDS, "short_code", &mut seeded.warnings)?;
    let policies = entries(body, "policies", POLICY_FIELDS, "code", &mut seeded.warnings)?;
    let codes: BTreeSet<&str> = products.iter().map(|product| text(product, "short_code")).collect();
    for policy in &policies {
        let product = text(policy, "product");
        if !codes.contains(product) && store.product_by_code(product).is_none() {
            return Err(format!("policies: {:?} names the unknown product {product:?}", text(policy, "code")));
        }
    }
    seeded.products = products.into_iter().map(|told| keep_product(store, told, now)).collect();
    seeded.policies = policies.into_iter().map(|told| keep_policy(store, told, now)).collect();
    Ok(seeded)
}

/// The entries of one list, checked.
fn entries(
    body: &Record,
    list: &str,
    fields: &[(&str, Kind)],
    code: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<Record>, String> {
    let told = match body.get(list) {
        None => return Ok(Vec::new()),
        Some(Value::Array(told)) if told.len() <= SEED_MAX => told,
        Some(_) => return Err(format!("{list}: must be a list of at most {SEED_MAX}")),
    };
    told.iter()
        .enumerate()
        .map(|(at, entry)| {
            let entry = entry.as_object().ok_or_else(|| format!("{list}[{at}]: must be an object"))?;
            read(entry, fields, code, &format!("{list}[{at}]"), warnings)
        })
        .collect()
}

fn read(
    entry: &Record,
    fields: &[(&str, Kind)],
    code: &str,
    place: &str,
    warnings: &mut Vec<String>,
) -> Result<Record, String> {
    // What is not understood is kept and shown, and a warning tells of typing errors.
    let mut read = entry.clone();
    let licensed = read_all(entry, Use::Creation).map_err(|(name, why)| format!("{place}.{name}: {why}"))?;
    read.extend(licensed);
    for (name, value) in entry {
        match fields.iter().find(|(known, _)| known == name) {
            Some((_, kind)) => set(&mut read, name, kind.read(value).map_err(|why| format!("{place}.{name}: {why}"))?),
            None if kind_of(name, Use::Creation).is_some() => {}
            None if matches!(name.as_str(), "product" | "features" | "custom_fields") => {}
            None => warnings.push(format!("{place}.{name} is not known here; it is shown and does nothing")),
        }
    }
    if text(&read, code).is_empty() {
        return Err(format!("{place}.{code}: is required"));
    }
    Ok(read)
}

fn keep_product(store: &mut Store, mut told: Record, now: DateTime<Utc>) -> u64 {
    let existing = store.product_by_code(text(&told, "short_code")).cloned();
    if told.contains_key("features") {
        let features = features(store, &told, existing.as_ref());
        set(&mut told, "features", features);
    }
    if told.contains_key("custom_fields") {
        let fields = custom_fields(store, &told, existing.as_ref());
        set(&mut told, "custom_fields", fields);
    }
    if let Some(id) = existing.and_then(|product| id(&product, "id")) {
        store.edit(Table::Products, id, now, |product| product.extend(told));
        return id;
    }
    let mut product = object(json!({
        "product_name": text(&told, "short_code"), "active": true, "default_license_type": "perpetual",
        "valid_duration": null, "trial_days": 0, "allow_trial": false, "max_activations": 1,
        "authorization_method": "license-key", "is_floating": false, "is_floating_cloud": false, "floating_users": 0,
        "floating_timeout": 0, "is_node_locked": false, "is_user_locked": false, "prevent_vm": false,
        "max_consumptions": 0, "consumption_period": null, "is_bundle": false, "is_archived": false, "metadata": {},
        "features": [], "custom_fields": [],
    }));
    product.extend(told);
    store.insert(Table::Products, product, now)
}

/// Features told as codes or objects; a known code keeps its id.
fn features(store: &mut Store, told: &Record, existing: Option<&Record>) -> Value {
    let mut kept = Vec::new();
    for feature in told.get("features").and_then(Value::as_array).into_iter().flatten() {
        let told = feature.as_object().cloned().unwrap_or_else(|| object(json!({ "code": feature })));
        let code = told.get("code").cloned().unwrap_or_default();
        let known = existing.and_then(|p| rows(p, "features").find(|f| f.get("code") == Some(&code)));
        let id = known.and_then(|f| id(f, "id")).unwrap_or_else(|| store.next_id());
        let mut row = object(json!({ "id": id, "code": code, "name": code, "feature_type": "activation",
                                     "max_consumption": 0, "is_deleted": false }));
        row.extend(told);
        kept.push(Value::Object(row));
    }
    Value::Array(kept)
}

/// Custom fields told as names or as objects with a `default_value`; a known name keeps its id.
fn custom_fields(store: &mut Store, told: &Record, existing: Option<&Record>) -> Value {
    let mut kept = Vec::new();
    for field in told.get("custom_fields").and_then(Value::as_array).into_iter().flatten() {
        let told = field.as_object().cloned().unwrap_or_else(|| object(json!({ "name": field })));
        let name = told.get("name").cloned().unwrap_or_default();
        let known = existing.and_then(|p| rows(p, "custom_fields").find(|f| f.get("name") == Some(&name)));
        let id = known.and_then(|f| id(f, "id")).unwrap_or_else(|| store.next_id());
        let value = told.get("default_value").or_else(|| told.get("value"));
        let value = value.map(|value| read_text(value).unwrap_or_default()).unwrap_or_default();
        kept.push(json!({ "id": id, "name": name, "default_value": value }));
    }
    Value::Array(kept)
}

fn keep_policy(store: &mut Store, mut told: Record, now: DateTime<Utc>) -> u64 {
    let product = store.product_by_code(text(&told, "product")).and_then(|p| id(p, "id"));
    set(&mut told, "product", product);
    // A license's type is called so on a policy; both names are taken.
    if let Some(own) = told.get("default_license_type").cloned() {
        told.entry("license_type").or_insert(own);
    } else if let Some(own) = told.get("license_type").cloned() {
        set(&mut told, "default_license_type", own);
    }
    if let Some(id) = store.policy_by_code(text(&told, "code")).and_then(|policy| id(policy, "id")) {
        store.edit(Table::Policies, id, now, |policy| policy.extend(told));
        return id;
    }
    let mut policy = object(json!({
        "name": text(&told, "code"), "is_archived": false, "is_default": false, "is_sku": false, "is_air_gapped": false,
    }));
    policy.extend(told);
    store.insert(Table::Policies, policy, now)
}
