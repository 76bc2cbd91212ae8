//! Products and prices: what a seller could put into the catalog.
//! <https://docs.stripe.com/api/products/object> · <https://docs.stripe.com/api/prices/object>
//!
//! Only proposals. A subscription's own events carry the price it has, so a change here must not
//! reach a license that nobody touched.

use std::collections::BTreeMap;

use super::translate::Reading;
use crate::domain::fact::{EntityKind, FactBody, INTEGRATION_KEYS, ProductRef, Proposal};
use crate::providers::json::{self, Value};
use crate::providers::out::rank;

/// `product.*`, `price.*`, `plan.*`.
pub fn proposal(reading: &mut Reading<'_>, deleted: bool) {
    let Some(own) = reading.this(EntityKind::Product) else { return };
    let object = reading.object;
    let is_product = reading.event.kind.starts_with("product.");
    let product = match is_product {
        true => Some(own.id.clone()),
        false => json::first_id(object, &["product"]),
    };
    let keys = [
        ("price", (!is_product).then(|| own.id.clone())),
        ("product", product),
        ("lookup_key", json::text_at(object, "lookup_key")),
    ];
    let body = Proposal {
        product: ProductRef { keys: named(keys), attributes: attributes(object, &["metadata"]) },
        name: json::text_at(object, "name").or_else(|| json::text_at(object, "nickname")),
        active: !deleted && json::at(object, "active") != Some(&Value::Bool(false)),
    };
    let rank = if deleted { rank::ENDS } else { rank::CHANGES };
    reading.say(&own, 0, rank, FactBody::Proposal(body));
}

/// What a price is called, wherever it is part of something else: of a subscription's item, an
/// invoice's line, a checkout session's line.
pub fn product_of(priced: &Value<'_>) -> ProductRef {
    const PRICES: [&str; 3] = ["pricing/price_details/price", "price", "plan"];
    const PRODUCTS: [&str; 4] =
        ["pricing/price_details/product", "pricing/price_details/price/product", "price/product", "plan/product"];
    let lookup_keys = ["pricing/price_details/price/lookup_key", "price/lookup_key"];
    let keys = [
        ("price", json::first_id(priced, &PRICES)),
        ("product", json::first_id(priced, &PRODUCTS)),
        ("lookup_key", lookup_keys.iter().find_map(|path| json::text_at(priced, path))),
    ];
    // LicenseSpring reads its keys from the price; the product's are there only when it is expanded.
    let sources = [
        "plan/product/metadata",
        "price/product/metadata",
        "plan/metadata",
        "price/metadata",
        "pricing/price_details/price/metadata",
    ];
    ProductRef { keys: named(keys), attributes: attributes(priced, &sources) }
}

pub fn named<const N: usize>(keys: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// LicenseSpring's integration keys; a later source outranks an earlier one.
pub fn attributes(holder: &Value<'_>, sources: &[&str]) -> BTreeMap<String, String> {
    sources.iter().flat_map(|path| json::picked(json::at(holder, path), &INTEGRATION_KEYS)).collect()
}
