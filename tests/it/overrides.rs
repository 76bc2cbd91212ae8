//! Overrides: an admin's word outranks the provider's until it is withdrawn, and the past keeps
//! what it knew.

use serde_json::{Value, json};

use crate::support::service::Service;
use crate::support::shop::{buy, cancel, enabled, now, order, post, renew};
use crate::support::stripe::{DAY, event, subscription};

async fn grant(service: &Service, body: Value) -> (u16, Value) {
    let (status, answer) = service.admin("POST", "/v1/admin/overrides", body).await;
    (status.as_u16(), answer)
}

async fn withdraw(service: &Service, granted: &Value, body: Value) -> (u16, Value) {
    let path = format!("/v1/admin/overrides/{}", granted["id"].as_str().unwrap());
    let (status, answer) = service.admin("DELETE", &path, body).await;
    (status.as_u16(), answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn comp_revoke_and_extend_outrank_the_provider_until_withdrawn() {
    let service = Service::start().await;
    buy(&service, "sub_1", "price_pro", 3).await;
    service.settled().await;
    let base =
        |kind: &str| json!({"source": "stripe-main", "subscription_id": "sub_1", "kind": kind, "reason": "a test"});
    let with = |kind: &str, key: &str, value: &str| {
        let mut body = base(kind);
        body[key] = json!(value);
        body
    };
    for (wrong, status) in [
        (with("revoke", "reason", " "), 400),
        (with("banish", "until", "2099-01-01"), 400),
        (base("comp"), 400),
        (with("comp", "until", "soon"), 400),
        (with("revoke", "subscription_id", "sub_2"), 404),
        (with("revoke", "source", "nowhere"), 400),
        (with("revoke", "product_code", "pro"), 400),
    ] {
        assert_eq!(grant(&service, wrong.clone()).await.0, status, "{wrong}");
    }
    let (status, revoked) = grant(&service, with("revoke", "product_code", "PRO")).await;
    assert_eq!((status, &revoked["state"]), (201, &json!("standing")), "{revoked}");
    service.settled().await;
    assert_eq!(enabled(&service).await, 0);
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/sub_1").await;
    assert_eq!(shown["items"][0]["entitlement"]["reason"], json!("revoked"), "{shown}");
    let known: i64 = revoked["event"].as_str().unwrap().rsplit_once('/').unwrap().1.parse().unwrap();
    let (_, before) =
        service.get(&format!("/v1/subscriptions/stripe-main/sub_1?known_at=stripe-main/{}", known - 1)).await;
    assert_eq!(before["items"][0]["entitlement"]["reason"], json!("paid"), "nobody knew then: {before}");
    let as_of = (chrono::Utc::now() - chrono::TimeDelta::minutes(30)).to_rfc3339().replace('+', "%2B");
    let (_, before) = service.get(&format!("/v1/subscriptions/stripe-main/sub_1?as_of={as_of}")).await;
    assert_eq!(before["items"][0]["entitlement"]["reason"], json!("paid"), "{before}");
    // A renewal does not lift it.
    renew(&service, "sub_1", "price_pro", 3, 1).await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 0);

    assert_eq!(withdraw(&service, &revoked, json!({})).await.0, 400, "a reason is required");
    let (status, taken_back) = withdraw(&service, &revoked, json!({"reason": "a mistake"})).await;
    assert_eq!((status, &taken_back["state"]), (200, &json!("withdrawn")), "{taken_back}");
    service.settled().await;
    assert_eq!(enabled(&service).await, 1);

    let (_, extended) = grant(&service, with("extend", "until", "2099-01-01")).await;
    service.settled().await;
    assert_eq!(service.sandbox.license(&order("sub_1")).await.unwrap()["validity_period"], json!("2099-01-01"));
    cancel(&service, "sub_1").await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 1, "longer than the provider wants");
    withdraw(&service, &extended, json!({"reason": "enough"})).await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 0);
    let (_, listed) = service.admin("GET", "/v1/admin/overrides", Value::Null).await;
    let states: Vec<&str> =
        listed["overrides"].as_array().unwrap().iter().map(|o| o["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["withdrawn", "withdrawn"], "{listed}");
    // A rebuild knows them.
    let rebuilt = service.command().args(["rebuild", "--dry-run", "--json"]).output().unwrap();
    assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comp_of_what_was_never_paid_ends_when_it_is_withdrawn() {
    let service = Service::start().await;
    let period = (now() - 3_600, now() + 30 * DAY);
    let unpaid = subscription("sub_1", "active", "price_pro", 1, period);
    post(&service, event("evt_1", "customer.subscription.created", period.0, &unpaid, None)).await;
    service.settled().await;
    assert_eq!(service.sandbox.licenses().await.len(), 0);
    let comp = json!({"source": "stripe-main", "subscription_id": "sub_1", "kind": "comp", "until": "2099-01-01", "reason": "a test"});
    let (_, given) = grant(&service, comp).await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 1);
    withdraw(&service, &given, json!({"reason": "enough"})).await;
    service.settled().await;
    assert_eq!(enabled(&service).await, 0, "or it would run until 2099");
    let (_, shown) = service.get("/v1/subscriptions/stripe-main/sub_1").await;
    assert_eq!(shown["items"][0]["entitlement"]["reason"], json!("not_paid_yet"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_key_is_one_override_and_a_provider_cannot_forge_one() {
    let service = Service::start().await;
    buy(&service, "sub_1", "price_pro", 3).await;
    service.settled().await;
    let body = json!({"source": "stripe-main", "subscription_id": "sub_1", "kind": "revoke", "reason": "twice"});
    let post = || async {
        let request =
            service.http.post(format!("{}/v1/admin/overrides", service.url)).bearer_auth(&service.admin_token);
        request.header("Idempotency-Key", "k-1").json(&body).send().await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(post().await["id"], post().await["id"]);
    let (_, listed) = service.admin("GET", "/v1/admin/overrides", Value::Null).await;
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 1);
    let forged = json!({"id": "override:x", "type": "override_granted", "object": "event", "created": 1, "livemode": true,
        "subscription_id": "sub_1", "kind": "comp", "until": "2099-01-01T00:00:00Z", "at": "2030-01-01T00:00:00Z", "who": "me", "reason": "free",
        "product_code": null, "data": {"object": {}}});
    service.post("stripe-main", forged.to_string().as_bytes()).await;
    service.settled().await;
    let (_, listed) = service.admin("GET", "/v1/admin/overrides", Value::Null).await;
    assert_eq!(listed["overrides"].as_array().unwrap().len(), 1, "{listed}");
}
