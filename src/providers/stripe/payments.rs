//! Money objects: invoices, and what leads from a refund or dispute back to them.
//! <https://docs.stripe.com/api/invoices/object> · <https://docs.stripe.com/api/invoice-payment/object>
//!
//! Since basil (2025-03-31) neither charge nor payment intent names its invoice; then
//! `invoice_payment.paid` is the only edge.

use std::collections::BTreeSet;

use super::checkout;
use super::translate::{Reading, named};
use super::wire::metered;
use crate::domain::fact::{
    Dispute, DisputeStatus, Entity, EntityKind, FactBody, Item, Payment, PaymentLine, PaymentStatus, Refund,
};
use crate::providers::json::Value;
use crate::providers::out::{entity, rank};
use crate::providers::{Unreadable, json};

pub fn invoice(reading: &mut Reading<'_>) -> Result<(), Unreadable> {
    let Some(invoice) = reading.this(EntityKind::Invoice) else { return Ok(()) };
    let object = reading.object;
    invoice_links(reading, &invoice);
    let status = payment_status(object, &reading.event.kind);
    let payment = Payment {
        payment_id: invoice.id.clone(),
        status,
        amount_paid: json::at(object, "amount_paid").and_then(json::whole),
        lines: lines(object),
        items: bought(object)?,
        purchase: None,
    };
    reading.say(&invoice, 0, payment_rank(status), FactBody::Payment(payment));

    // The invoice's copy of the customer is frozen when it is finalised, so it is no newer than that.
    let frozen_at = json::seconds_at(object, "status_transitions/finalized_at");
    let at = frozen_at.map_or(reading.created, |at| at.min(reading.created));
    let copy = named(json::text_at(object, "customer_email"), json::text_at(object, "customer_name"), None);
    if let Some(customer) = reading.buyer() {
        reading.copied_customer(&customer, at, copy);
    }
    Ok(())
}

/// The lines that buy time. A list that was cut off (`has_more`) also buys that time for items it
/// does not show, which are told apart by their period alone.
fn lines(invoice: &Value<'_>) -> Vec<PaymentLine> {
    let mut lines: Vec<PaymentLine> = json::list(invoice, "lines/data").iter().filter_map(line).collect();
    if json::at(invoice, "lines/has_more") == Some(&Value::Bool(true)) {
        // What was billed by hand beside the subscription has no item.
        let is_period = |line: &&PaymentLine| line.item_id.is_some() && !line.metered && !line.proration;
        let shown = lines.iter().filter(is_period);
        let periods: BTreeSet<_> = shown.map(|line| (line.start, line.end)).collect();
        lines.extend(periods.into_iter().map(|(start, end)| PaymentLine {
            item_id: None,
            price: None,
            start,
            end,
            metered: false,
            proration: false,
        }));
    }
    lines
}

/// What an invoice sells that is for no subscription (Checkout makes such, where it is told to).
fn bought(invoice: &Value<'_>) -> Result<Vec<Item>, Unreadable> {
    if !subscriptions(invoice).is_empty() {
        return Ok(Vec::new());
    }
    let sold = json::list(invoice, "lines/data").iter().filter(|line| !is_credit(line)).map(checkout::bought);
    let mut items: Vec<Item> = sold.collect::<Result<_, _>>()?;
    items.retain(|item| !item.product.keys.is_empty());
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    Ok(items)
}

fn invoice_links(reading: &mut Reading<'_>, invoice: &Entity) {
    let (object, customer) = (reading.object, reading.buyer());
    for subscription in subscriptions(object) {
        reading.out.link(Some(invoice), Some(&subscription));
        reading.out.link(Some(&subscription), customer.as_ref());
    }
    // `payments` only when expanded, the top-level fields only before basil.
    for holder in json::list(object, "payments/data").iter().filter_map(|p| p.get("payment")).chain([object]) {
        let intent = entity(EntityKind::PaymentIntent, json::first_id(holder, &["payment_intent"]));
        let charge = entity(EntityKind::Charge, json::first_id(holder, &["charge"]));
        reading.out.link(intent.as_ref(), Some(invoice));
        reading.out.link(charge.as_ref(), Some(invoice));
    }
}

/// The subscription an invoice is for: the newest shape first; where the invoice names none
/// (items billed by hand), those its lines name.
pub fn subscriptions(invoice: &Value<'_>) -> Vec<Entity> {
    let own = json::first_id(invoice, &["parent/subscription_details/subscription", "subscription"]);
    let of_line = |line| {
        let new = ["parent/subscription_item_details/subscription", "parent/invoice_item_details/subscription"];
        json::first_id(line, &new).or_else(|| json::first_id(line, &["subscription"]))
    };
    let ids = match own {
        Some(own) => vec![own],
        None => json::list(invoice, "lines/data").iter().filter_map(of_line).collect(),
    };
    ids.into_iter().map(Entity::subscription).collect()
}

/// From the snapshot, which may be newer than the event's name; the name only where it is silent.
fn payment_status(invoice: &Value<'_>, kind: &str) -> PaymentStatus {
    let status = json::at(invoice, "status").and_then(Value::as_str);
    let paid = json::at(invoice, "paid") == Some(&Value::Bool(true));
    match (status, kind) {
        (Some("void"), _) | (_, "invoice.deleted") => PaymentStatus::Voided,
        (Some("paid"), _) => PaymentStatus::Paid,
        (_, _) if paid => PaymentStatus::Paid,
        (Some("uncollectible"), _) => PaymentStatus::Uncollectible,
        (_, "invoice.payment_failed") => PaymentStatus::Failed,
        (None, "invoice.paid" | "invoice.payment_succeeded") => PaymentStatus::Paid,
        (None, "invoice.voided") => PaymentStatus::Voided,
        (None, "invoice.marked_uncollectible") => PaymentStatus::Uncollectible,
        _ => PaymentStatus::Open,
    }
}

/// Inside one second an invoice only moves forward, and `invoice.finalized`, `.updated` and
/// `.paid` share one: what the snapshot says orders them better than what they are called.
fn payment_rank(status: PaymentStatus) -> u8 {
    match status {
        PaymentStatus::Open => rank::NOTES,
        PaymentStatus::Failed | PaymentStatus::Uncollectible => rank::CHANGES,
        PaymentStatus::Paid | PaymentStatus::Voided => rank::ENDS,
    }
}

/// A credit ("unused time on …") takes time back rather than buys it.
fn is_credit(line: &Value<'_>) -> bool {
    json::at(line, "amount").and_then(json::whole).is_some_and(|amount| amount < 0)
}

/// <https://docs.stripe.com/api/invoice-line-item/object>
fn line(line: &Value<'_>) -> Option<PaymentLine> {
    if is_credit(line) {
        return None;
    }
    let (start, end) = (json::seconds_at(line, "period/start")?, json::seconds_at(line, "period/end")?);
    let items = ["parent/subscription_item_details/subscription_item", "subscription_item"];
    let prices = ["pricing/price_details/price", "price", "plan"];
    let products = ["pricing/price_details/product", "price/product", "plan/product"];
    let prorations =
        ["parent/subscription_item_details/proration", "parent/invoice_item_details/proration", "proration"];
    Some(PaymentLine {
        item_id: json::first_id(line, &items),
        price: json::first_id(line, &prices).or_else(|| json::first_id(line, &products)),
        start,
        end,
        metered: metered(line),
        proration: prorations.iter().find_map(|path| json::at(line, path)?.as_bool()).unwrap_or(false),
    })
}

pub fn invoice_payment(reading: &mut Reading<'_>) {
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    let intent = reading.at(EntityKind::PaymentIntent, &["payment/payment_intent"]);
    let charge = reading.at(EntityKind::Charge, &["payment/charge"]);
    reading.out.link(intent.as_ref(), invoice.as_ref());
    reading.out.link(charge.as_ref(), invoice.as_ref());
    if let Some(invoice) = invoice {
        reading.say(&invoice, 0, rank::NOTES, FactBody::Notice);
    }
}

/// <https://docs.stripe.com/api/charges/object>
pub fn charge(reading: &mut Reading<'_>, refunded: bool) {
    let Some(charge) = reading.this(EntityKind::Charge) else { return };
    let object = reading.object;
    let intent = reading.at(EntityKind::PaymentIntent, &["payment_intent"]);
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    reading.out.link(Some(&charge), intent.as_ref());
    reading.out.link(Some(&charge), invoice.as_ref());
    reading.out.link(intent.as_ref(), invoice.as_ref());
    let amount = |key| json::at(object, key).and_then(json::whole).unwrap_or(0);
    if refunded {
        let (amount, amount_refunded) = (amount("amount"), amount("amount_refunded"));
        let full = json::at(object, "refunded") == Some(&Value::Bool(true));
        // A running total: of two refunds in one second the larger total is the later one.
        let body = FactBody::ChargeRefunds { amount, amount_refunded, full };
        reading.say(&charge, amount_refunded, rank::CHANGES, body);
    } else {
        reading.notice(EntityKind::Charge);
    }
}

/// <https://docs.stripe.com/api/refunds/object>
pub fn refund(reading: &mut Reading<'_>) {
    let Some(refund) = reading.this(EntityKind::Refund) else { return };
    let charge = reading.at(EntityKind::Charge, &["charge"]);
    let intent = reading.at(EntityKind::PaymentIntent, &["payment_intent"]);
    reading.out.link(Some(&refund), charge.as_ref());
    reading.out.link(Some(&refund), intent.as_ref());
    let status = json::at(reading.object, "status").and_then(Value::as_str);
    // Refunds had no status before 2014: they had happened. A failed one is never mended.
    let succeeded = matches!(status, Some("succeeded") | None) && reading.event.kind != "refund.failed";
    let rank = match status {
        _ if succeeded => rank::CHANGES,
        Some("pending" | "requires_action") => rank::NOTES,
        _ => rank::ENDS,
    };
    let amount = json::at(reading.object, "amount").and_then(json::whole);
    let body = Refund { refund_id: refund.id.clone(), succeeded, amount, full: false, products: Vec::new() };
    reading.say(&refund, 0, rank, FactBody::Refund(body));
}

/// <https://docs.stripe.com/api/disputes/object>
pub fn dispute(reading: &mut Reading<'_>) {
    let Some(dispute) = reading.this(EntityKind::Dispute) else { return };
    let charge = reading.at(EntityKind::Charge, &["charge"]);
    let intent = reading.at(EntityKind::PaymentIntent, &["payment_intent"]);
    reading.out.link(Some(&dispute), charge.as_ref());
    reading.out.link(Some(&dispute), intent.as_ref());
    let (status, rank) = match json::at(reading.object, "status").and_then(Value::as_str) {
        Some("needs_response" | "under_review") => (DisputeStatus::Open, rank::CHANGES),
        Some("lost") => (DisputeStatus::Lost, rank::ENDS),
        // Prevented, or settled by a refund that has its own events: nothing is disputed any more.
        Some("won" | "prevented" | "charge_refunded") => (DisputeStatus::Won, rank::ENDS),
        Some("warning_closed") => (DisputeStatus::Inquiry, rank::ENDS),
        // `warning_*`, and words to come: nobody loses a license over a word nobody knows.
        _ => (DisputeStatus::Inquiry, rank::NOTES),
    };
    let body = Dispute { dispute_id: dispute.id.clone(), status };
    reading.say(&dispute, 0, rank, FactBody::Dispute(body));
}

/// <https://docs.stripe.com/api/payment_intents/object>
pub fn payment_intent(reading: &mut Reading<'_>) {
    let Some(intent) = reading.this(EntityKind::PaymentIntent) else { return };
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    let latest = reading.at(EntityKind::Charge, &["latest_charge"]);
    reading.out.link(Some(&intent), invoice.as_ref());
    reading.out.link(latest.as_ref(), Some(&intent));
    // `charges` before 2022-11-15.
    for charge in json::list(reading.object, "charges/data") {
        reading.out.link(entity(EntityKind::Charge, json::id(charge)).as_ref(), Some(&intent));
    }
    reading.notice(EntityKind::PaymentIntent);
}
