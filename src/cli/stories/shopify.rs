//! A subscription contract of our own app, from its first order to its end, and the orders of
//! another app's subscription, in the shapes of API version 2026-04.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Message, Story};

/// The SKU of the demo catalog.
pub(in crate::cli) const SKU: &str = "PRO-MONTHLY";

pub(super) const STORIES: [&str; 10] = [
    "order-start",
    "order-renew",
    "order-refund",
    "contract-start",
    "contract-pay",
    "contract-fail",
    "contract-pause",
    "contract-resume",
    "contract-cancel",
    "contract-refund",
];

pub(super) fn messages(story: &Story<'_>, name: &str) -> Vec<Message> {
    let contract = |topic: &str, status: &str| story.shopify(topic, story.now, &story.contract(status));
    let (now, next) = (story.month(0), story.month(1));
    match name {
        // Another app's subscription: each charge is an order, and that is all that is seen.
        "order-start" => vec![
            story.shopify("orders/create", now, &story.order(0, now)),
            story.shopify("orders/paid", now, &story.order(0, now)),
        ],
        "order-renew" => vec![story.shopify("orders/paid", next, &story.order(1, next))],
        "order-refund" => vec![story.shopify("refunds/create", story.now, &story.refund())],
        "contract-start" => vec![
            story.shopify("orders/paid", now, &story.order(0, now)),
            contract("subscription_contracts/create", "active"),
        ],
        "contract-pay" => vec![
            story.shopify("orders/paid", next, &story.order(1, next)),
            story.shopify(
                "subscription_billing_attempts/success",
                next,
                &story.attempt(json!(story.order_id(1)), None),
            ),
            contract("subscription_contracts/update", "active"),
        ],
        "contract-fail" => {
            let declined = story.attempt(Value::Null, Some("payment_method_declined"));
            vec![story.shopify("subscription_billing_attempts/failure", next, &declined)]
        }
        "contract-pause" => vec![contract("subscription_contracts/pause", "paused")],
        "contract-resume" => vec![contract("subscription_contracts/activate", "active")],
        "contract-cancel" => vec![contract("subscription_contracts/cancel", "cancelled")],
        _ => vec![story.shopify("refunds/create", story.now, &story.refund())],
    }
}

/// The number itself, else one that stays the same: Shopify's ids are numbers.
fn number(name: &str) -> u64 {
    let hashed = || Sha256::digest(name.as_bytes()).iter().take(6).fold(0, |n, byte| n << 8 | u64::from(*byte));
    name.parse().unwrap_or_else(|_| hashed())
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Story<'_> {
    fn shopify(&self, topic: &str, at: DateTime<Utc>, body: &Value) -> Message {
        let id = self.id("wh", &topic.replace('/', "-"), 0);
        let headers = [
            ("x-shopify-topic", topic.to_owned()),
            ("x-shopify-webhook-id", id),
            ("x-shopify-triggered-at", written(at)),
        ];
        Message { headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), ..Message::of(body) }
    }

    fn contract_id(&self) -> u64 {
        number(self.subscription)
    }

    fn customer_id(&self) -> u64 {
        number(&format!("{}/customer", self.subscription))
    }

    fn order_id(&self, period: u32) -> u64 {
        number(&format!("{}/order/{}", self.subscription, self.period + period))
    }

    fn contract(&self, status: &str) -> Value {
        let (id, customer, order) =
            (self.contract_id(), self.customer_id(), number(&format!("{}/order/0", self.subscription)));
        json!({"admin_graphql_api_id": format!("gid://shopify/SubscriptionContract/{id}"), "id": id,
            "billing_policy": {"interval": "month", "interval_count": 1, "min_cycles": 1, "max_cycles": null},
            "currency_code": "EUR", "customer_id": customer,
            "admin_graphql_api_customer_id": format!("gid://shopify/Customer/{customer}"),
            "delivery_policy": {"interval": "month", "interval_count": 1}, "status": status,
            "admin_graphql_api_origin_order_id": format!("gid://shopify/Order/{order}"), "origin_order_id": order,
            "revision_id": self.now.timestamp_micros().to_string()})
    }

    fn order(&self, period: u32, at: DateTime<Utc>) -> Value {
        let (id, at) = (self.order_id(period), written(at));
        let source = if self.period + period == 0 { "web" } else { "subscription_contract_checkout_one" };
        json!({"id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "name": "#1001",
            "email": "ada@example.com", "contact_email": "ada@example.com", "financial_status": "paid", "test": false,
            "source_name": source, "currency": "EUR", "total_price": "10.00", "current_total_price": "10.00",
            "created_at": at, "processed_at": at, "updated_at": at, "cancelled_at": null, "tags": "Subscription",
            "customer": {"id": self.customer_id(), "email": "ada@example.com", "first_name": "Ada", "last_name": "Example"},
            "line_items": [{"id": number(&format!("{id}/line")), "sku": SKU, "variant_id": 4001, "product_id": 3001,
                "quantity": 1, "current_quantity": 1, "title": "Pro", "price": "10.00", "properties": []}],
            "note_attributes": [], "refunds": []})
    }

    fn attempt(&self, order: Value, error: Option<&str>) -> Value {
        let (id, contract) = (number(&self.id("attempt", "", 0)), self.contract_id());
        json!({"id": id, "admin_graphql_api_id": format!("gid://shopify/SubscriptionBillingAttempt/{id}"),
            "idempotency_key": self.id("key", "attempt", 0), "order_id": order, "subscription_contract_id": contract,
            "admin_graphql_api_subscription_contract_id": format!("gid://shopify/SubscriptionContract/{contract}"),
            "ready": true, "error_message": error, "error_code": error})
    }

    fn refund(&self) -> Value {
        let (order, at) = (self.order_id(0), written(self.now));
        json!({"id": number(&format!("{order}/refund")), "order_id": order, "created_at": at, "processed_at": at,
            "refund_line_items": [], "transactions": [{"kind": "refund", "status": "success", "amount": "10.00"}]})
    }
}
