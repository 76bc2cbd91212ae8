//! What is bought once, and what is only noted: Stripe and FastSpring, from door to license.

use chrono::Utc;
use serde_json::{Value, json};

use crate::support::service::Service;
use crate::support::stripe;

async fn stripe(service: &Service, id: &str, kind: &str, created: i64, object: Value) {
    let event = stripe::event(id, kind, created, &object, None);
    let (status, answer) = service.post("stripe-main", event.to_string().as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}

async fn fastspring(service: &Service, events: Value) {
    let post = json!({"events": events}).to_string();
    let (status, answer) = service.post("fastspring-main", post.as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
}

async fn license(service: &Service, order: &str) -> Value {
    service.sandbox.license(order).await.unwrap_or_else(|| panic!("no license of {order}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_of_a_guest_is_a_license_until_its_money_goes_back() {
    let service = Service::start().await;
    let now = Utc::now().timestamp();
    let session = |status: &str| {
        json!({"id":"cs_live_1","object":"checkout.session","mode":"payment","payment_status":status,"amount_total":4900,
            "payment_intent":"pi_1","customer":null,"customer_details":{"email":"ada@example.com","name":"Ada Guest"},
            "metadata":{"price":"price_pro"}})
    };
    stripe(&service, "evt_1", "checkout.session.completed", now - 90, session("unpaid")).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), 0, "slow money is waited for");
    stripe(&service, "evt_2", "checkout.session.async_payment_succeeded", now - 60, session("paid")).await;
    service.settled().await;
    let order = "stripe-main:cs_live_1:PRO";
    let bought = license(&service, order).await;
    assert_eq!((&bought["enabled"], &bought["validity_period"]), (&json!(true), &json!(null)), "{bought}");
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/cs_live_1").await;
    let item = &shown["items"][0];
    assert_eq!(
        (&shown["status"], &item["entitlement"]["state"], &item["entitlement"]["valid_until"]),
        (&json!("active"), &json!("active"), &json!(null)),
        "{shown}"
    );

    let charge = json!({"id":"ch_1","object":"charge","payment_intent":"pi_1","amount":4900,"amount_refunded":4900,"refunded":true});
    stripe(&service, "evt_3", "charge.refunded", now - 30, charge).await;
    service.settled().await;
    assert_eq!(license(&service, order).await["enabled"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_sells_a_subscription_and_a_purchase() {
    let service = Service::start().await;
    let now = Utc::now().timestamp_millis();
    let next = now + 30 * 86_400_000;
    let subscription = json!({"id":"fs1","state":"active","active":true,"changed":now - 5000,"account":"acc1","product":"pro-monthly",
        "quantity":3,"next":next,"nextChargeDate":next,"intervalUnit":"month","intervalLength":1});
    let order = json!({"id":"ord1","order":"ord1","changed":now - 4000,"account":"acc1","total":120,
        "customer":{"first":"Ada","last":"Buyer","email":"ada@example.com"},"items":[
        {"product":"pro-monthly","quantity":3,"subscription":subscription},{"product":"pro-monthly","quantity":5}]});
    let event =
        |id: &str, kind: &str, data: &Value| json!({"id":id,"created":now - 3000,"type":kind,"live":true,"data":data});
    let batch = json!([
        event("e1", "order.completed", &order),
        event("e2", "unheard.of", &json!({"id":"x"})),
        event("e3", "subscription.canceled", &json!({"subscription":"fs9"}))
    ]);
    fastspring(&service, batch).await;
    service.settled().await;
    let rented = license(&service, "fastspring-main:fs1:PRO").await;
    let bought = license(&service, "fastspring-main:order-ord1:PRO").await;
    assert!(rented["validity_period"].is_string() && bought["validity_period"].is_null(), "{bought}");
    assert_eq!((&rented["max_activations"], &bought["max_activations"]), (&json!(3), &json!(5)));

    let (_, events) = service.get("/v1/events?source=fastspring-main&order=asc").await;
    let shown = |n: usize| (events["events"][n]["status"].clone(), events["events"][n]["error"].is_string());
    assert_eq!(shown(0), (json!("applied"), false));
    assert_eq!(shown(1), (json!("unknown_type"), true));
    assert_eq!(shown(2), (json!("recorded"), true), "it only names its subscription");
    assert!(events["events"][2]["error"].as_str().unwrap().contains("webhook expansion"));

    let back = json!({"return":"ret1","changed":now - 1000,"original":{"id":"ord1","total":120},"totalReturn":120});
    fastspring(&service, json!([event("e4", "return.created", &back)])).await;
    service.settled().await;
    for order in ["fastspring-main:fs1:PRO", "fastspring-main:order-ord1:PRO"] {
        assert_eq!(license(&service, order).await["enabled"], json!(false), "{order}");
    }
}

/// A buyer of two subscriptions: each event belongs to the one it speaks of.
#[tokio::test(flavor = "multi_thread")]
async fn events_belong_to_what_they_speak_of_and_proposals_to_nothing() {
    let service = Service::start().await;
    let now = Utc::now().timestamp();
    for id in ["sub_a", "sub_b"] {
        let mut one = stripe::subscription(id, "active", "price_pro", 1, (now - 100, now + 30 * stripe::DAY));
        one["customer"] = json!("cus_both");
        stripe(&service, &format!("evt_{id}"), "customer.subscription.created", now - 100, one).await;
    }
    let session = json!({"id":"cs_1","mode":"subscription","subscription":"sub_b","customer":"cus_both",
        "customer_details":{"email":"ada@example.com"}});
    stripe(&service, "evt_cs", "checkout.session.completed", now - 99, session).await;
    stripe(
        &service,
        "evt_price",
        "price.updated",
        now - 98,
        json!({"id":"price_pro","product":"prod_1","active":true}),
    )
    .await;
    let thin = json!({"id":"evt_thin","object":"v2.core.event","type":"v1.customer.subscription.updated","livemode":true,
        "created":"2026-01-01T00:00:00.123Z","related_object":{"id":"sub_b","type":"subscription","url":"/v1/subscriptions/sub_b"}});
    assert_eq!(service.post("stripe-main", thin.to_string().as_bytes()).await.0, 200);
    service.settled().await;
    let (_, events) = service.get("/v1/events?source=stripe-main&order=asc").await;
    let shown = |n: usize| {
        let event = &events["events"][n];
        (event["type"].clone(), event["subscription_id"].clone(), event["status"].clone(), event["error"].is_string())
    };
    assert_eq!(shown(2), (json!("checkout.session.completed"), json!("sub_b"), json!("applied"), false));
    assert_eq!(shown(3), (json!("price.updated"), json!(null), json!("recorded"), false));
    assert_eq!(shown(4), (json!("v1.customer.subscription.updated"), json!("sub_b"), json!("recorded"), true));
    let (_, price) = service.get("/v1/events/stripe-main/4").await;
    assert_eq!(price["facts"][0]["body"]["fact"], json!("proposal"), "{price}");
}
