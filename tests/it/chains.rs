//! Orders of a shop's other subscription apps, from the door to the license.

use chrono::{DateTime, Days, Months, Utc};
use serde_json::{Value, json};

use crate::support::service::Service;

const RULES: &str = r#"
[[catalog]]
match = { sku = "APP-M" }
product_code = "PRO"
policy_code = "pro-monthly"
period = "1m"
[[catalog]]
match = { sku = "APP-Y" }
product_code = "PRO"
policy_code = "pro-monthly"
period = "1y"
"#;

/// What an app charges has this source name.
const CHARGED: &str = "subscription_contract_checkout_one";

fn order(id: i64, at: DateTime<Utc>, source: &str, sku: &str, quantity: i64) -> Value {
    json!({"id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "financial_status": "paid", "test": false,
        "source_name": source, "total_price": "10.00", "email": "ada@example.com", "tags": "",
        "created_at": at, "processed_at": at, "updated_at": at, "cancelled_at": null,
        "customer": {"id": 7, "first_name": "Ada"},
        "line_items": [{"id": id * 10, "sku": sku, "variant_id": 3, "product_id": 4, "quantity": quantity, "current_quantity": quantity}]})
}

/// Posts a delivery of a topic under a webhook id of its own.
async fn deliver(service: &Service, topic: &str, at: DateTime<Utc>, body: &Value) {
    let id = uuid::Uuid::new_v4().to_string();
    let at = at.to_rfc3339();
    let own = [("x-shopify-topic", topic), ("x-shopify-webhook-id", &id), ("x-shopify-triggered-at", &at)];
    let answer = service.poster().send("shopify-main", body.to_string().as_bytes(), &own).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

/// The date that is sent for a payment of one month made at `at`: three days of grace, the next midnight.
fn valid_until(at: DateTime<Utc>, months: u32) -> String {
    (at + Months::new(months) + Days::new(3)).date_naive().succ_opt().unwrap().to_string()
}

async fn shown(service: &Service, id: &str, query: &str) -> Value {
    let (status, shown) = service.get(&format!("/v1/subscriptions/shopify-main/{id}{query}")).await;
    assert_eq!(status, 200, "{shown}");
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn paid_orders_of_any_app_open_extend_and_end_a_license() {
    let service = Service::start_with(RULES).await;
    let begun = Utc::now() - Months::new(1) + Days::new(2);
    let first = order(820_982_911_946_154_508, begun, "web", "APP-M", 2);
    for topic in ["orders/create", "orders/paid", "orders/paid"] {
        deliver(&service, topic, begun, &first).await;
    }
    service.settled().await;
    let order_id = "shopify-main:order-820982911946154508:PRO";
    let license = service.sandbox.license(order_id).await.expect("a license");
    assert_eq!((&license["enabled"], &license["max_activations"]), (&json!(true), &json!(2)));
    assert_eq!(license["validity_period"], json!(valid_until(begun, 1)));
    assert_eq!(service.sandbox.mutating().await.len(), 1, "three deliveries, one call");

    let now = Utc::now() - Days::new(1);
    deliver(&service, "orders/paid", now, &order(820_982_911_946_154_600, now, CHARGED, "APP-M", 2)).await;
    service.settled().await;
    let license = service.sandbox.license(order_id).await.unwrap();
    assert_eq!(license["validity_period"], json!(valid_until(now, 1)));
    let subscription = shown(&service, "order-820982911946154508", "").await;
    let item = &subscription["items"][0];
    assert_eq!((&subscription["status"], &subscription["customer_id"]), (&json!("active"), &json!("7")));
    assert_eq!((&item["entitlement"]["reason"], &item["license"]["in_sync"]), (&json!("paid"), &json!(true)));
    assert_eq!(subscription["provenance"]["items.3.paid_through"]["event"], json!("shopify-main/4"));
    // As it was before the renewal, and as it was known then.
    for query in [format!("?as_of={}", (now - Days::new(1)).format("%FT%TZ")), "?known_at=shopify-main/3".to_owned()] {
        let before = shown(&service, "order-820982911946154508", &query).await;
        let until = before["items"][0]["paid_through"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!(until, begun + Months::new(1), "{query}: {before}");
    }
    let (_, events) = service.get("/v1/events?source=shopify-main&subscription=order-820982911946154508").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 4, "{events}");

    // The last charge goes back; what was paid before it has two days to go and holds.
    let refund = json!({"id": 1, "order_id": 820_982_911_946_154_600_i64, "processed_at": now, "refund_line_items": [],
        "transactions": [{"kind": "refund", "status": "success", "amount": "10.00"}]});
    deliver(&service, "refunds/create", now, &refund).await;
    service.settled().await;
    let license = service.sandbox.license(order_id).await.unwrap();
    assert_eq!(
        (&license["enabled"], &license["validity_period"]),
        (&json!(true), &json!(valid_until(begun, 1))),
        "{license}"
    );
    let mut cancelled = order(820_982_911_946_154_508, begun, "web", "APP-M", 2);
    cancelled["updated_at"] = json!(now);
    cancelled["cancelled_at"] = json!(now);
    deliver(&service, "orders/cancelled", now, &cancelled).await;
    service.settled().await;
    assert_eq!(service.sandbox.license(order_id).await.unwrap()["enabled"], json!(false));

    let output = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["differences"], json!(0), "{told}");
}

/// The same orders in every order of arrival come to the same chains.
#[tokio::test(flavor = "multi_thread")]
async fn chains_do_not_depend_on_arrival() {
    let start = Utc::now() - Months::new(3);
    let orders = [
        order(100, start, "web", "APP-M", 1),
        order(200, start + Days::new(14), "web", "APP-M", 3),
        order(101, start + Months::new(1), CHARGED, "APP-M", 1),
        order(201, start + Months::new(1) + Days::new(14), CHARGED, "APP-Y", 3),
    ];
    let mut found: Vec<Vec<Value>> = Vec::new();
    for turn in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let service = Service::start_with(RULES).await;
        for at in turn {
            deliver(&service, "orders/paid", start, &orders[at]).await;
        }
        service.settled().await;
        let mut states = Vec::new();
        for id in ["order-100", "order-200"] {
            let shown = shown(&service, id, "").await;
            states.push(json!([shown["state_hash"], shown["items"][0]["paid_through"]]));
        }
        let enabled: Vec<Value> =
            service.sandbox.licenses().await.into_iter().filter(|l| l["enabled"] == true).collect();
        let names: Vec<&str> = enabled.iter().filter_map(|l| l["order_store_id"].as_str()).collect();
        assert_eq!(names.len(), 1, "the first chain has lapsed and deserves none: {names:?}");
        assert_eq!(names, ["shopify-main:order-200:PRO"]);
        found.push(states);
        // A chain that was taken in is there for its licenses alone: no difference of a part either.
        for scope in [&[][..], &["--source", "shopify-main"], &["--source", "shopify-main", "--customer", "7"]] {
            let rebuilt = service.command().args(["rebuild", "--dry-run", "--json"]).args(scope).output().unwrap();
            assert!(rebuilt.status.success(), "{scope:?}: {}", String::from_utf8_lossy(&rebuilt.stdout));
        }
    }
    assert!(found.windows(2).all(|two| two[0] == two[1]), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmapped_sku_heals_when_its_rule_is_adopted() {
    let mut service = Service::start().await;
    let now = Utc::now();
    deliver(&service, "orders/paid", now, &order(300, now, "web", "APP-M", 1)).await;
    let later = now + Days::new(1);
    deliver(&service, "orders/paid", later, &order(301, later, CHARGED, "APP-M", 1)).await;
    service.settled().await;
    let (_, unmapped) = service.get("/v1/unmapped").await;
    let fix = unmapped["unmapped"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("match = { sku = \"APP-M\" }"), "{fix}");
    assert_eq!(service.sandbox.licenses().await.len(), 0);
    let (_, events) = service.get("/v1/events?source=shopify-main&status=unmapped").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 2, "{events}");

    service.kill();
    let text = std::fs::read_to_string(&service.config).unwrap();
    std::fs::write(&service.config, format!("{text}{RULES}")).unwrap();
    service.run().await;
    let plan = service.adopt_and_approve(json!({})).await;
    assert_eq!(
        (&plan["summary"]["create"], &plan["calls"][0]["order_id"]),
        (&json!(1), &json!("shopify-main:order-300:PRO"))
    );
    crate::support::eventually("the chain is split by the new rules", || async {
        service.settled().await;
        let license = service.sandbox.license("shopify-main:order-300:PRO").await?;
        (license["validity_period"] == json!(valid_until(later, 1))).then_some(())
    })
    .await;
    assert_eq!(service.sandbox.licenses().await.len(), 1);
}
