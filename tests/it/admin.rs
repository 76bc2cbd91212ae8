//! Rebuilds and rules through the API.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::service::Service;
use crate::support::shop;
use crate::support::stripe::{DAY, event, invoice, subscription};

async fn buy(service: &Service, id: &str) {
    shop::buy(service, id, "price_pro", 1).await;
}

async fn rebuild_until(service: &Service, id: &str, state: &str) -> Value {
    eventually(&format!("the rebuild is {state}"), || async {
        let (_, shown) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}"), Value::Null).await;
        (shown["state"] == state).then_some(shown)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_by_api_survives_a_kill_shows_no_difference_and_causes_no_call() {
    let mut service = Service::start().await;
    for n in 0..20 {
        buy(&service, &format!("sub_{n}")).await;
    }
    service.settled().await;
    let calls = service.sandbox.mutating().await.len();
    let (status, _) = service.admin("POST", "/v1/admin/rebuilds", json!({"scope": {}})).await;
    assert_eq!(status, 400, "a reason is required");
    let (status, made) = service.admin("POST", "/v1/admin/rebuilds", json!({"scope": {}, "reason": "test"})).await;
    assert_eq!(status, 202, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    service.kill();
    service.run().await;
    let ready = rebuild_until(&service, &id, "ready").await;
    assert_eq!((ready["differences"].clone(), ready["calls"].clone()), (json!(0), json!(0)), "{ready}");
    let (status, diff) = service.admin("GET", &format!("/v1/admin/rebuilds/{id}/diff"), Value::Null).await;
    assert_eq!((status.as_u16(), diff["differences"].clone()), (200, json!([])));

    let (status, promoted) =
        service.admin("POST", &format!("/v1/admin/rebuilds/{id}/promote"), json!({"reason": "equal"})).await;
    assert_eq!((status.as_u16(), promoted["state"].clone()), (200, json!("promoted")), "{promoted}");
    buy(&service, "sub_after").await;
    service.settled().await;
    let (status, back) =
        service.admin("POST", &format!("/v1/admin/rebuilds/{id}/rollback"), json!({"reason": "try"})).await;
    assert_eq!((status.as_u16(), back["state"].clone()), (200, json!("rolled_back")), "{back}");
    let (status, shown) = service.get("/v1/subscriptions/stripe-main/sub_after").await;
    assert_eq!(
        (status.as_u16(), shown["status"].clone()),
        (200, json!("active")),
        "the generation before kept following"
    );
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls + 1, "only the purchase after the promotion was a call");
    let (_, events) = service.get("/v1/events?source=system&order=asc").await;
    let types: Vec<&str> = events["events"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["config_adopted", "rebuild_started", "rebuild_promoted", "rebuild_rolled_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_promotes_itself_when_it_was_told_to_and_nothing_differs() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    let asked = json!({"scope": {}, "reason": "nightly", "promote": "when_equal"});
    let (_, made) = service.admin("POST", "/v1/admin/rebuilds", asked).await;
    rebuild_until(&service, made["id"].as_str().unwrap(), "promoted").await;
    assert_eq!(service.sandbox.mutating().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_show_what_they_have_and_their_timeline_mixes_events_and_calls() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    service.settled().await;
    let (_, found) = service.get("/v1/customers?query=sub_1@example").await;
    assert_eq!(found["customers"][0]["customer_id"], json!("cus_sub_1"), "{found}");
    let named = json!({"id": "cus_sub_1", "object": "customer", "email": "sub_1@example.com", "name": "Zoë Ångström"});
    let named = event("evt_named", "customer.updated", chrono::Utc::now().timestamp() + 1, &named, None);
    service.post("stripe-main", named.to_string().as_bytes()).await;
    service.settled().await;
    for (query, customers) in
        [("%C3%85NGSTR%C3%96M", 1), ("zo%C3%AB%20%C3%A5ng", 1), ("SUB_1@EX", 1), ("cus_sub", 1), ("evt_named", 0)]
    {
        let (_, found) = service.get(&format!("/v1/customers?query={query}")).await;
        assert_eq!(found["customers"].as_array().map(Vec::len), Some(customers), "{query}: {found}");
    }
    let (status, one) = service.get("/v1/customers/stripe-main/cus_sub_1").await;
    assert_eq!(status, 200);
    assert_eq!(one["licenses"][0]["order_id"], json!("stripe-main:sub_1:PRO"), "{one}");
    let (_, line) = service.get("/v1/customers/stripe-main/cus_sub_1/timeline").await;
    let kinds: Vec<&str> = line["timeline"].as_array().unwrap().iter().map(|m| m["type"].as_str().unwrap()).collect();
    let expected =
        ["customer.updated", "outcome", "intent", "invoice.paid", "customer.subscription.created", "config_adopted"];
    assert_eq!(kinds, expected, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_person_is_listed_with_its_fix_and_counted() {
    let service = Service::start().await;
    let now = chrono::Utc::now().timestamp();
    let period = (now, now + 30 * DAY);
    let unmapped = event(
        "evt_u",
        "customer.subscription.created",
        now,
        &subscription("sub_u", "active", "price_nobody_mapped", 1, period),
        None,
    );
    let unlinked = event(
        "evt_l",
        "charge.refunded",
        now,
        &json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 5, "amount_refunded": 5, "refunded": true}),
        None,
    );
    let unnamed = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid", "status": "complete", "customer": "cus_1", "metadata": {}});
    let unnamed = event("evt_c", "checkout.session.completed", now, &unnamed, None);
    for body in [unmapped.to_string(), unlinked.to_string(), "not json".to_owned(), unnamed.to_string()] {
        service.post("stripe-main", body.as_bytes()).await;
    }
    service.settled().await;
    let (_, list) = service.get("/v1/unmapped").await;
    assert!(
        list["unmapped"][0]["fix"].as_str().unwrap().contains("match = { price = \"price_nobody_mapped\" }"),
        "{list}"
    );
    let (_, list) = service.get("/v1/unlinked").await;
    assert_eq!(list["unlinked"][0]["entity"], json!("ch:ch_1"), "{list}");
    let (_, list) = service.get("/v1/incomplete").await;
    let lacking = &list["incomplete"][0];
    assert_eq!((&lacking["external_id"], &list["incomplete"][1]), (&json!("evt_c"), &Value::Null), "{list}");
    assert_eq!(lacking["reason"], json!("the purchase does not say what was bought"));
    assert!(lacking["fix"].as_str().unwrap().starts_with("let Checkout create an invoice"), "{list}");
    let (_, list) = service.get("/v1/quarantine").await;
    assert_eq!(list["quarantine"][0]["status"], json!("unreadable"), "{list}");
    let answer =
        service.http.get(format!("{}/metrics", service.url)).bearer_auth(&service.auditor).send().await.unwrap();
    let text = answer.text().await.unwrap();
    for line in [
        "subledger_deliveries_total{source=\"stripe-main\"} 4",
        "subledger_projector_lag_events{journal=\"stripe-main\"} 0",
        "# TYPE subledger_events_total counter",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

/// Whether the log is read from its events or from what became of them: the same events are listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_lists_what_the_whole_list_has_of_it() {
    let service = Service::start().await;
    let now = chrono::Utc::now().timestamp();
    let mut bodies = vec!["not json".to_owned()];
    for (n, price) in ["price_pro", "price_nobody_mapped", "price_pro"].into_iter().enumerate() {
        let id = format!("sub_{n}");
        let held = subscription(&id, "active", price, 1, (now, now + 30 * DAY));
        bodies.push(event(&format!("evt_{n}"), "customer.subscription.created", now, &held, None).to_string());
        let paid = invoice(&format!("in_{n}"), &id, "paid", price, (now, now + 30 * DAY));
        bodies.push(event(&format!("evt_paid_{n}"), "invoice.paid", now, &paid, None).to_string());
    }
    let refunded = json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 5, "amount_refunded": 5, "refunded": true});
    bodies.push(event("evt_l", "charge.refunded", now, &refunded, None).to_string());
    bodies.push(event("evt_new", "a.type.of.tomorrow", now, &json!({"id": "x_1", "object": "x"}), None).to_string());
    for body in &bodies {
        service.post("stripe-main", body.as_bytes()).await;
    }
    service.settled().await;
    let list = async |query: &str| -> Vec<Value> {
        let (status, listed) = service.get(&format!("/v1/events?limit=1000&{query}")).await;
        assert_eq!(status, 200, "{query}: {listed}");
        listed["events"].as_array().unwrap().clone()
    };
    let mut found = std::collections::BTreeSet::new();
    for order in ["asc", "desc"] {
        let all = list(&format!("order={order}")).await;
        assert!(all.len() > bodies.len(), "{all:?}");
        for (name, field) in
            [("status", "status"), ("subscription", "subscription_id"), ("customer", "customer_id"), ("type", "type")]
        {
            let values: std::collections::BTreeSet<&str> = all.iter().filter_map(|e| e[field].as_str()).collect();
            for value in values {
                let expected: Vec<Value> = all.iter().filter(|e| e[field] == value).cloned().collect();
                assert_eq!(list(&format!("order={order}&{name}={value}")).await, expected, "{name}={value}");
                found.insert(value.to_owned());
                let paid: Vec<Value> = expected.into_iter().filter(|e| e["type"] == "invoice.paid").collect();
                if name != "type" {
                    assert_eq!(list(&format!("order={order}&{name}={value}&type=invoice.paid")).await, paid);
                }
            }
        }
        assert_eq!(list(&format!("order={order}&status=pending")).await, Vec::<Value>::new());
    }
    for status in ["applied", "recorded", "unmapped", "unlinked", "unknown_type", "unreadable"] {
        assert!(found.contains(status), "no event is {status}: {found:?}");
    }
}

/// Posted while the checkpoints are held, as by another instance: it waits to be read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_yet_is_pending() {
    let service = Service::start().await;
    service.settled().await;
    let mut client = service.database.service().await;
    let held = client.transaction().await.unwrap();
    held.execute("SELECT 1 FROM control.checkpoints FOR UPDATE", &[]).await.unwrap();
    let unknown = event("evt_1", "a.type.of.tomorrow", 1, &json!({"id": "x_1", "object": "x"}), None);
    service.post("stripe-main", unknown.to_string().as_bytes()).await;
    let pending = async || {
        let (_, listed) = service.get("/v1/events?status=pending").await;
        listed["events"].as_array().unwrap().iter().map(|e| e["external_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(pending().await, ["evt_1"]);
    held.rollback().await.unwrap();
    service.settled().await;
    assert_eq!(pending().await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_found_by_one_of_two_subscriptions_has_both() {
    let service = Service::start().await;
    buy(&service, "sub_1").await;
    let second =
        subscription("sub_2", "past_due", "price_pro", 1, (0, 30 * DAY)).to_string().replace("cus_sub_2", "cus_sub_1");
    let second = event("evt_2", "customer.subscription.created", 1, &serde_json::from_str(&second).unwrap(), None);
    service.post("stripe-main", second.to_string().as_bytes()).await;
    service.settled().await;
    let (_, found) = service.get("/v1/customers?query=sub_2").await;
    assert_eq!(
        (&found["customers"][0]["subscriptions"], &found["customers"][0]["statuses"]),
        (&json!(2), &json!(["active", "past_due"])),
        "{found}"
    );
}
