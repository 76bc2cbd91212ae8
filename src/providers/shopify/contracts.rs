//! Our own subscription contracts, and the attempts to bill them.
//! <https://shopify.dev/docs/api/admin-graphql/latest/objects/SubscriptionContract>
//!
//! Only contracts that our own app made are told of. Their bodies name neither product nor
//! price nor the next billing date: a contract is for what its last order bought, and a payment
//! lasts one interval of its billing policy.

use super::translate::Reading;
use crate::domain::dates::Interval;
use crate::domain::fact::{EntityKind, FactBody, Payment, PaymentStatus, Snapshot, Status};
use crate::providers::json::Value;
use crate::providers::out::{entity, rank};
use crate::providers::{Unreadable, json};

/// The longest interval that is believed, in its own unit.
const INTERVAL_COUNT_MAX: i64 = 1_000;

/// `subscription_contracts/*`. What counts is the body, which may be newer than the topic.
pub fn contract(reading: &mut Reading<'_>, rank: u8) -> Result<(), Unreadable> {
    let body = reading.body;
    let Some(contract) = reading.refers(EntityKind::Subscription, "id") else {
        return Err(json::unreadable("the contract has no id"));
    };
    let revision =
        json::at(body, "revision_id").and_then(json::whole).and_then(|revision| u64::try_from(revision).ok());
    let revision = revision.ok_or_else(|| json::unreadable("the contract's revision_id is missing or no number"))?;
    let clock = reading.event.at(&["updated_at"])?;
    let customer = reading.refers(EntityKind::Customer, "customer_id");
    let provider_status = json::text_at(body, "status").unwrap_or_default();
    let status = status(&provider_status);
    reading.out.link(Some(&contract), customer.as_ref());
    reading.out.link(reading.refers(EntityKind::Order, "origin_order_id").as_ref(), Some(&contract));
    let after = Snapshot {
        status,
        provider_status,
        livemode: !reading.event.is_test,
        customer_id: customer.map(|customer| customer.id),
        ended_at: (status == Status::Canceled).then_some(clock.at),
        revision: Some(revision),
        interval: json::at(body, "billing_policy").and_then(interval),
        runs_out: status == Status::Canceled,
        ..Snapshot::default()
    };
    let within = i64::try_from(revision).unwrap_or(i64::MAX);
    let body = FactBody::Subscription { after: Box::new(after), before: None };
    reading.say_within(&contract, clock, within, rank, body);
    Ok(())
}

/// <https://shopify.dev/docs/api/admin-graphql/latest/enums/SubscriptionContractSubscriptionStatus>
fn status(word: &str) -> Status {
    match word.to_ascii_lowercase().as_str() {
        "active" => Status::Active,
        "paused" => Status::Paused,
        "cancelled" | "expired" => Status::Canceled,
        // The app gave up: what was paid for runs out, grace included.
        "failed" => Status::PastDue,
        _ => Status::Unknown,
    }
}

fn interval(policy: &Value<'_>) -> Option<Interval> {
    let count = json::at(policy, "interval_count").and_then(json::whole)?;
    let count = u32::try_from(count).ok().filter(|count| (1..=INTERVAL_COUNT_MAX).contains(&i64::from(*count)))?;
    Some(match json::text_at(policy, "interval")?.to_ascii_lowercase().as_str() {
        "day" => Interval::Days(count),
        "week" => Interval::Days(count.checked_mul(7)?),
        "month" => Interval::Months(count),
        "year" => Interval::Months(count.checked_mul(12)?),
        _ => return None,
    })
}

/// `subscription_billing_attempts/*`. A success pays the order it made. A failure made none, and
/// must not take back the payment of an order it may still name.
pub fn attempt(reading: &mut Reading<'_>, succeeded: bool) -> Result<(), Unreadable> {
    let body = reading.body;
    let contract = reading.refers(EntityKind::Subscription, "subscription_contract_id");
    let order = reading.refers(EntityKind::Order, "order_id");
    reading.out.link(order.as_ref(), contract.as_ref());
    let own = reading.refers(EntityKind::Invoice, "id");
    let own = own.or_else(|| entity(EntityKind::Invoice, json::first_id(body, &["idempotency_key"])));
    let Some(payment) = order.filter(|_| succeeded).or(own) else {
        return Err(json::unreadable("the billing attempt has neither id nor key"));
    };
    reading.out.link(Some(&payment), contract.as_ref());
    let clock = reading.event.at(&["completed_at", "created_at"])?;
    let status = if succeeded { PaymentStatus::Paid } else { PaymentStatus::Failed };
    let body = match reading.worthless {
        true => FactBody::Notice,
        false => FactBody::Payment(Payment {
            payment_id: payment.id.clone(),
            status,
            amount_paid: None,
            lines: Vec::new(),
            items: Vec::new(),
            purchase: None,
        }),
    };
    reading.say(&payment, clock, rank::CHANGES, body);
    Ok(())
}
