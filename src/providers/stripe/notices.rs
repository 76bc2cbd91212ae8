//! What changes nothing, but belongs into the history of what it speaks of.

use super::payments;
use super::translate::Reading;
use super::wire::Event;
use crate::domain::fact::{Entity, EntityKind, FactBody, Translation};
use crate::providers::json;
use crate::providers::out::{Out, rank};

/// Stripe tells of one change in either form, or in both.
const THIN: &str = "a thin event names what changed and says nothing of it: \
    let Stripe send snapshot events to this endpoint";

/// `v2.core.event`: no data, only what it is about.
/// <https://docs.stripe.com/event-destinations#thin-events>
pub fn thin(event: &Event<'_>) -> Translation {
    let mut out = Out::new(event.id.clone(), String::new(), event.id.clone());
    if let (Some(about), Some(at)) = (event.related.as_deref().and_then(by_prefix), event.created) {
        out.fact(&about, at, 0, rank::NOTES, FactBody::Notice);
    }
    // Told in full as well, it lacks nothing.
    if !event.has_snapshot_twin {
        out.lacks(THIN);
    }
    out.finish()
}

/// Stripe's ids say what they are of.
fn by_prefix(id: &str) -> Option<Entity> {
    let kind = match id.split_once('_')?.0 {
        "sub" => EntityKind::Subscription,
        "in" => EntityKind::Invoice,
        "pi" => EntityKind::PaymentIntent,
        "ch" | "py" => EntityKind::Charge,
        "re" | "pyr" => EntityKind::Refund,
        "dp" | "du" => EntityKind::Dispute,
        "cus" => EntityKind::Customer,
        "prod" | "price" => EntityKind::Product,
        _ => return None,
    };
    Some(Entity::new(kind, id))
}

/// `subscription_schedule.*`. Released, a schedule has let go of its subscription.
/// <https://docs.stripe.com/api/subscription_schedules/object>
pub fn schedule(reading: &mut Reading<'_>) {
    let subscription = reading.at(EntityKind::Subscription, &["subscription", "released_subscription"]);
    reading.note(subscription.as_ref());
}

/// `invoice.upcoming`: a reminder of an invoice that may become real.
pub fn upcoming_invoice(reading: &mut Reading<'_>) {
    for subscription in payments::subscriptions(reading.object) {
        reading.note(Some(&subscription));
    }
}

/// `credit_note.*`. <https://docs.stripe.com/api/credit_notes/object>
pub fn credit_note(reading: &mut Reading<'_>) {
    let invoice = reading.at(EntityKind::Invoice, &["invoice"]);
    let refund = reading.at(EntityKind::Refund, &["refund"]);
    reading.out.link(refund.as_ref(), invoice.as_ref());
    for refund in json::list(reading.object, "refunds") {
        let refund = json::first_id(refund, &["refund"]).map(|id| Entity::new(EntityKind::Refund, id));
        reading.out.link(refund.as_ref(), invoice.as_ref());
    }
    reading.note(invoice.as_ref());
}

/// `entitlements.*`. Its object has no id, only a customer.
pub fn entitlements(reading: &mut Reading<'_>) {
    let customer = reading.buyer();
    reading.note(customer.as_ref());
}
