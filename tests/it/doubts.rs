//! In doubt: a call may or may not have been done. Look-ups decide, never the words of an error.

use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::service::Service;
use crate::support::shop::{buy, change, edit, enabled, order};

async fn switch(service: &Service, switches: Value) {
    service.sandbox.control("PUT", "/switches", &switches).await;
}

async fn fault(service: &Service, method: &str, path: &str, times: u32, kind: &str) {
    let body = json!({"match": {"method": method, "path": path}, "times": times, "kind": kind});
    service.sandbox.control("POST", "/faults", &body).await;
}

async fn creates(service: &Service, id: &str) -> usize {
    let mine =
        |r: &&Value| r["path"].as_str().unwrap().contains("create_order") && r["body"]["id"] == order(id).as_str();
    service.sandbox.mutating().await.iter().filter(mine).count()
}

async fn licenses_of(service: &Service, id: &str) -> Vec<Value> {
    service.sandbox.licenses().await.into_iter().filter(|l| l["order_store_id"] == order(id).as_str()).collect()
}

/// A license of 3 seats whose change to 4 was given up as not done, and done at the second attempt.
async fn given_up_once() -> Service {
    let service = Service::start().await;
    buy(&service, "sub_1", "price_pro", 3).await;
    service.settled().await;
    fault(&service, "PATCH", "/api/v1/licenses/", 1, "500").await;
    change(&service, "sub_1", "price_pro", 4, 1).await;
    service.settled().await;
    service
}

/// Lets the minutes pass after which a license is looked at once more, and waits until it was.
async fn look_now(service: &Service) {
    let admin = subledger::postgres::pool::single(&service.database.admin_url).await.unwrap();
    let due = "UPDATE projection.licenses SET recheck_at = now() WHERE recheck_at > now() + interval '2 minutes'";
    assert_eq!(admin.execute(due, &[]).await.unwrap(), 1, "it is to be looked at again, minutes later");
    eventually("it was looked at once, which is enough", || async {
        let left = "SELECT count(*) FROM projection.licenses WHERE recheck_at IS NOT NULL";
        (admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

const CREATE: &str = "/api/v1/orders/create_order/";

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_was_lost_is_found_in_lists_that_lag_and_not_repeated() {
    let service = Service::start().await;
    let mut n = 0;
    for lag in ["0", "500ms", "2000ms", "3_requests"] {
        for lost in ["commit_then_timeout", "commit_then_500", "commit_then_reset"] {
            // A second create would make a second license, without a word.
            switch(&service, json!({"S1": "201_second_order", "S21": lag})).await;
            fault(&service, "POST", CREATE, 1, lost).await;
            let id = format!("sub_{n}");
            n += 1;
            buy(&service, &id, "price_pro", 3).await;
            service.settled().await;
            assert_eq!((creates(&service, &id).await, licenses_of(&service, &id).await.len()), (1, 1), "{lag} {lost}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_id_that_is_taken_is_found_whatever_the_refusal_says() {
    let service = Service::start().await;
    for (n, form) in ["409_code", "400_id", "400_detail", "400_errors", "400_code"].iter().enumerate() {
        switch(&service, json!({"S1": form})).await;
        let id = format!("sub_{n}");
        let body = json!({"id": order(&id), "items": [{"product_code": "PRO", "licenses": [{"max_activations": 1}]}]});
        let url = format!("{}{CREATE}", service.sandbox.api);
        let request = service.http.post(url).header("Authorization", "Api-Key sandbox.management-key").json(&body);
        assert!(request.send().await.unwrap().status().is_success());
        buy(&service, &id, "price_pro", 3).await;
        service.settled().await;
        let found = licenses_of(&service, &id).await;
        assert_eq!(found.len(), 1, "{form}");
        assert_eq!(found[0]["max_activations"], json!(3), "{form}: taken over and brought to what is deserved");
        assert_eq!(creates(&service, &id).await, 2, "{form}: theirs and ours");
    }
    // The sixth form is a second order without a word: it is seen, and said.
    switch(&service, json!({"S1": "201_second_order"})).await;
    let body = json!({"id": order("sub_9"), "items": [{"product_code": "PRO"}]});
    let url = format!("{}{CREATE}", service.sandbox.api);
    let request = service.http.post(url).header("Authorization", "Api-Key sandbox.management-key").json(&body);
    assert!(request.send().await.unwrap().status().is_success());
    buy(&service, "sub_9", "price_pro", 3).await;
    service.settled().await;
    let (_, asked) = service.admin("POST", "/v1/admin/sweeps", json!({"reason": "a look"})).await;
    let path = format!("/v1/admin/sweeps/{}", asked["id"].as_str().unwrap());
    let swept = eventually("the sweep is over", || async {
        let shown = service.admin("GET", &path, Value::Null).await.1;
        (!shown["finished_at"].is_null()).then_some(shown)
    })
    .await;
    assert_eq!(swept["findings"]["duplicates"]["count"], json!(1), "{swept}");
    let (_, shown) = service.get("/v1/drift").await;
    assert_eq!(shown["drift"][0]["kind"], json!("duplicate"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_in_every_form_lose_no_call() {
    let service = Service::start().await;
    for (n, form) in ["json_retry_after", "no_retry_after", "html", "code_shape", "http_date"].iter().enumerate() {
        switch(&service, json!({"S6": form})).await;
        fault(&service, "POST", CREATE, 2, "429").await;
        let id = format!("sub_{n}");
        buy(&service, &id, "price_pro", 3).await;
        service.settled().await;
        assert_eq!((creates(&service, &id).await, licenses_of(&service, &id).await.len()), (3, 1), "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_opens_the_circuit_and_a_probe_closes_it() {
    let service = Service::start().await;
    fault(&service, "GET", "/api/v1/licenses/", 4, "500").await;
    fault(&service, "POST", CREATE, 1, "commit_then_500").await;
    buy(&service, "sub_1", "price_pro", 3).await;
    let budget = async || {
        let (_, shown) = service.admin("GET", "/v1/admin/reconciler", Value::Null).await;
        shown["accounts"][0]["budget"].clone()
    };
    let open = eventually("the circuit is open", || async {
        Some(budget().await).filter(|b| b["circuit"] == "open" || b["circuit"] == "half_open")
    })
    .await;
    assert!(open["failures"].as_i64().unwrap() >= 3, "{open}");
    service.settled().await;
    let closed = budget().await;
    assert_eq!((&closed["circuit"], &closed["failures"]), (&json!("closed"), &json!(0)), "{closed}");
    assert_eq!((creates(&service, "sub_1").await, enabled(&service).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_done_minutes_after_it_was_given_up_is_noticed() {
    let service = given_up_once().await;
    change(&service, "sub_1", "price_pro", 5, 2).await;
    service.settled().await;
    let license = service.sandbox.license(&order("sub_1")).await.unwrap();
    assert_eq!(license["max_activations"], json!(5));
    // The first request, given up as not done, is done now after all.
    edit(&service, "sub_1", json!({"max_activations": 4})).await;
    look_now(&service).await;
    eventually("the late change is undone", || async {
        let seats = service.sandbox.license(&order("sub_1")).await?["max_activations"].clone();
        (seats == json!(5)).then_some(())
    })
    .await;
    service.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_in_these_minutes_is_reported_and_not_undone() {
    let service = given_up_once().await;
    let license = service.sandbox.license(&order("sub_1")).await.unwrap();
    assert_eq!(license["max_activations"], json!(4), "it was done at the second attempt");
    edit(&service, "sub_1", json!({"enabled": false})).await;
    let calls = service.sandbox.mutating().await.len();
    look_now(&service).await;
    service.settled().await;
    let (_, drift) = service.get("/v1/drift").await;
    assert_eq!(drift["drift"][0]["kind"], json!("disabled_by_hand"), "{drift}");
    assert_eq!((enabled(&service).await, service.sandbox.mutating().await.len()), (0, calls));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_license_that_a_call_does_not_find_is_reported_as_deleted() {
    let service = Service::start().await;
    buy(&service, "sub_1", "price_pro", 3).await;
    service.settled().await;
    edit(&service, "sub_1", Value::Null).await;
    change(&service, "sub_1", "price_pro", 4, 1).await;
    service.settled().await;
    let (_, drift) = service.get("/v1/drift").await;
    assert_eq!(drift["drift"][0]["kind"], json!("deleted"), "{drift}");
    let (_, parked) = service.get("/v1/parked").await;
    assert_eq!(parked["parked"], json!([]), "the call is not to blame");
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/sub_1").await;
    assert_eq!(shown["items"][0]["license"]["state"], json!("absent"), "{shown}");
    let calls = service.sandbox.mutating().await.len();
    change(&service, "sub_1", "price_pro", 5, 2).await;
    service.settled().await;
    assert_eq!(service.sandbox.mutating().await.len(), calls, "nothing is called on what is not there");
}
