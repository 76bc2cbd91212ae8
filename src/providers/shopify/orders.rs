//! Orders, refunds and disputes. <https://shopify.dev/docs/api/admin-rest/latest/resources/order>
//!
//! Every charge of every subscription app is an order of the shop. Which subscription an order
//! belongs to is said by our own contracts and billing attempts alone; other apps' orders are
//! kept together by their buyer, and become chains.

use std::collections::{BTreeMap, BTreeSet};

use super::translate::Reading;
use super::wire::{Clock, reference};
use crate::domain::fact::{
    Dispute, DisputeStatus, Entity, EntityKind, FactBody, Item, Payment, PaymentStatus, ProductRef, Purchase, Refund,
    SKU_FEATURES,
};
use crate::providers::json::Value;
use crate::providers::json::hundredths;
use crate::providers::out::rank;
use crate::providers::{Unreadable, json};

/// An order as it stands, whatever the topic.
pub fn order(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let body = reading.body;
    let Some(order) = reading.refers(EntityKind::Order, "id") else {
        return Err(json::unreadable("the order has no id"));
    };
    let clock = reading.event.at(&["updated_at", "processed_at", "created_at"])?;
    let customer = json::at(body, "customer");
    let buyer = customer.and_then(|customer| reference(EntityKind::Customer, customer, "id"));
    let book = book(&order, buyer.as_ref());
    reading.out.link(Some(&order), Some(&book));
    reading.out.link(Some(&book), buyer.as_ref());
    reading.customer(customer, Some(body), rank::NOTES)?;
    if reading.worthless {
        reading.say(&order, clock, rank::NOTES, FactBody::Notice);
        return Ok(());
    }
    let word = json::text_at(body, "financial_status").unwrap_or_default();
    let status = status(&word);
    let payment = Payment {
        payment_id: order.id.clone(),
        status,
        amount_paid: json::at(body, "total_price").and_then(hundredths),
        lines: Vec::new(),
        items: items(body)?,
        purchase: Some(purchase(reading, clock)),
    };
    reading.say(&order, clock, rank::CHANGES, FactBody::Payment(payment));
    // The order itself says that all is over, also when no refund was heard of.
    if status == PaymentStatus::Paid && (word == "refunded" || json::at(body, "cancelled_at").is_some()) {
        let refund = Entity::new(EntityKind::Refund, format!("order-{}", order.id));
        reading.out.link(Some(&refund), Some(&order));
        let (refund_id, products) = (refund.id.clone(), Vec::new());
        let gone = Refund { refund_id, succeeded: true, amount: None, full: true, products };
        reading.say(&refund, clock, rank::ENDS, FactBody::Refund(gone));
    }
    Ok(())
}

/// The book an order is kept in: its buyer's, or where no buyer is named its own.
fn book(order: &Entity, buyer: Option<&Entity>) -> Entity {
    Entity::new(EntityKind::Book, buyer.map_or_else(|| format!("order-{}", order.id), |buyer| buyer.id.clone()))
}

/// Source names of orders that a subscription app charged, beside those of the configuration; the
/// first until autumn 2025. The tag is that of apps that charge through their own checkout.
const RENEWALS: [&str; 2] = ["subscription_contract", "subscription_contract_checkout_one"];
const RENEWAL_TAG: &str = "Subscription Recurring Order";
const FIRST_TAG: &str = "Subscription First Order";

/// When the order was made, and whether by an app. The tags are more exact than the source name;
/// they come sorted and may be many, so that what counts may stand far behind.
fn purchase(reading: &Reading<'_>, clock: Clock) -> Purchase {
    let order = reading.body;
    let made = ["processed_at", "created_at"].iter().find_map(|key| json::instant_at(order, key));
    let tags = json::at(order, "tags").and_then(Value::as_str).unwrap_or_default();
    let tagged = |tag: &str| tags.split(',').any(|t| t.trim().eq_ignore_ascii_case(tag));
    let is_renewal =
        |name: &String| RENEWALS.contains(&name.as_str()) || reading.settings.renewal_sources.contains(name);
    let charged = json::text_at(order, "source_name").is_some_and(|name| is_renewal(&name));
    let renews = tagged(RENEWAL_TAG) || (charged && !tagged(FIRST_TAG));
    Purchase { at: made.unwrap_or(clock.at), is_guess: made.is_none(), renews }
}

/// Money that went back was paid before; what became of it is in the refunds.
fn status(word: &str) -> PaymentStatus {
    match word {
        "paid" | "partially_refunded" | "refunded" => PaymentStatus::Paid,
        "voided" => PaymentStatus::Voided,
        _ => PaymentStatus::Open,
    }
}

/// What was bought, by variant: two lines of one variant are one item. An SKU may be empty, and
/// is trimmed; the ids are there as well. What was removed or given back stays, with none left.
fn items(order: &Value<'_>) -> Result<Vec<Item>, Unreadable> {
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    for line in json::list(order, "line_items") {
        let now = json::count(line, "current_quantity")?;
        let quantity = now.or(json::count(line, "quantity")?).unwrap_or(1);
        let id = |key: &str| json::first_id(line, &[key]);
        let named = [("sku", json::text_at(line, "sku")), ("variant", id("variant_id")), ("product", id("product_id"))];
        let keys = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        let item_id = ["variant_id", "product_id", "id"].into_iter().find_map(id).unwrap_or_else(|| "main".to_owned());
        let attributes = json::text_at(line, "sku").map(|sku| integration_keys(&sku)).unwrap_or_default();
        let product = ProductRef { keys, attributes };
        let new = || Item {
            item_id: item_id.clone(),
            product,
            quantity: Some(0),
            period_start: None,
            period_end: None,
            metered: false,
            one_off: false,
        };
        let item = items.entry(item_id.clone()).or_insert_with(new);
        item.quantity = item.quantity.map(|held| held.saturating_add(quantity));
    }
    Ok(items.into_values().collect())
}

/// What LicenseSpring's own Shopify app reads in a SKU: `ProductCode:Feature1:Feature2`. It counts
/// where the source has `integration_keys = true`.
/// <https://docs.licensespring.com/integrations/shopify>
fn integration_keys(sku: &str) -> BTreeMap<String, String> {
    let (code, features) = sku.split_once(':').unwrap_or((sku, ""));
    let keys = [("product_short_code", code.trim()), (SKU_FEATURES, features.trim())];
    let said = keys.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// <https://shopify.dev/docs/api/admin-rest/latest/resources/refund>. A refund may be money
/// without lines, or lines without money.
pub fn refund(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let Some(refund) = reading.refers(EntityKind::Refund, "id") else {
        return Err(json::unreadable("the refund has no id"));
    };
    reading.out.link(Some(&refund), reading.refers(EntityKind::Order, "order_id").as_ref());
    let clock = reading.event.at(&["processed_at", "created_at"])?;
    let word = |transaction: &Value<'_>, key| json::text_at(transaction, key);
    let money: Vec<&Value<'_>> = json::list(reading.body, "transactions")
        .iter()
        .filter(|transaction| word(transaction, "kind").is_none_or(|kind| kind == "refund"))
        .collect();
    let done = money.iter().filter(|transaction| word(transaction, "status").is_none_or(|status| status == "success"));
    let amount = done
        .clone()
        .map(|transaction| json::at(transaction, "amount").and_then(hundredths))
        .try_fold(0_i64, |sum, amount| sum.checked_add(amount?));
    let (refund_id, succeeded) = (refund.id.clone(), done.count() > 0);
    let products = whole_lines(reading.body)?;
    let body = Refund { refund_id, succeeded, amount, full: !products.is_empty(), products };
    reading.say(&refund, clock, rank::CHANGES, FactBody::Refund(body));
    Ok(())
}

/// The variants of which a refund takes back all that was bought.
fn whole_lines(refund: &Value<'_>) -> Result<Vec<String>, Unreadable> {
    let mut products = BTreeSet::new();
    for line in json::list(refund, "refund_line_items") {
        let (back, bought) = (json::count(line, "quantity")?, json::count(line, "line_item/quantity")?);
        let id =
            ["line_item/variant_id", "line_item/product_id"].into_iter().find_map(|path| json::first_id(line, &[path]));
        if let (Some(back), Some(bought), Some(id)) = (back, bought, id)
            && back >= bought
        {
            products.insert(id);
        }
    }
    Ok(products.into_iter().collect())
}

/// <https://shopify.dev/docs/api/admin-rest/latest/resources/dispute>. The body has no clock but
/// its beginning.
pub fn dispute(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let Some(dispute) = reading.refers(EntityKind::Dispute, "id") else {
        return Err(json::unreadable("the dispute has no id"));
    };
    reading.out.link(Some(&dispute), reading.refers(EntityKind::Order, "order_id").as_ref());
    let clock = match reading.event.triggered_at {
        Some(at) => Clock { at, is_own: false },
        None => reading.event.at(&["initiated_at"])?,
    };
    let word = |key| json::text_at(reading.body, key).unwrap_or_default();
    let (status, rank) = match (word("status").as_str(), word("type").as_str()) {
        ("won", _) => (DisputeStatus::Won, rank::ENDS),
        ("lost" | "accepted" | "charge_refunded", _) => (DisputeStatus::Lost, rank::ENDS),
        (_, "inquiry") => (DisputeStatus::Inquiry, rank::CHANGES),
        _ => (DisputeStatus::Open, rank::CHANGES),
    };
    let body = Dispute { dispute_id: dispute.id.clone(), status };
    reading.say(&dispute, clock, rank, FactBody::Dispute(body));
    Ok(())
}
