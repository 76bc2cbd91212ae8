//! Sweeps and parked work: what was not done by us, and what LicenseSpring refuses.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::other::Other;
use crate::support::service::Service;
use crate::support::shop::{buy, change, edit, enabled, order, renew};

async fn sweep(service: &Service, kind: &str) -> Value {
    let (status, asked) = service.admin("POST", "/v1/admin/sweeps", json!({"kind": kind, "reason": "a look"})).await;
    assert_eq!(status, 202, "{asked}");
    let path = format!("/v1/admin/sweeps/{}", asked["id"].as_str().unwrap());
    eventually("the sweep is over", || async {
        let shown = service.admin("GET", &path, Value::Null).await.1;
        (!shown["finished_at"].is_null()).then_some(shown)
    })
    .await
}

async fn drift(service: &Service) -> Vec<(String, String)> {
    let (_, shown) = service.get("/v1/drift").await;
    let rows = shown["drift"].as_array().unwrap();
    assert!(rows.iter().all(|r| r["reason"].is_string() && r["fix"].is_string()), "{shown}");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = rows.iter().map(|r| (text(&r["order_id"]), text(&r["kind"]))).collect();
    found.sort();
    found
}

/// An order made by somebody else, straight at LicenseSpring.
async fn order_by_hand(service: &Service, id: &str, subscription: &str) {
    let body = json!({"id": id, "items": [{"product_code": "PRO", "licenses": [{"subscription_id": subscription}]}]});
    let url = format!("{}/api/v1/orders/create_order/", service.sandbox.api);
    let request = service.http.post(url).header("Authorization", "Api-Key sandbox.management-key").json(&body);
    assert!(request.send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_reports_what_was_not_done_by_us_and_touches_nothing() {
    let service = Service::start().await;
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    for n in 0..30 {
        buy(&service, &format!("sub_{n}"), "price_pro", 3).await;
    }
    service.settled().await;
    edit(&service, "sub_1", json!({"max_activations": 9})).await;
    edit(&service, "sub_2", json!({"enabled": false})).await;
    edit(&service, "sub_3", Value::Null).await;
    order_by_hand(&service, "by-hand", "sub_4").await;
    order_by_hand(&service, "stripe-main:sub_99:PRO", "sub_99").await;
    order_by_hand(&service, "somebody-elses", "sub_else").await;
    // Pages of 20 that name another host for the next one.
    service.sandbox.control("PUT", "/switches", &json!({"S7": "20", "S8": "other_host"})).await;
    let calls = service.sandbox.mutating().await.len();
    let swept = sweep(&service, "full").await;
    assert_eq!(
        (&swept["state"], &swept["rows_seen"], &swept["findings"]["drifted"]),
        (&json!("done"), &json!(32), &json!(3)),
        "{swept}"
    );
    let expected = [
        ("by-hand".to_owned(), "foreign_order".to_owned()),
        (order("sub_1"), "edited_by_hand".to_owned()),
        (order("sub_2"), "disabled_by_hand".to_owned()),
        (order("sub_3"), "deleted".to_owned()),
        ("stripe-main:sub_99:PRO".to_owned(), "orphan".to_owned()),
    ];
    assert_eq!(drift(&service).await, expected);
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls, "it only reports");
    assert!(!service.log().contains("sandbox.management-key"));
    // Seen again it is no news; put back by hand it is none any more.
    let findings = sweep(&service, "full").await["findings"].clone();
    assert_eq!((&findings["drifted"], &findings["still_drifted"]), (&json!(0), &json!(3)));
    for id in ["sub_1", "sub_2", "sub_3"] {
        let (_, shown) = service.get(&format!("/v1/subscriptions/stripe-main/{id}")).await;
        assert_eq!(shown["items"][0]["license"]["in_sync"], json!(false), "{shown}");
    }
    // A renewal is no reason to forget who switched it off.
    renew(&service, "sub_2", "price_pro", 3, 1).await;
    service.settled().await;
    assert!(drift(&service).await.contains(&(order("sub_2"), "disabled_by_hand".to_owned())));
    let calls = service.sandbox.mutating().await.len();
    assert_eq!(sweep(&service, "full").await["findings"]["still_drifted"], json!(3));
    edit(&service, "sub_1", json!({"max_activations": 3})).await;
    assert_eq!(sweep(&service, "incremental").await["findings"]["drifted"], json!(1));
    assert!(!drift(&service).await.iter().any(|(o, _)| *o == order("sub_1")));
    // A deleted license is not recreated by itself, and is when somebody asks.
    renew(&service, "sub_3", "price_pro", 3, 1).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls);
    let retry = format!("/v1/admin/parked/{}/retry", order("sub_3"));
    assert_eq!(service.admin("POST", &retry, json!({"reason": "it was a slip"})).await.0, 202);
    service.settled().await;
    let again = service.sandbox.license(&format!("{}:g2", order("sub_3"))).await;
    assert_eq!(again.map(|l| l["enabled"].clone()), Some(json!(true)));
}

/// Each turn of a process reads some pages; the other's turn in between is not the end of it.
#[tokio::test(flavor = "multi_thread")]
async fn two_instances_do_not_begin_each_other_s_sweep_anew() {
    let service = Service::start().await;
    service.sandbox.control("PUT", "/plan", &json!({"plan": "unlimited"})).await;
    for n in 0..620 {
        order_by_hand(&service, &format!("by-hand-{n}"), "").await;
    }
    let _other = Other::start(&service, "").await;
    service.sandbox.control("PUT", "/switches", &json!({"S7": "20"})).await;
    let reads = async || {
        let requests = service.sandbox.requests().await;
        requests.iter().filter(|r| r["path"] == "/api/v1/licenses/" && r["method"] == "GET").count()
    };
    let before = reads().await;
    assert_eq!(sweep(&service, "full").await["rows_seen"], json!(620));
    assert_eq!(reads().await - before, 31, "every page once");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_repair_hand_edits_are_undone_and_a_sweep_cut_short_changes_nothing() {
    let service = Service::start_with("drift = \"repair\"").await;
    for n in 0..3 {
        buy(&service, &format!("sub_{n}"), "price_pro", 3).await;
    }
    service.settled().await;
    edit(&service, "sub_0", json!({"max_activations": 9})).await;
    edit(&service, "sub_1", json!({"enabled": false})).await;
    let calls = service.sandbox.mutating().await.len();
    let cut = json!({"match": {"method": "GET", "path": "/api/v1/licenses/"}, "times": 1, "kind": "500"});
    service.sandbox.control("POST", "/faults", &cut).await;
    let swept = sweep(&service, "full").await;
    assert_eq!(swept["state"], json!("failed"), "{swept}");
    assert!(swept["problem"].as_str().unwrap().contains("cut short"), "{swept}");
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls);
    assert_eq!(sweep(&service, "full").await["findings"]["drifted"], json!(2));
    eventually("both are as they should be", || async {
        service.settled().await;
        let seats = service.sandbox.license(&order("sub_0")).await?["max_activations"].clone();
        (seats == json!(3) && enabled(&service).await == 3).then_some(())
    })
    .await;
    assert_eq!(service.sandbox.mutating().await.len(), calls + 2);
    assert_eq!(drift(&service).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_work_says_why_and_is_retried_when_asked() {
    let service = Service::start().await;
    let products = json!([{"short_code": "PRO", "product_name": "PRO", "active": false}]);
    service.sandbox.control("POST", "/seed", &json!({"products": products, "policies": []})).await;
    for n in 0..2 {
        buy(&service, &format!("sub_{n}"), "price_pro", 3).await;
    }
    service.settled().await;
    let (_, parked) = service.get("/v1/parked").await;
    assert_eq!(parked["parked"].as_array().unwrap().len(), 2, "{parked}");
    assert!(parked["parked"][0]["reason"].as_str().unwrap().contains("disabled"), "{parked}");
    change(&service, "sub_0", "price_pro", 3, 1).await;
    service.settled().await;
    let calls = service.sandbox.mutating().await.len();
    assert_eq!(calls, 2, "the same call is not made again by itself");
    let products = json!([{"short_code": "PRO", "product_name": "PRO", "active": true}]);
    service.sandbox.control("POST", "/seed", &json!({"products": products, "policies": []})).await;
    let retry = |id: String| format!("/v1/admin/parked/{id}/retry");
    assert_eq!(service.admin("POST", &retry(order("sub_0")), json!({})).await.0, 400);
    assert_eq!(service.admin("POST", &retry(order("nobody")), json!({"reason": "x"})).await.0, 404);
    assert_eq!(service.admin("POST", &retry(order("sub_0")), json!({"reason": "sold again"})).await.0, 202);
    service.settled().await;
    assert_eq!(enabled(&service).await, 1);
    let (_, retried) = service.admin("POST", &retry("all".to_owned()), json!({"reason": "sold again"})).await;
    assert_eq!(retried["retried"], json!([order("sub_1")]));
    service.settled().await;
    assert_eq!(enabled(&service).await, 2);
    let (_, parked) = service.get("/v1/parked").await;
    assert_eq!(parked["parked"], json!([]));
}
