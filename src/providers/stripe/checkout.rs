//! Checkout sessions. <https://docs.stripe.com/api/checkout/sessions/object>
//!
//! In mode `subscription` a session ties a subscription to its buyer and first invoice. In mode
//! `payment` it is the purchase itself, a state of its own under the session's id. Stripe's
//! events leave out what was bought; it is found, newest word first, in the session's own lines
//! (where somebody expanded them), in its metadata, and in the invoice it may make.

use std::collections::BTreeMap;

use super::catalog::{attributes, named, product_of};
use super::translate::{Reading, person};
use crate::domain::fact::{
    CustomerFacts, Entity, EntityKind, FactBody, Item, Payment, PaymentStatus, ProductRef, Snapshot, Status,
};
use crate::providers::json::Value;
use crate::providers::out::is_sample;
use crate::providers::{Unreadable, json};

const UNNAMED: &str = "the purchase does not say what was bought: \
    let Checkout create an invoice, or put product_short_code (or price) into the session's metadata";

/// `checkout.session.*`. `failed`: the money of a slow method will not come.
pub fn session(reading: &mut Reading<'_>, rank: u8, failed: bool) -> Result<(), Unreadable> {
    if is_purchase(reading.object) {
        return purchase(reading, rank, failed);
    }
    let (subscription, customer) = (reading.at(EntityKind::Subscription, &["subscription"]), reading.buyer());
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    reading.out.link(invoice.as_ref(), subscription.as_ref());
    reading.out.link(subscription.as_ref(), customer.as_ref());
    copied_buyer(reading, customer.as_ref());
    reading.note(subscription.as_ref());
    Ok(())
}

/// Sessions had no mode before 2019.
fn is_purchase(session: &Value<'_>) -> bool {
    match json::text_at(session, "mode").as_deref() {
        Some(mode) => mode == "payment",
        None => json::at(session, "payment_intent").is_some() && json::at(session, "subscription").is_none(),
    }
}

fn purchase(reading: &mut Reading<'_>, rank: u8, failed: bool) -> Result<(), Unreadable> {
    let order = reading.this(EntityKind::Order).filter(|order| !is_sample(&order.id));
    let Some(order) = order else { return Ok(()) };
    let purchase = Entity::subscription(order.id.clone());
    // A guest is the customer of this purchase alone.
    let customer = reading.buyer().unwrap_or_else(|| Entity::customer(order.id.clone()));
    links(reading, &order, &purchase, &customer);
    copied_buyer(reading, Some(&customer));

    let provider_status = json::text_at(reading.object, "payment_status").unwrap_or_default();
    let status = match provider_status.as_str() {
        _ if failed => PaymentStatus::Failed,
        "paid" | "no_payment_required" => PaymentStatus::Paid,
        // Before there was a payment status, a session was completed by being paid.
        "" => PaymentStatus::Paid,
        _ => PaymentStatus::Open,
    };
    let items = items(reading.object)?;
    if items.is_empty() && json::at(reading.object, "invoice").is_none() {
        reading.out.lacks(UNNAMED);
    }
    let after = Snapshot {
        status: if status == PaymentStatus::Paid { Status::Active } else { Status::Incomplete },
        provider_status,
        livemode: reading.event.livemode,
        customer_id: Some(customer.id),
        items_complete: !items.is_empty(),
        items,
        ..Snapshot::default()
    };
    reading.say(&purchase, 0, rank, FactBody::Subscription { after: Box::new(after), before: None });
    let payment = Payment {
        payment_id: order.id.clone(),
        status,
        amount_paid: json::at(reading.object, "amount_total").and_then(json::whole),
        lines: Vec::new(),
        items: Vec::new(),
        purchase: None,
    };
    reading.say(&order, 0, rank, FactBody::Payment(payment));
    Ok(())
}

/// The money's way: charge → payment intent → session and invoice → purchase.
fn links(reading: &mut Reading<'_>, order: &Entity, purchase: &Entity, customer: &Entity) {
    let intent = reading.at(EntityKind::PaymentIntent, &["payment_intent"]);
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    reading.out.link(intent.as_ref(), Some(order));
    reading.out.link(intent.as_ref(), invoice.as_ref());
    reading.out.link(Some(order), Some(purchase));
    reading.out.link(invoice.as_ref(), Some(purchase));
    reading.out.link(Some(purchase), Some(customer));
}

fn copied_buyer(reading: &mut Reading<'_>, customer: Option<&Entity>) {
    let Some(customer) = customer else { return };
    let facts = json::at(reading.object, "customer_details").map(person).unwrap_or_default();
    let older = json::text_at(reading.object, "customer_email");
    let facts = CustomerFacts { email: facts.email.clone().or(older), ..facts };
    reading.copied_customer(customer, reading.created, facts);
}

/// What the session itself says was bought.
fn items(session: &Value<'_>) -> Result<Vec<Item>, Unreadable> {
    let lines = json::list(session, "line_items/data");
    let mut items = lines.iter().map(bought).collect::<Result<Vec<_>, _>>()?;
    items.extend(by_metadata(session).filter(|_| lines.is_empty()));
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    Ok(items)
}

/// A line of a session or of an invoice that is for no subscription.
pub fn bought(line: &Value<'_>) -> Result<Item, Unreadable> {
    let item_id = json::first_id(line, &["id"]).unwrap_or_else(|| "main".to_owned());
    Ok(once(item_id, product_of(line), json::count(line, "quantity")?))
}

/// The seller's own words: LicenseSpring's integration keys, or a price of the catalog.
fn by_metadata(session: &Value<'_>) -> Option<Item> {
    let word = |key: &str| json::text_at(session, &format!("metadata/{key}"));
    let keys: BTreeMap<_, _> =
        named([("price", word("price")), ("product", word("product")), ("lookup_key", word("lookup_key"))]);
    let attributes = attributes(session, &["metadata"]);
    let says_what = !keys.is_empty() || attributes.contains_key("product_short_code");
    says_what.then(|| once("main".to_owned(), ProductRef { keys, attributes }, None))
}

fn once(item_id: String, product: ProductRef, quantity: Option<i64>) -> Item {
    Item {
        item_id,
        product,
        quantity: quantity.or(Some(1)),
        period_start: None,
        period_end: None,
        metered: false,
        one_off: true,
    }
}
