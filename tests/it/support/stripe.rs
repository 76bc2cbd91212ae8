//! Stripe events as Stripe writes them (2025-03-31.basil and later), by hand.

use serde_json::{Value, json};

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// An event.
pub fn event(id: &str, event_type: &str, created: i64, object: &Value, previous: Option<Value>) -> Value {
    let mut data = json!({"object": object});
    if let Some(previous) = previous {
        data["previous_attributes"] = previous;
    }
    json!({"id": id, "object": "event", "api_version": "2026-03-25.dahlia", "created": created, "livemode": true,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": event_type, "data": data})
}

/// A subscription of one item; change what differs.
pub fn subscription(id: &str, status: &str, price: &str, quantity: i64, period: (i64, i64)) -> Value {
    json!({"id": id, "object": "subscription", "customer": format!("cus_{id}"), "status": status, "livemode": true,
        "created": period.0, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
        "trial_start": null, "trial_end": null, "pause_collection": null, "collection_method": "charge_automatically",
        "metadata": {}, "items": {"object": "list", "has_more": false, "data": [{
            "id": format!("si_{id}"), "object": "subscription_item", "current_period_start": period.0, "current_period_end": period.1,
            "quantity": quantity, "metadata": {},
            "price": {"id": price, "object": "price", "product": format!("prod_{price}"), "lookup_key": null, "type": "recurring",
                "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"}, "metadata": {}}}]}})
}

/// An invoice of one line for that subscription's item.
pub fn invoice(id: &str, subscription: &str, status: &str, price: &str, period: (i64, i64)) -> Value {
    let paid = if status == "paid" { 1000 } else { 0 };
    json!({"id": id, "object": "invoice", "status": status, "livemode": true, "customer": format!("cus_{subscription}"),
        "customer_email": format!("{subscription}@example.com"), "amount_due": 1000, "amount_paid": paid, "billing_reason": "subscription_cycle",
        "period_start": period.0 - 30 * DAY, "period_end": period.0,
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription, "metadata": {}}},
        "lines": {"object": "list", "has_more": false, "data": [{
            "id": format!("il_{id}"), "object": "line_item", "amount": 1000, "period": {"start": period.0, "end": period.1},
            "parent": {"type": "subscription_item_details", "subscription_item_details": {
                "subscription": subscription, "subscription_item": format!("si_{subscription}"), "proration": false}},
            "pricing": {"type": "price_details", "price_details": {"price": price, "product": format!("prod_{price}")}}, "quantity": 1}]}})
}
