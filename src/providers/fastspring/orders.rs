//! Orders, rebills, returns and chargebacks: what is paid, what goes back, and which
//! subscription it belongs to. <https://developer.fastspring.com/reference/webhooks-overview>
//!
//! A rebill has an order id of its own, and subscription events carry none: only these events
//! tie the two together.

use super::purchases;
use super::translate::Reading;
use super::types::Stage;
use super::wire::reference;
use crate::domain::fact::{Dispute, DisputeStatus, Entity, EntityKind, FactBody, Payment, PaymentStatus, Refund};
use crate::providers::json::hundredths;
use crate::providers::json::{Object, Value};
use crate::providers::out::{entity, rank};
use crate::providers::{Unreadable, json};

/// `subscription.charge.*`: a rebill or proration charge that came, or did not.
pub fn charge(reading: &mut Reading<'_>, completed: bool) -> Result<(), Unreadable> {
    let data = reading.data;
    let subscription = reference(EntityKind::Subscription, data.get("subscription"));
    let account = data.get("account");
    reading.out.link(subscription.as_ref(), reference(EntityKind::Customer, account).as_ref());
    reading.customer(account, json::at(data, "order/customer"))?;
    let order = reference(EntityKind::Order, data.get("order"));
    reading.out.link(order.as_ref(), subscription.as_ref());
    if let Some(order_data) = data.get("order") {
        item_links(reading, order.as_ref(), order_data);
    }
    if let (Some(order), true) = (&order, completed) {
        let clock = json::at(data, "order").filter(|order| order.is_object()).unwrap_or(data);
        let failed = json::text_at(data, "status").is_some_and(|word| word.eq_ignore_ascii_case("failed"));
        let status = if failed { PaymentStatus::Failed } else { PaymentStatus::Paid };
        payment(reading, order, clock, status, json::at(data, "total").or(json::at(data, "order/total")))?;
    }
    // Expanded, it is a snapshot whose `next` has moved; else a mention.
    match data.get("subscription") {
        Some(object @ Value::Object(_)) => reading.subscription(object, rank::CHANGES),
        mention => reading.notice(EntityKind::Subscription, mention),
    }
}

/// `order.*`.
pub fn order(reading: &mut Reading<'_>, stage: Stage) -> Result<(), Unreadable> {
    let data = reading.data;
    let Some(order) = reference(EntityKind::Order, Some(data)) else { return Ok(()) };
    let account = data.get("account");
    let customer = reference(EntityKind::Customer, account);
    reading.customer(account, data.get("customer"))?;
    item_links(reading, Some(&order), data);
    for item in json::list(data, "items") {
        let subscription = reference(EntityKind::Subscription, item.get("subscription"));
        reading.out.link(subscription.as_ref(), customer.as_ref());
        if let Some(Value::Object(embedded)) = item.get("subscription").filter(|_| stage == Stage::Completed) {
            reading.subscription(&described(embedded, item), rank::OPENS)?;
        }
    }
    let total = json::at(data, "total");
    match stage {
        // The first payment, so that a return of it finds what it takes back.
        Stage::Completed => payment(reading, &order, data, PaymentStatus::Paid, total)?,
        Stage::Canceled => payment(reading, &order, data, PaymentStatus::Voided, total)?,
        Stage::Open => return reading.notice(EntityKind::Order, Some(data)),
    }
    purchases::purchase(reading, &order, stage)
}

/// A subscription inside an order only names its product; the order's line says more of it.
fn described<'a>(embedded: &Object<'a>, line: &Value<'a>) -> Value<'a> {
    let mut described = embedded.clone();
    for key in ["attributes", "sku"] {
        let is_said = embedded.get(key).is_some_and(|said| !said.is_null());
        if let (false, Some(said)) = (is_said, json::at(line, key)) {
            described.insert(key.into(), said.clone());
        }
    }
    Value::Object(described)
}

/// Order → subscription for every item that has one.
fn item_links(reading: &mut Reading<'_>, order: Option<&Entity>, data: &Value<'_>) {
    for item in json::list(data, "items") {
        let subscription = reference(EntityKind::Subscription, item.get("subscription"));
        reading.out.link(order, subscription.as_ref());
    }
}

/// A paid order. It has no lines: how long it lasts is in the subscription's `next`.
fn payment(
    reading: &mut Reading<'_>,
    order: &Entity,
    clock: &Value<'_>,
    status: PaymentStatus,
    total: Option<&Value<'_>>,
) -> Result<(), Unreadable> {
    let amount_paid = total.and_then(hundredths);
    let body = Payment {
        payment_id: order.id.clone(),
        status,
        amount_paid,
        lines: Vec::new(),
        items: Vec::new(),
        purchase: None,
    };
    reading.say(order, clock, rank::CHANGES, FactBody::Payment(body))
}

/// `return.created`. All went back when the return is worth the order; else what it lists.
pub fn refund(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let data = reading.data;
    let id = json::first_id(data, &["return", "id"]);
    let Some(refund) = entity(EntityKind::Refund, id) else { return Ok(()) };
    let original = reference(EntityKind::Order, data.get("original"));
    reading.out.link(Some(&refund), original.as_ref());
    item_links(reading, original.as_ref(), data);
    let amount = json::at(data, "totalReturn").and_then(hundredths);
    let total = json::at(data, "original/total").and_then(hundredths);
    let full = amount.zip(total).is_some_and(|(amount, total)| amount >= total);
    let product = |item: &Value<'_>| json::id_in(json::at(item, "product")?, &["product", "id", "path"]);
    let products = match full {
        true => Vec::new(),
        false => json::list(data, "items").iter().filter_map(product).collect(),
    };
    let succeeded = json::at(data, "completed") != Some(&Value::Bool(false));
    let body = Refund { refund_id: refund.id.clone(), succeeded, amount, full, products };
    reading.say(&refund, data, rank::CHANGES, FactBody::Refund(body))
}

/// `chargeback.created`. Its `id` is the order's; the dispute is the processor's case.
/// <https://developer.fastspring.com/reference/order-chargeback>
pub fn chargeback(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let data = reading.data;
    let order = reference(EntityKind::Order, data.get("order")).or_else(|| reference(EntityKind::Order, Some(data)));
    let case = json::first_id(data, &["processorCaseId"]).or_else(|| order.as_ref().map(|order| order.id.clone()));
    let Some(dispute) = entity(EntityKind::Dispute, case) else { return Ok(()) };
    reading.out.link(Some(&dispute), order.as_ref());
    let word = json::text_at(data, "status").unwrap_or_default().to_ascii_uppercase();
    let (status, rank) = match word.as_str() {
        word if word.contains("LOST") => (DisputeStatus::Lost, rank::ENDS),
        word if word.contains("WON") || word.contains("REVERSED") => (DisputeStatus::Won, rank::ENDS),
        // `NEW` and what else there may be: it is a chargeback, and it is not decided.
        _ => (DisputeStatus::Open, rank::CHANGES),
    };
    let body = Dispute { dispute_id: dispute.id.clone(), status };
    reading.say(&dispute, data, rank, FactBody::Dispute(body))
}

/// `payoutEntry.created`: accounting, but it ties an order to its subscriptions.
pub fn payout(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let data = reading.data;
    let named = entity(EntityKind::Order, json::first_id(data, &["orderId"]));
    let order = named.or_else(|| reference(EntityKind::Order, data.get("order")));
    for subscription in json::list(data, "subscriptions") {
        let subscription = reference(EntityKind::Subscription, Some(subscription));
        reading.out.link(order.as_ref(), subscription.as_ref());
    }
    if let Some(order_data) = data.get("order") {
        item_links(reading, order.as_ref(), order_data);
    }
    match order {
        Some(order) => reading.say(&order, &Value::Null, rank::NOTES, FactBody::Notice),
        None => Ok(()),
    }
}

/// `fulfillment.failed`: FastSpring could not deliver what it was to deliver itself.
pub fn fulfillment_failed(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let (order, subscription) = (reading.data.get("order"), reading.data.get("subscription"));
    let child = reference(EntityKind::Order, order);
    reading.out.link(child.as_ref(), reference(EntityKind::Subscription, subscription).as_ref());
    reading.notice(EntityKind::Order, order)
}
