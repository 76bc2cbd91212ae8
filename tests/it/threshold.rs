//! Hard questions at the door: another shop's body, a copied org, one bad notification among
//! good ones, and more than there is room for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{Months, Utc};
use serde_json::{Value, json};
use subledger::providers::{SourceSettings, by_slug};

use crate::adapters::{ACK, ASSET, SESSION, asset, message};
use crate::support::eventually;
use crate::support::service::{ORGANIZATION, SHOP, SHOPIFY_SECRET, Service};
use crate::support::stripe::event;

/// Another shop that installed the same app: one secret signs for both.
const OTHER_SHOP: &str = r#"
[sources.shopify-other]
provider = "shopify"
secrets = [{ env = "TEST_SHOPIFY_SECRET" }]
shop_domain = "other.myshopify.com"
mode = "live"
licensespring = "main"
[sources.shopify-guarded]
provider = "shopify"
secrets = [{ env = "TEST_SHOPIFY_SECRET" }]
url_token = { env = "TEST_SALESFORCE_TOKEN" }
shop_domain = "guarded.myshopify.com"
mode = "live"
licensespring = "main"
"#;

async fn refusals(service: &Service, at_least: usize) -> Vec<Value> {
    eventually("the refusals are listed", || async {
        let (_, listed) = service.get("/v1/refusals").await;
        let listed = listed["refusals"].as_array().unwrap().clone();
        (listed.len() >= at_least).then_some(listed)
    })
    .await
}

async fn head(service: &Service, journal: &str) -> Value {
    service.get(&format!("/v1/journals/{journal}")).await.1["head"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_shop_is_not_taken_in() {
    let service = Service::start_with(OTHER_SHOP).await;
    let order =
        json!({"id": 1, "admin_graphql_api_id": "gid://shopify/Order/1", "financial_status": "paid", "line_items": []});
    let names_its_shop = json!({"shop_id": 1, "shop_domain": SHOP, "customer": {"id": 7}, "orders_to_redact": []});
    let post = async |source: &str, topic: &str, body: &Value, shop: &str| {
        let body = body.to_string();
        let settings = SourceSettings {
            secrets: vec![SHOPIFY_SECRET.into()],
            shop_domain: Some(shop.to_owned()),
            ..SourceSettings::default()
        };
        let mut request = service.http.post(format!("{}/webhooks/{source}", service.url));
        for (name, value) in by_slug("shopify").unwrap().sign(body.as_bytes(), &settings, Utc::now()) {
            let value = if name == "x-shopify-topic" { topic.to_owned() } else { value };
            request = request.header(name, value);
        }
        request.body(body).send().await.unwrap().status().as_u16()
    };
    // As it came, to the wrong source; with the other shop's name written over it where the body
    // itself says whose it is; and where the source has a token that only its own shop knows.
    assert_eq!(post("shopify-other", "orders/paid", &order, SHOP).await, 401);
    assert_eq!(post("shopify-other", "customers/redact", &names_its_shop, "other.myshopify.com").await, 401);
    assert_eq!(post("shopify-guarded", "orders/paid", &order, "guarded.myshopify.com").await, 401);
    assert_eq!(post("shopify-main", "orders/paid", &order, SHOP).await, 200, "at home it is taken");
    let listed = refusals(&service, 3).await;
    let codes: Vec<&Value> = listed.iter().rev().map(|r| &r["code"]).collect();
    assert_eq!(codes, ["wrong_shop", "wrong_shop", "wrong_url_token"]);
    assert!(
        listed.iter().all(|r| r["fix"].as_str().is_some_and(|fix| fix.contains("shop") || fix.contains("url_token")))
    );
    for journal in ["shopify-other", "shopify-guarded"] {
        assert_eq!(head(&service, journal).await, json!(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_org_changes_nothing_in_production() {
    let service = Service::start().await;
    let end = Utc::now().date_naive() + Months::new(12);
    let body = message("00D8d000000XyZzEAK", &asset(1, ASSET, "Obsolete", end));
    let answer = service.poster().send("salesforce-main", body.as_bytes(), &[]).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_ne!(answer.text().await.unwrap(), ACK, "what is not acknowledged is shown in the org as failing");
    let listed = refusals(&service, 1).await;
    assert_eq!(listed[0]["code"], "wrong_organization");
    assert!(listed[0]["fix"].as_str().unwrap().contains("organization_ids"), "{listed:?}");
    assert_eq!(head(&service, "salesforce-main").await, json!(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_notifications_the_bad_one_is_kept_and_the_others_count() {
    let service = Service::start().await;
    let end = Utc::now().date_naive() + Months::new(12);
    let bad = "<Notification><Id>04l5g0000000009</Id><sObject>no type, no fields</sObject></Notification>";
    let other = "02i5g000001abceAAA"; // of the same account
    let batch = format!("{}{bad}{}", asset(1, ASSET, "Purchased", end), asset(2, other, "Purchased", end));
    let body = message(ORGANIZATION, &batch);
    let answer = service.poster().send("salesforce-main", body.as_bytes(), &[]).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, ACK), "all three are stored");
    service.settled().await;
    let (_, events) = service.get("/v1/events?source=salesforce-main&order=asc").await;
    let statuses: Vec<&Value> = events["events"].as_array().unwrap().iter().map(|e| &e["status"]).collect();
    assert_eq!(statuses, ["applied", "unreadable", "applied"]);
    let (_, listed) = service.get("/v1/quarantine").await;
    assert_eq!(
        (&listed["quarantine"][0]["event"], &listed["quarantine"][1]),
        (&json!("salesforce-main/2"), &Value::Null)
    );
    assert!(listed["quarantine"][0]["reason"].is_string() && listed["quarantine"][0]["fix"].is_string(), "{listed}");
    // Both are of one account and one product: one license, with the seats of both.
    let licenses = service.sandbox.licenses().await;
    assert_eq!((licenses.len(), &licenses[0]["enabled"]), (1, &json!(true)), "{licenses:?}");
    assert_eq!(licenses[0]["max_activations"], json!(10));
    // Its exact bytes, and those of the delivery without the session.
    let bytes = async |path: &str| {
        let url = format!("{}/v1/events/{path}", service.url);
        service.http.get(url).bearer_auth(&service.auditor).send().await.unwrap().text().await.unwrap()
    };
    assert_eq!(bytes("salesforce-main/2/body?part=event").await, bad);
    assert_eq!(bytes("salesforce-main/2/body").await, body.replace(SESSION, &"*".repeat(SESSION.len())));
}

const POSTS: usize = 1_000;
const BODY_BYTES: usize = 256 << 10;
/// What fits while nothing can be committed: 64 MiB of bodies.
const ROOM: usize = (64 << 20) / BODY_BYTES;

/// A delivery of exactly that size.
fn large(id: &str) -> String {
    let object = json!({"id": "cus_1", "object": "customer"});
    let mut body = event(id, "customer.updated", Utc::now().timestamp(), &object, None).to_string();
    body.push_str(&" ".repeat(BODY_BYTES - body.len()));
    body
}

/// Posts a thousand at once while nothing can be committed, until all that do not fit are turned
/// away; answers with the ids of those that were acknowledged.
async fn flood(service: &Service, round: usize) -> Vec<String> {
    let mut holder = subledger::postgres::pool::single(&service.database.owner_url).await.unwrap();
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT 1 FROM ledger.journals WHERE name = 'stripe-main' FOR UPDATE", &[]).await.unwrap();
    let refused = AtomicUsize::new(0);
    let posts = futures_util::future::join_all((0..POSTS).map(|n| {
        let (poster, id, refused) = (service.poster(), format!("evt_{round}_{n}"), &refused);
        async move {
            let answer = poster.send("stripe-main", large(&id).as_bytes(), &[]).await;
            let answer = answer.map(|a| (a.status().as_u16(), a.headers().contains_key("retry-after")));
            if !matches!(answer, Ok((200, _))) {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            (id, answer)
        }
    }));
    let let_go = async {
        eventually("all that does not fit is turned away", || async {
            let waiting = service.metrics().await["subledger_queue_depth{source=\"stripe-main\"}"];
            assert!(waiting <= f64::from(u32::try_from(ROOM).unwrap()), "{waiting} wait");
            (refused.load(Ordering::Relaxed) >= POSTS - ROOM).then_some(())
        })
        .await;
        held.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(posts, let_go);
    let mut acknowledged = Vec::new();
    let mut turned_away = 0;
    for (id, answer) in answers {
        match answer {
            Ok((200, _)) => acknowledged.push(id),
            Ok((503, true)) => turned_away += 1,
            Ok(other) => panic!("{id}: {other:?}"),
            Err(_) => {} // cut off while it was still sending
        }
    }
    assert!(turned_away > 0 && acknowledged.len() <= ROOM, "{turned_away} turned away, {} stored", acknowledged.len());
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_for_is_turned_away_before_memory_grows() {
    /// Six times 250 MiB are offered. Measured at 280 to 670 MiB, most of it what 1,000
    /// connections have sent and nobody has looked at yet, and what the allocator keeps for the
    /// next of them; it does not grow with what is offered.
    const MEMORY_KIB_MAX: u64 = 900 << 10;
    let service = Service::start().await;
    let mut acknowledged = Vec::new();
    for round in 1..=6 {
        acknowledged.extend(flood(&service, round).await);
    }
    let peak = service.memory_peak_kib();
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    let keys = "SELECT e.external_id, count(*) FROM ledger.events e JOIN ledger.journals j ON j.id = e.journal
                WHERE j.name = 'stripe-main' GROUP BY 1";
    let rows = service.database.service().await.query(keys, &[]).await.unwrap();
    let stored: BTreeMap<String, i64> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    for id in &acknowledged {
        assert_eq!(stored.get(id), Some(&1), "{id} was acknowledged");
    }
    // And then there is room again.
    let (status, _) = service.post("stripe-main", large("evt_after").as_bytes()).await;
    assert_eq!(status, 200);
    let depth = service.metrics().await["subledger_queue_depth{source=\"stripe-main\"}"];
    assert_eq!(depth.to_string(), "0");
}
