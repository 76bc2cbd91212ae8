//! Salesforce and Shopify from door to license.

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::support::service::{ORGANIZATION, SALESFORCE_TOKEN, Service};

pub const ACK: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>",
    "<notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack></notificationsResponse>",
    "</soapenv:Body></soapenv:Envelope>"
);
pub const SESSION: &str = "00D5g00000AbCdE!AQcAQH0dMHZfz972Szmpkb58urFRkgeBGsxL_QJWwYMfAbUeeG7c1E6LYUfiDUk.";
pub const ASSET: &str = "02i5g000001abcdAAA";

pub fn message(organization: &str, notifications: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>{organization}</OrganizationId><SessionId>{SESSION}</SessionId>{notifications}
 </notifications></soapenv:Body></soapenv:Envelope>"#
    )
}

/// The n-th word about an asset.
pub fn asset(n: u32, id: &str, status: &str, end: NaiveDate) -> String {
    format!(
        r#"<Notification><Id>04l5g00000{n:05}</Id><sObject xsi:type="sf:Asset" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
   <sf:Id>{id}</sf:Id><sf:AccountId>0015g00000aBcDeAAK</sf:AccountId><sf:LSL_Contact_Email__c>ada@example.com</sf:LSL_Contact_Email__c>
   <sf:LSL_Product_Code__c>APP-PRO-Y</sf:LSL_Product_Code__c><sf:Quantity>5.0</sf:Quantity><sf:Status>{status}</sf:Status>
   <sf:SystemModstamp>2026-01-05T10:00:{n:02}.000Z</sf:SystemModstamp><sf:UsageEndDate>{end}</sf:UsageEndDate></sObject></Notification>"#
    )
}

async fn post(service: &Service, body: &str) -> (u16, String, String) {
    let answer = service.poster().send("salesforce-main", body.as_bytes(), &[]).await.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status().as_u16(), content_type, answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_salesforce_asset_becomes_a_license_and_leaves_no_session_behind() {
    let service = Service::start().await;
    let end = Utc::now().date_naive() + Months::new(12);
    // One bad notification among three: the others count.
    let batch = format!(
        "{}<Notification><Id>?</Id></Notification>{}",
        asset(1, ASSET, "Purchased", end),
        asset(2, "02i5g000001abceAAA", "Obsolete", end)
    );
    for _ in 0..2 {
        let (status, content_type, text) = post(&service, &message(ORGANIZATION, &batch)).await;
        assert_eq!((status, &*content_type, &*text), (200, "text/xml; charset=utf-8", ACK));
    }
    service.settled().await;
    let order = format!("salesforce-main:{ASSET}:PRO");
    let license = service.sandbox.license(&order).await.expect("a license");
    assert_eq!((&license["enabled"], &license["max_activations"]), (&json!(true), &json!(5)));
    // Through the day of the end, and three days of grace.
    let last = |end: NaiveDate| (end + Days::new(4)).to_string();
    assert!(license["validity_period"].as_str().unwrap().starts_with(&last(end)), "{license}");
    assert_eq!(service.sandbox.mutating().await.len(), 1, "what is over gets none");

    let later = end + Months::new(12);
    post(&service, &message(ORGANIZATION, &asset(3, ASSET, "Purchased", later))).await;
    service.settled().await;
    let license = service.sandbox.license(&order).await.unwrap();
    assert!(license["validity_period"].as_str().unwrap().starts_with(&last(later)), "{license}");
    // An older word comes late, the end in time.
    post(&service, &message(ORGANIZATION, &asset(5, ASSET, "Obsolete", later))).await;
    post(&service, &message(ORGANIZATION, &asset(4, ASSET, "Purchased", later))).await;
    service.settled().await;
    assert_eq!(service.sandbox.license(&order).await.unwrap()["enabled"], json!(false));

    refusals(&service).await;
    let (_, events) = service.get("/v1/events?source=salesforce-main&order=asc").await;
    let statuses: Vec<_> = events["events"].as_array().unwrap().iter().map(|e| e["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["applied", "unreadable", "applied", "applied", "applied", "applied"]);
    let client = service.database.service().await;
    let held = "SELECT count(*) FROM ledger.bodies WHERE position(convert_to('AQcAQ', 'UTF8') IN bytes) > 0";
    assert_eq!(client.query_one(held, &[]).await.unwrap().get::<_, i64>(0), 0);
    let cuts: Vec<i32> = client
        .query_one("SELECT cuts FROM ledger.events WHERE cuts IS NOT NULL ORDER BY position LIMIT 1", &[])
        .await
        .unwrap()
        .get(0);
    let start = message(ORGANIZATION, "").find(SESSION).unwrap();
    assert_eq!(cuts, [start, SESSION.len()].map(|n| i32::try_from(n).unwrap()));
}

/// What is turned away, and that neither token nor session is in what is said of it.
async fn refusals(service: &Service) {
    let sandbox = message("00D9z0000012345EAA", &asset(6, ASSET, "Purchased", NaiveDate::MAX));
    assert_eq!(post(service, &sandbox).await.0, 401, "a sandbox that was copied from production");
    let whole = message(ORGANIZATION, "");
    assert_eq!(post(service, &whole[..whole.len() - 20]).await.0, 400, "a session that cannot be cut out for sure");
    assert_eq!(post(service, &format!("<!DOCTYPE x>{}", &whole[39..])).await.0, 400);
    for path in ["salesforce-main", "salesforce-main/0123456789abcdef0123456789abcdee"] {
        let request = service.http.post(format!("{}/webhooks/{path}", service.url));
        let answer = request.header("content-type", "text/xml").body(whole.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    let codes = crate::support::eventually("the refusals are noted", || async {
        let (_, shown) = service.get("/v1/refusals").await;
        (shown["refusals"].as_array()?.len() == 5).then(|| shown.to_string())
    })
    .await;
    for code in ["wrong_organization", "session_id", "dtd", "wrong_url_token"] {
        assert!(codes.contains(code), "{codes}");
    }
    for secret in [SALESFORCE_TOKEN, "abcdee", "AQcAQ"] {
        assert!(!codes.contains(secret) && !service.log().contains(secret));
    }
}

fn contract(revision: u64, status: &str) -> Value {
    json!({"id":4367739981_i64,"customer_id":1,"status":status,"origin_order_id":820982911946154508_i64,
        "billing_policy":{"interval":"month","interval_count":1},"revision_id":revision.to_string()})
}

fn order(id: i64, at: DateTime<Utc>) -> Value {
    json!({"id":id,"financial_status":"paid","test":false,"total_price":"10.00","updated_at":at,"email":"ada@example.com",
        "customer":{"id":1,"first_name":"Ada"},"line_items":[{"id":2,"sku":"PRO-M","variant_id":3,"product_id":4,"quantity":2}]})
}

/// Posts a delivery of a topic; its webhook id is `id`.
async fn deliver(service: &Service, topic: &str, id: &str, at: DateTime<Utc>, body: &Value) -> u16 {
    let at = at.to_rfc3339();
    let own = [("x-shopify-topic", topic), ("x-shopify-webhook-id", id), ("x-shopify-triggered-at", &at)];
    let answer = service.poster().send("shopify-main", body.to_string().as_bytes(), &own).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shopify_contract_is_paid_renewed_and_runs_out() {
    let service = Service::start().await;
    let now = Utc::now();
    let begun = now - Months::new(1) + Days::new(10);
    for (topic, id, body) in [
        ("subscription_contracts/create", "w1", contract(5, "active")),
        ("orders/paid", "w2", order(820_982_911_946_154_508, begun)),
        ("orders/paid", "w2", order(820_982_911_946_154_508, begun)),
    ] {
        assert_eq!(deliver(&service, topic, id, begun, &body).await, 200);
    }
    service.settled().await;
    let license = || service.sandbox.license("shopify-main:4367739981:PRO");
    let first = license().await.expect("a license");
    assert_eq!((&first["enabled"], &first["max_activations"]), (&json!(true), &json!(2)));

    let attempt = json!({"id":null,"idempotency_key":"k","order_id":820982911946154509_i64,"subscription_contract_id":4367739981_i64,"error_code":null});
    assert_eq!(deliver(&service, "orders/paid", "w3", now, &order(820_982_911_946_154_509, now)).await, 200);
    assert_eq!(deliver(&service, "subscription_billing_attempts/success", "w4", now, &attempt).await, 200);
    service.settled().await;
    let renewed = license().await.unwrap();
    assert!(renewed["validity_period"].as_str() > first["validity_period"].as_str(), "{renewed}");
    let calls = service.sandbox.mutating().await.len();

    // A cancellation leaves what was paid for; a stale update cannot undo it.
    assert_eq!(deliver(&service, "subscription_contracts/cancel", "w5", now, &contract(9, "cancelled")).await, 200);
    assert_eq!(
        deliver(&service, "subscription_contracts/update", "w6", now + Days::new(1), &contract(8, "active")).await,
        200
    );
    service.settled().await;
    let (_, shown) = service.get("/v1/subscriptions/shopify-main/4367739981").await;
    assert_eq!(
        (&shown["status"], &shown["items"][0]["entitlement"]["state"]),
        (&json!("canceled"), &json!("active")),
        "{shown}"
    );
    assert_eq!((license().await.unwrap(), service.sandbox.mutating().await.len()), (renewed, calls));

    // The money goes back, and with it what it bought.
    let refund = |id: i64, order: i64| {
        json!({"id":id,"order_id":order,"processed_at":now,"refund_line_items":[],
        "transactions":[{"kind":"refund","status":"success","amount":"10.00"}]})
    };
    for (id, order) in [(1, 820_982_911_946_154_509), (2, 820_982_911_946_154_508)] {
        assert_eq!(deliver(&service, "refunds/create", &format!("r{id}"), now, &refund(id, order)).await, 200);
    }
    service.settled().await;
    assert_eq!(license().await.unwrap()["enabled"], json!(false));

    // A failed attempt names no order; a body under a topic that it does not fit says nothing.
    let failed =
        json!({"id":77,"idempotency_key":"k7","order_id":null,"subscription_contract_id":null,"error_code":"x"});
    assert_eq!(deliver(&service, "subscription_billing_attempts/failure", "w7", now, &failed).await, 200);
    assert_eq!(deliver(&service, "subscription_contracts/update", "w8", now, &order(8, now)).await, 200);
    service.settled().await;
    let (_, events) = service.get("/v1/events?source=shopify-main").await;
    let status = |n: usize| (&events["events"][n]["external_id"], &events["events"][n]["status"]);
    assert_eq!(status(1), (&json!("w7"), &json!("unlinked")));
    assert_eq!(status(0), (&json!("w8"), &json!("quarantined")));
}

/// A contract of our own is told of in its body and in its attempts; its orders are the buyer's
/// like any other, and must not become licenses beside it, whatever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn orders_of_a_contract_of_our_own_make_no_second_license() {
    let service = Service::start().await;
    let now = Utc::now();
    let begun = now - Months::new(1) + Days::new(10);
    let sold = |id: i64, at: DateTime<Utc>, source: &str| {
        let mut order = order(id, at);
        (order["processed_at"], order["source_name"]) = (json!(at), json!(source));
        order
    };
    let (first, second) = (820_982_911_946_154_508, 820_982_911_946_154_509);
    let charged = "subscription_contract_checkout_one";
    let attempt = json!({"id":null,"idempotency_key":"k","order_id":second,"subscription_contract_id":4367739981_i64,"error_code":null});
    for (topic, id, at, body) in [
        ("subscription_contracts/create", "w1", begun, contract(5, "active")),
        ("orders/paid", "w2", begun, sold(first, begun, "web")),
        // The renewal, and only then the attempt that ties it to its contract.
        ("orders/paid", "w3", now, sold(second, now, charged)),
        ("subscription_billing_attempts/success", "w4", now, attempt),
        ("orders/updated", "w5", now, sold(second, now + Days::new(1), charged)),
    ] {
        assert_eq!(deliver(&service, topic, id, at, &body).await, 200);
        service.settled().await;
    }
    let (_, licenses) = service.get("/v1/licenses").await;
    let orders: Vec<&Value> = licenses["licenses"].as_array().unwrap().iter().map(|l| &l["order_id"]).collect();
    assert_eq!(orders, ["shopify-main:4367739981:PRO"], "{licenses}");
    // The renewal was the buyer's before it was the contract's: its event is listed with the contract, too.
    let (_, events) = service.get("/v1/events?source=shopify-main&subscription=4367739981").await;
    let theirs: Vec<&Value> = events["events"].as_array().unwrap().iter().map(|e| &e["event"]).collect();
    let all: Vec<String> = (1..=5).rev().map(|n| format!("shopify-main/{n}")).collect();
    assert_eq!(theirs, all.iter().collect::<Vec<_>>(), "{events}");
}
