//! A Stripe shop in short: buy, renew, change seats, cancel.

use serde_json::{Value, json};

use super::service::Service;
use super::stripe::{DAY, event, invoice, subscription};

pub fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

/// When the run began: periods hang on it, so that the same word said twice is the same.
fn base() -> i64 {
    static BASE: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *BASE.get_or_init(now)
}

/// The order id of a subscription's PRO license.
pub fn order(id: &str) -> String {
    format!("stripe-main:{id}:PRO")
}

pub async fn post(service: &Service, body: Value) {
    let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}

/// A subscription from an hour ago to 30 days from now, and its payment.
pub async fn buy(service: &Service, id: &str, price: &str, seats: i64) {
    let period = (base() - 3_600, base() + 30 * DAY);
    let created = subscription(id, "active", price, seats, period);
    post(service, event(&format!("evt_{id}_created"), "customer.subscription.created", period.0, &created, None)).await;
    let paid = invoice(&format!("in_{id}"), id, "paid", price, period);
    post(service, event(&format!("evt_{id}_paid"), "invoice.paid", period.0 + 1, &paid, None)).await;
}

/// The next period is paid for; `at` tells its place in the order of things.
pub async fn renew(service: &Service, id: &str, price: &str, seats: i64, at: i64) {
    let period = (base() - 3_600 + at, base() + 60 * DAY);
    let told = base() - 3_000 + at;
    let after = subscription(id, "active", price, seats, period);
    post(service, event(&format!("evt_{id}_renewed_{at}"), "customer.subscription.updated", told, &after, None)).await;
    let paid = invoice(&format!("in_{id}_{at}"), id, "paid", price, period);
    post(service, event(&format!("evt_{id}_paid_{at}"), "invoice.paid", told, &paid, None)).await;
}

/// What the subscription looks like from now on, in the same period.
pub async fn change(service: &Service, id: &str, price: &str, seats: i64, at: i64) {
    let period = (base() - 3_600, base() + 30 * DAY);
    let after = subscription(id, "active", price, seats, period);
    let told = base() - 3_000 + at;
    post(service, event(&format!("evt_{id}_changed_{at}"), "customer.subscription.updated", told, &after, None)).await;
}

/// Canceled at once.
pub async fn cancel(service: &Service, id: &str) {
    let period = (base() - 3_600, base() + 30 * DAY);
    let mut gone = subscription(id, "canceled", "price_pro", 1, period);
    gone["ended_at"] = json!(now());
    post(service, event(&format!("evt_{id}_deleted"), "customer.subscription.deleted", now(), &gone, None)).await;
}

/// How many licenses of the sandbox are on.
pub async fn enabled(service: &Service) -> usize {
    service.sandbox.licenses().await.iter().filter(|l| l["enabled"] == true).count()
}

/// Edits the license of a subscription at LicenseSpring, by hand; null: deletes it.
pub async fn edit(service: &Service, id: &str, set: Value) {
    let license = service.sandbox.license(&order(id)).await.unwrap()["id"].clone();
    let body = if set.is_null() {
        json!({"license_id": license, "delete": true})
    } else {
        json!({"license_id": license, "set": set})
    };
    service.sandbox.control("POST", "/vendor-edit", &body).await;
}
