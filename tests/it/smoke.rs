//! The shortest way through everything.

use serde_json::json;

use crate::support::service::Service;
use crate::support::stripe::{DAY, event, invoice, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_stripe_subscription_becomes_a_license_with_one_call() {
    let service = Service::start().await;
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    for body in [
        event("evt_2", "invoice.paid", now, &invoice("in_1", "sub_1", "paid", "price_pro", period), None),
        event(
            "evt_1",
            "customer.subscription.created",
            now,
            &subscription("sub_1", "active", "price_pro", 3, period),
            None,
        ),
    ] {
        let (status, answer) = service.post("stripe-main", body.to_string().as_bytes()).await;
        assert_eq!(status, 200, "{answer}");
    }
    service.settled().await;
    let license = service.sandbox.license("stripe-main:sub_1:PRO").await.expect("a license");
    assert_eq!(license["enabled"], json!(true));
    assert_eq!(license["max_activations"], json!(3));
    assert_eq!(service.sandbox.mutating().await.len(), 1);
    let (status, shown) = service.get("/v1/subscriptions/stripe-main/sub_1").await;
    assert_eq!(status, 200);
    assert_eq!(shown["items"][0]["license"]["in_sync"], json!(true), "{shown}");
}
