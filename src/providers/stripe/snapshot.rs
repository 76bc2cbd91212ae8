//! A subscription object as a [`Snapshot`]. <https://docs.stripe.com/api/subscriptions/object>
//!
//! Shapes are chosen by what is there, newest first, never by `api_version`: since basil
//! (2025-03-31) periods are on the items; before, on the subscription; in between, on both.

use super::catalog::product_of;
use super::wire::{customer_id, metered};
use crate::domain::fact::{Item, PauseCollection, Snapshot, Status};
use crate::providers::json::Value;
use crate::providers::{Unreadable, json};

/// Reads a subscription object. `deleted`: the event says that it is gone, which is final.
pub fn snapshot(subscription: &Value<'_>, livemode: bool, deleted: bool) -> Result<Snapshot, Unreadable> {
    let provider_status = json::text_at(subscription, "status").unwrap_or_default();
    let (status, terminal) = if deleted { (Status::Canceled, true) } else { status(&provider_status) };
    let (items, items_complete) = items(subscription)?;
    let cancel_at = json::seconds_at(subscription, "cancel_at").or_else(|| {
        // Mixed intervals: Stripe ends the subscription with the period that ends first.
        let at_period_end = json::at(subscription, "cancel_at_period_end") == Some(&Value::Bool(true));
        items.iter().filter_map(|item| item.period_end).min().filter(|_| at_period_end)
    });
    Ok(Snapshot {
        status,
        provider_status,
        terminal,
        livemode,
        customer_id: customer_id(subscription),
        trial_end: json::seconds_at(subscription, "trial_end"),
        cancel_at,
        ended_at: json::seconds_at(subscription, "ended_at"),
        pause_collection: json::at(subscription, "pause_collection").map(pause_collection),
        items,
        items_complete,
        ..Snapshot::default()
    })
}

/// <https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>
fn status(word: &str) -> (Status, bool) {
    match word {
        "incomplete" => (Status::Incomplete, false),
        "trialing" => (Status::Trialing, false),
        "active" => (Status::Active, false),
        "past_due" => (Status::PastDue, false),
        "unpaid" => (Status::Unpaid, false),
        "paused" => (Status::Paused, false),
        "canceled" | "incomplete_expired" => (Status::Canceled, true),
        _ => (Status::Unknown, false),
    }
}

fn pause_collection(pause: &Value<'_>) -> PauseCollection {
    PauseCollection {
        behavior: json::text_at(pause, "behavior").unwrap_or_default(),
        resumes_at: json::seconds_at(pause, "resumes_at"),
    }
}

/// The items by id, and whether they are all.
fn items(subscription: &Value<'_>) -> Result<(Vec<Item>, bool), Unreadable> {
    let listed = json::at(subscription, "items/data").and_then(Value::as_array);
    let mut items = match listed {
        Some(listed) => listed.iter().map(|found| item(found, subscription)).collect::<Result<Vec<_>, _>>()?,
        // The oldest shape: one plan and a quantity on the subscription itself.
        None if json::at(subscription, "plan").is_some() => {
            vec![Item { item_id: "main".to_owned(), ..item(subscription, subscription)? }]
        }
        None => return Ok((Vec::new(), false)),
    };
    items.sort_by(|a, b| a.item_id.cmp(&b.item_id));
    Ok((items, json::at(subscription, "items/has_more") != Some(&Value::Bool(true))))
}

fn item(item: &Value<'_>, subscription: &Value<'_>) -> Result<Item, Unreadable> {
    let period = |key| json::seconds_at(item, key).or_else(|| json::seconds_at(subscription, key));
    let metered = metered(item);
    // Metered items have no quantity; a licensed item that says none is one.
    let quantity = json::count(item, "quantity")?.or((!metered).then_some(1));
    Ok(Item {
        item_id: json::first_id(item, &["id"]).unwrap_or_else(|| "main".to_owned()),
        product: product_of(item),
        quantity,
        period_start: period("current_period_start"),
        period_end: period("current_period_end"),
        metered,
        one_off: false,
    })
}
